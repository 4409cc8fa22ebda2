"""The secret half of a tunnel: handed over for one start, root's while it runs, and nowhere else before or after."""

import json
import re

import pytest

from conftest import HELPER
from lab import WEB, differences
from tunneled import Tunneled, source, tunneled, verify
from wireguard import KERNEL, eventually

CONF = "/run/migrant/a/wireguard.conf"


@pytest.fixture
def sandbox(lab, peer):
    sandbox = Tunneled(lab, "a", peer.conf())
    yield sandbox
    sandbox.down()


def test_keys_are_where_they_should_be(lab, peer):
    key, public = peer.clients[0]
    where = f"grep -rlsF -D skip -e {key} /run /etc /home/dev /usr/local/sbin /var/log/libvirt /var/lib/migrant /dev/shm || true"
    running = "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'"
    with tunneled(lab, peer) as sandbox:
        assert lab.host.sh(where).stdout == f"{CONF}\n"
        assert lab.host.run("stat", "-c", "%u %a", CONF).stdout == "0 600\n"
        assert lab.host.run("cat", CONF, user="dev", check=False).returncode
        assert key not in sandbox.xml + lab.host.sh(running).stdout
        shown = "".join(lab.host.run(HELPER, verb, "a", user="dev").stdout for verb in ("wg", "verify", "rules"))
        assert key not in shown and public in shown
        assert key not in lab.host.run("cat", "/run/migrant/a/record.json").stdout
        # Only root may ask WireGuard itself.
        assert lab.host.run("wg", "show", sandbox.link, "private-key", user="dev", check=False).returncode
        socket = f"/run/wireguard/{sandbox.link}.sock"
        knock = f"import socket; socket.socket(socket.AF_UNIX).connect('{socket}')"
        assert ("No such file" if KERNEL else "Permission") in lab.host.run("/usr/bin/python3", "-c", knock, user="dev", check=False).stderr
    assert lab.host.sh(where).stdout == ""


def rights(lab, sandbox):
    pid = lab.host.run("pgrep", "-f", f"^migrant-a -f {sandbox.link}$").stdout.strip()
    status = dict(re.findall(r"^(\w+):\t(.*)$", lab.host.run("cat", f"/proc/{pid}/status").stdout, re.M))
    files = lab.host.sh(f"readlink /proc/{pid}/fd/[012] /proc/{pid}/cwd").stdout.split()
    session = lab.host.run("ps", "-o", "sid=", "-p", pid).stdout.strip()
    environment = lab.host.sh(f"tr '\\0' ' ' </proc/{pid}/environ").stdout
    return status, files, session == pid, environment


def test_the_kernel_carries_it(lab, peer):
    """Where it can: no program is started then. Elsewhere the program has its own test, below."""
    with tunneled(lab, peer) as sandbox:
        assert sandbox.wg()["backend"] == ("kernel" if KERNEL else "wireguard-go")
        assert lab.host.run("pgrep", "-f", f"^migrant-a -f {sandbox.link}$", check=False).returncode == (1 if KERNEL else 0)


def wireguard_go_has_one_right(lab, peer):
    """Root's number it has only where nobody else may open the device."""
    with tunneled(lab, peer) as sandbox:
        status, files, leads, environment = rights(lab, sandbox)
        assert {status[k] for k in ("CapEff", "CapPrm", "CapBnd")} == {"0000000000001000"}  # CAP_NET_ADMIN
        assert (status["NoNewPrivs"], status["Groups"].strip(), leads) == ("1", "", True)
        assert files == ["/dev/null"] * 3 + ["/"]
        assert environment == "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C LOG_LEVEL=silent WG_UAPI_FD=3 "
    lab.host.sh("mknod /run/tun c 10 200; chmod 666 /run/tun; mount --bind /run/tun /dev/net/tun")
    try:
        with tunneled(lab, peer) as sandbox:
            assert source(sandbox, WEB) == peer.client()[0]
            status = rights(lab, sandbox)[0]
            assert (status["Uid"].split(), status["Gid"].split()) == (["4141285376"] * 4,) * 2
            assert status["CapEff"] == "0000000000001000"
    finally:
        lab.host.sh("umount /dev/net/tun; rm /run/tun")


if not KERNEL:
    test_wireguard_go_has_one_right = wireguard_go_has_one_right


def test_a_start_needs_it(lab, peer, sandbox):
    """virsh, or a host that starts its guests by itself, has not handed it over. And it serves for one start."""
    sandbox.describe(json.loads(sandbox.stage().stdout)["identity"])
    sandbox.up()
    super(Tunneled, sandbox).hook("prepare", check=False)  # refused, as it runs, and takes nothing
    sandbox.down()
    refused = super(Tunneled, sandbox).hook("prepare", check=False)
    assert (refused.returncode, "migrant up" in refused.stderr) == (66, True), refused.stderr
    assert lab.host.run("ls", "-A", "/run/migrant").stdout == ""


def test_only_what_the_domain_names_is_taken(lab, peer, sandbox):
    sandbox.describe(json.loads(sandbox.stage().stdout)["identity"])
    for conf in (peer.conf(1), sandbox.conf.replace("MTU = 1420", "MTU = 1400")):
        sandbox.stage(conf)
        refused = super(Tunneled, sandbox).hook("prepare", check=False)
        assert (refused.returncode, "not the one" in refused.stderr) == (65, True), refused.stderr
        assert lab.host.run("ls", "-A", "/run/migrant").stdout == ""
    # Facts that are not those of the file, though it is the file.
    identity = json.loads(sandbox.stage().stdout)["identity"]
    for old, new in ((f"{peer.client()[0]}/32", "10.8.1.9/32"), (f">{peer.address}<", ">10.8.1.7<"), ('mtu="1420"', 'mtu="1400"')):
        sandbox.describe(identity)
        assert old in sandbox.xml
        sandbox.xml = sandbox.xml.replace(old, new)
        sandbox.stage()
        assert super(Tunneled, sandbox).hook("prepare", check=False).returncode == 65
    # What another user hands over under that name: no more, and where he may, it is not taken.
    assert sandbox.stage(user="other", check=False).returncode == 77
    fresh = Tunneled(lab, "fresh", peer.conf())
    fresh.describe(json.loads(fresh.stage(user="other").stdout)["identity"])
    assert super(Tunneled, fresh).hook("prepare", check=False).returncode == 66


@pytest.mark.parametrize("conf", [
    "", "[Interface]\n", "x" * 300000, "[Interface]\nPostUp = touch /tmp/x\n", "{conf}PostUp = id\n",
    "{conf}\nEndpoint = vpn.example:1\n"], ids=["nothing", "no key", "too long", "a command", "a command too many", "a name"])
def test_nothing_else_is_kept(lab, peer, sandbox, conf):
    refused = sandbox.stage(conf.replace("{conf}", sandbox.conf.replace("Endpoint", "# Endpoint")), check=False)
    assert refused.returncode == 65
    assert sandbox.conf.split()[3] not in refused.stderr
    assert lab.host.run("ls", "-A", "/run/migrant").stdout == ""


def test_staged_and_not_wanted(lab, peer, sandbox):
    sandbox.stage()
    assert lab.host.sh("stat -c '%u %a' /run/migrant/.staged /run/migrant/.staged/*").stdout == "0 700\n0 600\n"
    lab.host.run(HELPER, "cleanup", "a", user="dev")
    assert lab.host.run("ls", "-A", "/run/migrant").stdout == ""
    sandbox.stage()
    lab.host.sh("touch -d '2 hours ago' /run/migrant/.staged/*")
    Tunneled(lab, "b", "").hook("release", "end")
    assert lab.host.run("ls", "-A", "/run/migrant").stdout == ""
    # For the next start, while this one ends.
    sandbox.up()
    sandbox.stage()
    sandbox.down()
    super(Tunneled, sandbox).hook("prepare")


def test_a_link_that_has_no_name_yet_is_cleared(lab, peer, sandbox):
    """The kernel's interface of a hook that was killed: nobody knows whose it is, and nobody needs it."""
    lab.host.run("ip", "tuntap", "add", "mgw00000000", "mode", "tun")
    sandbox.hook("release", "end")
    assert "mgw" not in lab.host.run("ip", "link").stdout


def test_no_verb_without_a_tunnel(lab):
    from conftest import running
    with running(lab):
        assert lab.host.run(HELPER, "wg", "a", user="dev", check=False).returncode == 1
        assert lab.host.run(HELPER, "wg", "a", user="other", check=False).returncode == 77
    assert lab.host.run(HELPER, "wg", "a", user="dev", check=False).returncode == 1


def test_who_begins_and_when_it_ends(lab, peer):
    """A peer is greeted at the start; after that there is a keepalive only where the file has one."""
    with tunneled(lab, peer) as sandbox:
        assert sandbox.wg()["peers"][0]["keepalive"] is None
        assert sandbox.inside("wg", "show", sandbox.link, "persistent-keepalive").stdout.split()[1] == "off"
    with tunneled(lab, peer, conf=peer.conf(more="PersistentKeepalive = 7\n")) as sandbox:
        assert sandbox.wg()["peers"][0]["keepalive"] == 7


FAKES = {
    "wg fails": "printf '#!/bin/sh\\nexit 1\\n' >/usr/local/sbin/wg; chmod 755 /usr/local/sbin/wg",
    "wireguard-go ends": "printf '#!/bin/sh\\nexit 1\\n' >/usr/local/sbin/wireguard-go; chmod 755 /usr/local/sbin/wireguard-go",
    "no wireguard-go": "mount --bind /dev/null /usr/bin/wireguard-go",
    "no wg": "mount --bind /dev/null /usr/bin/wg",
    "the hook is killed": "printf '#!/bin/sh\\nkill -9 $PPID\\n' >/usr/local/sbin/wg; chmod 755 /usr/local/sbin/wg",
}
if KERNEL:
    FAKES = {name: command for name, command in FAKES.items() if "wireguard-go" not in name}
UNDO = "rm -f /usr/local/sbin/wg /usr/local/sbin/wireguard-go; umount /usr/bin/wireguard-go /usr/bin/wg 2>/dev/null || true"


@pytest.mark.parametrize("name", FAKES)
def test_a_start_that_fails_leaves_nothing(lab, peer, sandbox, name):
    before = lab.snapshot()
    lab.host.sh(FAKES[name])
    try:
        failed = sandbox.hook("prepare", check=False)
    finally:
        lab.host.sh(UNDO)
    assert failed.returncode == {"the hook is killed": -9, "no wg": 69, "no wireguard-go": 69}.get(name, 71), failed.stderr
    if name == "the hook is killed" and not KERNEL:
        assert "migrant-a" in lab.host.run("ps", "-eo", "args").stdout
    sandbox.down()
    assert differences(before, lab.snapshot()) == ""
    sandbox.up()
    eventually(sandbox.handshake)
    assert (source(sandbox, WEB), verify(lab)) == (peer.client()[0], [])
