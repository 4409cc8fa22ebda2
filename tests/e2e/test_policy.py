"""The policy of a running guest changes with its Migrantfile: reload --policy, policy show, status. One guest, in order."""

import json
import re
import subprocess

import pytest

from lab import LAN_HOST, LAN_PEER, LAN_PEER6, WAN_HOST6, WEB, WEB6, stop

MIGRANTFILE = "box: debian-12\ncpus: 1\nmemory: 768M\ndisk: 4G\n"
VIRSH = ["virsh", "-q", "-c", "qemu:///system"]
HELPER = "/usr/sbin/migrant-helper"
PORTS = [{"bind": "127.0.0.1", "host": 8080, "guest": 80}]
NOTE = "the Migrantfile has another network policy: 'migrant reload --policy' applies it"
FETCH = """python3 -c 'import urllib.request as u
try: print(u.urlopen("http://{}/", timeout=5).read().decode().strip())
except OSError: print("closed")'"""


class Sandbox:
    def __init__(self, lab):
        self.lab, self.domain = lab, "migrant-policy"
        self.path = lab.project("policy", MIGRANTFILE)

    def write(self, network=""):
        self.lab.project("policy", MIGRANTFILE + network)

    def migrant(self, *argv, check=True, **options):
        return self.lab.migrant(*argv, cwd=self.path, check=check, **options)

    def status(self):
        done = self.migrant("status", "--json", check=False)
        return done.returncode, json.loads(done.stdout)

    def show(self):
        return json.loads(self.migrant("policy", "show", "--json").stdout)

    def fetch(self, address):
        """What the guest gets from a web server: the address that this one saw, or "closed"."""
        return self.migrant("ssh", "-c", FETCH.format(address)).stdout.strip()

    def xml(self, *arguments):
        return self.lab.host.run(*VIRSH, "dumpxml", self.domain, *arguments, user="dev").stdout


@pytest.fixture(scope="module")
def sandbox(world):
    sandbox = Sandbox(world)
    sandbox.migrant("up", timeout=900)
    yield sandbox
    sandbox.migrant("destroy", "-f", check=False)


def without_policy(xml):
    """All other lines. libvirt puts an element of the metadata that is written anew behind the others."""
    return sorted(re.sub(r"<migrant:network.*</migrant:network>", "", xml, flags=re.DOTALL).splitlines())


def test_a_new_sandbox_has_the_policy_of_its_migrantfile(sandbox):
    done = sandbox.migrant("policy", "show")
    assert done.stdout.splitlines()[:2] == [
        "the Internet is open", "private networks and all that the host is connected to are closed"]
    assert done.stderr == ""
    code, status = sandbox.status()
    assert (code, status["drift"], status["notes"]) == (0, [], [])
    assert (status["egress"], status["isolation"], status["ports"]) == ("open", True, [])
    assert sandbox.fetch(WEB) != "closed" and sandbox.fetch(LAN_PEER) == "closed"
    rules = sandbox.migrant("policy", "show", "--rules").stdout
    assert "table inet migrant" in rules and "table netdev migrant" in rules


def test_a_changed_migrantfile_is_a_note_until_it_is_applied(sandbox):
    before = sandbox.xml(), sandbox.xml("--inactive")
    sandbox.write(f'network:\n  allow: [lan {LAN_PEER} tcp/80]\n  ports: ["8080:80"]\n  limits: {{connections: 1000}}\n')
    code, status = sandbox.status()
    assert (code, status["drift"], status["notes"], status["ports"]) == (0, [], [NOTE], [])
    done = sandbox.migrant("policy", "show")
    assert "allowed" not in done.stdout and NOTE in done.stderr
    assert sandbox.fetch(LAN_PEER) == "closed"
    assert NOTE in sandbox.migrant("up").stderr
    done = sandbox.migrant("reload", "--policy")
    assert done.stdout.splitlines() == [
        "- at most 4096 connections",
        f"+ allowed: tcp/80 of {LAN_PEER}",
        "+ shown: tcp/80 of the guest, on the host at 127.0.0.1:8080",
        "+ at most 1000 connections",
    ]
    assert sandbox.fetch(LAN_PEER) != "closed" and sandbox.fetch(WEB) != "closed"
    code, status = sandbox.status()
    assert (code, status["drift"], status["notes"], status["ports"]) == (0, [], [], PORTS)
    shown = sandbox.show()
    assert shown["in_force"] and shown["as_migrantfile"]
    assert shown["allow"] == [f"lan {LAN_PEER} tcp/80"] and shown["limits"]["connections"] == 1000
    after = sandbox.xml(), sandbox.xml("--inactive")
    for old, new in zip(before, after):
        assert f'address="{LAN_PEER}"' in new and f'address="{LAN_PEER}"' not in old
        assert without_policy(old) == without_policy(new)


def test_a_port_is_shown_on_the_host(sandbox):
    serve = ("sudo systemd-run --quiet /usr/bin/python3 -m http.server --directory /etc 80; "
             "until bash -c ': </dev/tcp/127.0.0.1/80' 2>/dev/null; do sleep 0.5; done")
    sandbox.migrant("ssh", "-c", serve)
    assert sandbox.lab.host.run("curl", "-sSm10", "http://127.0.0.1:8080/hostname", user="dev").stdout == "policy\n"


def test_twice_is_once(sandbox):
    done = sandbox.migrant("reload", "--policy")
    assert done.stdout == "the policy is already in force\n"


def test_a_change_that_was_cut_short_is_drift(sandbox):
    """Root has applied a policy and the program died before the domain could say so."""
    element = re.search(r"<migrant:sandbox.*</migrant:sandbox>", sandbox.xml(), re.DOTALL)[0]
    changed = element.replace('egress="open"', 'egress="none"')
    assert changed != element
    sandbox.lab.host.run(HELPER, "apply", "policy", user="dev", input=changed)
    code, status = sandbox.status()
    assert code == 70 and status["egress"] == "none"
    assert any("policy in force is not the one" in line for line in status["drift"])
    assert sandbox.fetch(WEB) == "closed"
    done = sandbox.migrant("reload", "--policy")
    assert "+ the Internet is open" in done.stdout.splitlines()
    assert sandbox.status()[0] == 0
    assert sandbox.fetch(WEB) != "closed"


def test_what_is_wrong_on_this_host_changes_nothing(sandbox):
    for network, place, message in [
            (f"network: {{allow: [lan {LAN_HOST}]}}\n", "5:19", "this host's own"),
            ("network: {allow: [lan 10.213.0.2]}\n", "5:19", "the sandbox's own wire"),
            ("network: {allow: [lan 198.18.0.2]}\n", "5:19", "links between host and sandboxes"),
            ("network: {ports: ['192.168.77.77:80:80']}\n", "5:19", "the host has no address")]:
        sandbox.write(network)
        for command in (["reload", "--policy"], ["validate"]):
            done = sandbox.migrant(*command, check=False)
            if command == ["validate"]:  # it looks at the file alone
                assert done.returncode == 0
            else:
                assert done.returncode == 78 and f"Migrantfile:{place}: error: " in done.stderr and message in done.stderr
    assert sandbox.show()["allow"] == [f"lan {LAN_PEER} tcp/80"]


def test_a_port_that_is_taken_leaves_the_policy_as_it_is(sandbox):
    sandbox.write("network: {egress: none, ports: ['8081:80']}\n")
    holder = sandbox.lab.host.spawn("/usr/bin/python3", "-m", "http.server", "-b", "127.0.0.1", "8081", stderr=subprocess.DEVNULL)
    try:
        sandbox.lab.host.sh("until curl -so /dev/null http://127.0.0.1:8081/; do sleep 0.1; done")
        done = sandbox.migrant("reload", "--policy", check=False)
    finally:
        stop(holder)
    assert done.returncode == 69 and "stays in force" in done.stderr and "8081" in done.stderr
    code, status = sandbox.status()
    assert (code, status["egress"], status["ports"]) == (0, "open", PORTS)


def test_two_at_once_take_turns(sandbox):
    sandbox.write("network: {egress: none}\n")
    both = [sandbox.lab.host.spawn("migrant", "reload", "--policy", user="dev", cwd=sandbox.path, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = sorted(process.communicate(timeout=120)[0] for process in both)
    assert [process.returncode for process in both] == [0, 0]
    assert "the policy is already in force\n" in outputs
    assert sandbox.status()[0] == 0 and sandbox.fetch(WEB) == "closed"


def test_a_halted_sandbox_has_the_migrantfiles(sandbox):
    sandbox.migrant("halt", "-f")
    sandbox.write("network: {isolate: false}\n")
    done = sandbox.migrant("reload", "--policy", check=False)
    assert done.returncode == 1 and "is not running" in done.stderr
    done = sandbox.migrant("policy", "show")
    assert "private networks are open" in done.stdout and "does not run" in done.stderr
    assert sandbox.show()["in_force"] is False
    done = sandbox.migrant("policy", "show", "--rules", check=False)
    assert done.returncode == 1 and "hint: " in done.stderr
    plan = sandbox.migrant("plan").stdout
    assert re.search(r"^policy: +private networks are open$", plan, re.MULTILINE)
    sandbox.migrant("up", timeout=900)
    assert sandbox.show()["isolate"] is False and sandbox.status()[0] == 0
    assert sandbox.fetch(LAN_PEER) != "closed"


def test_ipv6_comes_and_goes_with_the_policy(sandbox):
    """The guest has had its address and its route since its first boot."""
    assert sandbox.migrant("ip", "-6", check=False).returncode == 1
    assert sandbox.fetch(f"[{WEB6}]") == "closed"
    sandbox.write("network: {ipv6: nat}\n")
    sandbox.migrant("reload", "--policy")
    assert sandbox.migrant("ip", "-6").stdout == "fd6d:6967:7261:ffff::2\n"
    assert sandbox.fetch(f"[{WEB6}]") in (WAN_HOST6, "2001:db8:5::2")
    assert sandbox.fetch(f"[{LAN_PEER6}]") == "closed"
    assert sandbox.status()[0] == 0
    sandbox.write()
    sandbox.migrant("reload", "--policy")
    assert sandbox.fetch(f"[{WEB6}]") == "closed" and sandbox.fetch(WEB) != "closed"
    assert sandbox.status()[0] == 0
