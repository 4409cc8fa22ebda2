"""A share comes, is one folder on both sides, and goes without a trace but its image."""

from conftest import MIB, Sandbox, descriptions, mounts, nothing_new, running, share, until
from virtiofs import ROOT


def test_both_sides_see_the_same_files(lab):
    with running(lab) as a:
        node = a.virtiofs.file("from-guest", b"hello\n", uid=1000, gid=1000)
        assert a.sh("cat from-guest").stdout == "hello\n"
        a.sh("echo world >from-host; mkdir dir; echo x >dir/x")
        assert a.virtiofs.content(a.virtiofs.walk("from-host")) == b"world\n"
        assert a.virtiofs.stat(a.virtiofs.walk("from-host")).uid == 1000
        assert a.virtiofs.content(a.virtiofs.walk("dir/x")) == b"x\n"
        a.sh("mv from-guest renamed; echo more >>renamed")
        assert a.virtiofs.content(node) == b"hello\nmore\n"


def test_files_stay_and_nothing_else(lab):
    Sandbox(lab, "a", share()).make_project()
    before = lab.snapshot()
    with running(lab) as a:
        a.virtiofs.file("kept", b"1", uid=1000)
        meanwhile = lab.snapshot()
        assert all(before[what] != meanwhile[what] for what in ("mounts", "loop devices", "processes", "run"))
    nothing_new(lab, before)
    assert lab.host.run("ls", "-A", a.directory + "/work").stdout == ""
    with running(lab) as again:
        assert again.sh("cat kept").stdout == "1"
    assert len(descriptions(lab, a.uid)) == 1


def test_the_mounts_promise_what_they_should(lab):
    with running(lab, "a", share(), share("ref", mode="ro")) as a:
        found = {point: options.split(",") for point, options, _ in mounts(lab)}
        assert set(found) == {"/run/migrant/a/shares/0", "/run/migrant/a/shares/1", a.path(0), a.path(1)}
        for options in found.values():
            assert {"nosuid", "nodev", "noexec", "nosymfollow", "idmapped"} <= set(options)
        assert "ro" in found["/run/migrant/a/shares/1"]
        assert "rw" in found[a.path(1)]
        assert "rw" in found["/run/migrant/a/shares/0"]
        assert lab.host.run("ls", "/run/migrant/a/shares", user="dev", check=False).returncode != 0
        assert a.drift() == []


def test_the_image_is_small_and_roots(lab):
    with running(lab, "a", share(size=10 << 30)) as a:
        size, blocks, mode, owner = lab.host.run("stat", "-c", "%s %b %a %u", a.image()).stdout.split()
        assert int(size) == 10 << 30
        assert int(blocks) * 512 < 16 * MIB
        assert (mode, owner) == ("600", "0")
        assert lab.host.run("cat", a.image(), user="dev", check=False).returncode != 0
        statfs = a.virtiofs.statfs()
        assert 9.5 * (1 << 30) < statfs["available"] <= 10 << 30
        assert statfs["free_files"] > 1_000_000
    assert lab.host.sh(f"ls -A {a.directory}").stdout == "work\n"


def test_deleted_files_are_given_back_to_the_disk(lab):
    with running(lab, "a", share(size=256 * MIB)) as a:
        def used():
            lab.host.run("sync")
            return int(lab.host.run("stat", "-c", "%b", a.image()).stdout) * 512

        a.sh("dd if=/dev/urandom of=big bs=1M count=100 status=none; sync big")
        full = used()
        assert full > 100 * MIB
        a.sh("rm big; sync .")
        until(lambda: used() < full - 90 * MIB)


def test_reserved_space_is_there(lab):
    with running(lab, "a", share(reserve=True)) as a:
        assert int(lab.host.run("stat", "-c", "%b", a.image()).stdout) * 512 >= 64 * MIB
        a.sh("dd if=/dev/zero of=big bs=1M count=30 status=none; sync big; rm big; sync .")
        assert int(lab.host.run("stat", "-c", "%b", a.image()).stdout) * 512 >= 64 * MIB


def test_a_plain_directory(lab):
    lab.host.run("mkdir", "-p", "/home/dev/a/work", user="dev")
    lab.host.run("tee", "/home/dev/a/work/old", user="dev", input="old")
    with running(lab, "a", share(isolate=False)) as a:
        assert a.virtiofs.content(a.virtiofs.walk("old")) == b"old"
        a.virtiofs.file("new", b"new", uid=0)
        assert lab.host.run("stat", "-c", "%U:%G", a.path() + "/new").stdout == "dev:dev\n"
        assert a.virtiofs.stat(ROOT).uid == 1000
        assert descriptions(lab, a.uid) == []
    assert a.sh("cat old new").stdout == "oldnew"


def test_a_hundred_cycles_leave_nothing(lab):
    Sandbox(lab, "a", share()).make_project()
    before = lab.snapshot()
    for _ in range(100):
        a = Sandbox(lab, "a", share(), share("b"))
        a.hook("prepare")
        a.hook("release", "end")
    assert len(descriptions(lab, a.uid)) == 2
    nothing_new(lab, before)
