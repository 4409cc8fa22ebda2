"""The table: what may arrive where under which policy. Data, played by world.py and asserted by test_cases.py.

A shot that names no place where it arrives must arrive nowhere at all, at no machine and under no address; that it
would, were there no policy, is seen first (test_cases.py, "the control"). Names in braces are addresses of the
sandbox itself ({own.control}) or of the next one ({neighbour.uplink}).
"""

import dataclasses

from scapy.all import ICMP, IP, TCP, UDP, Ether

from conftest import GATEWAY, GATEWAY6, GUEST, GUEST_MAC
from lab import INTERNET, INTERNET6, LAN_HOST, LAN_HOST6, LAN_PEER, LAN_PEER6, LAN_PUBLIC6, RESOLVER, RESOLVER6, ROUTED_PEER, \
    ROUTED_PEER6, WAN_HOST, WAN_HOST6, WAN_ROUTER, WAN_ROUTER6, WEB, WEB6

NAMES = {"1": "icmp", "6": "tcp", "17": "udp"}
PUBLIC = [WEB, "1.1.1.1", "8.8.8.8", RESOLVER]
METADATA = ["169.254.169.254", "100.100.100.200", "168.63.129.16"]
RESERVED = [a for a in INTERNET if a not in PUBLIC]
PUBLIC6 = [WEB6, RESOLVER6, "2001:4860:4860::8888"]
METADATA6 = ["fd00:ec2::254", "fd20:ce::254", "fd00:c1::a9fe:a9fe"]
RESERVED6 = [a for a in INTERNET6 if a not in PUBLIC6 + METADATA6]
# Come up while the guests run: an alias of the host, a public network in its LAN, and one behind that.
LATE_ALIAS, LATE_LAN, LATE_ROUTED = "5.9.77.1", "6.6.6.6", "6.6.7.7"
LATE_ALIAS6, LATE_LAN6 = "2a01:4f8:99::1", "2a01:4f8:88::9"
# A VPN of the host: its ends, in a public range, a network behind it, and where only it leads.
VPN_HOST, VPN_PEER, VPN_BEYOND = "5.77.0.2", "5.77.0.1", "5.78.0.1"
VPN_HOST6, VPN_PEER6 = "2a01:4f8:57::2", "2a01:4f8:57::1"

FULL = ("tcp 80", "tcp 22", "tcp 443", "udp 4242", "icmp 0")
SOME = ("tcp 80", "udp 4242", "icmp 0")


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    shot: str  # as agent.py takes it
    arrives: str = ""  # the receiver; "" is nowhere
    at: str = ""  # the address there, or address and port, where these are others than the shot's
    answer: str = ""  # what the sender gets
    control: bool = True  # it arrives somewhere when there is no policy

    def placed(self, names):
        return dataclasses.replace(self, shot=self.shot.format(**names), at=self.at.format(**names))


    def family(self):
        return 6 if ":" in self.shot else 4

    def where(self):
        """(receiver, protocol, address, port) of its arrival."""
        protocol, address, port = self.shot.split()
        address, port = (*self.at.split(), port)[:2] if self.at else (address, port)
        return self.arrives, NAMES.get(protocol, protocol), address, int(port) if protocol in ("tcp", "udp") else 0


class Names(dict):
    """For "{own.control}"."""

    __getattr__ = dict.__getitem__


def shots(addresses, kinds):
    for address in addresses:
        for kind in kinds:
            protocol, port = kind.split()
            yield f"{protocol} {address} {port}"


def closed(name, addresses, kinds=SOME, control=True):
    return [Case(name, shot, control=control) for shot in shots(addresses, kinds)]


def opened(name, arrives, addresses, kinds=("tcp 80", "icmp 0", "udp 4242")):
    answers = {"tcp": "open", "icmp": "answered"}
    # Nobody listens on TCP in IPv6 here: that it arrives is enough.
    return [Case(name, shot, arrives, answer="" if "tcp" in shot and ":" in shot else answers.get(shot.split()[0], ""))
            for shot in shots(addresses, kinds)]


def services(of, ipv6=False):
    """Every resolver is the gateway's."""
    own = {GATEWAY: (GATEWAY, RESOLVER, "8.8.8.8", LAN_PEER, LAN_HOST)}
    if ipv6:
        own[GATEWAY6] = (GATEWAY6, RESOLVER6, LAN_PEER6, LAN_HOST6)
    return [Case("DNS, whoever was asked", f"{protocol} {address} 53", f"gateway {of}", at=gateway)
            for gateway, asked in own.items() for protocol in ("udp", "tcp") for address in asked]


INTERNET_OPEN = opened("the Internet", "internet", PUBLIC)
PRIVATE = [
    *closed("private, shared and reserved ranges", [a for a in RESERVED if a not in METADATA], FULL),
    *closed("the neighbour in the LAN", [LAN_PEER], FULL),
    *closed("a network behind the LAN's router", [ROUTED_PEER], FULL),
]
ALWAYS_CLOSED = [
    *closed("metadata of clouds", METADATA, FULL),
    *closed("the host's addresses", [WAN_HOST, LAN_HOST], FULL),
    *closed("the host's end of the links", ["{own.control_host}", "{own.uplink_host}", "{neighbour.control_host}",
                                            "{neighbour.uplink_host}"]),
    *closed("the gateway's other addresses", ["{own.control}", "{own.uplink}", "{own.uplink_dns}"]),
    *closed("another sandbox", ["{neighbour.control}", "{neighbour.uplink}", "{neighbour.uplink_dns}"], FULL),
    *closed("the gateway", [GATEWAY], ("tcp 22", "tcp 80", "tcp 111", "tcp 16509", "udp 69", "udp 123", "udp 1900",
                                       "udp 5353", "udp 5355", "icmp 0")),
    *closed("broadcasts", ["255.255.255.255", "10.213.0.3", "192.168.1.255", "5.9.1.255"], ("udp 4242", "icmp 0")),
    # No one listens to groups but to the first: what a wire lets pass of them is seen in the frames.
    *closed("all systems of the network", ["224.0.0.1"], ("udp 4242", "icmp 0")),
    *closed("multicast groups", ["224.0.0.251", "239.255.255.250"], ("udp 5353", "udp 1900"), control=False),
    *closed("no network", ["0.0.0.1"], control=False),
    *closed("odd protocols", [WEB], [f"{n} 0" for n in (2, 4, 41, 47, 50, 51, 89, 103, 132, 253, 254)]),
    *closed("odd protocols to the gateway", [GATEWAY], [f"{n} 0" for n in (2, 4, 41, 47, 50, 132, 254)]),
]
INTERNET6_OPEN = opened("the Internet, IPv6", "internet", PUBLIC6)
PRIVATE6 = [
    *closed("private, mapped and reserved ranges, IPv6", RESERVED6, FULL),
    *closed("the neighbours in the LAN, IPv6", [LAN_PEER6, ROUTED_PEER6], FULL),
]
NEAR6 = [
    *closed("a public neighbour in the LAN, IPv6", [LAN_PUBLIC6], FULL),
    *closed("the host's own network on its way out, IPv6", [WAN_ROUTER6], FULL),
    *closed("a network of the host that came up later, IPv6", [LATE_LAN6], FULL),
]
ALWAYS_CLOSED6 = [
    *closed("metadata of clouds, IPv6", METADATA6, FULL),
    *closed("the host's addresses, IPv6", [WAN_HOST6, LAN_HOST6, "2a01:4f8:77::10", LATE_ALIAS6], FULL),
    *closed("the host's end of the uplink, IPv6", ["{own.uplink_host6}"]),
    *closed("another sandbox, IPv6", ["{neighbour.uplink6}", "{neighbour.uplink_dns6}"]),
    *closed("the gateway, IPv6", [GATEWAY6], ("tcp 22", "tcp 80", "udp 69", "udp 547", "udp 5353", "icmp 0")),
    *closed("odd protocols, IPv6", [WEB6, GATEWAY6], [f"{n} 0" for n in (4, 41, 47, 132)]),
    *closed("multicast groups, IPv6", ["ff02::1", "ff02::fb", "ff02::1:2", "ff05::2"], ("udp 5353", "icmp 0"), control=False),
]
# What comes up later is closed as well; played when it is there.
LATE = closed("addresses and networks of the host that came up later", [LATE_ALIAS, LATE_LAN, LATE_ROUTED], FULL)
WAN_NEIGHBOUR = closed("the host's own network on its way out", [WAN_ROUTER], FULL)

GRANTS = ["host tcp/80", f"lan {LAN_PEER} tcp/5432", f"lan {ROUTED_PEER}", f"lan {LAN_PEER6} tcp/5432",
          "forward tcp/11434 to 10.99.0.1:80", f"forward udp/11434 to [{ROUTED_PEER6}]:4242"]
POLICIES = {
    "a": {},
    "b": {"policy": {"ipv6": "nat"}},
    "open": {"policy": {"isolate": False, "ipv6": "nat"}},
    "granted": {"policy": {"egress": "none", "ipv6": "nat", "allow": GRANTS, "ports": ["8222:22"]}},
}
ISOLATED = ("a", "b")
GUESTS = {
    "a": [*INTERNET_OPEN, *services("a"), *PRIVATE, *ALWAYS_CLOSED, *WAN_NEIGHBOUR, *LATE,
          # No IPv6 at all: that it could arrive is seen with the others.
          *closed("without IPv6", [*PUBLIC6, *METADATA6, *RESERVED6, LAN_PEER6, LAN_PUBLIC6, WAN_HOST6, LAN_HOST6, WAN_ROUTER6,
                                   GATEWAY6, "ff02::1"], (*SOME, "udp 53"), control=False)],
    "b": [*INTERNET_OPEN, *services("b", ipv6=True), *PRIVATE, *ALWAYS_CLOSED, *WAN_NEIGHBOUR, *LATE,
          *INTERNET6_OPEN, *PRIVATE6, *NEAR6, *ALWAYS_CLOSED6],
    "open": [*INTERNET_OPEN, *services("open", ipv6=True), *ALWAYS_CLOSED, *closed("its late address", [LATE_ALIAS], FULL),
             *opened("the LAN", "lan", [LAN_PEER, ROUTED_PEER]),
             *opened("private ranges beyond", "internet", ["10.99.0.1", "100.64.9.9"], ("tcp 80", "udp 4242")),
             *INTERNET6_OPEN, *ALWAYS_CLOSED6,
             *opened("the LAN, IPv6", "lan", [LAN_PEER6, ROUTED_PEER6])],
    "granted": [*closed("no egress", PUBLIC, FULL), *closed("no egress, IPv6", PUBLIC6, FULL), *services("granted", ipv6=True),
                *[c for c in (*PRIVATE, *ALWAYS_CLOSED, *PRIVATE6, *ALWAYS_CLOSED6, *NEAR6, *LATE)
                  if ROUTED_PEER not in c.shot.split() and c.shot != f"tcp {GATEWAY} 80"],
                Case("a port of the host", f"tcp {GATEWAY} 80", "gateway granted", answer="open"),
                *closed("not at another address", [WAN_HOST, LAN_HOST], ("tcp 80",)),
                *opened("a host in the LAN", "lan", [ROUTED_PEER]),
                Case("a port in the LAN", f"tcp {LAN_PEER} 5432", "lan"), *closed("not that of UDP", [LAN_PEER], ("udp 5432",)),
                Case("a port in the LAN, IPv6", f"tcp {LAN_PEER6} 5432", "lan"),
                Case("a forwarded port", f"tcp {GATEWAY} 11434", "internet", at="10.99.0.1 80", answer="open"),
                Case("a forwarded port, IPv6", f"udp {GATEWAY6} 11434", "lan", at=f"{ROUTED_PEER6} 4242"),
                *closed("not directly", ["10.99.0.1", ROUTED_PEER6], FULL)],
}


def outsider(of):
    """What others than the host try to get at a guest."""
    targets = ["{%s.%s}" % (of, place) for place in ("control", "uplink", "uplink_dns")]
    return [*closed("a guest, from outside", targets, FULL),
            *closed("a guest by its own address", [GUEST], SOME, control=False),
            *(closed("a guest, from outside, IPv6", ["{%s.uplink6}" % of, "{%s.uplink_dns6}" % of]) if of != "a" else ())]


INWARD = {
    "lan": outsider,
    "internet": outsider,
    "vpn": outsider,
    "host": lambda of: [
        Case("the host to a guest", "tcp {%s.control} 2222" % of, f"guest {of}", at=GUEST),
        Case("the host to a guest", "udp {%s.control} 2222" % of, f"guest {of}", at=GUEST),
        *closed("the host to the gateway itself", ["{%s.control}" % of], ("icmp 0", "132 0"))],
}


def spoofed(names, tag):
    """What sandbox a sends in the name of another that may do more, and of whoever else is known here: as frames."""
    wire = Ether(src=GUEST_MAC, dst="52:54:00:6d:67:01")
    sources = [names["granted"].granted, names["granted"].uplink, names["granted"].control, names["b"].uplink, names["a"].uplink_dns,
               names["a"].control_host, LAN_HOST, LAN_PEER, WAN_HOST, "198.51.100.7", "127.0.0.1"]
    return [wire / IP(src=source, dst=LAN_PEER, tos=tag << 2) / layer for source in sources
            for layer in (TCP(sport=7, dport=5432), UDP(sport=7, dport=53), ICMP(id=7))]
