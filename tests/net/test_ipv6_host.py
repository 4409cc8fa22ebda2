"""What `ipv6: nat` does to the host, and that it takes it back; and that `off` does nothing."""

from conftest import probe, running
from lab import WAN_ROUTER6, WEB, differences
from test_ipv6 import NAT, POOL, PUBLIC, everything_closed, is_open
from watch import Arrivals6


def test_the_hosts_default_route_by_advertisement_stays(lab):
    """A router does not believe advertisements, unless it is told to: the host must not become cut off."""
    advertise = ("from scapy.all import *; import sys; sendp(Ether(dst='33:33:00:00:00:01')/IPv6(src=sys.argv[1],dst='ff02::1',hlim=255)"
                 "/ICMPv6ND_RA(routerlifetime=int(sys.argv[2])),iface='wan',verbose=0)")
    link = next(w for w in lab.internet.run("ip", "-6", "addr", "show", "dev", "wan", "scope", "link").stdout.split() if w.startswith("fe80"))
    link = link.split("/")[0]

    def routes():
        return lab.host.run("ip", "-6", "route", "show", "default", "proto", "ra").stdout

    def heard(seconds):
        lab.internet.run("/usr/bin/python3", "-c", advertise, link, str(seconds))
        lab.host.sh("for i in $(seq 50); do ip -6 route show default proto ra | grep -q . && break; sleep 0.1; done")
        return int(routes().split("expires ")[1].split("sec")[0]) if routes() else 0

    def accepts(link="eth0"):
        return lab.host.run("cat", f"/proc/sys/net/ipv6/conf/{link}/accept_ra").stdout.strip()

    lab.host.run("sysctl", "-qw", "net.ipv6.conf.eth0.accept_ra=1", "net.ipv6.conf.eth1.accept_ra=0")
    try:
        assert heard(600) > 500
        before = lab.snapshot()
        with running(lab, "a", policy=NAT), running(lab, "b"):
            assert f"via {link}" in routes()
            assert (accepts(), accepts("eth1"), accepts("default")) == ("2", "0", "2")
            assert heard(1800) > 1000
            lab.host.run("ip", "link", "add", "new0", "type", "veth", "peer", "name", "new1")
            assert accepts("new0") == "2"
            lab.host.run("ip", "link", "del", "new0")
        after = lab.snapshot()
        assert f"via {link}" in routes()
        assert differences({k: before[k] for k in ("sysctls", "ip rules", "links", "addresses", "run")}, after) == ""
    finally:
        lab.host.run("ip", "-6", "route", "flush", "proto", "ra")
        lab.host.run("sysctl", "-qw", "net.ipv6.conf.eth0.accept_ra=1", "net.ipv6.conf.eth1.accept_ra=1")


def test_ipv6_of_the_host_ends_with_the_last_sandbox_that_has_it(lab):
    before = lab.snapshot()

    def forwards():
        return lab.host.run("cat", "/proc/sys/net/ipv6/conf/all/forwarding").stdout.strip()

    with running(lab, "plain"):
        without = lab.snapshot()
        assert forwards() == "0" and POOL not in without["ip rules"]
        with running(lab, "a", policy=NAT) as a:
            with running(lab, "b", policy=NAT):
                assert forwards() == "1"
            assert forwards() == "1" and is_open(a)
        assert forwards() == "0"
        assert differences(without, lab.snapshot()) == ""
    assert differences(before, lab.snapshot()) == ""


def test_a_host_that_routes_already_goes_on(lab):
    lab.host.run("sysctl", "-qw", "net.ipv6.conf.all.forwarding=1", "net.ipv6.conf.eth1.forwarding=0")
    try:
        before = lab.snapshot()
        with running(lab, "a", policy=NAT) as a:
            assert is_open(a)
            assert lab.snapshot()["sysctls"].count("eth1.forwarding = 0") == 1
        assert differences(before, lab.snapshot()) == ""
    finally:
        lab.host.run("sysctl", "-qw", "net.ipv6.conf.all.forwarding=0")
        lab.host.sh(f"ip -6 route replace default via {WAN_ROUTER6}")


def test_a_way_of_its_own_is_kept_for_a_link(lab):
    lab.host.run("sysctl", "-qw", "net.ipv6.conf.eth1.forwarding=1")
    try:
        before = lab.snapshot()
        with running(lab, "a", policy=NAT):
            pass
        assert differences(before, lab.snapshot()) == ""
    finally:
        lab.host.run("sysctl", "-qw", "net.ipv6.conf.eth1.forwarding=0")


def test_off_puts_no_ipv6_anywhere(lab):
    """Counted on every link of the host and at the guest's own end, while it tries what it can."""
    with running(lab, "a") as a:
        with Arrivals6(lab.host, 'iifname "mg*"') as host, Arrivals6(lab.internet, 'iifname "wan"') as internet, \
                Arrivals6(lab.lan, 'iifname "lan"') as lan, Arrivals6(a.guest, 'iifname "eth0"') as guest:
            probe(a.guest, *everything_closed(PUBLIC))
            assert not any(counter.all() for counter in (host, internet, lan, guest))
        assert a.inside("ip", "-6", "addr").stdout == a.inside("ip", "-6", "route").stdout == ""
        assert probe(a.guest, f"tcp {WEB} 80") == {f"tcp {WEB} 80": "open"}
