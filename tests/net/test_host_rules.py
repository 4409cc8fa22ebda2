"""The host's rules alone: a namespace that has lost all of its own, and sends under each of its addresses."""

import pytest

from conftest import GUEST, probe, running
from lab import LAN_HOST, LAN_PEER, ROUTED_PEER, WAN_HOST, WAN_ROUTER, WEB
from test_grants import METADATA, Receivers, at

LATE_ALIAS, LATE_LAN = "5.9.77.1", "6.6.6.6"  # come up while the guest runs
RESERVED = ["10.99.0.1", "172.20.0.1", "192.168.77.1", "100.64.9.9", "192.0.2.7", "203.0.113.7", "198.51.100.7"]
NETWORKS = [LAN_PEER, ROUTED_PEER, LATE_LAN, WAN_ROUTER]
OWN = [WAN_HOST, LAN_HOST, LATE_ALIAS, "127.0.0.1"]
NOBODY = [*METADATA, "240.1.1.1", "224.0.0.251", "255.255.255.255", "198.18.250.1"]


def every(addresses, *what):
    return set().union(*(at(a, *what) for a in addresses))


def loose(sandbox, part):
    """Its namespace lets everything through, under the @part-th address of its block."""
    control = sandbox.record()["control_address"]
    block = control.rpartition(".")[0], int(control.rpartition(".")[2]) - 2
    sandbox.inside("nft", "-f", "-", input=f"""
        flush ruleset
        table ip loose {{
            chain out {{
                type nat hook postrouting priority srcnat;
                oifname "uplink" snat to {block[0]}.{block[1] + part}
            }}
        }}""")


@pytest.fixture
def late(shared_lab):
    shared_lab.host.sh(f"ip addr add {LATE_ALIAS}/32 dev lo; ip route add {LATE_LAN}/32 via {LAN_PEER}")
    shared_lab.lan.run("ip", "addr", "add", f"{LATE_LAN}/32", "dev", "lo")
    yield
    shared_lab.host.sh(f"ip addr del {LATE_ALIAS}/32 dev lo; ip route del {LATE_LAN}/32 via {LAN_PEER}")
    shared_lab.lan.run("ip", "addr", "del", f"{LATE_LAN}/32", "dev", "lo")


DNS = ("tcp 53", "udp 53")
# The sender's part of the block: what passes, what does not.
PARTS = {
    10: (every([WEB]), every(RESERVED + NETWORKS + OWN + NOBODY) | every([LAN_PEER, LAN_HOST, *METADATA], *DNS)),
    12: (every([WEB, *RESERVED, *NETWORKS]), every(OWN + NOBODY) | every([LAN_HOST, *METADATA], *DNS)),
    11: (every([WEB, LAN_PEER, LAN_HOST], *DNS), every(RESERVED + NETWORKS + OWN + NOBODY)),
}


@pytest.mark.parametrize("part", PARTS)
def test_the_host_judges_by_itself(shared_lab, late, part):
    opened, closed = PARTS[part]
    with running(shared_lab, "b") as other, running(shared_lab, "a") as sandbox, Receivers(shared_lab) as seen:
        neighbour = other.record()["control_address"]
        loose(sandbox, part)
        loose(other, 10)
        probe(sandbox.guest, *opened)
        arrived = seen.take()
        assert opened <= arrived, opened - arrived
        probe(sandbox.guest, *closed, *at(neighbour), *at(neighbour, *DNS))
        assert not seen.take()
        assert part != 11 or probe(sandbox.guest, f"tcp {WEB} 80")[f"tcp {WEB} 80"] == "open"


def test_the_addresses_are_those_that_the_rules_mean(shared_lab):
    with running(shared_lab, "a") as sandbox:
        listed = sandbox.inside("ip", "-4", "-o", "addr", "show", "dev", "uplink").stdout
        start = int(sandbox.record()["control_address"].rpartition(".")[2]) - 2
        assert all(f"198.18.0.{start + part}/29" in listed for part in PARTS) and GUEST not in listed
