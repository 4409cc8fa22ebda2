"""The lab with a sandbox of every policy in it, and what plays the table of cases there.

Every machine that sends has an agent that lives as long as the world, and a tag of its own in all its packets; every
machine at which something could arrive has a receiver for as long as a round takes. So a round is a
second, whatever the number of cases, and what arrives is known by whom it was sent.
"""

import concurrent.futures
import dataclasses
import ipaddress
import json

import cases
from conftest import GATEWAY, GATEWAY6, HELPER, HERE, LINK6, Sandbox
from lab import INTERNET, INTERNET6, LAN_HOST, LAN_HOST6, LAN_PEER, LAN_PEER6, WAN_HOST, WAN_HOST6, Machine, stop
from watch import Frames, Receiver

OUTSIDE = {"host": 20, "lan": 21, "internet": 22, "vpn": 23}
GATEWAY_MAC = "52:54:00:6d:67:01"


class Agent:
    """A machine's sender."""

    def __init__(self, machine):
        self.popen = machine.spawn("/usr/bin/python3", HERE / "agent.py", stdin=-1, stdout=-1, text=True)

    def shoot(self, shots, tag, need=(), quiet=0.3, limit=60):
        order = {"shots": shots, "tag": tag, "need": list(need), "quiet": quiet, "limit": limit}
        self.popen.stdin.write(json.dumps(order) + "\n")
        self.popen.stdin.flush()
        return json.loads(self.popen.stdout.readline())

    def close(self):
        stop(self.popen)
        self.popen.stdin.close()
        self.popen.stdout.close()


class Played:
    """What came of a round."""

    def __init__(self, arrivals, answers, passed):
        self.arrivals = arrivals  # {(receiver, sender, protocol, address, port, source)}
        self.answers = answers  # {sender: {shot: answer}}
        self.passed = passed  # frames behind the wire's rules, or None

    def where(self, sender, shot):
        """The receivers that a shot got to under the address it was sent to."""
        wanted = cases.Case("", shot).where()[1:]
        return {a[0] for a in self.arrivals if a[1:5] == (sender, *wanted)}


class World:
    def __init__(self, lab, policies):
        self.lab = lab
        self.policies = policies
        self.sandboxes, self.agents, self.places = {}, {}, {}
        self.tags = dict(OUTSIDE)

    def __enter__(self):
        try:
            # As systemd sets it for every link: the weakest check that isolation stands on.
            self.rp_filter = self.lab.host.sh("sysctl -n net.ipv4.conf.all.rp_filter; echo 2 >/proc/sys/net/ipv4/conf/all/rp_filter").stdout.strip()
            self.wire_vpn()
            for number, (name, options) in enumerate(self.policies.items()):
                self.tags[name] = 10 + number
                self.start(name, **options)
            for name in OUTSIDE:
                self.agents[name] = Agent(self.machine(name))
            self.come_late()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def start(self, name, **options):
        sandbox = self.sandboxes[name] = Sandbox(self.lab, name, **options)
        self.settle(sandbox.up())
        self.find_places(name)
        self.agents[name] = Agent(sandbox.guest)

    def resume(self, name, **options):
        """The guest is saved and restored."""
        self.agents.pop(name).close()
        saved = self.sandboxes[name]
        saved.down()
        restored = self.sandboxes[name] = Sandbox(self.lab, name, uuid=saved.uuid, **options)
        restored.hook("restore")
        self.settle(restored.up())
        self.find_places(name)
        self.agents[name] = Agent(restored.guest)

    def settle(self, sandbox):
        """Neither end asks for the other's address by itself: what passes the wire's rules was sent by the agent."""
        sandbox.guest.sh(f"""
            for a in {GATEWAY} {GATEWAY6} {LINK6}; do ip neigh replace $a lladdr {GATEWAY_MAC} dev eth0 nud permanent; done
            ip -6 route replace default via {LINK6} dev eth0
            """)

    def wire_vpn(self):
        """The far end of a VPN: it answers at every address, as the Internet does."""
        lab = self.lab
        self.vpn = Machine(lab.hold("--net"), ["-n"])
        lab.link(self.vpn, "vpn0", "vpn")
        self.vpn.sh(f"""
            ip link set lo up; ip link set vpn up; ip addr add {cases.VPN_PEER}/24 dev vpn
            ip addr add {cases.VPN_PEER6}/64 dev vpn nodad
            for a in {' '.join([*INTERNET, cases.VPN_BEYOND])}; do ip addr add $a/32 dev lo; done
            for a in {' '.join(INTERNET6)}; do ip addr add $a/128 dev lo nodad; done
            """)
        lab.serve_http(self.vpn)
        # Whoever is outside tries to get in by the host.
        for machine, link, way, way6 in self.outside():
            machine.sh(f"""
                for net in 198.18.0.0/15 10.213.0.0/30; do ip route replace $net via {way} onlink dev {link}; done
                ip route replace fd6d:6967:7261::/48 via {way6} dev {link} onlink
                """)

    def outside(self):
        return ((self.lab.internet, "wan", WAN_HOST, WAN_HOST6), (self.lab.lan, "lan", LAN_HOST, LAN_HOST6),
                (self.vpn, "vpn", cases.VPN_HOST, cases.VPN_HOST6))

    LATE = (f"{cases.LATE_LAN}/32", f"{cases.LATE_ROUTED}/32", f"{cases.LATE_LAN6}/128")

    def come_late(self):
        """What the host gets while its guests run."""
        self.lab.host.sh(f"""
            ip addr add {cases.LATE_ALIAS}/32 dev lo
            ip route add {cases.LATE_LAN}/32 via {LAN_PEER}; ip route add {cases.LATE_ROUTED}/32 via {LAN_PEER}
            ip addr add {cases.LATE_ALIAS6}/128 dev lo nodad; ip route add {cases.LATE_LAN6}/128 via {LAN_PEER6}
            """)
        self.lab.lan.sh("".join(f"ip addr add {a} dev lo;" for a in self.LATE))

    def forget_late(self):
        self.lab.host.sh(f"""
            ip addr del {cases.LATE_ALIAS}/32 dev lo || true
            ip addr del {cases.LATE_ALIAS6}/128 dev lo || true
            for a in {' '.join(self.LATE)}; do ip route del $a || true; done
            """)
        self.lab.lan.sh("".join(f"ip addr del {a} dev lo || true;" for a in self.LATE))

    def close(self):
        self.forget_late()
        for agent in self.agents.values():
            agent.close()
        self.lab.host.sh(f"ip link del vpn0 || true; echo {self.rp_filter} >/proc/sys/net/ipv4/conf/all/rp_filter")
        for sandbox in self.sandboxes.values():
            sandbox.down()
        for machine, link, _, _ in self.outside()[:2]:
            for net in "198.18.0.0/15", "10.213.0.0/30", "fd6d:6967:7261::/48":
                machine.run("ip", "route", "del", net, "dev", link, check=False)
        self.agents, self.sandboxes = {}, {}

    def machine(self, name):
        return {"host": self.lab.host, "lan": self.lab.lan, "internet": self.lab.internet, "vpn": self.vpn}.get(name) or \
            self.sandboxes[name].guest

    def verify(self, name):
        return json.loads(self.lab.host.run(HELPER, "verify", name).stdout)

    def repair(self):
        """libvirt's daemon starts again."""
        for sandbox in self.sandboxes.values():
            sandbox.hook("reconnect")

    def host(self, script):
        """A disturbance's script, with names of places in it."""
        first = self.sandboxes[next(iter(self.sandboxes))]
        self.lab.host.sh(script.replace("{uplink}", "mgu" + first.uuid[:8]))

    # -- playing ----------------------------------------------------------------------------------

    def find_places(self, name):
        control = self.sandboxes[name].record()["control_address"]
        places = {"control_host": 1, "control": 2, "uplink_host": 9, "uplink": 10, "uplink_dns": 11, "granted": 12}
        found = {place: part(control, number) for place, number in places.items()}
        found |= {f"{place}6": str(ipaddress.ip_address(f"fd6d:6967:7261::{a}")) for place, a in found.items()}
        self.places[name] = cases.Names(found)

    def table(self, other=None):
        """The whole table with the addresses of now: {sender: [Case]}. @other: {name: whose policy it has now}."""
        names = list(self.sandboxes)
        table = {sender: [c.placed(self.places) for name in names for c in inward(name)]
                 for sender, inward in cases.INWARD.items()}
        for name, neighbour in zip(names, [*names[1:], names[0]]):
            table[name] = [c.placed({"own": self.places[name], "neighbour": self.places[neighbour]}) for c in cases.GUESTS[(other or {}).get(name, name)]]
            table[name] = [dataclasses.replace(c, arrives=f"gateway {name}") if c.arrives.startswith("gateway") else c
                           for c in table[name]]
        return table

    def receivers(self):
        lab = self.lab
        yield "internet", Receiver(lab.internet.run, self.tags, 'iifname "wan"')
        yield "lan", Receiver(lab.lan.run, self.tags, 'iifname "lan"')
        yield "vpn", Receiver(self.vpn.run, self.tags, 'iifname "vpn"')
        yield "host", Receiver(lab.host.run, self.tags, 'ct direction reply return; iifname != "lo"', "input")
        for name, sandbox in self.sandboxes.items():
            yield f"gateway {name}", Receiver(sandbox.inside, self.tags, 'ct direction reply return; iifname != "lo"', "input")
            yield f"guest {name}", Receiver(sandbox.guest.run, self.tags, 'iifname "eth0"')

    def play(self, table, families=(4, 6), frames=(), limit=60):
        """Plays a table ({sender: [Case]}) once, until all answers of these families are there, for @limit seconds at
        most; @frames are sent by the first sandbox."""
        receivers = dict(self.receivers())
        first = next(iter(self.sandboxes))
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            try:
                list(pool.map(Receiver.__enter__, receivers.values()))
                passed = self.send_frames(first, frames) if frames else None
                answers = dict(pool.map(lambda sender: (sender, self.shoot(sender, table[sender], families, limit)), table))
                taken = dict(zip(receivers, pool.map(Receiver.take, receivers.values())))
            finally:
                list(pool.map(lambda r: r.__exit__(), receivers.values()))
        arrivals = {(place, *arrival) for place, found in taken.items() for arrival in found
                    if arrival[0] != place.removeprefix("guest ")}  # answers carry the tag of the question
        return Played(arrivals, answers, passed)

    def shoot(self, sender, wanted, families, limit):
        """What is waited for comes last: its answer says that all before it were on their way as well."""
        need = [c.shot for c in wanted if c.answer and c.family() in families]
        return self.agents[sender].shoot([c.shot for c in wanted if c.shot not in need] + need, self.tags[sender], need,
                                         limit=limit)

    def send_frames(self, name, frames):
        """How many of the frames pass the wire's rules."""
        with Frames(self.sandboxes[name]) as seen:
            seen.take()
            self.agents[name].shoot([f"frame {bytes(f).hex()} 0" for f in frames], self.tags[name], quiet=0.1)
            return seen.take()


def part(address, number):
    """Another address of the block that a control address is in."""
    *rest, last = address.split(".")
    return ".".join([*rest, str(int(last) // 16 * 16 + number)])
