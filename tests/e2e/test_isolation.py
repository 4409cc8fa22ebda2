"""Promise P1 from inside: a guest with root tries to reach the host, its networks and another guest.

Every probe is first made where it must work, and what must not arrive is looked for at the receiver.
"""

import json
import subprocess

import pytest

from lab import (INTERNET, LAN_HOST, LAN_PEER, LAN_ROUTER, RESOLVER, ROUTED_PEER, WAN_HOST, WEB,
                 differences, stop)
from sniffer import Sniffer

MIGRANTFILE = "box: debian-12\ncpus: 1\nmemory: 768M\ndisk: 4G\n"

# Sends one frame given in hex on the guest's wire.
SEND_FRAME = """
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((sys.argv[1], 0))
for frame in sys.argv[2:]:
    s.send(bytes.fromhex(frame))
"""

# TCP and UDP to each ADDRESS:PORT; prints those that answered.
PROBE = """
import socket, sys, concurrent.futures as f
def probe(target):
    address, port = target.rsplit(':', 1)
    family = socket.AF_INET6 if ':' in address else socket.AF_INET
    reached = []
    try:
        with socket.socket(family, socket.SOCK_STREAM) as s:
            s.settimeout(3); s.connect((address, int(port))); reached.append('tcp ' + target)
    except OSError: pass
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as s:
            s.settimeout(1); s.connect((address, int(port))); s.send(b'probe'); s.recv(100); reached.append('udp ' + target)
    except OSError: pass
    return reached
with f.ThreadPoolExecutor(32) as pool:
    for reached in pool.map(probe, sys.argv[1:]):
        for line in reached: print(line)
"""


def ssh(lab, project, command, **options):
    return lab.migrant("ssh", "-c", command, cwd=project, **options)


def python(lab, project, program, *arguments, **options):
    """Runs a program in the guest as root."""
    result = lab.host.run("migrant", "ssh", "-c", "sudo python3 - " + " ".join(arguments), user="dev", cwd=project,
                          input=program, **options)
    return result.stdout


@pytest.fixture(scope="module")
def sandboxes(world, listeners):
    """Two running sandboxes of one user; (lab, project a, project b, the host before)."""
    before = world.snapshot()
    projects = [world.project(name, MIGRANTFILE) for name in ("iso-a", "iso-b")]
    ups = [world.host.spawn("migrant", "up", user="dev", cwd=p, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            text=True) for p in projects]
    for up in ups:
        output, _ = up.communicate(timeout=900)
        assert up.returncode == 0, output
    yield (world, *projects, before)
    for project in projects:
        world.migrant("destroy", "-f", cwd=project, check=False)


@pytest.fixture(scope="module")
def listeners(world):
    """A service of the host on every address, TCP and UDP, that says hello."""
    program = ("import socket,threading\n"
               "def udp():\n"  # answers from the address that was asked: struct in_pktinfo, ip(7)
               "  s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.bind(('0.0.0.0',8080))\n"
               "  s.setsockopt(socket.IPPROTO_IP,8,1)\n"
               "  while 1:\n"
               "    d,c,f,a=s.recvmsg(99,99)\n"
               "    s.sendmsg([b'hello'],[(0,8,bytes(4)+c[0][2][4:12])],0,a)\n"
               "threading.Thread(target=udp,daemon=True).start()\n"
               "s=socket.socket(); s.setsockopt(socket.SOL_SOCKET,socket.SO_REUSEADDR,1)\n"
               "s.bind(('0.0.0.0',8080)); s.listen(64)\n"
               "while 1: c,a=s.accept(); c.send(b'hello'); c.close()\n")
    popens = [m.spawn("/usr/bin/python3", "-c", program) for m in (world.host, world.lan, world.internet)]
    for machine in (world.host, world.lan, world.internet):
        world.wait_port(machine, 8080)
    yield 8080
    for popen in popens:
        stop(popen)


def status(lab, project):
    return json.loads(lab.migrant("status", "--json", cwd=project).stdout)


def reaches(machine, address, port):
    """The positive control of what a guest is denied: others get through."""
    program = f"import socket; socket.create_connection(('{address}', {port}), 2)"
    return machine.run("/usr/bin/python3", "-c", program, check=False).returncode == 0


def test_the_guest_runs_commands_and_reaches_the_internet(sandboxes):
    lab, a, _, _ = sandboxes
    assert "Linux" in ssh(lab, a, "uname -a; id").stdout
    assert ssh(lab, a, "exit 7", check=False).returncode == 7
    page = python(lab, a, "import urllib.request as u; print(u.urlopen('http://web.test/', timeout=10).read())")
    assert WAN_HOST in page  # the host's address is what the Internet sees


def test_nothing_of_the_host_or_its_networks_answers(sandboxes, listeners):
    lab, a, b, _ = sandboxes
    positive = python(lab, a, PROBE, f"{WEB}:{listeners}")
    assert positive.split("\n")[:2] == [f"tcp {WEB}:{listeners}", f"udp {WEB}:{listeners}"]
    for machine, address in ((lab.internet, WAN_HOST), (lab.lan, LAN_HOST)):
        assert reaches(machine, address, listeners)
    state = status(lab, a)
    other = status(lab, b)
    gateway = python(lab, a, "import subprocess as s; print(s.run(['ip','-4','route','show','default'],"
                             "capture_output=True,text=True).stdout.split()[2])").strip()
    denied = [WAN_HOST, LAN_HOST, LAN_PEER, LAN_ROUTER, ROUTED_PEER, gateway, state["ip"], other["ip"],
              *[x for x in INTERNET if x not in (RESOLVER, WEB, "1.1.1.1", "8.8.8.8")]]
    ports = (listeners, 22, 80, 111, 5353)
    with Sniffer(lab.lan, "lan", "tcp or udp") as on_lan:
        reached = python(lab, a, PROBE, *[f"{d}:{p}" for d in denied for p in ports], timeout=300)
    assert reached == ""
    assert on_lan.lines() == []


def test_an_address_that_the_host_gets_later_is_denied_too(sandboxes, listeners):
    lab, a, _, _ = sandboxes
    late = "1.1.1.1"  # the Internet has it: reached, until the host has it as well
    assert python(lab, a, PROBE, f"{late}:{listeners}") != ""
    lab.host.run("ip", "addr", "add", f"{late}/32", "dev", "lo")
    try:
        assert python(lab, a, PROBE, f"{late}:{listeners}") == ""
    finally:
        lab.host.run("ip", "addr", "del", f"{late}/32", "dev", "lo")
    assert python(lab, a, PROBE, f"{late}:{listeners}") != ""


def test_names_are_answered_by_the_gateway_alone(sandboxes):
    lab, a, _, _ = sandboxes
    with Sniffer(lab.internet, "wan", "port 53") as seen:
        ssh(lab, a, "getent hosts web.test")
    assert seen.lines() and all(f"> {RESOLVER}.53" in l or f"{RESOLVER}.53 >" in l for l in seen.lines())
    for name in ("private.test", "loop.test"):
        assert ssh(lab, a, f"getent ahostsv4 {name}", check=False).returncode != 0


def test_frames_that_are_not_the_guests_own_go_nowhere(sandboxes):
    lab, a, _, _ = sandboxes
    wire = json.loads(python(lab, a, "import subprocess as s; print(s.run(['ip','-j','addr'],capture_output=True,text=True).stdout)"))
    link = next(l for l in wire if l["ifname"] != "lo")
    neighbour = python(lab, a, "import subprocess as s; print(s.run(['ip','-j','neigh'],capture_output=True,text=True).stdout)")
    gateway = json.loads(neighbour)[0]["lladdr"]
    mac, gw = link["address"].replace(":", ""), gateway.replace(":", "")
    ip = "".join(f"{int(o):02x}" for o in
                 next(i["local"] for i in link["addr_info"] if i["family"] == "inet").split("."))

    def udp(source_mac, source, destination, tag=""):
        header = bytes.fromhex(f"4500002000010000401100 00{source}{destination}".replace(" ", ""))
        total = sum(int.from_bytes(header[i:i + 2], "big") for i in range(0, 20, 2))
        total = (total & 0xffff) + (total >> 16)
        checksum = ~(total + (total >> 16)) & 0xffff
        header = header[:10] + checksum.to_bytes(2, "big") + header[12:]
        return gw + source_mac + tag + "0800" + header.hex() + "d903d903000c0000" + "70726f62"

    web = "".join(f"{int(o):02x}" for o in WEB.split("."))
    with Sniffer(lab.internet, "wan", "udp port 55555") as seen:
        python(lab, a, SEND_FRAME, link["ifname"], udp(mac, ip, web))
    assert len(seen.lines()) >= 1, "the positive control did not arrive"
    hostile = [
        udp("525400999999", ip, web),            # another MAC
        udp(mac, "0ad50009", web), udp(mac, "c0a8010a", web), udp(mac, "08080808", web),  # other sources
        udp(mac, ip, web, "81000000"), udp(mac, ip, web, "81000005"),                      # VLAN 0 and 5
        udp(mac, ip, web, "88a8000081000000"), udp(mac, ip, web, "8100000081000000"),      # QinQ
        udp(mac, ip, "ffffffff"), udp(mac, ip, "e00000fb"),                                # broadcast, mDNS
    ]
    with Sniffer(lab.internet, "wan", "udp port 55555") as internet, Sniffer(lab.lan, "lan") as lan, \
            Sniffer(lab.host, "any", "udp port 55555") as host:
        python(lab, a, SEND_FRAME, link["ifname"], *hostile)
    assert (internet.lines(), lan.lines(), host.lines()) == ([], [], [])


def test_no_ipv6_leaves_the_wire(sandboxes):
    lab, a, _, _ = sandboxes
    with Sniffer(lab.host, "any", "ip6 and not (src host 2001:db8:5::2 or dst host 2001:db8:5::2)") as host:
        ssh(lab, a, "sudo sysctl -qw net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.default.disable_ipv6=0; "
                    "sudo ip -6 route add default dev $(ip -o route get 1.1.1.1 | sed 's/.*dev //; s/ .*//') || true; "
                    "ping -6 -c 3 -W 1 2001:db8:5::2 || true; ping -6 -c 2 -W 1 ff02::1%eth0 || true", check=False)
    assert host.lines() == []


def test_a_firewall_of_the_host_that_stops_forwarding_is_named(sandboxes):
    lab, a, _, _ = sandboxes
    assert "FORWARD" not in lab.migrant("status", cwd=a).stderr
    lab.host.sh("nft add table ip other; "
                "nft add chain ip other FORWARD '{ type filter hook forward priority 0; policy drop; }'")
    try:
        assert "FORWARD" in lab.migrant("status", cwd=a).stderr  # a warning, no drift: it isolates no less
        assert status(lab, a)["drift"] == []
    finally:
        lab.host.run("nft", "delete", "table", "ip", "other")


def test_what_holds_survives_a_firewall_flush_and_a_libvirtd_restart(sandboxes, listeners):
    lab, a, _, _ = sandboxes
    targets = [f"{address}:{listeners}" for address in (WAN_HOST, LAN_HOST, LAN_PEER, ROUTED_PEER)]
    lab.stop_libvirtd("KILL")
    lab.start_libvirtd()
    assert status(lab, a)["state"] == "running"
    assert status(lab, a)["drift"] == []
    assert python(lab, a, PROBE, *targets) == ""
    lab.host.run("nft", "flush", "ruleset")
    with Sniffer(lab.lan, "lan", "tcp or udp") as on_lan:
        assert python(lab, a, PROBE, *targets) == ""
    assert on_lan.lines() == []


def test_nothing_is_left_of_a_destroyed_sandbox_while_another_runs(sandboxes):
    lab, a, b, before = sandboxes
    lab.migrant("destroy", "-f", cwd=a)
    assert status(lab, a)["state"] == "absent"
    assert "Linux" in ssh(lab, b, "uname").stdout
    lab.migrant("destroy", "-f", cwd=b)
    assert differences(before, lab.snapshot()) == ""
