"""Another policy for a guest that runs: `migrant-helper apply`, as the owner and as others."""

import contextlib
import json
import re
import time

import pytest

from conftest import GATEWAY, HELPER, Sandbox, probe, running
from keeping import keeper_pid, keepers, service, verify
from lab import LAN_HOST, LAN_PEER, WEB
from test_services import ask
from watch import Arrivals

DEFAULT = "isolate yes\nipv6 off\negress open\nlimits 4096 500 50\n"
LAN_HTTP = {"allow": [f"lan {LAN_PEER} tcp/80"]}
SERVICE = [f"tcp {LAN_PEER} 80", f"tcp {LAN_PEER} 81", f"tcp {WEB} 80"]


@pytest.fixture
def sandbox(lab):
    with running(lab) as sandbox:
        yield sandbox


def rules(sandbox):
    """The rules, without what a packet or a second changes."""
    text = sandbox.inside("nft", "-s", "list", "ruleset").stdout
    return re.sub(r" expires \w+", "", text)


def policy_file(sandbox):
    return sandbox.lab.host.run("cat", f"/run/migrant/{sandbox.name}/policy.txt").stdout


def test_the_policy_of_the_start_is_noted(sandbox):
    assert sandbox.record()["policy"] == policy_file(sandbox) == DEFAULT
    assert sandbox.lab.host.run("cat", "/run/migrant/a/policy.txt", user="dev", check=False).returncode != 0


def test_a_grant_comes_and_goes(shared_lab, sandbox):
    before = rules(sandbox)
    with Arrivals(shared_lab.lan, 'iifname "lan" ct direction original') as lan:
        answers = probe(sandbox.guest, *SERVICE)
        assert answers[SERVICE[0]] != "open" and answers[SERVICE[2]] == "open"
        assert not lan.all()
    answer = json.loads(sandbox.apply(LAN_HTTP).stdout)
    assert answer["policy"] == sandbox.record()["policy"] == policy_file(sandbox) == \
        DEFAULT.replace("limits", f"allow lan {LAN_PEER} tcp/80\nlimits")
    answers = probe(sandbox.guest, *SERVICE)
    assert answers[SERVICE[0]] == answers[SERVICE[2]] == "open" and answers[SERVICE[1]] != "open"
    assert verify(sandbox) == []
    sandbox.apply({})
    with Arrivals(shared_lab.lan, 'iifname "lan" ct direction original') as lan:
        assert probe(sandbox.guest, *SERVICE)[SERVICE[0]] != "open"
        assert not lan.all()
    assert rules(sandbox) == before
    assert verify(sandbox) == []


def test_egress_closes_and_opens(shared_lab, sandbox):
    assert ask(sandbox.guest, "web.test") == [WEB]
    sandbox.apply({"egress": "none"})
    with Arrivals(shared_lab.internet, 'iifname "wan"') as internet:
        assert probe(sandbox.guest, f"tcp {WEB} 80", f"icmp {WEB} 0")[f"tcp {WEB} 80"] != "open"
        assert ask(sandbox.guest, "other.test") not in ([WEB], "timeout")
        assert not internet.all()
    assert verify(sandbox) == []
    sandbox.apply({})
    assert probe(sandbox.guest, f"tcp {WEB} 80")[f"tcp {WEB} 80"] == "open"
    assert ask(sandbox.guest, "web.test") == [WEB]


def test_the_keeper_follows(shared_lab, sandbox):
    host = shared_lab.host
    shown = f"tcp {LAN_HOST} 8091"
    with service(host, "echo", 8080), service(sandbox.guest, "echo", 80, address="0.0.0.0"):
        assert probe(sandbox.guest, f"tcp {GATEWAY} 8080") != {f"tcp {GATEWAY} 8080": "open"}
        sandbox.apply({"allow": ["host tcp/8080"], "ports": [f"{LAN_HOST}:8091:80"]})
        assert probe(sandbox.guest, f"tcp {GATEWAY} 8080") == {f"tcp {GATEWAY} 8080": "open"}
        assert probe(shared_lab.lan, shown) == {shown: "open"}
        first = keeper_pid(sandbox)
        sandbox.apply({"allow": ["host tcp/8080", f"lan {LAN_PEER}"], "ports": [f"{LAN_HOST}:8091:80"]})
        assert keeper_pid(sandbox) == first  # nothing in it for the keeper
        sandbox.apply({})
        assert probe(sandbox.guest, f"tcp {GATEWAY} 8080") != {f"tcp {GATEWAY} 8080": "open"}
        assert probe(shared_lab.lan, shown) != {shown: "open"}
    assert verify(sandbox) == []


def test_a_port_that_is_taken_changes_nothing(shared_lab, sandbox):
    before = rules(sandbox), sandbox.record(), policy_file(sandbox)
    with service(shared_lab.host, "echo", 8091, address=LAN_HOST):
        failed = sandbox.apply(LAN_HTTP | {"ports": [f"{LAN_HOST}:8091:80"]}, check=False)
    assert failed.returncode == 69 and "8091" in failed.stderr
    assert "the policy from before stays in force" in failed.stderr
    assert (rules(sandbox), sandbox.record(), policy_file(sandbox)) == before
    assert probe(sandbox.guest, *SERVICE)[SERVICE[0]] != "open"
    assert verify(sandbox) == []


def test_a_keeper_that_nobody_noted_is_in_no_way(shared_lab, sandbox):
    """As after a kill -9 of whoever started it."""
    shared_lab.host.run("rm", "/run/migrant/a/keeper.pid")
    sandbox.apply({"ports": ["8095:80"]})
    assert keepers(shared_lab, "a") == [str(keeper_pid(sandbox))]
    assert verify(sandbox) == []


def test_the_same_again_changes_nothing(sandbox):
    before, record = rules(sandbox), sandbox.record()
    sandbox.apply({})
    assert rules(sandbox) == before and sandbox.record() == record


def test_reload_makes_the_hosts_side_whole(sandbox):
    """A flush of the host's firewall stops all traffic; applying the policy lets the allowed pass again."""
    sandbox.lab.host.run("nft", "flush", "ruleset")
    assert probe(sandbox.guest, f"tcp {WEB} 80")[f"tcp {WEB} 80"] != "open"
    sandbox.apply({})
    assert probe(sandbox.guest, f"tcp {WEB} 80")[f"tcp {WEB} 80"] == "open"
    assert verify(sandbox) == []


def test_what_is_not_this_sandbox_is_refused(sandbox):
    good = sandbox.metadata(LAN_HTTP)
    before = rules(sandbox), sandbox.record()
    uuid = sandbox.uuid
    other = "00000000-0000-4000-8000-000000000000"
    foreign = {
        "name": good.replace("<migrant:name>a<", "<migrant:name>b<"),
        "uuid": good.replace(uuid, other),
        "owner": re.sub(r"owner>\d+<", "owner>0<", good),
        "directory": good.replace("/home/dev/a", "/home/dev/b"),
        "guest": good.replace('guest="10.213.0.2"', 'guest="10.213.0.3"').replace('length="30"', 'length="29"'),
        "gateway": good.replace("10.213.0.", "10.214.0."),
        "mac": good.replace("52:54:00:6d:67:02", "52:54:00:6d:67:03"),
    }
    for what, text in foreign.items():
        assert text != good, what
        refused = sandbox.apply(text=text, check=False)
        assert refused.returncode == 77 and "another sandbox" in refused.stderr, what
        assert refused.stdout == ""
    assert (rules(sandbox), sandbox.record()) == before
    sandbox.apply(text=good)


def test_what_is_no_policy_is_refused(sandbox):
    good = sandbox.metadata(LAN_HTTP)
    before = rules(sandbox), sandbox.record()
    lines = '<migrant:allow kind="lan" address="10.0.0.{}"/>'
    bad = {
        "nothing": "",
        "no XML": "apply this",
        "cut off": good[:-20],
        "a whole domain": sandbox.xml,
        "another root": good.replace("migrant:sandbox", "migrant:network"),
        "another namespace": good.replace("xmlns/domain/1", "xmlns/domain/2"),
        "a later version": good.replace('version="3"', 'version="4"'),
        "a document type": '<!DOCTYPE x [<!ENTITY a "b">]>' + good,
        "an entity": '<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/shadow">]>' + good.replace(">a<", ">&f;<"),
        "the metadata service": good.replace(LAN_PEER, "169.254.169.254"),
        "loopback": good.replace(LAN_PEER, "127.0.0.1"),
        "the gateway's own port": good.replace(f'kind="lan" protocol="tcp" port="80" address="{LAN_PEER}"',
                                               'kind="host" protocol="udp" port="53"'),
        "twice": good.replace("<migrant:limits", lines.format(1) * 2 + "<migrant:limits"),
        "too many": good.replace("<migrant:limits", "".join(lines.format(n) for n in range(257)) + "<migrant:limits"),
        "a rule": good.replace(LAN_PEER, f"{LAN_PEER}; accept"),
        "no limits": good.replace('connections="4096"', 'connections="0"'),
        "a tunnel": good.replace('kind="lan"', 'kind="forward" target-port="80" via="tunnel"'),
        "too much": good + " " * (256 * 1024),
    }
    for what, text in bad.items():
        assert text != good, what
        refused = sandbox.apply(text=text, check=False)
        assert refused.returncode == 65 and refused.stdout == "", (what, refused.stderr)
        assert "shadow" not in refused.stderr and "root:" not in refused.stderr
    assert (rules(sandbox), sandbox.record()) == before
    assert verify(sandbox) == []


def test_another_user_is_refused(sandbox):
    before = rules(sandbox), sandbox.record()
    refused = sandbox.apply(LAN_HTTP, user="other", check=False)
    assert refused.returncode == 77 and "belongs to another user" in refused.stderr
    assert (rules(sandbox), sandbox.record()) == before


def test_one_that_does_not_run_is_refused(lab):
    sandbox = Sandbox(lab, "a")
    assert sandbox.apply({}, check=False).returncode == 1
    sandbox.hook("prepare")
    try:
        assert sandbox.apply(LAN_HTTP, check=False).returncode == 1  # no guest holds the tap
        assert sandbox.record()["policy"] == DEFAULT
    finally:
        sandbox.down()
    assert sandbox.apply({}, check=False).returncode == 1


def test_a_slow_caller_keeps_nobody_waiting(sandbox):
    slow = sandbox.lab.host.spawn(HELPER, "apply", "a", user="dev", stdin=-1, stdout=-1, stderr=-1, text=True)
    slow.stdin.write("<migrant:sandbox")
    slow.stdin.flush()
    sandbox.apply(LAN_HTTP)
    assert verify(sandbox) == []
    assert slow.poll() is None  # it was not its end that let the others go on
    slow.stdin.close()
    assert slow.wait(timeout=600) == 65


BROKEN_FOR = "9.9.9.99"  # a resolver for which dnsmasq does not start


@contextlib.contextmanager
def dnsmasq_that(lab, does):
    """In place of dnsmasq, when its configuration names BROKEN_FOR."""
    lab.host.sh("mkdir /usr/sbin/real; mv /usr/sbin/dnsmasq /usr/sbin/real/dnsmasq")
    lab.host.run("tee", "/usr/sbin/dnsmasq", input=f"""#!/bin/sh
        if grep -qs {BROKEN_FOR} /run/migrant/a/dnsmasq.conf; then {does}; fi
        exec /usr/sbin/real/dnsmasq "$@"
        """)
    lab.host.run("chmod", "755", "/usr/sbin/dnsmasq")
    try:
        yield
    finally:
        lab.host.sh("mv /usr/sbin/real/dnsmasq /usr/sbin/dnsmasq; rmdir /usr/sbin/real")


def test_a_failure_leaves_the_old_policy_whole(sandbox):
    before = rules(sandbox), sandbox.record(), policy_file(sandbox)
    with dnsmasq_that(sandbox.lab, "echo broken >&2; exit 3"):
        failed = sandbox.apply(LAN_HTTP | {"dns": [BROKEN_FOR]}, check=False)
    assert failed.returncode not in (0, 1, 64, 65, 77)
    assert "the policy from before stays in force" in failed.stderr
    assert (rules(sandbox), sandbox.record(), policy_file(sandbox)) == before
    assert probe(sandbox.guest, *SERVICE)[SERVICE[0]] != "open"
    assert ask(sandbox.guest, "web.test") == [WEB]
    assert verify(sandbox) == []


def test_a_host_that_cannot_be_made_whole_changes_nothing(sandbox):
    """Nor does it make a policy that is in force look as if it were not."""
    before = rules(sandbox), sandbox.record(), policy_file(sandbox)
    sandbox.lab.host.sh("mkdir -p /etc/migrant; echo 'control-pool = nowhere' >/etc/migrant/migrant.conf")
    try:
        failed = sandbox.apply(LAN_HTTP, check=False)
    finally:
        sandbox.lab.host.sh("rm -r /etc/migrant")
    assert failed.returncode and "the policy from before stays in force" in failed.stderr
    assert (rules(sandbox), sandbox.record(), policy_file(sandbox)) == before
    assert verify(sandbox) == []


def apply_killed_half_way(sandbox, policy):
    """The new rules are loaded and nobody has noted that."""
    with dnsmasq_that(sandbox.lab, "exec sleep 15"):
        apply = sandbox.lab.host.spawn(HELPER, "apply", "a", user="dev", stdin=-1, stdout=-1, stderr=-1, text=True)
        apply.stdin.write(sandbox.metadata(policy | {"dns": [BROKEN_FOR]}))
        apply.stdin.close()
        until = time.monotonic() + 10
        while sandbox.lab.host.run("pgrep", "-f", "^sleep 15", check=False).returncode and time.monotonic() < until:
            time.sleep(0.05)
        sandbox.lab.host.run("kill", "-KILL", sandbox.lab.host.run("pgrep", "-x", "migrant-helper").stdout.strip())
        apply.wait(timeout=600)
    assert sandbox.record()["policy"] == ""  # nobody says that a policy is in force
    assert policy_file(sandbox) == DEFAULT


@pytest.mark.parametrize("policy", [LAN_HTTP, {"ipv6": "nat"}], ids=["grant", "ipv6"])
def test_killed_half_way_ends_no_guest(sandbox, policy):
    """libvirt's daemon comes back before anybody has reloaded: the policy from before, as a whole."""
    before = rules(sandbox)
    apply_killed_half_way(sandbox, policy)
    assert rules(sandbox) != before
    sandbox.hook("reconnect")
    assert sandbox.record()["policy"] == policy_file(sandbox) == DEFAULT
    assert rules(sandbox) == before
    assert probe(sandbox.guest, *SERVICE)[SERVICE[0]] != "open"
    assert ask(sandbox.guest, "web.test") == [WEB]
    assert verify(sandbox) == []


def test_killed_half_way_with_other_links_is_repaired(sandbox):
    apply_killed_half_way(sandbox, {"ipv6": "nat"})
    sandbox.apply({"ipv6": "nat"})
    assert "ipv6 nat" in sandbox.record()["policy"]
    assert verify(sandbox) == []


def test_killed_half_way_is_seen_and_repaired(sandbox):
    apply_killed_half_way(sandbox, LAN_HTTP)
    sandbox.apply(LAN_HTTP)
    assert sandbox.record()["policy"] == policy_file(sandbox) != DEFAULT
    assert probe(sandbox.guest, *SERVICE)[SERVICE[0]] == "open"
    assert ask(sandbox.guest, "web.test") == [WEB]
    assert verify(sandbox) == []


def test_a_guest_of_before_keeps_running(lab):
    """Metadata of version 2 start a guest; a record of an older hook, which names no policy, is left alone."""
    sandbox = Sandbox(lab, "a")
    sandbox.xml = sandbox.xml.replace('version="3">', 'version="2">')
    try:
        sandbox.up()
        assert sandbox.record()["policy"] == DEFAULT
        assert probe(sandbox.guest, *SERVICE)[SERVICE[2]] == "open"
        # Nothing that a hook which knew no IPv6 did not write down: else a restart of libvirt's daemon ended the guest.
        inside = lab.host.run("cat", "/run/migrant/a/inside").stdout
        assert set(re.findall(r"^sysctl net/ipv6/conf/\S+/(\w+) ", inside, re.M)) == {"disable_ipv6", "accept_ra"}
        assert "ip -6" not in inside and "net/ipv6/icmp" not in inside
        record = sandbox.record()
        old = {key: value for key, value in record.items() if key not in ("policy", "wire")}
        lab.host.run("tee", "/run/migrant/a/record.json", input=json.dumps(old))
        refused = sandbox.apply(text=Sandbox(lab, "a", uuid=sandbox.uuid).metadata(LAN_HTTP), check=False)
        assert refused.returncode == 1 and "migrant halt" in refused.stderr
        lab.host.sh("cd /run/migrant/a; rm policy.txt keeper.json keeper.pid")
        sandbox.hook("reconnect")
        assert verify(sandbox) == []
        assert probe(sandbox.guest, *SERVICE)[SERVICE[0]] != "open"
    finally:
        sandbox.down()
