"""The network log: what is in it, how much, whose it is, and what `migrant logs` makes of it."""

import json
import os
import re
import select
import subprocess
import time

import pytest
from scapy.all import DNS, DNSQR

from conftest import GATEWAY, HELPER, HERE, PROBE, Sandbox, probe, running
from keeping import log_lines, peer, wait_for
from lab import LAN_PEER, WEB, child_of, stop

EXCHANGE = HERE / "exchange.py"
DIRECTORY = "/var/log/migrant"


@pytest.fixture
def sandbox(lab):
    with running(lab, "logged", policy={"allow": [f"lan {LAN_PEER} tcp/80"]}) as sandbox:
        yield sandbox
    lab.host.run(HELPER, "cleanup", "logged")


@pytest.fixture
def logs(lab):
    """Runs `migrant logs` as its owner; from a project that is called like the sandbox."""
    migrant = PROBE.parent.parent / "migrant"
    lab.host.sh("mkdir -p /home/dev/logged; printf 'name: logged\\n' >/home/dev/logged/Migrantfile; chown -R dev /home/dev/logged")
    argv = (migrant, "logs", "--network")

    def run(*arguments, **options):
        return lab.host.run(*argv, *arguments, **{"user": "dev", "cwd": "/home/dev/logged", "check": False} | options)
    run.spawn = lambda *arguments: lab.host.spawn(*argv, *arguments, user="dev", cwd="/home/dev/logged",
                                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    run.migrant = migrant
    yield run
    lab.host.run("rm", "-r", "/home/dev/logged")


def ask(machine, name, kind="A", transport="udp", server=GATEWAY):
    """@name: text, or the bytes of its wire form."""
    if isinstance(name, bytes):
        question = b"\0\7\1\0\0\1\0\0\0\0\0\0" + name + b"\0\1\0\1"
    else:
        question = bytes(DNS(id=7, rd=1, qd=DNSQR(qname=name, qtype=kind)))
    machine.run("/usr/bin/python3", EXCHANGE, transport, server, 53, question.hex(), check=False)


def await_event(sandbox, **wanted):
    def find():
        return [e for e in log_lines(sandbox) if all(e.get(k) == v for k, v in wanted.items())]
    try:
        return wait_for(find)
    except AssertionError as e:
        raise AssertionError(f"no {wanted} in {log_lines(sandbox)[-20:]}") from e


def test_what_is_logged(sandbox):
    probe(sandbox.guest, f"tcp {WEB} 80", f"tcp {LAN_PEER} 80", f"tcp {LAN_PEER} 22", "udp 10.1.2.3 161", "icmp 192.168.1.1 0",
          f"tcp {GATEWAY} 99")
    ask(sandbox.guest, "web.test")
    ask(sandbox.guest, "six.test", "AAAA", server="8.8.8.8")
    ask(sandbox.guest, "stream.test", "MX", transport="tcp")
    for wanted in ({"event": "allowed", "protocol": "tcp", "destination": WEB, "port": 80},
                   {"event": "allowed", "protocol": "tcp", "destination": LAN_PEER, "port": 80},
                   {"event": "denied", "protocol": "tcp", "destination": LAN_PEER, "port": 22},
                   {"event": "denied", "protocol": "udp", "destination": "10.1.2.3", "port": 161},
                   {"event": "denied", "protocol": "icmp", "destination": "192.168.1.1"},
                   {"event": "denied", "protocol": "tcp", "destination": GATEWAY, "port": 99},
                   {"event": "dns", "name": "web.test", "type": "A", "protocol": "udp"},
                   {"event": "dns", "name": "six.test", "type": "AAAA"},
                   {"event": "dns", "name": "stream.test", "type": "MX", "protocol": "tcp"}):
        await_event(sandbox, **wanted)
    now = time.time()
    for event in log_lines(sandbox):
        stamp = time.strptime(event["time"][:19] + "+0000", "%Y-%m-%dT%H:%M:%S%z")
        assert now - 60 < time.mktime(stamp) - time.timezone < now + 1 and event["time"][19] == "." and event["time"].endswith("Z")
        assert not (event["event"] == "allowed" and event["destination"] == LAN_PEER and event.get("port") != 80)


def test_what_is_limited(lab):
    with running(lab, "limited", policy={"limits": {"connections": 16, "dns-per-second": 2}}) as sandbox:
        sandbox.guest.run("/usr/bin/python3", "-c", "import socket\nfor i in range(40):\n"
                          f"  s=socket.socket(); s.setblocking(False); s.connect_ex(('{WEB}', 80)); globals()[f's{{i}}']=s")
        await_event(sandbox, event="limited", protocol="tcp", destination=WEB, port=80)
    lab.host.run(HELPER, "cleanup", "limited")


def test_hostile_names_reach_neither_file_nor_terminal(sandbox, logs):
    ask(sandbox.guest, b"\x0c\x1b]0;evil\x07\r\n\x00\x04\xff\"\\.\x00")
    await_event(sandbox, event="dns", name="\\027]0;evil\\007\\013\\010\\000.\\255\\034\\092\\046")
    ask(sandbox.guest, b"\xc0\x0c")
    wait_for(lambda: any(e["event"] == "dns" and "name" not in e for e in log_lines(sandbox)))
    raw = sandbox.lab.host.run("cat", f"{DIRECTORY}/logged/network.0").stdout
    assert all(c == "\n" or " " <= c <= "~" for c in raw)
    for options in ((), ("--json",)):
        shown = logs(*options)
        assert shown.returncode == 0 and "evil" in shown.stdout and all(c == "\n" or " " <= c <= "~" for c in shown.stdout)


def test_a_flood_fills_no_disk_and_is_counted(sandbox, logs):
    """Rules loaded for the test alone log without limits, and more than any of ours."""
    sandbox.inside("nft", "-f", "-", input="""table inet flood { counter sent { }; chain c { type filter hook prerouting priority -400;
        iifname "mgt*" udp dport 9 counter name sent log prefix "denied" group 1 snaplen 128; }; }""")
    begin = time.monotonic()
    peer(sandbox.guest, "flood", "10.9.9.9", 9, 30_000, 1)
    sent = int(re.search(r"packets (\d+)", sandbox.inside("nft", "list", "counter", "inet", "flood", "sent").stdout)[1])
    assert sent > 3000

    def counted():
        events = log_lines(sandbox)
        return (sum(e["event"] == "denied" and e.get("port") == 9 for e in events),
                sum(e["count"] for e in events if e["event"] == "suppressed"))

    wait_for(lambda: sum(counted()) >= sent * 0.98)  # nothing is lost in silence
    written, suppressed = counted()
    assert suppressed and written + suppressed <= sent + 500, (written, suppressed, sent)
    assert written <= 200 + 100 * (time.monotonic() - begin + 1)
    assert "more events" in logs().stdout


def test_two_files_in_turn(sandbox, logs):
    """Both filled up to their cap: the older is emptied, and what is kept stays below twice the cap."""
    host = sandbox.lab.host
    line = json.dumps({"time": "2026-01-01T00:00:00.000Z", "event": "denied", "protocol": "tcp", "destination": "10.0.0.1", "port": 1}) + "\n"
    full = line * (2 * 1024 * 1024 // len(line))
    for file in ("network.1", "network.0"):
        host.run("tee", f"{DIRECTORY}/logged/{file}", input=full, user="dev")
        time.sleep(0.02)
    follower = logs.spawn("-f", "--json")
    try:
        os.set_blocking(follower.stdout.fileno(), False)
        read_until(follower, lambda text: text.count(b"\n") == 2 * full.count("\n"))
        probe(sandbox.guest, f"tcp {LAN_PEER} 22")
        await_event(sandbox, event="denied", destination=LAN_PEER, port=22)
        sizes = [int(s) for s in host.run("stat", "-c", "%s", f"{DIRECTORY}/logged/network.0", f"{DIRECTORY}/logged/network.1").stdout.split()]
        assert max(sizes) <= 2 * 1024 * 1024 and min(sizes) < 10_000, sizes
        read_until(follower, lambda text: LAN_PEER.encode() in text)
        probe(sandbox.guest, f"tcp {LAN_PEER} 23")
        read_until(follower, lambda text: b'"port":23' in text)
    finally:
        stop(follower)
    shown = logs().stdout
    assert f"{LAN_PEER}:22" in shown.splitlines()[-2] and "10.0.0.1:1" in shown.splitlines()[0]


def read_until(follower, condition, seconds=60):
    text, until = b"", time.monotonic() + seconds
    while not condition(text):
        assert time.monotonic() < until, text[-300:]
        if select.select([follower.stdout], [], [], 0.1)[0]:
            chunk = follower.stdout.read()
            assert chunk != b"", follower.stderr.read()
            text += chunk or b""
    return text


def test_following_through_halt_up_and_destroy(lab, logs):
    sandbox = Sandbox(lab, "logged")
    sandbox.up()
    follower = logs.spawn("-f")
    try:
        os.set_blocking(follower.stdout.fileno(), False)
        probe(sandbox.guest, f"tcp {LAN_PEER} 22")
        read_until(follower, lambda text: f"denied      tcp     {LAN_PEER}:22\n".encode() in text)
        sandbox.down()
        assert f"{LAN_PEER}:22" in logs().stdout
        sandbox.up()
        probe(sandbox.guest, f"tcp {LAN_PEER} 23")
        read_until(follower, lambda text: f"{LAN_PEER}:23\n".encode() in text)
        sandbox.down()
        lab.host.run(HELPER, "cleanup", "logged", user="dev")
        assert follower.wait(60) == 0 and b"was destroyed" in follower.stderr.read()
    finally:
        stop(follower)
        sandbox.down()


def test_interrupting(sandbox, logs):
    follower = logs.spawn("-f")
    try:
        probe(sandbox.guest, f"tcp {LAN_PEER} 22")
        os.set_blocking(follower.stdout.fileno(), False)
        read_until(follower, lambda text: b":22" in text)
        os.kill(child_of(follower), 2)
        assert follower.wait(60) in (-2, 130)
    finally:
        stop(follower)


def test_a_file_that_was_tampered_with(sandbox, logs):
    garbage = "x" * 100_000 + "\n{\"time\":\"\x1b[2J\"}\n\n\x1b]0;x\x07\n" + "{" * 3000 + "\n"
    probe(sandbox.guest, f"tcp {LAN_PEER} 22")
    await_event(sandbox, event="denied", port=22)
    sandbox.lab.host.run("tee", "-a", f"{DIRECTORY}/logged/network.0", input=garbage, user="dev")
    probe(sandbox.guest, f"tcp {LAN_PEER} 23")
    wait_for(lambda: ":23\n" in logs().stdout)
    shown = logs()
    assert f"{LAN_PEER}:22\n" in shown.stdout and "\x1b" not in shown.stdout + shown.stderr and "4 lines" in shown.stderr


def test_what_cannot_be_shown(lab, logs):
    result = logs()
    assert result.returncode == 1 and "there is no network log of logged" in result.stderr
    with running(lab, "logged"):
        result = logs(user="other")
        assert result.returncode == 77 and "another user" in result.stderr
    lab.host.run(HELPER, "cleanup", "logged")


def test_whose_it_is(lab):
    """Readable by the owner alone; without a record the note of root's says who may clear it."""
    with running(lab, "logged"):
        stat = lab.host.run("stat", "-c", "%a %U", DIRECTORY, f"{DIRECTORY}/logged", f"{DIRECTORY}/logged/owner",
                            f"{DIRECTORY}/logged/network.0", f"{DIRECTORY}/logged/network.1").stdout.splitlines()
        assert stat == ["711 root", "711 root", "644 root", "600 dev", "600 dev"]
    result = lab.host.run(HELPER, "cleanup", "logged", user="other", check=False)
    assert result.returncode == 77 and "another user" in result.stderr
    lab.host.run(HELPER, "cleanup", "logged", user="dev")
    assert "logged" not in lab.host.run("ls", DIRECTORY).stdout.split()


def test_another_users_log_is_not_gone_on_with(lab):
    with running(lab, "logged") as sandbox:
        probe(sandbox.guest, f"tcp {LAN_PEER} 22")
        await_event(sandbox, event="denied", port=22)
    other = lab.host.run("id", "-u", "other").stdout.strip()
    second = Sandbox(lab, "logged")
    second.xml = second.xml.replace(f"<migrant:owner>{lab.host.run('id', '-u', 'dev').stdout.strip()}<", f"<migrant:owner>{other}<")
    try:
        second.up()
        assert lab.host.run("stat", "-c", "%U %s", f"{DIRECTORY}/logged/network.0").stdout == "other 0\n"
    finally:
        second.down()
        lab.host.run(HELPER, "cleanup", "logged")


@pytest.mark.parametrize("plant", ["ln -s /etc {0}/logged", "mkdir {0}/logged; id -u dev >{0}/logged/owner; ln -s /etc/passwd {0}/logged/network.0",
                                   "mkdir -m 777 {0}/logged", "mkdir {0}/logged; id -u dev >{0}/logged/owner; mkfifo {0}/logged/network.1", ": >{0}/logged"])
def test_nothing_planted_is_followed(lab, plant):
    passwd = lab.host.run("stat", "-c", "%U %s", "/etc/passwd").stdout
    lab.host.sh("mkdir -p -m 711 {0}; ".format(DIRECTORY) + plant.format(DIRECTORY))
    sandbox = Sandbox(lab, "logged")
    try:
        assert sandbox.hook("prepare", check=False).returncode != 0
        assert lab.host.run("stat", "-c", "%U %s", "/etc/passwd").stdout == passwd
    finally:
        sandbox.down()
        lab.host.run("rm", "-r", f"{DIRECTORY}/logged")
