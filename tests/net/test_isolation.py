"""Where a guest's packets go. Asserted where they would arrive; every probe is first seen to work."""

import contextlib

import pytest

from conftest import GATEWAY, GUEST, HELPER, probe, running
from lab import INTERNET, LAN_HOST, LAN_PEER, RESOLVER, ROUTED_PEER, WAN_HOST, WAN_ROUTER, WEB
from watch import Arrivals

PUBLIC = [WEB, "1.1.1.1", "8.8.8.8", RESOLVER]
RESERVED = [address for address in INTERNET if address not in PUBLIC]
LAN = [LAN_PEER, ROUTED_PEER]
HOST = [WAN_HOST, LAN_HOST]
LATE_ALIAS, LATE_LAN = "5.9.77.1", "6.6.6.6"  # come up while the guests run


def targets(addresses, ports=("80", "22", "443")):
    return [t for a in addresses for t in (*[f"tcp {a} {p}" for p in ports], f"udp {a} 4242", f"icmp {a} 0")]


@contextlib.contextmanager
def watching(shared_lab):
    """Counters on the Internet, in the LAN and, behind its filters, on the host."""
    with Arrivals(shared_lab.internet, 'iifname "wan"') as internet, Arrivals(shared_lab.lan, 'iifname "lan"') as lan, \
            Arrivals(shared_lab.host, 'iifname { "eth0", "eth1", "mg*" } ct direction original', "input") as host:
        yield internet, lan, host


@pytest.fixture
def receivers(shared_lab):
    with watching(shared_lab) as counters:
        yield counters


@pytest.fixture
def late(shared_lab):
    """Addresses and routes that the host gets after its guests were started."""
    shared_lab.host.sh(f"ip addr add {LATE_ALIAS}/32 dev lo; ip route add {LATE_LAN}/32 via {LAN_PEER}")
    shared_lab.lan.run("ip", "addr", "add", f"{LATE_LAN}/32", "dev", "lo")
    yield
    shared_lab.host.sh(f"ip addr del {LATE_ALIAS}/32 dev lo; ip route del {LATE_LAN}/32 via {LAN_PEER}")
    shared_lab.lan.run("ip", "addr", "del", f"{LATE_LAN}/32", "dev", "lo")


def test_probes_work_where_nothing_forbids_them(shared_lab, receivers, late):
    internet, lan, host = receivers
    probe(shared_lab.host, *targets(RESERVED + LAN + [LATE_LAN, WAN_ROUTER]))
    probe(shared_lab.lan, *targets(HOST + [LATE_ALIAS]))
    for address in RESERVED + [WAN_ROUTER]:
        assert internet.to(address) == {"tcp", "udp", "icmp"}, address
    for address in LAN + [LATE_LAN]:
        assert lan.to(address) == {"tcp", "udp", "icmp"}, address
    for address in HOST + [LATE_ALIAS]:
        assert host.to(address) == {"tcp", "udp", "icmp"}, address


def test_the_internet_is_open(pair, receivers):
    answers = probe(pair[0].guest, *[f"tcp {a} 80" for a in PUBLIC], *[f"icmp {a} 0" for a in PUBLIC])
    assert set(answers.values()) == {"open", "answered"}
    assert all(receivers[0].to(a) == {"tcp", "icmp"} for a in PUBLIC)


def deny_everything(a, b, receivers, more=()):
    """Tries everything that is closed from @a; nothing may arrive. Returns the answers."""
    internet, lan, host = receivers
    links = [f"198.18.0.{part}" for part in range(0, 32)]
    own = [GATEWAY, a.record()["control_address"], b.record()["control_address"], "10.213.0.3"]
    closed = targets(RESERVED + LAN + HOST + [WAN_ROUTER, *more])
    closed += targets(links + own + ["0.0.0.1", "255.255.255.255", "5.9.1.255", "192.168.1.255", "224.0.0.251",
                                     "239.255.255.250"], ports=["80"])
    with Arrivals(b.guest, 'iifname "eth0"') as neighbour:
        answers = probe(a.guest, *closed)
        assert not neighbour.all()
    assert not host.all()
    assert not lan.all()
    assert not internet.all()
    assert not {"open", "answered"} & set(answers.values()), answers
    return answers


def test_private_and_reserved_addresses_are_closed(pair, receivers):
    answers = deny_everything(*pair, receivers)
    assert answers[f"tcp {LAN_PEER} 80"] == "Connection refused"  # said, not swallowed


def test_what_comes_up_later_is_closed(pair, receivers, late):
    deny_everything(*pair, receivers, [LATE_ALIAS, LATE_LAN])


def test_a_flush_of_the_hosts_rules_opens_nothing(shared_lab, pair, late):
    a, b = pair
    shared_lab.host.run("nft", "flush", "ruleset")
    try:
        with watching(shared_lab) as receivers:
            deny_everything(a, b, receivers, [LATE_ALIAS, LATE_LAN])
        assert "host: the table inet migrant is gone" in shared_lab.host.run(HELPER, "verify", "a").stdout
    finally:
        a.hook("reconnect")
    assert probe(a.guest, f"tcp {WEB} 80") == {f"tcp {WEB} 80": "open"}


def test_lost_routing_rules_open_nothing(shared_lab, pair, receivers, late):
    a, b = pair
    shared_lab.host.sh("for p in 670 671 672 673 674 675 677; do ip rule del pref $p; done")
    try:
        deny_everything(a, b, receivers, [LATE_ALIAS, LATE_LAN])
    finally:
        a.hook("reconnect")
    assert probe(a.guest, f"tcp {WEB} 80") == {f"tcp {WEB} 80": "open"}


def test_the_hosts_settings_open_nothing(shared_lab, pair, receivers, late):
    a, b = pair
    uplink = a.record()["uplink"]
    shared_lab.host.sh(f"""
        sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.{uplink}.rp_filter=0 net.ipv4.conf.all.route_localnet=1 \
            net.ipv4.conf.{uplink}.proxy_arp=1 net.ipv4.conf.all.accept_local=1
        """)
    try:
        deny_everything(a, b, receivers, [LATE_ALIAS, LATE_LAN])
    finally:
        shared_lab.host.sh(f"""
            sysctl -qw net.ipv4.conf.{uplink}.rp_filter=1 net.ipv4.conf.all.route_localnet=0 \
                net.ipv4.conf.{uplink}.proxy_arp=0 net.ipv4.conf.all.accept_local=0""")


def test_odd_protocols_go_nowhere(shared_lab, pair, receivers):
    numbers = [2, 4, 41, 47, 50, 51, 89, 103, 132, 253]
    with Arrivals(shared_lab.internet, 'iifname "wan"') as internet:
        probe(shared_lab.host, *[f"{n} {WEB} 0" for n in numbers])
        assert len(internet.to(WEB)) == len(numbers)
    with Arrivals(shared_lab.internet, 'iifname "wan"') as internet:
        probe(pair[0].guest, *[f"{n} {WEB} 0" for n in numbers], *[f"{n} {GATEWAY} 0" for n in numbers])
        assert not internet.all()
        assert probe(pair[0].guest, f"icmp {WEB} 0") == {f"icmp {WEB} 0": "answered"}


def test_the_gateway_answers_dhcp_and_dns_only(pair):
    a = pair[0]
    ports = [*range(1, 1025), 3128, 5353, 5355, 8080, 16509, 49152]
    answers = probe(a.guest, *[f"tcp {GATEWAY} {p}" for p in ports], f"icmp {GATEWAY} 0",
                    *[f"udp {GATEWAY} {p}" for p in (67, 69, 111, 123, 137, 161, 500, 1900, 5353)])
    assert [t for t, answer in answers.items() if answer != "timeout"] == [f"tcp {GATEWAY} 53"]


def test_the_host_reaches_the_guest_and_nobody_else_does(shared_lab, pair):
    a, b = pair
    address = a.record()["control_address"]
    server = shared_lab.serve_http(a.guest, 2222)
    try:
        assert shared_lab.host.run("curl", "-sSm5", f"http://{address}:2222/").stdout == f"{GATEWAY}\n"
        with Arrivals(a.guest, 'iifname "eth0" tcp dport 2222') as seen:
            for stranger in (shared_lab.lan, shared_lab.internet, b.guest):
                stranger.run("ip", "route", "add", f"{address}/32", "via",
                             {shared_lab.lan: LAN_HOST, shared_lab.internet: WAN_HOST}.get(stranger, GATEWAY))
                assert probe(stranger, f"tcp {address} 2222")[f"tcp {address} 2222"] != "open"
                stranger.run("ip", "route", "del", f"{address}/32")
            shared_lab.lan.run("ip", "route", "add", f"{GUEST}/32", "via", LAN_HOST)
            assert probe(shared_lab.lan, f"tcp {GUEST} 2222")[f"tcp {GUEST} 2222"] != "open"
            shared_lab.lan.run("ip", "route", "del", f"{GUEST}/32")
            assert not seen.all()
    finally:
        server.kill()


def test_without_isolation_the_lan_is_open_but_not_the_host(shared_lab, receivers, late):
    with running(shared_lab, "open", isolate=False) as sandbox:
        answers = probe(sandbox.guest, *targets([LAN_PEER, ROUTED_PEER, LATE_LAN, "10.99.0.1", "100.64.9.9"], ["80"]))
        assert {v for k, v in answers.items() if k[0] != "u"} == {"open", "answered"}
        internet, lan, host = receivers
        before = internet.all() | lan.all()
        closed = HOST + [LATE_ALIAS, "169.254.169.254", "100.100.100.200", "168.63.129.16", "240.1.1.1",
                         "198.18.0.1", "198.18.0.9"]
        probe(sandbox.guest, *targets(closed))
        assert not host.all()
        assert internet.all() | lan.all() == before


def test_without_isolation_a_later_address_of_the_host_is_closed(shared_lab, receivers):
    with running(shared_lab, "open", isolate=False) as sandbox:
        shared_lab.host.run("ip", "addr", "add", f"{LATE_ALIAS}/32", "dev", "lo")
        try:
            probe(shared_lab.lan, *targets([LATE_ALIAS]))
            assert receivers[2].to(LATE_ALIAS) == {"tcp", "udp", "icmp"}
            with Arrivals(shared_lab.lan, 'iifname "lan"') as lan:
                answers = probe(sandbox.guest, *targets([LATE_ALIAS]), f"tcp {LAN_PEER} 80")
                assert answers.pop(f"tcp {LAN_PEER} 80") == "open" and lan.to(LAN_PEER)
            assert not {"open", "answered"} & set(answers.values()), answers
        finally:
            shared_lab.host.run("ip", "addr", "del", f"{LATE_ALIAS}/32", "dev", "lo")


def test_new_flows_are_rationed(shared_lab, pair):
    script = ("import socket\nfor i in range(5000):\n"
              f" s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.sendto(b'x',('{WEB}',7000+i)); s.close()")
    with Arrivals(shared_lab.internet, 'iifname "wan" udp dport 7000-12000 counter') as seen:
        pair[0].guest.run("/usr/bin/python3", "-c", script)
        text = seen.run("nft", "list", "table", "ip", "watch").stdout
        assert 100 < int(text.split("counter packets ")[1].split()[0]) < 2500


def test_the_guest_learns_of_a_smaller_mtu_on_the_way(shared_lab, pair):
    script = f"""
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP, 10, 2)  # IP_MTU_DISCOVER: never fragment
s.connect(("{WEB}", 4242))
for _ in range(5):
    try:
        s.send(bytes(1400))
    except OSError:
        pass
    time.sleep(0.1)
print(s.getsockopt(socket.IPPROTO_IP, 14))  # IP_MTU
"""
    assert pair[0].guest.run("/usr/bin/python3", "-c", script).stdout == "1500\n"
    shared_lab.host.run("ip", "link", "set", "eth0", "mtu", "1300")
    try:
        assert pair[0].guest.run("/usr/bin/python3", "-c", script).stdout == "1300\n"
    finally:
        shared_lab.host.run("ip", "link", "set", "eth0", "mtu", "1500")
