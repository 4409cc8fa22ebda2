"""A real guest behind the gateway, and the same guest on a libvirt network with NAT."""

import contextlib
import json
import subprocess
import sys
import time
import xml.etree.ElementTree as xml

import measure

sys.path.insert(0, str(measure.TESTS / "lab"))
from lab import Lab, WEB, stop  # noqa: E402
from measure import BUILD, PORT, STREAM, Path, say, spread, summary  # noqa: E402

POOL = "/var/lib/libvirt/images/migrant"
VIRSH = ["virsh", "-q", "-c", "qemu:///system"]
MIGRANTFILE = """
cpus: 1
memory: 768M
disk: 4G
network: {limits: {connections: 1048576, new-per-second: 1000000}}
"""
# With the gateway's usual addresses, which are in the box's seed; the sandbox then takes others.
NETWORK = """
<network>
  <name>plain</name>
  <forward mode='nat'/>
  <bridge name='plain0' stp='off'/>
  <ip address='10.213.0.1' netmask='255.255.255.252'/>
</network>
"""
PLAIN_GUEST = "10.213.0.2"
# libvirt runs what lies there in the order of its names: these two note when ours begins and ends.
HOOKS = "/etc/libvirt/hooks/qemu.d"
NOTE = """#!/bin/bash
cat >/dev/null
echo "$1 $2 $EPOCHREALTIME" >>/run/stages
"""


def box_files():
    volumes = sorted(BUILD.glob("box-cache/*/complete"), key=lambda p: p.stat().st_mtime)
    if not volumes:
        raise SystemExit("error: no box is built; any test of tests/e2e builds it")
    return volumes[-1].parent


@contextlib.contextmanager
def world():
    with Lab() as lab:
        lab.install(BUILD)
        for volume in box_files().iterdir():
            if volume.name != "complete":
                lab.host.run("cp", "-p", "--reflink=auto", volume, f"{POOL}/{volume.name}")
        lab.host.run(*VIRSH, "pool-refresh", "migrant")
        lab.serve_dns()
        for name in ("a", "z"):
            lab.host.sh(f"cat >{HOOKS}/{name}; chmod 755 {HOOKS}/{name}", input=NOTE)
        lab.stop_libvirtd()  # it looks for hooks when it starts
        lab.start_libvirtd()
        server = lab.internet.spawn(STREAM, "serve", WEB, PORT)
        lab.wait_port(lab.internet, PORT)
        try:
            yield lab
        finally:
            stop(server)


class Sandboxed:
    """The guest as `migrant up` makes it."""

    def __init__(self, lab):
        self.lab, self.project = lab, lab.project("bench", MIGRANTFILE)

    def up(self):
        """Seconds that it took."""
        start = time.monotonic()
        self.lab.migrant("up", cwd=self.project, timeout=900)
        return time.monotonic() - start

    def argv(self, command):
        return self.lab.host.argv(["migrant", "ssh", "-c", command], user="dev", cwd=self.project)


class Plain:
    """The same domain on a network of libvirt's, with a disk and a seed of its own."""

    def __init__(self, lab, like):
        self.lab = lab
        self.key = lab.base / "plain-key"
        for name in (self.key, lab.base / "plain-host"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", name], check=True)
        subprocess.run([BUILD / "tests/seedtool", lab.base / "seed.iso", "migrant", f"{self.key}.pub",
                        lab.base / "plain-host"], check=True)
        lab.host.run("install", "-m", "644", lab.base / "seed.iso", f"{POOL}/plain.iso")
        base = next(box_files().glob("base-*")).name
        lab.host.run("qemu-img", "create", "-q", "-f", "qcow2", "-b", f"{POOL}/{base}", "-F", "qcow2", f"{POOL}/plain.qcow2",
                     "4G")
        self.define(like)

    def define(self, like):
        root = xml.fromstring(self.lab.host.run(*VIRSH, "dumpxml", "--inactive", like).stdout)
        for name in ("uuid", "metadata"):
            root.remove(root.find(name))
        root.find("name").text = "plain"
        devices = root.find("devices")
        disk = devices.find("disk")
        for other in devices.findall("disk")[1:]:
            devices.remove(other)
        disk.find("source").set("file", f"{POOL}/plain.qcow2")
        devices.append(xml.fromstring(
            f"<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{POOL}/plain.iso'/>"
            "<target dev='vdz' bus='virtio'/><readonly/></disk>"))
        for log in root.iterfind(".//log/.."):
            log.remove(log.find("log"))
        nic = devices.find("interface")
        driver = nic.find("driver")
        devices.remove(nic)
        plain = xml.fromstring("<interface type='network'><mac address='52:54:00:6d:67:02'/><source network='plain'/>"
                               "<model type='virtio'/></interface>")
        if driver is not None:
            plain.append(driver)
        devices.append(plain)
        self.lab.host.run(*VIRSH, "define", "/dev/stdin", input=xml.tostring(root, encoding="unicode"))

    def up(self):
        self.lab.host.run(*VIRSH, "start", "plain")
        until = time.monotonic() + 600
        while subprocess.run(self.argv("true"), capture_output=True).returncode:
            assert time.monotonic() < until, "the plain guest does not answer"
            time.sleep(1)

    def argv(self, command):
        return self.lab.host.argv(["ssh", "-F", "none", "-q", "-i", self.key, "-o", "StrictHostKeyChecking=no", "-o",
                                   "UserKnownHostsFile=/dev/null", "-o", "ConnectTimeout=30", f"migrant@{PLAIN_GUEST}", command])


def put_program(guest):
    with open(STREAM, "rb") as program:
        subprocess.run(guest.argv("cat >/tmp/stream && chmod 755 /tmp/stream"), stdin=program, check=True, timeout=300)


def path(name, guest):
    def run(*arguments):
        command = " ".join(map(str, ("/tmp/stream", *arguments)))
        return subprocess.run(guest.argv(command), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True,
                              timeout=300).stdout
    return Path(name, run, WEB)


def stages(lab):
    """{stage: milliseconds} of the sandbox's last start."""
    notes, begun = {}, {}
    for line in lab.host.run("cat", "/run/stages").stdout.splitlines():
        domain, operation, now = line.split()
        if domain == "migrant-bench" and operation not in begun:
            begun[operation] = float(now)
        elif domain == "migrant-bench":
            notes[operation] = (float(now) - begun[operation]) * 1000
    return notes


def bench_guest(rounds=7, seconds=5, ups=3):
    with world() as lab:
        lab.host.run(*VIRSH, "net-define", "/dev/stdin", input=NETWORK)
        lab.host.run(*VIRSH, "net-start", "plain")
        guest, parts = Sandboxed(lab), []
        for number in range(ups):
            lab.host.run("rm", "-f", "/run/stages")
            took = guest.up()
            parts.append({"up": took, **stages(lab)})
            say(f"  up: {parts[-1]}")
            if number < ups - 1:
                lab.migrant("destroy", "-f", cwd=guest.project)
        plain = Plain(lab, "migrant-bench")
        plain.up()
        for each in (guest, plain):
            put_program(each)
        time.sleep(20)  # until what a boot leaves behind has ended
        rows = measure.compare([path("gateway", guest), path("libvirt's NAT", plain)], rounds, seconds)
        accel = json.loads(lab.migrant("status", "--json", cwd=guest.project).stdout)["accel"]
        lab.migrant("destroy", "-f", cwd=guest.project)
    measure.print_comparison(f"A guest ({accel})", rows, "libvirt's NAT", "gateway")
    stages_of = {name: summary([p[name] for p in parts], 2 if name == "up" else 0) for name in parts[0]}
    network = summary([p["prepare"] + p["start"] for p in parts], 0)
    measure.print_table("Parts of an `up`", ["part", "median (middle half)"],
                        [["`up` of a new sandbox, seconds", spread(stages_of["up"])],
                         ["of these the network: the hook's `prepare` and `start`, ms", spread(network)]])
    return {"accel": accel, "paths": rows, "up": stages_of, "network": network}
