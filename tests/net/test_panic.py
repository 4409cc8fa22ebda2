"""`migrant-helper cut` and `join`: nothing passes a gateway that is cut off, and all of it is there again afterwards."""

import pytest

from conftest import HELPER, probe, running
from keeping import verify
from lab import LAN_PEER, WEB
from test_apply import rules
from watch import Arrivals

TARGETS = [f"tcp {WEB} 80", f"tcp {LAN_PEER} 80"]
CUT = ["the network is cut off (panic)"]


def helper(sandbox, verb, user="dev"):
    return sandbox.lab.host.run(HELPER, verb, sandbox.name, user=user, check=False)


@pytest.fixture
def sandbox(lab):
    with running(lab, policy={"allow": [f"lan {LAN_PEER} tcp/80"]}) as sandbox:
        yield sandbox


def test_cut_and_joined(shared_lab, sandbox):
    before = rules(sandbox)
    assert [probe(sandbox.guest, *TARGETS)[t] for t in TARGETS] == ["open", "open"]
    for _ in range(2):  # the second time it is cut already
        assert helper(sandbox, "cut").returncode == 0
    with Arrivals(shared_lab.lan, 'iifname "lan" ct direction original') as lan, \
            Arrivals(shared_lab.internet, 'iifname "wan" ct direction original') as internet:
        assert "open" not in probe(sandbox.guest, *TARGETS).values()
        assert not lan.all() and not internet.all()
    assert verify(sandbox) == CUT
    for _ in range(2):
        assert helper(sandbox, "join").returncode == 0
    assert [probe(sandbox.guest, *TARGETS)[t] for t in TARGETS] == ["open", "open"]
    assert rules(sandbox) == before
    assert verify(sandbox) == []


def test_a_cut_with_other_rules_is_drift(sandbox):
    assert helper(sandbox, "cut").returncode == 0
    sandbox.inside("nft", "add", "rule", "inet", "migrant_cut", "in", "accept")
    assert any("accept" in line for line in verify(sandbox))


def test_only_the_owner_cuts(sandbox):
    assert helper(sandbox, "cut", user="other").returncode == 77
    assert verify(sandbox) == []
