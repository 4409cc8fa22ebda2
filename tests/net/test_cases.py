"""The table of cases.py, played before and after everything that may happen to a host."""

import dataclasses
import subprocess

import pytest

import cases
from disturbances import ALL, DISTURBANCES
from conftest import running
from lab import LAN_PEER, LAN_PUBLIC6, WAN_HOST, WAN_HOST6, stop
from watch import Receiver
from world import World


@pytest.fixture(scope="module")
def world(shared_lab):
    with World(shared_lab, cases.POLICIES) as world:
        yield world


# -- what a round must show ------------------------------------------------------------------------


def expected(table):
    """{(receiver, sender, protocol, address, port)} of all that may arrive."""
    found = {}
    for sender, wanted in table.items():
        for case in wanted:
            if case.arrives:
                place, *what = case.where()
                found[(place, sender, *what)] = case
    return found


def lines(found):
    return "\n".join(map(str, sorted(found)))


def nothing_else(played, table):
    """Nothing that is denied arrives anywhere, nor does a sender get an answer to it. (What strangers send each other
    is none of our business.)"""
    allowed = expected(table)
    stray = {a for a in played.arrivals if a[:5] not in allowed and (a[1] in cases.GUESTS or a[0].startswith(("guest", "gateway")))}
    assert not stray, lines(stray)
    denied = {sender: {c.shot for c in wanted if not c.arrives} for sender, wanted in table.items()}
    answers = {(sender, shot, answer) for sender, given in played.answers.items() for shot, answer in given.items()
               if sender in cases.GUESTS and shot in denied[sender] and answer in ("open", "answered")}
    assert not answers, lines(answers)


def of_family(table, families):
    return {sender: [c for c in wanted if c.family() in families] for sender, wanted in table.items()}


def everything_allowed(played, table):
    """All that is allowed arrives, and is answered."""
    missing = set(expected(table)) - {a[:5] for a in played.arrivals}
    assert not missing, lines(missing)
    for sender, wanted in table.items():
        answers = {c.shot: played.answers[sender].get(c.shot) for c in wanted if c.answer}
        assert answers == {c.shot: c.answer for c in wanted if c.answer}, sender


def stopped(played, places, families, of):
    """Nothing of a guest gets beyond its gateway."""
    guests = of if places is ALL else cases.ISOLATED
    beyond = {a for a in played.arrivals if a[0] in places and a[1] in guests and (6 if ":" in a[3] else 4) in families}
    assert not beyond, lines(beyond)


# -- the control -----------------------------------------------------------------------------------


def policy_off(world):
    """The same machines without a rule: every route is open, in and out."""
    host = world.lab.host
    host.sh(f"""
        ip addr add {cases.VPN_HOST}/24 dev vpn0; ip addr add {cases.VPN_HOST6}/64 dev vpn0 nodad; ip link set vpn0 up
        nft flush ruleset; ip route del unreachable 198.18.0.0/15; ip -6 route del unreachable fd6d:6967:7261::/64
        ip -6 rule del pref 673; ip -6 rule add pref 0 lookup local
        for f in -4 -6; do ip $f route show table 28007 | while read route; do ip $f route add $route; done; done
        cd /proc/sys/net/ipv4/conf; for s in all/rp_filter vpn0/rp_filter mg*/rp_filter; do echo 0 >$s; done""")
    for sandbox in world.sandboxes.values():
        sandbox.inside("sh", "-euc", "nft flush ruleset; for s in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 >$s; done; "
                       "sysctl -qw net.ipv4.icmp_echo_ignore_all=0 net.ipv6.icmp.echo_ignore_all=0")


def test_every_probe_arrives_where_nothing_forbids_it(lab):
    with World(lab, cases.POLICIES) as world:
        policy_off(world)
        table = world.table()
        frames = cases.spoofed(world.places, world.tags["a"])
        played = world.play(table, (), frames)
    assert played.passed >= len(frames)
    lost = {(sender, c.shot) for sender, wanted in table.items() for c in wanted
            if not c.arrives and c.control and not played.where(sender, c.shot)}
    assert not lost, lines(lost)


# -- the table -------------------------------------------------------------------------------------


def test_the_table(world):
    table = world.table()
    played = world.play(table, frames=cases.spoofed(world.places, world.tags["a"]))
    assert not played.passed
    nothing_else(played, table)
    everything_allowed(played, table)


# -- disturbances ----------------------------------------------------------------------------------


def changed(table, disturbance):
    """The table with what the disturbance adds, and the Internet where it leads now."""
    table = {sender: [dataclasses.replace(c, arrives=disturbance.way) if c.arrives == "internet" else c for c in wanted]
             for sender, wanted in table.items()}
    return {sender: [*wanted, *disturbance.more.get(sender, ())] for sender, wanted in table.items()}


def verified(world, drift):
    """`verify` says what is gone, and nothing else."""
    found = world.verify("a")
    for words in drift:
        assert any(words in line for line in found), found
    assert drift or not found, found


def plays(world, disturbance, stops):
    table = changed(world.table(), disturbance)
    going_on = {4, 6} - set(disturbance.stopped + disturbance.unanswered if stops else ())
    played = world.play(table, going_on)
    nothing_else(played, table)
    if stops:
        stopped(played, stops, disturbance.stopped, disturbance.of)
    everything_allowed(played, of_family(table, going_on))


def follow_advice(world, disturbance):
    """The rule that `verify` names, as it stands there, lets through what is allowed; without it that stops again."""
    commands = [line.split("this lets it through: ")[1] for line in world.verify("a") if "this lets it through: " in line]
    for command in commands:
        world.host(command)
    plays(world, disturbance, ())
    verified(world, ())
    for command in commands:
        chain = command.removeprefix("nft insert rule ").split(" meta ")[0]
        rules = world.lab.host.run("nft", "-a", "list", "chain", *chain.split()).stdout
        handle = next(line for line in rules.splitlines() if "0x6d670001 accept" in line).split("# handle ")[1]
        world.host(f"nft delete rule {chain} handle {handle}")
    plays(world, disturbance, disturbance.stops)


@pytest.mark.parametrize("name", DISTURBANCES)
def test_survives(world, name):
    disturbance = DISTURBANCES[name]
    try:
        world.host(disturbance.do)
        if name == "another sandbox came and went":
            with running(world.lab, "other"):
                pass
        plays(world, disturbance, disturbance.stops)
        verified(world, disturbance.drift)
        if disturbance.advised:
            follow_advice(world, disturbance)
        if disturbance.repaired:
            world.repair()
            plays(world, dataclasses.replace(disturbance, more=disturbance.more | disturbance.repaired_more), ())
            verified(world, ())
    finally:
        world.host(disturbance.undo)
        world.repair()
    verified(world, ())
    test_the_table(world)


# -- what is done to the sandboxes themselves ------------------------------------------------------


def test_suspend_and_resume(world):
    """libvirt saves, and later restores, with the policy of then."""
    for name, guest in (("b", "b"), ("open", "b"), ("open", "open")):
        world.resume(name, **cases.POLICIES[guest])
        table = world.table({name: guest})
        played = world.play(table)
        nothing_else(played, table)
        everything_allowed(played, table)
        verified(world, ())


# Sends without end to what no guest may reach, in both families.
FLOOD = f"""
import socket
targets = {[LAN_PEER, WAN_HOST, cases.LATE_ALIAS, cases.LATE_LAN, LAN_PUBLIC6, WAN_HOST6, cases.LATE_LAN6]!r}
s = [(socket.socket(socket.AF_INET6 if ":" in a else socket.AF_INET, socket.SOCK_DGRAM), a) for a in targets]
for one, address in s:
    one.connect((address, 4300))
print("ready", flush=True)
while True:
    for one, _ in s:
        try:
            one.send(b"flood")
        except OSError:
            pass
"""
# What the host hears of it, whatever has become of its rules.
HEAR = """
import socket
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
s.bind(("::", 4300))
print("ready", flush=True)
print(s.recvfrom(100), flush=True)
"""
MOMENTS = {
    "flushes": "nft flush ruleset",
    "routing rules": "ip rule flush; ip rule add pref 32766 lookup main; ip -6 rule flush; ip -6 rule add pref 32766 lookup main",
    "others' rules in front": "ip rule add lookup 51820; ip -6 rule add lookup 51820",
    "default routes": "ip route replace default dev eth0 metric 9 scope link; ip route del default metric 9; sysctl -qw net.ipv4.ip_forward=0",
}


@pytest.mark.parametrize("what", MOMENTS)
def test_no_moment_is_open(world, what):
    """While everything is taken away and made whole again, over and over."""
    hearing = world.lab.host.spawn("/usr/bin/python3", "-c", HEAR, stdout=subprocess.PIPE, text=True)
    flood = world.sandboxes["b"].guest.spawn("/usr/bin/python3", "-c", FLOOD, stdout=subprocess.PIPE, text=True)
    try:
        assert hearing.stdout.readline() == flood.stdout.readline() == "ready\n"
        with Receiver(world.lab.lan.run, {"any": 0}, 'iifname "lan" udp dport 4300') as lan, \
                Receiver(world.lab.internet.run, {"any": 0}, 'iifname "wan" udp dport 4300') as internet:
            for _ in range(8):
                world.host(MOMENTS[what])
                world.sandboxes["a"].hook("reconnect")
            assert not lan.take() and not internet.take()
        assert hearing.poll() is None, hearing.stdout.read()
    finally:
        for popen in hearing, flood:
            stop(popen)
            popen.stdout.close()
        world.lab.host.sh("ip rule del lookup 51820; while ip rule del lookup 51820; do :; done 2>/dev/null; "
                          "while ip -6 rule del lookup 51820; do :; done 2>/dev/null; true" if "front" in what else "true")
        world.repair()
    verified(world, ())
    test_the_table(world)


def test_a_flood_does_reach_what_is_open(world):
    """The control of the one above: the same packets from where they may be sent."""
    hearing = world.lab.host.spawn("/usr/bin/python3", "-c", HEAR, stdout=subprocess.PIPE, text=True)
    flood = world.lab.lan.spawn("/usr/bin/python3", "-c", FLOOD, stdout=subprocess.PIPE, text=True)
    try:
        assert hearing.stdout.readline() == flood.stdout.readline() == "ready\n"
        assert hearing.wait(timeout=600) == 0
    finally:
        for popen in hearing, flood:
            stop(popen)
            popen.stdout.close()
