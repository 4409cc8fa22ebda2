"""Sandboxes without a guest: a kernel without a root file system, which panics within seconds and never says READY."""

import json
import os
import re
import signal
import subprocess
import time

from conftest import POOL, fill_pool
from lab import Failed, child_of, differences

VIRSH = ["virsh", "-q", "-c", "qemu:///system"]
WITHOUT_SHARES = "memory: 192M\ncpus: 1\ndisk: 4G\nkernel: {image: bzImage, cmdline: 'console=ttyS0 root=/dev/none'}\n"
NEVER_BOOTS = WITHOUT_SHARES + "shares: [{host: work, guest: /srv/work, size: 16M}]\n"


def with_small_pool(lab, build, box_files):
    """Makes a lab a host whose pool is on a small file system of its own."""
    lab.install(build)
    image = lab.base / "pool.ext4"
    lab.host.sh(f"truncate -s 4G {image}; mkfs.ext4 -q -m 0 {image}; mount -o loop {image} {POOL}; "
                f"rmdir {POOL}/lost+found; chmod 711 {POOL}")
    leave_free(lab, 900)
    fill_pool(lab, box_files)
    lab.serve_dns()


def leave_free(lab, megabytes):
    """Fills the pool's file system until that much is left."""
    lab.host.run("rm", "-f", f"{POOL}/filler")
    free = int(lab.host.sh(f"df --output=avail -B1M {POOL} | tail -1").stdout)
    lab.host.run("fallocate", "-l", f"{free - megabytes}M", f"{POOL}/filler")


def fill(lab):
    """Not a block is left."""
    leave_free(lab, 2)
    lab.host.sh(f"dd if=/dev/zero bs=4k >>{POOL}/filler 2>/dev/null || true; sync {POOL}/filler")


class Project:
    def __init__(self, lab, name, text=NEVER_BOOTS, user="dev"):
        self.lab, self.name, self.user = lab, name, user
        self.path = lab.project(name, text, user=user)
        kernel = lab.host.sh(f"echo {POOL}/kernel-????????????????????????????????*").stdout.split()[0]
        lab.host.run("cp", kernel, f"{self.path}/bzImage")
        lab.host.run("chmod", "a+r", f"{self.path}/bzImage")

    def migrant(self, *argv, timeout=300):
        return self.lab.migrant(*argv, cwd=self.path, user=self.user, check=False, timeout=timeout)

    def spawn(self, *argv):
        return self.lab.host.spawn("migrant", *argv, user=self.user, cwd=self.path, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True)

    def state(self):
        return json.loads(self.migrant("status", "--json").stdout)["state"]


def errors(result):
    return [line for line in (result.stderr or "").splitlines() if line.startswith("error:")]


def volumes(lab):
    return [n for n in lab.host.run("ls", POOL).stdout.split() if re.search(r"-[0-9a-f]{8}-[0-9a-f]{4}-", n)]


def assert_nothing_left(lab, before):
    assert volumes(lab) == []
    assert lab.host.run(*VIRSH, "list", "--all", "--name").stdout.split() == []
    assert differences(before, lab.snapshot()) == ""
    assert "migrant-" not in lab.host.run("ls", "/var/log/libvirt/qemu").stdout


def assert_refused(result, code, *words):
    assert result.returncode == code, result.stderr
    assert len(errors(result)) == 1, result.stderr
    for word in words:
        assert word in result.stderr, result.stderr


def cut_off(project, delay=0.0, line="waiting for the guest"):
    """Kills `up` with SIGKILL @delay seconds after it has printed @line (None: after its start)."""
    up = project.spawn("up")
    if line:
        for text in up.stdout:
            if line in text:
                break
    time.sleep(delay)
    kill(up, signal.SIGKILL)
    output = up.communicate(timeout=60)[0]
    return output


def kill(popen, number):
    try:
        os.kill(child_of(popen), number)
    except (Failed, ProcessLookupError, FileNotFoundError):
        pass
