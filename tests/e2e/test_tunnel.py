"""Promise P3 with a real guest and a real peer: all of it goes through the tunnel, and the key is nowhere. In order, one guest."""

import json
import os
import re
import signal
import subprocess
import time

import pytest

import schema
from lab import LAN_PEER, RESOLVER, WEB, WEB6, child_of, differences
from wireguard import Leaks, Peer, eventually

MIGRANTFILE = "box: debian-12\ncpus: 1\nmemory: 768M\ndisk: 4G\n"
VIRSH = ["virsh", "-q", "-c", "qemu:///system"]
HELPER = "/usr/sbin/migrant-helper"
HOST_RESOLVER = "198.51.100.7"  # whom the host asks for the peer, and the guest never
FETCH = """python3 -c 'import urllib.request as u
try: print(u.urlopen("http://{}/", timeout=5).read().decode().strip())
except OSError: print("closed")'"""
# The first address in the answer of any resolver to a question for an A record, or "none".
ASK = """python3 -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(5)
q = bytes.fromhex("123401000001000000000000") + b"".join(bytes([len(p)]) + p for p in b"{}".split(b".")) + bytes.fromhex("0000010001")
try: s.sendto(q, ("{}", 53)); print(".".join(map(str, s.recv(600)[-4:])))
except OSError: print("none")'"""
# What of the file system is the host's own.
PLACES = "/etc /run /home/dev /dev/shm /var/lib/libvirt /var/lib/migrant /var/log /var/cache/libvirt"


class Sandbox:
    def __init__(self, lab, name, conf, text=""):
        self.lab, self.name, self.path = lab, name, lab.project(name, MIGRANTFILE + text)
        self.write(conf)

    def write(self, conf):
        self.lab.host.sh(f"umask 077; cat >{self.path}/wireguard.conf", user="dev", input=conf)

    def migrant(self, *argv, check=True, **options):
        return self.lab.migrant(*argv, cwd=self.path, check=check, **options)

    def status(self):
        return json.loads(self.migrant("status", "--json", check=False).stdout)

    def ssh(self, command, **options):
        return self.migrant("ssh", "-c", command, **options).stdout.strip()

    def fetch(self, address):
        """What the guest gets from a web server: the address that this one saw, or "closed"."""
        return self.ssh(FETCH.format(address))

    def ask(self, name, server):
        return self.ssh(ASK.format(name, server))


def conf(peer, endpoint="vpn.test", index=0, more=""):
    """As a provider would send it."""
    address, address6 = peer.client(index)
    return (f"# a provider's file\r\n[Interface]\r\nPrivateKey={peer.clients[index][0]}\r\nAddress = {address}/32,{address6}/128\r\n"
            f"DNS = {peer.address}, corp.example\r\nTable = auto\r\n{more}\r\n[Peer]\r\nPublicKey = {peer.public}\r\n"
            f"AllowedIPs = 0.0.0.0/0,::/0\r\nEndpoint = {endpoint}:{peer.port}\r\n")


@pytest.fixture(scope="module")
def peer(world):
    """Known to the host as vpn.test; started by the tests."""
    world.serve_dns({"vpn.test": "5.9.1.1"}, address=HOST_RESOLVER)
    world.host.sh(f"echo nameserver {HOST_RESOLVER} >/etc/resolv.conf")
    yield Peer(world, number=9, clients=2)
    world.host.sh(f"echo nameserver {RESOLVER} >/etc/resolv.conf")


@pytest.fixture(scope="module")
def before(world):
    return world.snapshot()


def files_with(lab, key, user=None):
    """Those that hold the key, but for the user's own."""
    found = lab.host.sh(f"grep -rlsF -- '{key}' {PLACES} || true", user=user, timeout=300).stdout
    return sorted(path for path in found.split() if not (path.startswith("/home/dev/") and path.endswith("/wireguard.conf")))


def test_a_wrong_file_changes_nothing(world, peer, before):
    sandbox = Sandbox(world, "wrongtunnel", conf(peer, more="PostUp = touch /tmp/executed\r\n"))
    for command in ("validate", "plan", "up"):
        done = sandbox.migrant(command, check=False)
        assert done.returncode == 65 and "wireguard.conf:7: error: PostUp" in done.stderr, done.stderr
    sandbox.write(conf(peer).replace("DNS", "#"))
    assert "there is no DNS" in sandbox.migrant("up", check=False).stderr
    sandbox.write(conf(peer, endpoint="nowhere.test"))
    done = sandbox.migrant("up", check=False)
    assert done.returncode == 69 and "nowhere.test has no address" in done.stderr
    assert differences(before, world.snapshot()) == ""
    assert world.host.run("test", "-e", "/tmp/executed", check=False).returncode == 1


def test_a_silent_peer_and_nothing_is_left(world, peer, before):
    """It looks exactly as a wrong key does: nobody answers."""
    sandbox = Sandbox(world, "silent", conf(peer))
    with Leaks(world, allow=f"udp dport {peer.port} accept; ip daddr {HOST_RESOLVER} udp dport 53 accept") as leaks:
        done = sandbox.migrant("up", check=False, timeout=300)
        assert leaks.all() == ""
    assert done.returncode == 75 and "no handshake within 15 s" in done.stderr, done.stderr
    assert peer.clients[0][1] in done.stderr  # the public key, for whoever has to tell it to the peer
    assert peer.clients[0][0] not in done.stdout + done.stderr
    assert sandbox.status()["state"] == "absent"
    assert world.host.run(*VIRSH, "list", "--all", "--name").stdout.split() == []
    assert differences(before, world.snapshot()) == ""
    assert files_with(world, peer.clients[0][0]) == []


def test_who_does_not_want_to_wait_leaves_nothing(world, peer, before):
    sandbox = Sandbox(world, "impatient", conf(peer))
    up = world.host.spawn("migrant", "up", user="dev", cwd=sandbox.path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    for line in up.stderr:
        if "waiting for the tunnel's peer" in line:
            os.kill(child_of(up), signal.SIGINT)
    assert up.wait(timeout=120) == 130
    assert differences(before, world.snapshot()) == ""


@pytest.fixture(scope="module")
def leaks(world, peer):
    """Everything on the host's links but WireGuard, neighbours, the host's look-up of the peer and what is allowed outside."""
    with Leaks(world, allow=f"udp dport {peer.port} accept; ip daddr {HOST_RESOLVER} udp dport 53 accept; "
                            f"ip daddr {LAN_PEER} tcp dport 80 accept") as leaks:
        yield leaks


@pytest.fixture(scope="module")
def sandbox(world, peer, before, leaks):
    text = ("network:\n  allow: ['forward tcp/9000 to 10.8.9.1:80 via tunnel', lan " + LAN_PEER + " tcp/80]\n")
    sandbox = Sandbox(world, "tunneled", conf(peer), text)
    with peer:
        plan = sandbox.migrant("plan").stdout
        assert "5.9.1.1:51829 (vpn.test)" in plan and "10.8.9.2/32" in plan
        sandbox.up = sandbox.migrant("up", timeout=900)
        yield sandbox
        sandbox.migrant("destroy", "-f", check=False)


def test_the_peer_sees_the_guest_and_nobody_else_does(sandbox, peer, leaks):
    address, address6 = peer.client()
    assert "5.9.1.1:51829 (vpn.test)" in sandbox.up.stderr and "Table: without meaning" in sandbox.up.stderr
    assert sandbox.fetch(WEB) == address
    assert sandbox.fetch(f"[{WEB6}]") == address6
    assert sandbox.ask("inside.test", "1.1.1.1") == sandbox.ask("inside.test", "10.213.0.1") == "9.9.9.9"
    assert sandbox.ssh("getent ahostsv4 web.test").startswith(WEB)  # by what the guest itself was told
    assert sandbox.ssh("ping -c 1 -W 5 8.8.8.8 >/dev/null && echo answered") == "answered"
    assert sandbox.fetch("10.8.9.1") == "closed"  # private, behind the tunnel
    assert sandbox.fetch("10.213.0.1:9000") == address  # but for the port that is allowed
    assert sandbox.fetch(LAN_PEER) == "192.168.1.10"  # outside, as it is written
    assert leaks.all() == ""


def test_what_is_shown_of_it(sandbox, peer):
    status = schema.check(sandbox.status(), "status")
    tunnel = status["tunnel"]
    assert status["drift"] == [] and status["notes"] == []
    assert tunnel["endpoint"] == "5.9.1.1:51829" and tunnel["dns"] == ["10.8.9.1"] and tunnel["problem"] is None
    assert tunnel["addresses"] == ["10.8.9.2/32", "fd08:9::2/128"] and tunnel["mtu"] == 1420
    assert 0 <= time.time() - tunnel["latest_handshake"] < 900
    assert tunnel["received_bytes"] > 0 and tunnel["sent_bytes"] > 0
    assert re.search(r"^tunnel: +to 5\.9\.1\.1:51829, last handshake", sandbox.migrant("status").stdout, re.M)
    wg = schema.check(json.loads(sandbox.migrant("wg", "--json").stdout), "wg")
    assert wg["public_key"] == peer.clients[0][1] and wg["peers"][0]["public_key"] == peer.public
    assert sorted(wg["peers"][0]["allowed_ips"]) == ["0.0.0.0/0", "::/0"] and wg["peers"][0]["keepalive"] is None
    assert re.search(r"^  endpoint: +5\.9\.1\.1:51829$", sandbox.migrant("wg").stdout, re.M)
    policy = json.loads(sandbox.migrant("policy", "show", "--json").stdout)
    assert policy["tunnel"] and policy["ipv6"] == "nat" and policy["as_migrantfile"]


def test_the_key_is_nowhere(sandbox, peer, world):
    key = peer.clients[0][0]
    for arguments in ([], ["--inactive"], ["--security-info"]):
        assert key not in world.host.run(*VIRSH, "dumpxml", "migrant-tunneled", *arguments).stdout
    processes = world.host.sh("cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'").stdout
    assert "migrant" in processes and key not in processes
    assert files_with(world, key, user="other") == files_with(world, key, user="dev") == []
    roots = files_with(world, key)
    assert roots and all(path.startswith("/run/migrant/") for path in roots)
    for path in roots:
        assert world.host.run("stat", "-c", "%u %a", path).stdout.split() == ["0", "600"]
    for text in (sandbox.up.stdout, sandbox.up.stderr, sandbox.migrant("wg").stdout, sandbox.migrant("status", "--json").stdout,
                 world.host.run(HELPER, "wg", "tunneled", user="dev").stdout):
        assert key not in text
    # By stdin: sudo writes its arguments into the guest's journal.
    assert sandbox.ssh("sudo grep -rlsFf - /etc /run /home /root /var/lib/cloud /proc/cmdline || echo none", input=key) == "none"


def test_the_tunnel_goes_down_and_up_again(sandbox, peer, leaks):
    """Without the peer nothing gets anywhere; with it, the guest goes on."""
    peer.configure(["A" * 42 + "8="])  # it does not know us any more
    assert sandbox.fetch(WEB) == sandbox.fetch(f"[{WEB6}]") == "closed"
    assert sandbox.ask("inside.test", "1.1.1.1") == "none"
    assert sandbox.fetch(LAN_PEER) == "192.168.1.10"
    peer.configure()
    eventually(lambda: sandbox.fetch(WEB) == peer.client()[0], 120)
    assert leaks.all() == ""


def test_the_guest_boots_again(sandbox, peer, leaks):
    boot = sandbox.ssh("cat /proc/sys/kernel/random/boot_id")
    sandbox.ssh("sudo systemctl reboot", check=False)
    eventually(lambda: sandbox.migrant("ssh", "-c", "cat /proc/sys/kernel/random/boot_id", check=False,
                                       timeout=300).stdout.strip() not in ("", boot), 600)
    assert sandbox.fetch(WEB) == peer.client()[0] and sandbox.ask("inside.test", "8.8.8.8") == "9.9.9.9"
    assert leaks.all() == ""


def test_panic_and_back(sandbox, peer, leaks):
    """Cut off also if the guest should run on: it says so on its console."""
    def rounds():
        return [line for line in sandbox.migrant("logs").stdout.splitlines() if line in ("closed", peer.client()[0])]

    loop = "while :; do " + FETCH.format(WEB) + "; sleep 1; done >/dev/ttyS0 2>&1"
    sandbox.migrant("exec", "-T", "--", "sudo", "systemd-run", "--unit=asks", "sh", "-c", loop)
    eventually(lambda: peer.client()[0] in rounds(), 120)
    sandbox.migrant("panic")
    status = sandbox.status()
    assert (status["state"], status["drift"]) == ("paused", ["the network is cut off (panic)"])
    sandbox.lab.host.run(*VIRSH, "resume", "migrant-tunneled")
    eventually(lambda: rounds()[-2:] == ["closed", "closed"], 120)
    assert leaks.all() == ""
    sandbox.migrant("panic")
    sandbox.migrant("up")
    eventually(lambda: rounds()[-1] == peer.client()[0], 120)
    sandbox.ssh("sudo systemctl stop asks")
    assert (sandbox.status()["drift"], leaks.all()) == ([], "")


def test_a_changed_file_is_a_note(sandbox, peer):
    right = conf(peer)
    sandbox.write(right.replace("/32,", "/31,"))
    assert any("its tunnel is not that of the Migrantfile" in note for note in sandbox.status()["notes"])
    done = sandbox.migrant("reload", "--policy", check=False)
    assert done.returncode == 1 and "in another tunnel than this one" in done.stderr
    sandbox.write(right)
    assert sandbox.status()["notes"] == []


def test_a_fork_has_a_tunnel_of_its_own(sandbox, peer, leaks):
    """Not with its origin's key, and not without one."""
    own = f"{sandbox.path}/wireguard-side.conf"
    done = sandbox.migrant("fork", "side", check=False)
    assert done.returncode == 66 and "there is no 'wireguard-side.conf'" in done.stderr, done.stderr
    sandbox.lab.host.sh(f"umask 077; cat >{own}", user="dev", input=conf(peer).replace("/32,", "/31,"))
    done = sandbox.migrant("fork", "side", check=False)
    assert done.returncode == 65 and "the same private key as wireguard.conf" in done.stderr, done.stderr
    sandbox.lab.host.sh(f"cat >{own}", user="dev", input=conf(peer, index=1))
    sandbox.migrant("fork", "side", timeout=900)
    fetch = ["ssh", "side", "-c", FETCH.format(WEB)]
    assert sandbox.migrant(*fetch).stdout.strip() == peer.client(1)[0]
    assert sandbox.fetch(WEB) == peer.client(0)[0]
    status = json.loads(sandbox.migrant("status", "side", "--json").stdout)
    assert (status["drift"], status["notes"], status["tunnel"]["problem"]) == ([], [], None)
    assert leaks.all() == ""
    sandbox.migrant("destroy", "-f", "side")


def test_nothing_is_left_of_it(sandbox, peer, world, before):
    sandbox.migrant("destroy", "-f")
    assert differences(before, world.snapshot()) == ""
    assert files_with(world, peer.clients[0][0]) == []
