"""What arrives where nothing may: counters that see every frame, whatever its type."""

import json


def elements(machine, family, table="watch"):
    """{set: [its elements]} of a table."""
    listing = json.loads(machine.run("nft", "-nj", "list", "table", family, table).stdout)
    return {o["set"]["name"]: [e.get("concat", e) if isinstance(e, dict) else e for e in o["set"].get("elem", [])]
            for o in listing["nftables"] if "set" in o}


class Receiver:
    """with …: seen() is the set of what has come: (address, protocol, port), (address, protocol) or (address,)."""

    def __init__(self, machine):
        self.machine = machine

    def __enter__(self):
        self.machine.run("nft", "-f", "-", input=self.text())
        return self

    def __exit__(self, *_):
        self.machine.run("nft", "delete", "table", self.family, "watch", check=False)

    def seen(self):
        return {tuple(e) if isinstance(e, list) else (e,)
                for hits in elements(self.machine, self.family).values() for e in hits}


SETS = """
    set flows { typeof ip daddr . ip protocol . th dport; flags dynamic; size 65535; }
    set packets { typeof ip daddr . ip protocol; flags dynamic; size 65535; }
    set six { typeof ip6 daddr; flags dynamic; size 65535; }
"""
# Of IPv6, the kernels at both ends of a link talk of neighbours, routers and groups by themselves.
ADD = """
    ip protocol { tcp, udp } add @flows { ip daddr . ip protocol . th dport } accept
    meta protocol ip add @packets { ip daddr . ip protocol } accept
    ip6 saddr { ::, fe80::/10 } icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert, mld2-listener-report } accept
    meta protocol ip6 add @six { ip6 daddr } accept
"""


class OnWire(Receiver):
    """Every frame that comes in by an interface; with @arp, ARP as well. Frames that are no IP: (sender, type)."""

    family = "netdev"

    def __init__(self, machine, device, arp=True):
        super().__init__(machine)
        self.device, self.arp = device, arp

    def text(self):
        return f"""table netdev watch {{ {SETS}
            set frames {{ typeof ether saddr . ether type; flags dynamic; size 65535; }}
            chain look {{ type filter hook ingress device "{self.device}" priority -500; {ADD}
                {'' if self.arp else 'meta protocol arp accept'}
                add @frames {{ ether saddr . ether type }}
            }}
            }}"""


class InHost(Receiver):
    """What comes from sandboxes and passes the host's filters: all of it but answers."""

    family = "inet"

    def text(self):
        return f"""table inet watch {{ {SETS}
            chain look {{ type filter hook input priority 300; iifname != "mg*" accept
                ct direction reply accept {ADD}
            }}
            }}"""
