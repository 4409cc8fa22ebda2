"""Attacks on what is allowed: the flows, services and links that a guest or a local user may touch."""

import pathlib
import signal

from scapy.all import BOOTP, DHCP, DNS, DNSQR, ICMP, IP, TCP, UDP, Ether

from conftest import GATEWAY, GUEST, GUEST_MAC, HELPER, PROBE, Sandbox, send_frames
from keeping import wait_for
from lab import WAN_HOST, WEB, child_of, stop
from watch import Arrivals

FROM = {"src": GUEST_MAC, "dst": "52:54:00:6d:67:01"}


class Counter:
    """Counts the packets that match, behind the filters of a sandbox's gateway."""

    def __init__(self, sandbox, match):
        self.sandbox, self.match = sandbox, match

    def __enter__(self):
        self.sandbox.inside("nft", "-f", "-", input=f"""table ip count {{ counter c {{ }}
            chain i {{ type filter hook input priority 300; {self.match} counter name c; }}; }}""")
        return self

    def __exit__(self, *_):
        self.sandbox.inside("nft", "delete", "table", "ip", "count")

    def packets(self):
        text = self.sandbox.inside("nft", "list", "counter", "ip", "count", "c").stdout
        return int(text.split("packets ")[1].split()[0])


# -- a local user ----------------------------------------------------------------------------------

OPEN_TAP = """
import fcntl, struct, sys
tun = open("/run/tun", "r+b", buffering=0)
try:
    fcntl.ioctl(tun, 0x400454CA, struct.pack("16sH22x", sys.argv[1].encode(), 0x1002))
    print("open")
except OSError as error:
    print(error.strerror)
"""


def test_another_user_cannot_take_the_tap(lab):
    """It stands in the host's namespace, persistent, until QEMU holds it."""
    open_tap = ["/usr/bin/python3", "-c", OPEN_TAP]
    lab.host.run("mknod", "-m", "666", "/run/tun", "c", "10", "200")  # as udev makes it elsewhere
    lab.host.run("ip", "tuntap", "add", "mine", "mode", "tap", "user", "other")
    assert lab.host.run(*open_tap, "mine", user="other").stdout == "open\n"
    lab.host.run("ip", "link", "del", "mine")
    sandbox = Sandbox(lab, "a")
    try:
        sandbox.hook("prepare")
        assert lab.host.run(*open_tap, sandbox.tap, user="other").stdout == "Operation not permitted\n"
        sandbox.open_tap()
        sandbox.hook("start")
    finally:
        sandbox.down()
        lab.host.run("rm", "/run/tun")


def test_the_helper_cannot_be_stopped_while_others_wait(lab):
    """A terminal's Ctrl-Z reaches set-uid programs as well, and the lock is everybody's."""
    lock = lab.host.spawn("sh", "-c", "exec 9</run/migrant; flock 9; echo held; exec sleep 60", stdout=-1)
    assert lock.stdout.readline() == b"held\n"
    helper = lab.host.spawn(HELPER, "verify", "nobody", user="dev", stderr=-1)
    pid = child_of(helper)
    wait_for(lambda: "lock" in pathlib.Path(f"/proc/{pid}/wchan").read_text())  # it waits in flock(2)
    for name in (signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        lab.host.run("kill", f"-{int(name)}", inner(pid))
    stop(lock)
    lock.stdout.close()
    assert b"does not run" in helper.communicate(timeout=600)[1]


def inner(pid):
    """The process's number in the host's own namespace."""
    line = next(l for l in open(f"/proc/{pid}/status") if l.startswith("NSpid:"))
    return line.split()[-1]


# -- the services of the gateway -------------------------------------------------------------------


def test_questions_over_connections_are_rationed(pair):
    """One packet of a connection carries many questions; dnsmasq takes a hundred from each."""
    script = f"""
import concurrent.futures, socket, struct, sys, time
query = bytes.fromhex(sys.argv[1])
hundred = (struct.pack("!H", len(query)) + query) * 100
until = time.monotonic() + 3
def ask(_):
    got = 0
    while time.monotonic() < until:
        try:
            with socket.create_connection(("{GATEWAY}", 53), timeout=1) as s:
                s.sendall(hundred)
                while data := s.recv(65536):
                    got += len(data)
        except OSError:
            pass
    return got
with concurrent.futures.ThreadPoolExecutor(16) as pool:
    print(sum(pool.map(ask, range(16))) // (len(query) + 2))
"""
    query = bytes(DNS(id=7, rd=1, qd=DNSQR(qname="x"))).hex()
    answers = int(pair[0].guest.run("/usr/bin/python3", "-c", script, query).stdout)
    assert 10 < answers < 3000


def test_renewals_of_the_lease_are_rationed(pair):
    renewal = Ether(**FROM) / IP(src=GUEST, dst=GATEWAY) / UDP(sport=68, dport=67) / \
        BOOTP(chaddr=bytes.fromhex(GUEST_MAC.replace(":", "")), ciaddr=GUEST) / \
        DHCP(options=[("message-type", "request"), "end"])
    with Counter(pair[0], "udp dport 67") as seen:
        send_frames(pair[0].guest, renewal)
        wait_for(seen.packets)
        send_frames(pair[0].guest, *[renewal] * 2000)
        assert seen.packets() < 200  # 10 and 10 more every second


def test_nothing_odd_is_sent_to_the_guest(pair):
    frames = {kind: Ether(src=FROM["dst"], dst=GUEST_MAC, type=kind) / (b"\0" * 60) for kind in (0x86DD, 0x88B5, 0x0806)}
    pair[0].guest.run("nft", "-f", "-", input="".join(f"""
        table netdev t{kind} {{ counter c {{ }}
            chain i {{ type filter hook ingress device eth0 priority 0; ether type {kind} counter name c; }}; }}
        """ for kind in frames))
    for frame in frames.values():
        pair[0].inside(PROBE, "-i", pair[0].tap, f"frame {bytes(frame).hex()}")

    def arrived():
        seen = [pair[0].guest.run("nft", "list", "counter", "netdev", f"t{kind}", "c").stdout for kind in frames]
        return [int(text.split("packets ")[1].split()[0]) > 0 for text in seen]

    wait_for(lambda: arrived()[-1])  # sent last
    assert arrived() == [False, False, True]
    pair[0].guest.run("nft", "flush", "ruleset")


# -- what is sent to the outside -------------------------------------------------------------------


def test_a_guest_takes_no_port_of_the_host(shared_lab, pair):
    """Else it could catch what a peer sends to a service of the host: 51820 is WireGuard's on both sides."""
    listen = ("import socket\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.bind(('%s',51820)); s.settimeout(20)\n"
              "print('ready',flush=True)\nprint(s.recv(100))")
    send = (f"import socket,sys\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.bind((sys.argv[1],51820))\n"
            "s.sendto(sys.argv[3].encode(),(sys.argv[2],51820))")
    with Arrivals(shared_lab.internet, 'iifname "wan" udp dport 51820') as seen:
        pair[0].guest.run("/usr/bin/python3", "-c", send, GUEST, WEB, "mine")
        assert seen.to(WEB) == {"udp"}
    service = shared_lab.host.spawn("/usr/bin/python3", "-c", listen % WAN_HOST, stdout=-1, stderr=-1, text=True)
    assert service.stdout.readline() == "ready\n"
    shared_lab.internet.run("/usr/bin/python3", "-c", send, WEB, WAN_HOST, "peer")
    assert service.communicate(timeout=600)[0] == "b'peer'\n"


def test_flows_are_capped(pair):
    """As many as fill no table of the host's; new ones come slowly enough not to be rationed."""
    script = f"""
import socket, time
s = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(5)]
for i in range(1100):
    for one in s:
        one.sendto(b"x", ("{WEB}", 20000 + i))
    time.sleep(0.0125)
"""
    pair[1].guest.run("/usr/bin/python3", "-c", script)
    flows = int(pair[1].inside("cat", "/proc/sys/net/netfilter/nf_conntrack_count").stdout)
    pair[1].inside("conntrack", "-F", check=False)
    assert 3000 < flows <= 4096 + 50


def test_answers_on_the_control_link_redirect_nothing(shared_lab, pair):
    """Errors about the host's own connection come through, word of a better way does not."""
    guest, address = pair[0].guest, pair[0].record()["control_address"]
    server = shared_lab.serve_http(guest, 2222)
    client = shared_lab.host.spawn("/usr/bin/python3", "-c", f"""
import socket, time
s = socket.create_connection(("{address}", 2222), timeout=5)
print(s.getsockname()[1], flush=True)
time.sleep(60)""", stdout=-1)
    try:
        inner = IP(src=GATEWAY, dst=GUEST) / TCP(sport=int(client.stdout.readline()), dport=2222, flags="A")
        errors = [IP(src=GUEST, dst=GATEWAY) / ICMP(type=kind, code=1, **more) / bytes(inner)
                  for kind, more in ((5, {"gw": "198.18.0.2"}), (3, {}))]
        shared_lab.host.run("nft", "-f", "-", input="""table ip count { counter errors { }; counter others { }
            chain i { type filter hook input priority 300; iifname "mgc*" icmp type destination-unreachable counter name errors
                iifname "mgc*" icmp type redirect counter name others; }; }""")
        send_frames(guest, *[Ether(**FROM) / e for e in errors])

        def counters():
            listed = shared_lab.host.run("nft", "list", "counters", "table", "ip", "count").stdout
            return [part.split()[0] for part in listed.split("packets ")[1:]]

        wait_for(lambda: counters()[0] == "1")
        assert counters() == ["1", "0"]
    finally:
        shared_lab.host.run("nft", "delete", "table", "ip", "count", check=False)
        stop(client)
        client.stdout.close()
        server.kill()
