"""The keeper's life: how it begins and ends, and that it leaves nothing."""

import subprocess

import pytest

from conftest import GATEWAY, HELPER, HERE, Sandbox, probe, running
from keeping import POLICY, keeper_pid, keepers, peer, service, verify, wait_for
from lab import WEB, differences, stop

def test_a_taken_port_fails_prepare_and_leaves_nothing(lab):
    before = lab.snapshot()
    with service(lab.host, "echo", 8090):
        sandbox = Sandbox(lab, "taken", policy={"ports": ["8090:80"]})
        result = sandbox.hook("prepare", check=False)
        assert result.returncode == 69 and "cannot listen on port 8090 of 127.0.0.1" in result.stderr, result.stderr
        assert "another port" in result.stderr
        sandbox.hook("release", "end")
    assert differences(before, lab.snapshot()) == ""


@pytest.mark.parametrize("port, code, text", [("80:80", 77, "1024"), ("203.0.113.99:8090:80", 69, "no address of this host")])
def test_a_port_that_the_owner_could_not_take(lab, port, code, text):
    before = lab.snapshot()
    sandbox = Sandbox(lab, "denied", policy={"ports": [port]})
    result = sandbox.hook("prepare", check=False)
    assert result.returncode == code and text in result.stderr, result.stderr
    assert differences(before, lab.snapshot()) == ""


def test_nothing_is_left(lab):
    before = lab.snapshot()
    with running(lab, "gone", policy=POLICY) as sandbox, service(lab.host, "stall", 8080):
        holder = sandbox.guest.spawn("/usr/bin/python3", HERE / "peer.py", "hold", GATEWAY, 8080, 4, stdout=subprocess.PIPE)
        holder.stdout.readline()
        assert keepers(lab, "gone")
    stop(holder)
    assert differences(before, lab.snapshot()) == "" and not keepers(lab, "gone")
    assert lab.host.run("ls", "/var/log/migrant/gone").stdout.split() == ["network.0", "network.1", "owner"]
    lab.host.run(HELPER, "cleanup", "gone", user="dev")
    assert lab.host.run("test", "-e", "/var/log/migrant/gone", check=False).returncode == 1


def test_a_dead_keeper_is_drift_and_reconnect_brings_it_back(lab):
    with running(lab, "dead", policy=POLICY) as sandbox:
        assert verify(sandbox) == []
        first = keeper_pid(sandbox)
        lab.host.run("kill", "-9", str(first))
        wait_for(lambda: verify(sandbox) == ["the keeper is not running"])
        sandbox.hook("reconnect")
        assert verify(sandbox) == [] and keeper_pid(sandbox) != first
        with service(lab.host, "echo", 8080):
            assert peer(sandbox.guest, "many", GATEWAY, 8080, 3) == "3\n"
        sandbox.hook("reconnect")
        assert len(keepers(lab, "dead")) == 1


def test_a_keeper_that_cannot_come_back_ends_no_guest(lab):
    with running(lab, "dead", policy=POLICY) as sandbox:
        lab.host.run("kill", "-9", str(keeper_pid(sandbox)))
        wait_for(lambda: verify(sandbox))
        with service(lab.host, "echo", 8090):
            result = sandbox.hook("reconnect")
            assert "cannot listen on port 8090" in result.stderr
            assert verify(sandbox) == ["the keeper is not running"]
        assert probe(sandbox.guest, f"tcp {WEB} 80") == {f"tcp {WEB} 80": "open"}


def test_a_keeper_that_nobody_noted_is_cleared(lab):
    """The hook was killed before it wrote down which process it had started."""
    sandbox = Sandbox(lab, "stray", policy=POLICY)
    sandbox.hook("prepare")
    stray = keeper_pid(sandbox)
    lab.host.run("rm", "/run/migrant/stray/keeper.pid")
    sandbox.hook("prepare")
    assert keepers(lab, "stray") == [str(keeper_pid(sandbox))] and keeper_pid(sandbox) != stray
    lab.host.run("rm", "/run/migrant/stray/keeper.pid")
    sandbox.hook("release", "end")
    assert not keepers(lab, "stray")


def test_another_process_is_never_taken_for_it(lab):
    """A note whose number is another process's by now: that one is let alone."""
    other = lab.host.spawn("sleep", "1000")
    try:
        with running(lab, "reuse") as sandbox:
            pid = lab.host.sh("pgrep -nx sleep").stdout.strip()
            lab.host.run("tee", "/run/migrant/reuse/keeper.pid", input=f"{pid} 1\n")
            assert "the keeper is not running" in verify(sandbox)
        assert lab.host.run("test", "-d", f"/proc/{pid}").returncode == 0
    finally:
        stop(other)


def test_it_cannot_be_called_by_anybody(lab):
    result = lab.host.run("/usr/sbin/migrant-hook", "--keeper", "a", user="dev", check=False)
    assert result.returncode == 77 and "started by the hook" in result.stderr
    result = lab.host.run("/usr/sbin/migrant-hook", "--keeper", "../a", check=False)
    assert result.returncode == 64
