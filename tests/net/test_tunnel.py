"""A guest behind a tunnel: what works, who sees it, and that nothing of it is seen anywhere else."""

import contextlib
import hashlib
import subprocess

import pytest
from scapy.all import ICMP, IP, Ether, ICMPv6NIQueryNOOP, IPv6

from conftest import GATEWAY, GATEWAY6, GUEST, GUEST6, GUEST_MAC, HERE, Sandbox, probe, send_frames
from keeping import Talk, service
from lab import INTERNET, LAN_HOST, LAN_PEER, WAN_ROUTER, WAN_ROUTER6, WEB, WEB6, Machine, differences, stop
from test_services import ask
from tunneled import Tunneled, send, source, tunneled, verify
from wireguard import Leaks, Peer, eventually

CLOSED = ["10.8.1.1", LAN_PEER, "10.99.0.1", "100.64.9.9", "169.254.169.254", "100.100.100.200", "198.18.250.1", "240.1.1.1",
          "fd08:1::1", "fd77::1", "2001:db8:77::9", "fd00:ec2::254", "::505:505", "2002:505:505::1"]
# What is neither TCP, UDP nor a ping.
ODD = [IP(src=GUEST, dst=WEB) / ICMP(type=13), IP(src=GUEST, dst=WEB) / ICMP(type=17), IP(src=GUEST, dst=WEB, proto=47) / (b"x" * 20),
       IPv6(src=GUEST6, dst=WEB6) / ICMPv6NIQueryNOOP(), IPv6(src=GUEST6, dst=WEB6, nh=132) / (b"x" * 20)]


def test_everything_goes_through_it(lab, peer):
    before = lab.snapshot()
    with Leaks(lab) as leaks, tunneled(lab, peer, policy={"ipv6": "nat"}) as sandbox:
        assert (source(sandbox, WEB), source(sandbox, f"[{WEB6}]")) == peer.client()
        assert ask(sandbox.guest, "inside.test") == ask(sandbox.guest, "inside.test", server="1.1.1.1") == ["9.9.1.9"]
        assert ask(sandbox.guest, "private.inside.test") == "NXDOMAIN"  # 10.99.1.9: nobody is sent to what is closed
        answers = probe(sandbox.guest, "icmp 8.8.8.8 0", f"icmp {WEB6} 0", f"udp {WEB} 99", f"tcp {WEB} 853")
        assert list(answers.values()) == ["answered", "answered", "Connection refused", "Connection refused"]
        with peer.seen() as seen:
            send_frames(sandbox.guest, *[Ether(src=GUEST_MAC, dst="52:54:00:6d:67:01") / packet for packet in ODD])
            probe(sandbox.guest, *[f"tcp {a} 80" for a in CLOSED], f"udp {peer.address} 53", f"tcp {WEB} 853")
            assert seen() == {(WEB, 853)}
        assert verify(lab) == []
        assert sandbox.record()["uplink"] == ""
        assert leaks.all() == ""
    assert differences(before, lab.snapshot()) == ""


def test_ipv6_off_is_off(lab, peer):
    """Also when the tunnel has it, and when the guest speaks it all the same."""
    with Leaks(lab) as leaks, tunneled(lab, peer) as sandbox, peer.seen() as seen:
        assert source(sandbox, WEB) == peer.client()[0]
        probe(sandbox.guest, f"tcp {WEB6} 80", f"icmp {WEB6} 0")
        assert not [a for a, _ in seen() if ":" in a]
        assert ask(sandbox.guest, "web.test", kind="AAAA") == "empty"
        assert "inet6" not in sandbox.inside("ip", "addr", "show", sandbox.link).stdout
        # Switched on for a guest that runs, and off again.
        sandbox.apply({"ipv6": "nat"})
        assert (source(sandbox, f"[{WEB6}]"), verify(lab)) == (peer.client()[1], [])
        sandbox.apply({})
        assert (source(sandbox, f"[{WEB6}]"), source(sandbox, WEB), verify(lab)) == ("", peer.client()[0], [])
        assert leaks.all() == ""


def test_a_tunnel_without_ipv6_carries_none(lab, peer):
    conf = "".join(line + "\n" for line in peer.conf(allowed="0.0.0.0/0").splitlines() if "fd08" not in line)
    with Leaks(lab) as leaks, tunneled(lab, peer, conf=conf, policy={"ipv6": "nat"}) as sandbox:
        assert (source(sandbox, WEB), source(sandbox, f"[{WEB6}]")) == (peer.client()[0], "")
        probe(sandbox.guest, f"tcp {WEB6} 80", f"icmp {WEB6} 0", "udp 2620:fe::9 53")
        assert (verify(lab), leaks.all()) == ([], "")


def test_what_is_private_is_closed_unless_it_is_opened(lab, peer):
    """`isolate: false` opens it inside the tunnel, and there alone."""
    with Leaks(lab) as leaks, tunneled(lab, peer, policy={"isolate": False}) as sandbox:
        assert source(sandbox, "10.99.0.1") == source(sandbox, peer.address) == peer.client()[0]
        assert probe(sandbox.guest, f"tcp {LAN_PEER} 80")[f"tcp {LAN_PEER} 80"] != "open"
        assert leaks.all() == ""


def test_no_egress(lab, peer):
    policy = {"egress": "none", "allow": [f"forward tcp/9000 to {peer.address}:80 via tunnel"]}
    with Leaks(lab) as leaks, tunneled(lab, peer, policy=policy) as sandbox, peer.seen() as seen:
        assert source(sandbox, f"{GATEWAY}:9000") == peer.client()[0]
        probe(sandbox.guest, f"tcp {WEB} 80", f"icmp {WEB} 0", f"tcp {peer.address} 80", f"udp {peer.address} 53")
        assert ask(sandbox.guest, "inside.test") == "REFUSED"
        assert {(a, p) for a, p in seen() if p} == {(peer.address, 80)}
        assert (verify(lab), leaks.all()) == ([], "")


ALLOW = [f"lan {LAN_PEER} tcp/80", f"lan {WEB} tcp/81", "forward tcp/9001 to 192.168.1.1:80", "host tcp/8080"]


def test_exceptions(lab, peer):
    """What is allowed outside leaves exactly there, and all else does not, whatever becomes of the tunnel."""
    via = f"forward tcp/9000 to {peer.address}:80 via tunnel"
    outside = f"ip daddr {{ {LAN_PEER}, 192.168.1.1 }} tcp dport 80 accept\nip daddr {WEB} tcp dport 81 accept"
    with web_at(lab, 8080), Leaks(lab, outside) as leaks, tunneled(lab, peer, policy={"allow": [*ALLOW, via]}) as sandbox:
        def reached():
            return [source(sandbox, a) for a in (LAN_PEER, f"{GATEWAY}:9001", f"{GATEWAY}:9000", f"{GATEWAY}:8080")]

        assert reached() == [LAN_HOST, LAN_HOST, peer.client()[0], "127.0.0.1"]
        # An address that is allowed outside lies there as a whole: its other ports are closed.
        answers = probe(sandbox.guest, f"tcp {LAN_PEER} 81", f"tcp {WEB} 80", "tcp 192.168.1.1 80", "tcp 1.1.1.1 80")
        assert list(answers.values()) == ["Connection refused"] * 3 + ["open"]
        routes = sandbox.inside("ip", "route").stdout.split("\n")
        assert sorted(r.split()[0] for r in routes if "dev uplink proto 109" in r) == sorted([LAN_PEER, "192.168.1.1", WEB])
        assert verify(lab) == []
        # Another default route, which only the rules are in the way of.
        sandbox.inside("sh", "-euc", "h=$(ip route | sed -n 's/.* via \\([^ ]*\\) dev uplink.*/\\1/p' | head -1);"
                                     "ip route replace default via $h dev uplink; ip route flush cache")
        probe(sandbox.guest, f"tcp {WEB} 80", "tcp 1.1.1.1 80", "icmp 8.8.8.8 0", f"tcp {LAN_PEER} 81")
        ask(sandbox.guest, "inside.test")
        # No tunnel at all: nothing but the exceptions.
        sandbox.inside("ip", "link", "del", sandbox.link)
        assert reached() == [LAN_HOST, LAN_HOST, "", "127.0.0.1"]
        probe(sandbox.guest, f"tcp {WEB} 80", "tcp 1.1.1.1 80", "icmp 8.8.8.8 0", f"tcp {LAN_PEER} 81")
        ask(sandbox.guest, "inside.test")
        sandbox.inside("nft", "flush", "ruleset")
        probe(sandbox.guest, f"tcp {WEB} 80", "tcp 1.1.1.1 80", "icmp 8.8.8.8 0", f"tcp {LAN_PEER} 81", f"tcp {LAN_PEER} 80")
        assert leaks.all() == ""


def test_exceptions_come_and_go(lab, peer):
    with tunneled(lab, peer) as sandbox:
        assert probe(sandbox.guest, f"tcp {LAN_PEER} 80")[f"tcp {LAN_PEER} 80"] == "Connection refused"
        sandbox.inside("ip", "link", "del", sandbox.link)  # it is made again with another policy, too
        sandbox.apply({"allow": ALLOW})
        assert (source(sandbox, LAN_PEER), verify(lab)) == (LAN_HOST, [])
        sandbox.apply({"allow": ALLOW, "ipv6": "nat"})
        assert (source(sandbox, LAN_PEER), verify(lab)) == (LAN_HOST, [])
        assert sandbox.record()["uplink"] == "mgu" + sandbox.uuid[:8]
        sandbox.hook("reconnect")
        with Leaks(lab, f"ip daddr {LAN_PEER} tcp dport 80 accept") as leaks:
            sandbox.apply({"allow": ALLOW[:1]})
            assert "dev uplink" not in sandbox.inside("ip", "route", "show", WEB).stdout
            assert (source(sandbox, LAN_PEER), source(sandbox, WEB), verify(lab)) == (LAN_HOST, peer.client()[0], [])
            assert leaks.all() == ""
        with Leaks(lab) as leaks:
            sandbox.apply({})
            assert "uplink" not in sandbox.inside("ip", "link").stdout + lab.host.run("ip", "route", "show", "table", "28007").stdout
            assert (source(sandbox, LAN_PEER), source(sandbox, WEB), verify(lab)) == ("", peer.client()[0], [])
            sandbox.hook("reconnect")
            assert leaks.all() == ""


@pytest.mark.parametrize("grant, place, address", [
    (f"lan {WEB} tcp/81", WEB, WEB), ("forward tcp/9000 to 1.1.1.1:81 via tunnel", GATEWAY, "1.1.1.1"),
    (f"lan {WEB6} tcp/81", WEB6, WEB6), (f"forward tcp/9000 to [{WEB6}]:81 via tunnel", GATEWAY6, WEB6)])
def test_what_is_withdrawn_does_not_go_on_another_way(lab, peer, grant, place, address):
    """The Internet is open through the tunnel: a connection that was allowed outside, or by a port, is cut all the same."""
    policy = {"ipv6": "nat"} if ":" in address else {}
    end = ("ip6" if policy else "ip") + f" daddr {address} tcp flags & (fin | rst) != 0 accept"
    with service(lab.internet, "echo", 81, address=address), tunneled(lab, peer, policy=policy | {"allow": [grant]}) as sandbox:
        with Talk(sandbox.guest, "talk", place, "81" if place == address else "9000") as talk:
            assert talk.say("one") == "one"
            with Leaks(lab, end) as leaks:
                sandbox.apply(policy)
                assert talk.say("two") == "closed"
                assert leaks.all() == ""


def test_an_endpoint_with_ipv6(lab, peer):
    """The way to the peer has nothing to do with what goes through it."""
    with Leaks(lab) as leaks, tunneled(lab, peer, conf=peer.conf(endpoint=f"[{WAN_ROUTER6}]")) as sandbox:
        assert source(sandbox, WEB) == peer.client()[0]
        assert sandbox.wg()["peers"][0]["endpoint"] == f"[{WAN_ROUTER6}]:{peer.port}"
        # Saved and restored: the same tunnel, handed over anew.
        sandbox.down()
        sandbox.hook("restore")
        sandbox.up()
        eventually(sandbox.handshake)
        assert source(sandbox, WEB) == peer.client()[0]
        assert leaks.all() == ""


def test_another_tunnel_needs_another_start(lab, peer):
    with tunneled(lab, peer) as sandbox:
        good = sandbox.metadata({})
        identity = sandbox.record()["tunnel"].split()[1]
        for text in (good.replace(identity, "b" * 64), good.replace(f"{peer.address}<", "10.8.1.7<"),
                     good.replace(good[good.index("<migrant:tunnel"):good.index("</migrant:sandbox>")], "")):
            refused = sandbox.apply(text=text, check=False)
            assert (refused.returncode, "migrant up" in refused.stderr) == (1, True), refused.stderr
        assert (source(sandbox, WEB), verify(lab)) == (peer.client()[0], [])
    with contextlib.closing(Plain(lab)) as plain:
        plain.up()
        plain.describe("b" * 64)
        assert plain.apply(text=plain.metadata({}), check=False).returncode == 1


class Plain(Tunneled):
    """Started without a tunnel."""

    def __init__(self, lab):
        super().__init__(lab, "a", "Address = 10.8.1.2/32\nMTU = 1420\n")

    def hook(self, *arguments, **options):
        return Sandbox.hook(self, *arguments, **options)

    close = Sandbox.down


def test_segments_fit_in_ipv6(lab, peer):
    """Also those of a peer that believes its link to be larger."""
    counters = "table inet mss { counter fits { }; chain c { type filter hook input priority 0; meta nfproto ipv6 " \
               "tcp flags & (syn | rst) == syn tcp option maxseg size 1360 counter name fits; }; }"
    lab.internet.run("ip", "link", "set", peer.link, "mtu", "1500")
    try:
        with tunneled(lab, peer, policy={"ipv6": "nat"}) as sandbox:
            for machine in (lab.internet, sandbox.guest):
                machine.run("nft", "-f", "-", input=counters)
            assert source(sandbox, f"[{WEB6}]") == peer.client()[1]
            for machine in (lab.internet, sandbox.guest):
                assert "packets 0 " not in machine.run("nft", "list", "counters", "table", "inet", "mss").stdout
    finally:
        lab.internet.sh(f"ip link set {peer.link} mtu 1420; nft delete table inet mss")


@contextlib.contextmanager
def web_at(lab, port):
    """A service of the host."""
    popen = lab.serve_http(lab.host, port)
    try:
        yield
    finally:
        popen.kill()
        popen.wait()


def test_two_sandboxes_two_tunnels(lab, peer):
    with Peer(lab, number=2) as other, Leaks(lab) as leaks, tunneled(lab, peer) as a, tunneled(lab, other, "b") as b:
        assert (source(a, WEB), source(b, WEB)) == (peer.client()[0], other.client()[0])
        assert ask(a.guest, "inside.test") == ["9.9.1.9"]
        assert ask(b.guest, "inside.test") == ["9.9.2.9"]
        probe(a.guest, f"tcp {other.client()[0]} 22", "tcp 198.18.0.18 22")
        b.inside("ip", "link", "del", b.link)
        assert (source(a, WEB), source(b, WEB), leaks.all()) == (peer.client()[0], "", "")


def test_the_same_file_twice(lab, peer):
    """The peer knows one place for a key: who spoke last is answered, and the other stays silent, not in the open."""
    with Leaks(lab) as leaks, tunneled(lab, peer) as a, tunneled(lab, peer, "b") as b:
        assert source(b, WEB) == peer.client()[0]
        probe(a.guest, f"tcp {WEB} 80", "icmp 8.8.8.8 0", f"udp {WEB} 99")
        ask(a.guest, "inside.test")
        assert leaks.all() == ""


def test_long_packets(lab, peer):
    """A path of 1280 bytes beyond the peer: errors of it reach the guest, and segments fit the tunnel from the first on."""
    far = Machine(lab.hold("--net"), ["-n"])
    lab.internet.sh(f"""
        ip link add far type veth peer name eth0 netns {far.pid}
        ip addr add 9.1.1.1/24 dev far; ip link set far mtu 1280; ip link set far up
        echo 1 >/proc/sys/net/ipv4/ip_forward
        """)
    far.sh("ip link set lo up; ip addr add 9.1.1.2/24 dev eth0; ip link set eth0 up; ip route add default via 9.1.1.1")
    server = far.spawn("/usr/bin/python3", HERE / "peer.py", "serve", "digest", "tcp", "9.1.1.2", "7000", stdout=subprocess.PIPE, text=True)
    assert server.stdout.readline() == "ready\n"
    counters = "table inet mss { counter fits { }; chain c { type filter hook %s priority 0; " \
               "tcp flags & (syn | rst) == syn tcp option maxseg size 1380 counter name fits; }; }"
    try:
        with tunneled(lab, peer, policy={"ipv6": "nat"}) as sandbox:
            far.run("nft", "-f", "-", input=counters % "input")
            sandbox.guest.run("nft", "-f", "-", input=counters % "input")
            assert sandbox.guest.run("/usr/bin/python3", HERE / "peer.py", "digest", "9.1.1.2", "7000", "2000000").stdout == \
                f"2000000 {hashlib.sha256((hashlib.sha256(b'migrant').digest() * 62500)[:2000000]).hexdigest()}\n"
            for machine in (far, sandbox.guest):  # its SYN, and the answer to it
                assert "packets 0 " not in machine.run("nft", "list", "counters").stdout
            mtu = sandbox.guest.run("ip", "route", "get", "9.1.1.2").stdout
            assert "mtu 1280" in mtu
            # Pieces that a datagram is sent in go through the tunnel like everything else.
            with Leaks(lab) as leaks, peer.seen() as seen:
                send(sandbox.guest, WEB, 99, 4000)
                eventually(lambda: (WEB, 99) in seen())
                assert leaks.all() == ""
    finally:
        stop(server)
        lab.internet.sh("ip link del far; echo 0 >/proc/sys/net/ipv4/ip_forward")


def test_what_collides_is_refused(lab, peer):
    """A tunnel that has the sandbox's own links, and a resolver that is both inside and outside of it."""
    for conf, policy in ((peer.conf(allowed="10.213.0.2/32"), {}), (peer.conf(allowed="0.0.0.0/0, 198.18.0.0/16"), {}),
                         (peer.conf(allowed="::/0, fd6d:6967:7261:ffff::/64"), {}),
                         (peer.conf().replace("10.8.1.2/32", "10.213.0.1/32"), {}),
                         (peer.conf(), {"allow": [f"lan {peer.address}"]}),
                         (peer.conf(), {"allow": [f"lan {WEB} tcp/80", f"forward tcp/9 to {WEB}:80 via tunnel"]})):
        sandbox = Tunneled(lab, "a", conf, policy=policy)
        try:
            refused = sandbox.hook("prepare", check=False)
            assert (refused.returncode, "[65]" in refused.stderr) == (65, True), refused.stderr
        finally:
            sandbox.down()


@pytest.mark.parametrize("allowed", ["10.8.1.0/24, 93.184.216.34/32"])
def test_a_tunnel_to_some_addresses_is_no_way_to_others(lab, peer, allowed):
    with Leaks(lab) as leaks, tunneled(lab, peer, conf=peer.conf(allowed=allowed)) as sandbox:
        assert source(sandbox, WEB) == peer.client()[0]
        answers = probe(sandbox.guest, *[f"tcp {a} 80" for a in INTERNET if a != WEB], f"udp {WAN_ROUTER} 51821")
        assert "open" not in answers.values()
        assert leaks.all() == ""
