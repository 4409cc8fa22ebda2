"""Sandboxes whose guests go through the peer of the lab (lab/wireguard.py)."""

import contextlib
import json
import re

from conftest import HELPER, Sandbox, element
from lab import Failed, child_of
from wireguard import Leaks, Peer, eventually


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


@contextlib.contextmanager
def tunneled(lab, peer, name="a", index=0, conf=None, **options):
    sandbox = Tunneled(lab, name, conf or peer.conf(index), **options)
    try:
        sandbox.up()
        eventually(sandbox.handshake)
        yield sandbox
    finally:
        sandbox.down()


__all__ = ["Failed", "Leaks", "Peer", "Tunneled", "child_of", "eventually", "tunneled"]
