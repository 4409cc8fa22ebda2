"""A guest behind a tunnel: what works, and that nothing of it is seen anywhere else."""

import pytest

from conftest import probe
from lab import LAN_PEER, WEB, WEB6
from test_services import ask
from tunneled import Leaks, Peer, tunneled


@pytest.fixture(scope="module")
def peer(shared_lab):
    with Peer(shared_lab) as peer:
        yield peer


def test_everything_goes_through_it(lab, peer):
    with Leaks(lab) as leaks, tunneled(lab, peer, policy={"ipv6": "nat"}) as sandbox:
        address, address6 = peer.client()
        assert sandbox.guest.run("curl", "-sSm5", f"http://{WEB}/").stdout == f"{address}\n"
        assert sandbox.guest.run("curl", "-sSm5", f"http://[{WEB6}]/").stdout == f"{address6}\n"
        assert ask(sandbox.guest, "inside.test") == ask(sandbox.guest, "inside.test", server="1.1.1.1") == ["9.9.1.9"]
        answers = probe(sandbox.guest, "icmp 8.8.8.8 0", f"icmp {WEB6} 0", f"udp {WEB} 99", f"tcp {LAN_PEER} 80")
        assert list(answers.values()) == ["answered", "answered", "Connection refused", "Connection refused"]
        assert lab.host.run("/usr/sbin/migrant-helper", "verify", "a").stdout == "[]\n"
        assert leaks.all() == ""
