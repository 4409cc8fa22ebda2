"""Sandboxes without a guest of which a test says that they have been up: what a guest would have written it writes into the disk itself."""

import json
import pathlib
import re
import signal
import subprocess
import time

import pytest

from conftest import POOL
from lab import Lab, child_of
from never_boots import VIRSH, WITHOUT_SHARES, Project, cut_off, kill, volumes, with_small_pool

PLACE = "1G 64k"  # where a disk says which state it is
MORTAL = "/usr/local/lib/libmortal.so"


@pytest.fixture(scope="module")
def lab(build, box_files):
    with Lab() as lab:
        with_small_pool(lab, build, box_files)
        lab.host.run("install", build / "tests/libmortal.so", MORTAL)
        yield lab


@pytest.fixture(scope="module")
def nothing(lab):
    return lab.snapshot()


class Sandbox(Project):
    """One that has been up, as its definition says, with the snapshots 'one' and 'two' of the states 1 and 2; halted, in state 3."""

    def __init__(self, lab, name):
        super().__init__(lab, name, WITHOUT_SHARES)
        self.domain = f"migrant-{name}"
        cut_off(self)
        self.done("halt", "-f")
        self.say_booted()
        for number, snapshot in ((1, "one"), (2, "two")):
            self.write(number)
            self.done("snapshot", "save", snapshot)
        self.write(3)

    def done(self, *argv):
        result = self.migrant(*argv)
        assert result.returncode == 0, result.stderr
        return result

    def definition(self):
        return self.lab.host.run(*VIRSH, "dumpxml", "--inactive", self.domain).stdout

    def say_booted(self):
        xml = re.sub("(<migrant:uuid>)", r"<migrant:booted>yes</migrant:booted>\1", self.definition(), count=1)
        assert "booted" in xml, xml
        self.lab.host.run("tee", "/run/booted.xml", input=xml)
        self.lab.host.run(*VIRSH, "define", "/run/booted.xml")

    def disk(self):
        return re.search(r"<source file='(.*/disk-.*)'/>", self.definition()).group(1)

    def write(self, number):
        """As the guest would: this is the disk's state from now on."""
        self.lab.host.run("qemu-io", "-f", "qcow2", "-c", f"write -P {number} {PLACE}", self.disk())

    def state_of(self, disk):
        for number in (1, 2, 3):
            read = self.lab.host.run("qemu-io", "-r", "-U", "-f", "qcow2", "-c", f"read -P {number} {PLACE}", disk,
                                     check=False).stdout
            assert "read 65536" in read, read
            if "failed" not in read:
                return number
        return None

    def snapshots(self):
        """{name: volume}"""
        return dict(re.findall(r'<snapshots:snapshot name="(.*?)" layer="(.*?)"', self.definition()))

    def saved(self):
        """{name: state}"""
        return {name: self.state_of(f"{POOL}/{volume}") for name, volume in self.snapshots().items()}

    def needed(self):
        """The disks that the definition's disk and snapshots consist of."""
        found, further = set(), [self.disk(), *(f"{POOL}/{v}" for v in self.snapshots().values())]
        while further:
            path = further.pop()
            found.add(path.rsplit("/", 1)[1])
            info = json.loads(self.lab.host.run("qemu-img", "info", "-U", "--output=json", path).stdout)
            if "/disk-" in info["backing-filename"]:
                further.append(info["backing-filename"])
        return found

    def disks(self):
        return {v for v in volumes(self.lab) if v.startswith("disk-")}

    def killed(self, number, *argv):
        """Runs a command that is killed when it has changed something for that time; whether it was."""
        result = self.lab.host.run("migrant", *argv, user="dev", cwd=self.path, env={"LD_PRELOAD": MORTAL, "MORTAL": number},
                                   check=False, timeout=300)
        assert result.returncode in (0, 75, -9, 137), result.stderr
        return result.returncode in (-9, 137)

    def runs(self):
        return self.lab.host.run(*VIRSH, "domstate", self.domain).stdout.strip() == "running"


def stopped(sandbox, number, *argv, seconds=300):
    """Begins a command that stops when it has changed something for that time, or by that function; see goes_on()."""
    process = sandbox.lab.host.spawn("migrant", *argv, user="dev", cwd=sandbox.path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                     text=True, env={"LD_PRELOAD": MORTAL, "MORTAL": number, "MORTAL_STOPS": "1"})
    stands = [pathlib.Path(f"/proc/{pid}/stat") for pid in (child_of(process), process.pid)]  # nsenter stops as its child does
    for _ in range(10 * seconds):
        if all(path.read_text().rpartition(")")[2].split()[0] == "T" for path in stands):
            return process
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.1)
    raise AssertionError("it runs on for minutes")


def goes_on(process, number=signal.SIGCONT):
    """The exit status, and what is said, of a command that was stopped."""
    kill(process, number)
    process.send_signal(signal.SIGCONT)
    said = process.communicate(timeout=300)[0]
    return process.returncode, said


class Fork(Sandbox):
    """Of a sandbox or of another fork; halted."""

    def __init__(self, origin, name):
        self.lab, self.user, self.path = origin.lab, origin.user, origin.path
        self.name, self.domain = name, f"migrant-{name}"
        assert origin.killed("virDomainResume", "fork", name, "-s", origin.name)
        self.done("halt", "-f", name)
        self.say_booted()
