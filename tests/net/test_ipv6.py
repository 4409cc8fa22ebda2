"""The isolation in IPv6, with `ipv6: nat`: the same as in IPv4. Asserted where packets would arrive."""

import contextlib

import pytest

from conftest import GATEWAY6, GUEST6, HELPER, LINK6, probe, running
from lab import INTERNET6, LAN_HOST6, LAN_PEER, LAN_PEER6, LAN_PUBLIC6, RESOLVER6, ROUTED_PEER6, WAN_HOST6, \
    WAN_ROUTER6, WEB, WEB6, Failed
from test_services import ask
from watch import Arrivals, Arrivals6

PUBLIC = [WEB6, "2001:4860:4860::8888", RESOLVER6]
RESERVED = [a for a in INTERNET6 if a not in PUBLIC]
LAN = [LAN_PEER6, LAN_PUBLIC6, ROUTED_PEER6]
HOST = [WAN_HOST6, LAN_HOST6, "2001:db8:5::2", "2a01:4f8:77::10"]
LATE_ALIAS, LATE_LAN = "2a01:4f8:99::1", "2a01:4f8:98::6"  # come up while the guests run
METADATA = ["fd00:ec2::254", "fd20:ce::254", "fd00:c1::a9fe:a9fe"]
NAT = {"ipv6": "nat"}
POOL = "fd6d:6967:7261::/64"
IN_SANDBOXES = "fd6d:6967:7261::c612"


def targets(addresses, ports=("80", "22", "443")):
    return [t for a in addresses for t in (*[f"tcp {a} {p}" for p in ports], f"udp {a} 4242", f"icmp {a} 0")]


@contextlib.contextmanager
def watching(lab):
    """Counters on the Internet, in the LAN and, behind its filters, on the host."""
    with Arrivals6(lab.internet, 'iifname "wan"') as internet, Arrivals6(lab.lan, 'iifname "lan"') as lan, \
            Arrivals6(lab.host, 'iifname { "eth0", "eth1", "mg*" } ct direction original', "input") as host:
        yield internet, lan, host


@pytest.fixture
def receivers(shared_lab):
    with watching(shared_lab) as counters:
        yield counters


@pytest.fixture(scope="module")
def pair(shared_lab):
    with running(shared_lab, "a", policy=NAT) as a, running(shared_lab, "b", policy=NAT) as b:
        yield a, b


@pytest.fixture
def late(shared_lab):
    """Addresses and routes that the host gets after its guests were started."""
    shared_lab.host.sh(f"ip addr add {LATE_ALIAS}/128 dev lo nodad; ip -6 route add {LATE_LAN}/128 via {LAN_PEER6}")
    shared_lab.lan.run("ip", "addr", "add", f"{LATE_LAN}/128", "dev", "lo", "nodad")
    yield
    shared_lab.host.sh(f"ip addr del {LATE_ALIAS}/128 dev lo; ip -6 route del {LATE_LAN}/128 via {LAN_PEER6}")
    shared_lab.lan.run("ip", "addr", "del", f"{LATE_LAN}/128", "dev", "lo")


def test_probes_work_where_nothing_forbids_them(shared_lab, receivers, late):
    internet, lan, host = receivers
    probe(shared_lab.host, *targets(RESERVED + LAN + [LATE_LAN, WAN_ROUTER6]))
    probe(shared_lab.lan, *targets(HOST + [LATE_ALIAS]))
    for address in set(RESERVED) - {"::505:505"} | {WAN_ROUTER6}:
        assert internet.to(address) == {"tcp", "udp", "icmp"}, address
    for address in LAN + [LATE_LAN]:
        assert lan.to(address) == {"tcp", "udp", "icmp"}, address
    for address in HOST + [LATE_ALIAS]:
        assert host.to(address) == {"tcp", "udp", "icmp"}, address


def test_the_internet_is_open(pair, receivers):
    answers = probe(pair[0].guest, *[f"tcp {a} 80" for a in PUBLIC], *[f"icmp {a} 0" for a in PUBLIC])
    assert set(answers.values()) == {"open", "answered"}
    assert all(receivers[0].to(a) == {"tcp", "icmp"} for a in PUBLIC)


def test_the_internet_sees_the_host(shared_lab, pair):
    """Under whichever of its addresses the host chooses."""
    assert pair[0].guest.run("curl", "-sSm5", f"http://[{WEB6}]/").stdout.strip() in (WAN_HOST6, "2001:db8:5::2")


def everything_closed(more=()):
    links = [f"{IN_SANDBOXES}:{part:x}" for part in range(0, 32)]
    own = [GATEWAY6, f"{LINK6}%eth0", "fd6d:6967:7261:ffff::3", "fd6d:6967:7261::1"]
    return targets(RESERVED + LAN + HOST + [WAN_ROUTER6, "2a01:4f8:5::", "2a01:4f8:77::", *more]) + \
        targets(links + own + ["ff02::1%eth0", "ff02::2%eth0", "ff02::fb%eth0", "ff05::2", "ff0e::1", "fe80::2%eth0"], ports=["80"])


def deny_everything(a, b, receivers, more=(), astray=frozenset()):
    """Tries everything that is closed from @a; nothing may arrive but what is @astray. Returns the answers."""
    internet, lan, host = receivers
    with Arrivals6(b.guest, 'iifname "eth0"') as neighbour:
        answers = probe(a.guest, *everything_closed(more))
        assert not neighbour.all()
    assert not host.all()
    assert not lan.all()
    assert internet.all() <= astray
    assert not {"open", "answered"} & set(answers.values()), answers
    return answers


def test_private_and_reserved_addresses_are_closed(pair, receivers):
    answers = deny_everything(*pair, receivers)
    assert answers[f"tcp {LAN_PEER6} 80"] == "Connection refused"  # said, not swallowed
    assert probe(pair[0].guest, f"icmp {LAN_PEER6} 0") == {f"icmp {LAN_PEER6} 0": "unreachable 1"}


def test_what_comes_up_later_is_closed(pair, receivers, late):
    deny_everything(*pair, receivers, [LATE_ALIAS, LATE_LAN])


def is_open(sandbox):
    return probe(sandbox.guest, f"tcp {WEB6} 80") == {f"tcp {WEB6} 80": "open"}


def test_a_flush_of_the_hosts_rules_opens_nothing(shared_lab, pair, late):
    a, b = pair
    shared_lab.host.run("nft", "flush", "ruleset")
    try:
        with watching(shared_lab) as receivers:
            deny_everything(a, b, receivers, [LATE_ALIAS, LATE_LAN, *PUBLIC])
    finally:
        a.hook("reconnect")
    assert is_open(a)


LOCAL = f"pref 0 not from {POOL} lookup local"
RULES = [f"pref {priority}" for priority in range(670, 680) if priority != 678]


@pytest.mark.parametrize("lost", [[rule] for rule in RULES] + [RULES[:4], RULES[4:], RULES],
                         ids=lambda rules: rules[0] if len(rules) == 1 else f"{len(rules)} from {rules[0]}")
def test_lost_routing_rules_open_nothing(shared_lab, pair, receivers, late, lost):
    a, b = pair
    assert "ip -6 rule" not in shared_lab.host.run(HELPER, "verify", "a").stdout
    shared_lab.host.sh("".join(f"ip -6 rule del {rule}\n" for rule in lost))
    try:
        deny_everything(a, b, receivers, [LATE_ALIAS, LATE_LAN])
        assert "ip -6 rule" in shared_lab.host.run(HELPER, "verify", "a").stdout
    finally:
        a.hook("reconnect")
    assert is_open(a)
    assert "ip -6 rule" not in shared_lab.host.run(HELPER, "verify", "a").stdout


def test_the_local_rule_given_back_opens_nothing(shared_lab, pair, receivers, late):
    a, b = pair
    shared_lab.host.sh(f"ip -6 rule add pref 1 lookup local; ip -6 rule del {LOCAL}; ip -6 rule add pref 0 lookup local; ip -6 rule del pref 1")
    try:
        deny_everything(a, b, receivers, [LATE_ALIAS, LATE_LAN])
        assert "local table" in shared_lab.host.run(HELPER, "verify", "a").stdout
    finally:
        a.hook("reconnect")
    assert shared_lab.host.run("ip", "-6", "rule").stdout.splitlines()[0].split() == ["0:", *LOCAL.split()[2:]]


def test_the_local_rule_beside_ours_goes_at_once(shared_lab, pair):
    """The kernel would delete ours, which stands before it: "from all" in a deletion is from anybody."""
    a, b = pair
    shared_lab.host.run("ip", "-6", "rule", "add", "pref", "0", "lookup", "local", "protocol", "99")
    assert "local table" in shared_lab.host.run(HELPER, "verify", "a").stdout
    a.hook("reconnect")
    rules = shared_lab.host.run("ip", "-6", "rule").stdout.splitlines()
    assert [" ".join(rule.split()[1:6]) for rule in rules if rule.startswith("0:")] == [LOCAL.removeprefix("pref 0 ")]
    assert is_open(a)
    assert "ip -6 rule" not in shared_lab.host.run(HELPER, "verify", "a").stdout


@pytest.mark.parametrize("lost", [[], RULES], ids=["", "and all other rules"])
def test_neither_rules_nor_a_way_by_another_table(shared_lab, pair, late, lost):
    """A VPN's rule that comes before ours leads everything to its table; and the firewall is flushed."""
    a, b = pair
    shared_lab.host.sh(f"ip -6 route add default via {WAN_ROUTER6} table 51820; ip -6 rule add not fwmark 51820 table 51820\n"
                       + "".join(f"ip -6 rule del {rule}\n" for rule in lost))
    try:
        assert "51820" in shared_lab.host.run("ip", "-6", "rule").stdout.splitlines()[1]
        shared_lab.host.run("nft", "flush", "ruleset")
        with watching(shared_lab) as receivers:
            # But the host's own errors, for want of another way to the sandbox.
            deny_everything(a, b, receivers, [LATE_ALIAS, LATE_LAN, *PUBLIC], {(f"{IN_SANDBOXES}:a", "icmp")})
        a.hook("reconnect")
        assert POOL in shared_lab.host.run("ip", "-6", "rule").stdout.splitlines()[1]
        assert is_open(a)
        with watching(shared_lab) as receivers:
            deny_everything(a, b, receivers, [LATE_ALIAS, LATE_LAN])
    finally:
        shared_lab.host.sh("ip -6 rule del not fwmark 51820 table 51820; ip -6 route flush table 51820")
        shared_lab.host.sh("for p in $(seq 500 800); do ip -6 rule del pref $p 2>/dev/null || true; done")  # back to where they were
        a.hook("reconnect")


def test_rules_without_a_priority_come_in_their_order(shared_lab, pair):
    """wg-quick adds two; the second must be before the first, and both behind the local table's."""
    try:
        shared_lab.host.sh("ip -6 rule add not fwmark 51820 table 51820; ip -6 rule add table main suppress_prefixlength 0")
        lines = shared_lab.host.run("ip", "-6", "rule").stdout.splitlines()
        assert [line.split(":")[0] for line in lines[:3]] == ["0", "668", "669"], lines
        assert "suppress" in lines[1] and "51820" in lines[2]
    finally:
        shared_lab.host.sh("ip -6 rule del not fwmark 51820 table 51820; ip -6 rule del table main suppress_prefixlength 0")


def test_the_hosts_settings_open_nothing(shared_lab, pair, receivers, late):
    a, b = pair
    uplink = a.record()["uplink"]
    settings = [f"net.ipv6.conf.{uplink}.{s}" for s in ("proxy_ndp=1", "accept_ra=2", "autoconf=1", "accept_redirects=1", "accept_source_route=1")]
    before = shared_lab.host.run("sysctl", *[s.split("=")[0] for s in settings]).stdout.replace(" ", "").split()
    shared_lab.host.run("sysctl", "-qw", *settings)
    try:
        deny_everything(a, b, receivers, [LATE_ALIAS, LATE_LAN])
    finally:
        shared_lab.host.run("sysctl", "-qw", *before)


def test_the_gateway_answers_dns_only(pair):
    a = pair[0]
    ports = [*range(1, 1025), 3128, 5353, 5355, 8080, 16509, 49152]
    answers = probe(a.guest, *[f"tcp {GATEWAY6} {p}" for p in ports], *[f"tcp {LINK6}%eth0 {p}" for p in (22, 80)],
                    f"icmp {GATEWAY6} 0", f"icmp {LINK6}%eth0 0", *[f"udp {GATEWAY6} {p}" for p in (67, 69, 111, 123, 161, 500, 546, 547, 5353)])
    assert [t for t, answer in answers.items() if answer != "timeout"] == [f"tcp {GATEWAY6} 53"]


def test_nobody_reaches_the_guest(shared_lab, pair):
    a, b = pair
    server = shared_lab.serve_http(a.guest, 2222)
    own = f"{IN_SANDBOXES}:a"
    assert own in a.inside("ip", "-6", "addr").stdout
    try:
        with Arrivals6(a.guest, 'iifname "eth0"') as seen:
            for stranger, via in ((shared_lab.lan, LAN_HOST6), (shared_lab.internet, WAN_HOST6), (b.guest, GATEWAY6)):
                stranger.sh(f"ip -6 route add {POOL} via {via}; ip -6 route add {GUEST6}/128 via {via}" if stranger is not b.guest else
                            f"ip -6 route add {POOL} via {via}")
                probe(stranger, f"tcp {own} 2222", f"udp {own} 2222", f"icmp {own} 0", *([f"tcp {GUEST6} 2222"] if stranger is not b.guest else []))
                stranger.sh(f"ip -6 route del {POOL}; ip -6 route del {GUEST6}/128 2>/dev/null || true")
            probe(shared_lab.host, f"tcp {own} 2222", f"tcp {GUEST6} 2222")
            assert not seen.all()
    finally:
        server.kill()


# -- what a policy opens -----------------------------------------------------------------------------


def test_without_isolation_the_lan_is_open_but_not_the_host(shared_lab, receivers, late):
    with running(shared_lab, "open", policy=NAT | {"isolate": False}) as sandbox:
        internet, lan, host = receivers
        answers = probe(sandbox.guest, *targets([LAN_PEER6, LAN_PUBLIC6, ROUTED_PEER6, LATE_LAN, "fd77::1", "fc00::9"], ["80"]))
        assert {v for k, v in answers.items() if k[0] != "u"} == {"open", "answered"}
        assert lan.to(LAN_PEER6) and internet.to("fd77::1")
        before = internet.all() | lan.all()
        nobodys = [*METADATA, "64:ff9b::505:505", "2002:505:505::1", "2001::9", "fec0::9"]
        answers = probe(sandbox.guest, *targets(HOST + [LATE_ALIAS, f"{IN_SANDBOXES}:1", f"{IN_SANDBOXES}:9", f"{IN_SANDBOXES}:a"]),
                        *[f"tcp {a} 80" for a in nobodys])
        assert {answers[f"tcp {a} 80"] for a in nobodys} == {"Connection refused"}  # by the gateway, at once
        probe(sandbox.guest, *targets(nobodys))
        assert not host.all()
        assert internet.all() | lan.all() == before


def test_grants_open_what_they_name(shared_lab, receivers, late):
    policy = NAT | {"allow": [f"lan {LAN_PEER6} tcp/80", f"lan {ROUTED_PEER6}", f"lan {LATE_LAN} udp/4242", "lan fd77::1 tcp/443",
                              f"forward tcp/9000 to [{LAN_PUBLIC6}]:80", f"forward tcp/9001 to {LAN_PEER}:80",
                              f"lan {LAN_HOST6}", f"lan {WAN_HOST6} tcp/80"]}
    internet, lan, host = receivers
    with running(shared_lab, "c", policy=policy) as a:
        answers = probe(a.guest, *targets(LAN + [LATE_LAN, LATE_ALIAS, "fd77::1", *METADATA, *HOST]), f"tcp {GATEWAY6} 9000",
                        f"tcp {GATEWAY6} 9001", f"tcp {GATEWAY6} 80", f"tcp {WEB6} 80")
        wanted = {f"tcp {LAN_PEER6} 80", f"tcp {ROUTED_PEER6} 80", f"icmp {ROUTED_PEER6} 0", f"tcp {GATEWAY6} 9000", f"tcp {WEB6} 80"}
        assert {t for t, answer in answers.items() if answer in ("open", "answered")} == wanted
        assert lan.all() == {(LAN_PEER6, "tcp"), (LAN_PUBLIC6, "tcp"), (ROUTED_PEER6, "tcp"), (ROUTED_PEER6, "udp"),
                             (ROUTED_PEER6, "icmp"), (LATE_LAN, "udp")}
        assert internet.all() == {("fd77::1", "tcp"), (WEB6, "tcp")}
        assert not host.all()


def test_no_egress_means_none(shared_lab, receivers):
    with running(shared_lab, "c", policy=NAT | {"egress": "none", "allow": [f"lan {LAN_PEER6} tcp/80"]}) as a:
        answers = probe(a.guest, *targets([*PUBLIC, LAN_PEER6, LAN_PUBLIC6]))
        assert [t for t, answer in answers.items() if answer in ("open", "answered")] == [f"tcp {LAN_PEER6} 80"]
        assert not receivers[0].all() and receivers[1].all() == {(LAN_PEER6, "tcp")}


def test_the_caps_count_both_families(shared_lab):
    script = f"""
import socket
for family, address in ((socket.AF_INET, "{WEB}"), (socket.AF_INET6, "{WEB6}")):
    for i in range(20):
        with socket.socket(family, socket.SOCK_DGRAM) as s:
            s.sendto(b"x", (address, 7000 + i))
"""
    with running(shared_lab, "c", policy=NAT | {"limits": {"connections": 25}}) as a:
        with Arrivals6(shared_lab.internet, 'iifname "wan" udp dport 7000-7100 counter') as six:
            with Arrivals(shared_lab.internet, 'iifname "wan" udp dport 7000-7100 counter') as four:
                a.guest.run("/usr/bin/python3", "-c", script)
                counts = [int(t.run("nft", "list", "table", t.FAMILY, "watch").stdout.split("counter packets ")[1].split()[0])
                          for t in (four, six)]
    assert counts[0] == 20 and 3 <= counts[1] <= 5, counts


# -- names -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("server", [GATEWAY6, "2001:4860:4860::8888", RESOLVER6, LAN_PEER6, LAN_HOST6])
def test_every_server_is_the_gateway(shared_lab, pair, server, transport):
    with Arrivals6(shared_lab.internet, 'iifname "wan"') as internet, Arrivals6(shared_lab.lan, 'iifname "lan"') as lan:
        assert ask(pair[0].guest, "web.test", server, transport=transport) == [WEB]
        assert not internet.all() and not lan.all()


def test_answers_of_denied_ranges_are_dropped(shared_lab, pair):
    assert ask(pair[0].guest, "web6.test", kind="AAAA") == [WEB6]
    for name, address in {"lan6.test": LAN_PEER6, "loop6.test": "::1", "mapped.test": "::ffff:127.0.0.1", "link.test": "fe80::1",
                          "public6.test": LAN_PUBLIC6, "host6.test": WAN_HOST6, "nat64.test": "64:ff9b::a9fe:a9fe"}.items():
        assert ask(shared_lab.internet, name, RESOLVER6, "AAAA") == [address], name
        assert ask(pair[0].guest, name, kind="AAAA") != [address], name


def test_resolvers_of_ipv6(shared_lab):
    """Named by the policy, or in the host's resolv.conf; nobody but dnsmasq gets there by it."""
    with running(shared_lab, "c", policy=NAT | {"dns": [RESOLVER6]}) as a:
        with Arrivals6(shared_lab.internet, 'iifname "wan" th dport 53') as seen:
            assert ask(a.guest, "web.test") == [WEB]
            assert seen.all() == {(RESOLVER6, "udp")}
    before = shared_lab.host.run("cat", "/etc/resolv.conf").stdout
    shared_lab.host.run("tee", "/etc/resolv.conf", input=f"nameserver {RESOLVER6}\n")
    try:
        with running(shared_lab, "c", policy=NAT) as a:
            assert ask(a.guest, "web.test") == [WEB]
        with pytest.raises(Failed, match="no resolver"), running(shared_lab, "c"):
            pass
    finally:
        shared_lab.host.run("tee", "/etc/resolv.conf", input=before)


# -- sizes -------------------------------------------------------------------------------------------

MTU = f"""
import socket, sys, time
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IPV6, 23, 2)  # IPV6_MTU_DISCOVER: never fragment
s.connect(("{WEB6}", 4242))
for _ in range(5):
    try:
        s.send(bytes(1400))
    except OSError:
        pass
    time.sleep(0.1)
print(s.getsockopt(socket.IPPROTO_IPV6, 24))  # IPV6_MTU
"""


def forget(sandbox):
    sandbox.guest.run("ip", "-6", "route", "flush", "cache")


def test_the_guest_learns_of_a_smaller_mtu_of_the_host(shared_lab, pair):
    guest = pair[0].guest
    assert guest.run("/usr/bin/python3", "-c", MTU).stdout == "1500\n"
    shared_lab.host.run("ip", "link", "set", "eth0", "mtu", "1300")
    try:
        assert guest.run("/usr/bin/python3", "-c", MTU).stdout == "1300\n"
    finally:
        shared_lab.host.run("ip", "link", "set", "eth0", "mtu", "1500")
        forget(pair[0])


# A router of the Internet whose next link is small: answers the first large packet.
SMALL_LINK = """
import socket, struct
with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x86DD)) as packets, \\
        socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as icmp:
    packets.bind(("wan", 0x86DD))
    print("ready", flush=True)
    while True:
        packet = packets.recv(65536)
        if packet[6] == 17 and len(packet) > 1280:
            icmp.sendto(struct.pack("!BBHI", 2, 0, 0, 1280) + packet[:1200], (socket.inet_ntop(socket.AF_INET6, packet[8:24]), 0))
"""


def test_the_guest_learns_of_a_small_link_on_the_way(shared_lab, pair):
    router = shared_lab.internet.spawn("/usr/bin/python3", "-c", SMALL_LINK, stdout=-1)
    try:
        assert router.stdout.readline() == b"ready\n"
        assert pair[0].guest.run("/usr/bin/python3", "-c", MTU).stdout == "1280\n"
    finally:
        router.kill()
        router.wait()
        router.stdout.close()
        forget(pair[0])


def test_large_transfers_work_over_a_small_link(shared_lab, pair):
    """TCP finds the size by the same errors."""
    shared_lab.host.run("ip", "link", "set", "eth0", "mtu", "1280")
    try:
        result = pair[0].guest.run("curl", "-sSm10", "-d", "@-", f"http://[{WEB6}]/", input="x" * 200_000, check=False)
        assert "Recv" not in result.stderr or "reset" in result.stderr, result.stderr
        with Arrivals6(shared_lab.internet, f'iifname "wan" ip6 daddr {WEB6} meta length > 1280') as seen:
            assert is_open(pair[0])
            assert not seen.all()
    finally:
        shared_lab.host.run("ip", "link", "set", "eth0", "mtu", "1500")
        forget(pair[0])
