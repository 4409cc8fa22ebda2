"""The table of cases.py, played before and after everything that may happen to a host."""

import dataclasses

import pytest

import cases
from disturbances import ALL, DISTURBANCES
from conftest import running
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
                protocol, address, port = case.shot.split()
                key = (case.arrives, sender, protocol, case.at or address, int(port) if protocol in ("tcp", "udp") else 0)
                found[key] = case
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


def everything_allowed(played, table):
    """All that is allowed arrives, and is answered."""
    missing = set(expected(table)) - {a[:5] for a in played.arrivals}
    assert not missing, lines(missing)
    for sender, wanted in table.items():
        answers = {c.shot: played.answers[sender].get(c.shot) for c in wanted if c.answer}
        assert answers == {c.shot: c.answer for c in wanted if c.answer}, sender


def stopped(played, places):
    """Nothing of a guest gets beyond its gateway."""
    guests = cases.GUESTS if places is ALL else cases.ISOLATED
    beyond = {a for a in played.arrivals if a[0] in places and a[1] in guests}
    assert not beyond, lines(beyond)


# -- the control -----------------------------------------------------------------------------------


def policy_off(world):
    """The same machines without a rule: every route is open, in and out."""
    host = world.lab.host
    host.sh(f"""ip addr add {cases.VPN_HOST}/24 dev vpn0; ip link set vpn0 up
        nft flush ruleset; ip route del unreachable 198.18.0.0/15
        for s in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 >$s; done""")
    for name, sandbox in world.sandboxes.items():
        addresses = world.addresses(name)
        host.run("ip", "route", "add", f"{addresses.uplink}/31", "dev", sandbox.record()["uplink"], "src", addresses.uplink_host)
        sandbox.inside("sh", "-euc", "nft flush ruleset; for s in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 >$s; done; "
                       "sysctl -qw net.ipv4.icmp_echo_ignore_all=0")


def test_every_probe_arrives_where_nothing_forbids_it(lab):
    with World(lab, cases.POLICIES) as world:
        try:
            policy_off(world)
            table = world.table()
            played = world.play(table, wait=False)
            lost = {(sender, c.shot) for sender, wanted in table.items() for c in wanted
                    if not c.arrives and c.control and not played.where(sender, c.shot)}
            assert not lost, lines(lost)
        finally:
            lab.host.sh("for s in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 2 >$s; done")


# -- the table -------------------------------------------------------------------------------------


def test_the_table(world):
    table = world.table()
    played = world.play(table)
    nothing_else(played, table)
    everything_allowed(played, table)


# -- disturbances ----------------------------------------------------------------------------------


def changed(table, disturbance):
    """The table with what the disturbance adds, and the Internet where it leads now."""
    table = {sender: [dataclasses.replace(c, arrives=disturbance.way) if c.arrives == "internet" else c for c in wanted]
             for sender, wanted in table.items()}
    table["a"] = [*table["a"], *disturbance.more]
    return table


def verified(world, drift):
    """`verify` says what is gone, and nothing else."""
    found = world.verify("a")
    for words in drift:
        assert any(words in line for line in found), found
    assert drift or not found, found


def plays(world, disturbance, stops):
    table = changed(world.table(), disturbance)
    played = world.play(table, wait=not stops)
    nothing_else(played, table)
    if stops:
        stopped(played, stops)
    else:
        everything_allowed(played, table)


def follow_advice(world, disturbance):
    """The rule that `verify` names, as it stands there, lets through what is allowed; without it that stops again."""
    command = next(line for line in world.verify("a") if "this lets it through: " in line).split("this lets it through: ")[1]
    chain = command.removeprefix("nft insert rule ").split(" meta ")[0]
    world.host(command)
    plays(world, disturbance, ())
    verified(world, ())
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
            plays(world, disturbance, ())
            verified(world, ())
    finally:
        world.host(disturbance.undo)
        world.repair()
    verified(world, ())
    test_the_table(world)
