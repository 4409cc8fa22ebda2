"""A sandbox comes, works and goes without a trace, however often, however many at once, and whatever is going on."""

import concurrent.futures
import random
import subprocess
import time

from conftest import HOOK, Sandbox, probe, running
from lab import LAN_PEER, WAN_HOST, WEB, stop
from lab import differences as all_differences
from watch import Arrivals, Receiver
from world import Agent, part

# Sends to what is allowed and what is not, as fast as it can, until it is killed.
FLOOD = f"""
import socket
s = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3)]
for one, address in zip(s, ("{WEB}", "{LAN_PEER}", "{WAN_HOST}")):
    one.connect((address, 4242))
print("ready", flush=True)
while True:
    for one in s:
        try:
            one.send(b"flood")
        except OSError:
            pass
"""
# Plays QEMU as far as the hook can see: opens the taps that it is told to, in turn.
HOLD = """
import fcntl, os, struct, sys
tap = None
for name in sys.stdin:
    if tap is not None:
        os.close(tap)
        tap = None
    if name.strip():
        tap = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(tap, 0x400454CA, struct.pack("16sH22x", name.strip().encode(), 0x1002))
    print("done", flush=True)
"""


def differences(before, after):
    """But for loop devices: these are the whole machine's, and no sandbox here has a share."""
    return all_differences({k: v for k, v in before.items() if k != "loop devices"}, after)


class Taps:
    """A process on the host that holds one tap at a time."""

    def __init__(self, lab):
        self.popen = lab.host.spawn("/usr/bin/python3", "-c", HOLD, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def hold(self, name=""):
        self.popen.stdin.write(name + "\n")
        self.popen.stdin.flush()
        assert self.popen.stdout.readline() == "done\n"

    def close(self):
        stop(self.popen)
        self.popen.stdin.close()
        self.popen.stdout.close()


def cycle(sandbox, taps):
    for operation in ("prepare", "start", "started"):
        sandbox.hook(operation)
        if operation == "prepare":
            taps.hold(sandbox.tap)
    taps.hold()
    sandbox.hook("stopped", "end")
    sandbox.hook("release", "end")


def cycles(lab, name, count, policy):
    taps = Taps(lab)
    try:
        for _ in range(count):
            cycle(Sandbox(lab, name, policy=policy), taps)
    finally:
        taps.close()


def test_nothing_is_left(lab):
    before = lab.snapshot()
    with running(lab) as sandbox:
        assert sandbox.guest.run("curl", "-sSm5", f"http://{WEB}/").stdout == "5.9.1.2\n"
        assert differences(before, lab.snapshot())
    assert differences(before, lab.snapshot()) == ""


def test_failed_start_leaves_nothing(lab):
    before = lab.snapshot()
    sandbox = Sandbox(lab, "a")
    sandbox.hook("prepare")
    sandbox.hook("stopped", "end")
    sandbox.hook("release", "end")
    sandbox.hook("release", "end")
    assert differences(before, lab.snapshot()) == ""


def test_a_hundred_cycles_leave_nothing(lab):
    """Two at a time, so that each begins and ends beside another that runs."""
    policies = {"x": {}, "y": {"ipv6": "nat", "allow": ["host tcp/80", f"lan {LAN_PEER} tcp/80"], "ports": ["8222:22"]}}
    before = lab.snapshot()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda name: cycles(lab, name, 50, policies[name]), policies))
    assert differences(before, lab.snapshot()) == ""


# -- under a flood ---------------------------------------------------------------------------------


def flooding(sandbox):
    popen = sandbox.guest.spawn("/usr/bin/python3", "-c", FLOOD, stdout=subprocess.PIPE, text=True)
    assert popen.stdout.readline() == "ready\n"
    return popen


def watch_all(lab):
    return (Arrivals(lab.internet, 'iifname "wan" udp dport 4242'), Arrivals(lab.lan, 'iifname "lan" udp dport 4242'),
            Arrivals(lab.host, 'iifname "mg*" ct direction original', "input"))


def test_the_end_of_a_guest_that_floods(lab):
    """QEMU is killed while frames pour in. The successor has the same tap name."""
    before = lab.snapshot()
    uuid = None
    for _ in range(3):
        sandbox = Sandbox(lab, "a", uuid=uuid)
        uuid = sandbox.uuid
        internet, lan, host = watch_all(lab)
        with internet, lan, host:
            flood = flooding(sandbox.up())
            until = time.monotonic() + 120
            while not internet.all():  # it works
                assert time.monotonic() < until
            sandbox.kill()
            sandbox.hook("stopped", "end")
            sandbox.hook("release", "end")
            assert not lan.all() and not host.all()
        internet, lan, host = watch_all(lab)
        with internet, lan, host:
            time.sleep(0.2)
            assert not internet.all() and not lan.all() and not host.all()
        stop(flood)
        flood.stdout.close()
    assert differences(before, lab.snapshot()) == ""


def test_release_before_qemu_has_ended(lab):
    """The links go before the rules: at no moment is there a way without them."""
    before = lab.snapshot()
    sandbox = Sandbox(lab, "a").up()
    flood = flooding(sandbox)
    internet, lan, host = watch_all(lab)
    with internet, lan, host:
        until = time.monotonic() + 120
        while not internet.all():
            assert time.monotonic() < until
        sandbox.hook("release", "end")
        assert not lan.all() and not host.all()
    with watch_all(lab)[0] as internet:
        time.sleep(0.2)
        assert not internet.all()
    stop(flood)
    flood.stdout.close()
    sandbox.kill()
    assert differences(before, lab.snapshot()) == ""


# -- many at once ----------------------------------------------------------------------------------

MANY, TAG = 20, 10


def receivers(sandboxes):
    """Whatever comes to a guest but the web's answers (a reset carries the tag of what it answers), or to a gateway from
    its other side."""
    for sandbox in sandboxes:
        yield Receiver(sandbox.guest.run, {"any": TAG}, f'iifname "eth0" ip saddr {WEB} return; iifname "eth0"')
        yield Receiver(sandbox.inside, {"any": TAG}, 'ct direction reply return; iifname { "control", "uplink" }', "input")


def test_twenty_at_once(lab):
    """None of the hooks gives up on the others; all guests work, and none reaches another."""
    before = lab.snapshot()
    sandboxes = [Sandbox(lab, f"s{i}", policy={"ipv6": "nat"} if i % 2 else {}) for i in range(MANY)]
    agents = []
    with concurrent.futures.ThreadPoolExecutor(MANY) as pool:
        try:
            list(pool.map(Sandbox.up, sandboxes))
            addresses = [s.record()["control_address"] for s in sandboxes]
            assert len(set(addresses)) == MANY
            agents += pool.map(lambda s: Agent(s.guest), sandboxes)
            watched = list(receivers(sandboxes))
            list(pool.map(Receiver.__enter__, watched))
            web = f"tcp {WEB} 80"
            everybody = [f"{kind} {part(a, n)} 80" for a in addresses for n in (2, 10, 11, 12) for kind in ("udp", "tcp")]
            answers = list(pool.map(lambda a: a.shoot([*everybody, web], TAG, [web], limit=120), agents))
            assert [a.pop(web, None) for a in answers] == ["open"] * MANY
            assert not [a for given in answers for a in given.values() if a in ("open", "answered")]
            assert not set().union(*pool.map(Receiver.take, watched))
        finally:
            for agent in agents:
                agent.close()
            list(pool.map(Sandbox.down, sandboxes))
    assert differences(before, lab.snapshot()) == ""


def test_hooks_killed_at_random_beside_others(lab):
    """What a killed one leaves is cleared by the next, and the others notice nothing of it."""
    before = lab.snapshot()
    choose = random.Random(7)
    victims = [Sandbox(lab, f"v{i}") for i in range(3)]

    def torment(sandbox):
        for _ in range(6):
            for operation, phase in (("prepare", "begin"), ("start", "begin"), ("release", "end")):
                delay = choose.uniform(0.005, 0.15)
                lab.host.sh(f"timeout -s KILL {delay:.3f} {HOOK} migrant-{sandbox.name} {operation} {phase} - || true",
                            input=sandbox.xml)

    with running(lab, "steady") as steady, concurrent.futures.ThreadPoolExecutor(4) as pool:
        other = pool.submit(cycles, lab, "other", 8, {})
        list(pool.map(torment, victims))
        other.result()
        assert probe(steady.guest, f"tcp {WEB} 80") == {f"tcp {WEB} 80": "open"}
        list(pool.map(lambda s: s.hook("release", "end"), victims))
    assert differences(before, lab.snapshot()) == ""
