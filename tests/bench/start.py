#!/usr/bin/python3
"""How soon a sandbox is there: up, reset, save, fork, destroy, beside raw QEMU with the same disk and a guest as it comes.

One clock (CLOCK_MONOTONIC), and one end for everything that starts a guest: an authenticated `ssh true`. Commands of migrant
(and of Vagrant) make that connection themselves, so their time is until they have ended; a second one beside it would be the
guest's work as well. For raw QEMU a prober tries every 20 ms, with no more than a TCP connection before the guest's SSH
server answers; it also compares the first boots, whose commands wait for more than SSH. Raw QEMU (F1) boots the same layers
by the same kernel with the same processor and memory, with a tap of the host's instead of a gateway: what it needs is the
guest's own time. F2 is a QEMU that goes on from the memory of such a guest (-incoming). Vagrant with vagrant-libvirt takes
part where Debian's packages of it are installed (vagrant_peer.py). The contenders take turns, so that what else the machine
does meets all of them.

    sudo tests/bench/start.py [--rounds 7] [--every 3] [--forks 1,4,8] [--now] [--json FILE]
"""

import argparse
import contextlib
import json
import pathlib
import re
import socket
import statistics
import subprocess
import sys
import time

import measure
import real_guest
import vagrant_peer
from measure import print_table, say, spread, summary

sys.path[:0] = [str(measure.TESTS), str(measure.TESTS / "lab")]
import conftest  # noqa: E402
from lab import Lab, stop  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
POOL, VIRSH = real_guest.POOL, real_guest.VIRSH
STOCK = HERE / "stock-debian-12.yaml"
MIGRANTFILE = "cpus: 1\nmemory: 768M\ndisk: 4G\n"
PLAYBOOK = "- hosts: all\n  gather_facts: false\n  tasks:\n    - raw: echo provisioned >/etc/provisioned\n      become: true\n"
DEADLINE = 900
GUEST, GATEWAY, MAC, TAP = "10.213.0.2", "10.213.0.1/30", "52:54:00:6d:67:02", "floor"
FLOOR, FLOOR_LAYER = "raw QEMU, the same disk (F1)", "raw QEMU, the layer's disk (F1)"
FLOOR_MEMORY = "raw QEMU, from memory (F2)"
PROBED, STOCK_UP = "first boot until SSH answers", "first boot until SSH answers, Debian as it comes"

# Runs in the lab's host. Where the guest is (a record, or ADDRESS:PORT) may not be known when it begins, and a record that
# is there then is of the guest that is put back. Prints the time at which a command has run in the guest.
PROBER = r"""
import json, os, socket, subprocess, sys, time
where, key = sys.argv[1:3]
def mark():
    try:
        found = os.stat(where)
        return found.st_ino, found.st_mtime_ns
    except OSError:
        return None
before = mark()
def place():
    if ":" in where:
        address, port = where.rsplit(":", 1)
        return address, int(port)
    if mark() == before:
        return None
    try:
        with open(where) as record:
            return json.load(record)["control_address"], 22
    except (OSError, ValueError, KeyError):
        return None
def listens(at):
    try:
        with socket.create_connection(at, 0.1) as s:
            s.settimeout(30)
            return s.recv(4) == b"SSH-"
    except OSError:
        return False
def lets_in(at):
    argv = ["ssh", "-F", "none", "-q", "-i", key, "-p", str(at[1]), "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no",
            "-o", "UserKnownHostsFile=/dev/null", "-o", "ConnectTimeout=30", "migrant@" + at[0], "true"]
    return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True).returncode == 0
print("ready", flush=True)
while True:
    at = place()
    if at and listens(at) and lets_in(at):
        print(time.monotonic(), flush=True)
        break
    time.sleep(0.02)
"""


class Sandbox:
    """A project whose sandbox is made, measured and destroyed in each round."""

    def __init__(self, lab, name, more="", files=None):
        self.lab, self.name = lab, name
        self.path = lab.project(name, MIGRANTFILE + more, files=files)

    def migrant(self, *argv):
        """Seconds that the command took."""
        start = time.monotonic()
        self.lab.migrant(*argv, cwd=self.path, timeout=DEADLINE)
        return time.monotonic() - start

    def to_ssh(self, *argv):
        """Seconds from a command's beginning to the first command in its guest, and to the command's own end."""
        with prober(self.lab, f"/run/migrant/{self.name}/record.json") as found:
            start = time.monotonic()
            took = self.migrant(*argv)
            return found() - start, took

    def definition(self):
        return self.lab.host.run(*VIRSH, "dumpxml", "--inactive", f"migrant-{self.name}").stdout

    def pause(self):
        """The longest time in which a counting loop in the guest stood still while a snapshot was saved, in seconds."""
        loop = ("import time; print(0, flush=True); a=t=time.monotonic(); m=0\n"
                "while t-a<6:\n n=time.monotonic(); m=max(m,n-t); t=n\nprint(m)")
        counting = self.lab.host.spawn("migrant", "ssh", "-c", f"python3 -uc '{loop}'", user="dev", cwd=self.path,
                                       stdout=subprocess.PIPE, text=True)
        counting.stdout.readline()
        self.migrant("snapshot", "save", "pause", "--no-sync")
        seconds = float(counting.communicate(timeout=DEADLINE)[0])
        self.migrant("snapshot", "delete", "pause")
        return seconds

    def footprint(self):
        """(processes, proportional set size in MiB) of what runs for the sandbox on the host."""
        uuid = self.lab.host.run(*VIRSH, "domuuid", f"migrant-{self.name}").stdout.strip()
        script = r"""
            count=0; total=0
            for p in /proc/[0-9]*; do
                case "$(tr '\0' ' ' <$p/cmdline 2>/dev/null)" in
                /*qemu-system*"$1"* | dnsmasq*"/$2/"* | migrant-*" $2 "*)
                    kib=$(sed -n 's/^Pss: *\([0-9]*\).*/\1/p' $p/smaps_rollup 2>/dev/null)
                    count=$((count + 1)); total=$((total + ${kib:-0})) ;;
                esac
            done
            echo $count $total"""
        count, kib = self.lab.host.run("sh", "-c", script, "sh", uuid, self.name).stdout.split()
        return int(count), int(kib) / 1024


@contextlib.contextmanager
def prober(lab, where):
    """Looks for a guest from now on; yields a function that waits for it and returns when it was found."""
    probing = lab.host.spawn("/usr/bin/python3", "-c", PROBER, where, "/home/dev/.ssh/migrant", user="dev",
                             stdout=subprocess.PIPE, text=True)

    def found():
        until = time.monotonic() + DEADLINE
        while probing.poll() is None:
            if time.monotonic() > until:
                raise SystemExit("error: the guest does not answer")
            time.sleep(0.05)
        return float(probing.stdout.read())

    try:
        assert probing.stdout.readline() == "ready\n"
        yield found
    finally:
        if probing.poll() is None:
            stop(probing)


class Raw:
    """QEMU alone, over the frozen disk of the snapshot `up`, which the (halted) sandbox has run from as well."""

    def __init__(self, sandbox):
        self.lab, self.xml = sandbox.lab, sandbox.definition()
        base = self.lab.base
        self.disk, self.memory, self.monitor = base / "raw.qcow2", base / "raw.memory", base / "raw.qmp"

    def __enter__(self):
        layer = re.search(r'name="up" layer="(.*?)"', self.xml).group(1)
        self.lab.host.run("qemu-img", "create", "-q", "-f", "qcow2", "-b", f"{POOL}/{layer}", "-F", "qcow2", self.disk)
        self.lab.host.sh(f"ip tuntap add {TAP} mode tap; ip addr add {GATEWAY} dev {TAP}; ip link set {TAP} up")
        return self

    def __exit__(self, *_):
        self.lab.host.run("ip", "link", "delete", TAP)
        for path in (self.disk, self.memory):
            path.unlink(missing_ok=True)

    def argv(self):
        accel = ["-accel", "tcg,tb-size=512", "-cpu", "max"] if "type='qemu'" in self.xml else ["-accel", "kvm", "-cpu", "host"]
        kernel, initrd, cmdline = (re.search(f"<{name}>(.*?)</{name}>", self.xml).group(1)
                                   for name in ("kernel", "initrd", "cmdline"))
        return ["qemu-system-x86_64", "-machine", "q35,hpet=off", *accel, "-smp", "1", "-m", "768", "-nodefaults",
                "-display", "none", "-kernel", kernel, "-initrd", initrd, "-append", cmdline,
                "-drive", f"file={self.disk},if=virtio,format=qcow2",
                "-netdev", f"tap,id=n,ifname={TAP},script=no,downscript=no", "-device", f"virtio-net-pci,netdev=n,mac={MAC},romfile=",
                "-object", "rng-random,id=r,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=r",
                "-serial", f"file:{self.lab.base}/raw.console", "-qmp", f"unix:{self.monitor},server=on,wait=off"]

    def to_ssh(self, *more, then=lambda: None):
        """Seconds until a command has run in it; it is stopped after `then`."""
        with prober(self.lab, f"{GUEST}:22") as found:
            start = time.monotonic()
            guest = self.lab.host.spawn(*self.argv(), *more, stderr=subprocess.DEVNULL)
            try:
                took = found() - start
                then()
                return took
            finally:
                stop(guest)

    def save(self):
        """Writes the running guest's memory as libvirt does, by a migration into a file."""
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.connect(str(self.monitor))
            lines = monitor.makefile("rw")

            def ask(command, **arguments):
                print(json.dumps({"execute": command, "arguments": arguments}), file=lines, flush=True)
                while "return" not in (answer := json.loads(lines.readline())):
                    assert "error" not in answer, answer
                return answer["return"]

            ask("qmp_capabilities")
            ask("migrate-set-parameters", **{"max-bandwidth": 1 << 40})
            ask("migrate", uri=f"exec:cat >{self.memory}")
            while (status := ask("query-migrate")["status"]) != "completed":
                assert status in ("setup", "active", "device"), status
                time.sleep(0.05)

    def from_memory(self):
        return self.to_ssh("-incoming", f"exec:cat {self.memory}")


class Round:
    """What one round measures, in this order. {what: [seconds, …]} over all rounds. What takes long and is only compared
    with, does not take part in each."""

    def __init__(self, lab, forks):
        self.lab, self.forks, self.found = lab, forks, {}
        self.plain = Sandbox(lab, "bench")
        self.stock = Sandbox(lab, "stock", "box: stock-debian-12\n")
        self.own = Sandbox(lab, "own", files={"cloud-init.yml": "timezone: Etc/UTC\n"})
        self.layered = Sandbox(lab, "layered", files={"playbook.yml": PLAYBOOK})
        self.vagrant = vagrant_peer.Vagrant(lab) if vagrant_peer.is_there() else None

    def note(self, what, value, unit="s"):
        self.found.setdefault(what, []).append(value)
        say(f"  {what}: {value:.2f} {unit}")

    def prepare(self):
        """What is made once: the layer, and Vagrant's box."""
        self.layered.migrant("up")
        self.layered.migrant("destroy", "-f")
        if self.vagrant:
            self.plain.migrant("up")
            self.plain.migrant("halt")
            self.vagrant.make(self.plain.definition())
            self.plain.migrant("destroy", "-f")
        else:
            say("Vagrant is left out: there is no package vagrant-libvirt here")

    def ups(self):
        """The first start; then only the plain one is there."""
        self.note("up, first", self.plain.migrant("up"))
        self.note("up, from a layer", self.layered.migrant("up"))
        self.layered.migrant("halt")
        with Raw(self.layered) as raw:
            self.note(FLOOR_LAYER, raw.to_ssh())
        self.layered.migrant("destroy", "-f")

    def first_boots(self):
        """The same from the command's beginning to the first answer."""
        for what, sandbox in ((PROBED, self.plain), (f"{PROBED}, with a cloud-init.yml", self.own), (STOCK_UP, self.stock)):
            seconds, took = sandbox.to_ssh("up", "--fresh")
            self.note(what, seconds)
            self.note(f"{what}: until the command ends", took)
            sandbox.migrant("destroy", "-f")

    def again(self):
        """Starts of what is there, beside the floor."""
        self.plain.migrant("halt")
        with Raw(self.plain) as raw:
            self.note(FLOOR, raw.to_ssh(then=raw.save))
            self.note(FLOOR_MEMORY, raw.from_memory())
        self.note("up of a halted one", self.plain.migrant("up"))
        self.note("reset, from disk", self.plain.migrant("reset"))

    def states(self):
        self.note("snapshot save, --no-sync", self.plain.migrant("snapshot", "save", "a", "--no-sync"))
        self.note("snapshot save", self.plain.migrant("snapshot", "save", "b"))
        self.note("what the guest sees of a save", self.plain.pause())
        self.from_memory()
        self.note("status", self.plain.migrant("status"))
        processes, memory = self.plain.footprint()
        self.note("processes of an idle sandbox", processes, "")
        self.note("memory of an idle sandbox, MiB", memory, "MiB")

    def from_memory(self):
        self.note("snapshot save --memory", self.plain.migrant("snapshot", "save", "m", "--memory"))
        self.note("reset, from memory", self.plain.migrant("reset", "m"))

    def fork(self, whole):
        for count in self.forks if whole else self.forks[:1]:
            names = [f"fork{count}-{n}" for n in range(1, count + 1)]
            self.note(f"fork of {count}", self.plain.migrant("fork", *names))
            for name in names:
                self.lab.migrant("destroy", "-f", name, cwd=self.plain.path, timeout=DEADLINE)

    def peer(self):
        """The same with Vagrant."""
        if not self.vagrant:
            return
        self.note("Vagrant: up, first", self.vagrant.run("up"))
        self.vagrant.run("halt")
        self.note("Vagrant: up of a halted one", self.vagrant.run("up"))
        self.note("Vagrant: snapshot save (with memory)", self.vagrant.run("snapshot", "save", "a"))
        self.note("Vagrant: snapshot restore", self.vagrant.run("snapshot", "restore", "--no-start", "a"))
        self.note("Vagrant: status", self.vagrant.run("status"))
        self.note("Vagrant: destroy", self.vagrant.run("destroy", "-f"))

    def run(self, whole):
        self.ups()
        self.again()
        self.states()
        self.fork(whole)
        self.note("destroy", self.plain.migrant("destroy", "-f"))
        if whole:
            self.first_boots()
            self.peer()


def boxes():
    """The volumes of our guest, and of the one that it is compared with; built once, beside the build."""
    for place, recipe in (("box-cache", conftest.BOX), ("stock-cache", STOCK)):
        cache = measure.BUILD / place / conftest.recipe_key(recipe)
        cache.parent.mkdir(exist_ok=True)
        yield conftest.built_box(measure.BUILD, cache, recipe)


def fill_pool(lab):
    for directory in boxes():
        for volume in directory.iterdir():
            if volume.name != "complete":
                lab.host.run("cp", "-p", "--reflink=auto", volume, f"{POOL}/{volume.name}")
    lab.host.run(*VIRSH, "pool-refresh", "migrant")


def beside(values, floor):
    """Ratio to the floor and difference from it: of each round's own where both were measured in each, for a machine is not
    always equally fast."""
    pairs = list(zip(values, floor if len(values) == len(floor) else [statistics.median(floor)] * len(values)))
    return statistics.median(v / f for v, f in pairs), statistics.median(v - f for v, f in pairs)


def report(found):
    rows = []
    for what, values in found.items():
        s = summary(values, 2)
        ratio, difference = beside(values, found[FLOOR_LAYER if "layer" in what else FLOOR])
        timed = "idle" not in what
        rows.append([what, spread(s), f"{min(values):.2f}–{max(values):.2f}", len(values),
                     *([f"{ratio:.2f}", f"{difference:+.2f}"] if timed else ["", ""])])
    print_table("Seconds", ["", "median (middle half)", "range", "runs", "× F1", "− F1"], rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--every", type=int, default=3, help="rounds in which the slow ones take part: each third")
    parser.add_argument("--forks", type=lambda text: [int(n) for n in text.split(",") if n], default=[1, 4, 8])
    parser.add_argument("--now", action="store_true", help="do not wait for an idle machine")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE")
    options = parser.parse_args()
    list(boxes())
    with Lab() as lab:
        lab.install(measure.BUILD)
        fill_pool(lab)
        lab.serve_dns()
        rounds = Round(lab, options.forks)
        rounds.prepare()
        for number in range(options.rounds):
            if not options.now:
                measure.wait_idle()
            say(f"round {number + 1} of {options.rounds}")
            rounds.run(number % options.every == 0)
            if options.json:
                options.json.write_text(json.dumps({"machine": measure.machine(), "seconds": rounds.found}, indent=1))
    report(rounds.found)


if __name__ == "__main__":
    main()
