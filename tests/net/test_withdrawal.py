"""Another policy for a guest that runs: what is no longer allowed ends at once, and nothing else does."""

import contextlib
import time
from random import Random

import pytest

from conftest import GATEWAY, GUEST, HELPER, probe, running
from flows import flow, still_works
from lab import LAN_HOST, LAN_PEER, RESOLVER, ROUTED_PEER, WEB
from test_services import ask
from watch import Arrivals

LATE_LAN = "6.6.6.6"  # comes up behind the host while the guest runs


def apply(sandbox, policy, check=True):
    return sandbox.lab.host.run(HELPER, "apply", sandbox.name, input=sandbox.metadata(policy), check=check)


def drift(sandbox):
    return sandbox.lab.host.run(HELPER, "verify", sandbox.name).stdout.strip()


def silent(guest, address, seconds=0.6):
    """Whether nothing of @address arrives in the guest."""
    with Arrivals(guest, f'iifname "eth0" ip saddr {address}') as seen:
        time.sleep(seconds)
        return not seen.all()


@contextlib.contextmanager
def streams(sandbox, server, address, port, through=None):
    """A TCP and a UDP flow into which the server sends on and on."""
    with flow(sandbox.guest, server, "tcp", address, port, through) as tcp, \
            flow(sandbox.guest, server, "udp", address, port, through) as udp:
        for flow_ in (tcp, udp):
            still_works(*flow_, "before")
            flow_[1].says("stream")
        source = through[0] if through else address
        with Arrivals(sandbox.guest, f'iifname "eth0" ip saddr {source}') as seen:
            until = time.monotonic() + 120
            while seen.to(GUEST) != {"tcp", "udp"}:
                assert time.monotonic() < until
                time.sleep(0.1)
        yield tcp, udp


WITHDRAWN = {
    "a lan address": ([f"lan {LAN_PEER}"], None),
    "ports of a lan address": ([f"lan {LAN_PEER} tcp/7000", f"lan {LAN_PEER} udp/7000"], None),
    "forwarded ports": ([f"forward tcp/7001 to {LAN_PEER}:7000", f"forward udp/7001 to {LAN_PEER}:7000"], (GATEWAY, 7001)),
}


@pytest.mark.parametrize("name", WITHDRAWN)
def test_a_withdrawn_grant_cuts_its_flows_and_no_others(shared_lab, name):
    grants, through = WITHDRAWN[name]
    stays = f"lan {ROUTED_PEER} tcp/7002"
    with running(shared_lab, "a", policy={"allow": [stays, *grants]}) as sandbox, \
            flow(sandbox.guest, shared_lab.lan, "tcp", ROUTED_PEER, 7002) as granted, \
            flow(sandbox.guest, shared_lab.internet, "tcp", WEB, 7003) as open_, \
            flow(sandbox.guest, shared_lab.internet, "udp", WEB, 7003) as open_udp, \
            streams(sandbox, shared_lab.lan, LAN_PEER, 7000, through) as (tcp, udp):
        apply(sandbox, {"allow": [stays]})
        assert silent(sandbox.guest, through[0] if through else LAN_PEER)
        for kept in (granted, open_, open_udp):
            still_works(*kept, "after")
        with Arrivals(shared_lab.lan, f'iifname "lan" ip daddr {LAN_PEER}') as arrived:
            for flow_ in (tcp, udp):
                flow_[0].says("still there?")
            assert tcp[0].hears() == "closed Connection reset by peer"
            assert not arrived.all()
        assert drift(sandbox) == "[]"


def test_without_egress_open_flows_end(shared_lab):
    stays = f"lan {LAN_PEER} tcp/7002"
    with running(shared_lab, "a", policy={"allow": [stays]}) as sandbox, \
            flow(sandbox.guest, shared_lab.lan, "tcp", LAN_PEER, 7002) as granted, \
            streams(sandbox, shared_lab.internet, WEB, 7000):
        apply(sandbox, {"egress": "none", "allow": [stays]})
        assert silent(sandbox.guest, WEB)
        still_works(*granted, "after")
        with Arrivals(shared_lab.internet, 'iifname "wan" th dport 53') as asked:
            assert ask(sandbox.guest, "web.test") == "REFUSED"
            assert not asked.all()
        apply(sandbox, {"allow": [stays]})
        assert ask(sandbox.guest, "web.test") == [WEB]
        still_works(*granted, "again")


def test_isolation_again_closes_the_lan(shared_lab):
    with running(shared_lab, "a", policy={"isolate": False}) as sandbox, \
            flow(sandbox.guest, shared_lab.internet, "tcp", WEB, 7003) as open_, \
            streams(sandbox, shared_lab.lan, LAN_PEER, 7000):
        apply(sandbox, {})
        assert silent(sandbox.guest, LAN_PEER)
        still_works(*open_, "after")
        assert probe(sandbox.guest, f"tcp {LAN_PEER} 80") == {f"tcp {LAN_PEER} 80": "Connection refused"}


def test_a_forward_does_not_go_on_as_an_open_lan(shared_lab):
    policy = {"isolate": False, "allow": [f"forward tcp/7001 to {LAN_PEER}:7000"]}
    with running(shared_lab, "a", policy=policy) as sandbox, \
            flow(sandbox.guest, shared_lab.lan, "tcp", LAN_PEER, 7000, (GATEWAY, 7001)) as tcp:
        still_works(*tcp, "before")
        apply(sandbox, {"isolate": False})
        tcp[0].says("after")
        assert tcp[0].hears() == "closed Connection reset by peer"
        assert probe(sandbox.guest, f"tcp {LAN_PEER} 80") == {f"tcp {LAN_PEER} 80": "open"}


def test_a_grant_is_given(shared_lab):
    with running(shared_lab, "a") as sandbox, flow(sandbox.guest, shared_lab.internet, "tcp", WEB, 7003) as open_:
        assert probe(sandbox.guest, f"tcp {LAN_PEER} 80") == {f"tcp {LAN_PEER} 80": "Connection refused"}
        apply(sandbox, {"allow": [f"lan {LAN_PEER} tcp/80", f"forward tcp/7001 to {ROUTED_PEER}:80"]})
        assert probe(sandbox.guest, f"tcp {LAN_PEER} 80", f"tcp {GATEWAY} 7001") == {
            f"tcp {LAN_PEER} 80": "open", f"tcp {GATEWAY} 7001": "open"}
        still_works(*open_, "after")
        assert drift(sandbox) == "[]"


def test_what_a_grant_let_out_does_not_go_on_as_the_internet(shared_lab):
    """A public address behind the host, which the host's rules alone would keep from the guest."""
    text = "a longer text than what the host itself answers the server, whose connection it has forgotten"
    with running(shared_lab, "a", policy={"allow": [f"lan {LATE_LAN}"]}) as sandbox:
        shared_lab.host.run("ip", "route", "add", f"{LATE_LAN}/32", "via", LAN_PEER)
        shared_lab.lan.run("ip", "addr", "add", f"{LATE_LAN}/32", "dev", "lo")
        try:
            with streams(sandbox, shared_lab.lan, LATE_LAN, 7000) as (tcp, udp):
                # As if it had come up unseen: the rules are loaded without knowing the route.
                shared_lab.host.run("ip", "route", "del", f"{LATE_LAN}/32", "via", LAN_PEER)
                apply(sandbox, {})
                shared_lab.host.run("ip", "route", "add", f"{LATE_LAN}/32", "via", LAN_PEER)
                with Arrivals(shared_lab.lan, f'iifname "lan" ip daddr {LATE_LAN} ip length > 80') as arrived:
                    tcp[0].says(text)
                    udp[0].says(text)
                    assert tcp[0].hears() == "closed Connection reset by peer"
                    assert silent(sandbox.guest, LATE_LAN)
                    assert not arrived.all()
        finally:
            shared_lab.host.run("ip", "route", "del", f"{LATE_LAN}/32")
            shared_lab.lan.run("ip", "addr", "del", f"{LATE_LAN}/32", "dev", "lo")


def test_other_resolvers_are_asked_from_then_on(shared_lab):
    server = shared_lab.serve_dns({"moved.test": "93.184.216.79"}, shared_lab.internet, "1.1.1.1")
    try:
        with running(shared_lab, "a") as sandbox:
            assert ask(sandbox.guest, "moved.test") != ["93.184.216.79"]
            apply(sandbox, {"dns": ["1.1.1.1"]})
            with Arrivals(shared_lab.internet, f'iifname "wan" ip daddr {RESOLVER}') as old:
                assert ask(sandbox.guest, "moved.test") == ["93.184.216.79"]
                assert not old.all()
            assert drift(sandbox) == "[]"
    finally:
        server.kill()
        server.wait()


def test_dnsmasq_goes_on_where_its_configuration_does(shared_lab):
    def dnsmasq():
        return shared_lab.host.run("pgrep", "-f", "/run/migrant/a/dnsmasq.conf").stdout.split()

    with running(shared_lab, "a") as sandbox:
        before = dnsmasq()
        apply(sandbox, {"limits": {"connections": 10}})
        assert dnsmasq() == before and len(before) == 1
        apply(sandbox, {"allow": [f"lan {LAN_PEER}"]})
        assert len(dnsmasq()) == 1 and dnsmasq() != before


def test_a_policy_makes_the_hosts_side_whole(shared_lab):
    with running(shared_lab, "a") as sandbox:
        shared_lab.host.run("nft", "flush", "ruleset")
        assert probe(sandbox.guest, f"tcp {WEB} 80") == {f"tcp {WEB} 80": "timeout"}
        apply(sandbox, {})
        assert probe(sandbox.guest, f"tcp {WEB} 80") == {f"tcp {WEB} 80": "open"}
        assert drift(sandbox) == "[]"


def test_a_policy_puts_back_what_was_taken_from_the_rules(shared_lab):
    with running(shared_lab, "a") as sandbox:
        sandbox.inside("nft", "flush", "ruleset")
        sandbox.inside("nft", "add", "table", "ip", "other")
        apply(sandbox, {})
        assert probe(sandbox.guest, f"tcp {WEB} 80", f"tcp {LAN_PEER} 80", f"tcp {LAN_HOST} 80") == {
            f"tcp {WEB} 80": "open", f"tcp {LAN_PEER} 80": "Connection refused", f"tcp {LAN_HOST} 80": "Connection refused"}
        assert drift(sandbox) == "[]"


def test_what_else_has_changed_is_still_told(shared_lab):
    with running(shared_lab, "a") as sandbox:
        sandbox.inside("ip", "addr", "add", "10.88.0.1/32", "dev", "uplink")
        apply(sandbox, {"allow": [f"lan {LAN_PEER}"]})
        assert probe(sandbox.guest, f"tcp {LAN_PEER} 80") == {f"tcp {LAN_PEER} 80": "open"}
        assert "10.88.0.1" in drift(sandbox) and "lan_ports" not in drift(sandbox)


def test_a_gateway_without_its_wire_takes_no_policy(shared_lab):
    with running(shared_lab, "a", policy={"allow": [f"lan {LAN_PEER} tcp/7000"]}) as sandbox:
        sandbox.inside("ip", "link", "set", sandbox.tap, "down")
        sandbox.inside("ip", "link", "set", sandbox.tap, "name", "mgtaway")
        before = sandbox.inside("nft", "list", "ruleset").stdout
        result = apply(sandbox, {}, check=False)
        assert result.returncode and "wire" in result.stderr
        assert sandbox.inside("nft", "list", "ruleset").stdout == before


def random_policy(random):
    """What a Migrantfile may say, mostly sensible."""
    def address():
        return random.choice([f"{random.randrange(1, 224)}.{random.randrange(256)}.{random.randrange(256)}.{random.randrange(256)}",
                              f"192.168.1.{random.randrange(256)}", f"10.{random.randrange(256)}.0.1",
                              f"2001:db8:{random.randrange(65536):x}::{random.randrange(1, 65536):x}"])

    def service():
        return f"{random.choice(['tcp', 'udp'])}/{random.choice([1, 53, 80, 443, 5353, 65535, random.randrange(1, 65536)])}"

    def grant():
        to = address()
        target = f"[{to}]:{random.randrange(1, 65536)}" if ":" in to else f"{to}:{random.randrange(1, 65536)}"
        return random.choice([f"host {service()}", f"lan {to}", f"lan {to} {service()}", f"forward {service()} to {target}"])

    return {"isolate": random.random() < 0.7, "ipv6": random.choice(["off", "nat", "nat"]),
            "egress": random.choice(["open", "open", "none"]), "dns": [address() for _ in range(random.choice([0, 0, 1, 8]))],
            "allow": [grant() for _ in range(random.choice([0, 1, 2, 5, 12]))],
            "limits": {"connections": random.choice([1, 4096, 1000000]), "new-per-second": random.choice([1, 500, 10000]),
                       "dns-per-second": random.choice([1, 50, 1000])}}


def test_every_policy_that_is_accepted_can_be_loaded(shared_lab):
    random = Random(1)
    loaded = 0
    with running(shared_lab, "a") as sandbox:
        for _ in range(60):
            policy = random_policy(random)
            result = apply(sandbox, policy, check=False)
            assert result.returncode in (0, 65), (policy, result.stderr)
            loaded += result.returncode == 0
            if result.returncode == 0:
                assert drift(sandbox) == "[]", policy
        assert loaded >= 15, loaded
        most = {"allow": [f"lan 192.168.1.{i % 256} tcp/{i + 1}" for i in range(256)]}
        apply(sandbox, most)
        assert drift(sandbox) == "[]"
