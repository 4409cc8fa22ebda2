"""What a guest may put on its wire in IPv6: with `ipv6: nat` an allow-list, with `off` nothing."""

import pytest
from scapy.all import ICMPv6DestUnreach, ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6MLReport, ICMPv6MLReport2, ICMPv6ND_NA, \
    ICMPv6ND_NS, ICMPv6ND_RA, ICMPv6ND_Redirect, ICMPv6ND_RS, ICMPv6NDOptDstLLAddr, ICMPv6NDOptPrefixInfo, ICMPv6NDOptRDNSS, \
    ICMPv6NDOptSrcLLAddr, ICMPv6PacketTooBig, IPv6, TCP, UDP, DHCP6_Advertise, DHCP6_Solicit, Dot1AD, Dot1Q, Ether, IPv6ExtHdrDestOpt, \
    IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, RouterAlert

from conftest import GATEWAY6, GUEST6, GUEST_MAC, LINK6, running, send_frames
from lab import LAN_PEER6, WEB6, differences
from test_frames import FROM, GATEWAY_MAC, OTHER_MAC
from watch import Arrivals6, Frames

OWN_LINK = "fe80::5054:ff:fe6d:6702"
SOLICITED, SOLICITED_MAC = "ff02::1:ff00:1", "33:33:ff:00:00:01"
TO = IPv6(src=GUEST6, dst=WEB6)
PACKET = TO / UDP(sport=9, dport=9) / b"frame"


def multicast(dst, src=OWN_LINK, mac=None, **fields):
    last = bytes.fromhex(dst.replace("::", ":").split(":")[-1].zfill(4))
    return Ether(src=GUEST_MAC, dst=mac or f"33:33:00:00:{last[0]:02x}:{last[1]:02x}") / IPv6(src=src, dst=dst, hlim=255, **fields)


def solicitation(src=OWN_LINK, dst=SOLICITED, target=GATEWAY6, mac=SOLICITED_MAC, hlim=255):
    return Ether(src=GUEST_MAC, dst=mac) / IPv6(src=src, dst=dst, hlim=hlim) / ICMPv6ND_NS(tgt=target) / \
        ICMPv6NDOptSrcLLAddr(lladdr=GUEST_MAC)


PASS = {
    "UDP": Ether(**FROM) / PACKET,
    "TCP": Ether(**FROM) / TO / TCP(dport=80, flags="S"),
    "a ping": Ether(**FROM) / TO / ICMPv6EchoRequest(),
    "an error": Ether(**FROM) / TO / ICMPv6DestUnreach(code=4) / PACKET,
    "who is the gateway": solicitation(),
    "who is the gateway, from its address": solicitation(src=GUEST6),
    "is the gateway still there": solicitation(src=GUEST6, dst=GATEWAY6, mac=GATEWAY_MAC),
}
DROP = {
    "VLAN 0": Ether(**FROM) / Dot1Q(vlan=0) / PACKET,
    "VLAN 5": Ether(**FROM) / Dot1Q(vlan=5) / PACKET,
    "QinQ": Ether(**FROM) / Dot1AD(vlan=0) / Dot1Q(vlan=0) / PACKET,
    "another MAC": Ether(src=OTHER_MAC, dst=GATEWAY_MAC) / PACKET,
    "to another MAC": Ether(src=GUEST_MAC, dst=OTHER_MAC) / PACKET,
    "broadcast": Ether(src=GUEST_MAC, dst="ff:ff:ff:ff:ff:ff") / PACKET,
    "to a multicast MAC": Ether(src=GUEST_MAC, dst="33:33:00:00:00:01") / PACKET,
    "IPv4 as IPv6": Ether(type=0x86DD, **FROM) / b"\x45" / bytes(40),
    "hop-by-hop options": Ether(**FROM) / TO / IPv6ExtHdrHopByHop(options=RouterAlert()) / UDP(dport=9),
    "destination options": Ether(**FROM) / TO / IPv6ExtHdrDestOpt() / UDP(dport=9),
    "a routing header": Ether(**FROM) / TO / IPv6ExtHdrRouting(type=0, addresses=[LAN_PEER6]) / UDP(dport=9),
    "segment routing": Ether(**FROM) / TO / IPv6ExtHdrRouting(type=4, addresses=[LAN_PEER6]) / UDP(dport=9),
    "an atomic fragment": Ether(**FROM) / TO / IPv6ExtHdrFragment(id=7) / UDP(dport=9),
    "a first fragment": Ether(**FROM) / TO / IPv6ExtHdrFragment(id=7, m=1) / UDP(dport=9) / bytes(1200),
    "no next header": Ether(**FROM) / IPv6(src=GUEST6, dst=WEB6, nh=59),
    "an IPv6 tunnel": Ether(**FROM) / TO / IPv6(src=GUEST6, dst=LAN_PEER6) / UDP(dport=9),
    "an IPv4 tunnel": Ether(**FROM) / IPv6(src=GUEST6, dst=WEB6, nh=4) / bytes(20),
    "ESP": Ether(**FROM) / IPv6(src=GUEST6, dst=WEB6, nh=50) / bytes(20),
    "SCTP": Ether(**FROM) / IPv6(src=GUEST6, dst=WEB6, nh=132) / bytes(20),
    "a router advertisement": multicast("ff02::1") / ICMPv6ND_RA() / ICMPv6NDOptPrefixInfo(prefix="2001:db8:9::") /
                              ICMPv6NDOptRDNSS(dns=["2001:db8::53"]),
    "an advertisement by the gateway": multicast("ff02::1", src=LINK6) / ICMPv6ND_RA(),
    "an advertisement to the gateway alone": Ether(**FROM) / IPv6(src=OWN_LINK, dst=LINK6, hlim=255) / ICMPv6ND_RA(),
    "an advertisement from its address": Ether(**FROM) / IPv6(src=GUEST6, dst=GATEWAY6, hlim=255) / ICMPv6ND_RA(),
    "a router solicitation": multicast("ff02::2") / ICMPv6ND_RS(),
    "a redirect": Ether(**FROM) / IPv6(src=OWN_LINK, dst=LINK6, hlim=255) / ICMPv6ND_Redirect(tgt=OWN_LINK, dst=WEB6),
    "a redirect from its address": Ether(**FROM) / IPv6(src=GUEST6, dst=GATEWAY6, hlim=255) / ICMPv6ND_Redirect(tgt=GUEST6, dst=WEB6),
    "a claim to be the gateway": multicast("ff02::1", src=GATEWAY6) / ICMPv6ND_NA(tgt=GATEWAY6, O=1) / ICMPv6NDOptDstLLAddr(lladdr=GUEST_MAC),
    "a claim to be the gateway, to it": Ether(**FROM) / IPv6(src=GUEST6, dst=GATEWAY6, hlim=255) / ICMPv6ND_NA(tgt=GATEWAY6, O=1),
    "an unasked advertisement of itself": multicast("ff02::1") / ICMPv6ND_NA(tgt=GUEST6, O=1) / ICMPv6NDOptDstLLAddr(lladdr=OTHER_MAC),
    "a solicitation from afar": solicitation(hlim=64),
    "a solicitation as the gateway": solicitation(src=LINK6),
    "a solicitation of another's": solicitation(src="fd6d:6967:7261:ffff::3"),
    "a search for duplicates": solicitation(src="::"),
    "a solicitation of another node": solicitation(dst="ff02::1:ff00:9", mac="33:33:ff:00:00:09"),
    "a solicitation of another node, by the gateway's MAC": solicitation(dst="ff02::1:ff00:9", mac=GATEWAY_MAC),
    "a solicitation to all": solicitation(dst="ff02::1", mac="33:33:00:00:00:01"),
    "a solicitation by broadcast": solicitation(mac="ff:ff:ff:ff:ff:ff"),
    "MLD": multicast("ff02::16") / IPv6ExtHdrHopByHop(options=RouterAlert()) / ICMPv6MLReport2(),
    "MLD without its option": multicast("ff02::16") / ICMPv6MLReport(),
    "a ping's answer": Ether(**FROM) / TO / ICMPv6EchoReply(),
    "node information": Ether(**FROM) / IPv6(src=GUEST6, dst=GATEWAY6, nh=58) / bytes.fromhex("8b000000") / bytes(12),
    "DHCPv6 as a client": multicast("ff02::2", mac="33:33:00:01:00:02") / UDP(sport=546, dport=547) / DHCP6_Solicit(),
    "DHCPv6 as a server": multicast("ff02::1") / UDP(sport=547, dport=546) / DHCP6_Advertise(),
    "mDNS": multicast("ff02::fb") / UDP(sport=5353, dport=5353),
    "from its link's address": Ether(**FROM) / IPv6(src=OWN_LINK, dst=WEB6) / UDP(dport=9),
    "to the gateway from its link's address": Ether(**FROM) / IPv6(src=OWN_LINK, dst=LINK6) / UDP(dport=53),
    "too big, from another": Ether(**FROM) / IPv6(src=WEB6, dst=GUEST6) / ICMPv6PacketTooBig(mtu=1280) / PACKET,
    **{f"source {source}": Ether(**FROM) / IPv6(src=source, dst=WEB6) / UDP(sport=9, dport=9) / b"spoof"
       for source in ("fd6d:6967:7261:ffff::3", GATEWAY6, LAN_PEER6, "fd6d:6967:7261::c612:9", "fd6d:6967:7261::c612:a",
                      "2606:4700::1111", "::", "::1", "::ffff:10.213.0.2", "ff02::1", "2a01:4f8:5::2")},
}


@pytest.fixture(scope="module")
def a(shared_lab):
    with running(shared_lab, "a", policy={"ipv6": "nat"}) as sandbox:
        # The guest's own kernel asks nothing meanwhile.
        sandbox.guest.run("ip", "neigh", "replace", GATEWAY6, "lladdr", GATEWAY_MAC, "dev", "eth0", "nud", "permanent")
        yield sandbox


@pytest.fixture(scope="module")
def off(shared_lab):
    with running(shared_lab, "off") as sandbox:
        yield sandbox


@pytest.mark.parametrize("name", PASS)
def test_passes(a, name):
    with Frames(a) as frames:
        frames.take()
        send_frames(a.guest, PASS[name])
        assert frames.take() >= 1


def test_the_control_arrives(shared_lab, a):
    with Arrivals6(shared_lab.internet, 'iifname "wan" udp dport 9') as seen:
        send_frames(a.guest, PASS["UDP"])
        assert seen.to(WEB6) == {"udp"}


@pytest.mark.parametrize("name", DROP)
def test_is_dropped(shared_lab, a, name):
    with Arrivals6(shared_lab.internet, 'iifname "wan"') as seen, Frames(a) as frames:
        frames.take()
        send_frames(a.guest, DROP[name])
        assert frames.take() == 0
        assert not seen.all()


def test_without_ipv6_no_frame_passes(shared_lab, off):
    """Not one of those that pass with it, and none of the others; nor does the gateway send one."""
    uplink = off.record()["uplink"]
    with Frames(off) as frames, Arrivals6(shared_lab.host, f'iifname "{uplink}"') as host:
        frames.take()
        send_frames(off.guest, *PASS.values(), *DROP.values())
        assert frames.take() == 0
        assert not host.all()
    assert "inet6" not in off.inside("ip", "-6", "addr").stdout
    assert "inet6" not in shared_lab.host.run("ip", "-6", "addr", "show", "dev", uplink).stdout


def test_a_flood_of_solicitations_is_bounded(a):
    """In number, and in the neighbours that the gateway has to remember: the kernel has room for few."""
    flood = [solicitation(src=f"fe80::{i:x}") for i in range(2, 500)]
    with Frames(a) as frames:
        frames.take()
        send_frames(a.guest, *flood)
        assert 0 < frames.take() < 60
    neighbours = a.inside("ip", "-6", "neigh").stdout.splitlines()
    assert len([n for n in neighbours if n.startswith("fe80::")]) <= 8
    asking = a.inside("nft", "list", "set", "netdev", "migrant", "asking").stdout
    assert asking.count("expires") == 8  # so that a guest with another address is answered again
    assert any(n.startswith(GUEST6) and "PERMANENT" in n and GUEST_MAC in n for n in neighbours)


def test_nothing_of_this_is_believed_by_anybody(shared_lab, a):
    before = shared_lab.snapshot()
    inside = a.inside("sh", "-c", "ip -6 addr; ip -6 route; ip -6 neigh show nud permanent").stdout
    send_frames(a.guest, *[f for n, f in DROP.items() if "advertisement" in n or "redirect" in n or "claim" in n])
    after = shared_lab.snapshot()
    assert differences({k: before[k] for k in ("routes", "ip rules", "addresses")}, after) == ""
    assert a.inside("sh", "-c", "ip -6 addr; ip -6 route; ip -6 neigh show nud permanent").stdout == inside


def test_one_address_cannot_ask_without_end(a):
    with Frames(a) as frames:
        frames.take()
        send_frames(a.guest, *[solicitation()] * 500)
        assert 0 < frames.take() < 60


def test_the_gateway_believes_no_other_source_even_without_the_wires_rules(shared_lab):
    """Its own rules: who is not the guest gets no answer of DNS, and nothing through."""
    with running(shared_lab, "b", policy={"ipv6": "nat"}) as sandbox:
        sandbox.inside("nft", "delete", "table", "netdev", "migrant")
        sandbox.inside("nft", "-f", "-", input="""table inet count { counter dns { }; counter out { }
            chain i { type filter hook input priority 300; udp dport 53 counter name dns; }
            chain o { type filter hook postrouting priority 299; oifname "uplink" counter name out; }; }""")

        def packets(name):
            return int(sandbox.inside("nft", "list", "counter", "inet", "count", name).stdout.split("packets ")[1].split()[0])

        for source, counted in ((GUEST6, 1), ("fd6d:6967:7261:ffff::3", 0), ("2606:4700::1111", 0), (OWN_LINK, 0)):
            before = packets("dns"), packets("out")
            send_frames(sandbox.guest, Ether(**FROM) / IPv6(src=source, dst=GATEWAY6) / UDP(sport=9, dport=53) / b"x",
                        Ether(**FROM) / IPv6(src=source, dst=WEB6) / UDP(sport=9, dport=9) / b"x")
            assert (packets("dns") - before[0], packets("out") - before[1]) == (counted, counted), source
        before = packets("out")
        send_frames(sandbox.guest, *[Ether(**FROM) / IPv6(src=GUEST6, dst=WEB6, nh=n) / bytes(20) for n in (4, 41, 47, 50, 132, 253)])
        assert packets("out") == before


def test_what_belongs_to_no_connection_is_dropped(a):
    """Neither the gateway's DNS nor anything beyond gets it. The same with a good flag arrives."""
    a.inside("nft", "-f", "-", input="""table ip6 count { counter dns { }; counter out { }
        chain i { type filter hook input priority 300; tcp dport 53 counter name dns; }
        chain o { type filter hook postrouting priority 299; oifname "uplink" tcp dport 9 counter name out; }; }""")
    try:
        def arrived(flags):
            before = [a.inside("nft", "list", "counter", "ip6", "count", name).stdout for name in ("dns", "out")]
            send_frames(a.guest, Ether(**FROM) / IPv6(src=GUEST6, dst=GATEWAY6) / TCP(sport=9999, dport=53, flags=flags),
                        Ether(**FROM) / TO / TCP(sport=9999, dport=9, flags=flags))
            after = [a.inside("nft", "list", "counter", "ip6", "count", name).stdout for name in ("dns", "out")]
            return [old != new for old, new in zip(before, after)]

        for flags in ("SF", "SR", "", "FPU"):
            assert arrived(flags) == [False, False], flags
        assert arrived("S") == [True, True]
    finally:
        a.inside("nft", "delete", "table", "ip6", "count")


def test_the_gateway_says_nothing_about_the_wire_itself(a):
    """Who sends it a packet for a neighbour there is not refused, as elsewhere: there is no neighbour."""
    def refused(address):
        with Arrivals6(a.guest, 'iifname "eth0" tcp flags & rst == rst') as seen:
            send_frames(a.guest, Ether(**FROM) / IPv6(src=GUEST6, dst=address) / TCP(sport=9998, dport=9, flags="S"))
            return bool(seen.all())

    assert refused(LAN_PEER6) and not refused("fd6d:6967:7261:ffff::3")
