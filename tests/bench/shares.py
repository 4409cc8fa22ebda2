"""Shares against the guest's own disk and the host's file system, with virtiofsd's cache modes and threads.

shares.py [CACHE[:THREADS[:QUEUE]] …]     default: auto; prints Markdown to stdout, JSON to stderr's last line
"""

import json
import re
import subprocess
import sys
import time

import measure

sys.path.insert(0, str(measure.TESTS / "lab"))
from lab import Lab  # noqa: E402
from real_guest import POOL, VIRSH, box_files  # noqa: E402

MIGRANTFILE = "cpus: 1\nmemory: 768M\ndisk: 4G\n"
SHARES = "shares: [{host: work, guest: /home/migrant/work, size: 2G}]\n"
DOMAIN = "migrant-bench"


def up(lab, path, shares):
    """Seconds of a first `up`."""
    lab.host.run("tee", f"{path}/Migrantfile", user="dev", input=MIGRANTFILE + shares)
    start = time.monotonic()
    lab.migrant("up", cwd=path, timeout=900)
    return time.monotonic() - start


def again(lab, path):
    """Seconds of an `up` of a halted sandbox."""
    lab.migrant("halt", "-f", cwd=path)
    start = time.monotonic()
    lab.migrant("up", cwd=path, timeout=900)
    return time.monotonic() - start


def start_with(lab, path, mode):
    """Starts the halted sandbox with another cache mode, pool of threads, queue."""
    cache, threads, queue = (mode.split(":") + ["", ""])[:3]
    lab.migrant("halt", "-f", cwd=path)
    xml = lab.host.run(*VIRSH, "dumpxml", "--inactive", DOMAIN).stdout
    inner = f"<cache mode='{cache}'/>" if cache != "auto" else ""
    inner += f"<thread_pool size='{threads}'/>" if threads else ""
    xml = re.sub(r"(<binary [^>]*?)/>", rf"\1>{inner}</binary>", xml)
    if queue:
        xml = re.sub(r"queue='\d+'", f"queue='{queue}'", xml)
    lab.host.run("tee", "/tmp/bench.xml", input=xml)
    lab.host.run(*VIRSH, "define", "/tmp/bench.xml")
    lab.host.run(*VIRSH, "start", DOMAIN, timeout=120)
    until = time.monotonic() + 300
    while lab.migrant("ssh", "-c", "grep -q virtiofs /proc/mounts", cwd=path, check=False).returncode:
        assert time.monotonic() < until, "the guest does not come up"
        time.sleep(1)


def parse(text):
    lines = [re.match(r"(.*?) (\d+\.\d+)", line) for line in text.splitlines()]
    return {line.group(1): float(line.group(2)) for line in lines}


def in_guest(lab, path, directory):
    return parse(lab.migrant("ssh", "-c", f"python3 files.py {directory} ~/git", cwd=path, timeout=3600).stdout)


def main():
    modes = sys.argv[1:] or ["auto"]
    results, times = {}, {}
    with Lab() as lab:
        lab.install(measure.BUILD)
        for volume in box_files().iterdir():
            if volume.name != "complete":
                lab.host.run("cp", "-p", "--reflink=auto", volume, f"{POOL}/{volume.name}")
        lab.host.run(*VIRSH, "pool-refresh", "migrant")
        lab.serve_dns()
        path = lab.project("bench", MIGRANTFILE)
        times["first up, no share"] = up(lab, path, "")
        times["up again, no share"] = again(lab, path)
        lab.migrant("destroy", "-f", cwd=path)
        times["first up, one share"] = up(lab, path, SHARES)
        times["up again, one share"] = again(lab, path)
        lab.migrant("cp", "/usr/bin/git", ":git", cwd=path)
        lab.migrant("cp", str(measure.TESTS / "bench/files.py"), ":files.py", cwd=path)
        results["host"] = parse(lab.host.run(
            "/usr/bin/python3", measure.TESTS / "bench/files.py", "/var/lib/migrant", "/usr/bin/git", timeout=3600).stdout)
        results["guest's disk"] = in_guest(lab, path, "/home/migrant")
        for mode in modes:
            start_with(lab, path, mode)
            results[f"share, {mode}"] = in_guest(lab, path, "/home/migrant/work")
        lab.migrant("destroy", "-f", "--shares", cwd=path)
    columns = list(results)
    print("| seconds | " + " | ".join(columns) + " |\n|---|" + "---|" * len(columns))
    for name in results["host"]:
        print(f"| {name} | " + " | ".join(f"{results[c].get(name, float('nan')):.2f}" for c in columns) + " |")
    for name, seconds in times.items():
        print(f"{name}: {seconds:.1f} s")
    print(json.dumps({"machine": measure.machine(), "seconds": results, "up": times}), file=sys.stderr)


main()
