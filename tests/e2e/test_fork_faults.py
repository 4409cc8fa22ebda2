"""Forks that fail while others go on, what locks what, and families whose members go in any order.

No guest boots here (booted.py): a fork that is waited for is one that never comes up.
"""

import json
import re
import signal

import pytest

from booted import Fork, Sandbox, goes_on, lab, nothing, stopped  # noqa: F401
from conftest import POOL
from never_boots import VIRSH, WITHOUT_SHARES, Project, assert_nothing_left, assert_refused, fill, kill, leave_free

FOREIGN = ("<domain type='qemu'><name>migrant-two</name><memory unit='MiB'>64</memory>"
           "<os><type>hvm</type></os></domain>")


@pytest.fixture(scope="module")
def origin(lab, nothing):
    """In state 3."""
    sandbox = Sandbox(lab, "origin")
    yield sandbox
    sandbox.migrant("destroy", "-f")


def domains(lab):
    return set(lab.host.run(*VIRSH, "list", "--all", "--name").stdout.split())


def said_until(process, line):
    said = ""
    for text in process.stdout:
        said += text
        if line in text:
            return said
    raise AssertionError(said)


# -- some of several ---------------------------------------------------------------------------------------


def assert_others_were_tried(said, everybody, failed):
    """Of several forks, none of which comes up here, only @failed was not even started."""
    assert re.search(rf"error: {len(everybody)} of {len(everybody)} forks did not come up \({', '.join(everybody)}\): ", said), said
    assert len([line for line in said.splitlines() if line.startswith("error:")]) == 1, said
    assert f"{failed}: starting" not in said
    for name in set(everybody) - {failed}:
        assert f"{name}: starting the fork" in said, said
        assert f"{name}: taking it away" in said, said


def test_a_name_that_is_taken_meanwhile(origin):
    """By somebody else, after it was found free."""
    process = stopped(origin, 1, "fork", "one", "two", "three", "--timeout", "1")
    origin.lab.host.run("tee", "/run/foreign.xml", input=FOREIGN)
    origin.lab.host.run(*VIRSH, "define", "/run/foreign.xml")
    try:
        status, said = goes_on(process)
        assert status == 73 and "'migrant-two' already exists" in said, said
        assert_others_were_tried(said, ["one", "two", "three"], "two")
        assert domains(origin.lab) == {origin.domain, "migrant-two"}
    finally:
        origin.lab.host.run(*VIRSH, "undefine", "migrant-two")
    assert origin.saved() == {"one": 1, "two": 2}
    assert origin.state_of(origin.disk()) == 3
    assert origin.needed() == origin.disks()


def test_a_pool_that_is_full_after_the_first(origin):
    kernel = int(origin.lab.host.sh(f"stat -c %s {origin.path}/bzImage").stdout) >> 20
    process = stopped(origin, 1, "fork", "one", "two", "--timeout", "1")
    try:
        leave_free(origin.lab, kernel + kernel // 2)
        status, said = goes_on(process)
    finally:
        leave_free(origin.lab, 900)
    assert status == 74 and "No space left" in said, said
    assert_others_were_tried(said, ["one", "two"], "two")
    assert domains(origin.lab) == {origin.domain}
    assert origin.needed() == origin.disks()


def test_a_pool_that_is_full(origin):
    process = stopped(origin, 1, "fork", "one", "two")
    fill(origin.lab)
    try:
        status, said = goes_on(process)
    finally:
        leave_free(origin.lab, 900)
    assert status == 74 and "error: 2 of 2 forks did not come up (one, two): " in said, said
    assert "starting" not in said
    assert domains(origin.lab) == {origin.domain}
    assert origin.needed() == origin.disks()


def test_several_that_are_cut_off_are_begun_anew(origin):
    """All are made before the first one is started."""
    assert origin.killed("virDomainCreateWithFlags", "fork", "one", "two")
    assert domains(origin.lab) == {origin.domain, "migrant-one", "migrant-two"}
    result = origin.migrant("fork", "one", "two", "--timeout", "1")
    assert_refused(result, 75, "an earlier fork 'one' was cut off", "an earlier fork 'two' was cut off", "forks did not come up (one, two)")
    assert domains(origin.lab) == {origin.domain}
    assert origin.needed() == origin.disks()


# -- who waits for whom ------------------------------------------------------------------------------------


def test_forks_and_their_origin_do_not_wait_for_each_other(origin):
    """One works on the origin, and stands still; its forks are worked on, each for itself."""
    left, right = Fork(origin, "left"), Fork(origin, "right")
    busy = stopped(origin, 1, "snapshot", "save", "slow")
    slow = stopped(origin, 1, "snapshot", "save", "slow", "-s", "left")
    try:
        assert "waiting" not in right.done("snapshot", "save", "own", "-s", "right").stderr
        assert_refused(origin.migrant("up", "left", "--timeout", "2"), 75, "another migrant has worked on this sandbox")
        assert_refused(origin.migrant("fork", "left", "-s", "right"), 75, "another migrant works on this sandbox")
        assert_refused(origin.migrant("up", "right", "--timeout", "1"), 75, "did not come up")
    finally:
        ends = [goes_on(process) for process in (busy, slow)]
    assert [end[0] for end in ends] == [0, 0], ends
    assert [set(s.snapshots()) for s in (origin, left, right)] == [{"one", "two", "slow"}, {"slow"}, {"own"}]
    for name in ("left", "right"):
        origin.done("destroy", "-f", name)
    origin.done("snapshot", "delete", "slow")
    assert origin.needed() == origin.disks()


def test_a_name_of_another_directory_is_not_waited_for(origin):
    """It is refused, whatever is done to it at the moment."""
    other = Project(origin.lab, "other", "name: origin\n" + WITHOUT_SHARES)
    busy = stopped(origin, 1, "snapshot", "save", "slow")
    try:
        assert_refused(other.migrant("up"), 73, "the name 'origin' belongs to the sandbox of")
    finally:
        assert goes_on(busy)[0] == 0
    origin.done("snapshot", "delete", "slow")


def test_who_dies_holds_nothing(origin):
    left = Fork(origin, "left")
    process = stopped(origin, 1, "snapshot", "save", "never", "-s", "left")
    goes_on(process, signal.SIGKILL)
    assert "waiting" not in origin.done("snapshot", "save", "now", "-s", "left").stderr
    assert set(left.snapshots()) == {"now"}
    origin.done("destroy", "-f", "left")


def test_the_origin_is_free_while_forks_boot(origin):
    process = origin.spawn("fork", "boots", "--timeout", "600")
    said_until(process, "boots: starting the fork")
    try:
        assert "waiting" not in origin.done("snapshot", "save", "meanwhile").stderr
        assert "waiting" not in origin.done("snapshot", "delete", "meanwhile").stderr
        assert_refused(origin.migrant("up", "boots", "--timeout", "2"), 75, "another migrant has worked on this sandbox")
    finally:
        kill(process, signal.SIGINT)
        said = process.communicate(timeout=120)[0]
    assert process.returncode == 130 and "boots: taking it away" in said, said
    assert domains(origin.lab) == {origin.domain}
    assert origin.saved() == {"one": 1, "two": 2}
    assert origin.needed() == origin.disks()


def test_prune_takes_disks_of_nobody(origin):
    """A command that was killed when its sandbox had joined disks of one that has gone has left them."""
    gone = "disk-5b6f2f0e-51a9-4a57-9b3d-0d6d4a0c7e11"
    origin.done("snapshot", "save", "before")
    kept = origin.disks()
    make = "qemu-img create -q -f qcow2"
    origin.lab.host.sh(f"cd {POOL} && {make} {gone}.qcow2 1M && {make} -F qcow2 -b {POOL}/{gone}.qcow2 {gone}-2.qcow2")
    dry = origin.done("storage", "--prune", "--dry-run").stderr
    assert f"{gone}.qcow2, whose sandbox has gone" in dry and f"{gone}-2.qcow2, whose sandbox has gone" in dry, dry
    assert not any(name in dry for name in kept), dry
    assert len(origin.disks() - kept) == 2
    said = origin.done("storage", "--prune", "-f").stderr
    assert said.index(f"deleted {gone}-2.qcow2") < said.index(f"deleted {gone}.qcow2"), said
    assert origin.disks() == kept == origin.needed()
    origin.done("snapshot", "delete", "before")


# -- families ----------------------------------------------------------------------------------------------


def test_a_fork_of_a_fork_outlives_them_all(lab, nothing, origin):
    """What others stand on stays, and nothing else; the last two, who go at once, take the rest along."""
    twin = Fork(origin, "twin")
    middle = Fork(origin, "middle")
    assert (twin.state_of(twin.disk()), middle.state_of(middle.disk())) == (3, 3)
    middle.write(1)
    leaf = Fork(middle, "leaf")
    assert leaf.state_of(leaf.disk()) == 1
    leaf.done("snapshot", "save", "first", "-s", "leaf")
    leaf.write(2)
    middle.write(3)
    middle.done("snapshot", "save", "first", "-s", "middle")

    assert "stay" in origin.done("destroy", "-f", "middle").stderr
    assert origin.disks() == origin.needed() | twin.needed() | leaf.needed()
    assert (leaf.state_of(leaf.disk()), leaf.saved()) == (2, {"first": 1})
    leaf.done("snapshot", "restore", "first", "-s", "leaf")
    assert leaf.state_of(leaf.disk()) == 1

    assert "stay" in origin.done("destroy", "-f").stderr
    assert origin.disks() == twin.needed() | leaf.needed()
    assert (twin.state_of(twin.disk()), leaf.state_of(leaf.disk())) == (3, 1)
    leaf.done("snapshot", "restore", "first", "-s", "leaf")
    assert leaf.state_of(leaf.disk()) == 1

    going = [origin.spawn("destroy", "-f", name) for name in ("twin", "leaf")]
    for process in going:
        said = process.communicate(timeout=300)[0]
        assert process.returncode == 0, said
    assert_nothing_left(lab, nothing)


def test_layers_that_are_joined_go_when_their_sandbox_has_gone(lab, nothing):
    """When there is no room for another one, those of others are joined as well."""
    origin = Sandbox(lab, "old")
    for i in range(20):
        origin.done("snapshot", "save", f"more-{i}")
    middle = Fork(origin, "between")
    middle.write(1)
    leaf = Fork(middle, "young")
    origin.done("destroy", "-f", "between")
    assert len(leaf.needed()) == 25
    up = origin.spawn("up", "young")
    said_until(up, "waiting for the guest")
    goes_on(up, signal.SIGKILL)
    origin.done("snapshot", "save", "joined", "--no-sync", "-s", "young")
    assert len(leaf.needed()) == 3
    assert origin.disks() == origin.needed() | leaf.needed()
    assert leaf.state_of(leaf.disk()) == 1
    assert origin.saved().items() >= {"one": 1, "two": 2, "more-0": 3}.items()
    for name in ("young", "old"):
        origin.done("destroy", "-f", name)
    assert_nothing_left(lab, nothing)


def test_an_origin_that_goes_while_its_fork_boots(lab, nothing):
    origin = Sandbox(lab, "short")
    process = origin.spawn("fork", "late", "--timeout", "600")
    said_until(process, "late: starting the fork")
    assert "stay" in origin.done("destroy", "-f").stderr
    assert domains(lab) == {"migrant-late"}
    chain = json.loads(lab.host.sh(f"qemu-img info -U --backing-chain --output=json {POOL}/disk-$(virsh -c qemu:///system "
                                   "domuuid migrant-late).qcow2").stdout)
    assert len(chain) > 2
    kill(process, signal.SIGINT)
    said = process.communicate(timeout=120)[0]
    assert process.returncode == 130, said
    assert_nothing_left(lab, nothing)
