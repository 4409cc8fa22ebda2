"""`setup`, `setup --remove` and `doctor` on a host of their own that has libvirt installed and nothing else."""

import json

import pytest

from lab import Lab

HOOK = "/usr/sbin/migrant-hook"
HELPER = "/usr/sbin/migrant-helper"
LINK = "/etc/libvirt/hooks/qemu.d/migrant"
CONF = "/etc/libvirt/libvirtd.conf"
POOL = "/var/lib/libvirt/images/migrant"


@pytest.fixture
def host(build):
    """migrant is installed, libvirtd does not run, nothing is set up."""
    with Lab() as lab:
        lab.host.run("cmake", "--install", build, "--prefix", "/usr/local")
        lab.add_users()
        lab.host.run("cp", CONF, "/home/libvirtd.conf")
        yield lab


def migrant(lab, *argv, user=None):
    return lab.host.run("migrant", *argv, user=user, check=False, timeout=180)


def set_up(lab, *argv, status=0):
    """Runs it and returns {item: state}."""
    result = migrant(lab, "setup", *argv)
    assert result.returncode == status, result.stdout + result.stderr
    return {line[9:25].strip(): line[:8].strip() for line in result.stdout.splitlines() if line[0] != " "}


def doctor(lab, user=None):
    """{check: (state, text)}; the exit status must agree."""
    result = migrant(lab, "doctor", "--json", user=user)
    report = json.loads(result.stdout)
    states = {check["name"]: (check["state"], check["text"]) for check in report["checks"]}
    assert report["ok"] == all(state != "error" for state, _ in states.values())
    assert result.returncode == (0 if report["ok"] else 69), result.stderr
    return states


def mode(lab, path):
    return lab.host.run("stat", "-c", "%a %U:%G", path).stdout.strip()


def answers(lab, user):
    return lab.host.run("virsh", "-q", "-c", "qemu:///system", "list", user=user, check=False).returncode == 0


def test_from_nothing(host):
    """Everything is made, a second time changes nothing, and exactly group libvirt may use it."""
    assert migrant(host, "doctor", user="dev").returncode == 69
    first = set_up(host)
    assert {"hook", "helper", "virtiofsd", "hook link", "daemon", "pool", "access"} <= \
        {name for name, state in first.items() if state == "changed"}
    pid = host.libvirtd_pid()
    assert pid
    assert set(set_up(host).values()) == {"ok"}
    assert host.libvirtd_pid() == pid, "the second set-up restarted the daemon"

    assert mode(host, HOOK) == "755 root:root"
    assert mode(host, HELPER) == "4750 root:libvirt"
    assert mode(host, "/run/migrant") == "711 root:root"
    assert mode(host, POOL) == "711 root:root"
    assert host.host.run("readlink", LINK).stdout.strip() == HOOK
    assert "shared" in host.host.run("findmnt", "-no", "PROPAGATION", "-T", "/run/netns").stdout
    assert "yes" in host.host.run("virsh", "-q", "-c", "qemu:///system", "pool-info", "migrant").stdout

    assert answers(host, "dev") and not answers(host, "outsider")
    states = doctor(host, user="dev")
    assert states["user"] == ("ok", "dev is in group libvirt")
    assert doctor(host)["nftables"][0] == "ok"
    states = doctor(host, user="outsider")
    assert states["user"][0] == "error" and states["daemon"][0] == "error"


def test_who_is_not_root(host):
    for arguments in (["setup"], ["setup", "--remove"]):
        result = migrant(host, *arguments, user="dev")
        assert result.returncode == 77
        assert "sudo migrant setup" in result.stderr
        assert result.stdout == ""


def test_two_at_once(host):
    both = [host.host.spawn("migrant", "setup") for _ in range(2)]
    assert [popen.wait(180) for popen in both] == [0, 0]
    assert set(set_up(host).values()) == {"ok"}


@pytest.mark.parametrize("damage, item", [
    (f"printf '#!/bin/sh\\nexit 0\\n' >{HOOK}", "hook"),
    (f"rm {HOOK}", "hook"),
    (f"chmod 4755 {HELPER}", "helper"),
    (f"chown root:root {HELPER}", "helper"),
    (f"rm {LINK}; ln -s /bin/true {LINK}", "hook link"),
    (f"rm {LINK}; cp /bin/true {LINK}", "hook link"),
    ("chmod 777 /run/migrant", "run directory"),
    ("umount /run/netns || true; mount --make-private /run", "mounts"),
    ("kill $(cat /run/libvirtd.pid); while [ -d /proc/$(cat /run/libvirtd.pid 2>/dev/null) ] && "
     "[ -e /run/libvirtd.pid ]; do sleep .1; done", "daemon"),
    ("virsh -q -c qemu:///system pool-destroy migrant", "pool"),
    ("virsh -q -c qemu:///system pool-autostart migrant --disable", "pool"),
    (f"sed -i 's/\"0770\"/\"0777\"/' {CONF}", "access"),
], ids=["replaced-hook", "no-hook", "open-helper", "helper-of-root", "foreign-link", "file-for-link",
        "open-directory", "private-mounts", "no-daemon", "stopped-pool", "no-autostart", "open-socket"])
def test_damage(ready, damage, item):
    """doctor names what is wrong and changes nothing; set-up puts it right."""
    ready.host.sh(damage)
    assert doctor(ready)[item][0] == "error"
    assert doctor(ready)[item][0] == "error", "doctor changed something"
    assert set_up(ready)[item] == "changed"
    assert set(set_up(ready).values()) == {"ok"}


@pytest.fixture(scope="module")
def ready(build):
    with Lab() as lab:
        lab.host.run("cmake", "--install", build, "--prefix", "/usr/local")
        lab.add_users()
        set_up(lab)
        yield lab


def test_daemon_from_before(host):
    """A daemon that was started before the hook was linked is restarted: it looks hooks up at its start."""
    host.configure_libvirt()
    host.start_libvirtd()
    pid = host.libvirtd_pid()
    assert set_up(host)["daemon"] == "changed"
    assert host.libvirtd_pid() != pid


def test_foreign_hook(host):
    """Somebody's own hook stays and is still called."""
    host.host.sh("""
        mkdir -p /etc/libvirt/hooks
        printf '#!/bin/sh\\necho "$1 $2" >>/home/called\\n' >/etc/libvirt/hooks/qemu
        chmod 755 /etc/libvirt/hooks/qemu
        """)
    set_up(host)
    host.host.run("tee", "/home/domain.xml", input="""
        <domain type='qemu'><name>stranger</name><memory unit='MiB'>64</memory>
        <os><type arch='x86_64' machine='q35'>hvm</type></os></domain>""")
    # whether this guest comes up is of no interest: its hooks come first
    host.host.sh("virsh -q -c qemu:///system create --paused /home/domain.xml || true")
    assert "stranger prepare" in host.host.run("cat", "/home/called").stdout
    set_up(host, "--remove")
    assert host.host.run("test", "-x", "/etc/libvirt/hooks/qemu", check=False).returncode == 0


def test_foreign_pool(host):
    """Another pool of our name is not taken over."""
    host.configure_libvirt()
    host.start_libvirtd()
    host.host.sh("mkdir /home/pool; virsh -q -c qemu:///system pool-define-as migrant dir --target /home/pool")
    result = migrant(host, "setup")
    assert result.returncode == 73
    assert "another one" in result.stderr and "pool-undefine" in result.stdout
    assert "/home/pool" in host.host.run("virsh", "-c", "qemu:///system", "pool-dumpxml", "migrant").stdout


def test_no_programs_to_install(host):
    host.host.run("rm", "/usr/local/libexec/migrant/migrant-helper")
    result = migrant(host, "setup")
    assert result.returncode == 66
    assert "helper: " in result.stderr and "cmake --install" in result.stderr


def test_remove(host):
    set_up(host)
    host.host.run("touch", f"{POOL}/box-somebody.json")
    host.host.run("mkdir", "/run/migrant/claude")
    host.stop_libvirtd()
    result = migrant(host, "setup", "--remove")
    assert result.returncode == 1 and "sandboxes are running" in result.stderr
    host.host.run("test", "-e", HOOK)

    host.host.run("rmdir", "/run/migrant/claude")
    host.start_libvirtd()
    states = set_up(host, "--remove")
    assert {states[name] for name in ("pool", "access", "hook link", "helper", "hook", "run directory")} == {"changed"}
    for path in (HOOK, HELPER, LINK, "/run/migrant"):
        assert host.host.run("test", "-e", path, check=False).returncode == 1, path
    host.host.run("cmp", CONF, "/home/libvirtd.conf")
    host.host.run("test", "-e", f"{POOL}/box-somebody.json")
    assert "migrant" not in host.host.run("virsh", "-q", "-c", "qemu:///system", "pool-list", "--all").stdout
    assert set(set_up(host, "--remove").values()) == {"ok"}
    set_up(host)
    assert "box-somebody.json" in host.host.run("virsh", "-q", "-c", "qemu:///system", "vol-list", "migrant").stdout


def test_a_firewall_of_the_host(ready):
    """What would drop the traffic of sandboxes is named with the rule that helps, and the rule helps."""
    ready.host.sh("nft add table ip filter; "
                  "nft 'add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }'")
    result = migrant(ready, "doctor", "--json")
    check = {check["name"]: check for check in json.loads(result.stdout)["checks"]}["forwarding"]
    assert check["state"] == "warning" and "FORWARD" in check["text"]
    assert check["hint"].startswith("sudo nft insert rule ip filter FORWARD ")
    ready.host.sh(check["hint"].removeprefix("sudo "))
    assert doctor(ready)["forwarding"][0] == "ok"
    ready.host.sh("nft delete table ip filter")
    assert "root" in doctor(ready, user="dev")["forwarding"][1]
