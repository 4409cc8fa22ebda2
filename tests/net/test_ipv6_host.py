"""What `ipv6: nat` does to the host, and that it takes it back; and that `off` does nothing."""

import time

from conftest import HELPER, probe, running
from keeping import wait_for
from lab import LAN_PEER6, WAN_ROUTER6, WEB, WEB6, differences, stop
from test_ipv6 import NAT, POOL, PUBLIC, everything_closed, is_open
from watch import Arrivals6


def changes(before, lab):
    """Since a snapshot; loop devices are the whole machine's, and others use some."""
    return differences({name: text for name, text in before.items() if name != "loop devices"}, lab.snapshot())


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
        assert changes(without, lab) == ""
    assert changes(before, lab) == ""


def test_a_host_that_routes_already_goes_on(lab):
    lab.host.run("sysctl", "-qw", "net.ipv6.conf.all.forwarding=1", "net.ipv6.conf.eth1.forwarding=0")
    try:
        before = lab.snapshot()
        with running(lab, "a", policy=NAT) as a:
            assert is_open(a)
            assert lab.snapshot()["sysctls"].count("eth1.forwarding = 0") == 1
        assert changes(before, lab) == ""
    finally:
        lab.host.run("sysctl", "-qw", "net.ipv6.conf.all.forwarding=0")
        lab.host.sh(f"ip -6 route replace default via {WAN_ROUTER6}")


def test_a_way_of_its_own_is_kept_for_a_link(lab):
    lab.host.run("sysctl", "-qw", "net.ipv6.conf.eth1.forwarding=1")
    try:
        before = lab.snapshot()
        with running(lab, "a", policy=NAT):
            pass
        assert changes(before, lab) == ""
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


def test_a_running_guest_gets_it_and_loses_it(lab):
    """The other policy is that of links, addresses and the host as well; nothing of it stays behind."""
    with running(lab, "a") as a:
        before = lab.snapshot()
        for _ in range(2):
            assert not is_open(a)
            a.apply(NAT)
            assert lab.host.run(HELPER, "verify", "a").stdout == "[]\n"
            assert is_open(a)
            with Arrivals6(lab.lan, 'iifname "lan"') as lan:
                probe(a.guest, f"tcp {LAN_PEER6} 80", f"udp {LAN_PEER6} 80")
                a.apply(NAT | {"allow": [f"lan {LAN_PEER6} tcp/80"]})
                assert not lan.all()
                probe(a.guest, f"tcp {LAN_PEER6} 80", f"udp {LAN_PEER6} 80")
                assert lan.all() == {(LAN_PEER6, "tcp")}
            a.apply({})
            assert lab.host.run(HELPER, "verify", "a").stdout == "[]\n"
            with Arrivals6(lab.host, 'iifname "mg*"') as host:
                probe(a.guest, *everything_closed(PUBLIC))
                assert not host.all()
            assert a.inside("ip", "-6", "addr").stdout == a.inside("ip", "-6", "route").stdout == ""
            assert changes(before, lab) == ""
        assert probe(a.guest, f"tcp {WEB} 80") == {f"tcp {WEB} 80": "open"}


def test_what_is_open_ends_with_ipv6(lab):
    """A connection on which the far end goes on sending."""
    server = ("import socket\ns=socket.create_server(('::',7000),family=socket.AF_INET6)\nprint('ready',flush=True)\nc=s.accept()[0]\n"
              "import time\nwhile True:\n c.send(b'x'*100); time.sleep(0.02)")
    client = f"import socket\ns=socket.create_connection(('{WEB6}',7000))\nprint('open',flush=True)\nwhile s.recv(1000): pass"
    far = lab.internet.spawn("/usr/bin/python3", "-c", server, stdout=-1, stderr=-1)
    assert far.stdout.readline() == b"ready\n"
    near = None
    try:
        with running(lab, "a", policy=NAT) as a:
            near = a.guest.spawn("/usr/bin/python3", "-c", client, stdout=-1)
            assert near.stdout.readline() == b"open\n"
            with Arrivals6(a.guest, 'iifname "eth0" tcp sport 7000') as seen:
                wait_for(seen.all)
            a.apply({})
            with Arrivals6(a.guest, 'iifname "eth0"') as seen:
                time.sleep(0.5)
                assert not seen.all()
    finally:
        for popen in filter(None, (near, far)):
            stop(popen)
            for pipe in filter(None, (popen.stdout, popen.stderr)):
                pipe.close()
