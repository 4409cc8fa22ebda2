"""DHCP and DNS: what dnsmasq says, whom it asks, and that nobody else can ask these."""

import time

import pytest
from scapy.all import BOOTP, DHCP, DNS, DNSQR, IP, UDP, Ether

from conftest import GATEWAY, GUEST, GUEST_MAC, HELPER, HERE, running
from keeping import wait_for
from lab import LAN_HOST, LAN_PEER, RESOLVER, WEB, stop
from watch import Arrivals


def exchange(machine, *arguments):
    output = machine.run("/usr/bin/python3", HERE / "exchange.py", *arguments).stdout
    return [bytes.fromhex(line) for line in output.split()]


def ask(machine, name, server=GATEWAY, kind="A", transport="udp"):
    """The addresses of @name, or the response code as text."""
    query = bytes(DNS(id=7, rd=1, qd=DNSQR(qname=name, qtype=kind)))
    answers = exchange(machine, transport, server, 53, query.hex())
    if not answers:
        return "timeout"
    reply = DNS(answers[0])
    found = [reply.an[i].rdata for i in range(reply.ancount)]
    return found or {0: "empty", 2: "SERVFAIL", 3: "NXDOMAIN", 5: "REFUSED"}[reply.rcode]


def discover(machine, client):
    """The DHCP messages that come back for a client id, as (type, address, options)."""
    options = [("message-type", "discover"), ("client_id", client), ("hostname", "\x1b]0;evil\x07"), "end"]
    message = Ether(src=GUEST_MAC, dst="ff:ff:ff:ff:ff:ff") / IP(src="0.0.0.0", dst="255.255.255.255") / \
        UDP(sport=68, dport=67) / BOOTP(chaddr=bytes.fromhex(GUEST_MAC.replace(":", "")), xid=9) / DHCP(options=options)
    frames = [Ether(f) for f in exchange(machine, "frame", "eth0", bytes(message).hex(), "1")]
    return [(dict(o for o in f[DHCP].options if isinstance(o, tuple)), f[BOOTP].yiaddr) for f in frames
            if DHCP in f and UDP in f and f[UDP].sport == 67]


@pytest.fixture(scope="module")
def a(pair):
    return pair[0]


def test_one_lease_whatever_the_client_calls_itself(a):
    for client in (b"\x01one", b"\x02another", b"\xff" + b"z" * 30):
        offers = discover(a.guest, client)
        assert [(o["message-type"], address) for o, address in offers] == [(2, GUEST)]
        assert offers[0][0]["router"] == GATEWAY and offers[0][0]["name_server"] == GATEWAY


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("server", [GATEWAY, "8.8.8.8", RESOLVER, LAN_PEER, LAN_HOST])
def test_every_server_is_the_gateway(shared_lab, a, server, transport):
    with Arrivals(shared_lab.internet, 'iifname "wan" th dport 53') as internet, \
            Arrivals(shared_lab.lan, 'iifname "lan"') as lan:
        assert ask(a.guest, "web.test", server, transport=transport) == [WEB]
        assert {address for address, _ in internet.all()} <= {RESOLVER}
        assert not lan.all()


def test_private_answers_are_stripped(a):
    for name in ("private.test", "loop.test", "meta.test"):
        assert ask(a.guest, name) not in ([LAN_PEER], ["127.0.0.1"], ["169.254.169.254"]), name


def test_names_of_the_host_stay_there(shared_lab, a):
    shared_lab.host.sh("echo 192.168.1.10 secret-host >>/etc/hosts")
    for name in ("secret-host", "lab-host", "localhost"):
        assert ask(a.guest, name) not in ([LAN_HOST], ["127.0.0.1"]), name


def test_no_ipv6_answers(shared_lab, a):
    assert ask(shared_lab.internet, "six.test", RESOLVER, "AAAA") == ["2001:db8:5::7"]
    assert ask(a.guest, "six.test", kind="AAAA") == "empty"


def test_questions_are_rationed(shared_lab, a):
    query = bytes(DNS(id=7, rd=1, qd=DNSQR(qname="x.flood.test"))).hex()
    script = ("import socket,sys\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\nm=bytes.fromhex(sys.argv[1])\n"
              "for i in range(2000): s.sendto(m,('8.8.8.8',53))")
    a.inside("nft", "-f", "-", input="""table ip count { counter c { }
        chain i { type filter hook input priority 300; udp dport 53 counter name c; }; }""")
    begin = time.monotonic()
    try:
        a.guest.run("/usr/bin/python3", "-c", script, query)
        counted = a.inside("nft", "list", "counter", "ip", "count", "c").stdout
    finally:
        a.inside("nft", "delete", "table", "ip", "count")
    assert 0 < int(counted.split("packets ")[1].split()[0]) < 100 + 50 * (time.monotonic() - begin + 1)
    wait_for(lambda: ask(a.guest, "web.test") == [WEB])


@pytest.fixture
def resolv_conf(shared_lab):
    """Writes the host's /etc/resolv.conf; it is put back afterwards."""
    before = shared_lab.host.run("cat", "/etc/resolv.conf").stdout
    yield lambda text: shared_lab.host.run("tee", "/etc/resolv.conf", input=text)
    shared_lab.host.run("tee", "/etc/resolv.conf", input=before)


def test_a_private_resolver_is_asked_by_dnsmasq_alone(shared_lab, resolv_conf):
    server = shared_lab.serve_dns({"lan.test": "93.184.216.77"}, shared_lab.lan, LAN_PEER)
    resolv_conf(f"nameserver {LAN_PEER}\n")
    try:
        with running(shared_lab, "lan") as sandbox, Arrivals(shared_lab.lan, 'iifname "lan"') as lan:
            assert ask(sandbox.guest, "lan.test") == ["93.184.216.77"]
            assert lan.all() == {(LAN_PEER, "udp")}
            sandbox.guest.run("ip", "addr", "add", "198.18.0.11/32", "dev", "lo")
            sandbox.guest.run("curl", "-m1", "--interface", "198.18.0.11", f"http://{LAN_PEER}:53/", check=False)
            assert lan.all() == {(LAN_PEER, "udp")}
    finally:
        stop(server)


def test_a_resolver_on_the_host_is_asked_by_dnsmasq_alone(shared_lab, resolv_conf):
    server = shared_lab.serve_dns({"host.test": "93.184.216.78"}, shared_lab.host, LAN_HOST)
    resolv_conf(f"nameserver {LAN_HOST}\n")
    try:
        with running(shared_lab, "local") as sandbox:
            assert ask(sandbox.guest, "host.test") == ["93.184.216.78"]
            with Arrivals(shared_lab.host, 'iifname "mg*" tcp dport 80', "input") as host:
                sandbox.guest.run("curl", "-m1", f"http://{LAN_HOST}/", check=False)
                assert not host.all()
    finally:
        stop(server)


def test_a_change_of_the_hosts_resolver_is_followed(shared_lab, resolv_conf):
    server = shared_lab.serve_dns({"moved.test": "93.184.216.79"}, shared_lab.internet, "1.1.1.1")
    try:
        with running(shared_lab, "moved") as sandbox:
            assert ask(sandbox.guest, "moved.test") != ["93.184.216.79"]
            resolv_conf("nameserver 1.1.1.1\n")
            until = time.monotonic() + 120
            while ask(sandbox.guest, f"x{time.monotonic_ns()}.moved.test") != ["93.184.216.79"]:
                assert time.monotonic() < until
                time.sleep(0.2)
    finally:
        stop(server)


def follows(sandbox, address, seconds=30):
    """dnsmasq asks the resolver that answers so."""
    until = time.monotonic() + seconds
    while ask(sandbox.guest, f"x{time.monotonic_ns()}.moved.test") != [address]:
        if time.monotonic() > until:
            return False
        time.sleep(0.2)
    return True


def test_whatever_becomes_of_the_hosts_resolver(shared_lab, resolv_conf):
    """Replaced by another file, emptied, a stub of the host's: it is followed, and nobody else is asked. A stub cannot be:
    then a repair looks for what is behind it."""
    host = shared_lab.host
    servers = [shared_lab.serve_dns({"moved.test": f"93.184.216.{n}"}, shared_lab.internet, address)
               for n, address in ((81, "1.1.1.1"), (82, "8.8.8.8"))]
    stub = shared_lab.serve_dns({"moved.test": "93.184.216.83"}, host, "127.0.0.53")
    try:
        with running(shared_lab, "moved") as sandbox:
            host.sh("echo nameserver 1.1.1.1 >/etc/resolv.new; mv /etc/resolv.new /etc/resolv.conf")
            assert follows(sandbox, "93.184.216.81")
            resolv_conf("")
            ask(sandbox.guest, "x1.moved.test")
            with Arrivals(host, 'iifname "mg*" ct direction original', "input") as seen:
                resolv_conf("nameserver 127.0.0.53\n")
                assert not follows(sandbox, "93.184.216.83", 3)
                assert not seen.all()
            host.sh("mkdir -p /run/systemd/resolve; echo nameserver 8.8.8.8 >/run/systemd/resolve/resolv.conf")
            sandbox.apply({})
            assert follows(sandbox, "93.184.216.82")
            assert host.run(HELPER, "verify", "moved").stdout == "[]\n"
            host.sh("echo nameserver 1.1.1.1 >/run/systemd/resolve/new; mv /run/systemd/resolve/new /run/systemd/resolve/resolv.conf")
            assert follows(sandbox, "93.184.216.81")
    finally:
        host.sh("rm -rf /run/systemd/resolve")
        for server in (*servers, stub):
            stop(server)


def test_a_stub_resolver_is_passed_over(shared_lab, resolv_conf):
    resolv_conf("nameserver 127.0.0.53\n")
    shared_lab.host.sh(f"mkdir -p /run/systemd/resolve; echo nameserver {RESOLVER} >/run/systemd/resolve/resolv.conf")
    try:
        with running(shared_lab, "stub") as sandbox:
            assert ask(sandbox.guest, "web.test") == [WEB]
    finally:
        shared_lab.host.run("rm", "-r", "/run/systemd/resolve")


def test_resolvers_of_the_migrantfile(shared_lab, resolv_conf):
    resolv_conf("nameserver 127.0.0.53\n")
    with running(shared_lab, "named", dns=[RESOLVER]) as sandbox:
        assert ask(sandbox.guest, "web.test") == [WEB]
