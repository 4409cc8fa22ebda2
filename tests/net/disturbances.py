"""What may happen to a host while sandboxes run, as data. Played by test_cases.py: nothing denied arrives meanwhile, what
is allowed goes on or stops as said here, `verify` names what is gone, and a repair makes it whole.
"""

import dataclasses

import cases
from lab import WAN_ROUTER

ALL, OUT = ("internet", "lan", "vpn", "host"), ("internet", "vpn")
GONE = "host: the table inet migrant is gone"


@dataclasses.dataclass(frozen=True)
class Disturbance:
    do: str  # on the host; {a.uplink}… as in the table, {uplink} and {control_link} are links of sandbox a
    undo: str = "true"
    stops: tuple = ()  # receivers at which no guest's packet arrives any more; (): what is allowed goes on
    drift: tuple = ()  # words of `verify`; (): it sees nothing
    advised: bool = False  # `verify` names the rule that helps
    repaired: bool = False  # all is well again after a repair, although the disturbance lasts
    way: str = "internet"  # where what goes out arrives
    more: tuple = ()  # cases of sandbox a beside the table's


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
iptables -w -P FORWARD DROP
for c in DOCKER DOCKER-USER DOCKER-ISOLATION-STAGE-1 DOCKER-ISOLATION-STAGE-2; do iptables -w -N $c; done
iptables -w -A FORWARD -j DOCKER-USER
iptables -w -A FORWARD -j DOCKER-ISOLATION-STAGE-1
iptables -w -A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
iptables -w -A FORWARD -o docker0 -j DOCKER
iptables -w -A FORWARD -i docker0 ! -o docker0 -j ACCEPT
iptables -w -A FORWARD -i docker0 -o docker0 -j ACCEPT
iptables -w -A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2
iptables -w -A DOCKER-ISOLATION-STAGE-1 -j RETURN
iptables -w -A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP
iptables -w -A DOCKER-ISOLATION-STAGE-2 -j RETURN
iptables -w -A DOCKER-USER -j RETURN
iptables -w -t nat -N DOCKER
iptables -w -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
iptables -w -t nat -A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
iptables -w -t nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
iptables -w -t nat -A DOCKER ! -i docker0 -p tcp --dport 443 -j DNAT --to-destination 172.17.0.2:443
iptables -w -A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp --dport 443 -j ACCEPT
for s in /proc/sys/net/bridge/bridge-nf-call-*; do [ ! -e $s ] || echo 1 >$s; done
"""
NO_DOCKER = """
ip link del docker0
nft delete table ip filter; nft delete table ip nat
for s in /proc/sys/net/bridge/bridge-nf-call-*; do [ ! -e $s ] || echo 0 >$s; done
"""
UFW = """
iptables -w -P INPUT DROP; iptables -w -P FORWARD DROP
for c in ufw-before-input ufw-before-forward ufw-user-input ufw-user-forward ufw-reject-forward; do iptables -w -N $c; done
iptables -w -A INPUT -j ufw-before-input; iptables -w -A FORWARD -j ufw-before-forward; iptables -w -A FORWARD -j ufw-reject-forward
iptables -w -A ufw-before-input -i lo -j ACCEPT
iptables -w -A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
iptables -w -A ufw-before-input -m conntrack --ctstate INVALID -j DROP
iptables -w -A ufw-before-input -p icmp --icmp-type echo-request -j ACCEPT
iptables -w -A ufw-before-input -j ufw-user-input
iptables -w -A ufw-user-input -p tcp --dport 22 -j ACCEPT
iptables -w -A ufw-before-forward -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
iptables -w -A ufw-before-forward -j ufw-user-forward
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


NO_IPTABLES = "nft delete table ip filter"
DEFAULT = f"ip route replace default via {WAN_ROUTER} dev eth0"
VPN_UP = f"ip addr add {cases.VPN_HOST}/24 dev vpn0; ip link set vpn0 up"
VPN_DOWN = f"ip link set vpn0 down; ip addr flush dev vpn0"
VPN_CASES = tuple(cases.closed("the VPN's own network", [cases.VPN_PEER, cases.VPN_HOST], cases.FULL))

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
                          drift=("chain FORWARD of table ip filter", "insert rule ip filter DOCKER-USER")),
    "ufw": Disturbance(UFW, NO_IPTABLES, stops=ALL, advised=True,
                       drift=("chain FORWARD of table ip filter", "insert rule ip filter FORWARD")),
    "firewalld": Disturbance(load(FIREWALLD_RULES) * 2, "nft delete table inet firewalld", stops=ALL,
                             advised=True, drift=("chain filter_FORWARD of table inet firewalld",)),
    "iptables -F": Disturbance("iptables -w -P FORWARD ACCEPT; iptables -w -t nat -F; iptables -w -F; iptables -w -X",
                               "nft delete table ip filter"),
    "iptables-legacy": Disturbance("iptables-legacy -w -F; iptables-legacy -w -P FORWARD DROP",
                                   "iptables-legacy -w -P FORWARD ACCEPT", stops=ALL),
    "a transparent proxy": Disturbance(
        "iptables -w -t nat -A PREROUTING -p tcp --dport 443 -j REDIRECT --to-ports 80", "nft delete table ip nat"),
    "everything masqueraded": Disturbance("iptables -w -t nat -A POSTROUTING -j MASQUERADE", "nft delete table ip nat"),

    # -- the way out
    "the default route has another metric": Disturbance(
        f"ip route del default; ip route add default via {WAN_ROUTER} metric 600", f"ip route del default metric 600; {DEFAULT}"),
    "no default route": Disturbance("ip route del default", DEFAULT, stops=OUT),
    "the default route has moved": Disturbance(
        f"ip link set vpn0 up; ip addr add {cases.VPN_HOST}/24 dev vpn0; ip route replace default via {cases.VPN_PEER} dev vpn0",
        f"{DEFAULT}; {VPN_DOWN}", way="vpn", more=VPN_CASES),
    "a VPN in two halves": Disturbance(
        f"{VPN_UP}; ip route add 0.0.0.0/1 via {cases.VPN_PEER}; ip route add 128.0.0.0/1 via {cases.VPN_PEER}",
        f"ip route del 0.0.0.0/1; ip route del 128.0.0.0/1; {VPN_DOWN}", way="vpn", more=VPN_CASES),
    "a VPN with a better metric": Disturbance(
        f"ip route del default; ip route add default via {WAN_ROUTER} metric 600; {VPN_UP}; "
        f"ip route add default via {cases.VPN_PEER} metric 50",
        f"ip route del default metric 50; ip route del default; {DEFAULT}; {VPN_DOWN}", way="vpn", more=VPN_CASES),

    # -- routing rules and routes taken away
    **{f"routing rule {number} is lost": Disturbance(
        f"ip rule del pref {number}", stops={670: ALL, 671: (), 672: (), 674: ()}.get(number, OUT),
        drift=(f"host: ip rule {number} is gone",), repaired=True) for number in (670, 671, 672, 673, 674, 675, 677)},
    "all routing rules are lost": Disturbance(
        "ip rule flush; ip rule add pref 32766 lookup main; ip rule add pref 32767 lookup default",
        stops=ALL, drift=("host: ip rule 670 is gone", "host: ip rule 677 is gone"), repaired=True),
    # wg-quick's, which come before all others as they have no priority.
    "a VPN in a table of its own": Disturbance(
        f"{VPN_UP}; ip route add default via {cases.VPN_PEER} table 51820; ip rule add not fwmark 51820 table 51820; "
        "ip rule add table main suppress_prefixlength 0",
        "ip rule del not fwmark 51820 table 51820; ip rule del table main suppress_prefixlength 0; ip route flush table 51820; "
        + VPN_DOWN, way="vpn", more=VPN_CASES, stops=OUT, repaired=True,
        drift=("host: ip rules of others come before those of the sandboxes",)),
    "a VPN in a table of its own, behind": Disturbance(
        f"{VPN_UP}; ip route add default via {cases.VPN_PEER} table 51820; ip rule add pref 32765 not fwmark 51820 table 51820; "
        "ip rule add pref 32764 table main suppress_prefixlength 0",
        "ip rule del pref 32765; ip rule del pref 32764; ip route flush table 51820; " + VPN_DOWN, way="vpn", more=VPN_CASES),

    # -- settings
    "settings": Disturbance(
        "sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.{uplink}.rp_filter=0 net.ipv4.conf.all.route_localnet=1 "
        "net.ipv4.conf.{uplink}.proxy_arp=1 net.ipv4.conf.all.accept_local=1",
        "sysctl -qw net.ipv4.conf.{uplink}.rp_filter=1 net.ipv4.conf.all.route_localnet=0 "
        "net.ipv4.conf.{uplink}.proxy_arp=0 net.ipv4.conf.all.accept_local=0", drift=("reverse path check",)),
    "loose reverse path check": Disturbance(
        "for s in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 2 >$s; done",
        "for s in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 >$s; done; "
        "for s in /proc/sys/net/ipv4/conf/mg*/rp_filter; do echo 1 >$s; done"),
    "forwarding is off": Disturbance("sysctl -qw net.ipv4.ip_forward=0", stops=ALL,
                                     drift=("net/ipv4/ip_forward is no longer 1",)),
    "marks are not reflected": Disturbance("sysctl -qw net.ipv4.fwmark_reflect=0",
                                           drift=("net/ipv4/fwmark_reflect is no longer 1",)),

    # -- links
    "the guests' range on the host": Disturbance(
        "ip link add late0 type veth peer name late1; ip addr add 10.213.0.1/30 dev late0; ip link set late0 up; ip link set late1 up",
        "ip link del late0"),
    "the host's uplink has another name": Disturbance(
        f"ip link set eth0 down; ip link set eth0 name wan9; ip link set wan9 up; ip route replace default via {WAN_ROUTER} dev wan9",
        f"ip link set wan9 down; ip link set wan9 name eth0; ip link set eth0 up; {DEFAULT}"),
}
