"""States of a sandbox to come back to, memory that waits, forks; what a killed command leaves. One guest, in order."""

import collections
import json
import re
import subprocess
import time

import pytest

from forked import IDENTITY

POOL = "/var/lib/libvirt/images/migrant"
MACHINE = "box: debian-12\ncpus: 1\nmemory: 512M\ndisk: 4G\n"
BOOT = "cat /proc/sys/kernel/random/boot_id"
VIRSH = ["virsh", "-q", "-c", "qemu:///system"]

COMPLETE = {"bash": 'source <(migrant completion bash); COMP_WORDS=(migrant "$@"); COMP_CWORD=$#; _migrant; printf "%s\\n" "${COMPREPLY[@]}"',
            "fish": "migrant completion fish | source; complete -C \"migrant $argv[2..]\""}


class Sandbox:
    def __init__(self, lab, name):
        self.lab, self.name, self.domain = lab, name, f"migrant-{name}"
        self.write()

    def write(self, more=""):
        self.path = self.lab.project(self.name, MACHINE + more)

    def migrant(self, *argv, check=True, **options):
        return self.lab.migrant(*argv, cwd=self.path, check=check, **{"timeout": 900, **options})

    def refused(self, *argv):
        """The exit status and what is said, of a command that must not work."""
        result = self.migrant(*argv, check=False)
        assert result.returncode != 0, result.stderr
        assert len([line for line in result.stderr.splitlines() if line.startswith("error:")]) == 1, result.stderr
        return result.returncode, result.stderr

    def ssh(self, command):
        return self.migrant("ssh", "-c", command).stdout

    def snapshots(self):
        listed = json.loads(self.migrant("snapshot", "list", "--json").stdout)
        assert self.status()["snapshots"] == listed
        return [s["name"] for s in listed]

    def status(self):
        return json.loads(self.migrant("status", "--json", check=False).stdout)

    def disks(self):
        """The volumes' names without what is the same in all."""
        uuid = self.lab.host.run(*VIRSH, "domuuid", self.domain).stdout.strip()
        return {n.removeprefix(f"disk-{uuid}").removesuffix(".qcow2") for n in self.lab.host.run("ls", POOL).stdout.split()
                if n.startswith(f"disk-{uuid}")}

    def disk(self, number=""):
        return f"{POOL}/disk-{self.lab.host.run(*VIRSH, 'domuuid', self.domain).stdout.strip()}{number}.qcow2"

    def definition(self):
        return self.lab.host.run(*VIRSH, "dumpxml", "--inactive", self.domain).stdout

    def traced(self, strace, *argv):
        options = ["strace", "-f", "-qq", "-o", "/tmp/trace", *strace, "migrant"]
        return self.lab.host.run(*options, *argv, user="dev", cwd=self.path, check=False, timeout=900)

    def calls(self, *argv):
        """How the program talks to libvirt: the system call of which there are most, and their number in one thread."""
        self.traced(["-e", "trace=sendto,sendmsg,write,writev"], *argv)
        found = collections.Counter(tuple(re.match(r"(\d+) +(\w+)\(", line).groups())
                                    for line in self.lab.host.run("cat", "/tmp/trace").stdout.splitlines() if "(" in line)
        (_, call), number = found.most_common(1)[0]
        return call, number

    def completed(self, shell, *words):
        """What the shell offers for the last of the words."""
        said = self.lab.host.run(shell, "-c", COMPLETE[shell], shell, *words, user="dev", cwd=self.path).stdout
        return {line.split("\t")[0] for line in said.splitlines()}

    def killed(self, call, number, *argv):
        """Runs a command that is killed at that call to libvirt; whether it was."""
        result = self.traced(["-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={number}"], *argv)
        return result.returncode in (137, -9)


@pytest.fixture(scope="module")
def box(world):
    sandbox = Sandbox(world, "snaps")
    sandbox.migrant("up")
    yield sandbox
    sandbox.migrant("destroy", "-f", check=False)


def test_up_keeps_its_state_and_saving_is_no_pause(box):
    assert box.snapshots() == ["up"]
    boot = box.ssh("echo one >file; " + BOOT)
    saved = box.migrant("snapshot", "save", "one", "-m", "with 'one' & <\u202ered>")
    assert saved.stdout == "" and "'one'" in saved.stderr
    box.ssh("echo two >file")
    box.migrant("snapshot", "save")
    assert box.snapshots() == ["up", "one", "s1"]
    assert box.ssh(BOOT) == boot
    assert box.status()["drift"] == []
    entry = json.loads(box.migrant("snapshot", "list", "--json").stdout)[1]
    assert entry["text"] == "with 'one' & <\u202ered>" and entry["running"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", entry["created"])
    for shown in (box.migrant("snapshot", "list").stdout, box.migrant("status").stdout):
        assert "with 'one' & <\\xe2\\x80\\xaered>" in shown
    assert box.disks() == {"", "-1", "-2", "-3"}
    for shell in COMPLETE:
        assert box.completed(shell, "snapshot", "delete", "") == {"up", "one", "s1"}
        assert box.completed(shell, "reset", "o") == {"one"}


@pytest.mark.parametrize("arguments, code, word", [
    (["save", "one"], 73, "already"), (["save", "up"], 64, "kept by itself"), (["save", "Bad"], 64, "no name"),
    (["save", "../x"], 64, "no name"), (["save", "t", "-m", "a\x1b[2Jb"], 65, "control"), (["save", "t", "-m", "x" * 600], 65, "bytes"),
    (["restore", "none"], 66, "no snapshot"), (["delete", "none"], 66, "no snapshot"), (["delete", "up"], 64, "kept by itself")])
def test_what_cannot_be_is_refused_and_changes_nothing(box, arguments, code, word):
    before = box.definition(), box.disks()
    status, said = box.refused("snapshot", *arguments)
    assert (status, word in said) == (code, True), said
    assert (box.definition(), box.disks()) == before


def test_killed_at_any_moment_nothing_is_lost(box):
    """Of a running guest: what comes between are calls to libvirt."""
    call, last = box.calls("snapshot", "save", "k", "--no-sync")
    kills = 0
    for number in range(max(last - 45, 1), last + 1, 3):
        kills += box.killed(call, number, "snapshot", "save", f"k{number}", "--no-sync")
        status = box.status()
        assert status["drift"] == [] and status["state"] == "running"
        assert box.snapshots()[:3] == ["up", "one", "s1"]
    assert kills >= 5
    for name in [n for n in box.snapshots() if n.startswith("k")]:
        box.migrant("snapshot", "delete", name)
    assert box.snapshots() == ["up", "one", "s1"]
    assert box.ssh("cat file") == "two\n"
    # What lies between is not copied out of a chain in use, but what nothing names has gone.
    layers = box.definition().count("<backingStore type='file'>") - 1  # and the base
    assert len(box.disks()) == layers + 1


def test_two_at_once_wait_for_each_other(box):
    started = [box.lab.host.spawn("migrant", "snapshot", "save", name, "--no-sync", user="dev", cwd=box.path,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for name in ("a", "b", "c")]
    said = [p.communicate(timeout=300)[0] for p in started]
    assert [p.returncode for p in started] == [0, 0, 0], said
    assert sorted(box.snapshots()) == ["a", "b", "c", "one", "s1", "up"]
    for name in ("c", "b", "a"):
        box.migrant("snapshot", "delete", name)


def test_a_long_chain_is_joined(box):
    """In the disk of the running guest; what snapshots lie over stays."""
    for i in range(26):
        box.migrant("snapshot", "save", f"l{i}", "--no-sync")
    assert len(box.snapshots()) == 29
    assert box.definition().count("<backingStore type='file'>") < 20
    assert box.status()["drift"] == []
    for i in range(26):
        box.migrant("snapshot", "delete", f"l{i}")
    assert box.ssh("cat file") == "two\n"


def test_reset_goes_back_to_the_state_after_up_with_the_migrantfile_of_now(box):
    box.write("network: {egress: none}\n")
    result = box.migrant("reset")
    assert "putting the disk back" in result.stderr
    assert box.ssh("ls; hostname").split() == ["snaps"]
    status = box.status()
    assert (status["egress"], status["state"], status["drift"]) == ("none", "running", [])
    assert box.snapshots() == ["up", "one", "s1"]


def test_frozen_disks_are_roots(box):
    """A guest that breaks into its QEMU finds nothing to write below its own disk."""
    active = re.search(r"<source file='(.*)'/>", box.definition()).group(1)
    layers = re.findall(r"<source file='(.*/disk-.*)'>", box.definition())
    assert len(layers) >= 1 and active not in layers
    for layer in layers:
        owner, mode = box.lab.host.run("stat", "-c", "%U %a", layer).stdout.split()
        assert (owner, mode) == ("root", "440"), layer


def memories(box):
    uuid = box.lab.host.run(*VIRSH, "domuuid", box.domain).stdout.strip()
    return [n for n in box.lab.host.run("ls", POOL).stdout.split() if n.startswith(f"memory-{uuid}-")]


def generation(box):
    return re.search(r"<genid>(.*)</genid>", box.lab.host.run(*VIRSH, "dumpxml", box.domain).stdout).group(1)


LEFT = "cat /dev/shm/kept; pgrep -fc 'sleep 43[2]1'; cat file; "


def test_memory_goes_on_where_it_was_with_the_policy_of_now(box):
    boot = box.ssh(f"echo kept >/dev/shm/kept; echo warm >file; (sleep 4321 >/dev/null 2>&1 &); {BOOT}").strip()
    box.migrant("snapshot", "save", "warm", "--memory")
    assert json.loads(box.migrant("snapshot", "list", "--json").stdout)[-1]["memory"]
    (memory,) = memories(box)
    box.ssh("rm /dev/shm/kept; pkill -f 'sleep 43[2]1'; echo cold >file")
    before = generation(box)
    box.write()
    said = box.migrant("reset", "warm").stderr
    assert not re.search("boots from|clock|randomness", said), said
    assert box.ssh(LEFT + BOOT).split() == ["kept", "1", "warm", boot]
    assert abs(int(box.ssh("date +%s")) - time.time()) < 900
    assert generation(box) != before
    status = box.status()
    assert (status["egress"], status["state"], status["drift"]) == ("open", "running", [])
    # It holds the guest's secrets, also after it was read.
    assert box.lab.host.run("stat", "-c", "%U %a", f"{POOL}/{memory}").stdout.split() == ["root", "600"]
    assert box.lab.host.run("cat", f"{POOL}/{memory}", user="other", check=False).returncode != 0
    (stored,) = json.loads(box.migrant("storage", "--json").stdout)["memories"]
    assert (stored["sandbox"], stored["snapshot"]) == ("snaps", "warm") and stored["allocated_bytes"] > 50 << 20


def test_another_machine_boots_from_the_disk(box):
    """Here one with a share, which the tests after this one need."""
    box.write("network: {egress: none}\nshares:\n  - {host: work, guest: /home/migrant/work, size: 64M}\n")
    said = box.migrant("reset", "warm").stderr
    assert "boots from its disk: its memory is of another machine" in said
    assert box.ssh("cat file; ls /dev/shm").split() == ["warm"]
    assert box.status()["drift"] == []
    box.migrant("snapshot", "delete", "warm")
    assert memories(box) == []


def is_shared(box, word):
    """Whether guest and user see each other's files in the share."""
    box.ssh(f"echo {word} >work/{word}")
    return box.lab.host.run("cat", f"{box.path}/work/{word}", user="dev").stdout == word + "\n" and box.status()["drift"] == []


def test_memory_of_a_guest_with_shares(box):
    box.ssh("echo kept >/dev/shm/kept; (sleep 4321 >/dev/null 2>&1 &)")
    box.migrant("snapshot", "save", "hot", "--memory")
    assert is_shared(box, "one")
    box.ssh("rm /dev/shm/kept; pkill -f 'sleep 43[2]1'; echo colder >file")
    said = box.migrant("reset", "hot").stderr
    assert "boots from" not in said, said
    assert box.ssh(LEFT).split() == ["kept", "1", "warm"]
    assert box.ssh("cat work/one") == "one\n" and is_shared(box, "two")


def test_what_fails_while_memory_is_saved_changes_nothing(box):
    before, daemon = box.snapshots(), box.lab.libvirtd_pid()
    box.lab.host.run("prlimit", "--pid", daemon, "--fsize=20000000:")  # what it writes ends as on a full disk
    try:
        status, said = box.refused("snapshot", "save", "none", "--memory")
        assert "cannot save the guest's memory" in said
        status, said = box.refused("suspend")
        assert "cannot save the guest's memory" in said
    finally:
        box.lab.host.run("prlimit", "--pid", daemon, "--fsize=unlimited:")
    assert (box.snapshots(), box.status()["state"]) == (before, "running")
    assert box.ssh(LEFT).split() == ["kept", "1", "warm"] and is_shared(box, "three")
    # A program that uses the share: nothing is taken from it.
    box.ssh("cd work; (sleep 1234 >/dev/null 2>&1 &)")
    for command in (["snapshot", "save", "none", "--memory"], ["suspend"]):
        status, said = box.refused(*command)
        assert status == 75 and re.search(r"work is in use there by sleep \(\d+\)", said), said
    assert is_shared(box, "four")
    box.ssh("pkill -f 'sleep 123[4]'")
    assert (box.snapshots(), len(memories(box))) == (before, 1)


def test_a_share_that_a_killed_command_has_taken_out_comes_back(box):
    source = f"<filesystem type='mount'><source dir='/run/migrant/{box.name}/shares/0'/><target dir='share0'/></filesystem>"
    box.lab.host.run("tee", "/tmp/share.xml", input=source)
    box.ssh("sudo umount work; sudo mount -t tmpfs -o ro,mode=0 migrant-share work")
    box.lab.host.run(*VIRSH, "detach-device", box.domain, "/tmp/share.xml", "--live")
    until = time.monotonic() + 60
    while "<target dir='share0'/>" in box.lab.host.run(*VIRSH, "dumpxml", box.domain).stdout:
        assert time.monotonic() < until, "the guest keeps its share"
        time.sleep(0.2)
    assert box.migrant("plan", check=False).returncode == 70  # looks, and puts nothing back
    assert "<target dir='share0'/>" not in box.lab.host.run(*VIRSH, "dumpxml", box.domain).stdout
    assert "its shares again" in box.migrant("up").stderr
    assert is_shared(box, "five")


def test_suspend_and_resume_keep_what_runs(box):
    boot = box.ssh(f"echo memory | sudo tee /run/kept >/dev/null; sudo date -s '1 hour ago' >/dev/null; {BOOT}")
    assert box.migrant("suspend").stderr.splitlines()[-1].startswith("==> snaps: suspended")
    assert box.status()["state"] == "saved"
    assert "snaps" not in box.lab.host.run("ls", "/run/migrant").stdout.split()
    assert box.migrant("suspend").stderr == "==> snaps: is suspended already\n"
    status, said = box.refused("snapshot", "save", "x")
    assert status == 1 and "suspended" in said
    box.migrant("resume")
    assert box.ssh(f"cat /run/kept; {BOOT}").split() == ["memory", boot.strip()]
    assert abs(int(box.ssh("date +%s")) - time.time()) < 900  # and not an hour
    status = box.status()
    assert (status["state"], status["drift"], status["egress"]) == ("running", [], "none")
    assert box.ssh("cat work/one") == "one\n" and is_shared(box, "six")
    box.migrant("snapshot", "delete", "hot")
    assert memories(box) == []
    box.write("network: {egress: none}\n")


def test_a_guest_that_answers_too_much_when_it_wakes_is_up_all_the_same(box):
    box.ssh("""cp .bashrc before; sed -i '1i case $BASH_EXECUTION_STRING in *echo*exec*sh*) yes | head -c 9000;; esac' .bashrc""")
    box.migrant("suspend")
    said = box.migrant("resume").stderr
    assert "warning: the guest may not have set its clock: the guest answers with more than 4096 bytes" in said and "y\ny" not in said
    box.ssh("mv before .bashrc")


def test_a_halted_sandbox_is_saved_and_restored_without_a_boot(box):
    box.migrant("halt")
    status, said = box.refused("resume")
    assert status == 1 and "not suspended" in said
    before = box.definition()
    box.migrant("snapshot", "save", "cold")
    assert not json.loads(box.migrant("snapshot", "list", "--json").stdout)[-1]["running"]
    call, last = box.calls("snapshot", "restore", "s1")
    kills = 0
    for number in range(max(last - 60, 1), last + 1, 4):
        kills += box.killed(call, number, "snapshot", "restore", "s1")
        assert box.status()["state"] == "shutoff"
        assert box.snapshots() == ["up", "one", "s1", "cold"]
    assert kills >= 5
    result = box.migrant("snapshot", "restore", "cold")
    assert "as it was in 'cold'" in result.stderr
    assert box.status()["state"] == "shutoff"
    box.migrant("snapshot", "delete", "cold")
    assert box.snapshots() == ["up", "one", "s1"]
    # Of the domain nothing but the disk and the list has changed.
    assert [d.split("<snapshots:")[0] for d in (before, box.definition())] == [before.split("<snapshots:")[0]] * 2


def test_a_snapshot_whose_disk_has_gone(box):
    listed = box.definition()
    layer = re.search(r'name="s1" layer="(.*?)"', listed).group(1)
    box.lab.host.run("mv", f"{POOL}/{layer}", f"{POOL}/away")
    try:
        for command in (["snapshot", "restore", "s1"], ["reset", "s1"]):
            status, said = box.refused(*command)
            assert status == 65 and "has gone" in said
        assert box.definition() == listed
    finally:
        box.lab.host.run("mv", f"{POOL}/away", f"{POOL}/{layer}")
    box.lab.host.run(*VIRSH, "pool-refresh", "migrant")
    box.migrant("snapshot", "delete", "s1")


@pytest.mark.parametrize("arguments, code, word", [
    (["snaps"], 73, "already"), (["Bad"], 64, "name"), (["a", "a"], 64, "twice"), (["a", "b", "-n", "2"], 64, "one name"),
    (["a", "-n", "1000"], 64, "at most")])
def test_forks_that_cannot_be(box, arguments, code, word):
    before = box.definition(), box.disks()
    status, said = box.refused("fork", *arguments)
    assert (status, word in said) == (code, True), said
    assert (box.definition(), box.disks()) == before


def test_a_fork_that_is_killed_is_taken_away(box):
    call, _ = box.calls("snapshot", "list")
    for number in range(300, 1500, 80):
        box.killed(call, number, "fork", "cut")  # at the latest it ends for want of a helper that is root
        box.migrant("destroy", "-f", "cut", check=False)
        assert "migrant-cut" not in box.lab.host.run(*VIRSH, "list", "--all", "--name").stdout.split()
        assert box.snapshots() == ["up", "one"]
    box.migrant("snapshot", "restore", "one")


def test_forks_are_sandboxes_of_their_own(box):
    """Of a halted one, which is as in the snapshot 'one'; of three at once, one whose QEMU dies while it boots."""
    process = box.lab.host.spawn("migrant", "fork", "dead", "twin-1", "twin-2", user="dev", cwd=box.path, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.PIPE, text=True)
    said = next(line for line in process.stderr if "twin-1: starting the fork" in line)  # by when the one before it runs
    box.lab.host.sh("kill -9 $(cat /run/libvirt/qemu/migrant-dead.pid)")
    said += process.communicate(timeout=1200)[1]
    assert process.returncode == 70 and "error: 1 of 3 forks did not come up (dead): " in said, said
    assert "2 of 3; 'migrant ssh twin-" in said and "dead: taking it away" in said
    assert "migrant-dead" not in box.lab.host.run(*VIRSH, "list", "--all", "--name").stdout.split()
    assert box.status()["state"] == "shutoff"
    found = [box.migrant("ssh", name, "-c", f"cat file; {IDENTITY}").stdout.splitlines() for name in ("twin-1", "twin-2")]
    assert [f[:2] for f in found] == [["one", "twin-1"], ["one", "twin-2"]]
    assert [len(f) for f in found] == [6, 6], found
    assert all(len(set(lines)) == 2 for lines in list(zip(*found))[1:]), found
    states = [json.loads(box.migrant("status", name, "--json").stdout) for name in ("twin-1", "twin-2")]
    assert [s["drift"] for s in states] == [[], []] and states[0]["ip"] != states[1]["ip"]
    assert {s["egress"] for s in states} == {"none"}
    everything = box.migrant("global-status").stdout
    assert all(name in everything for name in ("snaps", "twin-1", "twin-2"))
    status, said = box.refused("fork", "new", "twin-1")
    assert status == 73 and "already" in said
    assert json.loads(box.migrant("status", "twin-1", "--json").stdout)["state"] == "running"


def test_a_fork_has_snapshots_of_its_own(box):
    """By name, from any directory; neither its origin nor its twin has to do with them."""
    fork = ("-s", "twin-1")

    def names(*sandbox):
        return [s["name"] for s in json.loads(box.lab.migrant("snapshot", "list", "--json", *sandbox, cwd="/").stdout)]

    identity = box.migrant("ssh", "twin-1", "-c", IDENTITY).stdout.splitlines()
    assert names(*fork) == ["up"]
    box.migrant("ssh", "twin-1", "-c", "echo changed >file; sync")
    assert "restore later -s twin-1" in box.lab.migrant("snapshot", "save", "later", *fork, cwd="/").stderr
    assert names(*fork) == ["up", "later"] and names("-s", "twin-2") == ["up"]
    for shell in COMPLETE:
        assert box.completed(shell, "ssh", "twin") == box.completed(shell, "reset", "-s", "twin") == {"twin-1", "twin-2"}
    assert box.completed("bash", "snapshot", "restore", *fork, "") == {"up", "later"}
    box.migrant("snapshot", "delete", "later", *fork)
    box.lab.migrant("reset", *fork, cwd="/", timeout=900)
    again = box.migrant("ssh", "twin-1", "-c", f"cat file; {IDENTITY}").stdout.splitlines()
    assert again[0] == "one" and again[1:4] == identity[:3] and again[4] != identity[3]
    assert json.loads(box.migrant("status", "twin-1", "--json").stdout)["drift"] == []
    assert box.snapshots() == ["up", "one"]
    status, said = box.refused("reset", "-s", "twin-3")
    assert status == 1 and "did you mean 'twin-" in said


FAMILY = """\
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.raw: hostname
      delegate_to: "{{ item }}"
      register: names
      loop: "{{ groups.all | sort }}"
    - ansible.builtin.debug: {msg: "at {{ inventory_hostname }}: {{ names.results | map(attribute='stdout_lines') | flatten | join(' ') }}"}
"""


def test_a_playbook_reaches_the_others_of_its_project(box):
    """It is played for the one that is named, and knows every sandbox of the directory that runs."""
    box.lab.project(box.name, MACHINE + "network: {egress: none}\nprovision: [{ansible: family.yml}]\n", files={"family.yml": FAMILY})
    for name in ("twin-1", "twin-2"):
        said = box.lab.migrant("provision", name, cwd="/home/dev", timeout=600).stderr
        assert f"at {name}: twin-1 twin-2" in said, said
    box.write("network: {egress: none}\n")


def test_forks_outlive_their_origin(box):
    """One of them its origin's origin."""
    uuid = box.lab.host.run(*VIRSH, "domuuid", box.domain).stdout.strip()
    box.migrant("ssh", "twin-1", "-c", "echo of twin-1 >file")
    box.lab.migrant("fork", "-s", "twin-1", "leaf", cwd="/", timeout=900)
    leaf = box.migrant("ssh", "leaf", "-c", f"cat file; {IDENTITY}").stdout.splitlines()
    assert leaf[:2] == ["of twin-1", "leaf"]
    assert not set(leaf[1:]) & set(box.migrant("ssh", "twin-1", "-c", IDENTITY).stdout.splitlines())
    assert "stay" in box.migrant("destroy", "-f").stderr
    assert uuid in box.lab.host.run("ls", POOL).stdout
    assert "stay" in box.migrant("destroy", "-f", "twin-1").stderr
    assert box.migrant("ssh", "leaf", "-c", "sync; sudo sh -c 'echo 3 >/proc/sys/vm/drop_caches'; cat file").stdout == "of twin-1\n"
    box.migrant("destroy", "-f", "leaf")
    assert uuid in box.lab.host.run("ls", POOL).stdout
    assert box.migrant("ssh", "twin-2", "-c", "sync; sudo sh -c 'echo 3 >/proc/sys/vm/drop_caches'; cat file").stdout == "one\n"
    box.migrant("destroy", "-f", "twin-2")
    assert uuid not in box.lab.host.run("ls", POOL).stdout
    assert "migrant-twin" not in box.lab.host.run(*VIRSH, "list", "--all", "--name").stdout


def test_without_a_sandbox(box):
    status, said = box.refused("snapshot", "save", "x")
    assert status == 1 and "migrant up" in said
    for command in ("reset", "suspend", "resume"):
        assert box.refused(command)[0] == 1
