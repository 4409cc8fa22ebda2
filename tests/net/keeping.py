"""Driving the keeper of a sandbox and looking at it: shared by the tests of what it relays, of its life and its log."""

import contextlib
import hashlib
import json
import subprocess
import time

from conftest import HELPER, HERE
from lab import LAN_HOST, stop

SIZE = 20_000_000
DATA = (hashlib.sha256(b"migrant").digest() * (SIZE // 32 + 1))[:SIZE]
DIGEST = f"{SIZE} {hashlib.sha256(DATA).hexdigest()}\n"


@contextlib.contextmanager
def service(machine, kind, port, protocol="tcp", address="127.0.0.1"):
    popen = machine.spawn("/usr/bin/python3", HERE / "peer.py", "serve", kind, protocol, address, port,
                          stdout=subprocess.PIPE, text=True)
    try:
        assert popen.stdout.readline() == "ready\n"
        yield popen
    finally:
        stop(popen)


def peer(machine, *arguments, timeout=600):
    return machine.run("/usr/bin/python3", HERE / "peer.py", *arguments, timeout=timeout).stdout


class Talk:
    """A program of peer.py that is talked to by lines."""

    def __init__(self, machine, verb, address, port):
        self.popen = machine.spawn("/usr/bin/python3", HERE / "peer.py", verb, address, port, stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True)
        assert self.popen.stdout.readline() == "ready\n"

    def say(self, line):
        self.popen.stdin.write(line + "\n")
        self.popen.stdin.flush()
        return self.popen.stdout.readline().strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        stop(self.popen)


def keeper_pid(sandbox):
    """Its number inside the host."""
    return int(sandbox.lab.host.run("cat", f"/run/migrant/{sandbox.name}/keeper.pid").stdout.split()[0])


def keepers(lab, name):
    return lab.host.sh(f"pgrep -f '^migrant-keeper --keeper {name}$' || true").stdout.split()


def status(sandbox):
    text = sandbox.lab.host.run("cat", f"/proc/{keeper_pid(sandbox)}/status").stdout
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def cpu_seconds(sandbox):
    fields = sandbox.lab.host.run("cat", f"/proc/{keeper_pid(sandbox)}/stat").stdout.rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def log_lines(sandbox, user="dev"):
    """All events, the older file first."""
    text = sandbox.lab.host.sh(f"cd /var/log/migrant/{sandbox.name}; cat $(find network.0 network.1 -printf '%T@ %f\\n' "
                               "| sort -n | cut -d' ' -f2)", user=user).stdout
    return [json.loads(line) for line in text.splitlines()]


def wait_for(condition, seconds=120):
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until, f"it did not come: {found}"
        time.sleep(0.05)
    return found


def verify(sandbox):
    return json.loads(sandbox.lab.host.run(HELPER, "verify", sandbox.name, user="dev").stdout)


POLICY = {"allow": ["host tcp/8080", "host udp/8080", "host tcp/8081"],
          "ports": ["8090:80", f"{LAN_HOST}:8091:80", "[::1]:8092:80", "0.0.0.0:8093:80", "8094:81"]}
