"""What can be wrong around a share: each with the error that says what to do."""

import contextlib
import json
import os
import signal
import subprocess

import pytest

from conftest import HERE, IMAGES, MIB, Sandbox, descriptions, made, mounts, refused, running, share, standing, until, worker_of
from lab import stop


@pytest.fixture
def used(lab):
    """A sandbox that has run before and left a file on its share."""
    with made(lab) as a:
        a.virtiofs.file("kept", b"kept")
    return a


def again(sandbox, *shares):
    return Sandbox(sandbox.lab, sandbox.name, *(shares or sandbox.shares))


# -- the directory -----------------------------------------------------------------------------------

def test_files_are_not_hidden(lab):
    a = Sandbox(lab, "a", share()).make_project()
    lab.host.sh("mkdir work; echo mine >work/mine", user="dev", cwd=a.directory)
    refused(a, 73, "holds files, which the share would hide", "move them away")
    assert a.sh("cat mine").stdout == "mine\n"
    assert descriptions(lab, a.uid) == []


def test_the_project_has_gone(used):
    used.lab.host.sh("mv a b", user="dev", cwd="/home/dev")
    refused(again(used), 66, "/home/dev/a is not there", "if the project was moved")


def test_a_moved_project_takes_its_files_along(used):
    used.lab.host.sh("mkdir sub; mv a sub/renamed", user="dev", cwd="/home/dev")
    with made(used.lab, "renamed", share(), directory="/home/dev/sub/renamed") as b:
        assert b.sh("cat kept").stdout == "kept"
        assert [d["directory"] for d in descriptions(used.lab, b.uid)] == ["/home/dev/sub/renamed"]


def test_a_copied_project_does_not_take_them_unasked(used):
    lab = used.lab
    lab.host.sh("mkdir sub; cp -a a sub/a", user="dev", cwd="/home/dev")
    with made(lab, "b", share(), directory="/home/dev/sub/a") as b:  # both are there: two projects
        assert b.sh("ls").stdout == ""
    lab.host.run("rm", "-rf", f"{IMAGES}/{b.uid}/" + b.image().rsplit("/")[-1], b.image().replace(".img", ".json"))
    lab.host.sh("rm -r a", user="dev", cwd="/home/dev")
    b = Sandbox(lab, "a", share(), directory="/home/dev/sub/a")
    identity = used.image().rsplit("/")[-1].removesuffix(".img")
    refused(b, 66, "of a project that has gone from /home/dev/a", f"storage --adopt {identity}")
    b.helper("share-adopt", identity, input=b.metadata())
    with made(lab, "a", share(), directory="/home/dev/sub/a") as b:
        assert b.sh("cat kept").stdout == "kept"


def test_a_share_does_not_get_a_second_image(used):
    lab = used.lab
    with made(lab, "b") as b:
        pass
    identity = b.image().rsplit("/")[-1].removesuffix(".img")
    result = used.helper("share-adopt", identity, input=used.metadata(), check=False)
    assert "[73]" in result.stderr and "has an image already" in result.stderr and "storage --delete" in result.stderr
    with made(lab) as a:
        assert a.sh("cat kept").stdout == "kept"


def test_another_project_in_the_same_place(used):
    """The path decides: who clones a project anew finds the share's files."""
    used.lab.host.sh("rm -r a; mkdir a", user="dev", cwd="/home/dev")
    with made(used.lab) as a:
        assert a.sh("cat kept").stdout == "kept"


def test_a_directory_replaced_while_running_is_drift(lab):
    with running(lab, "a", share("sub/work")) as a:
        assert a.drift() == []
        assert lab.host.sh("mv sub/work elsewhere", user="dev", cwd=a.directory, check=False).returncode != 0
        lab.host.sh("mv sub elsewhere; mkdir -p sub/work", user="dev", cwd=a.directory)
        assert any("was replaced: what lies there is not the share" in line for line in a.drift())
        a.hook("reconnect")  # no reason to end the guest: its mount is another
        lab.host.sh("rm -r sub; mv elsewhere sub", user="dev", cwd=a.directory)
        assert a.drift() == []
        lab.host.run("umount", a.path())
        assert any("is not mounted there as it was" in line for line in a.drift())


@pytest.mark.parametrize("change, words", [
    ("mount -o remount,bind,rw,suid,dev,exec /run/migrant/a/shares/0", "the guest's mount is not what it was"),
    ("umount -l /run/migrant/a/shares/0", "the guest's mount is not what it was"),
    ("mount -t tmpfs tmpfs /run/migrant/a/shares/0", "the guest's mount is hidden"),
    ("mv IMAGE IMAGE.old; cp --sparse=always IMAGE.old IMAGE", "its image was replaced"),
    ("truncate -s 1G IMAGE", "its image was replaced"),
])
def test_a_changed_mount_ends_the_guest(lab, change, words):
    with running(lab) as a:
        a.hook("reconnect")
        lab.host.sh(change.replace("IMAGE", a.image()))
        assert any(words in line for line in a.drift())
        result = a.hook("reconnect", check=False)
        assert result.returncode == 70 and words in result.stderr


def test_a_mount_changed_before_the_guest_runs_stops_it(lab):
    a = Sandbox(lab, "a", share()).make_project()
    try:
        a.hook("prepare")
        a.open_tap()
        lab.host.run("mount", "-o", "remount,bind,suid", "/run/migrant/a/shares/0")
        assert a.hook("start", check=False).returncode == 70
    finally:
        a.down()


# -- the image ---------------------------------------------------------------------------------------

def test_a_missing_image(used):
    used.lab.host.run("rm", used.image())
    refused(again(used), 66, "the image of the share work is missing", used.image(), "migrant storage --delete")
    used.helper("share-delete", used.image().rsplit("/")[-1][:16])
    with made(used.lab) as a:
        assert a.sh("ls").stdout == ""


def test_a_corrupt_image(used):
    used.lab.host.sh(f"dd if=/dev/urandom of={used.image()} bs=1M count=8 conv=notrunc status=none")
    refused(again(used), 65, "its file system is damaged", f"sudo e2fsck -f {used.image()}")


@pytest.mark.parametrize("change", [
    "chown dev IMAGE", "chmod 666 IMAGE", "ln IMAGE IMAGE.link", "rm IMAGE; ln -s /etc/passwd IMAGE", "rm IMAGE; mkfifo -m 600 IMAGE",
    "rm IMAGE; mkdir -m 700 IMAGE", "truncate -s 1G IMAGE"])
def test_a_foreign_image(used, change):
    image = used.image()
    used.lab.host.sh(change.replace("IMAGE", image))
    result = again(used).hook("prepare", check=False)
    assert "migrant-hook: [65]" in result.stderr or "migrant-hook: [74]" in result.stderr, result.stderr
    assert mounts(used.lab) == []
    used.hook("release", "end")


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"id": 1}', "\0" * 100, "x" * 20000], ids=range(6))
def test_a_description_that_cannot_be_read(used, text):
    json_file = used.image().replace(".img", ".json")
    used.lab.host.run("tee", json_file, input=text)
    refused(again(used), 65, json_file, "says which project an image belongs to")


def test_an_image_in_use_elsewhere(used):
    device = used.lab.host.run("losetup", "-f", "--show", used.image()).stdout.strip()
    try:
        refused(again(used), 75, f"in use by {device}", f"sudo losetup -d {device}")
    finally:
        used.lab.host.run("losetup", "-d", device)
    locked = used.lab.host.spawn("flock", "-o", used.image(), "sh", "-c", "echo locked; exec sleep 1000", stdout=subprocess.PIPE, text=True)
    try:
        assert locked.stdout.readline() == "locked\n"
        refused(again(used), 75, "in use")
    finally:
        stop(locked)
    with made(used.lab) as a:
        assert a.sh("cat kept").stdout == "kept"


def test_a_share_is_one_sandboxs(used):
    """Another sandbox of the same directory cannot have it at the same time."""
    with made(used.lab):
        other = Sandbox(used.lab, "other-name", share(), directory="/home/dev/a")
        result = other.hook("prepare", check=False)
        assert result.returncode in (73, 77), result.stderr
        other.hook("release", "end")
        assert [p for p, _, _ in mounts(used.lab)] == ["/run/migrant/a/shares/0", "/home/dev/a/work"]


def spawn_hook(sandbox, operation="prepare"):
    hook = sandbox.lab.host.spawn("/usr/sbin/migrant-hook", f"migrant-{sandbox.name}", operation, "begin", "-",
                                  stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    hook.stdin.write(sandbox.xml)
    hook.stdin.close()
    hook.stdin = None
    return hook


def test_two_at_once_on_one_share(lab):
    """One has it, the other is told; both want it, and neither has half of it."""
    a = Sandbox(lab, "a", share()).make_project()
    b = Sandbox(lab, "b", share(), directory=a.directory)
    for _ in range(5):
        hooks = {sandbox: spawn_hook(sandbox) for sandbox in (a, b)}
        errors = {sandbox: hook.communicate(timeout=600)[1] for sandbox, hook in hooks.items()}
        won = [sandbox for sandbox, hook in hooks.items() if hook.returncode == 0]
        assert len(won) == 1, errors
        lost = b if won == [a] else a
        assert any(f"migrant-hook: [{code}]" in errors[lost] for code in (73, 75, 77)), errors
        assert [p for p, _, _ in mounts(lab)] == [f"/run/migrant/{won[0].name}/shares/0", a.path()]
        for sandbox in (a, b):
            sandbox.hook("release", "end")
        assert mounts(lab) == []
    assert len(descriptions(lab, a.uid)) == 1


def test_growing_and_not_shrinking(used):
    lab = used.lab
    with made(lab, "a", share(size=256 * MIB)) as a:
        assert a.sh("cat kept").stdout == "kept"
        assert 230 * MIB < a.virtiofs.statfs()["size"] <= 256 * MIB
    refused(again(used), 78, "has 256 MiB, and is never made smaller", "256M")
    with made(lab, "a", share(size=256 * MIB)) as a:
        assert a.sh("cat kept").stdout == "kept"


def test_growing_that_was_interrupted_goes_on(used):
    lab, image = used.lab, used.image()
    description = lab.host.run("cat", image.replace(".img", ".json")).stdout
    lab.host.run("tee", image.replace(".img", ".json"), input=description.replace(str(64 * MIB), str(256 * MIB)))
    for size in (None, 256 * MIB):  # before the file has its size, and before the file system has
        if size:
            lab.host.run("truncate", "-s", str(size), image)
        with made(lab, "a", share(size=256 * MIB)) as a:
            assert a.virtiofs.statfs()["size"] > 230 * MIB
            assert a.sh("cat kept").stdout == "kept"
        lab.host.sh(f"e2fsck -f -p {image} || true; resize2fs {image} 64M; truncate -s 64M {image}")


def test_reserve_on_a_full_disk(lab):
    Sandbox(lab, "a").make_project()
    lab.host.sh("mount -t tmpfs -o size=40M,mode=711 tmpfs /var/lib/migrant")
    try:
        refused(Sandbox(lab, "a", share(reserve=True)), 73, "cannot allocate the 64 MiB", "No space left", "take out 'reserve'")
        assert lab.host.sh(f"ls {IMAGES}/*").stdout == ""
        assert int(lab.host.sh("df --output=used -k /var/lib/migrant | tail -1").stdout) < 100
        with made(lab, "a", share()) as a:  # sparse: it starts, and a write that the disk has no room for fails
            assert a.sh("dd if=/dev/urandom of=big bs=1M count=50 conv=fsync status=none", check=False).returncode != 0
    finally:
        lab.host.run("umount", "-l", "/var/lib/migrant")


def test_a_size_that_no_file_can_have(lab):
    Sandbox(lab, "a").make_project()
    lab.host.sh("truncate -s 64M /srv/small; mkfs.ext4 -q -b 1024 /srv/small; mkdir -p /var/lib/migrant; mount -o loop /srv/small /var/lib/migrant; "
                "chmod 711 /var/lib/migrant")
    try:
        result = Sandbox(lab, "a", share(size=5 << 40)).hook("prepare", check=False)
        assert "[73]" in result.stderr and "cannot allocate the 5242880 MiB" in result.stderr and "no files that large" in result.stderr
        assert lab.host.sh(f"ls {IMAGES}/*").stdout == ""
    finally:
        lab.host.sh("umount -d /var/lib/migrant; rm /srv/small")


def test_a_disk_that_is_full_loses_no_file(lab):
    """What had reached the disk before stays. The share cannot be recovered without room, and says so."""
    Sandbox(lab, "a").make_project()
    lab.host.sh("mount -t tmpfs -o size=40M,mode=711 tmpfs /var/lib/migrant")
    try:
        with made(lab) as a:
            a.sh("for i in $(seq 100); do mkdir d$i; echo $i >d$i/f; done; sync -f .")
            a.sh("dd if=/dev/urandom of=big bs=1M count=50 conv=fsync status=none", check=False)
            a.sh("for i in $(seq 101 400); do mkdir d$i; echo $i >d$i/f; done; sync .", check=False)
        lab.host.sh("dd if=/dev/zero of=/var/lib/migrant/filler bs=4k status=none || true")
        for _ in range(2):
            refused(a, 73, "the disk is too full to recover it", "5 MiB are free")
        lab.host.sh("rm /var/lib/migrant/filler; mount -o remount,size=2G /var/lib/migrant")
        with made(lab) as a:
            assert a.sh("cat d1/f d50/f d100/f; echo more >more; sync more; cat more").stdout == "1\n50\n100\nmore\n"
    finally:
        lab.host.run("umount", "-l", "/var/lib/migrant")


@pytest.mark.parametrize("without, words", [
    ("user namespaces", ["gives no user namespace", "sysctl user.max_user_namespaces"]),
    ("mount_setattr", ["Linux 5.14"]),
    ("ext4", ["the kernel cannot mount ext4"]),
])
@pytest.mark.parametrize("first", [True, False], ids=["at first", "later"])
def test_a_kernel_that_cannot(lab, without, words, first):
    a = Sandbox(lab, "a", share()).make_project()
    if not first:
        with made(lab, "a"):
            pass
    refused(a, 69, *words, without=without)
    with made(lab, "a") as a:
        assert a.sh("echo x >x; cat x").stdout == "x\n"


def test_no_loop_device_is_free(lab):
    a = Sandbox(lab, "a", share()).make_project()
    lab.host.sh("mount -t tmpfs tmpfs /mnt && mkdir /mnt/dev && cp -a /dev/null /dev/zero /dev/urandom /dev/net /dev/loop-control /mnt/dev/ "
                "&& mount --bind /mnt/dev /dev")
    try:
        refused(a, 75, "no loop device is free", "losetup -l")
        lab.host.run("rm", "/dev/loop-control")
        refused(a, 69, "there are no loop devices", "modprobe loop")
    finally:
        lab.host.sh("umount /dev; umount /mnt")
    with made(lab) as a:
        a.virtiofs.file("x", b"x")


@contextlib.contextmanager
def fuse(lab, *options):
    """A FUSE file system of the user's at /srv/fuse."""
    uid = lab.host.run("id", "-u", "dev").stdout.strip()
    lab.host.run("mkdir", "-p", "/srv/fuse")
    server = lab.host.spawn("/usr/bin/python3", HERE / "fusefs.py", "/srv/fuse", uid, *options, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout.readline() == "mounted\n"
        yield server
    finally:
        stop(server)
        lab.host.run("umount", "-l", "/srv/fuse")


@pytest.mark.parametrize("options", [[], ["squash"]], ids=["FUSE", "as NFS with root squashed"])
def test_a_file_system_that_root_cannot_look_into(lab, options):
    with fuse(lab, *options):
        assert lab.host.run("ls", "/srv/fuse/project", check=False).returncode != 0  # the control: root may not
        assert lab.host.run("mkdir", "/srv/fuse/project/x", check=False).returncode != 0
        assert lab.host.run("ls", "/srv/fuse/project", user="dev").returncode == 0
        with running(lab, "a", share(), directory="/srv/fuse/project") as a:
            a.virtiofs.file("x", b"x", uid=0)
            assert lab.host.sh(f"cd {a.path()}; cat x; stat -c %U x", user="dev").stdout == "xdev\n"
            assert a.drift() == []
        assert mounts(lab) == []


def test_a_file_system_that_does_not_answer_holds_nobody_up(lab):
    """Whoever looks there as the user hangs in the kernel, where nothing can end it, and has nothing that others wait for."""
    with fuse(lab):
        refused(Sandbox(lab, "a", share(), directory="/srv/fuse/stuck"), 75, "the file system of the project does not answer")
        with made(lab, "b") as b:
            assert b.sh("echo x >x; cat x").stdout == "x\n"


# -- when it goes ------------------------------------------------------------------------------------

def test_a_shell_that_stands_in_the_share(lab):
    """It keeps the device, is named, and the next start takes the same device again."""
    a = Sandbox(lab, "a", share()).make_project()
    a.hook("prepare")
    a.serve().file("x", b"x")
    shell = standing(a)
    a.down()
    assert mounts(lab) == []
    left = json.loads(a.helper("unmount", "a").stdout)["left"]
    assert any("is still in use" in line for line in left) and any("(sleep) works in it" in line for line in left)
    with made(lab) as a:
        assert a.sh("cat x").stdout == "x"
        assert len(lab.host.run("losetup", "-j", a.image()).stdout.splitlines()) == 1
    stop(shell)
    until(lambda: lab.host.run("losetup", "-j", a.image()).stdout == "")


def test_a_shell_in_a_share_that_is_to_grow(used):
    """The device that it keeps has the old size."""
    with made(used.lab) as a:
        shell = standing(a)
    try:
        refused(again(used, share(size=128 * MIB)), 75, "(sleep) works in it")
    finally:
        stop(shell)
    with made(used.lab, "a", share(size=128 * MIB)) as a:
        assert a.sh("cat kept").stdout == "kept"


@pytest.mark.parametrize("killed", ["its parent", "nobody"])
def test_a_virtiofsd_that_does_not_end(lab, killed):
    """It serves a guest that has gone: `release` ends it, and what follows finds the share free."""
    a = Sandbox(lab, "a", share()).make_project()
    a.hook("prepare")
    a.serve().file("x", b"x")
    worker = worker_of(a.servers[0])
    os.kill(worker, signal.SIGSTOP)
    if killed == "its parent":
        stop(a.servers[0])
    image = a.image()
    a.hook("release", "end")
    assert not os.path.exists(f"/proc/{worker}/root/x")
    assert lab.host.run("losetup", "-j", image).stdout == ""
    a.helper("mount", "a", input=a.metadata())
    assert a.sh("cat x").stdout == "x"
    assert json.loads(a.helper("unmount", "a").stdout)["left"] == []
    a.kill()


def test_a_half_made_image_is_cleared_or_completed(lab):
    a = Sandbox(lab, "a", share()).make_project()
    with made(lab) as a:
        a.virtiofs.file("x", b"x")
    image = a.image()
    directory = image.rsplit("/", 1)[0]
    lab.host.sh(f"mv {image} {image[:-4]}.new; touch {directory}/0123456789abcdef.new {directory}/x.json.1.tmp")
    with made(lab) as a:
        assert a.sh("cat x").stdout == "x"
    assert sorted(lab.host.run("ls", directory).stdout.split()) == sorted([image.rsplit("/")[-1], image.rsplit("/")[-1].replace(".img", ".json")])


def test_found_files_are_the_users(used):
    """What e2fsck puts into lost+found does not stay root's."""
    used.lab.host.sh(f"debugfs -w -R 'mkdir lost+found' {used.image()}; debugfs -w -R 'write /etc/hostname lost+found/#12' {used.image()}")
    with made(used.lab) as a:
        assert a.sh("stat -c %U lost+found").stdout == "dev\n"
        a.sh("rm -rf lost+found; ls")
