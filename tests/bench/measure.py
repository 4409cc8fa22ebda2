"""What the benchmarks share: repeated runs, medians, and what this machine is."""

import datetime
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time

TESTS = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("MIGRANT_BUILD", TESTS.parent / "build-dev"))
STREAM = BUILD / "tests/stream"
PORT = 5201


def say(*words):
    print(*words, file=sys.stderr, flush=True)


def summary(values, digits=1):
    """Median, and the middle half's ends."""
    quarters = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else [values[0]] * 3
    return {"median": round(statistics.median(values), digits), "low": round(quarters[0], digits),
            "high": round(quarters[2], digits), "runs": len(values)}


def first_line(*argv):
    result = subprocess.run(argv, capture_output=True, text=True)
    return (result.stdout or result.stderr).splitlines()[0].strip() if result.returncode == 0 else "unknown"


def machine():
    model = next((l.split(":")[1].strip() for l in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                  if l.startswith("model name")), "unknown")
    memory = int(pathlib.Path("/proc/meminfo").read_text().split()[1]) // 1048576
    return {
        "date": datetime.date.today().isoformat(), "processor": f"{os.cpu_count()} x {model}", "memory": f"{memory} GiB",
        "kernel": platform.release(), "libvirt": first_line("libvirtd", "--version"),
        "qemu": first_line("qemu-system-x86_64", "--version"), "nftables": first_line("nft", "--version"),
        "dnsmasq": first_line("dnsmasq", "--version"), "load": [round(l, 2) for l in os.getloadavg()],
        "commit": first_line("git", "-C", str(TESTS), "describe", "--always", "--dirty"),
    }


def busy(seconds=1.0):
    """How much of the machine's processors others use, from 0 to 1."""
    def read():
        numbers = [int(n) for n in pathlib.Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
        return sum(numbers), numbers[3] + numbers[4]
    total, idle = read()
    time.sleep(seconds)
    total, idle = [b - a for a, b in zip((total, idle), read())]
    return 1 - idle / total


def wait_idle(limit=0.1, deadline=1800):
    """Waits until nobody else works on the machine; says so when it gives up."""
    until = time.monotonic() + deadline
    while (now := busy(3)) > limit:
        if time.monotonic() > until:
            say(f"the machine is not idle: {now:.0%} of its processors are in use")
            return
    return


class Path:
    """One way through a network: where the client runs, and what it costs."""

    # (name, what stream does, its result as one number, digits)
    KINDS = [
        ("TCP to the Internet, Mbit/s", "up", lambda r: r["bytes"] * 8 / r["seconds"] / 1e6, 0),
        ("TCP from the Internet, Mbit/s", "down", lambda r: r["bytes"] * 8 / r["seconds"] / 1e6, 0),
        ("UDP, packets of 64 bytes that arrive, 1/s", "packets", lambda r: r["received"] / r["seconds"], 0),
        ("UDP there and back, µs", "turns", lambda r: r["median"], 1),
        ("UDP there and back, 99 %, µs", "turns", lambda r: r["p99"], 1),
        ("TCP connections opened, 1/s", "connections", lambda r: 1e6 / r["median"], 0),
    ]

    def __init__(self, name, run, address):
        """@run: calls the stream program in the client's machine and returns what it prints."""
        self.name, self.run, self.address = name, run, address

    def measure(self, seconds):
        """{kind: number} of one run of each."""
        results = {kind: json.loads(self.run(kind, self.address, PORT, seconds))
                   for kind in dict.fromkeys(k for _, k, _, _ in self.KINDS)}
        return {name: number(results[kind]) for name, kind, number, _ in self.KINDS}


def compare(paths, rounds, seconds):
    """Measures two ways in turn, so that what else the machine does meets both. [{what, A, B, ratio}]"""
    runs = {path.name: [] for path in paths}
    for number in range(rounds):
        for path in paths if number % 2 == 0 else paths[::-1]:
            runs[path.name].append(path.measure(seconds))
            say(f"  {path.name}: " + ", ".join(f"{k} {v:.0f}" for k, v in runs[path.name][-1].items()))
    rows = []
    for name, _, _, digits in Path.KINDS:
        values = [[run[name] for run in runs[path.name]] for path in paths]
        ratios = [a / b for a, b in zip(*values)]
        rows.append({"what": name, **{p.name: summary(v, digits) for p, v in zip(paths, values)},
                     "ratio": summary(ratios, 2)})
    return rows


def print_table(title, head, rows):
    print(f"\n{title}\n\n| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for row in rows:
        print(f"| {' | '.join(map(str, row))} |")
    sys.stdout.flush()


def spread(s):
    return f"{s['median']:g} ({s['low']:g}–{s['high']:g})"


def print_comparison(title, rows, plain, gateway):
    print_table(title, ["", gateway, plain, "ratio"],
                [[r["what"], spread(r[gateway]), spread(r[plain]), spread(r["ratio"])] for r in rows])
