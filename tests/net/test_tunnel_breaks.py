"""Whatever happens to a tunnel or around it, the guest is in it or silent: nothing is seen on any other link."""

import concurrent.futures

import pytest
from scapy.all import IP, UDP, Ether, ICMPv6EchoRequest, IPv6

from conftest import GATEWAY, GUEST, GUEST6, GUEST_MAC, probe, send_frames
from lab import LAN_HOST, LAN_PEER, LAN_ROUTER, WAN_HOST, WAN_ROUTER, WEB, WEB6
from test_services import ask
from tunneled import send, source, tunneled, verify
from wireguard import KERNEL, Leaks, eventually, keys

GATEWAY_MAC, OTHER_MAC, ALL = "52:54:00:6d:67:01", "52:54:00:6d:67:99", "ff:ff:ff:ff:ff:ff"

# What a guest sends that wants out: to the Internet, to whoever resolves names, to the tunnel's own end, to the LAN.
TARGETS = [f"tcp {WEB} 80", f"udp {WEB} 4242", f"icmp {WEB} 0", "tcp 1.1.1.1 853", "udp 8.8.8.8 443", "udp 9.9.9.9 5353",
           f"udp {WAN_ROUTER} 51821", f"tcp {WAN_ROUTER} 80", f"icmp {WAN_ROUTER} 0", f"udp {LAN_PEER} 53",
           f"tcp {LAN_PEER} 80", f"tcp {WEB6} 80", f"udp {WEB6} 53", f"icmp {WEB6} 0", "udp 2620:fe::9 443", "132 9.9.9.9 0"]


def sneaky(name):
    """Frames past the gateway's address: other gateways, sources, MACs, and pieces."""
    packet = IP(src=GUEST, dst=WEB) / UDP(sport=9, dport=9) / b"frame"
    piece = bytes(UDP(sport=9, dport=9, len=72) / (b"x" * 64))
    sent = {"src": GUEST_MAC, "dst": GATEWAY_MAC}
    return {
        "plain": [Ether(**sent) / packet],
        "gateways": [Ether(src=GUEST_MAC, dst=mac) / packet for mac in (OTHER_MAC, ALL, "02:6d:c6:12:00:01", "02:6d:c6:12:00:09")],
        "sources": [Ether(**sent) / IP(src=a, dst=WEB) / UDP(sport=9, dport=9) / b"spoof"
                    for a in ("10.8.1.2", "10.8.1.1", "198.18.0.2", "198.18.0.12", WAN_HOST, LAN_HOST, "8.8.8.8", "0.0.0.0")] +
                   [Ether(**sent) / IPv6(src=a, dst=WEB6) / UDP(sport=9, dport=9)
                    for a in ("fd08:1::2", "fd6d:6967:7261::c612:c", "2a01:4f8:5::2", "fe80::2")],
        "MACs": [Ether(src=mac, dst=GATEWAY_MAC) / packet for mac in (OTHER_MAC, GATEWAY_MAC)],
        "pieces": [Ether(**sent) / IP(src=GUEST, dst=WEB, id=7, proto=17, flags="MF") / piece[:40],
                   Ether(**sent) / IP(src=GUEST, dst=WEB, id=7, proto=17, frag=5) / piece[40:],
                   Ether(**sent) / IP(src=GUEST, dst=WEB, id=8, proto=17, frag=5) / piece[40:],
                   Ether(**sent) / IPv6(src=GUEST6, dst=WEB6, nh=44) / bytes.fromhex("3a000001 00000001") / ICMPv6EchoRequest()],
        "hops": [Ether(**sent) / IP(src=GUEST, dst=WEB, ttl=1) / UDP(sport=9, dport=9)],
    }[name]


def attack(sandbox):
    """Everything at once; says whether anything was answered from beyond."""
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        names = [pool.submit(ask, sandbox.guest, "inside.test", server, transport=transport)
                 for server, transport in ((GATEWAY, "udp"), ("1.1.1.1", "udp"), ("9.9.9.9", "tcp"))]
        answers = probe(sandbox.guest, *TARGETS)
        found = [name.exception() or name.result() for name in names]
    beyond = [answers[f"tcp {WEB} 80"] == "open", answers[f"icmp {WEB} 0"] == "answered", answers[f"tcp {WEB6} 80"] == "open"]
    return sum(beyond) + sum(name == ["9.9.1.9"] for name in found)


@pytest.fixture(scope="module")
def sandbox(shared_lab, peer):
    with tunneled(shared_lab, peer, policy={"ipv6": "nat"}) as sandbox:
        yield sandbox


def down(lab, peer, sandbox):
    sandbox.inside("ip", "link", "set", sandbox.link, "down")


def down_and_up(lab, peer, sandbox):
    sandbox.inside("sh", "-c", f"ip link set {sandbox.link} down; ip link set {sandbox.link} up")


def deleted(lab, peer, sandbox):
    sandbox.inside("ip", "link", "del", sandbox.link)


def routes_deleted(lab, peer, sandbox):
    sandbox.inside("sh", "-c", "ip route del default; ip -6 route del default")


def rules_flushed(lab, peer, sandbox):
    sandbox.inside("nft", "flush", "ruleset")


def program_killed(lab, peer, sandbox):
    pid = lab.host.run("pgrep", "-f", f"^migrant-a -f {sandbox.link}$").stdout.strip()
    lab.host.run("kill", "-9", pid)
    eventually(lambda: "gone: link " + sandbox.link in "\n".join(verify(lab)))


BROKEN = {f.__name__: f for f in (down, down_and_up, deleted, routes_deleted, rules_flushed)}
if not KERNEL:
    BROKEN["program_killed"] = program_killed


@pytest.mark.parametrize("name", BROKEN)
def test_broken(shared_lab, peer, sandbox, name):
    """Silent until somebody repairs it, and then in the tunnel again."""
    lab = shared_lab
    assert source(sandbox, WEB) == peer.client()[0]
    with Leaks(lab) as leaks:
        BROKEN[name](lab, peer, sandbox)
        answers = attack(sandbox)
        assert answers == 0 or name == "rules_flushed"  # dnsmasq may still ask, through the tunnel
        assert verify(lab)
        if name in ("deleted", "program_killed"):
            assert sandbox.wg(check=False).returncode
            sandbox.hook("reconnect")  # libvirt's daemon starts again
        else:
            assert sandbox.hook("reconnect", check=False).returncode  # libvirt ends the guest
            sandbox.apply({"ipv6": "nat"})
        eventually(lambda: source(sandbox, WEB) == peer.client()[0])
        eventually(lambda: attack(sandbox) == 6)
        assert (verify(lab), leaks.all()) == ([], "")


def host_rules_flushed(lab, peer, sandbox):
    lab.host.run("nft", "flush", "ruleset")
    return lambda: sandbox.hook("reconnect")


def libvirtd_killed(lab, peer, sandbox):
    sandbox.hook("reconnect")
    return lambda: None


def uplink_changed(lab, peer, sandbox):
    """The host is somewhere else: with another address of the same network."""
    move = "ip addr del 5.9.1.{1}/24 dev eth0; ip addr add 5.9.1.{0}/24 dev eth0; ip route replace default via 5.9.1.1"
    lab.host.sh(move.format(3, 2))
    eventually(lambda: source(sandbox, WEB) == peer.client()[0])  # wireguard-go tries its old address for 15 s

    def back():
        lab.host.sh(move.format(2, 3))
        deleted(lab, peer, sandbox)
        sandbox.hook("reconnect")
    return back


def endpoint_roams(lab, peer, sandbox):
    """The peer is somewhere else, and says so."""
    port = sandbox.wg()["listen_port"]
    lab.internet.sh(f"""
        ip addr add 5.9.1.77/24 dev wan; ip route change 5.9.1.0/24 dev wan src 5.9.1.77
        wg set {peer.link} peer {peer.clients[0][1]} endpoint {WAN_HOST}:{port}
        """)
    send(lab.internet, peer.client()[0], 9)
    eventually(lambda: sandbox.wg()["peers"][0]["endpoint"] == f"5.9.1.77:{peer.port}")

    def back():
        lab.internet.sh(f"""
            ip route change 5.9.1.0/24 dev wan src {WAN_ROUTER}; ip addr del 5.9.1.77/24 dev wan
            wg set {peer.link} peer {peer.clients[0][1]} endpoint {WAN_HOST}:{port}
            """)
        send(lab.internet, peer.client()[0], 9)
        eventually(lambda: sandbox.wg()["peers"][0]["endpoint"] == f"{WAN_ROUTER}:{peer.port}")
    return back


DISTURBED = {f.__name__: f for f in (host_rules_flushed, libvirtd_killed, uplink_changed, endpoint_roams)}


@pytest.mark.parametrize("name", DISTURBED)
def test_disturbed(shared_lab, peer, sandbox, name):
    """In the tunnel all the while."""
    lab = shared_lab
    with Leaks(lab) as leaks:
        restore = DISTURBED[name](lab, peer, sandbox)
        try:
            eventually(lambda: source(sandbox, WEB) == peer.client()[0])
            eventually(lambda: attack(sandbox) == 6)
        finally:
            restore()
        eventually(lambda: source(sandbox, WEB) == peer.client()[0])
        assert (verify(lab), leaks.all()) == ([], "")


def test_no_way_to_the_peer(shared_lab, peer, sandbox):
    """The host's default route leads to a network that does not know the peer."""
    lab = shared_lab
    with Leaks(lab) as leaks:
        lab.host.sh(f"ip link set eth0 down; ip route add default via {LAN_ROUTER} dev eth1")
        try:
            assert attack(sandbox) == 0
        finally:
            lab.host.sh(f"""
                ip route del default; ip link set eth0 up; ip route add default via {WAN_ROUTER}
                for a in 2001:db8:5::2 2a01:4f8:5::2; do ip -6 addr replace $a/64 dev eth0 nodad; done
                ip -6 route replace default via 2a01:4f8:5::1
                """)
        eventually(lambda: source(sandbox, WEB) == peer.client()[0])
        assert leaks.all() == ""


@pytest.mark.parametrize("name", ["gateways", "sources", "MACs", "pieces", "hops"])
def test_a_guest_that_tries_other_ways(shared_lab, peer, sandbox, name):
    with Leaks(shared_lab) as leaks, peer.seen() as seen:
        send_frames(sandbox.guest, *sneaky("plain"))
        eventually(lambda: seen() == {(WEB, 9)})  # what it shows where it works
    with Leaks(shared_lab) as leaks, peer.seen() as seen:
        send_frames(sandbox.guest, *sneaky(name))
        if name == "pieces":
            eventually(lambda: (WEB, 9) in seen())  # the whole one, in pieces again
            assert {address for address, _ in seen()} == {WEB}
        else:
            assert seen() == set()
        assert leaks.all() == ""


def test_a_peer_that_does_not_answer(shared_lab, peer, sandbox):
    """It is silent, then it knows us by another key."""
    lab = shared_lab
    with Leaks(lab) as leaks:
        lab.internet.run("nft", "-f", "-", input=f"""
            table inet silent {{ chain c {{ type filter hook input priority 0; udp dport {peer.port} drop; }}; }}""")
        assert attack(sandbox) == 0
        lab.internet.run("nft", "delete", "table", "inet", "silent")
        peer.configure([keys()[1], peer.clients[1][1]])
        assert attack(sandbox) == 0
        peer.configure()
        sandbox.inside("ip", "link", "del", sandbox.link)
        sandbox.hook("reconnect")
        eventually(lambda: source(sandbox, WEB) == peer.client()[0])
        assert leaks.all() == ""
