"""What `network:` opens, limits and closes: each grant opens what it names and nothing beside it.

A case is a policy, what must arrive with it and what must not. Asserted at the receivers, before and after a control
that shows that the closed probes do arrive where nothing forbids them.
"""

import contextlib
import json

import pytest
from scapy.all import ICMP, IP, Ether

from conftest import GATEWAY, GUEST, GUEST_MAC, Sandbox, probe, running, send_frames
from flows import flow, still_works
from lab import LAN_HOST, LAN_PEER, LAN_ROUTER, RESOLVER, ROUTED_PEER, WAN_HOST, WEB, stop
from test_services import ask
from watch import Arrivals

EVERYTHING = [f"{kind} {port}" for kind in ("tcp", "udp") for port in (80, 443, 5432)] + ["icmp 0"]
GATEWAY_MAC = "52:54:00:6d:67:01"
METADATA = ["169.254.169.254", "100.100.100.200", "168.63.129.16"]


class Ports:
    """Counts (destination, protocol, port) of what comes to an interface, of TCP what begins; the port of a ping is 0."""

    def __init__(self, machine, interface, hook="prerouting priority -350"):
        self.run, self.interface, self.hook = machine.run, interface, hook

    def __enter__(self):
        self.run("nft", "-f", "-", input=f"""
            table ip ports {{
                set hits {{ type ipv4_addr . inet_proto . inet_service; flags dynamic; size 65535; }}
                set pings {{ type ipv4_addr; flags dynamic; size 65535; }}
                chain look {{
                    type filter hook {self.hook};
                    iifname != {{ {self.interface} }} return
                    {"ct direction reply return" if "input" in self.hook else ""}
                    tcp flags & (syn | ack) != syn return # of a connection of the test before
                    meta l4proto {{ tcp, udp }} add @hits {{ ip daddr . meta l4proto . th dport }}
                    icmp type echo-request add @pings {{ ip daddr }}
                }}
            }}""")
        return self

    def __exit__(self, *_):
        self.run("nft", "delete", "table", "ip", "ports", check=False)

    def elements(self, name):
        listing = json.loads(self.run("nft", "-nj", "list", "set", "ip", "ports", name).stdout)
        self.run("nft", "flush", "set", "ip", "ports", name)
        return next(o["set"] for o in listing["nftables"] if "set" in o).get("elem", [])

    def take(self):
        """What arrived since the last call."""
        names = {6: "tcp", 17: "udp"}
        return {f"{names.get(p, p)} {a} {port}" for a, p, port in (e["concat"] for e in self.elements("hits"))} | \
            {f"icmp {a} 0" for a in self.elements("pings")}


class Receivers:
    """Everything that arrives on the Internet, in the LAN and, behind its filters, on the host."""

    def __init__(self, lab):
        self.counters = [Ports(lab.internet, '"wan"'), Ports(lab.lan, '"lan"'),
                         Ports(lab.host, '"eth0", "eth1", "mg*"', "input priority 300")]

    def __enter__(self):
        for counter in self.counters:
            counter.__enter__()
        return self

    def __exit__(self, *arguments):
        for counter in self.counters:
            counter.__exit__(*arguments)

    def take(self):
        return set().union(*(counter.take() for counter in self.counters))


@pytest.fixture
def receivers(shared_lab):
    with Receivers(shared_lab) as seen:
        yield seen


def at(address, *what):
    return {f"{w.split()[0]} {address} {w.split()[1]}" for w in (what or EVERYTHING)}


# policy, what arrives of it, what does not
CASES = {
    "a lan address with every port": (
        {"allow": [f"lan {LAN_PEER}"]}, at(LAN_PEER), at(ROUTED_PEER) | at(LAN_ROUTER) | at("10.99.0.1")),
    "one port of a lan address": (
        {"allow": [f"lan {LAN_PEER} tcp/5432"]}, at(LAN_PEER, "tcp 5432"),
        at(LAN_PEER) - at(LAN_PEER, "tcp 5432") | at(ROUTED_PEER)),
    "one port of udp": (
        {"allow": [f"lan {ROUTED_PEER} udp/443"]}, at(ROUTED_PEER, "udp 443"),
        at(ROUTED_PEER) - at(ROUTED_PEER, "udp 443") | at(LAN_PEER)),
    "an address behind the default route": (
        {"allow": ["lan 10.99.0.1", "lan 100.64.9.9 tcp/80"]}, at("10.99.0.1") | at("100.64.9.9", "tcp 80"),
        at("100.64.9.9") - at("100.64.9.9", "tcp 80") | at("172.20.0.1")),
    "nothing but the Internet": ({}, at(WEB), at(LAN_PEER) | at("10.99.0.1")),
    "no egress": ({"egress": "none"}, set(), at(WEB) | at("1.1.1.1") | at(LAN_PEER) | at("10.99.0.1")),
    "no egress nor isolation": ({"egress": "none", "isolate": False}, set(), at(WEB) | at(LAN_PEER) | at("10.99.0.1")),
    "no egress but grants": (
        {"egress": "none", "allow": [f"lan {LAN_PEER} tcp/80", f"lan {WEB} tcp/443"]},
        at(LAN_PEER, "tcp 80") | at(WEB, "tcp 443"),
        at(LAN_PEER) - at(LAN_PEER, "tcp 80") | at(WEB) - at(WEB, "tcp 443") | at("1.1.1.1")),
    "no isolation": ({"isolate": False}, at(LAN_PEER) | at("10.99.0.1") | at(WEB), set()),
    "addresses of the host": (
        {"allow": [f"lan {LAN_HOST}", f"lan {WAN_HOST} tcp/80", "lan 198.18.0.1", "lan 198.18.0.9"]}, set(),
        at(LAN_HOST) | at(WAN_HOST) | at("198.18.0.1") | at("198.18.0.9")),
}


@pytest.mark.parametrize("name", CASES)
def test_a_grant_opens_what_it_names(shared_lab, receivers, name):
    policy, opened, closed = CASES[name]
    with running(shared_lab, "a", policy=policy) as sandbox:
        probe(sandbox.guest, *opened, *at(WEB, "tcp 80"))
        arrived = receivers.take()
        assert opened <= arrived, opened - arrived
        probe(sandbox.guest, *closed)
        arrived = receivers.take()
        assert not arrived, arrived
        answers = probe(sandbox.guest, *at(LAN_PEER, "tcp 80"))
        assert (set(answers.values()) == {"open"}) == (at(LAN_PEER, "tcp 80") <= opened), answers


@pytest.mark.parametrize("policy, closed", [
    ({}, [*METADATA, WAN_HOST, LAN_HOST, LAN_PEER, "10.99.0.1", "198.18.0.9", "198.18.250.1", "240.1.1.1"]),
    ({"isolate": False}, [*METADATA, WAN_HOST, LAN_HOST, "198.18.0.9", "198.18.250.1", "240.1.1.1"]),
    ({"egress": "none"}, [*METADATA, WAN_HOST, LAN_PEER, "10.99.0.1", WEB]),
])
def test_the_gateway_says_what_is_closed(shared_lab, policy, closed):
    """So nothing of it comes as far as the host's rules, which would be silent."""
    with running(shared_lab, "a", policy=policy) as sandbox:
        answers = probe(sandbox.guest, *[f"tcp {a} 80" for a in closed])
        assert set(answers.values()) == {"Connection refused"}, answers
        assert probe(sandbox.guest, "tcp 198.18.0.1 80") == {"tcp 198.18.0.1 80": "timeout"}  # another way out
        assert probe(sandbox.guest, f"icmp {closed[0]} 0") == {f"icmp {closed[0]} 0": "unreachable 13"}


def test_what_is_closed_arrives_where_nothing_forbids_it(shared_lab, receivers):
    closed = set().union(*(c for _, _, c in CASES.values()))
    local = {t for t in closed if t.split()[1] in (LAN_HOST, WAN_HOST)}
    remote = {t for t in closed - local if not t.split()[1].startswith("198.18.0.")}
    probe(shared_lab.host, *remote)
    probe(shared_lab.lan, *local)
    assert receivers.take() >= remote | local


@pytest.mark.parametrize("address", [WEB, LAN_PEER])
def test_a_ping_is_all_of_icmp(shared_lab, address):
    """A grant of every port means TCP, UDP and ping; the Internet as well."""
    def ask_for(kind):
        return Ether(src=GUEST_MAC, dst=GATEWAY_MAC) / IP(src=GUEST, dst=address) / ICMP(type=kind, id=7)

    machine, link = (shared_lab.internet, "wan") if address == WEB else (shared_lab.lan, "lan")
    with running(shared_lab, "a", policy={"allow": [f"lan {LAN_PEER}"]}) as sandbox:
        for kind, arrives in ((8, {"icmp"}), (13, set()), (15, set()), (17, set())):
            with Arrivals(machine, f'iifname "{link}" ip daddr {address}') as seen:
                send_frames(sandbox.guest, ask_for(kind))
                assert seen.to(address) == arrives, kind


@pytest.mark.parametrize("address", [WEB, LAN_PEER])
def test_the_guests_errors_arrive(shared_lab, address):
    """Its kernel says that nobody listens any more."""
    machine = shared_lab.internet if address == WEB else shared_lab.lan
    with running(shared_lab, "a", policy={"allow": [f"lan {LAN_PEER} udp/7000"]}) as sandbox, \
            flow(sandbox.guest, machine, "udp", address, 7000) as (near, far):
        still_works(near, far, "before")
        stop(near.popen)
        far.says("anybody?")
        assert far.hears() == "closed Connection refused"


FORWARDS = {"allow": [f"forward tcp/11434 to {LAN_PEER}:80", f"forward udp/5000 to {ROUTED_PEER}:4242"]}


def test_a_forward_is_the_gateways_port_alone(shared_lab, receivers):
    with running(shared_lab, "a", policy=FORWARDS) as sandbox:
        assert probe(sandbox.guest, f"tcp {GATEWAY} 11434")[f"tcp {GATEWAY} 11434"] == "open"
        probe(sandbox.guest, f"udp {GATEWAY} 5000")
        assert receivers.take() == at(LAN_PEER, "tcp 80") | at(ROUTED_PEER, "udp 4242")
        probe(sandbox.guest, *at(LAN_PEER), *at(ROUTED_PEER), *at(LAN_PEER, "tcp 11434", "udp 11434"),
              *at(ROUTED_PEER, "udp 4242", "udp 5000"), *at(GATEWAY, "udp 11434", "tcp 5000", "tcp 80", "icmp 0"))
        assert not receivers.take()


def test_a_forward_may_lead_to_a_port_of_dns(shared_lab, receivers):
    with running(shared_lab, "a", policy={"allow": [f"forward tcp/5353 to {LAN_PEER}:53"]}) as sandbox:
        probe(sandbox.guest, f"tcp {GATEWAY} 5353")
        assert receivers.take() == at(LAN_PEER, "tcp 53")


def test_a_host_port_is_the_gateways_alone(shared_lab, receivers):
    policy = {"allow": ["host tcp/8080", "host udp/8081"]}
    with running(shared_lab, "b") as other, running(shared_lab, "a", policy=policy) as sandbox:
        opened = at(GATEWAY, "tcp 8080", "udp 8081")
        for protocol, port in (("tcp", 8080), ("udp", 8081)):
            with flow(sandbox.guest, shared_lab.host, protocol, "127.0.0.1", port, (GATEWAY, port)) as ends:
                still_works(*ends, "hello")
        receivers.take()
        closed = at(GATEWAY, "udp 8080", "tcp 8081", "tcp 8082") | at(LAN_HOST, "tcp 8080", "udp 8081") | \
            at(WAN_HOST, "tcp 8080") | at("198.18.0.1", "tcp 8080") | at("198.18.0.9", "tcp 8080")
        answers = probe(sandbox.guest, *closed)
        assert {answers[t] for t in at(GATEWAY, "udp 8080", "tcp 8081", "tcp 8082")} == {"timeout"}, answers
        assert not receivers.take()
        assert set(probe(other.guest, *opened).values()) == {"timeout"}


@pytest.mark.parametrize("target", [*METADATA, "127.0.0.1", "0.0.0.0", "224.0.0.251", "255.255.255.255"])
def test_a_grant_for_what_nobody_may_reach_is_refused(shared_lab, target):
    for line in (f"lan {target}", f"lan {target} tcp/80", f"forward tcp/80 to {target}:80"):
        sandbox = Sandbox(shared_lab, "a", policy={"allow": [line]})
        result = sandbox.hook("prepare", check=False)
        sandbox.down()
        assert result.returncode and target in result.stderr, result


def test_a_forward_for_a_tunnel_goes_nowhere_without_one(shared_lab):
    sandbox = Sandbox(shared_lab, "a", policy={"allow": [f"forward tcp/9000 to {LAN_PEER}:80 via tunnel"]})
    assert sandbox.hook("prepare", check=False).returncode
    sandbox.down()


def test_a_neighbour_is_not_reached_by_grant(shared_lab, receivers):
    with running(shared_lab, "b") as other:
        there = other.record()["control_address"]
        policy = {"allow": [f"lan {there}", f"forward tcp/2222 to {there}:22"]}
        with running(shared_lab, "a", policy=policy) as sandbox, Arrivals(other.guest, 'iifname "eth0"') as seen:
            probe(sandbox.guest, *at(there), *at(there, "tcp 22"), f"tcp {GATEWAY} 2222")
            assert not seen.all() and not receivers.take()
            shared_lab.host.run("curl", "-sm1", f"http://{there}:22/", check=False)
            assert seen.to(GUEST) == {"tcp"}


# DNS

@contextlib.contextmanager
def names(lab, machine=None, address=RESOLVER, **records):
    server = lab.serve_dns({f"{name}.names.test": a for name, a in records.items()}, machine, address)
    try:
        lab.wait_port(machine or lab.internet, 53)
        yield
    finally:
        server.kill()
        server.wait()


@pytest.mark.parametrize("policy", [{"egress": "none"}, {"egress": "none", "dns": [RESOLVER]},
                                    {"egress": "none", "allow": [f"lan {RESOLVER}", f"lan {LAN_PEER}"]}])
def test_without_egress_no_question_leaves(shared_lab, receivers, policy):
    """Not even where a grant leads to the resolver: that is not the guest's way to it."""
    with running(shared_lab, "a", policy=policy) as sandbox:
        for kind in ("A", "AAAA", "TXT", "PTR"):
            for transport in ("udp", "tcp"):
                for server in (GATEWAY, RESOLVER, "8.8.8.8"):
                    assert ask(sandbox.guest, "web.test", server, kind, transport) in ("REFUSED", "NXDOMAIN", "SERVFAIL", "empty")
        assert not {t for t in receivers.take() if t.endswith(" 53")}
    with running(shared_lab, "a") as sandbox:
        assert ask(sandbox.guest, "web.test") == [WEB]
        assert receivers.take() >= {f"udp {RESOLVER} 53"}


POINTED = {
    "private10": "10.1.2.3", "private172": "172.16.9.9", "private192": "192.168.77.1", "peer": LAN_PEER, "cgnat": "100.64.9.9",
    "benchmark": "198.18.0.9", "benchmark2": "198.19.255.1", "host": WAN_HOST, "hostlan": LAN_HOST, "hostnet": "5.9.1.77",
    "routed": ROUTED_PEER, "zero": "0.0.0.0", "zero2": "0.1.2.3", "loop": "127.0.0.53", "meta": "169.254.169.254", "azure": "168.63.129.16",
    "alibaba": "100.100.100.200", "multicast": "224.0.0.251", "class_e": "250.1.1.1", "broadcast": "255.255.255.255",
    "doc1": "192.0.2.7", "doc2": "198.51.100.7", "doc3": "203.0.113.7", "proto": "192.0.0.8", "sixtofour": "192.88.99.1",
    "mapped": "::ffff:192.168.1.50", "mapped_loop": "::ffff:127.0.0.1", "loop6": "::1",
}
FINE = {"fine": "93.184.216.77"}


def kind_of(address):
    return "AAAA" if ":" in address else "A"


def test_no_name_points_where_the_guest_may_not_go(shared_lab):
    with names(shared_lab, address="1.1.1.1", **POINTED, **FINE):
        for name, address in {**POINTED, **FINE}.items():
            assert ask(shared_lab.internet, f"{name}.names.test", "1.1.1.1", kind_of(address)) == [address]
        with running(shared_lab, "a", policy={"dns": ["1.1.1.1"]}) as sandbox:
            for name, address in POINTED.items():
                for transport in ("udp", "tcp"):
                    answer = ask(sandbox.guest, f"{name}.names.test", kind=kind_of(address), transport=transport)
                    assert answer in ("NXDOMAIN", "empty", "REFUSED"), (name, answer)
            assert ask(sandbox.guest, "fine.names.test") == ["93.184.216.77"]


def test_a_name_may_point_to_what_is_granted(shared_lab):
    policy = {"dns": ["1.1.1.1"], "allow": [f"lan {LAN_PEER} tcp/80", "lan 100.64.9.9"]}
    with names(shared_lab, address="1.1.1.1", **POINTED, **FINE):
        with running(shared_lab, "a", policy=policy) as sandbox:
            for name, address in POINTED.items():
                answer = ask(sandbox.guest, f"{name}.names.test", kind=kind_of(address))
                assert (answer == [address]) == (name in ("peer", "cgnat")), (name, answer)
                assert answer in ([address], "NXDOMAIN", "empty", "REFUSED"), (name, answer)


def test_without_isolation_a_name_may_point_to_the_lan(shared_lab):
    with names(shared_lab, address="1.1.1.1", **POINTED):
        with running(shared_lab, "a", policy={"dns": ["1.1.1.1"], "isolate": False}) as sandbox:
            assert ask(sandbox.guest, "peer.names.test") == [LAN_PEER]
            for name in ("loop", "meta", "alibaba", "host", "hostlan", "benchmark", "multicast"):
                assert ask(sandbox.guest, f"{name}.names.test") in ("NXDOMAIN", "empty"), name


# Caps

FLOOD = """
import socket, sys
kept = []
for i in range(int(sys.argv[2])):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.sendto(b"x", (sys.argv[1], 10000 + i))
    kept.append(s)
"""


def flood(sandbox, receivers, count, address=WEB):
    """How many of @count new flows to different ports arrive."""
    receivers.take()
    sandbox.guest.run("/usr/bin/python3", "-c", FLOOD, address, count)
    return len([t for t in receivers.take() if t.startswith(f"udp {address} 1")])


def test_connections_are_capped(shared_lab, receivers):
    with running(shared_lab, "a", policy={"limits": {"connections": 20}}) as sandbox:
        assert flood(sandbox, receivers, 200) == 20
        assert flood(sandbox, receivers, 5) == 0
    with running(shared_lab, "a") as sandbox:
        assert flood(sandbox, receivers, 200) > 100  # a wire that is played loses some in a rush


def test_granted_connections_are_capped_as_well(shared_lab, receivers):
    policy = {"limits": {"connections": 20}, "allow": [f"lan {LAN_PEER}"]}
    with running(shared_lab, "a", policy=policy) as sandbox:
        assert flood(sandbox, receivers, 200, LAN_PEER) == 20


def test_new_connections_are_capped_by_time(shared_lab, receivers):
    with running(shared_lab, "a", policy={"limits": {"new-per-second": 10}}) as sandbox:
        assert 10 <= flood(sandbox, receivers, 300) < 50


def test_what_goes_on_is_not_capped(shared_lab):
    """Many packets of one flow are one connection."""
    script = f"import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\nfor i in range(300): s.sendto(b'x', ('{WEB}', 4243))"
    with running(shared_lab, "a", policy={"limits": {"new-per-second": 10, "connections": 5}}) as sandbox:
        with Arrivals(shared_lab.internet, 'iifname "wan" udp dport 4243 counter') as seen:
            sandbox.guest.run("/usr/bin/python3", "-c", script)
            text = seen.run("nft", "list", "table", "ip", "watch").stdout
            assert int(text.split("counter packets ")[1].split()[0]) > 150


def test_questions_are_capped(shared_lab):
    with running(shared_lab, "a", policy={"limits": {"dns-per-second": 3}}) as sandbox:
        script = ("import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
                  f"for i in range(200): s.sendto(b'x' * 40, ('{GATEWAY}', 53))")
        sandbox.inside("nft", "-f", "-", input="""table ip count { counter c { }
            chain i { type filter hook input priority 300; udp dport 53 counter name c; }; }""")
        sandbox.guest.run("/usr/bin/python3", "-c", script)
        counted = sandbox.inside("nft", "list", "counter", "ip", "count", "c").stdout
        assert 1 <= int(counted.split("packets ")[1].split()[0]) <= 10


# Whom dnsmasq may ask: as its user, in its namespace, without it.

def ask_as_dnsmasq(sandbox, address, port=53):
    script = f"import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x' * 40, ('{address}', {port}))"
    user = sandbox.lab.host.run("id", "-u", "dnsmasq").stdout.strip()
    sandbox.inside("setpriv", "--reuid", user, "--clear-groups", "/usr/bin/python3", "-c", script, check=False)


@pytest.mark.parametrize("policy, asked", [
    ({}, {f"udp {RESOLVER} 53", "udp 1.1.1.1 53"}),
    ({"dns": ["1.1.1.1"]}, {"udp 1.1.1.1 53"}),
    ({"egress": "none"}, set()),
    ({"egress": "none", "dns": ["1.1.1.1"]}, set()),
])
def test_dnsmasq_asks_whom_the_policy_names(shared_lab, receivers, policy, asked):
    with running(shared_lab, "a", policy=policy) as sandbox:
        for address, port in ((RESOLVER, 53), ("1.1.1.1", 53), (RESOLVER, 80)):
            ask_as_dnsmasq(sandbox, address, port)
        assert receivers.take() == asked


def test_no_resolver_is_needed_to_ask_nobody(shared_lab):
    before = shared_lab.host.run("cat", "/etc/resolv.conf").stdout
    shared_lab.host.run("tee", "/etc/resolv.conf", input="nameserver 127.0.0.53\n")
    try:
        sandbox = Sandbox(shared_lab, "a")
        result = sandbox.hook("prepare", check=False)
        sandbox.down()
        assert result.returncode and "no resolver" in result.stderr
        with running(shared_lab, "a", policy={"egress": "none", "allow": [f"lan {LAN_PEER}"]}) as sandbox:
            assert probe(sandbox.guest, f"tcp {LAN_PEER} 80") == {f"tcp {LAN_PEER} 80": "open"}
    finally:
        shared_lab.host.run("tee", "/etc/resolv.conf", input=before)
