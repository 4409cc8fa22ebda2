"""What may happen to a host while sandboxes run, as data. Played by test_cases.py: nothing denied arrives meanwhile, what
is allowed goes on or stops as said here, `verify` names what is gone, and a repair makes it whole.
"""

import dataclasses

import cases
from lab import LAN_PEER, LAN_PEER6, WAN_HOST6, WAN_ROUTER, WAN_ROUTER6

ALL, OUT = ("internet", "lan", "vpn", "host"), ("internet", "vpn")
GONE = "host: the table inet migrant is gone"


@dataclasses.dataclass(frozen=True)
class Disturbance:
    do: str  # on the host; {a.uplink}… as in the table, {uplink} and {control_link} are links of sandbox a
    undo: str = "true"
    stops: tuple = ()  # receivers at which no guest's packet arrives any more; (): what is allowed goes on
    drift: tuple = ()  # words of `verify`; (): it sees nothing
    of: tuple = tuple(cases.POLICIES)  # the sandboxes that this is about
    stopped: tuple = (4, 6)  # the families that stop
    unanswered: tuple = ()  # and those that go out, but whose answers get lost
    advised: bool = False  # `verify` names the rule that helps
    repaired: bool = False  # all is well again after a repair, although the disturbance lasts
    way: str = "internet"  # where what goes out arrives
    repaired_more: dict = dataclasses.field(default_factory=dict)  # the same, once it is repaired
    more: dict = dataclasses.field(default_factory=dict)  # {sender: cases beside the table's}


# What stops without each of the routing rules of IPv6, see src/network/host6.c.
IPV6_RULES = {670: ALL, 671: ALL, 672: OUT, 673: (), 674: ALL, 675: ALL, 676: ALL, 677: OUT, 679: OUT}
# A firewall of the host's own, as distributions install it.
OWN_RULES = """table inet filter {
    chain input { type filter hook input priority 0; policy drop;
        ct state established,related accept; iif lo accept; icmp type echo-request accept; tcp dport { 22, 80 } accept; }
    chain forward { type filter hook forward priority 0; policy accept; }
    chain output { type filter hook output priority 0; policy accept; }
}
"""
DOCKER = """
ip link add docker0 type bridge; ip addr add 172.17.0.1/16 dev docker0; ip link set docker0 up
for t in iptables ip6tables; do
$t -w -P FORWARD DROP
for c in DOCKER DOCKER-USER DOCKER-ISOLATION-STAGE-1 DOCKER-ISOLATION-STAGE-2; do $t -w -N $c; done
$t -w -A FORWARD -j DOCKER-USER
$t -w -A FORWARD -j DOCKER-ISOLATION-STAGE-1
$t -w -A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
$t -w -A FORWARD -o docker0 -j DOCKER
$t -w -A FORWARD -i docker0 ! -o docker0 -j ACCEPT
$t -w -A FORWARD -i docker0 -o docker0 -j ACCEPT
$t -w -A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2
$t -w -A DOCKER-ISOLATION-STAGE-1 -j RETURN
$t -w -A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP
$t -w -A DOCKER-ISOLATION-STAGE-2 -j RETURN
$t -w -A DOCKER-USER -j RETURN
done
t=iptables
$t -w -t nat -N DOCKER
$t -w -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
$t -w -t nat -A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
$t -w -t nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
$t -w -t nat -A DOCKER ! -i docker0 -p tcp --dport 443 -j DNAT --to-destination 172.17.0.2:443
$t -w -A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp --dport 443 -j ACCEPT
for s in /proc/sys/net/bridge/bridge-nf-call-*; do [ ! -e $s ] || echo 1 >$s; done
"""
NO_DOCKER = """
ip link del docker0
nft delete table ip filter; nft delete table ip6 filter; nft delete table ip nat
for s in /proc/sys/net/bridge/bridge-nf-call-*; do [ ! -e $s ] || echo 0 >$s; done
"""
UFW = """
for t in iptables ip6tables; do
$t -w -P INPUT DROP; $t -w -P FORWARD DROP
for c in ufw-before-input ufw-before-forward ufw-user-input ufw-user-forward ufw-reject-forward; do $t -w -N $c; done
$t -w -A INPUT -j ufw-before-input; $t -w -A FORWARD -j ufw-before-forward; $t -w -A FORWARD -j ufw-reject-forward
$t -w -A ufw-before-input -i lo -j ACCEPT
$t -w -A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
$t -w -A ufw-before-input -m conntrack --ctstate INVALID -j DROP
$t -w -A ufw-before-input -j ufw-user-input
$t -w -A ufw-user-input -p tcp --dport 22 -j ACCEPT
$t -w -A ufw-before-forward -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
$t -w -A ufw-before-forward -j ufw-user-forward
done
# As its before6.rules do.
for n in 133 134 135 136; do ip6tables -w -I ufw-before-input -p icmpv6 --icmpv6-type $n -j ACCEPT; done
"""
FIREWALLD_RULES = """
table inet firewalld
delete table inet firewalld
table inet firewalld {
    chain mangle_PREROUTING { type filter hook prerouting priority mangle + 10; policy accept; }
    chain nat_POSTROUTING { type nat hook postrouting priority srcnat + 10; policy accept; }
    chain filter_INPUT { type filter hook input priority filter + 10; policy accept;
        ct state { established, related } accept
        ct status dnat accept
        iifname "lo" accept
        ct state invalid drop
        jump filter_INPUT_ZONES
        reject with icmpx admin-prohibited
    }
    chain filter_INPUT_ZONES { tcp dport 22 accept; meta l4proto icmp accept; }
    chain filter_FORWARD { type filter hook forward priority filter + 10; policy accept;
        ct state { established, related } accept
        ct status dnat accept
        iifname "lo" accept
        ct state invalid drop
        jump filter_FORWARD_ZONES
        reject with icmpx admin-prohibited
    }
    chain filter_FORWARD_ZONES { iifname "eth0" goto filter_FWD_public; goto filter_FWD_public; }
    chain filter_FWD_public { reject with icmpx admin-prohibited; }
}
"""


def load(rules):
    return f"nft -f - <<'END'\n{rules}\nEND\n"


NO_IPTABLES = "nft delete table ip filter; nft delete table ip6 filter"
DEFAULT = f"ip route replace default via {WAN_ROUTER} dev eth0; ip -6 route replace default via {WAN_ROUTER6} dev eth0"
NO_DEFAULT = "ip route del default; ip -6 route del default"
VPN_UP = f"""ip link set vpn0 up; ip addr add {cases.VPN_HOST}/24 dev vpn0; ip addr add {cases.VPN_HOST6}/64 dev vpn0 nodad
"""
# Takes its routes along.
VPN_DOWN = "ip link set vpn0 down; ip addr flush dev vpn0"
VPN_CASES = {
    "b": (*cases.closed("the VPN's own network", [cases.VPN_PEER, cases.VPN_HOST], cases.FULL),
          *cases.closed("the VPN's own network, IPv6", [cases.VPN_PEER6, cases.VPN_HOST6], cases.FULL)),
    "host": (cases.Case("the host in its LAN", f"udp {LAN_PEER} 4243", "lan"),
             cases.Case("the host in its LAN, IPv6", f"udp {LAN_PEER6} 4243", "lan")),
}


def vpn(up, down="", **more):
    """A VPN that takes the default route; in @up $4 and $6 are its far end."""
    up = up.replace("$4", cases.VPN_PEER).replace("$6", cases.VPN_PEER6)
    return Disturbance(VPN_UP + up, f"{down}\n{VPN_DOWN}; {DEFAULT}", way="vpn", more=VPN_CASES, **more)


def rename(old, new):
    """A link's name changes when it is down, and IPv6 addresses go with that."""
    return (f"ip link set {old} down; ip link set {old} name {new}; ip link set {new} up; "
            f"for a in 2001:db8:5::2 {WAN_HOST6}; do ip -6 addr replace $a/64 dev {new} nodad; done; "
            + DEFAULT.replace("eth0", new))


DISTURBANCES = {
    # -- the daemon, other sandboxes
    "libvirtd was killed": Disturbance("true"),
    "another sandbox came and went": Disturbance("true"),  # see test_cases.py
    "all flows were forgotten": Disturbance("conntrack -F"),

    # -- firewalls
    "flush": Disturbance("nft flush ruleset", stops=ALL, drift=(GONE,)),
    "flush and reload of the host's own": Disturbance(
        "nft flush ruleset\n" + load(OWN_RULES), "nft delete table inet filter", stops=ALL, drift=(GONE,)),
    "the host's own rules": Disturbance(load(OWN_RULES), "nft delete table inet filter"),
    "Docker": Disturbance(DOCKER, NO_DOCKER, stops=ALL, advised=True,
                          drift=("chain FORWARD of table ip filter", "insert rule ip filter DOCKER-USER",
                                               "insert rule ip6 filter DOCKER-USER")),
    "ufw": Disturbance(UFW, NO_IPTABLES, stops=ALL, advised=True,
                       drift=("chain FORWARD of table ip filter", "insert rule ip filter FORWARD", "insert rule ip6 filter FORWARD")),
    "firewalld": Disturbance(load(FIREWALLD_RULES) * 2, "nft delete table inet firewalld", stops=ALL,
                             advised=True, drift=("chain filter_FORWARD of table inet firewalld",)),
    "iptables -F": Disturbance("for t in iptables ip6tables; do $t -w -P FORWARD ACCEPT; $t -w -t nat -F; $t -w -F; $t -w -X; done",
                               NO_IPTABLES),
    "iptables-legacy": Disturbance("for t in iptables ip6tables; do $t-legacy -w -F; $t-legacy -w -P FORWARD DROP; done",
                                   "for t in iptables ip6tables; do $t-legacy -w -P FORWARD ACCEPT; done", stops=ALL),
    "a transparent proxy": Disturbance(
        "iptables -w -t nat -A PREROUTING -p tcp --dport 443 -j REDIRECT --to-ports 80", "nft delete table ip nat"),
    "everything masqueraded": Disturbance("for t in iptables ip6tables; do $t -w -t nat -A POSTROUTING -j MASQUERADE; done",
                                           "nft delete table ip nat; nft delete table ip6 nat"),

    # -- the way out
    "the default route has another metric": Disturbance(
        f"{NO_DEFAULT}; ip route add default via {WAN_ROUTER} metric 600; ip -6 route add default via {WAN_ROUTER6} metric 600",
        f"ip route del default metric 600; ip -6 route del default metric 600; {DEFAULT}"),
    "no default route": Disturbance(NO_DEFAULT, DEFAULT, stops=OUT),
    "the default route has moved": vpn("ip route replace default via $4; ip -6 route replace default via $6"),
    "a VPN in two halves": vpn("""
        for net in 0.0.0.0/1 128.0.0.0/1; do ip route add $net via $4; done
        for net in ::/1 8000::/1; do ip -6 route add $net via $6; done"""),
    "a VPN with a better metric": vpn(f"""
        {NO_DEFAULT}; ip route add default via {WAN_ROUTER} metric 600; ip -6 route add default via {WAN_ROUTER6} metric 600
        ip route add default via $4 metric 50; ip -6 route add default via $6 metric 50""",
        "ip route del default metric 600; ip -6 route del default metric 600"),
    "a VPN in a table of its own, behind": vpn("""
        for f in -4 -6; do
            ip $f rule add pref 32765 not fwmark 51820 table 51820; ip $f rule add pref 32764 table main suppress_prefixlength 0
        done
        ip route add default via $4 table 51820; ip -6 route add default via $6 table 51820""",
        "for f in -4 -6; do ip $f rule del pref 32765; ip $f rule del pref 32764; done"),

    # -- routing rules and routes taken away
    **{f"routing rule {number} is lost": Disturbance(
        f"ip rule del pref {number}", stops={670: ALL, 671: (), 672: (), 674: ()}.get(number, OUT), stopped=(4,),
        drift=(f"host: ip rule {number} is gone",), repaired=True) for number in (670, 671, 672, 673, 674, 675, 677)},
    **{f"routing rule {number} of IPv6 is lost": Disturbance(
        f"ip -6 rule del pref {number}", stops=IPV6_RULES[number], stopped=(6,),
        drift=(f"host: ip -6 rule {number} is gone",), repaired=True) for number in IPV6_RULES},
    "the local table's rule of IPv6 is as it always was": Disturbance(
        "ip -6 rule del pref 0 not from fd6d:6967:7261::/64 lookup local; ip -6 rule add pref 0 lookup local",
        drift=("host: the ip -6 rule of the local table",), repaired=True),
    "all routing rules are lost": Disturbance(
        "ip rule flush; ip rule add pref 32766 lookup main; ip rule add pref 32767 lookup default; "
        "ip -6 rule flush; ip -6 rule add pref 32766 lookup main",
        stops=ALL, drift=("host: ip rule 670 is gone", "host: ip rule 677 is gone", "host: ip -6 rule 670 is gone"), repaired=True),

    "a manager took the routes to the uplinks": Disturbance(
        "ip route flush table 28007; ip -6 route flush table 28007", stops=ALL, stopped=(4,), unanswered=(6,), repaired=True,
        drift=("host: gone: route 198.18.",)),
    "a manager took the closing routes": Disturbance(
        "ip route del unreachable 198.18.0.0/15; ip -6 route del unreachable fd6d:6967:7261::/64", repaired=True,
        drift=("host: the unreachable route of the pool is gone",)),
    "a manager took routes and rules": Disturbance(
        "ip route flush table 28007; ip route del unreachable 198.18.0.0/15; ip rule flush; ip rule add pref 32766 lookup main; "
        "ip -6 route flush table 28007; ip -6 route del unreachable fd6d:6967:7261::/64; ip -6 rule flush; "
        "ip -6 rule add pref 32766 lookup main", stops=OUT, unanswered=(4, 6), repaired=True,
        drift=("host: gone: route", "host: ip rule 670 is gone")),
    "a manager took an uplink's addresses": Disturbance(
        "ip addr flush dev {uplink}; ip neigh flush dev {uplink} nud permanent", stops=ALL, of=("a",), unanswered=(4, 6), repaired=True,
        drift=("host: gone: address 198.18.",)),
    "an uplink was down for a moment": Disturbance(
        "ip link set {uplink} down; ip link set {uplink} up", stops=ALL, of=("a",), unanswered=(4, 6), repaired=True, drift=("host: gone: route",)),

    # -- settings
    "settings": Disturbance(
        "sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.{uplink}.rp_filter=0 net.ipv4.conf.all.route_localnet=1 "
        "net.ipv4.conf.{uplink}.proxy_arp=1 net.ipv4.conf.all.accept_local=1 net.ipv4.conf.all.accept_redirects=1 "
        "net.ipv4.conf.all.send_redirects=1 net.ipv4.conf.all.accept_source_route=1 net.ipv6.conf.all.accept_redirects=1",
        "sysctl -qw net.ipv4.conf.all.rp_filter=2 net.ipv4.conf.{uplink}.rp_filter=1 net.ipv4.conf.all.route_localnet=0 "
        "net.ipv4.conf.{uplink}.proxy_arp=0 net.ipv4.conf.all.accept_local=0 net.ipv4.conf.all.accept_redirects=0 "
        "net.ipv4.conf.all.accept_source_route=0",
        drift=("reverse path check",)),
    "a strict reverse path check": Disturbance("echo 1 >/proc/sys/net/ipv4/conf/all/rp_filter", "echo 2 >/proc/sys/net/ipv4/conf/all/rp_filter"),
    "forwarding is off": Disturbance("sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0", stops=ALL,
                                     drift=("net/ipv4/ip_forward is no longer 1", "net/ipv6/conf/all/forwarding"), repaired=True),
    "marks are not reflected": Disturbance("sysctl -qw net.ipv4.fwmark_reflect=0",
                                           drift=("net/ipv4/fwmark_reflect is no longer 1",)),

    # -- links
    "the guests' range on the host": Disturbance(
        "ip link add late0 type veth peer name late1; ip addr add 10.213.0.1/30 dev late0; ip link set late0 up; ip link set late1 up",
        "ip link del late0"),
    "the host's uplink has another name": Disturbance(
        rename("eth0", "wan9"), rename("wan9", "eth0")),

    # What its networks are is known by a rule of ours for its table, which the next repair makes.
    "a network in a table of its own": Disturbance(
        f"""{VPN_UP}
        ip route add {cases.VPN_BEYOND}/32 via {cases.VPN_PEER} table 52; ip rule add pref 5270 lookup 52""",
        f"ip rule del pref 5270; ip route flush table 52; {VPN_DOWN}",
        drift=("host: routing table 52 is not looked at yet",), repaired=True,
        repaired_more={name: tuple(cases.closed("what only that table leads to", [cases.VPN_BEYOND], cases.FULL)) for name in ("a", "b")}),

    # The last one, as it moves ours: wg-quick's rules have no priority and come before all others.
    "a VPN in a table of its own": vpn("""
        for f in -4 -6; do ip $f rule add not fwmark 51820 table 51820; ip $f rule add table main suppress_prefixlength 0; done
        ip route add default via $4 table 51820; ip -6 route add default via $6 table 51820""", """
        for f in -4 -6; do ip $f rule del not fwmark 51820 table 51820; ip $f rule del table main suppress_prefixlength 0; done""",
        stops=OUT, repaired=True, drift=("host: ip rules of others come before those of the sandboxes",)),
}
