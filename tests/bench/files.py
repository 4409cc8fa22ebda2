"""What directories are worth: "NAME<tab>DIRECTORY<tab>SECONDS" for each measurement. Runs in the guest too.

files.py [--rounds N] [--git PROGRAM] [--npm DIRECTORY] [--found] DIRECTORY…

In turns: what else the machine does meets all directories alike. --npm: package.json, its lock and a cache. --found: the
directories hold a tree of many files, to be searched.
"""

import argparse
import os
import random
import shutil
import subprocess
import time

MIB = 1 << 20
SEQUENTIAL = 64  # MiB
RANDOM_COUNT = 1000  # requests of 4 KiB
TREE, FOUND = 500, 50000  # files


def drop_caches():
    """So that what is read comes from the disk; the guest's user may, the host's caller is root."""
    os.sync()
    subprocess.run(["sudo", "-n", "sh", "-c", "echo 3 >/proc/sys/vm/drop_caches"] if os.getuid() else
                   ["sh", "-c", "echo 3 >/proc/sys/vm/drop_caches"], check=True)


def write_all(top):
    block = os.urandom(MIB)
    with open(f"{top}/large", "wb", buffering=0) as file:
        for _ in range(SEQUENTIAL):
            file.write(block)
        os.fsync(file.fileno())


def read_all(top):
    with open(f"{top}/large", "rb", buffering=0) as file:
        while file.read(MIB):
            pass


def random_writes(top):
    block = os.urandom(4096)
    with open(f"{top}/large", "r+b", buffering=0) as file:
        for _ in range(RANDOM_COUNT):
            os.pwrite(file.fileno(), block, random.randrange(SEQUENTIAL * 256) * 4096)
        os.fsync(file.fileno())


def random_reads(top):
    with open(f"{top}/large", "rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
        for _ in range(RANDOM_COUNT):
            os.pread(file.fileno(), 4096, random.randrange(SEQUENTIAL * 256) * 4096)


def make_tree(top, count, size):
    for i in range(count):
        directory = f"{top}/{i // 100}"
        if i % 100 == 0:
            os.makedirs(directory)
        with open(f"{directory}/{i}", "wb") as file:
            file.write(b"x" * size)


def git(program, *argv):
    config = ["-c", "user.name=x", "-c", "user.email=x@y", "-c", "gc.auto=0", "-c", "init.defaultBranch=main", "-c", "safe.directory=*"]
    subprocess.run([program, *config, *argv], check=True, stdout=subprocess.DEVNULL)


def make_origin(program, top):
    make_tree(f"{top}/origin", TREE, 2000)
    for argv in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"]):
        git(program, "-C", f"{top}/origin", *argv)


def clone(program, top):
    git(program, "clone", "-q", "-u", f"{program} upload-pack", "--no-hardlinks", f"{top}/origin", f"{top}/clone")


def install(source, top):
    """`npm ci` from a cache: no network."""
    os.makedirs(f"{top}/npm")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(f"{source}/{name}", f"{top}/npm")
    subprocess.run(["npm", "ci", "--offline", "--cache", f"{source}/cache", "--no-audit", "--no-fund", "--ignore-scripts"],
                   cwd=f"{top}/npm", check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def find(top):
    found = subprocess.run(["find", f"{top}/found", "-type", "f", "-size", "-1"], check=True, capture_output=True).stdout
    assert found.count(b"\n") == FOUND


def measure(name, work, directories, cold=False):
    for directory in random.sample(directories, len(directories)):
        if cold:
            drop_caches()
        start = time.monotonic()
        work(f"{directory}/bench")
        print(f"{name}\t{directory}\t{time.monotonic() - start:.3f}", flush=True)


def one_round(directories, options):
    for directory in directories:
        shutil.rmtree(f"{directory}/bench", ignore_errors=True)
        os.makedirs(f"{directory}/bench")
    measure("sequential write", write_all, directories)
    measure("sequential read", read_all, directories, cold=True)
    measure("random 4k read", random_reads, directories, cold=True)
    measure("random 4k write", random_writes, directories)
    measure("small files: write", lambda top: make_tree(f"{top}/tree", TREE, 2000), directories)
    measure("small files: delete", lambda top: shutil.rmtree(f"{top}/tree"), directories)
    if options.git:
        for directory in directories:
            make_origin(options.git, f"{directory}/bench")
        measure("git clone", lambda top: clone(options.git, top), directories, cold=True)
        measure("git status", lambda top: git(options.git, "-C", f"{top}/clone", "status", "--porcelain"), directories)
    if options.npm:
        measure("npm ci", lambda top: install(options.npm, top), directories)
    for directory in directories:
        shutil.rmtree(f"{directory}/bench")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--git")
    parser.add_argument("--npm")
    parser.add_argument("--found", action="store_true")
    parser.add_argument("--make-found", action="store_true")
    parser.add_argument("directories", nargs="+")
    options = parser.parse_args()
    if options.make_found:
        for directory in options.directories:
            make_tree(f"{directory}/found", FOUND, 0)
        return
    for _ in range(options.rounds):
        one_round(options.directories, options)
    if options.found:
        below = [f"{d}/found" for d in options.directories]
        for directory, tree in zip(options.directories, below):
            os.makedirs(f"{directory}/bench")
            os.rename(tree, f"{directory}/bench/found")
        measure("find, first", find, options.directories, cold=True)
        measure("find, again", find, options.directories)


main()
