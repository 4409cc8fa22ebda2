"""Migrant in migrant: the nested template's guest, with systemd and a kernel of its own, is a host of sandboxes.

Runs only when it is asked for: `tests/run nested`. Everything in the guest is emulated twice where there is no KVM, so
that it takes an hour or more. The guest's packages are put into its box, which is built out here; the programs
are the ones that were built here. MIGRANT_NESTED names what of tests/run is run in the guest.
"""

import hashlib
import ipaddress
import json
import os
import pathlib
import re
import shlex
import shutil
import socket
import subprocess

import pytest

import tiny
from lab import SOURCE, Lab

PROJECT = "/home/dev/nested"
REPOSITORY = "/home/migrant/workspace/migrant"
POOL = "/var/lib/libvirt/images/migrant"
MIRROR = "deb.debian.org"
SUITES = os.environ.get("MIGRANT_NESTED", "unit cli net share").split()
TINY = """\
cpus: 1
memory: 256M
disk: 3G
kernel: {image: bzImage, initrd: initrd, cmdline: "console=ttyS0 no_timer_check quiet"}
"""


def description():
    """The built-in box with all that `quickstart` and the playbook install, and AppArmor's profiles."""
    text = (SOURCE / "boxes/debian-12.yaml").read_text()
    lists = re.findall(r"^\w+_packages=\((.*?)^\)", (SOURCE / "quickstart").read_text(), re.DOTALL | re.MULTILINE)
    there = re.findall(r"^    - ([\w.+-]+)", text, re.MULTILINE)
    wanted = [p for p in [*" ".join(lists).split(), "git", "apparmor"] if p not in there]
    assert len(lists) == 3 and text.count("  size: 2G ") == 1
    text = text.replace("  size: 2G ", "  size: 10G ")
    return text.replace("\nkernel:", "".join(f"    - {p}\n" for p in dict.fromkeys(wanted)) + "\nkernel:")


def cloud_init(address):
    """Where the mirror has an address that no gateway answers with, the guest is told."""
    line = "" if ipaddress.ip_address(address).is_global else f"{address} {MIRROR}"
    return "#cloud-config\n" + json.dumps({"bootcmd": [["sh", "-c", 'echo "$0" >>/etc/hosts', line]]}) + "\n"


class Guest:
    """The sandbox that is a host itself."""

    def __init__(self, lab):
        self.lab = lab

    def run(self, command, check=True, timeout=3600):
        return self.lab.migrant("ssh", "-c", command, cwd=PROJECT, check=check, timeout=timeout)

    def text(self, command, **options):
        return self.run(command, **options).stdout.strip()


def make_project(lab):
    """As the template's first page says, on the box that has the packages, with a way to the mirror."""
    address = socket.getaddrinfo(MIRROR, 80, socket.AF_INET)[0][4][0]
    lab.host.run("mkdir", PROJECT, user="dev")
    lab.migrant("init", "--template", "nested", cwd=PROJECT)
    text = lab.host.run("cat", f"{PROJECT}/Migrantfile").stdout
    for old, new in {"box: debian-12\n": "box: machine.yaml\n", "memory: 6G": "memory: 4G",
                     "  isolate: true\n": f"  allow: [lan {address} tcp/80]\n"}.items():
        assert text.count(old) == 1
        text = text.replace(old, new)
    for path, content in {"Migrantfile": text, "machine.yaml": description(), "cloud-init.yml": cloud_init(address)}.items():
        lab.host.run("tee", f"{PROJECT}/{path}", user="dev", input=content)
    lab.host.run("cp", "-r", SOURCE / "boxes/debian-12", f"{PROJECT}/machine", user="dev")


def bring_box(lab, build):
    """Builds the guest's box, or takes what an earlier run has built from the same description."""
    scripts = [p.read_bytes() for p in sorted((SOURCE / "boxes").rglob("*.*")) if p.suffix in (".sh", ".py")]
    key = hashlib.sha256(b"\0".join([description().encode(), *scripts])).hexdigest()[:16]
    cache, pool = build / f"box-cache/machine-{key}", pathlib.Path(f"/proc/{lab.host.pid}/root{POOL}")
    if (cache / "complete").exists():
        lab.host.sh(f"cp -p {cache}/*-* {POOL}/; virsh -q -c qemu:///system pool-refresh migrant")
        return
    shutil.rmtree(cache, ignore_errors=True)
    lab.migrant("box", "build", "machine.yaml", cwd=PROJECT, timeout=3600)
    shutil.copytree(pool, cache)
    (cache / "complete").touch()


def bring_repository(lab, build, box_files):
    """The repository, what was built of it, and the box for the sandboxes inside, through the share."""
    workspace = pathlib.Path(f"{PROJECT}/workspace")
    root = pathlib.Path(f"/proc/{lab.host.pid}/root")
    subprocess.run(["git", "-C", SOURCE, "bundle", "create", "-q", lab.base / "bundle", "HEAD"], check=True)
    shutil.copy(lab.base / "bundle", root / "home/dev/bundle")
    lab.host.run("git", "clone", "-q", "/home/dev/bundle", workspace / "migrant", user="dev")
    lab.host.run("sh", "-c", f"tar -C {shlex.quote(str(build))} --exclude=./box-cache -cf - . | "
                 f"tar -C {workspace}/migrant --one-top-level=build-dev -xf -", user="dev", timeout=600)
    (root / "home/dev/initrd").write_bytes(tiny.initrd(box_files, lab.base))
    lab.host.sh(f"mkdir {workspace}/box; cp {box_files}/*-* {workspace}/box; cp /home/dev/initrd {workspace}/initrd", user="dev")


@pytest.fixture(scope="module")
def guest(build, box_files):
    with Lab(online=True) as lab:
        lab.install(build)
        make_project(lab)
        bring_box(lab, build)
        guest = Guest(lab)
        lab.migrant("up", "--timeout", "3000", cwd=PROJECT, timeout=6000)
        bring_repository(lab, build, box_files)
        lab.migrant("provision", cwd=PROJECT, timeout=6000)
        # Tests know where they were built.
        guest.run(f"sudo mkdir -p {SOURCE.parent}; [ -e {SOURCE} ] || sudo ln -s {REPOSITORY} {SOURCE}")
        guest.run(f"sudo cmake --install {SOURCE}/build-dev --prefix /usr/local >/dev/null")
        yield guest
        lab.migrant("destroy", "-f", "--shares", cwd=PROJECT, check=False, timeout=600)


def set_up(guest):
    lines = guest.text("sudo migrant setup").splitlines()
    return {line[9:25].strip(): line[:8].strip() for line in lines if line[0] != " "}


def test_a_host_with_systemd_is_set_up(guest):
    first = set_up(guest)
    assert {"run directory", "hook", "helper", "hook link", "pool"} <= {n for n, s in first.items() if s == "changed"}
    # What a boot finds, and makes again.
    guest.run("sudo rmdir /run/netns && sudo systemd-tmpfiles --create /etc/tmpfiles.d/migrant.conf")
    assert set(set_up(guest).values()) == {"ok"}
    report = json.loads(guest.text("migrant doctor --json"))
    states = {check["name"]: (check["state"], check["text"]) for check in report["checks"]}
    assert report["ok"], states
    assert states["access"] == ("ok", "polkit lets group libvirt in")
    assert states["security module"][0] == "ok" and "AppArmor" in states["security module"][1]
    assert states["wireguard"] == ("ok", "tunnels are made by the kernel")


def test_the_playbook_may_be_played_again(guest):
    shown = guest.lab.migrant("provision", cwd=PROJECT, timeout=6000)
    assert re.search(r"\bchanged=0 +unreachable=0 +failed=0\b", shown.stdout + shown.stderr), shown


def test_a_sandbox_in_a_sandbox(guest):
    """A tiny one; its wire is another than that of the guest it is in, and it reaches nothing of it."""
    guest.run(f"sudo cp workspace/box/* {POOL}/; sudo virsh -q pool-refresh migrant; mkdir -p tiny; "
              "cp workspace/initrd tiny/initrd; cp workspace/box/kernel-* tiny/bzImage")
    guest.run(f"printf %s {shlex.quote(TINY)} >tiny/Migrantfile")
    guest.run("migrant -C tiny up --timeout 3000", timeout=6000)
    assert guest.text("migrant -C tiny ssh -c 'id -un; hostname'") == "migrant\ntiny"
    assert " 10.214.0.2/30 " in guest.text("migrant -C tiny ssh -c 'ip -4 -br addr show eth0'") + " "
    status = json.loads(guest.text("migrant -C tiny status --json"))
    assert status["state"] == "running" and status["isolation"] and not status["drift"]
    for address in ("10.213.0.1", "10.213.0.2"):
        ping = guest.run(f"migrant -C tiny ssh -c 'ping -c 2 -W 5 {address}'", check=False)
        assert ping.returncode != 0 and " 0 received" in ping.stdout
    guest.run("migrant -C tiny destroy -f", timeout=1200)
    assert guest.text("sudo ls /run/migrant /run/netns") == "/run/migrant:\n\n/run/netns:"


@pytest.mark.parametrize("suite", SUITES)
def test_a_ring_passes_in_the_guest(guest, suite):
    command = f"sudo MIGRANT_LIMIT=20000 tests/run {suite}" if "/" not in suite else \
        f"sudo MIGRANT_BUILD={SOURCE}/build-dev /usr/bin/python3 -m pytest -p no:cacheprovider -q tests/{suite}"
    result = guest.run(f"cd {SOURCE} && {command}", check=False, timeout=6 * 3600)
    assert result.returncode == 0, result.stdout[-20000:] + result.stderr[-5000:]
