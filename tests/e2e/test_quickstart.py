"""The newcomer's way: a fresh Debian 12 on which nothing is installed, a clone, one command."""

import subprocess

import pytest

from lab import SOURCE, Lab

MIRROR = "http://deb.debian.org/debian"


@pytest.fixture(scope="module")
def fresh(build):
    """A root file system with what Debian's installer always leaves, and git for the clone."""
    root = build / "fresh-root"
    if not (root / "etc" / "debian_version").exists():
        subprocess.run(["mmdebstrap", "--quiet", "--variant=minbase", "--include=ca-certificates,git,systemd-sysv",
                        "bookworm", str(root), MIRROR], check=True, timeout=600)
    bundle = build / "source.bundle"
    subprocess.run(["git", "-C", str(SOURCE), "bundle", "create", "-q", str(bundle), "HEAD"], check=True)
    with Lab(online=True, root=root) as lab:
        with open(f"/proc/{lab.host.pid}/root/root/source.bundle", "wb") as copy:
            copy.write(bundle.read_bytes())
        lab.host.run("git", "clone", "-q", "/root/source.bundle", "/root/migrant", cwd="/root")
        yield lab


def test_one_command_ends_in_a_guest_and_can_be_repeated(fresh):
    first = fresh.host.run("./quickstart", cwd="/root/migrant", timeout=2400)
    assert "uid=1000(migrant)" in first.stdout and "Linux" in first.stdout
    second = fresh.host.run("./quickstart", cwd="/root/migrant", timeout=600)
    assert "uid=1000(migrant)" in second.stdout
