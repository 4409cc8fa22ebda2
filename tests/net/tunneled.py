"""Sandboxes whose guests go through a tunnel to a peer of the lab's."""

import contextlib
import json
import re

from conftest import HELPER, Sandbox, element
from wireguard import eventually


class Tunneled(Sandbox):
    """A sandbox whose metadata name a tunnel; the configuration is handed over before each start."""

    def __init__(self, lab, name, conf, **options):
        super().__init__(lab, name, **options)
        self.conf = conf

    def facts(self, identity):
        values = {key: re.findall(rf"^{key} = (.*)$", self.conf, re.M) for key in ("Address", "DNS", "MTU")}
        inner = "".join(f"<migrant:address>{a}</migrant:address>" for a in values["Address"]) + \
            "".join(f"<migrant:dns>{a}</migrant:dns>" for a in values["DNS"])
        return element("tunnel", identity=identity, mtu=values["MTU"][0]).replace("/>", ">") + inner + "</migrant:tunnel>"

    def stage(self, conf=None, user="dev", check=True):
        return self.lab.host.run(HELPER, "stage", self.name, user=user, input=self.conf if conf is None else conf, check=check)

    def describe(self, identity):
        """Writes the tunnel into the domain."""
        self.xml = re.sub(r"<migrant:tunnel.*</migrant:tunnel>", "", self.xml)
        self.xml = self.xml.replace("</migrant:sandbox>", self.facts(identity) + "</migrant:sandbox>")

    def hook(self, operation, *arguments, **options):
        if operation == "prepare":
            self.describe(json.loads(self.stage().stdout)["identity"])
        return super().hook(operation, *arguments, **options)

    @property
    def link(self):
        return "mgw" + self.uuid[:8]

    def wg(self, check=True):
        result = self.lab.host.run(HELPER, "wg", self.name, user="dev", check=check)
        return json.loads(result.stdout) if check else result

    def handshake(self):
        return self.wg()["peers"][0]["latest_handshake"]


def send(machine, address, port, size=1):
    """A datagram."""
    machine.run("/usr/bin/python3", "-c", "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM)"
                f".sendto(b'x' * {size}, ('{address}', {port}))")


def source(sandbox, place):
    """Under which address a web server sees the guest; "" when it does not."""
    return sandbox.guest.run("curl", "-sm4", f"http://{place}/", check=False).stdout.strip()


def verify(lab, name="a"):
    return json.loads(lab.host.run(HELPER, "verify", name).stdout)


@contextlib.contextmanager
def tunneled(lab, peer, name="a", index=0, conf=None, **options):
    sandbox = Tunneled(lab, name, conf or peer.conf(index), **options)
    try:
        sandbox.up()
        eventually(sandbox.handshake)
        yield sandbox
    finally:
        sandbox.down()
