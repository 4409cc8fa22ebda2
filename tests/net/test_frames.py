"""What a guest may put on its wire: an allow-list, counted behind the rules of the wire."""

import pytest
from scapy.all import ARP, BOOTP, DHCP, IP, IPv6, LLC, SNAP, STP, TCP, UDP, Dot1AD, Dot1Q, Dot3, Ether, ICMPv6ND_RA, \
    ICMPv6NDOptRDNSS, IPOption_LSRR, IPOption_RR, IPOption_Router_Alert, Raw

from conftest import GATEWAY, GUEST, GUEST_MAC, send_frames
from lab import LAN_PEER, WEB, differences
from watch import Arrivals, Frames

GATEWAY_MAC, OTHER_MAC, ALL = "52:54:00:6d:67:01", "52:54:00:6d:67:99", "ff:ff:ff:ff:ff:ff"
FROM = {"src": GUEST_MAC, "dst": GATEWAY_MAC}
PACKET = IP(src=GUEST, dst=WEB) / UDP(sport=9, dport=9) / b"frame"
DISCOVER = UDP(sport=68, dport=67) / BOOTP(chaddr=bytes.fromhex(GUEST_MAC.replace(":", ""))) / \
    DHCP(options=[("message-type", "discover"), "end"])
WHO_HAS = ARP(op=1, hwsrc=GUEST_MAC, psrc=GUEST, pdst=GATEWAY)
ADVERTISEMENT = ICMPv6ND_RA() / ICMPv6NDOptRDNSS(dns=["2001:db8::53"])

PASS = {
    "IPv4": Ether(**FROM) / PACKET,
    "DHCP from nowhere": Ether(src=GUEST_MAC, dst=ALL) / IP(src="0.0.0.0", dst="255.255.255.255") / DISCOVER,
    "ARP for the gateway": Ether(src=GUEST_MAC, dst=ALL) / WHO_HAS,
}
DROP = {
    "VLAN 0": Ether(**FROM) / Dot1Q(vlan=0) / PACKET,
    "VLAN 5": Ether(**FROM) / Dot1Q(vlan=5) / PACKET,
    "QinQ": Ether(**FROM) / Dot1AD(vlan=0) / Dot1Q(vlan=0) / PACKET,
    "two VLAN 0": Ether(**FROM) / Dot1Q(vlan=0) / Dot1Q(vlan=0) / PACKET,
    "VLAN 0 with ARP": Ether(src=GUEST_MAC, dst=ALL) / Dot1Q(vlan=0) / WHO_HAS,
    "SNAP": Dot3(**FROM) / LLC(dsap=0xAA, ssap=0xAA, ctrl=3) / SNAP(code=0x0800) / PACKET,
    "VLAN 0 and SNAP": Ether(type=0x8100, **FROM) / bytes.fromhex("0000") / b"\0\x2c" / LLC(dsap=0xAA, ssap=0xAA, ctrl=3)
                       / SNAP(code=0x0800) / PACKET,
    "STP": Dot3(src=GUEST_MAC, dst="01:80:c2:00:00:00") / LLC() / STP(),
    "LLDP": Ether(src=GUEST_MAC, dst="01:80:c2:00:00:0e", type=0x88CC) / Raw(b"\x02\x07\x04" + b"\0" * 40),
    "PPPoE": Ether(type=0x8863, **FROM) / Raw(b"\x11\x09\0\0\0\0"),
    "an experimental type": Ether(type=0x88B5, **FROM) / Raw(b"x" * 46),
    "IPv6": Ether(type=0x86DD, **FROM) / IPv6(src="fe80::1", dst="ff02::1") / UDP(dport=547),
    "a router advertisement": Ether(src=GUEST_MAC, dst="33:33:00:00:00:01") / IPv6(src="fe80::1", dst="ff02::1")
                              / ADVERTISEMENT,
    "another MAC": Ether(src=OTHER_MAC, dst=GATEWAY_MAC) / PACKET,
    "the gateway's MAC": Ether(src=GATEWAY_MAC, dst=GATEWAY_MAC) / PACKET,
    "broadcast IPv4": Ether(src=GUEST_MAC, dst=ALL) / PACKET,
    "multicast": Ether(src=GUEST_MAC, dst="01:00:5e:00:00:fb") / IP(src=GUEST, dst="224.0.0.251") / UDP(dport=5353),
    "a record of the way": Ether(**FROM) / IP(src=GUEST, dst=WEB, options=IPOption_RR(routers=["0.0.0.0"] * 3)) / UDP(dport=9),
    "a source route": Ether(**FROM) / IP(src=GUEST, dst=WEB, options=IPOption_LSRR(routers=[LAN_PEER])) / UDP(dport=9),
    "router alert": Ether(**FROM) / IP(src=GUEST, dst=WEB, options=IPOption_Router_Alert()) / UDP(dport=9),
    "DHCP as a server": Ether(src=GUEST_MAC, dst=ALL) / IP(src="0.0.0.0", dst="255.255.255.255") / UDP(sport=67, dport=68),
    "something else from nowhere": Ether(**FROM) / IP(src="0.0.0.0", dst=WEB) / UDP(sport=9, dport=9),
    "gratuitous ARP for the gateway": Ether(src=GUEST_MAC, dst=ALL)
                                      / ARP(op=2, hwsrc=GUEST_MAC, psrc=GATEWAY, hwdst=ALL, pdst=GATEWAY),
    "ARP with another MAC": Ether(src=GUEST_MAC, dst=ALL) / ARP(op=1, hwsrc=OTHER_MAC, psrc=GUEST, pdst=GATEWAY),
    "ARP for another address": Ether(src=GUEST_MAC, dst=ALL) / ARP(op=1, hwsrc=GUEST_MAC, psrc=GUEST, pdst="10.213.0.3"),
    "RARP": Ether(src=GUEST_MAC, dst=ALL, type=0x8035) / ARP(op=3, hwsrc=GUEST_MAC, hwdst=GUEST_MAC),
    **{f"source {source}": Ether(**FROM) / IP(src=source, dst=WEB) / UDP(sport=9, dport=9) / b"spoof"
       for source in ("10.213.0.3", GATEWAY, LAN_PEER, "198.18.0.1", "198.18.0.11", "198.18.0.26", "8.8.8.8",
                      "127.0.0.1", "224.0.0.1", "255.255.255.255")},
}


@pytest.fixture(scope="module")
def a(pair):
    return pair[0]


@pytest.fixture
def quiet(a):
    """Neither end asks for the other's address by itself; dnsmasq had made the gateway's entry a passing one."""
    a.guest.run("ip", "neigh", "replace", GATEWAY, "lladdr", GATEWAY_MAC, "dev", "eth0", "nud", "permanent")
    a.inside("ip", "neigh", "replace", GUEST, "lladdr", GUEST_MAC, "dev", a.tap, "nud", "permanent")


@pytest.mark.parametrize("name", PASS)
def test_passes(a, name):
    with Frames(a) as frames:
        frames.take()
        send_frames(a.guest, PASS[name])
        assert frames.take() >= 1


def test_the_control_arrives(shared_lab, a):
    with Arrivals(shared_lab.internet, 'iifname "wan" udp dport 9') as seen:
        send_frames(a.guest, PASS["IPv4"])
        assert seen.to(WEB) == {"udp"}


@pytest.mark.parametrize("name", DROP)
def test_is_dropped(shared_lab, a, quiet, name):
    with Arrivals(shared_lab.internet, 'iifname "wan" udp dport 9') as seen, Frames(a) as frames:
        frames.take()
        send_frames(a.guest, DROP[name])
        assert frames.take() == 0
        assert not seen.all()


def test_a_flood_of_broadcasts_is_bounded(a):
    with Frames(a) as frames:
        frames.take()
        send_frames(a.guest, *[PASS["ARP for the gateway"]] * 500)
        assert frames.take() < 60


def test_fragments_do_not_hide_a_destination_port(shared_lab, a):
    """The first fragment carries no whole UDP header: it is judged when it is put together."""
    packet = IP(src=GUEST, dst=LAN_PEER, id=77) / UDP(sport=9, dport=9) / (b"x" * 64)
    raw = bytes(packet)[20:]
    pieces = [Ether(**FROM) / IP(src=GUEST, dst=LAN_PEER, id=77, proto=17, flags="MF") / raw[:8],
              Ether(**FROM) / IP(src=GUEST, dst=LAN_PEER, id=77, proto=17, frag=1) / raw[8:]]
    with Arrivals(shared_lab.lan, 'iifname "lan"') as lan:
        send_frames(a.guest, *pieces)
        assert not lan.all()


def test_redirects_and_advertisements_change_nothing_on_the_host(shared_lab, a):
    before = shared_lab.snapshot()
    redirect = IP(src=GATEWAY, dst=GUEST) / TCP()
    send_frames(a.guest, DROP["a router advertisement"], Ether(**FROM) / IP(src=GUEST, dst="198.18.0.9") / bytes.fromhex(
        "0501" "0000" "0a630001") / bytes(redirect))
    after = shared_lab.snapshot()
    assert differences({k: before[k] for k in ("routes", "ip rules", "addresses")}, after) == ""
