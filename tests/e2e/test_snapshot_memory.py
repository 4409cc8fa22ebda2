"""Memory that is kept with snapshots: where it lies, when it is not used, what is left when saving it fails or is killed.

No guest boots here, so none answers: what one notices is in test_snapshots.
"""

import itertools
import json
import re

import pytest

from booted import Sandbox, lab, nothing  # noqa: F401
from conftest import POOL
from never_boots import VIRSH, assert_nothing_left, assert_refused, cut_off, kill, leave_free, volumes

SAVE = ["snapshot", "save", "warm", "--memory", "--no-sync"]


@pytest.fixture(scope="module")
def running(lab, nothing):
    sandbox = Sandbox(lab, "warm")
    cut_off(sandbox)
    assert sandbox.runs()
    yield sandbox
    sandbox.migrant("destroy", "-f")


def memories(sandbox):
    return {v for v in volumes(sandbox.lab) if v.startswith("memory-")}


def named(sandbox):
    return set(re.findall(r' memory="(.*?)"', sandbox.definition()))


def begun(sandbox):
    """What `reset warm` says until it waits for the guest, when it is killed."""
    reset = sandbox.spawn("reset", "warm")
    said = ""
    for line in reset.stdout:
        said += line
        if "waiting for the guest" in line:
            break
    kill(reset, 9)
    said += reset.communicate(timeout=60)[0]
    assert sandbox.runs(), said
    return said


def edit(sandbox, before, after):
    xml = sandbox.definition()
    assert before in xml
    sandbox.lab.host.run("tee", "/run/edited.xml", input=xml.replace(before, after))
    sandbox.lab.host.run(*VIRSH, "define", "/run/edited.xml")


def test_a_halted_sandbox_has_no_memory_to_save(lab, nothing):
    sandbox = Sandbox(lab, "cold")
    assert_refused(sandbox.migrant(*SAVE), 1, "does not run")
    assert sandbox.needed() == sandbox.disks() and not memories(sandbox)
    sandbox.done("destroy", "-f")
    assert_nothing_left(lab, nothing)


def test_it_is_roots_and_read_by_nobody_else(running):
    running.done(*SAVE)
    assert memories(running) == named(running) and len(memories(running)) == 1
    path = f"{POOL}/{memories(running).pop()}"
    assert running.lab.host.run("stat", "-c", "%U %G %a", path).stdout == "root root 600\n"
    for user in ("dev", "other", "libvirt-qemu"):
        assert running.lab.host.run("cat", path, user=user, check=False).returncode != 0
    (stored,) = json.loads(running.migrant("storage", "--json").stdout)["memories"]
    assert (stored["sandbox"], stored["snapshot"]) == ("warm", "warm") and stored["allocated_bytes"] > 1 << 18
    assert "warm/warm" in running.migrant("storage").stdout
    assert "memory" in running.migrant("snapshot", "list").stdout


def test_it_goes_on_on_its_machine_and_stays(running):
    assert "boots from" not in begun(running)
    assert memories(running) == named(running)
    path = f"{POOL}/{memories(running).pop()}"
    assert running.lab.host.run("stat", "-c", "%U %G %a", path).stdout == "root root 600\n"
    assert running.saved()["warm"] == 3
    assert json.loads(running.migrant("status", "--json").stdout)["drift"] == []


def test_another_version_of_qemu(running):
    """As after an upgrade."""
    version = re.search(r'machine="([\d.]+)-', running.definition()).group(1)
    edit(running, f'machine="{version}-', 'machine="5.2.0-')
    try:
        assert f"boots from its disk: its memory is of QEMU 5.2.0, and here is {version}\n" in begun(running)
    finally:
        edit(running, 'machine="5.2.0-', f'machine="{version}-')


def test_another_machine(running):
    text = running.lab.host.run("cat", f"{running.path}/Migrantfile").stdout
    running.lab.host.run("tee", f"{running.path}/Migrantfile", input=text.replace("192M", "200M"), user="dev")
    assert "boots from its disk: its memory is of another machine" in begun(running)
    running.lab.host.run("tee", f"{running.path}/Migrantfile", input=text, user="dev")
    assert "boots from" not in begun(running)


@pytest.mark.parametrize("harm", ["truncate -s 300K", "truncate -s 0", "dd if=/dev/zero conv=notrunc bs=4k count=1 status=none of=", "rm"])
def test_damaged_or_gone(running, harm):
    path = f"{POOL}/{memories(running).pop()}"
    running.lab.host.run("cp", "-p", path, "/var/lib/good")
    try:
        running.lab.host.sh(f"{harm}{path}" if harm.endswith("=") else f"{harm} {path}")
        assert "boots from its disk: cannot re" in begun(running)
        assert running.saved()["warm"] == 3
    finally:
        running.lab.host.run("mv", "/var/lib/good", path)


def test_no_room(running):
    before, disks, kept = running.definition(), running.disks(), memories(running)
    refused = ["snapshot", "save", "more", "--memory", "--no-sync"]
    leave_free(running.lab, 650)
    assert_refused(running.migrant(*refused), 74, "192 MiB", "are free")
    leave_free(running.lab, 900)
    assert (running.definition(), running.disks(), memories(running)) == (before, disks, kept)
    # It ends in the midst as on a disk that got full.
    daemon = running.lab.libvirtd_pid()
    running.lab.host.run("prlimit", "--pid", daemon, "--fsize=500000:")
    try:
        assert_refused(running.migrant(*refused), 70, "cannot save the guest's memory")
    finally:
        running.lab.host.run("prlimit", "--pid", daemon, "--fsize=unlimited:")
    assert running.runs() and running.snapshots().keys() == {"one", "two", "warm"}
    assert running.needed() == running.disks()
    running.done("snapshot", "save", "more", "--no-sync")
    running.done("snapshot", "delete", "more")
    assert memories(running) == kept


def test_saving_is_killed_at_every_step(running):
    for number in itertools.count(1):
        if not running.killed(number, "snapshot", "save", f"k{number}", "--memory", "--no-sync"):
            break
        assert running.runs()
        assert named(running) <= memories(running)
    assert number > 2
    for name in set(running.snapshots()) - {"one", "two", "warm"}:
        running.done("snapshot", "delete", name)
    assert len(memories(running)) == 1 and memories(running) == named(running)
    assert running.needed() == running.disks()


def test_it_goes_with_the_sandbox(lab, nothing, running):
    assert memories(running)
    running.done("destroy", "-f")
    assert_nothing_left(lab, nothing)
