"""Shares of one real guest through its life: first boot, both sides at work, hostile files, reboot, halt, destroy."""

import json
import re
import time

import pytest

import schema
from lab import differences

IMAGES = "/var/lib/migrant/shares"
HEAD = "box: debian-12\ncpus: 1\nmemory: 768M\ndisk: 4G\n"
SHARES = """shares:
  - {host: workspace, guest: /home/migrant/workspace, size: 64M}
  - {host: data/in, guest: /srv/data in, size: 32M, mode: ro}
  - {host: plain, guest: /srv/plain, isolate: false}
"""
VIRSH = ["virsh", "-q", "-c", "qemu:///system"]

# Waits for one event of a kind in a directory, and says its name.
INOTIFY = r"""
import ctypes, os, select, struct, sys
libc = ctypes.CDLL(None)
fd = libc.inotify_init1(0)
assert libc.inotify_add_watch(fd, sys.argv[1].encode(), 0x100 | 0x8 | 0x80) >= 0  # create, close_write, moved_to
print("watching", flush=True)
if select.select([fd], [], [], 300)[0]:
    data = os.read(fd, 4096)
    print(data[16:16 + struct.unpack_from("iIII", data)[3]].rstrip(b"\0").decode())
"""


class Sandbox:
    def __init__(self, lab, name):
        self.lab, self.name, self.domain = lab, name, f"migrant-{name}"
        self.path = lab.project(name, HEAD + SHARES)

    def migrant(self, *argv, check=True, timeout=600, **options):
        return self.lab.migrant(*argv, cwd=self.path, check=check, timeout=timeout, **options)

    def guest(self, command, **options):
        return self.migrant("ssh", "-c", command, **options)

    def host(self, script, user="dev", **options):
        """A shell in the project's directory on the host."""
        return self.lab.host.sh(script, user=user, cwd=self.path, **options)

    def status(self):
        return json.loads(self.migrant("status", "--json", check=False).stdout)

    def write(self, name, text):
        self.lab.host.run("tee", f"{self.path}/{name}", user="dev", input=text)

    def wait_guest(self, condition, seconds=300):
        """True once a command succeeds in the guest."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.guest(condition, check=False, timeout=120).returncode == 0:
                return True
            time.sleep(1)
        return False


@pytest.fixture(scope="module")
def before(world):
    return world.snapshot()


@pytest.fixture(scope="module")
def absent(world, before):
    """The project, before anything was made."""
    sandbox = Sandbox(world, "shared")
    yield sandbox
    sandbox.migrant("destroy", "-f", "--shares", check=False)


@pytest.fixture(scope="module")
def box(absent):
    absent.host("rm -rf workspace data plain")
    absent.first_up = absent.migrant("up", timeout=900)
    return absent


def test_files_that_a_share_would_hide_stop_up(absent):
    absent.host("mkdir workspace; echo mine >workspace/notes")
    result = absent.migrant("up", check=False)
    assert result.returncode == 78
    assert "Migrantfile:6:12: error: 'workspace' holds files, which the share would hide" in result.stderr
    assert "mv workspace workspace.before" in result.stderr
    assert absent.status()["state"] == "absent"
    assert absent.host("ls").stdout.split() == ["Migrantfile", "workspace"]


def test_a_link_in_place_of_a_share_stops_up(absent):
    absent.host("rm -rf workspace; ln -s /etc workspace")
    result = absent.migrant("up", check=False)
    assert result.returncode == 78 and "symbolic link" in result.stderr


def test_plan_tells_of_folders_and_shares(absent):
    absent.host("rm -rf workspace; mkdir workspace")
    plan = absent.migrant("plan")
    assert re.search(r"^folders: +make the folders: data/in, plain$", plan.stdout, re.M)
    assert "workspace -> /home/migrant/workspace (rw, at most 64 MiB)" in plan.stdout
    assert "plain -> /srv/plain (rw, no cap)" in plan.stdout
    assert "isolate: false" in plan.stderr
    assert not absent.host("ls").stdout.count("plain")


def test_up_warns_of_a_plain_directory(box):
    assert "the share 'plain' is a plain directory" in box.first_up.stderr


def test_the_guest_has_its_shares_after_the_first_boot(box):
    mounts = box.guest("grep virtiofs /proc/mounts").stdout.splitlines()
    assert [line.split()[:3] for line in mounts] == [
        ["share0", "/home/migrant/workspace", "virtiofs"],
        ["share1", "/srv/data\\040in", "virtiofs"],
        ["share2", "/srv/plain", "virtiofs"],
    ]
    assert all("nosuid,nodev" in line for line in mounts)
    assert box.guest("stat -c %U:%G workspace").stdout == "migrant:migrant\n"


def test_status_shows_shares(box):
    shares = schema.check(box.status(), "status")["shares"]
    for image in schema.check(json.loads(box.migrant("storage", "--json").stdout), "storage")["images"]:
        assert image["size_bytes"] and image["present"]
    assert [s["host"] for s in shares] == ["workspace", "data/in", "plain"]
    assert (shares[0]["size_bytes"], shares[0]["mode"], shares[0]["isolate"]) == (64 << 20, "rw", True)
    assert 0 < shares[0]["used_bytes"] < 8 << 20 and shares[0]["mounted"]
    assert (shares[1]["mode"], shares[2]["size_bytes"], shares[2]["isolate"]) == ("ro", None, False)
    people = box.migrant("status").stdout
    assert re.search(r"^shares: +workspace -> /home/migrant/workspace, rw, 64 MiB, \d+ MiB used$", people, re.M)


def test_a_fork_has_no_shares_and_comes_up_without_them(box):
    """In its first boot the guest's fstab still names them."""
    box.guest("echo own >own; echo origin >workspace/in")
    assert "forks have no shares" in box.migrant("fork", "loner", timeout=900).stderr
    seen = box.migrant("ssh", "loner", "-c", """cat own; ls -A workspace; grep -c virtiofs /proc/mounts /etc/fstab
        systemctl is-system-running --wait; true""").stdout.split()
    assert seen[:3] == ["own", "/proc/mounts:0", "/etc/fstab:0"] and seen[3] in ("running", "degraded")
    status = json.loads(box.migrant("status", "loner", "--json").stdout)
    assert (status["shares"], status["drift"]) == ([], [])
    box.migrant("destroy", "-f", "--shares", "loner")
    assert box.guest("cat workspace/in; rm workspace/in").stdout == "origin\n"
    assert len(json.loads(box.migrant("storage", "--json").stdout)["images"]) == 2


def test_both_sides_see_the_same_files(box):
    box.guest("echo from the guest >workspace/guest; mkdir workspace/dir")
    assert box.host("cat workspace/guest; stat -c '%U %G' workspace workspace/guest").stdout == \
        "from the guest\ndev dev\ndev dev\n"
    box.host("echo from the host >workspace/host; echo more >>workspace/guest; touch workspace/dir/x")
    assert box.guest("cat workspace/host workspace/guest; stat -c %U workspace/host").stdout == \
        "from the host\nfrom the guest\nmore\nmigrant\n"
    box.guest("rm workspace/host; rmdir workspace/dir 2>/dev/null || rm -r workspace/dir")
    assert box.host("ls workspace").stdout.split() == ["guest"]


def test_the_host_user_owns_what_root_made_in_the_guest(box):
    box.guest("sudo sh -c 'cd workspace; mkdir -m 700 rooted; echo x >rooted/file; chmod 400 rooted/file'")
    assert box.host("stat -c %U workspace/rooted workspace/rooted/file").stdout == "dev\ndev\n"
    box.host("mv workspace/rooted workspace/mine; rm -rf workspace/mine")


def test_a_change_of_the_host_is_seen_within_a_second_or_so(box):
    """Also where the guest has looked at the file already."""
    box.host("echo old >workspace/watched")
    box.guest("cat workspace/watched; ls workspace")
    box.host("echo new >workspace/.tmp; mv workspace/.tmp workspace/watched")
    assert box.wait_guest("sleep 1.1; [ $(cat workspace/watched) = new ]")
    box.host("echo newer, and longer >workspace/watched")
    assert box.wait_guest("sleep 1.1; grep -q longer workspace/watched")


def test_atomic_saves_work_on_both_sides(box):
    save = "cd {0}; for i in $(seq 50); do echo $i >.save; sync .save; mv .save saved; done; cat saved"
    assert box.guest(save.format("workspace")).stdout == "50\n"
    assert box.host(save.format("workspace")).stdout == "50\n"
    assert box.guest("sleep 1.1; cat workspace/saved").stdout == "50\n"


def test_virtiofsd_is_bounded_with_its_guest(box):
    """What virtiofsd takes is counted with QEMU's: by cgroup v2 all of it, by v1 (which has a group for each) its time."""
    groups = box.lab.host.sh("for p in $(pgrep -x virtiofsd) $(pgrep -f [q]emu-system); do cat /proc/$p/cgroup; done | sort -u")
    found = [line.split(":", 2)[1:] for line in groups.stdout.splitlines()]
    found = {group for controllers, group in found if controllers == "" or "cpu" in controllers.split(",")}
    assert len(found) == 1 and f"migrant-{box.name}" in found.pop().replace("\\x2d", "-"), groups.stdout


def test_git_works_on_both_sides(box):
    """The guest gets the host's git: both are the same Debian."""
    box.migrant("cp", "/usr/bin/git", ":git")
    config = "-c user.name=x -c user.email=x@y -c core.hooksPath=/dev/null"
    box.host(f"mkdir workspace/repo; cd workspace/repo; git init -q; echo 1 >a; git add a; git {config} commit -qm host")
    box.guest(f"cd workspace/repo; echo 2 >a; ~/git {config} commit -qam guest; ~/git status --porcelain")
    assert box.host("cd workspace/repo; git log --format=%s; git status --porcelain; git fsck").stdout.split() == \
        ["guest", "host"]
    box.host("rm -rf workspace/repo")


def test_the_hosts_watchers_see_the_guests_changes(box):
    watcher = box.lab.host.spawn("/usr/bin/python3", "-c", INOTIFY, f"{box.path}/workspace", user="dev",
                                 stdout=-1, text=True)
    assert watcher.stdout.readline() == "watching\n"
    box.guest("echo x >workspace/appeared")
    assert watcher.communicate(timeout=300)[0] == "appeared\n"


def test_a_read_only_share_is_read_only_whatever_the_guest_does(box):
    box.host("echo data >data/in/file")
    assert box.guest("cat '/srv/data in/file'").stdout == "data\n"
    for command in ("echo x >'/srv/data in/new'", "sudo rm '/srv/data in/file'",
                    "sudo mount -o remount,rw '/srv/data in' && sudo touch '/srv/data in/new'"):
        result = box.guest(command, check=False)
        assert result.returncode != 0 and "Read-only file system" in result.stderr, command
    assert box.host("ls data/in").stdout == "file\n"


def test_the_cap_is_a_cap(box):
    size = f"du -sk {IMAGES} | cut -f1"
    result = box.guest("dd if=/dev/zero of=workspace/full bs=1M", check=False)
    assert result.returncode != 0 and "No space left" in result.stderr
    assert int(box.lab.host.sh(size).stdout) < (64 + 32 + 4) << 10
    used = box.status()["shares"][0]["used_bytes"]
    assert 50 << 20 < used <= 64 << 20
    box.host("rm workspace/full")
    assert box.guest("echo room >workspace/room && cat workspace/room").stdout == "room\n"


def test_inodes_run_out_inside_only(box):
    result = box.guest("mkdir workspace/many; cd workspace/many; i=0; while :>f$i; do i=$((i+1)); done", check=False,
                       timeout=900)
    assert "No space left" in result.stderr
    assert box.lab.host.sh("touch /home/dev/still && rm /home/dev/still && echo fine").stdout == "fine\n"
    box.host("rm -rf workspace/many")
    # What the guest remembers is freed when it has looked again.
    assert box.guest("ls workspace/many", check=False).returncode != 0
    assert box.guest("echo room >workspace/room && cat workspace/room").stdout == "room\n"


def test_what_the_guest_plants_does_nothing_on_the_host(box):
    box.guest("""sudo sh -c 'cd workspace; cp /bin/id setuid; chown root:root setuid; chmod 6755 setuid
        ln -s /etc/passwd link; ln -s / root; mknod disk b 254 0; mknod null c 1 3
        truncate -s 8E huge; mkfifo fifo; printf x >"$(printf "new\\nline\\033]0;owned\\007")"; true'""", check=False)
    assert box.host("workspace/setuid", check=False).returncode == 126
    assert box.host("stat -c %U workspace/setuid").stdout == "dev\n"
    for path in ("link", "root/etc/passwd"):
        result = box.host(f"cat workspace/{path}", check=False)
        assert result.returncode != 0 and "symbolic links" in result.stderr
    for device in ("disk", "null"):
        result = box.host(f"head -c1 workspace/{device}", check=False)
        assert result.returncode != 0
    assert "\x1b" not in box.migrant("status").stdout


def test_cp_from_the_guest_takes_files_and_directories_only(box):
    box.guest("""mkdir -p tree/sub; echo 1 >tree/sub/one; ln -s /etc/passwd tree/link; mkfifo tree/fifo
        sudo mknod tree/null c 1 3; cp /bin/true tree/setuid; chmod 4755 tree/setuid
        printf x >"$(printf 'tree/esc\\033]0;owned\\007')" """)
    box.host("rm -rf out; mkdir out")
    result = box.migrant("cp", ":tree", "out")
    assert "not copied: tree/link: a symbolic link" in result.stderr
    assert "not copied: tree/fifo: a FIFO" in result.stderr
    assert "not copied: tree/null: a device" in result.stderr
    assert "\x1b" not in result.stderr
    assert box.host("cat out/tree/sub/one; stat -c %a out/tree/setuid; find out/tree ! -type f ! -type d").stdout == \
        "1\n755\n"


def test_cp_to_the_guest_and_back(box):
    box.host("rm -rf tree; mkdir -p tree/a; echo 1 >tree/a/f; head -c 3000000 /dev/urandom >tree/big; ln -s a tree/l")
    box.migrant("cp", "tree", ":copied")
    assert box.guest("cat copied/a/f; readlink copied/l; stat -c %U copied/a").stdout == "1\na\nmigrant\n"
    box.migrant("cp", "tree", ":copied")  # now it is there: into it
    assert box.guest("cat copied/tree/a/f").stdout == "1\n"
    box.migrant("cp", ":copied/big", "big")
    box.host("cmp big tree/big; rm -rf big")
    box.migrant("cp", "tree/a/f", ":/tmp/")
    assert box.guest("cat /tmp/f").stdout == "1\n"


def test_cp_has_limits_and_one_clear_error(box):
    box.host("rm -rf out; mkdir out")
    for argv, code, text in (
            (["tree", "out"], 64, "one of the two"),
            ([":missing", "out"], 74, "missing"),
            (["--max-files", "2", ":tree", "out"], 65, "more than 2 entries"),
            (["--max-size", "1M", ":copied", "out"], 65, "more than 1 MiB"),
            (["missing", ":"], 66, "missing"),
            (["tree/l/f", ":"], 77, "symbolic link")):
        result = box.migrant("cp", *argv, check=False)
        assert result.returncode == code and text in result.stderr, (argv, result.stderr)
        assert len([line for line in result.stderr.splitlines() if "error:" in line]) == 1


def test_cp_follows_no_link_of_the_hosts(box):
    box.host("rm -rf out trap; mkdir out trap; ln -s ../trap out/tree")
    result = box.migrant("cp", ":tree", "out", check=False)
    assert result.returncode == 73
    assert box.host("ls trap").stdout == ""
    box.host("ln -sfn trap direct")
    result = box.migrant("cp", ":tree", "direct", check=False)
    assert result.returncode == 77 and "symbolic link" in result.stderr
    assert box.host("ls trap").stdout == ""


def test_a_reboot_from_inside_mounts_them_again(box):
    boot = box.guest("cat /proc/sys/kernel/random/boot_id").stdout.strip()
    box.guest("echo kept >workspace/kept; sudo systemctl reboot", check=False)
    assert box.wait_guest(f"[ $(cat /proc/sys/kernel/random/boot_id) != {boot} ]")
    assert box.wait_guest("grep -q kept workspace/kept")
    assert box.guest("grep -c virtiofs /proc/mounts").stdout == "3\n"
    assert box.status()["drift"] == []


def test_a_killed_virtiofsd_is_drift_and_never_a_bare_directory(box):
    """QEMU lets the guest's requests wait for good: nothing is written anywhere until the guest is started anew."""
    for pid in box.lab.host.sh("pgrep -x virtiofsd").stdout.split():
        box.lab.host.run("kill", "-KILL", pid, check=False)
    result = box.guest("""setsid sh -c 'echo x >workspace/lost; echo x >/tmp/written' </dev/null >/dev/null 2>&1 &
        sleep 10; ls /tmp/written; grep -c virtiofs /proc/mounts""", check=False)
    assert result.stdout == "3\n" and "/tmp/written" in result.stderr
    assert box.host("ls workspace/lost", check=False).returncode != 0
    status = box.migrant("status", "--json", check=False)
    assert status.returncode == 70
    assert len([item for item in json.loads(status.stdout)["drift"] if "virtiofsd has ended" in item]) == 3


def test_halt_and_mount_at_once(box):
    """What ends a moment after the guest (its virtiofsd, what was not yet written) is waited for."""
    box.halted = box.migrant("halt", "-f")
    box.migrant("mount")
    assert box.host("cat workspace/kept").stdout == "kept\n"
    box.migrant("unmount")


def test_halt_leaves_the_image_and_an_empty_folder(box):
    halted = box.halted
    assert "images" in halted.stderr and "migrant mount" in halted.stderr
    assert box.host("ls -A workspace data/in").stdout.split() == ["data/in:", "workspace:"]


def test_mount_shows_the_files_while_the_guest_is_down(box):
    box.migrant("mount")
    try:
        assert box.host("cat workspace/kept").stdout == "kept\n"
        box.host("echo while down >workspace/offline")
        assert box.status()["shares"][0]["mounted"]
        assert box.migrant("mount").returncode == 0
    finally:
        box.migrant("unmount")
    assert box.host("ls -A workspace").stdout == ""


def test_up_takes_what_the_migrantfile_says_now(box):
    """Another place in the guest, and one share less."""
    box.write("Migrantfile", HEAD + "shares: [{host: workspace, guest: /home/migrant/moved, size: 96M}]\n")
    box.migrant("up")
    assert box.guest("cat moved/offline").stdout == "while down\n"
    assert box.guest("grep virtiofs /proc/mounts").stdout.split()[:2] == ["share0", "/home/migrant/moved"]
    assert box.guest("grep -c virtiofs /proc/mounts; grep -c virtiofs /etc/fstab").stdout == "1\n1\n"
    assert 80 << 10 < int(box.guest("df -k --output=size moved | tail -1").stdout) <= 96 << 10
    box.guest("echo disk >written; echo share >moved/written; sync")


def test_a_smaller_size_is_refused_with_the_way_out(box):
    box.migrant("halt", "-f")
    box.write("Migrantfile", HEAD + "shares: [{host: workspace, guest: /home/migrant/moved, size: 64M}]\n")
    result = box.migrant("up", check=False)
    assert result.returncode == 78 and "96" in result.stderr
    box.write("Migrantfile", HEAD + "shares: [{host: workspace, guest: /home/migrant/moved, size: 96M}]\n")


def test_reset_goes_back_on_the_disk_and_leaves_shares_as_they_are(box):
    """To a state in which the guest had three of them, at other places."""
    box.migrant("reset")
    assert box.guest("cat moved/written moved/offline moved/kept").stdout == "share\nwhile down\nkept\n"
    assert box.guest("ls -A written workspace", check=False).stdout == "workspace:\n"
    assert box.guest("grep -c virtiofs /proc/mounts; grep -c virtiofs /etc/fstab").stdout == "1\n1\n"
    box.guest("echo anew >moved/anew")
    assert box.host("cat workspace/anew").stdout == "anew\n"
    status = box.status()
    assert ([s["host"] for s in status["shares"]], status["drift"]) == (["workspace"], [])


def test_destroy_keeps_the_files_and_says_so(box):
    result = box.migrant("destroy", "-f")
    assert "--shares" in result.stderr
    listed = json.loads(box.migrant("storage", "--json").stdout)["images"]
    assert {(i["directory"], i["share"]) for i in listed} == {(box.path, "workspace"), (box.path, "data/in")}
    box.migrant("mount")
    try:
        assert box.host("cat workspace/kept workspace/offline").stdout == "kept\nwhile down\n"
    finally:
        box.migrant("unmount")


def test_destroy_with_shares_leaves_nothing(box, before):
    box.migrant("destroy", "-f", "--shares")
    assert json.loads(box.migrant("storage", "--json").stdout)["images"] == []
    assert box.lab.host.sh(f"find {IMAGES} -type f 2>/dev/null || true").stdout == ""
    assert differences(before, box.lab.snapshot()) == ""
