"""Counters where packets must not arrive: what a test asserts at the receiver."""

import ipaddress
import json

class Arrivals:
    """with Arrivals(machine, "iifname lan") as seen: …; seen.all() is the set of (destination, protocol)."""

    # Behind every filter, so that it counts what is delivered.
    HOOK = {"input": "type filter hook input priority 300", "prerouting": "type filter hook prerouting priority -350"}

    FAMILY, TYPE, PROTOCOL = "ip", "ipv4_addr", "ip protocol"
    # The host's own word about an answer that came too late to be delivered; no probe sends it.
    SKIP = "icmp type destination-unreachable accept;"

    def __init__(self, machine, match="", hook="prerouting"):
        self.run = machine.run
        self.match, self.hook = match, self.HOOK[hook]

    def __enter__(self):
        self.run("nft", "-f", "-", input=f"""
            table {self.FAMILY} watch {{
                set hits {{ type {self.TYPE} . inet_proto; flags dynamic; size 65535; }}
                chain look {{ {self.hook}; {self.SKIP} {self.match} add @hits {{ {self.FAMILY} daddr . {self.PROTOCOL} }}; }}
            }}""")
        return self

    def __exit__(self, *_):
        self.run("nft", "delete", "table", self.FAMILY, "watch", check=False)

    def all(self):
        listing = json.loads(self.run("nft", "-nj", "list", "set", self.FAMILY, "watch", "hits").stdout)
        elements = next(o["set"] for o in listing["nftables"] if "set" in o).get("elem", [])
        names = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmp"}
        return {(a, names.get(p, p)) for a, p in (e["concat"] for e in elements)}

    def to(self, address):
        return {protocol for destination, protocol in self.all() if destination == address}


class Arrivals6(Arrivals):
    """The same for IPv6, also without what neighbours and routers say to each other."""

    FAMILY, TYPE, PROTOCOL = "ip6", "ipv6_addr", "ip6 nexthdr"
    SKIP = "icmpv6 type { 1, 133, 134, 135, 136, 137, 143 } accept;"


class Frames:
    """Counts the frames of a sandbox's guest that its wire's rules let pass."""

    def __init__(self, sandbox):
        self.sandbox = sandbox

    def __enter__(self):
        self.sandbox.inside("nft", "-f", "-", input=f"""
            table netdev watch {{
                counter passed {{ }}
                chain look {{ type filter hook ingress device "{self.sandbox.tap}" priority 0;
                    meta protocol ip icmp type destination-unreachable accept # the guest's answer to an offer
                    counter name passed; }}
            }}""")
        return self

    def __exit__(self, *_):
        self.sandbox.inside("nft", "delete", "table", "netdev", "watch", check=False)

    def take(self):
        """Frames since the last call."""
        listing = json.loads(self.sandbox.inside("nft", "-j", "reset", "counters", "table", "netdev", "watch").stdout)
        return next(o["counter"]["packets"] for o in listing["nftables"] if "counter" in o)


class Receiver:
    """Everything that comes to a machine from tagged senders: what a whole round of probes is asserted by.

    with Receiver(machine.run, {"a": 10}, 'iifname "wan"'): …; take() -> {(sender, protocol, address, port, source)}
    """

    PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmp"}
    # What the kernel says by itself on every link, to neighbours only.
    NOISE = "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, mld2-listener-report }"

    def __init__(self, run, tags, match="", hook="prerouting"):
        self.run, self.tags, self.match, self.hook = run, tags, match, Arrivals.HOOK[hook]
        self.running = False

    def __enter__(self):
        sets, rules = [], []
        for name, tag in self.tags.items():
            for version in ("ip", "ip6"):
                # A port is what th reads, and only there; the others have a set without.
                for kind, key, protocols in (("port", "meta l4proto . {v} saddr . {v} daddr . th dport", "{ tcp, udp }"),
                                             ("none", "meta l4proto . {v} saddr . {v} daddr", "!= { tcp, udp }")):
                    key = key.format(v=version)
                    sets.append(f"set {version}_{kind}_{name} {{ typeof {key}; flags dynamic; size 65535; }}")
                    rules.append(f"{version} dscp {tag} meta l4proto {protocols} add @{version}_{kind}_{name} {{ {key} }}")
        self.run("nft", "-f", "-", input=f"""
            table inet seen
            delete table inet seen
            table inet seen {{
                {chr(10).join(sets)}
                chain look {{ {self.hook}; {self.match} jump note; }}
                chain note {{ {self.NOISE} return; {"; ".join(rules)}; }}
            }}""")
        self.running = True
        return self

    def __exit__(self, *_):
        if self.running:
            self.take()

    def take(self):
        """What arrived; nothing is counted any more."""
        self.running = False
        listing = json.loads(self.run("sh", "-c", "nft -nj list table inet seen; nft delete table inet seen").stdout)
        return set(self.arrivals(listing["nftables"]))

    def arrivals(self, listing):
        for group in (o["set"] for o in listing if "set" in o):
            sender = group["name"].split("_", 2)[2]
            for element in group.get("elem", []):
                protocol, source, address, *port = element["concat"]
                # nft writes ::5.5.5.5 where others write ::505:505
                source, address = (str(ipaddress.ip_address(a)) for a in (source, address))
                yield sender, self.PROTOCOLS.get(protocol, str(protocol)), address, port[0] if port else 0, source
