"""The table: what may arrive where under which policy. Data, played by world.py and asserted by test_cases.py.

A shot that names no place where it arrives must arrive nowhere at all, at no machine and under no address; that it
would, were there no policy, is seen first (test_cases.py, "the control"). Names in braces are addresses of the
sandbox itself ({own.control}) or of the next one ({neighbour.uplink}).
"""

import dataclasses

from conftest import GATEWAY, GUEST
from lab import INTERNET, LAN_HOST, LAN_PEER, RESOLVER, ROUTED_PEER, WAN_HOST, WAN_ROUTER, WEB

NAMES = {"1": "icmp", "6": "tcp", "17": "udp"}
PUBLIC = [WEB, "1.1.1.1", "8.8.8.8", RESOLVER]
METADATA = ["169.254.169.254", "100.100.100.200", "168.63.129.16"]
RESERVED = [a for a in INTERNET if a not in PUBLIC]
# Come up while the guests run: an alias of the host, a public network in its LAN, and one behind that.
LATE_ALIAS, LATE_LAN, LATE_ROUTED = "5.9.77.1", "6.6.6.6", "6.6.7.7"
# A VPN of the host: its ends, in a public range, a network behind it, and where only it leads.
VPN_HOST, VPN_PEER, VPN_BEYOND = "5.77.0.2", "5.77.0.1", "5.78.0.1"
ANSWERING = INTERNET

FULL = ("tcp 80", "tcp 22", "tcp 443", "udp 4242", "icmp 0")
SOME = ("tcp 80", "udp 4242", "icmp 0")


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    shot: str  # as agent.py takes it
    arrives: str = ""  # the receiver; "" is nowhere
    at: str = ""  # the address there, where it is another than the shot's
    answer: str = ""  # what the sender gets
    control: bool = True  # it arrives somewhere when there is no policy

    def placed(self, names):
        return dataclasses.replace(self, shot=self.shot.format(**names), at=self.at.format(**names))


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
    return [Case(name, shot, arrives, answer=answers.get(shot.split()[0], "")) for shot in shots(addresses, kinds)]


def services(of):
    """Every resolver is the gateway's."""
    return [Case("DNS, whoever was asked", f"{protocol} {address} 53", f"gateway {of}", at=GATEWAY)
            for protocol in ("udp", "tcp") for address in (GATEWAY, RESOLVER, "8.8.8.8", LAN_PEER, LAN_HOST)]


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
# What comes up later is closed as well; played when it is there.
LATE = closed("addresses and networks of the host that came up later", [LATE_ALIAS, LATE_LAN, LATE_ROUTED], FULL)
WAN_NEIGHBOUR = closed("the host's own network on its way out", [WAN_ROUTER], FULL)

POLICIES = {
    "a": {},
    "b": {},
    "open": {"isolate": False},
}
ISOLATED = ("a", "b")
GUESTS = {
    "a": [*INTERNET_OPEN, *services("a"), *PRIVATE, *ALWAYS_CLOSED, *WAN_NEIGHBOUR, *LATE],
    "b": [*INTERNET_OPEN, *services("b"), *PRIVATE, *ALWAYS_CLOSED, *WAN_NEIGHBOUR, *LATE],
    "open": [*INTERNET_OPEN, *services("open"), *ALWAYS_CLOSED, *closed("its late address", [LATE_ALIAS], FULL),
             *opened("the LAN", "lan", [LAN_PEER, ROUTED_PEER], ("tcp 80", "icmp 0", "udp 4242")),
             *opened("private ranges beyond", "internet", ["10.99.0.1", "100.64.9.9"], ("tcp 80", "udp 4242"))],
}


def outsider(of):
    """What others than the host try to get at a guest."""
    targets = ["{%s.%s}" % (of, place) for place in ("control", "uplink", "uplink_dns")]
    return [*closed("a guest, from outside", targets, FULL),
            *closed("a guest by its own address", [GUEST], SOME, control=False)]


INWARD = {
    "lan": outsider,
    "internet": outsider,
    "vpn": outsider,
    "host": lambda of: [
        Case("the host to a guest", "tcp {%s.control} 2222" % of, f"guest {of}", at=GUEST),
        Case("the host to a guest", "udp {%s.control} 2222" % of, f"guest {of}", at=GUEST),
        *closed("the host to the gateway itself", ["{%s.control}" % of], ("icmp 0", "132 0"))],
}
