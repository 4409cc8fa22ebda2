#!/usr/bin/python3
"""How soon a sandbox is there: up, reset, save, resume, destroy, beside raw QEMU with the same disk.

One clock, and one end for everything that starts a guest: an authenticated `ssh true`, tried every 20 ms from
the first packet on. Raw QEMU boots the same layers by the same kernel with the same processor and memory, with
QEMU's own network instead of a gateway: what it needs is the guest's own time.

    sudo tests/bench/start.py [--rounds 7] [--json FILE]
"""

import argparse
import contextlib
import json
import pathlib
import re
import subprocess
import sys
import time

import measure
import real_guest
from measure import print_table, say, spread, summary

sys.path.insert(0, str(measure.TESTS / "lab"))
from lab import Lab, stop  # noqa: E402

POOL, VIRSH = real_guest.POOL, real_guest.VIRSH
MIGRANTFILE = "cpus: 1\nmemory: 768M\ndisk: 4G\n"
PROBE_SECONDS = 0.02
DEADLINE = 900
GUEST, GATEWAY, MAC, PORT = "10.213.0.2", "10.213.0.1", "52:54:00:6d:67:02", 2222


class Bench:
    def __init__(self, lab):
        self.lab, self.path = lab, lab.project("bench", MIGRANTFILE)

    def migrant(self, *argv):
        """Seconds that the command took."""
        start = time.monotonic()
        self.lab.migrant(*argv, cwd=self.path, timeout=DEADLINE)
        return time.monotonic() - start

    def status(self):
        return json.loads(self.lab.migrant("status", "--json", cwd=self.path).stdout)

    def answers(self, *target):
        """Whether the guest lets us in and runs a command."""
        argv = ["ssh", "-F", "none", "-q", "-i", "/home/dev/.ssh/migrant", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no",
                "-o", "UserKnownHostsFile=/dev/null", "-o", "ConnectTimeout=5", *target, "true"]
        return self.lab.host.run(*argv, user="dev", check=False, timeout=DEADLINE).returncode == 0

    def until_ssh(self, start, *target):
        while not self.answers(*target):
            if time.monotonic() - start > DEADLINE:
                raise SystemExit("error: the guest does not answer")
            time.sleep(PROBE_SECONDS)
        return time.monotonic() - start

    def to_ssh(self, *argv):
        """Seconds of a command that ends with a guest, up to the first command in that."""
        start = time.monotonic()
        self.migrant(*argv)
        return self.until_ssh(start, f"migrant@{self.status()['ip']}")

    def definition(self):
        return self.lab.host.run(*VIRSH, "dumpxml", "--inactive", "migrant-bench").stdout

    def pause(self):
        """The longest time in which a counting loop in the guest stood still while a snapshot was saved, in seconds."""
        loop = ("import time; a=t=time.monotonic(); m=0\n"
                "while t-a<4:\n n=time.monotonic(); m=max(m,n-t); t=n\nprint(m)")
        counting = self.lab.host.spawn("migrant", "ssh", "-c", f"python3 -c '{loop}'", user="dev", cwd=self.path,
                                       stdout=subprocess.PIPE, text=True)
        time.sleep(2)
        self.migrant("snapshot", "save", "pause", "--no-sync")
        seconds = float(counting.communicate(timeout=DEADLINE)[0])
        self.migrant("snapshot", "delete", "pause")
        return seconds


@contextlib.contextmanager
def raw_guest(bench):
    """F1: QEMU alone, over the frozen disk of the snapshot `up`, which the sandbox has run from as well."""
    xml = bench.definition()
    layer = re.search(r'name="up" layer="(.*?)"', xml).group(1)
    kernel, initrd, cmdline = (re.search(f"<{name}>(.*?)</{name}>", xml).group(1) for name in ("kernel", "initrd", "cmdline"))
    disk = bench.lab.base / "raw.qcow2"
    bench.lab.host.run("qemu-img", "create", "-q", "-f", "qcow2", "-b", f"{POOL}/{layer}", "-F", "qcow2", disk)
    accel = {"kvm": ["-accel", "kvm", "-cpu", "host"], "tcg": ["-accel", "tcg,tb-size=512", "-cpu", "max"]}[bench.status()["accel"]]
    start = time.monotonic()
    guest = bench.lab.host.spawn(
        "qemu-system-x86_64", "-machine", "q35", *accel, "-smp", "1", "-m", "768", "-nodefaults", "-display", "none",
        "-kernel", kernel, "-initrd", initrd, "-append", cmdline, "-drive", f"file={disk},if=virtio,format=qcow2",
        "-netdev", f"user,id=n,net=10.213.0.0/24,host={GATEWAY},hostfwd=tcp:127.0.0.1:{PORT}-{GUEST}:22",
        "-device", f"virtio-net-pci,netdev=n,mac={MAC},romfile=", "-object", "rng-random,id=r,filename=/dev/urandom",
        "-device", "virtio-rng-pci,rng=r", stderr=subprocess.DEVNULL)
    try:
        yield start
    finally:
        stop(guest)


def raw(bench):
    with raw_guest(bench) as start:
        return bench.until_ssh(start, "-p", str(PORT), "migrant@127.0.0.1")


def rounds_of(bench, rounds):
    """{what: [seconds, …]}"""
    found = {}

    def note(what, seconds):
        found.setdefault(what, []).append(seconds)
        say(f"  {what}: {seconds:.2f} s")

    for _ in range(rounds):
        measure.wait_idle()
        note("up, first", bench.to_ssh("up"))
        bench.migrant("halt")
        note("raw QEMU, the same disk (F1)", raw(bench))
        note("up of a halted one", bench.to_ssh("up"))
        note("reset", bench.to_ssh("reset"))
        note("snapshot save, --no-sync", bench.migrant("snapshot", "save", "a", "--no-sync"))
        note("snapshot save", bench.migrant("snapshot", "save", "b"))
        note("what the guest sees of a save", bench.pause())
        note("suspend", bench.migrant("suspend"))
        note("resume", bench.to_ssh("resume"))
        note("status", bench.migrant("status"))
        note("destroy", bench.migrant("destroy", "-f"))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE")
    options = parser.parse_args()
    with Lab() as lab:
        lab.install(measure.BUILD)
        for volume in real_guest.box_files().iterdir():
            if volume.name != "complete":
                lab.host.run("cp", "-p", "--reflink=auto", volume, f"{POOL}/{volume.name}")
        lab.host.run(*VIRSH, "pool-refresh", "migrant")
        lab.serve_dns()
        found = rounds_of(Bench(lab), options.rounds)
    floor = summary(found["raw QEMU, the same disk (F1)"], 2)["median"]
    rows = [[what, spread(summary(seconds, 2)), f"{summary(seconds, 2)['median'] / floor:.2f}"] for what, seconds in found.items()]
    print_table("Seconds until a command runs in the guest, or the command has ended", ["", "median (middle half)", "× F1"], rows)
    if options.json:
        options.json.write_text(json.dumps({"machine": measure.machine(), "seconds": found}, indent=1))


if __name__ == "__main__":
    main()
