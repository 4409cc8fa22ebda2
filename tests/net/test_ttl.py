"""What waits for the end of a sandbox's time: the owner's process, beside the keeper, which runs `migrant halt`."""

import time

import pytest

from conftest import Sandbox, running
from keeping import keepers, verify

LOST = ["nothing halts it when its ttl is over"]
# Takes the place of migrant in the host, and writes down as whom it was called, and how.
RECORDER = """#!/bin/sh
[ -e /home/dev/once ] || { touch /home/dev/once; exit 75; }
{ echo "$*"; id -un; id -Gn; echo "$HOME"; cat; ls /proc/self/fd | wc -l; } >/home/dev/.called; mv /home/dev/.called /home/dev/called
"""


class Timed(Sandbox):
    def __init__(self, lab, name, ttl):
        super().__init__(lab, name)
        self.xml = self.xml.replace("</migrant:sandbox>", f"<migrant:ttl>{ttl}</migrant:ttl></migrant:sandbox>")


def timers(lab, name):
    return lab.host.sh(f"pgrep -f '^migrant-keeper --ttl {name} ' || true").stdout.split()


@pytest.fixture
def sandbox(lab):
    sandbox = Timed(lab, "a", 86400)
    try:
        yield sandbox.up()
    finally:
        sandbox.down()
        assert timers(lab, "a") == []


def test_one_process_of_the_owners(lab, sandbox):
    (timer,) = timers(lab, "a")
    status = lab.host.run("cat", f"/proc/{timer}/status").stdout
    uid = lab.host.run("id", "-u", "dev").stdout.strip()
    assert f"Uid:\t{uid}\t{uid}\t{uid}\t{uid}\n" in status and "CapEff:\t0000000000000000\n" in status
    assert "CapPrm:\t0000000000000000\n" in status
    assert set(lab.host.sh(f"readlink /proc/{timer}/fd/*").stdout.split()) == {"/dev/null"}
    record = sandbox.record()
    parse = lambda text: time.mktime(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))  # noqa: E731
    assert parse(record["ends"]) - parse(record["started"]) == 86400
    assert verify(sandbox) == []


def test_neither_the_keeper_nor_the_policy_gives_more_time(lab, sandbox):
    before, record = timers(lab, "a"), sandbox.record()
    lab.host.run("kill", "-9", *keepers(lab, "a"))
    sandbox.apply({"ports": ["8090:80"]})
    sandbox.hook("reconnect")
    assert timers(lab, "a") == before and sandbox.record()["ends"] == record["ends"]
    assert verify(sandbox) == []


def test_one_that_is_gone_is_drift(lab, sandbox):
    lab.host.run("kill", "-9", *timers(lab, "a"))
    until = time.monotonic() + 120
    while verify(sandbox) != LOST:
        assert time.monotonic() < until


def test_without_a_ttl_there_is_none(lab):
    with running(lab) as sandbox:
        assert timers(lab, "a") == [] and "ends" not in sandbox.record()


def test_at_the_end_it_is_halt(lab):
    """And again, when that does not succeed."""
    lab.host.run("tee", "/usr/local/bin/migrant", input=RECORDER)
    lab.host.run("chmod", "755", "/usr/local/bin/migrant")
    sandbox = Timed(lab, "a", 1)
    try:
        sandbox.up()
        until = time.monotonic() + 120
        while lab.host.run("test", "-e", "/home/dev/called", check=False).returncode:
            assert time.monotonic() < until
            time.sleep(0.1)
        called = lab.host.run("cat", "/home/dev/called").stdout.splitlines()
        assert called[:2] == ["halt --no-hooks a", "dev"]
        assert set(called[2].split()) == {"dev", "libvirt"} and called[3] == "/home/dev" and int(called[4]) <= 4
    finally:
        sandbox.down()
        lab.host.run("rm", "-f", "/usr/local/bin/migrant", "/home/dev/called", "/home/dev/once")
