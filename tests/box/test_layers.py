"""layer/layer.h against a real libvirtd: a layer is published as a whole or not at all, and is what was published or refused."""

import itertools
import json
import signal
import subprocess

import pytest

POOL = "/var/lib/libvirt/images/migrant"
KEY = "0123456789abcdef" * 4
BASE = f"base-{'0' * 64}.raw"
DISK = "disk-3f2504e0-4f89-41d3-9a0c-0305e82c3301.qcow2"


def volumes(host):
    return set(host.run("ls", POOL).stdout.split())


@pytest.fixture
def tool(host):
    """Runs layertool as dev; the pool holds a base and a disk with 1 MiB written over it."""
    host.sh(f"""
        truncate -s 8M {POOL}/{BASE}; chmod 444 {POOL}/{BASE}
        qemu-img create -q -f qcow2 -F raw -b {POOL}/{BASE} {POOL}/{DISK} 8M
        qemu-io -f qcow2 -c 'write -P 0x5a 0 1M' {POOL}/{DISK} >/dev/null; chmod 600 {POOL}/{DISK}
        virsh -q -c qemu:///system pool-refresh migrant""")

    def run(*argv, **options):
        options.setdefault("check", False)
        return host.run("layertool", *argv, user="dev", **options)

    yield run
    host.sh(f"rm -f {POOL}/*; virsh -q -c qemu:///system pool-refresh migrant")


def publish(tool):
    done = tool("publish", KEY, DISK, BASE)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[1]


def test_what_is_published_is_found(host, tool):
    volume = publish(tool)
    assert volumes(host) == {BASE, DISK, volume, f"layer-{KEY}.json"}
    assert tool("check", KEY).returncode == tool("verify", KEY).returncode == 0
    assert host.run("stat", "-c", "%U %a", f"{POOL}/{volume}").stdout == "root 440\n"
    host.run("cmp", f"{POOL}/{volume}", f"{POOL}/{DISK}")
    assert tool("leftovers").stdout == ""


def test_none_is_none(tool):
    assert tool("check", KEY).returncode == 66


@pytest.mark.parametrize("change, message", [
    ("printf x >>{0}", "changed since it was made"),
    ("touch -r {0} /tmp/times; printf x | dd of={0} bs=1 seek=300000 conv=notrunc status=none; touch -r /tmp/times {0}",
     "changed since it was made"),
    ("touch -d 2020-01-01 {0}", "changed since it was made"),
    ("cp -p {0} {0}.new; mv {0}.new {0}", "changed since it was made"),
    ("chmod 644 {0}", "not root's and read-only"),
    ("chown dev {0}", "not root's and read-only"),
    ("rm {0}", "no such volume"),
    ("rm -f {1}", "what it lies over is not there"),
])
def test_a_changed_one_is_refused(host, tool, change, message):
    """Whatever the times that somebody sets back: one of them is the kernel's alone."""
    volume = publish(tool)
    host.sh(change.format(f"{POOL}/{volume}", f"{POOL}/{BASE}"))
    host.run("virsh", "-q", "-c", "qemu:///system", "pool-refresh", "migrant")
    for command in ("check", "verify"):
        refused = tool(command, KEY)
        assert refused.returncode == 65 and message in refused.stderr, refused.stderr


def edit_manifest(host, change):
    path = f"{POOL}/layer-{KEY}.json"
    manifest = json.loads(host.run("cat", path).stdout)
    manifest.update(change)
    host.run("tee", path, input=json.dumps(manifest))
    host.run("virsh", "-q", "-c", "qemu:///system", "pool-refresh", "migrant")


def test_other_content_is_found_by_its_digest(host, tool):
    publish(tool)
    edit_manifest(host, {"digest": "f" * 64})
    assert tool("check", KEY).returncode == 0
    refused = tool("verify", KEY)
    assert refused.returncode == 65 and "not what was stored" in refused.stderr


@pytest.mark.parametrize("change", [{"volume": DISK}, {"base": "../../../../etc/shadow"}, {"version": 2}, {"key": "f" * 64}])
def test_a_manifest_of_something_else_publishes_nothing(host, tool, change):
    publish(tool)
    edit_manifest(host, change)
    assert tool("check", KEY).returncode == 65


@pytest.mark.parametrize("make", [
    "qemu-img create -q -f qcow2 -F raw -b /etc/shadow {0} 8M",
    "qemu-img create -q -f qcow2 {0} 8M",
    "qemu-img create -q -f qcow2 -F raw -b {1} -o data_file={0}.data {0} 8M",
    "truncate -s 1M {0}",
])
def test_a_disk_that_names_something_else_is_not_kept(host, tool, make):
    """As a QEMU that was broken into may leave it."""
    host.sh(f"rm {POOL}/{DISK}; touch /etc/shadow; " + make.format(f"{POOL}/{DISK}", f"{POOL}/{BASE}"))
    refused = tool("publish", KEY, DISK, BASE)
    assert refused.returncode == 65 and "refused" in refused.stderr, refused.stderr
    assert not any(name.startswith("layer-") for name in volumes(host))


def test_a_new_one_takes_the_old_ones_place(host, tool):
    """The old volume stays for those who lie over it, and is a leftover when nobody does."""
    old, new = publish(tool), publish(tool)
    assert old != new and {old, new} <= volumes(host)
    assert tool("check", KEY).returncode == 0
    assert tool("leftovers").stdout.split() == [old]


def test_a_full_disk_publishes_nothing(host, tool):
    host.sh(f"fallocate -l $(($(stat -fc '%a*%S' {POOL}) - 600000)) {POOL}/fill")
    failed = tool("publish", KEY, DISK, BASE)
    assert failed.returncode == 74, failed.stderr
    assert volumes(host) == {BASE, DISK, "fill"}
    host.run("rm", f"{POOL}/fill")
    publish(tool)


def test_a_killed_one_leaves_what_can_be_taken_away(host, tool):
    """Between the copy and the end of its storing."""
    daemon = host.run("pgrep", "-x", "libvirtd").stdout.split()[0]
    running = host.spawn("layertool", "publish", KEY, DISK, BASE, user="dev", stdout=subprocess.PIPE, text=True)
    try:
        assert running.stdout.readline() == "copied\n"
        host.run("kill", "-STOP", daemon)
        host.run("kill", f"-{int(signal.SIGKILL)}", *host.run("pgrep", "-x", "layertool").stdout.split(), check=False)
    finally:
        host.run("kill", "-CONT", daemon)
    running.wait(timeout=60)
    found = tool("check", KEY).returncode
    left = tool("leftovers").stdout.split()
    assert found in (0, 66) and (found == 66 or left == [])  # it may have been through already
    publish(tool)
    assert tool("check", KEY).returncode == 0


def test_killed_at_every_step_there_is_the_old_one_or_the_new_one(host, tool):
    """The first one that is not killed takes the place of all of them."""
    old = publish(tool)
    for number in itertools.count(1):
        made = tool("publish", KEY, DISK, BASE, env={"LD_PRELOAD": "/usr/local/lib/libmortal.so", "MORTAL": number})
        if made.returncode == 0:
            break
        assert made.returncode in (-signal.SIGKILL, 137), made.stderr
        found = tool("check", KEY)
        assert found.returncode in (0, 65, 66), found.stderr  # with no layer `up` makes one
        for name in tool("leftovers").stdout.split():  # as `storage --prune` does
            host.run("rm", f"{POOL}/{name}")
        host.run("virsh", "-q", "-c", "qemu:///system", "pool-refresh", "migrant")
    assert number > 4
    assert tool("verify", KEY).returncode == 0
    assert volumes(host) - set(tool("leftovers").stdout.split()) == {BASE, DISK, made.stdout.split()[1], f"layer-{KEY}.json"}
    assert old not in volumes(host)


def test_two_at_once(host, tool):
    """One of them makes it; nobody waits, and nobody takes a half-made one for a leftover."""
    old = publish(tool)
    new = publish(tool)
    assert new != old
    with host.spawn("layertool", "hold", KEY, user="dev", stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout.readline() == "held\n"
        second = tool("hold", KEY, input="")
        assert second.returncode == 75
        assert tool("hold", "f" * 64, input="").returncode == 0
        assert tool("leftovers").stdout == ""
        first.stdin.close()
        first.wait(timeout=60)
    assert tool("leftovers").stdout.split() == [old]
