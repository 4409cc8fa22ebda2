"""box/pool.h against a real libvirtd, as a user of group libvirt."""

import json
import os
import signal
import subprocess
import time

import pytest

POOL = "/var/lib/libvirt/images/migrant"
DISK = 64 << 20


@pytest.fixture
def pool(host):
    """Runs pooltool as dev; the pool is empty before and must be empty after."""

    def run(*argv, user="dev", **options):
        options.setdefault("check", False)
        return host.run("pooltool", *argv, user=user, **options)

    assert volumes(host) == []
    yield run
    for name in volumes(host):
        assert run("delete", name).returncode == 0
    assert volumes(host) == []


def volumes(host):
    return host.run("ls", POOL).stdout.split()


def write(host, name, content):
    path = f"/home/dev/{name}"
    host.run("tee", path, user="dev", input=content)
    return path


def sparse(host, name, size):
    path = f"/home/dev/{name}"
    host.run("truncate", "-s", str(size), path, user="dev")
    return path


def test_stores_and_loads(host, pool):
    path = write(host, "manifest", '{"a": 1}\n')
    assert pool("store", "box-x.json", path).returncode == 0
    assert pool("load", "box-x.json", "100").stdout == '{"a": 1}\n'
    assert pool("has", "box-x.json").stdout == "yes\n"
    assert pool("has", "box-y.json").stdout == "no\n"
    assert host.run("stat", "-c", "%U:%G %a", f"{POOL}/box-x.json").stdout == "root:root 444\n"


def test_stores_nothing(host, pool):
    assert pool("store", "empty", write(host, "empty", "")).returncode == 0
    assert pool("load", "empty", "0").stdout == ""


def test_does_not_overwrite_unasked(host, pool):
    first, second = write(host, "a", "first"), write(host, "b", "second, and longer")
    assert pool("store", "box-x.json", first).returncode == 0
    assert pool("store", "box-x.json", second).returncode == 73
    assert pool("load", "box-x.json", "100").stdout == "first"
    assert pool("replace", "box-x.json", second).returncode == 0
    assert pool("load", "box-x.json", "100").stdout == "second, and longer"


def test_replaces_the_same_length_in_place(host, pool):
    assert pool("store", "box-x.json", write(host, "a", "first")).returncode == 0
    inode = host.run("stat", "-c", "%i", f"{POOL}/box-x.json").stdout
    assert pool("replace", "box-x.json", write(host, "b", "other")).returncode == 0
    assert pool("load", "box-x.json", "100").stdout == "other"
    assert host.run("stat", "-c", "%i", f"{POOL}/box-x.json").stdout == inode


def test_loads_no_more_than_the_cap(host, pool):
    assert pool("store", "big", write(host, "a", "x" * 101)).returncode == 0
    result = pool("load", "big", "100")
    assert (result.returncode, result.stdout) == (65, "")


def test_absent(pool):
    assert pool("load", "absent", "100").returncode == 66
    assert pool("delete", "absent").returncode == 0
    assert pool("overlay", "disk-1.qcow2", "absent", "qcow2", "1G").returncode == 66


def test_uploads_bytes_unchanged(host, pool):
    host.sh("head -c 5000001 /dev/urandom >/home/dev/noise; chmod 644 /home/dev/noise")
    assert pool("upload", "base-1.qcow2", "/home/dev/noise").returncode == 0
    host.run("cmp", "/home/dev/noise", f"{POOL}/base-1.qcow2")


def test_lists_by_prefix(host, pool):
    path = write(host, "a", "x")
    for name in ("base-1.qcow2", "base-2.qcow2", "box-a.json"):
        assert pool("store", name, path).returncode == 0
    assert sorted(pool("list", "base-").stdout.split()) == ["base-1.qcow2", "base-2.qcow2"]
    assert pool("list", "zzz").stdout == ""


def test_overlay(host, pool):
    host.run("qemu-img", "create", "-q", "-f", "qcow2", "/home/dev/base.qcow2", "1G")
    host.run("chmod", "644", "/home/dev/base.qcow2")
    assert pool("upload", "base-1.qcow2", "/home/dev/base.qcow2").returncode == 0
    assert pool("overlay", "disk-1.qcow2", "base-1.qcow2", "qcow2", "20G").returncode == 0
    info = json.loads(host.run("qemu-img", "info", "--output=json", f"{POOL}/disk-1.qcow2").stdout)
    assert info["virtual-size"] == 20 << 30
    assert info["backing-filename"] == f"{POOL}/base-1.qcow2"
    assert info["backing-filename-format"] == "qcow2"
    assert host.run("stat", "-c", "%a", f"{POOL}/disk-1.qcow2").stdout == "600\n"


def test_overlay_may_not_cut_the_base_off(host, pool):
    host.run("qemu-img", "create", "-q", "-f", "qcow2", "/home/dev/big.qcow2", "3G")
    host.run("chmod", "644", "/home/dev/big.qcow2")
    assert pool("upload", "base-1.qcow2", "/home/dev/big.qcow2").returncode == 0
    result = pool("overlay", "disk-1.qcow2", "base-1.qcow2", "qcow2", "2G")
    assert result.returncode == 78 and "too small" in result.stderr
    assert volumes(host) == ["base-1.qcow2"]


def test_sees_what_root_took_away(host, pool):
    assert pool("store", "base-1.qcow2", write(host, "a", "x")).returncode == 0
    host.run("rm", "-f", f"{POOL}/base-1.qcow2")
    assert pool("has", "base-1.qcow2").stdout == "no\n"
    assert pool("delete", "base-1.qcow2").returncode == 0


def test_full_disk_is_one_error_and_leaves_nothing(host, pool):
    host.sh(f"head -c {DISK + (8 << 20)} /dev/zero >/home/dev/zeros; chmod 644 /home/dev/zeros")
    result = pool("upload", "base-1.qcow2", "/home/dev/zeros")
    assert result.returncode == 74
    assert "No space left on device" in result.stderr
    assert len([line for line in result.stderr.splitlines() if line.startswith("error:")]) == 1
    assert volumes(host) == []


def test_full_disk_while_making_an_overlay(host, pool):
    host.run("qemu-img", "create", "-q", "-f", "qcow2", "/home/dev/base.qcow2", "1G")
    host.run("chmod", "644", "/home/dev/base.qcow2")
    assert pool("upload", "base-1.qcow2", "/home/dev/base.qcow2").returncode == 0
    host.sh(f"cat /dev/zero >{POOL}/.fill 2>/dev/null || true")
    result = pool("overlay", "disk-1.qcow2", "base-1.qcow2", "qcow2", "20G")
    host.run("rm", "-f", f"{POOL}/.fill")
    assert result.returncode == 74, result.stderr
    assert volumes(host) == ["base-1.qcow2"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_upload_leaves_nothing(host, pool, number):
    """The daemon is stopped as soon as the volume is there, so that the signal comes in the middle."""
    path = sparse(host, "slow", 60 << 20)
    daemon = host.lab.libvirtd_pid()
    child = host.spawn("pooltool", "upload", "base-1.qcow2", path, user="dev", stderr=subprocess.DEVNULL)
    until = time.monotonic() + 10
    while not os.path.exists(f"/proc/{host.pid}/root{POOL}/base-1.qcow2"):
        assert time.monotonic() < until
    host.run("kill", "-STOP", daemon)
    host.run("kill", f"-{int(number)}", *host.run("pgrep", "-x", "pooltool").stdout.split())
    host.run("kill", "-CONT", daemon)
    child.wait(timeout=20)
    assert child.returncode != 0
    assert volumes(host) == []


def test_outsider(pool):
    result = pool("has", "x", user="outsider")
    assert result.returncode == 77
    assert "libvirt" in result.stderr and "hint: " in result.stderr


def test_no_pool(host, pool):
    host.sh("virsh -q -c qemu:///system pool-destroy migrant; virsh -q -c qemu:///system pool-undefine migrant")
    try:
        result = pool("has", "x")
        assert result.returncode == 69
        assert "sudo migrant setup" in result.stderr
    finally:
        host.sh(f"virsh -q -c qemu:///system pool-define-as migrant dir --target {POOL}")
    assert pool("has", "x").returncode == 0  # a pool that is only stopped is started


def test_no_daemon(host, pool):
    host.lab.stop_libvirtd()
    try:
        result = pool("has", "x")
        assert result.returncode == 69
        assert "hint: start it" in result.stderr
        assert len(result.stderr.splitlines()) == 2
    finally:
        host.lab.start_libvirtd()
        host.run("virsh", "-q", "-c", "qemu:///system", "pool-start", "migrant", check=False)
