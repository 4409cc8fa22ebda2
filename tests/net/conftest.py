"""Ring 2: the real hook, driven as libvirtd would, with a namespace in place of the guest."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import time
import uuid as uuids

import pytest

from lab import LAN_PEER6, LAN_PUBLIC6, WAN_HOST6, WEB6, Lab, Machine, stop
from wireguard import Peer

HERE = pathlib.Path(__file__).resolve().parent
PROBE = pathlib.Path(os.environ.get("MIGRANT_BUILD", HERE.parent.parent / "build-dev")) / "tests/probe"
HOOK, HELPER = "/usr/sbin/migrant-hook", "/usr/sbin/migrant-helper"
GUEST6, GATEWAY6, LINK6 = "fd6d:6967:7261:ffff::2", "fd6d:6967:7261:ffff::1", "fe80::1"
GUEST, GATEWAY, GUEST_MAC = "10.213.0.2", "10.213.0.1", "52:54:00:6d:67:02"


LIMITS = {"connections": 4096, "new-per-second": 500, "dns-per-second": 50}


def element(name, **attributes):
    return f"<migrant:{name}" + "".join(f' {k.replace("_", "-")}="{v}"' for k, v in attributes.items()) + "/>"


def split_endpoint(text):
    address, _, port = text.rpartition(":")
    return address.strip("[]"), port


def grant(line):
    """An entry of network.allow, as `migrant` writes it into the metadata."""
    words = line.split()
    service = dict(zip(("protocol", "port"), words[2 if words[0] == "lan" else 1].split("/"))) if len(words) > 1 + (words[0] == "lan") else {}
    if words[0] == "lan":
        return element("allow", kind="lan", **service, address=words[1])
    if words[0] == "host":
        return element("allow", kind="host", **service)
    address, port = split_endpoint(words[3])
    return element("allow", kind="forward", **service, address=address, target_port=port, **({"via": "tunnel"} if words[4:] else {}))


def port(text):
    """An entry of network.ports."""
    host, _, guest = text.rpartition(":")
    bind, number = split_endpoint(host) if ":" in host else ("127.0.0.1", host)
    return element("port", bind=bind, host=number, guest=guest)


def network(policy):
    """The <migrant:network> element for the keys that a Migrantfile has under `network:`."""
    unknown = set(policy) - {"isolate", "ipv6", "egress", "dns", "allow", "ports", "limits"}
    assert not unknown, unknown
    return (f"""<migrant:network isolate="{'yes' if policy.get('isolate', True) else 'no'}" ipv6="{policy.get('ipv6', 'off')}" """
            f"""egress="{policy.get('egress', 'open')}">"""
            + "".join(f"<migrant:dns>{d}</migrant:dns>" for d in policy.get("dns", ()))
            + "".join(map(grant, policy.get("allow", ()))) + "".join(map(port, policy.get("ports", ())))
            + element("limits", **LIMITS | policy.get("limits", {})) + "</migrant:network>")


class Sandbox:
    """One domain: what libvirtd, QEMU and the guest do with it.

    Its policy is what a Migrantfile says under `network:`, as a dict: {"egress": "none", "allow": ["host tcp/8080"]}.
    """

    def __init__(self, lab, name, isolate=True, dns=(), uuid=None, policy=None):
        self.lab, self.name = lab, name
        self.uuid = uuid or str(uuids.uuid4())
        self.tap = "mgt" + self.uuid[:8]
        self.xml = (HERE / "domain.xml").read_text()
        for mark, value in {"NAME": name, "UUID": self.uuid, "UU8": self.uuid[:8], "OWNER": lab.host.run("id", "-u", "dev").stdout.strip(),
                            "NETWORK": network({"isolate": isolate, "dns": dns} | (policy or {}))}.items():
            self.xml = self.xml.replace(mark, value)
        self.qemu = self.guest = None

    def metadata(self, policy=None):
        """The <migrant:sandbox> element, with another policy than it was made with."""
        text = re.search(r"<migrant:sandbox.*</migrant:sandbox>", self.xml, re.DOTALL)[0]
        return re.sub(r"<migrant:network.*</migrant:network>", network(policy), text, flags=re.DOTALL) if policy is not None else text

    def hook(self, operation, phase="begin", xml=None, check=True, domain=None):
        return self.lab.host.run(HOOK, domain or f"migrant-{self.name}", operation, phase, "-",
                                 input=self.xml if xml is None else xml, check=check)

    def open_tap(self):
        """QEMU: holds the tap open, with the guest's NIC in a namespace of its own."""
        self.guest = Machine(self.lab.hold("--net"), ["-n"])
        self.qemu = subprocess.Popen(
            ["nsenter", "-t", str(self.lab.host.pid), "-n", "/usr/bin/python3", HERE / "guest.py", self.tap,
             f"/proc/{self.guest.pid}/ns/net"], stdout=subprocess.PIPE, text=True)
        assert self.qemu.stdout.readline() == "open\n"
        self.guest.sh(f"""
            echo 1 >/proc/sys/net/ipv6/conf/eth0/accept_ra
            ip link set lo up
            ip link set eth0 address {GUEST_MAC}; ip link set eth0 up
            ip addr add {GUEST}/30 dev eth0; ip route add default via {GATEWAY}
            ip addr add {GUEST6}/64 dev eth0 nodad; ip -6 route add default via {GATEWAY6}
            """)

    def up(self):
        self.hook("prepare")
        self.open_tap()
        self.hook("start")
        self.hook("started")
        return self

    def kill(self):
        """QEMU ends; libvirt has not called the hook yet."""
        if self.qemu:
            stop(self.qemu)
            self.qemu = None

    def down(self):
        self.kill()
        self.hook("stopped", "end")
        self.hook("release", "end")

    def apply(self, policy=None, text=None, user="dev", check=True):
        """What `migrant reload --policy` asks of the helper."""
        return self.lab.host.run(HELPER, "apply", self.name, user=user, check=check,
                                 input=self.metadata(policy) if text is None else text)

    def record(self):
        return json.loads(self.lab.host.run("cat", f"/run/migrant/{self.name}/record.json").stdout)

    def inside(self, *argv, **options):
        """In the gateway's namespace."""
        return self.lab.host.run("nsenter", f"--net=/run/netns/migrant-{self.name}", *argv, **options)


def probe(machine, *targets):
    """Tries "tcp ADDRESS PORT", "udp …", "icmp ADDRESS 0", "NUMBER ADDRESS 0", "frame HEX", all at once."""
    return json.loads(machine.run(PROBE, *targets).stdout)


def send_frames(machine, *frames):
    """Sends frames as they are, and waits until the program between the taps has passed them on."""
    lines = "".join(f"frame {bytes(f).hex()}\n" for f in frames)
    refused = json.loads(machine.run(PROBE, "-f", "-", input=lines).stdout)
    assert refused == {}
    time.sleep(0.05)


def install(lab, build):
    for program in (HOOK, HELPER):
        shutil.copy(build / pathlib.Path(program).name, lab.base / "program")
        lab.host.run("install", "-m", "755", lab.base / "program", program)
    lab.host.run("chmod", "4755", HELPER)
    lab.add_users()


@pytest.fixture(scope="session")
def shared_lab(build):
    with Lab() as lab:
        install(lab, build)
        lab.host.run("mkdir", "-m", "711", "/run/migrant", "/run/netns")  # as set-up leaves them
        lab.serve_dns({"private.test": "192.168.1.50", "loop.test": "127.0.0.1", "meta.test": "169.254.169.254",
                       "six.test": "2001:db8:5::7", "web6.test": WEB6, "lan6.test": LAN_PEER6, "loop6.test": "::1",
                       "mapped.test": "::ffff:127.0.0.1", "link.test": "fe80::1", "public6.test": LAN_PUBLIC6,
                       "host6.test": WAN_HOST6, "nat64.test": "64:ff9b::a9fe:a9fe"})
        for machine in (lab.internet, lab.lan, lab.host):
            lab.serve_http(machine)
        lab.host.sh("while ip -6 addr | grep -q tentative; do sleep 0.1; done")
        yield lab


@pytest.fixture
def lab(shared_lab):
    """The lab without a sandbox, and left without one."""
    assert shared_lab.host.run("ls", "-A", "/run/migrant").stdout == ""
    yield shared_lab
    assert shared_lab.host.run("ls", "-A", "/run/migrant").stdout == ""


@pytest.fixture(scope="module")
def pair(shared_lab):
    """Two sandboxes that run, with default isolation."""
    with running(shared_lab, "a") as a, running(shared_lab, "b") as b:
        yield a, b


@pytest.fixture(scope="session")
def peer(shared_lab):
    """A WireGuard peer in the Internet, with two clients."""
    with Peer(shared_lab, clients=2) as peer:
        yield peer


@contextlib.contextmanager
def running(lab, name="a", **options):
    sandbox = Sandbox(lab, name, **options)
    try:
        yield sandbox.up()
    finally:
        sandbox.down()
