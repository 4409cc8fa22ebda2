"""The host's rules for IPv6 alone: a namespace that has lost all of its own, and sends under each of its addresses."""

import pytest

from conftest import PROBE, probe, running
from lab import LAN_PEER6, RESOLVER6, WAN_ROUTER6, WEB6
from test_ipv6 import HOST, LAN, LATE_ALIAS, LATE_LAN, METADATA, NAT, late, targets, watching  # noqa: F401
from watch import Arrivals6

RESERVED = ["fd77::1", "fc00::9", "100::9", "2001:2::9", "2001:db8:77::9", "3fff::9", "4000::1"]
NETWORKS = [*LAN, LATE_LAN, WAN_ROUTER6]
OWN = [*HOST, LATE_ALIAS, "2a01:4f8:5::"]
NOBODY = [*METADATA, "64:ff9b::505:505", "64:ff9b:1::9", "2001::9", "2002:505:505::1", "fec0::9", "::505:505", "ff0e::1"]
BLOCK = "fd6d:6967:7261::c612:"


def loose(sandbox, source):
    """Its namespace lets everything through, under that address."""
    sandbox.inside("nft", "-f", "-", input=f"""
        flush ruleset
        table ip6 loose {{
            chain out {{
                type nat hook postrouting priority srcnat;
                oifname "uplink" snat to {source}
            }}
        }}""")


class Inside(Arrivals6):
    """What comes to a gateway by its uplink."""

    def __init__(self, sandbox):
        super().__init__(sandbox.guest, 'iifname "uplink"')
        self.run = sandbox.inside


PARTS = {
    10: ([WEB6], [*RESERVED, *NETWORKS, *OWN, *NOBODY]),
    12: ([WEB6, *RESERVED, *NETWORKS], [*OWN, *NOBODY]),
    11: ([WEB6], [*RESERVED, *NETWORKS, *OWN, *NOBODY]),  # but for port 53
}


@pytest.fixture(scope="module")
def sandbox(shared_lab):
    with running(shared_lab, "a", policy=NAT) as sandbox:
        yield sandbox


@pytest.mark.parametrize("part", PARTS)
def test_the_host_judges_by_itself(shared_lab, sandbox, late, part):  # noqa: F811
    opened, closed = PARTS[part]
    with running(shared_lab, "b", policy=NAT) as other:
        loose(other, f"{BLOCK}1a")
        loose(sandbox, f"{BLOCK}{part:x}")
        with watching(shared_lab) as (internet, lan, host):
            probe(sandbox.guest, *targets(opened))
            arrived = internet.all() | lan.all()
            assert {address for address, _ in arrived} == set(opened)
        with watching(shared_lab) as (internet, lan, host), Inside(other) as neighbour:
            everything = [*closed, f"{BLOCK}1a", f"{BLOCK}1", f"{BLOCK}9", f"{BLOCK}19"]
            probe(sandbox.guest, *targets(everything))
            # The ends of connections of before go on arriving.
            assert not {a for a, _ in internet.all() | lan.all() | host.all() | neighbour.all()} & set(everything)


def test_what_answers_may_be_asked_and_nobody_else(shared_lab, sandbox, late):  # noqa: F811
    loose(sandbox, f"{BLOCK}b")
    asked = [f"{kind} {address} 53" for kind in ("tcp", "udp") for address in (WEB6, LAN_PEER6, LATE_LAN, *OWN, *NOBODY)]
    with watching(shared_lab) as (internet, lan, host):
        probe(sandbox.guest, *asked)
        assert internet.all() == {(WEB6, "tcp"), (WEB6, "udp")}
        assert lan.all() == {(a, kind) for a in (LAN_PEER6, LATE_LAN) for kind in ("tcp", "udp")}
        assert not host.all()


def test_only_under_an_address_of_the_pool(shared_lab, sandbox):
    for source, arrives in ((f"{BLOCK}a", True), ("fd6d:6967:7261:1::a", False), ("2a01:4f8:5::77", False), ("fd99::1", False)):
        loose(sandbox, source)
        with watching(shared_lab) as (internet, lan, host):
            probe(sandbox.guest, f"udp {WEB6} 4242", f"tcp {WEB6} 80")
            assert bool(internet.all()) == arrives, source
            assert not lan.all() | host.all()


def test_protocols_that_the_host_does_not_pass_on(shared_lab, sandbox):
    loose(sandbox, f"{BLOCK}a")
    numbers = [4, 41, 47, 50, 89, 103, 132, 253]
    with Arrivals6(shared_lab.internet, 'iifname "wan"') as internet:
        shared_lab.host.run(PROBE, *[f"{n} {WEB6} 0" for n in numbers])
        assert len(internet.to(WEB6)) == len(numbers)
    with Arrivals6(shared_lab.internet, 'iifname "wan"') as internet:
        sandbox.inside(PROBE, *[f"{n} {WEB6} 0" for n in numbers], f"udp {WEB6} 4242")
        assert internet.to(WEB6) == {"udp"}


def test_it_takes_no_part_of_the_ports_where_the_host_is(shared_lab, sandbox):
    """Source ports of a guest are from 61000 up."""
    loose(sandbox, f"{BLOCK}a")
    with Arrivals6(shared_lab.internet, 'iifname "wan" meta l4proto { tcp, udp } th sport < 61000') as below:
        probe(sandbox.guest, f"tcp {WEB6} 80", f"udp {RESOLVER6} 4242")
        assert not below.all()
