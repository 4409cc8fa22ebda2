"""Shares against the guest's own disk and the host's file system, with virtiofsd's cache modes and threads.

shares.py [CACHE[:THREADS] …]     default: auto none always auto:16; one share of one guest for each
"""

import json
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import measure

sys.path.insert(0, str(measure.TESTS / "lab"))
from lab import Lab  # noqa: E402
from real_guest import POOL, VIRSH, box_files  # noqa: E402

MIGRANTFILE = "cpus: 1\nmemory: 1G\ndisk: 6G\n"
DOMAIN = "migrant-bench"
FILES = str(measure.TESTS / "bench/files.py")
DISK = "/home/migrant/disk"
HOST = "/var/lib/migrant/host"  # on the file system that the images lie on
ROUNDS = 3


def up(lab, path):
    start = time.monotonic()
    lab.migrant("up", cwd=path, timeout=1800)
    return time.monotonic() - start


def times_of_up(lab, path, shares):
    """Seconds of a first `up`, and of one of the halted sandbox, with the Migrantfile's shares."""
    lab.host.run("tee", f"{path}/Migrantfile", user="dev", input=MIGRANTFILE + shares)
    first = up(lab, path)
    lab.migrant("halt", "-f", cwd=path)
    return {"first up": first, "up again": up(lab, path)}


def change_modes(lab, path, modes):
    """Starts the halted sandbox, each share with another mode."""
    xml = lab.host.run(*VIRSH, "dumpxml", "--inactive", DOMAIN).stdout
    for mode, binary in zip(modes, re.findall(r"<binary [^>]*?/>", xml)):
        cache, _, threads = mode.partition(":")
        inner = f"<cache mode='{cache}'/>" if cache != "auto" else ""
        inner += f"<thread_pool size='{threads}'/>" if threads else ""
        xml = xml.replace(binary, f"{binary[:-2]}>{inner}</binary>", 1)  # so the next is the first of its form
    lab.host.run("tee", "/tmp/bench.xml", input=xml)
    lab.host.run(*VIRSH, "define", "/tmp/bench.xml")
    lab.host.run(*VIRSH, "start", DOMAIN, timeout=300)
    until = time.monotonic() + 600
    while lab.migrant("ssh", "-c", "[ $(grep -c virtiofs /proc/mounts) = %d ]" % len(modes), cwd=path, check=False).returncode:
        assert time.monotonic() < until, "the guest does not come up"
        time.sleep(1)


def npm_tree(directory):
    """A small project, its lock and a cache with all that it needs; made with the registry that this machine uses."""
    if not shutil.which("npm"):
        return None
    tree = pathlib.Path(directory) / "npm"
    tree.mkdir()
    (tree / "package.json").write_text('{"name": "tree", "version": "1.0.0", "dependencies": {"express": "4.19.2"}}')
    subprocess.run(["npm", "install", "--cache", "cache", "--no-audit", "--no-fund", "--omit-lockfile-registry-resolved=false"],
                   cwd=tree, check=True, stdout=sys.stderr)
    shutil.rmtree(tree / "node_modules")
    return tree


def bring_npm(lab, path, tree):
    """Node, its one library that the box lacks, npm and the tree into the guest."""
    modules = pathlib.Path(shutil.which("npm")).resolve().parent.parent
    lab.host.sh(f"""rm -rf /tmp/npm; mkdir -p /tmp/npm/lib; cp -L {shutil.which('node')} /usr/lib/x86_64-linux-gnu/libstdc++.so.6 /tmp/npm/lib
        cp -r {modules} /tmp/npm/npm; cp -r {tree} /tmp/npm/tree; chmod -R a+rX /tmp/npm""")
    lab.migrant("cp", "/tmp/npm", ":npm", cwd=path, timeout=1200)
    lab.migrant("ssh", "-c", "sudo cp npm/lib/node /usr/bin/; sudo cp npm/lib/lib* /usr/lib/x86_64-linux-gnu/; "
                "printf '#!/bin/sh\\nexec node ~/npm/npm/bin/npm-cli.js \"$@\"\\n' | sudo tee /usr/bin/npm >/dev/null; sudo chmod 755 /usr/bin/npm; "
                "npm --version", cwd=path)


def add(results, text, names):
    for line in text.splitlines():
        name, directory, seconds = line.split("\t")
        results.setdefault(name, {}).setdefault(names[directory], []).append(float(seconds))


def table(results, modes):
    columns = ["host", *[f"share, {m}" for m in modes]]
    print("| | guest's disk, seconds | " + " | ".join(columns) + " |\n" + "|---" * (len(columns) + 2) + "|")
    for name, found in results.items():
        disk = statistics.median(found["disk"])
        cells = [f"{statistics.median(found[c]) / disk:.2f}" if c in found else "" for c in columns]
        print(f"| {name} | {disk:.2f} | " + " | ".join(cells) + " |")


def main():
    modes = sys.argv[1:] or ["auto", "none", "always", "auto:16"]
    shares = "shares:\n" + "".join(f"  - {{host: w{i}, guest: /home/migrant/w{i}, size: 1G}}\n" for i in range(len(modes)))
    names = {DISK: "disk", HOST: "host"} | {f"/home/migrant/w{i}": f"share, {m}" for i, m in enumerate(modes)}
    results, times = {}, {}
    with Lab() as lab, tempfile.TemporaryDirectory() as directory:
        lab.install(measure.BUILD)
        for volume in box_files().iterdir():
            if volume.name != "complete":
                lab.host.run("cp", "-p", "--reflink=auto", volume, f"{POOL}/{volume.name}")
        lab.host.run(*VIRSH, "pool-refresh", "migrant")
        lab.serve_dns()
        path = lab.project("bench", MIGRANTFILE)
        times["no share"] = times_of_up(lab, path, "")
        lab.migrant("destroy", "-f", cwd=path)
        times[f"{len(modes)} shares"] = times_of_up(lab, path, shares)
        lab.migrant("halt", "-f", cwd=path)
        change_modes(lab, path, modes)
        tree = npm_tree(directory)
        if tree:
            bring_npm(lab, path, tree)
        lab.migrant("cp", "/usr/bin/git", ":git", cwd=path)
        lab.migrant("cp", FILES, ":files.py", cwd=path)
        lab.host.run("mkdir", "-p", HOST)
        lab.host.run("/usr/bin/python3", FILES, "--make-found", HOST)
        for i, _ in enumerate(modes):  # quicker than in the guest
            lab.host.run("/usr/bin/python3", FILES, "--make-found", f"{path}/w{i}", user="dev", timeout=600)
        inside = [d for d in names if d != HOST]
        lab.migrant("ssh", "-c", f"mkdir -p {DISK}; python3 files.py --make-found {DISK}", cwd=path, timeout=1800)
        for i in range(ROUNDS):
            last = i == ROUNDS - 1
            common = ["--rounds", "1", *(["--found"] if last else [])]
            npm = ["--npm", "/home/migrant/npm/tree"] if tree and last else []
            run = lab.migrant("ssh", "-c", " ".join(["python3 files.py --git ~/git", *common, *npm, *inside]), cwd=path, timeout=3600)
            add(results, run.stdout, names)
            npm = ["--npm", str(tree)] if npm else []
            run = lab.host.run("/usr/bin/python3", FILES, "--git", "/usr/bin/git", *common, *npm, HOST, timeout=3600)
            add(results, run.stdout, names)
            measure.say(json.dumps(results))
        lab.migrant("destroy", "-f", "--shares", cwd=path)
    table(results, modes)
    print(json.dumps({"machine": measure.machine(), "seconds": results, "up": times}))


main()
