"""Everything that goes wrong has one clear error, and leaves nothing behind."""

import concurrent.futures
import json
import re

import pytest

from conftest import HELPER, HOOK, Sandbox, probe, running
from keeping import wait_for
from lab import WEB, differences, stop
from watch import Arrivals

ERROR = re.compile(r"migrant-hook: \[(\d+)\] ([^\n]+?)(?: \(hint: ([^\n]+)\))?\n")


def refused(result, code, text, hint=None):
    """The one line of a failing hook."""
    assert result.returncode == code, result.stderr
    match = ERROR.fullmatch(result.stderr)
    assert match and int(match[1]) == code and text in match[2], result.stderr
    assert hint is None or hint in (match[3] or ""), result.stderr


@pytest.fixture
def unchanged(lab):
    """The host is the same afterwards."""
    before = lab.snapshot()
    yield lab
    assert differences(before, lab.snapshot()) == ""


@pytest.fixture
def sandbox(unchanged):
    sandbox = Sandbox(unchanged, "a")
    yield sandbox
    sandbox.down()


def test_no_dnsmasq(sandbox):
    sandbox.lab.host.run("mount", "--bind", "/dev/null", "/usr/sbin/dnsmasq")
    try:
        refused(sandbox.hook("prepare", check=False), 69, "dnsmasq is not installed", "install dnsmasq")
    finally:
        sandbox.lab.host.run("umount", "/usr/sbin/dnsmasq")


def test_no_resolver(sandbox):
    host = sandbox.lab.host
    before = host.run("cat", "/etc/resolv.conf").stdout
    host.run("tee", "/etc/resolv.conf", input="nameserver 127.0.0.53\nnameserver ::1\n")
    try:
        refused(sandbox.hook("prepare", check=False), 78, "no resolver", "network: {dns:")
    finally:
        host.run("tee", "/etc/resolv.conf", input=before)


def test_no_addresses_left(unchanged):
    unchanged.host.sh("mkdir -p /etc/migrant; echo 'control-pool = 198.19.255.0/28' >/etc/migrant/migrant.conf")
    try:
        with running(unchanged, "first") as first:
            assert first.record()["control_address"] == "198.19.255.2"
            second = Sandbox(unchanged, "second")
            refused(second.hook("prepare", check=False), 75, "no free addresses", "control-pool")
            second.hook("release", "end")
            assert probe(first.guest, f"tcp {WEB} 80") == {f"tcp {WEB} 80": "open"}
    finally:
        unchanged.host.run("rm", "-r", "/etc/migrant")


def test_a_broken_configuration_names_its_line(sandbox):
    sandbox.lab.host.sh("mkdir -p /etc/migrant; printf 'control-pool = 10.9.0.0/16\\nx\\n' >/etc/migrant/migrant.conf")
    try:
        refused(sandbox.hook("prepare", check=False), 78, "/etc/migrant/migrant.conf:2:")
    finally:
        sandbox.lab.host.run("rm", "-r", "/etc/migrant")


def test_addresses_avoid_those_of_the_host(sandbox):
    sandbox.lab.host.sh("ip route add 198.18.0.0/24 via 192.168.1.1; ip addr add 198.18.1.1/32 dev lo")
    try:
        sandbox.up()
        assert sandbox.record()["control_address"] == "198.18.1.18"
    finally:
        sandbox.down()
        sandbox.lab.host.sh("ip route del 198.18.0.0/24; ip addr del 198.18.1.1/32 dev lo")


@pytest.mark.parametrize("change, text", [
    ((r"(?s)<metadata>.*</metadata>", ""), "lost its metadata"),
    (("</interface>", "</interface><interface type='network'><source network='default'/></interface>"), "interface"),
    (("<memballoon", "<hostdev mode='subsystem' type='pci'/><memballoon"), "devices/hostdev"),
    (('length="30"', 'length="30" x="y"'), "wire"),
    (('version="3"', 'version="9"'), "version 9"),
], ids=["no metadata", "another NIC", "a host device", "odd metadata", "a later version"])
def test_changed_domains_do_not_start(sandbox, change, text):
    xml = re.sub(*change, sandbox.xml)
    assert xml != sandbox.xml
    result = sandbox.hook("prepare", xml=xml, check=False)
    refused(result, result.returncode, text)
    assert result.returncode in (65, 77)
    refused(sandbox.hook("prepare", domain="migrant-b", check=False), 77, "carries the metadata of a")
    refused(sandbox.hook("prepare", domain="web", check=False), 77, "carries the metadata of a")


def test_foreign_domains_are_let_alone(unchanged):
    sandbox = Sandbox(unchanged, "x")
    for domain in ("web", "migrant-x", "../x", "migrant-../x", ""):
        for operation, phase in (("prepare", "begin"), ("start", "begin"), ("release", "end"), ("reconnect", "begin"),
                                 ("new-in-libvirt-99", "begin")):
            result = sandbox.hook(operation, phase, xml="<domain type='kvm'><name>web</name></domain>", domain=domain)
            assert result.stdout == result.stderr == ""


def test_huge_and_broken_xml(sandbox):
    padding = sandbox.xml.replace("</devices>", "<!--" + "x" * 1_100_000 + "--></devices>")
    refused(sandbox.hook("prepare", xml=padding, check=False), 65, "larger than")
    refused(sandbox.hook("prepare", xml=sandbox.xml[:-40], check=False), 65, "cannot be read")
    assert sandbox.hook("prepare", xml="").returncode == 0  # nothing of ours in it


def test_operations_without_meaning_for_sandboxes(sandbox):
    for operation in ("migrate", "attach", "new-in-libvirt-99"):
        refused(sandbox.hook(operation, check=False), 70, operation)
    assert sandbox.hook("new-in-libvirt-99", "end").returncode == 0
    refused(sandbox.hook("start", check=False), 66, "record.json")


def test_a_running_sandbox_is_not_prepared_again(sandbox):
    sandbox.up()
    refused(sandbox.hook("prepare", check=False), 75, "still runs")
    assert probe(sandbox.guest, f"tcp {WEB} 80") == {f"tcp {WEB} 80": "open"}


def test_leftovers_are_cleared(unchanged):
    """libvirtd and QEMU were killed; the domain was then made anew, with another UUID."""
    crashed = Sandbox(unchanged, "a").up()
    crashed.kill()
    unchanged.host.sh("""
        mkdir -p /run/netns; : >/run/netns/migrant-b; mkdir -p /run/migrant/b; echo '{' >/run/migrant/b/record.json
        """)
    for name in "ab":
        with running(unchanged, name) as sandbox:
            assert probe(sandbox.guest, f"tcp {WEB} 80") == {f"tcp {WEB} 80": "open"}


@pytest.mark.parametrize("links", ["mgt", "mgc", "mgu"])
def test_links_of_a_hook_that_was_killed(sandbox, links):
    name = links + sandbox.uuid[:8]
    sandbox.lab.host.run(*(["ip", "tuntap", "add", name, "mode", "tap"] if links == "mgt" else
                           ["ip", "link", "add", name, "type", "veth", "peer", "name", "peer"]))
    sandbox.up()


def test_a_hook_killed_at_any_moment(unchanged):
    sandbox = Sandbox(unchanged, "a")
    for delay in range(2, 80, 6):
        unchanged.host.sh(f"timeout -s KILL 0.0{delay:02} {HOOK} migrant-a prepare begin - || true", input=sandbox.xml)
    assert sandbox.up().record()["name"] == "a"
    sandbox.down()


def test_many_at_once(unchanged):
    sandboxes = [Sandbox(unchanged, f"s{i}") for i in range(6)]
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda s: s.hook("prepare"), sandboxes))
        assert len({s.record()["control_address"] for s in sandboxes}) == 6
        list(pool.map(lambda s: s.hook("release", "end"), sandboxes))


def test_forwarding_stays_where_it_was_on(lab):
    lab.host.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    before = lab.snapshot()
    with running(lab, "a"), running(lab, "b"):
        pass
    assert differences(before, lab.snapshot()) == ""
    lab.host.run("sysctl", "-qw", "net.ipv4.ip_forward=0")


def test_the_last_one_clears_the_host(unchanged):
    first, second = Sandbox(unchanged, "first").up(), Sandbox(unchanged, "second").up()
    first.down()
    assert probe(second.guest, f"tcp {WEB} 80") == {f"tcp {WEB} 80": "open"}
    second.down()


def test_rules_outlive_the_guest(sandbox):
    """Between QEMU's end and `release` everything is as closed as before."""
    sandbox.up()
    rules = sandbox.inside("nft", "-s", "list", "ruleset").stdout
    sandbox.kill()
    sandbox.hook("stopped", "end")
    assert sandbox.inside("nft", "-s", "list", "ruleset").stdout == rules


def test_nothing_is_sent_before_the_wire_is_watched(sandbox):
    sandbox.hook("prepare")
    sandbox.open_tap()
    assert "DOWN" in sandbox.lab.host.run("ip", "-br", "link", "show", sandbox.tap).stdout
    with Arrivals(sandbox.lab.host, 'iifname "mgt*"') as host, Arrivals(sandbox.lab.internet, 'iifname "wan"') as wan:
        probe(sandbox.guest, f"tcp {WEB} 80", f"udp {WEB} 9")
        assert not host.all() and not wan.all()
    sandbox.hook("start")
    assert probe(sandbox.guest, f"tcp {WEB} 80") == {f"tcp {WEB} 80": "open"}


def test_a_namespace_held_elsewhere_is_empty(unchanged):
    """By whoever looked into it, or a mount namespace that has a copy of its name."""
    sandbox = Sandbox(unchanged, "a").up()
    holder = unchanged.host.spawn("unshare", "--mount", "--propagation", "private", "sh", "-c",
                                  "exec 9</run/netns/migrant-a; echo; exec sleep 60", stdout=-1)
    holder.stdout.readline()
    before = unchanged.snapshot()["processes"].count("dnsmasq")
    sandbox.down()
    links = unchanged.host.run("nsenter", f"--net=/proc/{child(holder)}/fd/9", "sh", "-c",
                               "ip -br link; nft list ruleset").stdout
    assert "lo" in links
    assert "mg" not in links and "uplink" not in links and "table" not in links
    assert unchanged.snapshot()["processes"].count("dnsmasq") == before - 1
    stop(holder)
    holder.stdout.close()


def child(popen):
    from lab import child_of
    from sniffer import inner_pid
    return inner_pid(type("Host", (), {"flags": ["-p"]}), child_of(popen))


# -- drift and what follows from it ----------------------------------------------------------------


def verify(sandbox):
    return json.loads(sandbox.lab.host.run(HELPER, "verify", sandbox.name, user="dev").stdout)


BREAK = {
    "a rule": ("nft flush chain inet migrant forward_guest", "gone: ip daddr @denied goto refuse"),
    "a wider rule": ("nft insert rule inet migrant forward accept", "new: accept"),
    "the wire's rules": ("nft delete table netdev migrant", "gone: ether type arp goto arp_from_guest"),
    "all rules": ("nft flush ruleset", "gone: type filter hook forward priority 0; policy drop;"),
    "an address": ("ip addr add 192.168.7.1/24 dev control", "new: address control 192.168.7.1/24"),
    "a route": ("ip route add 10.0.0.0/8 via 198.18.0.1 dev control", "new: route 10.0.0.0/8"),
    "a link": ("ip link add extra type veth", "new: link extra"),
    "the uplink": ("ip link set uplink down", "gone: link uplink"),
    "IPv6": ("sysctl -qw net.ipv6.conf.uplink.disable_ipv6=0", "gone: sysctl net/ipv6/conf/uplink/disable_ipv6 1"),
    "a routing rule": ("ip rule add from 10.213.0.2 lookup 77", "new: ip rule"),
}


@pytest.mark.parametrize("what", BREAK)
def test_broken_isolation_ends_the_guest(sandbox, what):
    command, line = BREAK[what]
    sandbox.up()
    assert verify(sandbox) == []
    sandbox.hook("reconnect")
    sandbox.inside("sh", "-euc", command)
    assert any(d.startswith(line) for d in verify(sandbox)), verify(sandbox)
    refused(sandbox.hook("reconnect", check=False), 70, "is not what it was")


def test_a_check_that_was_switched_off_ends_the_guest(sandbox):
    sandbox.up()
    uplink = sandbox.record()["uplink"]
    sandbox.lab.host.sh(f"sysctl -qw net.ipv4.conf.{uplink}.rp_filter=0")
    refused(sandbox.hook("reconnect", check=False), 70, "reverse path check")


def test_what_systemd_does_to_new_links_is_no_drift(sandbox):
    """udev leaves a MAC address alone that was given, and has systemd-sysctl set what it finds configured."""
    sandbox.up()
    for link in sandbox.record()["uplink"], "mgc" + sandbox.uuid[:8]:
        assert sandbox.lab.host.run("cat", f"/sys/class/net/{link}/addr_assign_type").stdout == "3\n"
        sandbox.lab.host.sh(f"sysctl -qw net.ipv4.conf.{link}.rp_filter=2 net.ipv4.conf.{link}.promote_secondaries=1 "
                            f"net.ipv4.conf.{link}.accept_redirects=1")
    assert verify(sandbox) == []
    sandbox.hook("reconnect")


def test_a_lost_namespace_ends_the_guest(sandbox):
    sandbox.up()
    sandbox.lab.host.run("ip", "netns", "del", "migrant-a")
    assert "is gone" in verify(sandbox)[0]
    refused(sandbox.hook("reconnect", check=False), 70, "is not what it was")


def test_services_and_the_hosts_side_are_repaired(sandbox):
    sandbox.up()
    sandbox.lab.host.sh("nft flush ruleset; ip rule del pref 670; sysctl -qw net.ipv4.ip_forward=0")
    sandbox.lab.host.sh("kill -9 $(ip netns pids migrant-a)")
    drift = wait_for(lambda: len(found := verify(sandbox)) == 4 and found)
    assert "dnsmasq is not running" in drift, drift
    sandbox.hook("reconnect")
    assert verify(sandbox) == []
    assert probe(sandbox.guest, f"tcp {WEB} 80") == {f"tcp {WEB} 80": "open"}


def test_another_firewall_is_named_with_what_helps(sandbox):
    sandbox.up()
    host = sandbox.lab.host
    host.run("nft", "-f", "-", input="""table ip filter { chain DOCKER-USER { }
        chain FORWARD { type filter hook forward priority 0; policy drop; jump DOCKER-USER; }; }""")
    try:
        assert probe(sandbox.guest, f"tcp {WEB} 80") != {f"tcp {WEB} 80": "open"}
        advice = next(d for d in verify(sandbox) if "FORWARD" in d)
        host.sh(advice.split("this lets it through: ")[1])
        assert probe(sandbox.guest, f"tcp {WEB} 80") == {f"tcp {WEB} 80": "open"}
        assert verify(sandbox) == []
    finally:
        host.run("nft", "delete", "table", "ip", "filter")


# -- the helper ------------------------------------------------------------------------------------


def helper(lab, *arguments, user="dev", **options):
    return lab.host.run(HELPER, *arguments, user=user, check=False, **options)


def test_the_helper_serves_the_owner(sandbox):
    sandbox.up()
    lab = sandbox.lab
    rules = json.loads(helper(lab, "rules", "a").stdout)
    assert rules["name"] == "a" and "chain forward_guest" in rules["rules"]
    assert json.loads(helper(lab, "version").stdout)["version"]
    for verb in ("verify", "rules", "cleanup"):
        refused(helper(lab, verb, "a", user="other"), 77, "another user")
    assert helper(lab, "verify", "a", user=None).returncode == 0
    refused(helper(lab, "cleanup", "a"), 1, "still runs")


@pytest.mark.parametrize("arguments, text", [
    ([], "usage"), (["verify"], "takes the name"), (["verify", "a", "b"], "usage"), (["shell", "a"], "unknown verb"),
    (["verify", "../a"], "no sandbox name"), (["verify", "-a"], "no sandbox name"), (["verify", ""], "no sandbox name"),
    (["version", "a"], "no operand"), (["rules", "a/b"], "no sandbox name"), (["\x1b[2J", "a"], "\\x1b[2J"),
])
def test_the_helper_refuses_what_is_not_in_its_table(unchanged, arguments, text):
    refused(helper(unchanged, *arguments), 64, text)


def test_the_helper_says_when_nothing_runs(unchanged):
    refused(helper(unchanged, "verify", "nobody"), 1, "does not run")
    refused(helper(unchanged, "rules", "nobody"), 1, "does not run")


def test_cleanup_takes_leftovers_away(unchanged):
    crashed = Sandbox(unchanged, "a").up()
    crashed.kill()
    refused(helper(unchanged, "cleanup", "a", user="other"), 77, "another user")
    assert json.loads(helper(unchanged, "cleanup", "a").stdout)["removed"]
    assert json.loads(helper(unchanged, "cleanup", "a").stdout)["removed"]


def test_the_programs_mind_no_surroundings(sandbox):
    """Few limits, no streams, a strange environment, signals ignored: all that a caller can hand down."""
    script = f"""
        trap '' TERM INT CHLD; umask 777; ulimit -S -f 0; ulimit -S -c unlimited; cd /proc
        export LD_PRELOAD=/tmp/x.so PATH=/tmp IFS=x LANG=xx TMPDIR=/nowhere
        exec {HOOK} migrant-a prepare begin - extra 5</etc/shadow"""
    sandbox.lab.host.sh(script, input=sandbox.xml)
    assert sandbox.record()["name"] == "a"
    mode = sandbox.lab.host.run("stat", "-c", "%a %u", "/run/migrant", "/run/migrant/a", "/run/migrant/a/record.json",
                                "/run/migrant/a/dnsmasq.conf").stdout.split("\n")
    assert mode[:4] == ["711 0", "711 0", "644 0", "600 0"]
    assert sandbox.lab.host.sh(f"{HOOK} migrant-a prepare begin - <&- >&- 2>&- || true").returncode == 0
