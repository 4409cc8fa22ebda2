"""Promise P1 from a guest's first instruction to its last: a probe that begins before the guest's own init.

It tries everything and sends every odd frame, in a loop, while the guest boots, works, is booted again and halted
under a flood. Asserted at the receivers, which watch from before `up` until after `destroy`. The one thing that is
allowed is the control: it arrives from the first seconds on, and says with each packet how long its guest has run.
"""

import contextlib
import importlib.util
import json
import pathlib
import time

import pytest
from scapy.all import ARP, BOOTP, DHCP, IP, IPv6, LLC, SNAP, STP, TCP, UDP, Dot1AD, Dot1Q, Dot3, Ether, ICMPv6ND_NA, \
    ICMPv6ND_RA, IPOption_LSRR, Raw

import first_box
from lab import (INTERNET, LAN_HOST, LAN_PEER, LAN_ROUTER, RESOLVER, ROUTED_PEER, WAN_HOST, WAN_ROUTER, WEB, differences,
                 stop)
from receivers import InHost, OnWire

GUEST, GATEWAY = "10.213.0.2", "10.213.0.1"
MAC, GATEWAY_MAC, ALL = "52:54:00:6d:67:02", "52:54:00:6d:67:01", "ff:ff:ff:ff:ff:ff"
MIGRANTFILE = f"""
cpus: 1
memory: 768M
disk: 4G
kernel:
  image: kernel
  initrd: initrd
  cmdline: root=/dev/vda ro console=ttyS0 net.ifnames=0 no_timer_check quiet rdinit=/first/init guest={GUEST} gateway={GATEWAY}
"""
PUBLIC = [WEB, "1.1.1.1", "8.8.8.8", RESOLVER]
ALLOWED = [f"udp {WEB} 4242", f"tcp {WEB} 80", f"icmp {WEB} 0"]
# What the Internet may see: the above, and dnsmasq's own questions.
EXPECTED = {(WEB, 17, 4242), (WEB, 6, 80), (WEB, 1), (RESOLVER, 17, 53)}
# Other resolvers: the gateway answers in their place.
REDIRECTED = [f"{p} {a} 53" for p in ("udp", "tcp") for a in ("8.8.8.8", "1.1.1.1", LAN_PEER, "2001:db8:5::1")]


def closed(addresses):
    return [t for a in addresses for t in (f"tcp {a} 22", f"tcp {a} 80", f"udp {a} 4242", f"icmp {a} 0")]


def denied(*more):
    return [
        *closed([WAN_HOST, WAN_ROUTER, LAN_HOST, LAN_PEER, LAN_ROUTER, ROUTED_PEER, *more,
                 *[a for a in INTERNET if a not in PUBLIC], "198.18.0.1", "198.18.0.9", "198.18.0.10", "10.213.0.3"]),
        *closed(["2001:db8:5::1", "2001:db8:5::2", "fd00:ec2::254", "fe80::1%eth0", "ff02::1%eth0", "::ffff:192.168.1.50"]),
        f"tcp {GATEWAY} 22", f"icmp {GATEWAY} 0", f"udp {GATEWAY} 69",
        *[f"udp {a} {p}" for a, p in (("255.255.255.255", 67), ("10.213.0.3", 137), ("224.0.0.251", 5353),
                                      ("239.255.255.250", 1900), ("ff02::fb%eth0", 5353), ("ff02::1:2%eth0", 547))],
        *[f"{n} {WEB} 0" for n in (2, 4, 41, 47, 50, 89, 132, 253)],
    ]


def frames():
    """Each would be seen somewhere if it came through: as a frame, or as UDP to port 9."""
    own, udp = {"src": MAC, "dst": GATEWAY_MAC}, UDP(sport=9, dport=9) / b"frame"
    packet = IP(src=GUEST, dst=WEB) / udp
    spoofed = [WAN_HOST, LAN_HOST, LAN_PEER, GATEWAY, "10.213.0.3", "198.18.0.1", "198.18.0.9", "198.18.0.11", "198.18.0.12",
               "198.18.0.26", "8.8.8.8", "127.0.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255"]
    return [
        *[Ether(**own) / IP(src=s, dst=d) / udp for s in spoofed for d in (WEB, LAN_PEER)],
        *[Ether(src=s, dst=GATEWAY_MAC) / packet for s in ("52:54:00:6d:67:99", GATEWAY_MAC, ALL)],
        *[Ether(src=MAC, dst=d) / packet for d in (ALL, "01:00:5e:00:00:fb", "52:54:00:6d:67:99")],
        *[Ether(**own) / Dot1Q(vlan=v) / packet for v in (0, 5)],
        Ether(**own) / Dot1AD(vlan=0) / Dot1Q(vlan=0) / packet,
        Ether(src=MAC, dst=ALL) / Dot1Q(vlan=0) / ARP(op=1, hwsrc=MAC, psrc=GUEST, pdst=GATEWAY),
        Dot3(**own) / LLC(dsap=0xAA, ssap=0xAA, ctrl=3) / SNAP(code=0x0800) / packet,
        Dot3(src=MAC, dst="01:80:c2:00:00:00") / LLC() / STP(),
        Ether(src=MAC, dst="01:80:c2:00:00:0e", type=0x88CC) / Raw(b"\x02\x07\x04" + b"\0" * 40),
        Ether(type=0x8863, **own) / Raw(b"\x11\x09\0\0\0\0"),
        Ether(type=0x88B5, **own) / Raw(b"x" * 46),
        Ether(**own) / IP(src=GUEST, dst=WEB, options=IPOption_LSRR(routers=[LAN_PEER])) / udp,
        # DHCP: a client that changes its mind, and a server
        Ether(src=MAC, dst=ALL) / IP(src="0.0.0.0", dst="255.255.255.255") / UDP(sport=68, dport=67)
        / BOOTP(chaddr=b"other!", ciaddr=LAN_PEER) / DHCP(options=[("message-type", "decline"), "end"]),
        Ether(src=MAC, dst=ALL) / IP(src=GUEST, dst="255.255.255.255") / UDP(sport=67, dport=68)
        / BOOTP(op=2, yiaddr=LAN_PEER) / DHCP(options=[("message-type", "offer"), ("router", GUEST), "end"]),
        # ARP: for others, as others, of the gateway
        *[Ether(src=MAC, dst=ALL) / ARP(op=2, hwsrc=MAC, psrc=a, hwdst=ALL, pdst=a) for a in (GATEWAY, LAN_HOST, WAN_ROUTER)],
        Ether(src=MAC, dst=ALL) / ARP(op=1, hwsrc="52:54:00:6d:67:99", psrc=GUEST, pdst=GATEWAY),
        Ether(src=MAC, dst=ALL) / ARP(op=1, hwsrc=MAC, psrc=GUEST, pdst=LAN_PEER),
        # IPv6: a router, a neighbour, packets
        Ether(src=MAC, dst="33:33:00:00:00:01") / IPv6(src="fe80::2", dst="ff02::1") / ICMPv6ND_RA(),
        Ether(**own) / IPv6(src="2001:db8:5::1", dst="ff02::1") / ICMPv6ND_NA(tgt="2001:db8:5::1"),
        *[Ether(**own) / IPv6(src=s, dst=d) / udp for s in ("fe80::2", "2001:db8:5::7", "::1")
          for d in ("2001:db8:5::1", "2001:db8:5::2", "fe80::1", "ff02::1")],
        Ether(**own) / IP(src=GUEST, dst="198.18.0.9") / TCP(dport=22, flags="A"),
    ]


ECHO = """
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], 4242))
print("ready", flush=True)
while True:
    data, sender = s.recvfrom(100)
    s.sendto(b"hello", sender)
    print(data.decode(), flush=True)
"""


class Control:
    """The one service that a guest may reach: the uptimes of its packets, in seconds, as they arrive."""

    def __init__(self, lab):
        self.lab, self.path = lab, lab.base / "control.log"

    def __enter__(self):
        with open(self.path, "w") as log:
            self.popen = self.lab.internet.spawn("/usr/bin/python3", "-c", ECHO, WEB, stdout=log)
        wait(lambda: self.path.read_text())
        return self

    def __exit__(self, *_):
        stop(self.popen)

    def uptimes(self):
        lines = self.path.read_text().splitlines()[1:]
        return [int(line.split()[1]) / 1000 for line in lines if line.startswith("probe ")]

    def boots(self):
        """The uptimes of each boot's packets."""
        boots = [[]]
        for uptime in self.uptimes():
            if boots[-1] and uptime < boots[-1][-1] - 5:
                boots.append([])
            boots[-1].append(uptime)
        return boots


def wait(condition, deadline=120):
    until = time.monotonic() + deadline
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.2)


def ring2():
    """The other ring's way to run a sandbox: its guest is a namespace."""
    path = pathlib.Path(__file__).resolve().parent.parent / "net/conftest.py"
    spec = importlib.util.spec_from_file_location("ring2", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class First:
    """The sandbox whose guest probes, and all who must not hear of it."""

    def __init__(self, lab, neighbour, stack):
        self.lab, self.project = lab, "/home/dev/first"
        self.control = stack.enter_context(Control(lab))
        self.internet = stack.enter_context(OnWire(lab.internet, "wan", arp=False))
        self.lan = stack.enter_context(OnWire(lab.lan, "lan"))
        self.neighbour = stack.enter_context(OnWire(neighbour.guest, "eth0"))
        self.host = stack.enter_context(InHost(lab.host))

    def ssh(self, command, **options):
        return self.lab.migrant("ssh", "-c", command, cwd=self.project, **options)

    def report(self):
        """What the probe has counted in this boot."""
        for _ in range(5):
            with contextlib.suppress(json.JSONDecodeError):
                return json.loads(self.ssh("sudo sh -c 'cat /proc/$(pgrep -ox probe)/fd/1'").stdout)
        raise AssertionError("no report")

    def wait_rounds(self, count=3):
        """Waits until the probe has tried everything @count times more."""
        start = self.report()["rounds"]
        wait(lambda: self.report()["rounds"] >= start + count)

    def leaks(self):
        """What has arrived and should not have."""
        return {"internet": self.internet.seen() - EXPECTED, "lan": self.lan.seen(), "host": self.host.seen(),
                "neighbour": self.neighbour.seen()}

    def userspace(self):
        """The guest's uptime, in seconds, when its init began."""
        text = self.ssh("systemctl show --property UserspaceTimestampMonotonic").stdout
        return int(text.split("=")[1]) / 1e6


TIGHT = {"internet": set(), "lan": set(), "host": set(), "neighbour": set()}


def put(lab, path, data):
    scratch = lab.base / "scratch"
    scratch.write_bytes(data)
    lab.host.run("install", "-o", "dev", "-m", "644", scratch, path)
    scratch.unlink()


@pytest.fixture(scope="module")
def neighbour(world):
    sandbox = ring2().Sandbox(world, "neighbour")
    try:
        yield sandbox.up()
    finally:
        sandbox.down()


@pytest.fixture(scope="module")
def before(world, neighbour):
    return world.snapshot()


@pytest.fixture(scope="module")
def first(world, neighbour, before, build, box_files):
    targets = [*ALLOWED, *denied(neighbour.record()["control_address"]), *REDIRECTED]
    targets += [f"frame {bytes(f).hex()}" for f in frames()]
    project = world.project("first", MIGRANTFILE)
    put(world, f"{project}/initrd", first_box.initrd(build, box_files, world.base, targets))
    put(world, f"{project}/kernel", next(box_files.glob("kernel-*")).read_bytes())
    with contextlib.ExitStack() as stack:
        first = First(world, neighbour, stack)
        try:
            world.migrant("up", cwd=project, timeout=600)
            yield first
        finally:
            world.migrant("destroy", "-f", cwd=project, check=False)


def test_the_probe_ran_before_the_guests_init(first):
    assert first.control.uptimes()[0] < first.userspace()
    assert {(WEB, 17, 4242), (WEB, 6, 80), (WEB, 1)} <= first.internet.seen()


def test_nothing_denied_arrived_while_the_guest_booted(first):
    assert first.leaks() == TIGHT
    answers = first.report()["answers"]
    good = {target for target, counts in answers.items() if {"open", "answered"} & set(counts)}
    assert set(ALLOWED) <= good
    assert good <= {*ALLOWED, *REDIRECTED}


def test_nothing_arrives_after_a_flush_of_the_hosts_rules(first):
    assert first.host.seen() == set()
    first.lab.host.run("nft", "-f", "-", input="flush ruleset\n" + first.host.text())
    first.wait_rounds()
    assert first.leaks() == TIGHT


def test_nothing_arrives_after_a_crash_of_libvirts_daemon(first):
    first.lab.stop_libvirtd("KILL")
    first.lab.start_libvirtd()
    first.wait_rounds()
    arrived = len(first.control.uptimes())
    wait(lambda: len(first.control.uptimes()) > arrived)  # what the flush took is there again
    assert json.loads(first.lab.migrant("status", "--json", cwd=first.project).stdout)["drift"] == []
    assert first.leaks() == TIGHT


def test_nothing_arrives_while_the_guest_boots_again(first):
    first.ssh("sudo systemctl --no-block reboot", check=False)
    wait(lambda: len(first.control.boots()) == 2, 900)
    wait(lambda: first.ssh("true", check=False, timeout=600).returncode == 0, 600)
    assert first.control.boots()[1][0] < first.userspace()
    assert first.leaks() == TIGHT


def test_nothing_arrives_of_a_guest_that_is_halted_in_a_flood(first):
    lines = [*ALLOWED, *denied(), *[f"frame {bytes(f).hex()}" for f in frames()]]
    first.lab.host.run("migrant", "ssh", "-c", "sudo tee /run/flood >/dev/null", user="dev", cwd=first.project,
                       input="\n".join(lines) + "\n")
    first.ssh("sudo bash -c 'program=/proc/$(pgrep -ox probe)/exe; for i in 1 2; do "
              "(exec -a @flood setsid $program -n 0 -w 0 -f /run/flood >/dev/null 2>&1 </dev/null) & done'")
    first.lab.migrant("halt", cwd=first.project, timeout=300)
    assert first.leaks() == TIGHT


def test_the_receivers_have_watched_to_the_end(first, neighbour, before):
    """And nothing is left of the sandbox."""
    lab = first.lab
    lab.migrant("destroy", "-f", cwd=first.project)
    assert first.leaks() == TIGHT
    ring2().probe(lab.host, f"udp {LAN_PEER} 4242", f"tcp {neighbour.record()['control_address']} 22", "udp 1.1.1.1 9")
    assert (LAN_PEER, 17, 4242) in first.lan.seen()
    assert (GUEST, 6, 22) in first.neighbour.seen()
    assert ("1.1.1.1", 17, 9) in first.internet.seen()
    after = lab.snapshot()
    assert differences({k: v for k, v in before.items() if k != "rules"}, after) == ""
