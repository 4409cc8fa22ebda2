"""Snapshots, reset and forks that are killed or find no room: what was saved is there, the next command goes on, nothing stays behind.

No guest boots here: of a sandbox without one a test says that it has been up, and what a guest would have written it
writes into the disk itself.
"""

import itertools
import json
import re
import time

import pytest

import schema
from booted import Sandbox, lab, nothing  # noqa: F401
from conftest import POOL
from never_boots import VIRSH, WITHOUT_SHARES, Project, assert_nothing_left, assert_refused, cut_off, fill, leave_free

DEFINITIONS = "/etc/libvirt/qemu"


@pytest.fixture(scope="module")
def kept(lab, nothing):
    sandbox = Sandbox(lab, "kept")
    yield sandbox
    sandbox.migrant("destroy", "-f")


def test_saving_is_killed_at_every_step(kept):
    for number in itertools.count(1):
        if not kept.killed(number, "snapshot", "save", f"k{number}"):
            break
        assert kept.state_of(kept.disk()) == 3
        saved = kept.saved()
        assert (saved.pop("one"), saved.pop("two")) == (1, 2)
        assert set(saved.values()) <= {3}
    assert number > 2
    assert kept.needed() == kept.disks()


def test_deleting_is_killed_at_every_step(kept):
    for number in itertools.count(1):
        kept.migrant("snapshot", "save", "gone")
        if not kept.killed(number, "snapshot", "delete", "gone"):
            break
        assert kept.state_of(kept.disk()) == 3
        assert kept.saved().items() >= {"one": 1, "two": 2}.items()
    assert number > 1
    for name in set(kept.snapshots()) - {"one", "two"}:
        kept.done("snapshot", "delete", name)
    assert kept.needed() == kept.disks()


def test_restoring_is_killed_at_every_step(kept):
    for number in itertools.count(1):
        if not kept.killed(number, "snapshot", "restore", "two" if number % 2 else "one"):
            break
        assert kept.state_of(kept.disk()) in (3, 1, 2)
        assert kept.saved() == {"one": 1, "two": 2}
    assert number > 3
    assert kept.needed() == kept.disks()
    kept.done("snapshot", "restore", "two")
    assert kept.state_of(kept.disk()) == 2
    kept.write(3)


def test_reset_is_killed_at_every_step(kept):
    for number in itertools.count(1):
        if not kept.killed(number, "reset", "one", "--timeout", "1"):
            break
        assert kept.saved() == {"one": 1, "two": 2}
    assert number > 6
    assert not kept.runs()  # it never boots, which ends it
    assert kept.state_of(kept.disk()) == 1
    assert kept.needed() == kept.disks()


def test_forking_is_killed_at_every_step(kept):
    """Until the fork runs; from then on it is waited for."""
    for number in itertools.count(1):
        assert kept.killed(number, "fork", "cut")
        assert kept.saved() == {"one": 1, "two": 2}
        made = kept.migrant("status", "cut", "--json").stdout
        if made:
            kept.done("destroy", "-f", "cut")
        if made and json.loads(made)["state"] == "running":
            break
    assert number > 5
    assert kept.killed(number - 1, "fork", "cut")
    assert kept.killed(number + 1, "fork", "cut")  # which begins by ending the one before
    kept.done("destroy", "-f", "cut")
    assert kept.state_of(kept.disk()) == 1
    assert kept.needed() == kept.disks()
    kept.done("snapshot", "restore", "two")
    kept.write(3)


# -- no room -----------------------------------------------------------------------------------------------


@pytest.fixture
def full(lab):
    """Not a block is left for another volume."""
    fill(lab)
    yield
    leave_free(lab, 900)


@pytest.fixture
def no_definitions(lab):
    """libvirt cannot write a domain down any more, though the pool has room."""
    lab.host.sh(f"mkdir /run/away; cp -a {DEFINITIONS}/. /run/away; mount -t tmpfs -o size=1M tmpfs {DEFINITIONS}; "
                f"cp -a /run/away/. {DEFINITIONS}; dd if=/dev/zero of={DEFINITIONS}/filler bs=4k 2>/dev/null || true")
    yield
    # as it is when somebody has made room: what was written meanwhile is what counts
    lab.host.sh(f"rm {DEFINITIONS}/filler; rm -r /run/away; cp -a {DEFINITIONS} /run/away; umount {DEFINITIONS}; "
                f"rm -rf {DEFINITIONS}; cp -a /run/away {DEFINITIONS}; rm -r /run/away")
    lab.stop_libvirtd()
    lab.start_libvirtd()


ATTEMPTS = [["snapshot", "save", "more"], ["snapshot", "restore", "one"], ["reset", "one"], ["fork", "more"]]


@pytest.mark.parametrize("command", ATTEMPTS, ids=lambda c: " ".join(c[:-1]))
def test_a_full_pool_changes_nothing(kept, full, command):
    before, disks, state = kept.definition(), kept.disks(), kept.state_of(kept.disk())
    result = kept.migrant(*command)
    assert_refused(result, 74)
    assert re.search("No space left|are free", result.stderr), result.stderr
    assert (kept.definition(), kept.disks(), kept.state_of(kept.disk())) == (before, disks, state)


@pytest.mark.parametrize("command", ATTEMPTS[:2] + [["snapshot", "delete", "one"]], ids=lambda c: " ".join(c[:-1]))
def test_a_definition_that_cannot_be_written_changes_nothing(kept, no_definitions, command):
    before, state = kept.definition(), kept.state_of(kept.disk())
    assert_refused(kept.migrant(*command), 74, "cannot define the domain")
    for _ in range(2):
        assert (kept.definition(), kept.state_of(kept.disk())) == (before, state)
        assert kept.saved() == {"one": 1, "two": 2}
        kept.lab.stop_libvirtd()
        kept.lab.start_libvirtd()


def test_a_reset_makes_room(kept):
    """What the guest has written since is what the pool is full of: `up` is refused, and `reset` takes it away."""
    kept.lab.host.run("qemu-io", "-f", "qcow2", "-c", "write -P 3 0 500M", kept.disk())
    leave_free(kept.lab, 300)
    try:
        assert_refused(kept.migrant("up"), 74, "MiB are free")
        result = kept.migrant("reset", "one", "--timeout", "1")
        assert "putting the disk back" in result.stderr and "are free in" not in result.stderr, result.stderr
        assert kept.state_of(kept.disk()) == 1 and kept.needed() == kept.disks()
    finally:
        kept.migrant("halt", "-f")
        leave_free(kept.lab, 900)
    kept.done("snapshot", "restore", "two")
    kept.write(3)


def test_what_did_not_fit_goes_now(kept):
    """Also what those have left that found no room."""
    for command in (["snapshot", "save", "more"], ["snapshot", "restore", "two"], ["snapshot", "delete", "more"]):
        kept.done(*command)
    assert kept.saved() == {"one": 1, "two": 2}
    assert kept.needed() == kept.disks()


# -- what others have done to the volumes ------------------------------------------------------------------


def test_a_base_that_has_gone(kept):
    base = re.search(r"<source file='(.*/base-.*)'>", kept.definition()).group(1)
    before, disks = kept.definition(), kept.disks()
    kept.lab.host.run("mv", base, f"{POOL}/away")
    try:
        name = base.rsplit("/", 1)[1]
        assert_refused(kept.migrant("snapshot", "restore", "one"), 65, name, "has gone")
        assert_refused(kept.migrant("reset", "one"), 65, name, "has gone")
        assert_refused(kept.migrant("up"), 65, name, "damaged")
        assert (kept.definition(), kept.disks()) == (before, disks)
    finally:
        kept.lab.host.run("mv", f"{POOL}/away", base)
        kept.lab.host.run(*VIRSH, "pool-refresh", "migrant")


def test_a_snapshot_that_is_not_there_runs_no_hook(kept):
    before = kept.definition()
    text = kept.lab.host.run("cat", f"{kept.path}/Migrantfile").stdout
    kept.lab.host.sh(f"cd {kept.path}; mkdir hooks; printf '#!/bin/sh\\ntouch ran\\n' >hooks/pre-up; chmod 755 hooks/pre-up; "
                     "chown -R dev: hooks; echo 'hooks: hooks' >>Migrantfile")
    try:
        assert_refused(kept.migrant("reset", "nothing"), 66, "no snapshot 'nothing'")
        assert kept.lab.host.run("test", "-e", f"{kept.path}/ran", check=False).returncode == 1
        assert kept.definition() == before
    finally:
        kept.lab.host.run("tee", f"{kept.path}/Migrantfile", input=text)
        kept.lab.host.run("rm", "-r", f"{kept.path}/hooks")


# -- while it runs -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def running(kept):
    kept.done("snapshot", "restore", "two")
    cut_off(kept)
    assert kept.runs()
    return kept


def test_an_up_that_did_not_come_to_its_end_is_said(running):
    assert "its first 'up' did not come to its end" in running.migrant("up").stderr


def test_saving_is_killed_while_it_runs(running):
    for number in itertools.count(1):
        if not running.killed(number, "snapshot", "save", f"k{number}", "--no-sync"):
            break
        assert running.runs()
        saved = running.saved()
        assert (saved.pop("one"), saved.pop("two")) == (1, 2)
        assert set(saved.values()) <= {2}
    assert number > 2
    for name in set(running.snapshots()) - {"one", "two"}:
        running.done("snapshot", "delete", name)
    assert running.needed() == running.disks()


def test_no_room_for_the_next_disk_while_it_runs(running, full):
    before, disks = running.definition(), running.disks()
    assert_refused(running.migrant("snapshot", "save", "more", "--no-sync"), 74, "No space left")
    assert (running.definition(), running.disks()) == (before, disks)
    assert running.runs()


@pytest.mark.parametrize("command", [["snapshot", "save", "more", "--no-sync"], ["snapshot", "restore", "one"]], ids=lambda c: c[1])
def test_a_definition_that_cannot_be_written_while_it_runs(running, no_definitions, command):
    """It is found out before the guest has its new disk, and before it is ended."""
    before, disks = running.definition(), running.disks()
    assert_refused(running.migrant(*command), 74, "cannot define the domain")
    for _ in range(2):
        assert (running.definition(), running.disks()) == (before, disks)
        assert running.runs()
        running.lab.stop_libvirtd()
        running.lab.start_libvirtd()


def test_what_libvirt_has_forgotten_the_guest_knows(running):
    """The definition as it would be if the last moment's change had not been written down."""
    before = running.definition()
    running.done("snapshot", "save", "late", "--no-sync")
    now = running.disk()
    running.lab.host.run("tee", "/run/before.xml", input=before)
    running.lab.host.run(*VIRSH, "define", "/run/before.xml")
    assert running.disk() != now
    running.done("snapshot", "save", "later", "--no-sync")
    assert now.rsplit("/", 1)[1] == running.snapshots()["later"]
    assert running.needed() == running.disks()
    running.done("snapshot", "delete", "later")


def make_long(sandbox):
    """Lets the disk lie over more than are kept without being joined, which no snapshot needs any more."""
    for action in ("save", "delete"):
        for i in range(8):
            sandbox.done("snapshot", action, f"l{i}", *(["--no-sync"] if action == "save" else []))
    assert len(sandbox.needed()) > 8


def join_and_die(sandbox):
    assert sandbox.killed("virDomainBlockRebase", "snapshot", "save", "joined", "--no-sync")
    for _ in range(600):
        if "No current block job" in sandbox.lab.host.sh(f"virsh -c qemu:///system blockjob {sandbox.domain} vda 2>&1 || true").stdout:
            return
        time.sleep(0.1)
    raise AssertionError("the layers are joined for a minute")


def test_joining_goes_on_without_the_command(running):
    make_long(running)
    join_and_die(running)
    running.done("snapshot", "save", "joined", "--no-sync")
    assert running.needed() == running.disks() and len(running.needed()) < 8
    assert running.saved().items() >= {"one": 1, "two": 2}.items()
    running.done("snapshot", "delete", "joined")


def test_a_guest_that_is_halted_after_that_starts_again(running):
    make_long(running)
    join_and_die(running)
    state = running.state_of(running.disk())
    running.done("halt", "-f")
    running.done("snapshot", "save", "after")
    running.done("snapshot", "delete", "after")  # both take away what is not needed
    assert running.state_of(running.disk()) == state == 2
    assert_refused(running.migrant("up", "--timeout", "1"), 75, "did not come up")


def test_status_has_all_of_it_in_every_state(lab, running):
    def check(state, project=running):
        status = schema.check(json.loads(project.migrant("status", "--json").stdout), "status")
        assert status["state"] == state
        assert {s["name"] for s in status["snapshots"]} == (set() if state == "absent" else set(running.snapshots()))
        assert (status["ip"] is not None) == (state in ("running", "paused"))

    check("absent", Project(lab, "absent", WITHOUT_SHARES))
    running.done("halt", "-f")
    check("shutoff")
    cut_off(running)
    check("running")
    lab.host.run(*VIRSH, "suspend", running.domain)
    check("paused")
    lab.host.run(*VIRSH, "managedsave", running.domain)
    check("saved")
    said = running.migrant("snapshot", "restore", "one").stderr  # its memory belongs to the disk that goes
    assert "throwing its saved memory away" in said
    check("shutoff")
    cut_off(running)
    lab.host.sh(f"kill -9 $(cat /run/libvirt/qemu/{running.domain}.pid)")
    until = time.monotonic() + 60
    while running.runs():
        assert time.monotonic() < until
    check("crashed")


def test_destroying_is_killed_at_every_step(lab, nothing, running):
    # as a guest could leave one that has broken into its QEMU: a disk that says that it lies over itself
    selfish = re.sub("(disk-.{36}).*", r"\1-99.qcow2", running.disk())
    lab.host.run("qemu-img", "create", "-q", "-u", "-f", "qcow2", "-F", "qcow2", "-b", selfish,
                 selfish.replace("/disk-", "/./disk-"), "4G")
    lab.host.run(*VIRSH, "pool-refresh", "migrant")
    for number in itertools.count(1):
        if not running.killed(number, "destroy", "-f"):
            break
    assert number > 4
    assert_nothing_left(lab, nothing)
