"""A WireGuard peer in the lab's Internet, and what sees everything else that leaves the host."""

import contextlib
import json
import os
import re
import subprocess
import time

from lab import WAN_ROUTER, stop

RUN = "/var/run/wireguard"
# Which of the two carries a sandbox's tunnel on this machine. The peer's is always wireguard-go.
KERNEL = subprocess.run(["unshare", "-n", "ip", "link", "add", "type", "wireguard"], capture_output=True).returncode == 0


def eventually(true, seconds=120):
    """Waits until @true() is."""
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "not in time"
        time.sleep(0.1)


def keys():
    private = subprocess.run(["wg", "genkey"], capture_output=True, text=True, check=True).stdout.strip()
    return private, subprocess.run(["wg", "pubkey"], input=private, capture_output=True, text=True, check=True).stdout.strip()


class Peer:
    """The far end of a tunnel. It is at every address of the Internet and resolves names; 10.8.N.1, fd08:N::1."""

    def __init__(self, lab, number=1, clients=1):
        self.lab, self.machine, self.number = lab, lab.internet, number
        self.link = f"wgp{number}-{os.getpid()}"[:15]
        self.port = 51820 + number
        self.private, self.public = keys()
        self.clients = [keys() for _ in range(clients)]
        self.address, self.address6 = f"10.8.{number}.1", f"fd08:{number}::1"
        self.popens = []

    def client(self, index=0):
        return f"10.8.{self.number}.{2 + index}", f"fd08:{self.number}::{2 + index}"

    def __enter__(self):
        self.start()
        self.popens.append(self.machine.spawn(
            "dnsmasq", "--keep-in-foreground", "--no-resolv", "--no-hosts", "--conf-file=/dev/null", "--pid-file=",
            "--user=root", f"--listen-address={self.address}", f"--listen-address={self.address6}", "--bind-interfaces",
            f"--address=/tunnel.test/10.99.{self.number}.9", f"--address=/private.inside.test/10.99.{self.number}.9",
            f"--address=/inside.test/9.9.{self.number}.9",
            "--address=/web.test/93.184.216.34", "--address=/web.test/2606:2800:220:1::34"))
        return self

    def start(self):
        self.popens.append(self.machine.spawn("wireguard-go", "-f", self.link, env={"LOG_LEVEL": "silent"},
                                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        eventually(lambda: os.path.exists(f"{RUN}/{self.link}.sock"))
        self.configure()
        self.machine.sh(f"""
            ip addr add {self.address}/24 dev {self.link}; ip -6 addr add {self.address6}/64 dev {self.link} nodad
            ip link set {self.link} mtu 1420; ip link set {self.link} up
            """)

    def configure(self, clients=None):
        """@clients: their public keys, another list than the right one."""
        text = f"[Interface]\nPrivateKey = {self.private}\nListenPort = {self.port}\n"
        for index, public in enumerate(clients or [public for _, public in self.clients]):
            text += f"[Peer]\nPublicKey = {public}\nAllowedIPs = {', '.join(self.client(index))}\n"
        self.machine.run("wg", "setconf", self.link, "/dev/stdin", input=text)

    @contextlib.contextmanager
    def seen(self):
        """What comes out of the tunnel meanwhile: a function that says which (address, port), port 0 without one."""
        table = "watch" + str(self.number)
        self.machine.run("nft", "-f", "-", input=f"""
            table inet {table} {{
                set four {{ type ipv4_addr . inet_service; flags dynamic; size 65535; }}
                set six {{ type ipv6_addr . inet_service; flags dynamic; size 65535; }}
                chain look {{
                    type filter hook prerouting priority -350; iifname != "{self.link}" accept
                    meta l4proto {{ tcp, udp }} add @four {{ ip daddr . th dport }}
                    meta l4proto {{ tcp, udp }} add @six {{ ip6 daddr . th dport }}
                    meta l4proto != {{ tcp, udp }} add @four {{ ip daddr . 0 }}
                    meta l4proto != {{ tcp, udp }} add @six {{ ip6 daddr . 0 }}
                }}
            }}""")

        def take():
            listing = json.loads(self.machine.run("nft", "-nj", "list", "table", "inet", table).stdout)
            return {tuple(e["concat"]) for o in listing["nftables"] if "set" in o for e in o["set"].get("elem", ())}

        try:
            yield take
        finally:
            self.machine.run("nft", "delete", "table", "inet", table)

    def __exit__(self, *_):
        for popen in self.popens:
            stop(popen)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{RUN}/{self.link}.sock")

    def conf(self, index=0, allowed="0.0.0.0/0, ::/0", endpoint=WAN_ROUTER, more=""):
        """What the root side is handed: the one form of a configuration."""
        address, address6 = self.client(index)
        return (f"[Interface]\nPrivateKey = {self.clients[index][0]}\nMTU = 1420\nAddress = {address}/32\n"
                f"Address = {address6}/128\nDNS = {self.address}\nDNS = {self.address6}\n\n"
                f"[Peer]\nPublicKey = {self.public}\nEndpoint = {endpoint}:{self.port}\nAllowedIPs = {allowed}\n{more}")


class Leaks:
    """Counts, where the host's links end, all frames but WireGuard's own, what neighbours say to each other, and the
    host's word that nobody is where something was sent to: the peer's datagrams, or late segments of a connection that
    an earlier sandbox had without a tunnel."""

    QUIET = """
        ether type arp accept
        icmpv6 type { 133, 134, 135, 136, 137, 143 } accept
        icmp type { destination-unreachable, redirect } ip saddr { 5.9.1.2, 5.9.1.3 } @th,136,8 { 6, 17 } accept
        icmpv6 type destination-unreachable ip6 saddr { 2001:db8:5::2, 2a01:4f8:5::2 } @th,112,8 { 6, 17 } accept
        meta l4proto udp @th,64,32 { 0x01000000, 0x02000000, 0x03000000, 0x04000000 } accept
        """

    def __init__(self, lab, allow=""):
        self.places = [(lab.internet, "wan"), (lab.lan, "lan")]
        self.allow = allow

    def __enter__(self):
        for machine, link in self.places:
            machine.run("nft", "-f", "-", input=f"""
                table netdev leaks
                delete table netdev leaks
                table netdev leaks {{
                    set four {{ type ipv4_addr . ipv4_addr . inet_proto . icmp_type . icmp_code; flags dynamic; size 65535; }}
                    set six {{ type ipv6_addr . inet_proto; flags dynamic; size 65535; }}
                    set odd {{ type ether_type; flags dynamic; size 65535; }}
                    chain look {{
                        type filter hook ingress device "{link}" priority -500;
                        {self.allow}
                        {self.QUIET}
                        ether type ip ip protocol icmp add @four {{ ip saddr . ip daddr . ip protocol . icmp type . icmp code }} accept
                        ether type ip add @four {{ ip saddr . ip daddr . ip protocol . 0 . 0 }} accept
                        ether type ip6 add @six {{ ip6 daddr . ip6 nexthdr }} accept
                        add @odd {{ ether type }}
                    }}
                }}""")
        return self

    def __exit__(self, *_):
        for machine, _ in self.places:
            machine.run("nft", "delete", "table", "netdev", "leaks", check=False)

    def all(self):
        """As text; "" when nothing was seen."""
        return "".join(f"{link}: {line.strip()}\n" for machine, link in self.places
                       for line in machine.run("nft", "-n", "list", "table", "netdev", "leaks").stdout.splitlines()
                       if "elements" in line or re.match(r"^\t\t\t +\S", line))
