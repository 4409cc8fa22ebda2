"""A tunnel from outside: what is refused, and that a peer which does not answer leaves nothing behind."""

import json
import os
import signal
import subprocess

import pytest

from lab import RESOLVER, child_of, differences
from wireguard import Leaks, Peer

MIGRANTFILE = "box: debian-12\ncpus: 1\nmemory: 768M\ndisk: 4G\n"
VIRSH = ["virsh", "-q", "-c", "qemu:///system"]
HOST_RESOLVER = "198.51.100.7"  # whom the host asks for the peer, and the guest never
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
    yield Peer(world, number=9)
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
