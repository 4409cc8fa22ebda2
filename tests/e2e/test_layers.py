"""A Migrantfile that changes under its sandbox: what is said of it, resize, reload. One guest, in order."""

import json
import re

import pytest

MACHINE = "box: debian-12\ncpus: {cpus}\nmemory: {memory}\ndisk: {disk}\n"


class Sandbox:
    def __init__(self, lab, name):
        self.lab, self.name = lab, name
        self.write()

    def write(self, cpus=1, memory="768M", disk="4G", more="", **files):
        files = {name.replace("_", "."): text for name, text in files.items()}
        self.path = self.lab.project(self.name, MACHINE.format(cpus=cpus, memory=memory, disk=disk) + more, files=files)

    def migrant(self, *argv, check=True, **options):
        return self.lab.migrant(*argv, cwd=self.path, check=check, **{"timeout": 900, **options})

    def ssh(self, command):
        return self.migrant("ssh", "-c", command).stdout

    def status(self):
        return json.loads(self.migrant("status", "--json", check=False).stdout)

    def root_size(self):
        """Bytes of the disk, and of the file system on it."""
        return [int(n) for n in self.ssh("cat /sys/class/block/vda/size; stat -fc %b /; stat -fc %S /").split()]


@pytest.fixture(scope="module")
def box(world):
    sandbox = Sandbox(world, "grows")
    sandbox.migrant("up")
    yield sandbox
    sandbox.migrant("destroy", "-f", check=False)


def test_what_differs_is_said_with_its_way(box):
    assert box.status()["notes"] == []
    box.write(cpus=2, memory="900M", disk="5G", more="user: other\n")
    status = box.status()
    assert status["drift"] == []
    found = {re.match(r"(\w+) is '(.*)', but '(.*)' in the Migrantfile: .*'migrant (\w+)'", note).groups()
             for note in status["notes"]}
    assert {(key, now, wanted) for key, now, wanted, _ in found} == {
        ("cpus", "1", "2"), ("memory", "768M", "900M"), ("disk", "4G", "5G"), ("user", "migrant", "other")}
    said = box.migrant("up").stderr
    for note in status["notes"]:
        assert note in said, said
    assert box.migrant("status").returncode == 0


def test_the_disk_grows_while_the_guest_runs(box):
    boot = box.ssh("cat /proc/sys/kernel/random/boot_id")
    sectors, blocks, size = box.root_size()
    assert sectors * 512 == 4 << 30 and blocks * size > 3.5 * (1 << 30)
    done = box.migrant("resize")
    assert "has grown to 5120 MiB" in done.stderr and "'migrant reload'" in done.stderr
    sectors, blocks, size = box.root_size()
    assert sectors * 512 == 5 << 30 and blocks * size > 4.5 * (1 << 30)
    assert box.ssh("cat /proc/sys/kernel/random/boot_id") == boot
    assert "already has 5120 MiB" in box.migrant("resize").stderr


def test_a_file_system_that_stayed_behind_is_made_whole(box):
    """As a resize leaves it that was killed between the disk and the file system."""
    virsh = ["virsh", "-q", "-c", "qemu:///system", "blockresize", "migrant-grows", "vda", "6G"]
    box.lab.host.run(*virsh, user="dev")
    box.write(disk="6G")
    assert "already has 6144 MiB" in box.migrant("resize").stderr
    sectors, blocks, size = box.root_size()
    assert sectors * 512 == 6 << 30 and blocks * size > 5.5 * (1 << 30)


def test_a_disk_does_not_shrink(box):
    box.write(disk="4G")
    refused = box.migrant("resize", check=False)
    assert refused.returncode == 78 and "does not shrink" in refused.stderr and "6144" in refused.stderr
    assert box.root_size()[0] * 512 == 6 << 30


def test_reload_takes_what_counts_from_the_next_start(box):
    box.ssh("echo kept >kept; sync")
    box.write(cpus=2, disk="6G", more="network: {allow: [lan 127.0.0.1]}\n")
    refused = box.migrant("reload", check=False)
    assert refused.returncode == 78
    box.write(cpus=2, disk="6G")
    assert box.status()["state"] == "running"  # that was found before anything was ended
    box.migrant("reload")
    status = box.status()
    assert (status["state"], status["cpus"], status["notes"], status["drift"]) == ("running", 2, [], [])
    assert box.ssh("nproc; cat kept").split() == ["2", "kept"]


def test_resize_and_reload_of_what_is_not_there(box):
    box.migrant("destroy", "-f")
    for command in ("resize", "reload"):
        refused = box.migrant(command, check=False)
        assert refused.returncode == 1 and "migrant up" in refused.stderr
