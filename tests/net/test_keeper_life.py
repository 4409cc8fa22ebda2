"""The keeper's life: how it begins and ends, and that it leaves nothing."""

import subprocess

import pytest

from conftest import GATEWAY, HELPER, HERE, Sandbox, probe, running
from keeping import POLICY, Talk, keeper_pid, keepers, log_lines, peer, service, verify, wait_for
from lab import LAN_PEER, WEB, differences, stop

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


def test_an_update_of_the_hook_loses_no_keeper(lab):
    """The program's file was replaced while it ran."""
    with running(lab, "updated"):
        lab.host.sh("cp -p /usr/sbin/migrant-hook /usr/sbin/migrant-hook.new; mv /usr/sbin/migrant-hook.new /usr/sbin/migrant-hook")
        assert keepers(lab, "updated")
        lab.host.run("rm", "/run/migrant/updated/keeper.pid")
    assert not keepers(lab, "updated")


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


# -- other orders ----------------------------------------------------------------------------------


FIRST = {"allow": ["host tcp/8080"], "ports": ["8090:80"]}


@pytest.fixture
def other_orders(lab):
    with running(lab, "orders", policy=FIRST) as sandbox, service(lab.host, "echo", 8080), \
            service(sandbox.guest, "echo", 80, address="0.0.0.0"), \
            Talk(sandbox.guest, "talk", GATEWAY, 8080) as out, Talk(lab.host, "talk", "127.0.0.1", 8090) as back:
        assert out.say("one") == back.say("one") == "one"
        yield sandbox, out, back


def test_what_is_no_concern_of_its_cuts_nothing(other_orders):
    sandbox, out, back = other_orders
    pid = keeper_pid(sandbox)
    sandbox.apply(FIRST | {"egress": "none"})
    assert keeper_pid(sandbox) == pid and out.say("two") == back.say("two") == "two"


def test_another_keeper_takes_over_without_a_gap(other_orders, lab):
    sandbox, out, back = other_orders
    pid = keeper_pid(sandbox)
    with Talk(lab.host, "knock", "127.0.0.1", 8090) as host, Talk(sandbox.guest, "knock", GATEWAY, 8080) as guest:
        sandbox.apply({"allow": ["host tcp/8080", "host udp/8080"], "ports": ["8090:80", "8091:80"]})
        refused = [host.say("end").split(), guest.say("end").split()]
    assert all(int(no) == 0 and int(yes) > 10 for no, yes in refused), refused
    assert keeper_pid(sandbox) != pid and keepers(lab, "orders") == [str(keeper_pid(sandbox))] and verify(sandbox) == []
    assert out.say("two") == back.say("two") == "closed"
    for port in (8090, 8091):
        assert peer(lab.host, "many", "127.0.0.1", port, 3) == "3\n"
    probe(sandbox.guest, f"tcp {LAN_PEER} 77")
    wait_for(lambda: any(e.get("port") == 77 for e in log_lines(sandbox)))
    sandbox.apply({})
    assert probe(lab.host, "tcp 127.0.0.1 8090", "tcp 127.0.0.1 8091") == \
        {f"tcp 127.0.0.1 {port}": "Connection refused" for port in (8090, 8091)}
    wait_for(lambda: probe(sandbox.guest, f"tcp {GATEWAY} 8080")[f"tcp {GATEWAY} 8080"] != "open")


def test_orders_that_cannot_be_followed_leave_the_old_keeper(other_orders, lab):
    sandbox, out, back = other_orders
    pid = keeper_pid(sandbox)
    with service(lab.host, "echo", 8091):
        result = sandbox.apply({"allow": ["host tcp/8080"], "ports": ["8090:80", "8091:80"]}, check=False)
    assert result.returncode == 69 and "cannot listen on port 8091 of 127.0.0.1" in result.stderr, result.stderr
    assert keepers(lab, "orders") == [str(pid)] and keeper_pid(sandbox) == pid and verify(sandbox) == []
    assert out.say("two") == back.say("two") == "two"
    lab.host.run("kill", "-9", str(pid))
    wait_for(lambda: verify(sandbox))
    sandbox.hook("reconnect")  # with the orders that it had
    assert peer(lab.host, "many", "127.0.0.1", 8090, 3) == "3\n"
    assert probe(lab.host, "tcp 127.0.0.1 8091") == {"tcp 127.0.0.1 8091": "Connection refused"}


def test_nobody_inherits_from_a_process_that_root_did_not_note(other_orders, lab):
    """A process that says it is the keeper, and has a listening socket at hand."""
    sandbox, *_ = other_orders
    script = ("import socket,time\ns=socket.create_server(('127.0.0.1',8092))\nprint('ready',flush=True)\ntime.sleep(1000)")
    impostor = lab.host.spawn("bash", "-c", f"exec -a migrant-keeper /usr/bin/python3 -c \"{script}\" --keeper orders",
                              user="other", stdout=subprocess.PIPE, text=True)
    try:
        assert impostor.stdout.readline() == "ready\n"
        result = sandbox.apply({"ports": ["8092:80"]}, check=False)
        assert result.returncode == 69 and "8092" in result.stderr
        assert impostor.poll() is None
    finally:
        stop(impostor)
