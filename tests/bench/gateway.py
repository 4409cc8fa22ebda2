#!/usr/bin/python3
"""What the gateway costs: see docs/performance.md. Run when asked, as root, on a machine that does nothing else.

    gateway.py [--json FILE] [PART…]

        hook      time of prepare, start and release, with 1 and with 20 sandboxes up
        memory    processes, memory and kernel objects of 20 idle sandboxes
        path      a namespace in the guest's place: through the gateway, and over a plain bridge with NAT
        tunnel    the same through a tunnel, and over WireGuard alone; what a tunnel adds to a start
        guest     a real guest: through the gateway, and on a libvirt network with NAT; the parts of an `up`

Prints tables, and with --json all numbers. Nothing of the network used here leaves the machine.
"""

import argparse
import contextlib
import json
import os
import pathlib
import subprocess
import sys
import time

import measure

sys.path[:0] = [str(measure.TESTS / "lab"), str(measure.TESTS / "net")]
from conftest import GATEWAY, GUEST, GUEST_MAC, HOOK, Sandbox, install  # noqa: E402  (ring 2's)
from lab import Lab, Machine, WEB, stop  # noqa: E402
from tunneled import Tunneled  # noqa: E402
from wireguard import RUN, Peer, eventually  # noqa: E402
from measure import PORT, STREAM, Path, print_comparison, print_table, say, spread, summary  # noqa: E402

MANY = 20
# Else the rate of new connections is what is measured.
UNLIMITED = {"limits": {"connections": 1048576, "new-per-second": 1000000}}


class Wired(Sandbox):
    """A sandbox whose tap is one end of a veth pair: no program between the guest and the gateway."""

    def open_tap(self):
        self.guest = Machine(self.lab.hold("--net"), ["-n"])
        enter = ["nsenter", "-t", str(self.lab.host.pid), "-n", "ip", "link"]
        subprocess.run([*enter, "del", self.tap], check=True)
        subprocess.run([*enter, "add", self.tap, "type", "veth", "peer", "name", "eth0", "netns", str(self.guest.pid)],
                       check=True)
        self.guest.sh(f"""
            ip link set lo up
            ip link set eth0 address {GUEST_MAC}; ip link set eth0 up
            ip addr add {GUEST}/30 dev eth0; ip route add default via {GATEWAY}
            """)


@contextlib.contextmanager
def world():
    with Lab() as lab:
        install(lab, measure.BUILD)
        lab.host.run("mkdir", "-m", "711", "/run/migrant", "/run/netns")
        lab.serve_dns()
        yield lab


@contextlib.contextmanager
def running(lab, count, prefix="idle"):
    sandboxes = [Wired(lab, f"{prefix}-{number}", policy=UNLIMITED) for number in range(count)]
    try:
        for sandbox in sandboxes:
            sandbox.up()
        yield sandboxes
    finally:
        for sandbox in sandboxes:
            sandbox.down()


# -- hook ------------------------------------------------------------------------------------------


OTHER = "<domain type='qemu'><name>other</name></domain>"


def timed_hook(sandbox, operation, phase="begin", domain=None, xml=None):
    """Wall-clock and processor time of one call of the hook, in milliseconds."""
    argv = sandbox.lab.host.argv([HOOK, domain or f"migrant-{sandbox.name}", operation, phase, "-"])
    start = time.monotonic()
    popen = subprocess.Popen(argv, stdin=subprocess.PIPE)
    popen.stdin.write((xml or sandbox.xml).encode())
    popen.stdin.close()
    _, status, usage = os.wait4(popen.pid, 0)
    popen.returncode = os.waitstatus_to_exitcode(status)
    assert popen.returncode == 0, f"{operation} failed"
    return (time.monotonic() - start) * 1000, (usage.ru_utime + usage.ru_stime) * 1000


def time_stages(lab, repetitions, results):
    """Adds the times of whole lives of one sandbox to {stage: [(wall, processor)]}."""
    for number in range(repetitions):
        sandbox = Wired(lab, f"timed-{number}")
        results.setdefault("nothing (a domain that is not ours)", []).append(
            timed_hook(sandbox, "prepare", domain="other", xml=OTHER))
        results.setdefault("prepare", []).append(timed_hook(sandbox, "prepare"))
        sandbox.open_tap()
        results.setdefault("start", []).append(timed_hook(sandbox, "start"))
        sandbox.hook("started")
        sandbox.hook("stopped", "end")
        results.setdefault("release", []).append(timed_hook(sandbox, "release", "end"))


def bench_hook(repetitions=20):
    alone, among = {}, {}
    with world() as lab:
        for _ in range(2):
            say("  one sandbox")
            time_stages(lab, repetitions // 2, alone)
            say(f"  one of {MANY}")
            with running(lab, MANY - 1):
                time_stages(lab, repetitions // 2, among)
    result = {}
    for stage in alone:
        result[stage] = {name: {"wall": summary([w for w, _ in times[stage]]), "cpu": summary([c for _, c in times[stage]])}
                         for name, times in (("1", alone), (str(MANY), among))}
    print_table("Time of the hook, milliseconds: median (middle half)",
                ["stage", "1 sandbox", f"{MANY} sandboxes", "processor, 1", f"processor, {MANY}"],
                [[stage, spread(r["1"]["wall"]), spread(r[str(MANY)]["wall"]), spread(r["1"]["cpu"]),
                  spread(r[str(MANY)]["cpu"])] for stage, r in result.items()])
    return result


# -- memory ----------------------------------------------------------------------------------------


def processes_of(lab):
    """{pid: name} of everything that runs in the lab's host, seen from outside."""
    space = os.readlink(f"/proc/{lab.host.pid}/ns/pid")
    found = {}
    for entry in pathlib.Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and os.readlink(entry / "ns/pid") == space:
                found[int(entry.name)] = (entry / "comm").read_text().strip()
    return found


def pss(pid):
    lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def kernel_memory():
    fields = dict(line.split(":") for line in pathlib.Path("/proc/meminfo").read_text().splitlines())
    return {name: int(fields[name].split()[0]) for name in ("Slab", "Percpu", "KernelStack", "PageTables", "VmallocUsed")}


def lines_of(text):
    return len([line for line in text.splitlines() if line.strip()])


def count(run):
    return {what: lines_of(run("sh", "-c", command).stdout) for what, command in COUNTED.items()}


def look(lab):
    """Processes, kernel memory and what the host's namespace holds, once all is quiet."""
    time.sleep(3)
    return processes_of(lab), kernel_memory(), count(lab.host.run)


def bench_memory(repetitions=3):
    """What each further sandbox adds: the first one brings what is there once."""
    rounds = []
    with world() as lab, running(lab, 1, "first") as (first,):
        inside = count(first.inside)
        for _ in range(repetitions):
            processes, kernel, host = look(lab)
            with running(lab, MANY):
                now = look(lab)
                new = {pid: name for pid, name in now[0].items() if pid not in processes}
                rounds.append({
                    "pss": {name: summary([pss(pid) for pid, n in new.items() if n == name], 0) for name in set(new.values())},
                    "number": {name: len([n for n in new.values() if n == name]) / MANY for name in set(new.values())},
                    "kernel": {name: (value - kernel[name]) / MANY for name, value in now[1].items()},
                    "host": {what: (number - host[what]) / MANY for what, number in now[2].items()},
                })
    last = rounds[-1]
    result = {"pss": last["pss"], "number": last["number"], "host": last["host"], "namespace": inside,
              "kernel": {name: summary([r["kernel"][name] for r in rounds], 0) for name in last["kernel"]}}
    print_table("What an idle sandbox adds", ["what", "number", "KiB"],
                [[f"process `{name}` (PSS)", number, spread(result["pss"][name])] for name, number in result["number"].items()]
                + [[f"{what}, in its namespace", number, ""] for what, number in inside.items()]
                + [[f"{what}, on the host", number, ""] for what, number in result["host"].items()]
                + [[f"kernel: {name}", "", spread(kernel)] for name, kernel in result["kernel"].items()])
    return result


COUNTED = {
    "links": "ip -o link",
    "routes": "ip route show table all; ip -6 route show table all",
    "routing rules": "ip rule; ip -6 rule",
    "lines of rules": "nft -s list ruleset",
}


# -- path ------------------------------------------------------------------------------------------


@contextlib.contextmanager
def server(lab):
    popen = lab.internet.spawn(STREAM, "serve", WEB, PORT)
    lab.wait_port(lab.internet, PORT)
    try:
        yield
    finally:
        stop(popen)


PLAIN_RULES = """
table ip plain {
    chain forward { type filter hook forward priority 0; policy accept;
        oifname "plain0" ct state established,related accept
        iifname "plain0" ip saddr 10.55.0.0/24 accept
        oifname "plain0" reject
    }
    chain translate { type nat hook postrouting priority srcnat;
        ip saddr 10.55.0.0/24 ip daddr != 10.55.0.0/24 masquerade
    }
}
"""


def plain_namespace(lab):
    """A machine behind a bridge of the host that masquerades, as libvirt's networks do."""
    guest = Machine(lab.hold("--net"), ["-n"])
    lab.host.sh("""
        ip link add plain0 type bridge; ip addr add 10.55.0.1/24 dev plain0; ip link set plain0 up
        sysctl -qw net.ipv4.ip_forward=1
        """)
    lab.host.run("nft", "-f", "-", input=PLAIN_RULES)
    subprocess.run(["nsenter", "-t", str(lab.host.pid), "-n", "ip", "link", "add", "plain1", "type", "veth", "peer", "name",
                    "eth0", "netns", str(guest.pid)], check=True)
    lab.host.sh("ip link set plain1 master plain0 up")
    guest.sh("ip link set lo up; ip link set eth0 up; ip addr add 10.55.0.2/24 dev eth0; ip route add default via 10.55.0.1")
    return guest


def bench_path(rounds=9, seconds=2):
    with world() as lab, server(lab):
        plain = plain_namespace(lab)
        with running(lab, 1) as (sandbox,):
            paths = [Path(name, lambda *a, machine=machine: machine.run(STREAM, *a).stdout, WEB)
                     for name, machine in (("gateway", sandbox.guest), ("bridge", plain))]
            rows = measure.compare(paths, rounds, seconds)
    print_comparison("A namespace in the guest's place", rows, "bridge", "gateway")
    return rows


# -- tunnel ----------------------------------------------------------------------------------------


class WiredTunneled(Tunneled):
    open_tap = Wired.open_tap


@contextlib.contextmanager
def wireguard_alone(lab, peer, index):
    """A namespace whose only way out is wireguard-go's interface, made on the host as the gateway's is."""
    client, link = Machine(lab.hold("--net"), ["-n"]), "alone0"
    popen = lab.host.spawn("wireguard-go", "-f", link, env={"LOG_LEVEL": "silent"},
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: lab.host.run("test", "-S", f"{RUN}/{link}.sock", check=False).returncode == 0)
        settings = "".join(line + "\n" for line in peer.conf(index).splitlines() if line.split(" ")[0] not in ("Address", "DNS", "MTU"))
        lab.host.run("wg", "setconf", link, "/dev/stdin", input=settings)
        subprocess.run(["nsenter", "-t", str(lab.host.pid), "-n", "ip", "link", "set", link, "netns", str(client.pid)], check=True)
        client.sh(f"ip link set lo up; ip addr add {peer.client(index)[0]}/32 dev {link}; ip link set {link} mtu 1420 up; "
                  f"ip route add default dev {link}")
        yield client
    finally:
        stop(popen)


def bench_tunnel(rounds=9, seconds=2):
    starts = {"without": [], "with": [], "until the peer has answered": []}
    with world() as lab, server(lab), Peer(lab, clients=2) as peer:
        for number in range(10):
            starts["without"].append(timed_hook(Wired(lab, f"timed-{number}"), "prepare"))
            lab.host.run(HOOK, f"migrant-timed-{number}", "release", "end", "-", input="")
            sandbox = WiredTunneled(lab, f"tunneled-{number}", peer.conf(0))
            sandbox.describe(json.loads(sandbox.stage().stdout)["identity"])
            starts["with"].append(timed_hook(sandbox, "prepare"))
            begin = time.monotonic()
            eventually(sandbox.handshake)
            starts["until the peer has answered"].append(((time.monotonic() - begin) * 1000, 0))
            lab.host.run(HOOK, f"migrant-tunneled-{number}", "release", "end", "-", input="")
        sandbox = WiredTunneled(lab, "tunneled", peer.conf(0), policy=UNLIMITED)
        with wireguard_alone(lab, peer, 1) as alone:
            try:
                sandbox.up()
                eventually(sandbox.handshake)
                paths = [Path(name, lambda *a, machine=machine: machine.run(STREAM, *a).stdout, WEB)
                         for name, machine in (("tunnel", sandbox.guest), ("WireGuard", alone))]
                rows = measure.compare(paths, rounds, seconds)
            finally:
                sandbox.down()
    times = {name: {"wall": summary([w for w, _ in pairs]), "cpu": summary([c for _, c in pairs])} for name, pairs in starts.items()}
    print_table("What a tunnel adds to `prepare`, milliseconds", ["tunnel", "wall", "processor"],
                [[name, spread(t["wall"]), spread(t["cpu"])] for name, t in times.items()])
    print_comparison("Through the gateway's tunnel, and WireGuard alone", rows, "WireGuard", "tunnel")
    return {"prepare": times, "path": rows}


PARTS = {"hook": bench_hook, "memory": bench_memory, "path": bench_path, "tunnel": bench_tunnel}


def main():
    from real_guest import bench_guest

    parts = PARTS | {"guest": bench_guest}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--now", action="store_true", help="do not wait until the machine is idle")
    parser.add_argument("part", nargs="*", help=", ".join(parts))
    options = parser.parse_args()
    if unknown := set(options.part) - set(parts):
        parser.error(f"there is no part {' '.join(unknown)}")
    results = {"machine": measure.machine()}
    for part in options.part or parts:
        if not options.now:
            measure.wait_idle()
        say(f"{part}:")
        results[part] = parts[part]()
        if options.json:
            options.json.write_text(json.dumps(results, indent=1) + "\n")
    print(json.dumps(results["machine"], indent=1))


if __name__ == "__main__":
    main()
