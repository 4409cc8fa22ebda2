"""What a guest plants in a share, and what others do around it."""

import errno
import os
import resource
import signal
import stat
import subprocess
import threading
import time

import pytest

from conftest import HERE, IMAGES, MIB, Sandbox, end, made, mounts, nothing_new, refused as hook_refuses, share, until, worker_of
from lab import child_of, stop
from virtiofs import INIT, ROOT, Refused, refused


# -- whose files -------------------------------------------------------------------------------------

def test_everything_belongs_to_the_user(lab):
    with made(lab) as a:
        guest = a.virtiofs
        for uid in (0, 1, 33, 999, 1000, 1001, 65534, 4294967294):
            node = guest.mkdir(f"by-{uid}", mode=0o000, uid=uid, gid=uid)
            guest.file("inside", b"x", parent=node, mode=0o000, uid=uid, gid=uid)
            guest.symlink("link", "/etc/passwd", parent=node, uid=uid)
            guest.mknod("fifo", stat.S_IFIFO | 0o000, parent=node, uid=uid)
            assert guest.stat(node).uid == guest.stat(node).gid == 1000
        owners = a.sh("find . -mindepth 1 -maxdepth 1 -printf '%u:%g\\n' | sort -u").stdout
        assert owners == "dev:dev\n"
        a.sh("chmod -R u+rwX by-*; cat by-*/inside; mv by-0 moved; echo y >by-33/inside; rm -r moved by-*")
        assert a.sh("ls").stdout == ""


def test_chown_changes_nothing(lab):
    with made(lab) as a:
        node = a.virtiofs.file("x", b"x", uid=0)
        for owner in (0, 1, 65534):
            changed = a.virtiofs.change(node, owner=owner, group=owner)
            assert (changed.uid, changed.gid) == (1000, 1000)
        assert a.sh("stat -c %U:%G x").stdout == "dev:dev\n"


def test_two_users_see_their_own(lab):
    """The files of a share are the owner's, for every owner."""
    with made(lab, "a", user="other") as a:
        a.virtiofs.file("x", b"x", uid=0)
        assert a.sh("stat -c %U:%G x").stdout == "other:other\n"
        assert lab.host.run("sh", "-c", f"echo y >{a.path()}/y", user="dev", check=False).returncode != 0


# -- what a file can be ------------------------------------------------------------------------------

def test_set_uid_programs_have_no_rights(lab):
    with made(lab) as a:
        with open("/usr/bin/id", "rb") as program:
            node = a.virtiofs.file("id", mode=0o755)
            handle = a.virtiofs.open(node)
            for offset, data in enumerate(iter(lambda: program.read(65536), b"")):
                a.virtiofs.write(node, handle, data, offset * 65536)
            a.virtiofs.release(node, handle)
        a.virtiofs.change(node, mode=0o106755)
        assert a.sh("stat -c %a id").stdout == "6755\n"
        assert a.sh("./id", check=False).returncode == 126
        assert a.sh("cp id /tmp/id && chmod u-s,g-s /tmp/id && /tmp/id -u; rm -f /tmp/id").stdout.strip() == str(a.uid)
        assert lab.host.run("sh", "-c", f"{a.path()}/id", check=False).returncode == 126  # root neither
        assert lab.host.run("sh", "-c", "/run/migrant/a/shares/0/id", check=False).returncode == 126


def test_devices_cannot_be_made(lab):
    with made(lab) as a:
        for kind in (stat.S_IFCHR, stat.S_IFBLK):
            refused(lambda: a.virtiofs.mknod("device", kind | 0o666, 0x103), errno.EPERM)
        a.virtiofs.mknod("fifo", stat.S_IFIFO | 0o666)
        a.virtiofs.mknod("socket", stat.S_IFSOCK | 0o666)
        assert a.sh("ls").stdout == "fifo\nsocket\n"


def test_attributes_that_give_rights_cannot_be_set(lab):
    with made(lab) as a:
        node = a.virtiofs.file("x")
        for name in ("security.capability", "system.posix_acl_access", "security.selinux", "trusted.overlay.opaque", "user.x"):
            refused(lambda: a.virtiofs.setxattr(node, name, bytes(20)), errno.ENOSYS, errno.EOPNOTSUPP)


# -- ways out ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("target", ["/etc/passwd", "../Migrantfile", "/proc/self/environ", "../../../../../../etc/passwd"])
def test_links_lead_nowhere(lab, target):
    with made(lab) as a:
        lab.host.run("tee", f"{a.directory}/Migrantfile", user="dev", input="x")
        a.virtiofs.symlink("link", target)
        outside = lab.host.sh(f"ln -s {target} control; cat control >/dev/null", user="dev", cwd=a.path() + "/..", check=False)
        assert outside.returncode == 0 or target.startswith("..")  # the same link works where it is followed
        for user in ("dev", None):
            result = lab.host.run("cat", a.path() + "/link", user=user, check=False)
            assert "Too many levels of symbolic links" in result.stderr
        assert a.sh("readlink link").stdout.strip() == target


def test_directory_links_lead_nowhere(lab):
    with made(lab) as a:
        a.virtiofs.symlink("etc", "/etc")
        assert "Too many levels" in a.sh("cat etc/passwd", check=False).stderr
        assert a.sh("cd etc/", check=False).returncode != 0
        assert "Too many levels" in a.sh("echo x >etc/x", check=False).stderr


def test_a_link_that_races_leads_nowhere(lab):
    """The guest exchanges a directory with a link to /etc while the host reads through it."""
    with made(lab) as a:
        guest = a.virtiofs
        node = guest.mkdir("x")
        guest.file("passwd", b"the guest's own", parent=node)
        guest.symlink("y", "/etc")
        done = threading.Event()
        exchanged = 0

        def exchange():
            nonlocal exchanged
            while not done.is_set():
                guest.rename("x", "y", flags=2)  # RENAME_EXCHANGE
                exchanged += 1

        thread = threading.Thread(target=exchange)
        thread.start()
        reads = []
        try:
            for _ in range(50):
                reads += a.sh("for i in $(seq 400); do cat x/passwd 2>&1 || true; echo; done").stdout.splitlines()
                if {True, False} <= {"the guest's own" in line for line in reads if line}:
                    break
        finally:
            done.set()
            thread.join()
        assert exchanged > 100
        assert any("the guest's own" in line for line in reads)
        assert any("Too many levels" in line for line in reads)
        assert not any("root:" in line for line in reads)


def test_names_cannot_walk(lab):
    """A guest's kernel never asks for such names. They are refused, or lead to the share at best."""
    with made(lab) as a:
        directory = a.virtiofs.mkdir("d")
        inside = {a.virtiofs.stat(ROOT).ino, a.virtiofs.stat(directory).ino}
        for parent in (ROOT, directory):
            for name in ("..", "../../etc", "d/..", "/etc", "."):
                try:
                    assert a.virtiofs.lookup(parent, name)[1].ino in inside
                except Refused as error:
                    assert error.errno in (errno.EINVAL, errno.ENOENT)
            for ask in (lambda: a.virtiofs.mkdir("../../../planted", parent=parent),
                        lambda: a.virtiofs.file("../planted", b"x", parent=parent),
                        lambda: a.virtiofs.rename("d", "../../planted", target=parent)):
                try:
                    ask()
                except Refused:
                    pass
        assert lab.host.run("ls", a.directory).stdout == "work\n"
        assert lab.host.sh("find / /home /run/migrant -maxdepth 4 -name planted -not -path '*/work/*' -not -path '*/shares/0/*'").stdout == ""


def test_the_root_cannot_be_replaced(lab):
    """What the guest has as its share's root is a mount on the host."""
    with made(lab) as a:
        guest = a.virtiofs
        guest.file("x", b"x")
        guest.mkdir("d")
        for call in (lambda: guest.rename("d", "."), lambda: guest.rename("d", ""), lambda: guest.rename(".", "d"), lambda: guest.rename("d", "/"),
                     lambda: guest.rename("d", ".", flags=2), lambda: guest.rmdir("."), lambda: guest.rmdir(""), lambda: guest.unlink(".")):
            with pytest.raises(Refused):
                call()
        assert a.sh("ls").stdout == "d\nx\n"
        assert [p for p, _, _ in mounts(lab)] == ["/run/migrant/a/shares/0", a.path()]


def test_virtiofsd_is_nobody_and_finds_nothing(lab):
    with made(lab) as a:
        a.virtiofs.file("only", b"x")
        parent = child_of(a.virtiofs.server)
        children = open(f"/proc/{parent}/task/{parent}/children").read().split()
        for pid in [parent, *children]:
            status = dict(line.split(":\t") for line in open(f"/proc/{pid}/status").read().splitlines() if ":\t" in line)
            assert status["Uid"].split() == ["2103903208"] * 4
            assert status["Gid"].split() == ["2103903208"] * 4
            assert status["Groups"].strip() == ""
            assert status["NoNewPrivs"] == "1"
            assert status["Seccomp"] == "2"
            for kind in ("user", "mnt", "net"):
                assert os.readlink(f"/proc/{pid}/ns/{kind}") != os.readlink(f"/proc/{lab.host.pid}/ns/{kind}")
        served = children[0]
        info = open(f"/proc/{served}/mountinfo").read().splitlines()
        assert [line.split()[4] for line in info] == ["/"]
        assert info[0].split()[2].startswith("7:")
        assert os.listdir(f"/proc/{served}/root") == ["only"]
        assert os.stat(f"/proc/{served}/ns/user").st_ino == os.stat(f"/proc/{parent}/ns/user").st_ino


@pytest.mark.parametrize("arguments", [
    ["-o", "source=/"], ["-o", "source=/run/migrant/a/shares/1"], ["-o", "source=/run/migrant/a/shares/0/.."],
    ["-o", "source=/run/migrant/../../etc/shares/0"], ["-o", "source=/run/migrant/a/shares/0,xattr"],
    ["-o", "source=/run/migrant/a/shares/0,sandbox=chroot"], ["-o", "source=/run/migrant/a/shares/0,modcaps=+sys_admin"],
    ["--socket-path=/tmp/x", "-o", "source=/run/migrant/a/shares/0"], ["-o", "source=/run/migrant/a/shares/0", "-d"], []])
def test_virtiofsd_serves_nothing_else(lab, arguments):
    with made(lab):
        result = lab.host.run("/usr/sbin/migrant-virtiofsd", "--fd=3", *arguments, check=False)
        assert result.returncode in (64, 70)
        assert "migrant-hook: [" in result.stderr
        assert lab.host.run("/usr/sbin/migrant-virtiofsd", "--fd=3", "-o", "source=/run/migrant/a/shares/0",
                            user="dev", check=False).returncode == 77


def os_prlimit(pid, files):
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (files, files))


# -- how much ----------------------------------------------------------------------------------------

def fill(guest, name):
    """Writes until it is refused; the bytes that were written."""
    node, handle = guest.create(ROOT, name)
    total = 0
    try:
        while total < 1 << 32:
            total += guest.write(node, handle, bytes(1 << 16), total)
    except Refused as error:
        assert error.errno == errno.ENOSPC
    return total


def test_the_cap_holds(lab):
    with made(lab) as a:
        total = fill(a.virtiofs, "big")
        assert 40 * MIB < total <= 64 * MIB
        assert "No space left" in a.sh("dd if=/dev/zero of=rest bs=4k", check=False).stderr
        lab.host.run("sync")
        blocks = int(lab.host.run("stat", "-c", "%b", a.image()).stdout) * 512
        assert blocks <= 65 * MIB
        lab.host.sh("echo fine >/home/dev/other-file", user="dev")
        end(a.virtiofs.server)  # what the guest has open keeps its room
        a.sh("rm big rest; echo x >y; sync y")
        again = a.serve()
        assert again.content(again.walk("y")) == b"x\n"


def test_inodes_run_out_in_the_share_alone(lab):
    with made(lab, "a", share(size=16 * MIB)) as a:
        count = 0
        try:
            for count in range(1, 100000):
                a.virtiofs.mknod(f"f{count}", stat.S_IFREG | 0o644)
        except Refused as error:
            assert error.errno == errno.ENOSPC
        assert 1000 < count < 20000
        lab.host.sh("echo fine >/home/dev/other-file", user="dev")
        end(a.virtiofs.server)  # what the guest remembers is deleted when it forgets
        a.sh("find . -name 'f1*' -delete; echo x >y")


def test_huge_sparse_files_take_nothing(lab):
    with made(lab) as a:
        node = a.virtiofs.file("huge")
        refused(lambda: a.virtiofs.change(node, size=(1 << 63) - 1), errno.EFBIG)
        a.virtiofs.change(node, size=(16 << 40) - 8192)
        assert a.sh("stat -c %s huge").stdout == f"{(16 << 40) - 8192}\n"
        lab.host.run("sync")
        assert int(lab.host.run("stat", "-c", "%b", a.image()).stdout) * 512 < 16 * MIB
        assert a.sh("rm huge; ls").stdout == ""


def test_a_deep_tree_and_odd_names(lab):
    names = [b"new\nline", b"\x1b[2J\x1b]52;c;eA==\x07", b"\xff\xfe", "\u202egnp.exe".encode(), b"-rf", b"CASE", b"case", b"a" * 255]
    with made(lab) as a:
        node = ROOT
        for _ in range(300):
            node = a.virtiofs.mkdir("d", parent=node)
        for name in names:
            a.virtiofs.file(name)
        listed = lab.host.run("ls", "-1b", a.path(), user="dev").stdout.splitlines()
        assert len(listed) == len(names) + 1
    assert Sandbox(lab, "a", share()).image()


def test_many_files_open_do_not_end_virtiofsd(lab):
    with made(lab, "a", share(size=256 * MIB)) as a:
        nodes = [a.virtiofs.file(f"f{i}") for i in range(3000)]
        handles = [a.virtiofs.open(node) for node in nodes]
        assert len(set(handles)) == 3000
        assert a.virtiofs.content(a.virtiofs.file("last", b"x")) == b"x"


def test_too_many_files_are_an_error_and_no_end(lab):
    """The guest remembers more files than virtiofsd may have open."""
    with made(lab, "a", share(size=256 * MIB)) as a:
        os_prlimit(worker_of(a.virtiofs.server), 300)
        with pytest.raises(Refused) as error:
            for i in range(2 * 300):
                a.virtiofs.mknod(f"f{i}", stat.S_IFREG | 0o644)
        assert error.value.errno in (errno.EMFILE, errno.ENFILE)
        assert a.virtiofs.stat(ROOT).uid == 1000  # it goes on
        a.virtiofs.unlink("f0")
        assert a.sh("ls f0", check=False).returncode != 0


def test_messages_of_virtiofsd_are_bounded(lab):
    """It prints a line about every request that makes no sense; libvirt keeps them in a file."""
    with made(lab) as a:
        for _ in range(5000):
            refused(lambda: a.virtiofs.request(INIT, ROOT, bytes(16)), errno.EPROTO)  # version 0.0
        end(a.virtiofs.server)
        until(lambda: lab.host.run("pgrep", "-f", "migrant-virtiofsd", check=False).returncode != 0)  # what passes them on
        printed = a.virtiofs.server.log.read_text()
        assert 60000 < len(printed.encode()) < 70000
        assert printed.endswith("was dropped)\n")


# -- read-only ---------------------------------------------------------------------------------------

def test_read_only_is_read_only(lab):
    with made(lab, "a", share(mode="ro")) as a:
        a.sh("echo x >x; mkdir d; ln -s /etc l")
        guest, node = a.virtiofs, a.virtiofs.walk("x")
        guest.walk("d")
        assert guest.content(node) == b"x\n"
        for call in (lambda: guest.file("y"), lambda: guest.open(node, os.O_RDWR), lambda: guest.open(node, os.O_WRONLY | os.O_TRUNC),
                     lambda: guest.change(node, size=0), lambda: guest.change(node, mode=0o777), lambda: guest.unlink("x"),
                     lambda: guest.rmdir("d"), lambda: guest.mkdir("e"), lambda: guest.symlink("s", "t"), lambda: guest.link(node, "z"),
                     lambda: guest.rename("x", "z"), lambda: guest.mknod("p", stat.S_IFIFO | 0o666)):
            refused(call, errno.EROFS)
        a.sh("echo more >>x; rm l")
        assert guest.content(node) == b"x\nmore\n"


def test_a_plain_directory_gives_no_more_than_the_user_has(lab):
    lab.host.sh("mkdir -p a/work/closed; echo root >a/work/rooted; chmod 600 a/work/rooted", cwd="/home/dev")
    lab.host.sh("chown dev:dev a a/work; chmod 700 a/work/closed", cwd="/home/dev")
    with made(lab, "a", share(isolate=False)) as a:
        guest = a.virtiofs
        node = guest.walk("rooted")
        assert guest.stat(node).uid == 65534
        refused(lambda: guest.open(node, os.O_RDONLY), errno.EACCES)
        refused(lambda: guest.change(node, mode=0o666), errno.EPERM)
        refused(lambda: guest.lookup(guest.walk("closed"), "x"), errno.EACCES)
        refused(lambda: guest.mknod("device", stat.S_IFCHR | 0o666, 0x103), errno.EPERM)
        guest.file("mine", b"x", uid=0)
        assert lab.host.run("stat", "-c", "%U", a.path() + "/mine").stdout == "dev\n"
    with made(lab, "a", share(isolate=False, mode="ro")) as a:
        refused(lambda: a.virtiofs.file("y"), errno.EROFS)


# -- the place ---------------------------------------------------------------------------------------

def test_a_mount_point_swapped_for_a_link(lab):
    """Somebody exchanges the directory with a link to /etc, all the time, while fifty sandboxes start."""
    a = Sandbox(lab, "a", share()).make_project()
    swapper = lab.host.spawn("/usr/bin/python3", "-c", """
import ctypes, os
libc = ctypes.CDLL(None)
os.mkdir("work"); os.symlink("/etc", "link")
while True:
    libc.renameat2(-100, b"work", -100, b"link", 2)
""", user="dev", cwd=a.directory)
    outcomes = set()
    try:
        until(lambda: lab.host.run("sh", "-c", "ls -d link work", cwd=a.directory, check=False).returncode == 0)
        for i in range(1000):
            if i >= 50 and 0 in outcomes and len(outcomes) > 1:
                break  # it was won and lost
            result = a.hook("prepare", check=False)
            outcomes.add(result.returncode)
            points = {point for point, _, _ in mounts(lab)}
            assert points <= {"/run/migrant/a/shares/0", a.path(), a.directory + "/link"}, points
            if result.returncode:
                assert points == set()
            assert lab.host.run("stat", "-c", "%m", "/etc").stdout == "/etc\n"
            a.hook("release", "end")
            assert mounts(lab) == []
    finally:
        stop(swapper)
    assert outcomes - {0, 77, 75, 66, 73, 74} == set()
    assert len(outcomes) > 1, f"always {outcomes}: the race was never lost or never won"


@pytest.mark.parametrize("script, words", [
    ("ln -s /etc work", ["a link, or no directory"]),
    ("ln -s /home/dev/elsewhere work; mkdir /home/dev/elsewhere", ["a link, or no directory"]),
    ("touch work", ["a link, or no directory"]),
    ("mkdir -m 777 work", ["somebody else may write there"]),
    ("mkdir work; chmod 777 .", ["somebody else may write there"]),
])
def test_a_place_that_cannot_be_trusted(lab, script, words):
    a = Sandbox(lab, "a", share()).make_project()
    lab.host.sh(script, user="dev", cwd=a.directory)
    hook_refuses(a, 77, *words)


def test_somebody_elses_directories(lab):
    lab.host.sh("mkdir -p /home/other/project/work /srv/open/project; chown -R other /home/other/project; chmod 755 /home/other; "
                "chown -R dev /srv/open/project; chmod 777 /srv/open")
    a = Sandbox(lab, "a", share(), directory="/home/other/project")
    hook_refuses(a, 77, "belongs to somebody else")
    hook_refuses(Sandbox(lab, "a", share(), directory="/srv/open/project"), 77, "somebody else may write there")
    lab.host.sh("mkdir -p /home/dev/a; mkdir /home/dev/a/work; chown other /home/dev/a/work; chown dev /home/dev/a")
    hook_refuses(Sandbox(lab, "a", share()), 77, "belongs to somebody else")
    lab.host.sh("rm -rf /srv/open")


def test_groups_of_several_are_others(lab):
    a = Sandbox(lab, "a", share()).make_project()
    lab.host.sh("chmod 775 .; mkdir work; chown dev:dev work", cwd=a.directory)
    a.hook("prepare")  # a group of one's own, as Debian gives
    a.hook("release", "end")
    lab.host.run("usermod", "-aG", "dev", "other")
    try:
        hook_refuses(a, 77, "somebody else may write there")
    finally:
        lab.host.run("gpasswd", "-d", "other", "dev")


# -- neighbours --------------------------------------------------------------------------------------

@pytest.mark.parametrize("propagation", ["slave", "private", "shared"])
def test_nothing_stays_with_a_neighbour(lab, propagation):
    """Whoever started while A ran keeps nothing of A, whatever its mounts propagate."""
    with made(lab, "b"):
        a = Sandbox(lab, "a", share()).make_project()
        a.hook("prepare")
        a.serve()
        neighbour = lab.host.spawn("unshare", "-m", "--propagation", propagation, "sleep", "1000")
        with made(lab, "c") as c:
            until(lambda: open(f"/proc/{child_of(neighbour)}/comm").read() == "sleep\n")
            pid = child_of(neighbour)
            device = [d for p, _, d in mounts(lab) if p == a.path()][0]
            assert f" {device} " in open(f"/proc/{pid}/mountinfo").read()  # it has it
            a.down()
            for process in (pid, child_of(c.servers[0])):
                assert f" {device} " not in open(f"/proc/{process}/mountinfo").read()
            assert lab.host.run("losetup", f"/dev/loop{device[2:]}", check=False).returncode != 0
        stop(neighbour)


def test_who_keeps_a_copy_of_the_mount_is_named(lab):
    """A user's namespace with mounts that do not propagate, which even root cannot take out of it."""
    a = Sandbox(lab, "a", share()).make_project()
    a.hook("prepare")
    neighbour = lab.host.spawn("unshare", "-Urm", "--propagation", "private", "sleep", "1000", user="other")
    until(lambda: open(f"/proc/{child_of(neighbour)}/comm").read() == "sleep\n")
    a.hook("release", "end")
    assert mounts(lab) == []
    assert "(sleep) has it mounted" in a.helper("unmount", "a").stdout
    hook_refuses(a, 75, "(sleep) has it mounted", "end what uses it")
    stop(neighbour)
    with made(lab) as a:
        assert a.sh("echo x >x; cat x").stdout == "x\n"


def test_a_namespace_that_hangs_holds_nobody_up(lab):
    """Whoever makes a mount where one of ours was, behind a file system that does not answer."""
    a = Sandbox(lab, "a", share()).make_project()
    a.hook("prepare")
    hanging = lab.host.spawn("unshare", "-m", "--propagation", "private", "sh", "-ec", """
        /usr/bin/python3 "$1" /run/migrant/a 0 squash & pid=$!
        while ! mkdir /run/migrant/a/shares; do sleep 0.1; done
        mkdir /run/migrant/a/shares/0; mount -t tmpfs tmpfs /run/migrant/a/shares/0
        kill -STOP $pid; echo ready; wait""", "sh", HERE / "fusefs.py", stdout=subprocess.PIPE, text=True)
    try:
        assert "ready\n" in iter(hanging.stdout.readline, "")
        a.down()
        assert mounts(lab) == []
    finally:
        for pid in open(f"/proc/{child_of(hanging)}/task/{child_of(hanging)}/children").read().split():
            os.kill(int(pid), signal.SIGKILL)
        stop(hanging)


def test_killing_virtiofsd_is_an_error_and_no_directory(lab):
    with made(lab) as a:
        a.virtiofs.file("x", b"x")
        end(a.virtiofs.server)
        with pytest.raises((ConnectionError, BrokenPipeError)):
            a.virtiofs.lookup(ROOT, "x")
        assert a.sh("cat x").stdout == "x"  # the host's side is another mount


def test_a_hook_that_is_killed_leaves_what_the_next_clears(lab):
    a = Sandbox(lab, "a", share(), share("b")).make_project()
    before = lab.snapshot()
    for i in range(25):
        hook = lab.host.spawn("/usr/sbin/migrant-hook", "migrant-a", "prepare", "begin", "-", stdin=-1, stderr=-3)
        hook.stdin.write(a.xml.encode())
        hook.stdin.close()
        time.sleep(0.02 * i)
        stop(hook)
        if i % 3 == 0:
            a.hook("release", "end")
            assert mounts(lab) == []
    a.hook("prepare")
    guest = a.serve()
    guest.file("x", b"x")
    a.down()
    nothing_new(lab, before)
    assert lab.host.sh(f"ls {IMAGES}/*/ | grep -vE '^[0-9a-f]{{16}}\\.(img|json)$' || true").stdout.strip().count("\n") == 0
