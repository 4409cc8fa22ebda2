"""What a directory is worth: one measurement a line, "NAME SECONDS" or "NAME SECONDS MIB". Runs in the guest too.

files.py DIRECTORY [GIT]: GIT is the program to clone with; without it that is left out.
"""

import os
import random
import shutil
import subprocess
import sys
import time

MIB = 1 << 20
SEQUENTIAL = 128  # MiB
RANDOM_FILE, RANDOM_COUNT = 64, 4000  # MiB, requests of 4 KiB
TREE, FOUND = 2000, 50000  # files


def drop_caches():
    """So that what is read comes from the disk; the guest's user may, the host's caller is root."""
    os.sync()
    subprocess.run(["sudo", "-n", "sh", "-c", "echo 3 >/proc/sys/vm/drop_caches"] if os.getuid() else
                   ["sh", "-c", "echo 3 >/proc/sys/vm/drop_caches"], check=True)


def measure(name, work, mib=None):
    start = time.monotonic()
    work()
    seconds = time.monotonic() - start
    print(name, f"{seconds:.3f}", "" if mib is None else mib, flush=True)


def write_all(path):
    block = os.urandom(MIB)
    with open(path, "wb", buffering=0) as file:
        for _ in range(SEQUENTIAL):
            file.write(block)
        os.fsync(file.fileno())


def read_all(path):
    with open(path, "rb", buffering=0) as file:
        while file.read(MIB):
            pass


def random_writes(path):
    block = os.urandom(4096)
    with open(path, "r+b", buffering=0) as file:
        for _ in range(RANDOM_COUNT):
            os.pwrite(file.fileno(), block, random.randrange(RANDOM_FILE * 256) * 4096)
        os.fsync(file.fileno())


def random_reads(path):
    with open(path, "rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
        for _ in range(RANDOM_COUNT):
            os.pread(file.fileno(), 4096, random.randrange(RANDOM_FILE * 256) * 4096)


def make_tree(top, count, size):
    for i in range(count):
        directory = f"{top}/{i // 100}"
        if i % 100 == 0:
            os.makedirs(directory)
        with open(f"{directory}/{i}", "wb") as file:
            file.write(b"x" * size)


def read_tree(top):
    for directory, _, files in os.walk(top):
        for name in files:
            with open(f"{directory}/{name}", "rb") as file:
                file.read()


def stat_tree(top):
    found = sum(os.lstat(f"{directory}/{name}").st_size >= 0
                for directory, _, files in os.walk(top) for name in files)
    assert found == FOUND, found


def clone(git, top):
    config = ["-c", "user.name=x", "-c", "user.email=x@y", "-c", "gc.auto=0", "-c", "init.defaultBranch=main"]
    origin = f"{top}/origin"
    make_tree(origin, TREE, 2000)
    for argv in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"]):
        subprocess.run([git, "-C", origin, *config, *argv], check=True)
    drop_caches()
    measure("git clone", lambda: subprocess.run(
        [git, *config, "clone", "-q", "-u", f"{git} upload-pack", "--no-hardlinks", origin, f"{top}/clone"], check=True))
    measure("git status", lambda: subprocess.run([git, "-C", f"{top}/clone", "status", "--porcelain"], check=True))


def main():
    top = f"{sys.argv[1]}/bench"
    git = sys.argv[2] if len(sys.argv) > 2 else None
    shutil.rmtree(top, ignore_errors=True)
    os.makedirs(top)
    path = f"{top}/large"
    measure("sequential write", lambda: write_all(path), SEQUENTIAL)
    drop_caches()
    measure("sequential read", lambda: read_all(path), SEQUENTIAL)
    os.truncate(path, RANDOM_FILE * MIB)
    drop_caches()
    measure("random 4k read", lambda: random_reads(path), RANDOM_COUNT / 256)
    measure("random 4k write", lambda: random_writes(path), RANDOM_COUNT / 256)
    os.unlink(path)
    measure("small files: write", lambda: make_tree(f"{top}/tree", TREE, 2000))
    drop_caches()
    measure("small files: read", lambda: read_tree(f"{top}/tree"))
    measure("small files: delete", lambda: shutil.rmtree(f"{top}/tree"))
    if git:
        clone(git, top)
    make_tree(f"{top}/found", FOUND, 0)
    drop_caches()
    measure("find, first", lambda: stat_tree(f"{top}/found"))
    measure("find, again", lambda: stat_tree(f"{top}/found"))
    shutil.rmtree(top)


main()
