"""The keeper: what it relays and what not, what that may cost, and what it is allowed."""

import re
import subprocess
import time

import pytest

from conftest import GATEWAY, HELPER, HERE, Sandbox, probe, running
from keeping import DIGEST, POLICY, SIZE, cpu_seconds, keeper_pid, peer, service, status, wait_for
from lab import LAN_HOST, WAN_HOST, stop
from watch import Arrivals

@pytest.fixture(scope="module")
def a(shared_lab):
    with running(shared_lab, "a", policy=POLICY) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def b(shared_lab):
    with running(shared_lab, "b") as sandbox:
        yield sandbox


# -- grants ----------------------------------------------------------------------------------------


def test_a_granted_port_is_reached_at_the_gateway_alone(shared_lab, a, b):
    targets = [f"{kind} {address} {port}" for kind in ("tcp", "udp") for port in (8080, 8082)
               for address in (GATEWAY, LAN_HOST, WAN_HOST, "198.18.0.1", "198.18.0.9", "127.0.0.1")]
    with service(shared_lab.host, "echo", 8080, address="0.0.0.0"), \
            service(shared_lab.host, "echo", 8082, address="0.0.0.0"), \
            service(shared_lab.host, "echo", 8080, "udp", address="0.0.0.0"), \
            service(shared_lab.host, "echo", 8082, "udp", address="0.0.0.0"):
        assert probe(shared_lab.lan, f"tcp {LAN_HOST} 8082", f"udp {LAN_HOST} 8082") == \
            {f"tcp {LAN_HOST} 8082": "open", f"udp {LAN_HOST} 8082": "answered"}
        with Arrivals(shared_lab.host, "th dport 8082", "input") as others, \
                Arrivals(shared_lab.host, 'iifname "mg*" th dport { 8080, 8082 }', "input") as direct:
            seen = probe(a.guest, *targets)
            assert {t for t, result in seen.items() if result in ("open", "answered")} == \
                {f"tcp {GATEWAY} 8080", f"udp {GATEWAY} 8080"}
            assert not {t for t, result in probe(b.guest, *targets).items() if result in ("open", "answered")}
            assert not others.all() and not direct.all()


def test_answers_to_datagrams_come_from_where_they_were_sent(shared_lab, a):
    with service(shared_lab.host, "echo", 8080, "udp"):
        assert peer(a.guest, "udp", GATEWAY, 8080, 20) == f"{GATEWAY}:8080\n" * 20


def test_a_service_that_is_down_resets_and_may_come_back(shared_lab, a):
    assert probe(a.guest, f"udp {GATEWAY} 8080") == {f"udp {GATEWAY} 8080": "timeout"}
    script = ("import socket\ntry: print(socket.create_connection(('10.213.0.1',8081),timeout=5).recv(1))\n"
              "except ConnectionResetError: print('reset')")
    assert a.guest.run("/usr/bin/python3", "-c", script).stdout == "reset\n"
    with service(shared_lab.host, "refuse", 8081):
        assert a.guest.run("/usr/bin/python3", "-c", script).stdout == "reset\n"
    with service(shared_lab.host, "digest", 8081):
        assert peer(a.guest, "digest", GATEWAY, 8081, SIZE) == DIGEST


def test_a_connection_never_meets_itself(shared_lab):
    """A port that nobody listens on may be the source port of the connection to it."""
    host = shared_lab.host
    before = host.run("sysctl", "-n", "net.ipv4.ip_local_port_range").stdout.strip()
    with running(shared_lab, "self", policy={"allow": ["host tcp/40000"]}) as sandbox:
        try:
            host.run("sysctl", "-qw", "net.ipv4.ip_local_port_range=40000 40000")
            script = ("import socket\ntry:\n s=socket.create_connection(('10.213.0.1',40000),timeout=60)\n s.sendall(b'x')\n print(s.recv(1))\n"
                      "except ConnectionResetError: print('reset')")
            assert sandbox.guest.run("/usr/bin/python3", "-c", script).stdout == "reset\n"
        finally:
            host.run("sysctl", "-qw", f"net.ipv4.ip_local_port_range={before}")


def test_a_datagram_never_meets_itself(shared_lab):
    """The same with UDP; and the port stays free for the service that is to have it."""
    host = shared_lab.host
    before = host.run("sysctl", "-n", "net.ipv4.ip_local_port_range").stdout.strip()
    with running(shared_lab, "self", policy={"allow": ["host udp/40000"]}) as sandbox:
        try:
            host.run("sysctl", "-qw", "net.ipv4.ip_local_port_range=40000 40000")
            assert probe(sandbox.guest, f"udp {GATEWAY} 40000") == {f"udp {GATEWAY} 40000": "timeout"}
            assert host.sh("ss -Hun 'sport = :40000'").stdout == ""
        finally:
            host.run("sysctl", "-qw", f"net.ipv4.ip_local_port_range={before}")
        with service(host, "echo", 40000, "udp"):
            assert probe(sandbox.guest, f"udp {GATEWAY} 40000") == {f"udp {GATEWAY} 40000": "answered"}


# -- ports -----------------------------------------------------------------------------------------


def test_ports_are_where_the_policy_says(shared_lab, a):
    """On loopback unless an address is written; from the host every one of them, from the LAN the written."""
    with service(a.guest, "echo", 80, address="0.0.0.0"):
        from_host = probe(shared_lab.host, *[f"tcp {t}" for t in ("127.0.0.1 8090", f"{LAN_HOST} 8091", "::1 8092",
                                                                  "127.0.0.1 8093", f"{LAN_HOST} 8093", f"{LAN_HOST} 8090",
                                                                  "127.0.0.1 8091", "127.0.0.1 8092")])
        assert [v == "open" for v in from_host.values()] == [True] * 5 + [False] * 3, from_host
        from_lan = probe(shared_lab.lan, *[f"tcp {LAN_HOST} {port}" for port in range(8090, 8095)])
        assert [v == "open" for v in from_lan.values()] == [False, True, False, True, False], from_lan


def test_connections_to_a_port_come_from_the_gateway(shared_lab, a):
    with service(a.guest, "echo", 80, address="0.0.0.0"):
        for source, arrives in (("== 10.213.0.1", True), ("!= 10.213.0.1", False)):
            with Arrivals(a.guest, f"tcp dport 80 ip saddr {source}") as seen:
                assert peer(shared_lab.host, "many", "127.0.0.1", 8090, 3) == "3\n"
                assert bool(seen.all()) == arrives


@pytest.mark.parametrize("machine, address, port", [("guest", GATEWAY, 8080), ("host", "127.0.0.1", 8090), ("host", "::1", 8092)])
def test_what_is_sent_arrives_both_ways(shared_lab, a, machine, address, port):
    near, far = (a.guest, shared_lab.host) if machine == "guest" else (shared_lab.host, a.guest)
    far_port = 8080 if machine == "guest" else 80
    with service(far, "digest", far_port, address="0.0.0.0"):
        assert peer(near, "digest", address, port, SIZE) == DIGEST
    with service(far, "source", far_port, address="0.0.0.0"):
        assert peer(near, "fetch", address, port) == DIGEST


# -- load ------------------------------------------------------------------------------------------


def test_many_connections_at_once(shared_lab, a):
    with service(shared_lab.host, "echo", 8080):
        assert peer(a.guest, "many", GATEWAY, 8080, 200) == "200\n"


def test_beyond_the_cap_others_wait_without_costing_anything(shared_lab, a):
    """The guest takes all there is: what it holds is bounded, the host's own ports go on, and time heals."""
    with service(shared_lab.host, "stall", 8080) as stalled, service(a.guest, "echo", 80, address="0.0.0.0"):
        holder = a.guest.spawn("/usr/bin/python3", HERE / "peer.py", "hold", GATEWAY, 8080, 600, stdout=subprocess.PIPE, text=True)
        try:
            wait_for(lambda: shared_lab.host.sh("ss -Htn state established '( dport = :8080 )' | wc -l").stdout.strip() == "512")
            before = cpu_seconds(a)
            time.sleep(2)
            assert cpu_seconds(a) - before < 0.4
            assert int(status(a)["VmRSS"].split()[0]) < 200_000
            assert peer(shared_lab.host, "many", "127.0.0.1", 8090, 20) == "20\n"
        finally:
            stop(holder)
        stop(stalled)
    with service(shared_lab.host, "echo", 8080):
        wait_for(lambda: probe(a.guest, f"tcp {GATEWAY} 8080")[f"tcp {GATEWAY} 8080"] == "open")
        assert peer(a.guest, "many", GATEWAY, 8080, 100) == "100\n"


def test_a_stalled_reader_costs_one_buffer(shared_lab, a):
    with service(shared_lab.host, "stall", 8080):
        holder = a.guest.spawn("/usr/bin/python3", HERE / "peer.py", "hold", GATEWAY, 8080, 4, stdout=subprocess.PIPE, text=True)
        try:
            assert holder.stdout.readline().startswith("held")
            before = cpu_seconds(a)
            time.sleep(1)
            assert cpu_seconds(a) - before < 0.1
        finally:
            stop(holder)


@pytest.mark.parametrize("ports", [1, 1000])
def test_a_flood_of_datagrams(shared_lab, a, ports):
    with service(shared_lab.host, "echo", 8080, "udp"):
        peer(a.guest, "flood", GATEWAY, 8080, 100_000, ports)
        time.sleep(1.1)
        before = cpu_seconds(a)
        assert peer(a.guest, "udp", GATEWAY, 8080, 5) == f"{GATEWAY}:8080\n" * 5
        time.sleep(1)
        assert cpu_seconds(a) - before < 0.3
        files = shared_lab.host.sh(f"ls /proc/{keeper_pid(a)}/fd | wc -l").stdout
        assert int(files) < 600


# -- rights ----------------------------------------------------------------------------------------


def test_it_has_no_rights(shared_lab, a):
    uid = shared_lab.host.run("id", "-u", "dev").stdout.strip()
    gid = shared_lab.host.run("id", "-g", "dev").stdout.strip()
    found = status(a)
    assert found["Uid"].split() == [uid] * 4 and found["Gid"].split() == [gid] * 4 and found["Groups"].split() == []
    assert {found[f"Cap{kind}"] for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {"0" * 16}
    assert found["NoNewPrivs"] == "1" and found["Seccomp"] == "2" and found["Threads"] == "1"


def test_it_inherits_nothing(shared_lab, a):
    pid = keeper_pid(a)
    host = shared_lab.host
    links = host.sh(f"cd /proc/{pid}/fd; for f in $(ls | sort -n); do readlink $f; done").stdout.split("\n")[:-1]
    assert links[:3] == ["/dev/null"] * 3
    kinds = [re.sub(r"\[.*|\d$", "", link) for link in links[3:]]
    assert kinds.count("/var/log/migrant/a/network.") == 2 and kinds.count("anon_inode:") == 1
    assert set(kinds) == {"/var/log/migrant/a/network.", "anon_inode:", "socket:"}, links
    assert host.sh(f"tr '\\0' '\\n' </proc/{pid}/environ").stdout.count("\n") <= 2
    assert host.sh(f"readlink /proc/{pid}/cwd").stdout == "/\n"
    # Its listeners are nobody else's.
    inodes = {l for l in links if l.startswith("socket:")}
    others = host.sh(f"for p in $(ls /proc | grep '^[0-9]*$'); do [ $p = {pid} ] || readlink /proc/$p/fd/* 2>/dev/null || true; done").stdout
    assert not inodes & set(others.split("\n"))


def test_the_hook_returns_at_once_and_its_pipes_end(shared_lab):
    """libvirt waits for the end of the hook's output."""
    sandbox = Sandbox(shared_lab, "pipes")
    try:
        sandbox.hook("prepare")  # reads both streams to their ends
        assert keeper_pid(sandbox)
        assert shared_lab.host.run(HELPER, "rules", "pipes", user="dev").returncode == 0  # the lock is free
    finally:
        sandbox.down()


def test_an_owner_who_is_root(shared_lab):
    sandbox = Sandbox(shared_lab, "rooted", policy={"ports": ["8097:80"]})
    sandbox.xml = re.sub("<migrant:owner>.*</migrant:owner>", "<migrant:owner>0</migrant:owner>", sandbox.xml)
    try:
        sandbox.up()
        found = status(sandbox)
        assert found["Uid"].split() == ["0"] * 4 and found["Groups"].split() == []
        assert {found[f"Cap{kind}"] for kind in ("Prm", "Eff", "Bnd")} == {"0" * 16}
        with service(sandbox.guest, "echo", 80, address="0.0.0.0"):
            assert peer(shared_lab.host, "many", "127.0.0.1", 8097, 3) == "3\n"
    finally:
        sandbox.down()
