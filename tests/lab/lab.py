"""A closed world of namespaces for tests that need root, libvirtd or a network.

Three machines, none of which can reach the one the tests run on:

    internet ── 5.9.1.0/24 ── host ── 192.168.1.0/24 ── lan
    (any address)             (libvirtd, QEMU,          (a neighbour, a router to 10.50.0.0/16)
                               migrant run here)

`host` has mount, network, process and hostname namespaces of its own: private copies of /etc, /usr/sbin,
/usr/local, /home, /run and libvirt's directories. Everything in it dies with its first process.
"""

import contextlib
import fcntl
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import textwrap
import time

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parent.parent

WAN_HOST = "5.9.1.2"
WAN_ROUTER = "5.9.1.1"
LAN_HOST = "192.168.1.10"
LAN_PEER = "192.168.1.50"
LAN_ROUTER = "192.168.1.1"
ROUTED_PEER = "10.50.0.5"  # behind the LAN's router, known to the host by a route
RESOLVER = "9.9.9.9"
WEB = "93.184.216.34"
# Addresses that the Internet answers at, so that a probe which gets out is seen.
INTERNET = [
    RESOLVER, WEB, "1.1.1.1", "8.8.8.8", "169.254.169.254", "100.100.100.200", "168.63.129.16",
    "10.99.0.1", "172.20.0.1", "192.168.77.1", "100.64.9.9", "198.18.250.1", "240.1.1.1", "192.0.2.7",
    "203.0.113.7", "198.51.100.7",
]
# The same in IPv6. The host's uplink and a second prefix of the LAN are public.
WAN_HOST6, WAN_ROUTER6 = "2a01:4f8:5::2", "2a01:4f8:5::1"
LAN_HOST6, LAN_PEER6, LAN_ROUTER6 = "fd10:1::10", "fd10:1::50", "fd10:1::1"
LAN_PUBLIC6 = "2a01:4f8:77::50"  # on the LAN, on-link for the host
ROUTED_PEER6 = "fd10:50::5"
RESOLVER6 = "2620:fe::9"
WEB6 = "2606:2800:220:1::34"
INTERNET6 = [
    RESOLVER6, WEB6, "2001:4860:4860::8888", "fd00:ec2::254", "fd20:ce::254", "fd00:c1::a9fe:a9fe", "fd77::1", "fc00::9",
    "fec0::9", "64:ff9b::505:505", "64:ff9b:1::9", "100::9", "2001::9", "2001:2::9", "2001:10::9", "2001:db8:77::9",
    "3fff::9", "2002:505:505::1", "4000::1", "::505:505",
]
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}

HOST_INIT = r"""
set -e
base=$1 source=$2
mount --make-rshared /
mkdir "$base/source"
mount --rbind "$source" "$base/source"
overlay() {
    mkdir -p "$base/upper$1" "$base/work$1"
    mount -t overlay overlay -o "lowerdir=$1,upperdir=$base/upper$1,workdir=$base/work$1" "$1"
}
for d in /etc /usr/sbin /usr/local /home /usr/libexec /var/log; do mkdir -p "$d"; overlay "$d"; done
# A repository on a mount of its own below one of these, as in a share, is not seen through the overlay.
[ -e "$source/tests" ] || { mkdir -p "$source"; mount --rbind "$base/source" "$source"; }
mount --make-rprivate "$base/source"
umount -l "$base/source"
for d in /var/lib/libvirt /var/lib/migrant /var/cache/libvirt /var/log/libvirt; do
    mkdir -p "$d" "$base/private$d"
    cp -a "$d/." "$base/private$d/"
    mount --bind "$base/private$d" "$d"
done
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/lock /run/user
mount -t sysfs sysfs /sys
mount --rbind "$base/cgroup" /sys/fs/cgroup
mount --make-rprivate "$base/cgroup"  # else the umount takes the other place along
umount -l "$base/cgroup"
hostname lab-host
ip link set lo up
rm -f /etc/resolv.conf
cat "$base/resolv.conf" >/etc/resolv.conf
touch "$base/ready"
while :; do sleep infinity & wait $!; done
"""


# The same on a root file system of its own: a machine on which nothing was installed yet.
FRESH_INIT = r"""
set -e
base=$1 root=$base/root
mkdir -p "$root" "$base/upper" "$base/work"
mount -t overlay overlay -o "lowerdir=$2,upperdir=$base/upper,workdir=$base/work" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount --rbind "$base/cgroup" "$root/sys/fs/cgroup"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mkdir -p "$root/run/lock" "$root/old"
hostname fresh-host
ip link set lo up
rm -f "$root/etc/resolv.conf"
cp "$base/resolv.conf" "$root/etc/resolv.conf"
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
cd "$root"
pivot_root . old
touch "/old$base/ready"
umount -l /old
rmdir /old
mount --make-rshared /
while :; do sleep infinity & wait $!; done
"""


class Failed(AssertionError):
    """A command that should have worked did not."""


class Machine:
    """A set of namespaces, held by a process, in which commands run."""

    def __init__(self, pid, flags):
        self.pid = pid
        self.flags = flags

    def argv(self, argv, user=None, cwd=None, env=None):
        enter = ["nsenter", "-t", str(self.pid), *self.flags]
        if cwd:
            enter.append(f"--wdns={cwd}")
        enter.append("--")
        if user:
            enter += ["setpriv", "--reuid", user, "--regid", user, "--init-groups", "--"]
        values = dict(ENVIRONMENT, **(env or {}))
        if user:
            values.update({"HOME": f"/home/{user}", "USER": user, "LOGNAME": user})
        else:
            values.update({"HOME": "/root", "USER": "root", "LOGNAME": "root"})
        values.update(env or {})
        return enter + ["env", "-i", *[f"{k}={v}" for k, v in values.items()], *map(str, argv)]

    def run(self, *argv, user=None, cwd=None, env=None, check=True, timeout=600, input=None):
        """Runs to the end; .stdout and .stderr are text. Raises Failed unless check=False."""
        result = subprocess.run(
            self.argv(argv, user, cwd, env), capture_output=True, text=True, errors="replace",
            timeout=timeout, input=input, stdin=subprocess.DEVNULL if input is None else None)
        if check and result.returncode != 0:
            raise Failed(f"{argv} ended with {result.returncode}\n{result.stdout}\n{result.stderr}")
        return result

    def spawn(self, *argv, user=None, cwd=None, env=None, **options):
        """Starts a command; stop it with stop() or reach its own pid by child_of()."""
        options.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.Popen(self.argv(argv, user, cwd, env), **options)

    def sh(self, script, **options):
        return self.run("sh", "-euc", script, **options)


@contextlib.contextmanager
def forwarding(begins):
    """Around the making or the end of a link of this machine's: forwarding is on while a lab has one."""
    switch = pathlib.Path("/proc/sys/net/ipv4/ip_forward")
    with open("/run/migrant-lab-online", "a+", encoding="ascii") as before:
        fcntl.flock(before, fcntl.LOCK_EX)
        alone = not list(pathlib.Path("/sys/class/net").glob("lab*"))
        if begins and alone:
            before.truncate(0)
            before.write(switch.read_text())
            before.flush()
            switch.write_text("1")
        yield
        if not begins and not list(pathlib.Path("/sys/class/net").glob("lab*")):
            before.seek(0)
            switch.write_text(before.read() or "0")


def child_of(popen, deadline=120):
    """The process that nsenter started for a spawned command (its pid here), or popen's own."""
    until = time.monotonic() + deadline
    path = pathlib.Path(f"/proc/{popen.pid}/task/{popen.pid}/children")
    while time.monotonic() < until:
        children = path.read_text().split()
        if children:
            return int(children[0])
        # A new process is a copy of ours for a moment after its exec() was seen to succeed, then without arguments,
        # then nsenter.
        running = pathlib.Path(f"/proc/{popen.pid}/cmdline").read_bytes()
        if running and running != pathlib.Path("/proc/self/cmdline").read_bytes() and not running.startswith(b"nsenter\0"):
            return popen.pid
        time.sleep(0.01)
    raise Failed("nsenter started nothing")


def stop(popen, sig=signal.SIGKILL):
    if popen.poll() is None:
        try:
            os.kill(child_of(popen), sig)
        except (Failed, ProcessLookupError, FileNotFoundError):
            popen.kill()
    popen.wait()


class Lab:
    """with Lab() as lab: lab.host.run("ip", "a")"""

    running = []  # those that have not ended yet

    def __init__(self, keep=False, online=False, root=None):
        """@online: the host reaches what this machine reaches instead of the lab's Internet. Only for
        tests that must install packages. @root: the host's root file system (a directory, which
        stays as it is) instead of this machine's."""
        self.keep = keep
        self.root = root
        self.online = online
        self.holders = []
        self.spawned = []
        self.base = pathlib.Path(tempfile.mkdtemp(prefix="migrant-lab-"))
        self.base.chmod(0o755)
        self.running.append(self)

    # -- life ---------------------------------------------------------------------------------

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def start(self):
        self.internet = Machine(self.hold("--net"), ["-n"])
        self.lan = Machine(self.hold("--net"), ["-n"])
        cgroup = self.base / "cgroup"
        cgroup.mkdir()
        init = self.base / "init.sh"
        init.write_text(FRESH_INIT if self.root else HOST_INIT)
        resolver = self.base / "resolv.conf"
        resolver.write_text(pathlib.Path("/etc/resolv.conf").read_text() if self.online else f"nameserver {RESOLVER}\n")
        outer = self.base / "outer.sh"
        outer.write_text(textwrap.dedent(f"""\
            set -e
            mount --rbind /sys/fs/cgroup {cgroup}
            exec unshare --pid --fork --mount-proc --kill-child bash {init} {self.base} {self.root or SOURCE}
            """))
        pid = self.hold("--mount", "--net", "--uts", "--propagation", "private", "--", "sh", str(outer))
        self.host = Machine(self.wait_host(pid), ["-m", "-n", "-u", "-p"])
        if self.online:
            self.wire_online()
        else:
            self.wire()

    def hold(self, *arguments):
        arguments = list(arguments)
        if "--" not in arguments:
            arguments += ["--", "sleep", "infinity"]
        holder = subprocess.Popen(["unshare", *arguments], stdin=subprocess.DEVNULL)
        self.holders.append(holder)
        own = os.readlink("/proc/self/ns/net")
        until = time.monotonic() + 120
        while time.monotonic() < until:
            if holder.poll() is not None:
                break
            if os.readlink(f"/proc/{holder.pid}/ns/net") != own:
                return holder.pid
            time.sleep(0.005)
        raise Failed(f"unshare {arguments} failed")

    def wait_host(self, pid):
        """The first process of the host's pid namespace (a shell, which reaps), once its set-up is through."""
        until = time.monotonic() + 600
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children")
        while time.monotonic() < until:
            if self.holders[-1].poll() is not None:
                break
            if (self.base / "ready").exists():
                return int(children.read_text().split()[0])
            time.sleep(0.01)
        raise Failed("the lab's host did not come up")

    def close(self):
        if self in self.running:
            self.running.remove(self)
        for popen in self.spawned:
            popen.kill()
            popen.wait()
        for holder in reversed(self.holders):
            for child in pathlib.Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text().split() \
                    if holder.poll() is None else []:
                os.kill(int(child), signal.SIGKILL)
            holder.kill()
            holder.wait()
        if self.online:
            self.unwire_online()
        self.holders, self.spawned = [], []
        if self.keep:
            return
        # Mounts went with the namespaces; a guest that still ends may hold files for a moment.
        for _ in range(20):
            shutil.rmtree(self.base, ignore_errors=True)
            if not self.base.exists():
                return
            time.sleep(0.1)

    # -- network ------------------------------------------------------------------------------

    def wire(self):
        for machine in (self.host, self.internet, self.lan):  # nobody asks for a router of his own accord
            machine.sh("sysctl -qw net.ipv6.conf.all.router_solicitations=0 net.ipv6.conf.default.router_solicitations=0")
        self.link(self.internet, "eth0", "wan")
        self.link(self.lan, "eth1", "lan")
        self.host.sh(f"""
            ip addr add {WAN_HOST}/24 dev eth0
            ip addr add {LAN_HOST}/24 dev eth1
            ip link set eth0 up; ip link set eth1 up
            ip route add default via {WAN_ROUTER}
            ip route add 10.50.0.0/16 via {LAN_ROUTER}
            ip -6 addr add 2001:db8:5::2/64 dev eth0 nodad
            ip -6 addr add {WAN_HOST6}/64 dev eth0 nodad
            ip -6 addr add {LAN_HOST6}/64 dev eth1 nodad
            ip -6 addr add 2a01:4f8:77::10/64 dev eth1 nodad
            ip -6 route add default via {WAN_ROUTER6}
            ip -6 route add fd10:50::/64 via {LAN_ROUTER6}
            """)
        self.internet.sh(f"""
            ip link set lo up
            ip addr add {WAN_ROUTER}/24 dev wan; ip link set wan up
            for a in 2001:db8:5::1 {WAN_ROUTER6}; do ip -6 addr add $a/64 dev wan nodad; done
            for a in {' '.join(INTERNET6)}; do ip -6 addr add $a/128 dev lo nodad; done
            for a in {' '.join(INTERNET)}; do ip addr add $a/32 dev lo; done
            """)
        self.lan.sh(f"""
            ip link set lo up
            ip addr add {LAN_PEER}/24 dev lan; ip addr add {LAN_ROUTER}/24 dev lan
            ip addr add {ROUTED_PEER}/32 dev lo; ip link set lan up
            ip route add default via {LAN_HOST}
            for a in {LAN_PEER6} {LAN_ROUTER6} {LAN_PUBLIC6}; do ip -6 addr add $a/64 dev lan nodad; done
            ip -6 addr add {ROUTED_PEER6}/128 dev lo nodad
            ip -6 route add default via {LAN_HOST6}
            """)

    def wire_online(self):
        """A link to this machine, which forwards and masquerades for it until close()."""
        self.uplink = f"lab{os.getpid()}"
        with forwarding(True):
            taken = subprocess.run(["ip", "-4", "-o", "addr"], capture_output=True, text=True, check=True).stdout
            block = next(n for n in range(0, 256, 4) if f" 198.51.100.{n + 1}/" not in taken)
            self.near, self.far = f"198.51.100.{block + 1}", f"198.51.100.{block + 2}"
            for command in (
                    f"ip link add {self.uplink} type veth peer name eth0 netns {self.host.pid}",
                    f"ip addr add {self.near}/30 dev {self.uplink}",
                    f"ip link set {self.uplink} up"):
                subprocess.run(command.split(), check=True)
        for command in (
                f"nft add table ip {self.uplink}",
                f"nft add chain ip {self.uplink} out {{ type nat hook postrouting priority 100; }}",
                f"nft add rule ip {self.uplink} out ip saddr {self.far} masquerade"):
            subprocess.run(command.split(), check=True)
        Machine(self.host.pid, ["-n"]).sh(  # with this machine's ip: a fresh one has none
            f"ip addr add {self.far}/30 dev eth0; ip link set eth0 up; ip route add default via {self.near}")

    def unwire_online(self):
        if not hasattr(self, "uplink"):
            return
        subprocess.run(["nft", "delete", "table", "ip", self.uplink], check=False, stderr=subprocess.DEVNULL)
        with forwarding(False):
            subprocess.run(["ip", "link", "del", self.uplink], check=False, stderr=subprocess.DEVNULL)

    def link(self, machine, host_end, far_end):
        subprocess.run(
            ["nsenter", "-t", str(machine.pid), "-n", "ip", "link", "add", far_end, "type", "veth",
             "peer", "name", host_end, "netns", str(self.host.pid)], check=True)

    def serve_dns(self, records=None, machine=None, address=RESOLVER):
        """A resolver in the Internet (or on another machine) that answers with @records only."""
        arguments = [f"--address=/{name}/{address_}" for name, address_ in (records or {}).items()]
        if address == RESOLVER:
            arguments.append(f"--listen-address={RESOLVER6}")
        return self.keep_running((machine or self.internet).spawn(
            "dnsmasq", "--keep-in-foreground", "--no-resolv", "--no-hosts", "--conf-file=/dev/null",
            "--pid-file=", "--user=root", f"--listen-address={address}", "--bind-interfaces",
            "--address=/web.test/" + WEB, *arguments, stderr=subprocess.DEVNULL))

    def serve_http(self, machine=None, port=80):
        """Answers every connection on every address with the address it came from."""
        program = ("import http.server as h\n"
                   "class S(h.ThreadingHTTPServer):\n"
                   "  address_family=10\n"
                   "class H(h.BaseHTTPRequestHandler):\n"
                   "  def do_GET(s):\n"
                   "    t=(s.client_address[0].removeprefix('::ffff:')+'\\n').encode(); s.send_response(200)\n"
                   "    s.send_header('Content-Length',str(len(t))); s.end_headers(); s.wfile.write(t)\n"
                   "  def log_message(s,*a): pass\n"
                   f"S(('::',{port}),H).serve_forever()")
        popen = self.keep_running((machine or self.internet).spawn("/usr/bin/python3", "-c", program))
        self.wait_port(machine or self.internet, port)
        return popen

    def keep_running(self, popen):
        self.spawned.append(popen)
        return popen

    def wait_port(self, machine, port, deadline=120):
        until = time.monotonic() + deadline
        while time.monotonic() < until:
            if machine.run("ss", "-Hltn", f"sport = :{port}", check=False).stdout.strip():
                return
            time.sleep(0.05)
        raise Failed(f"nothing listens on port {port}")

    # -- the host's libvirt and users ---------------------------------------------------------

    def add_users(self):
        """dev and other may use libvirt, outsider may not."""
        self.host.sh("""
            getent group libvirt >/dev/null || groupadd --system libvirt
            for u in dev other outsider; do useradd --create-home --shell /bin/bash $u; done
            usermod -aG libvirt dev; usermod -aG libvirt other
            """)

    def configure_libvirt(self):
        """Socket access by group, as on a host without polkit."""
        self.host.sh(r"""
            sed -i -e 's/^#*auth_unix_rw.*/auth_unix_rw = "none"/' \
                   -e 's/^#*unix_sock_group.*/unix_sock_group = "libvirt"/' \
                   -e 's/^#*unix_sock_rw_perms.*/unix_sock_rw_perms = "0770"/' /etc/libvirt/libvirtd.conf
            """)

    def start_libvirtd(self):
        self.host.sh("""
            [ -S /run/libvirt/virtlogd-sock ] || { mkdir -p /run/libvirt; virtlogd -d; }
            libvirtd -d
            """)
        until = time.monotonic() + 300
        while self.host.run("virsh", "-q", "-c", "qemu:///system", "version", check=False).returncode:
            if time.monotonic() > until:
                raise Failed("libvirtd does not answer")
            time.sleep(0.1)

    def libvirtd_pid(self):
        """libvirtd's pid inside the host, or None."""
        result = self.host.run("cat", "/run/libvirtd.pid", check=False)
        return int(result.stdout) if result.returncode == 0 and result.stdout.strip() else None

    def stop_libvirtd(self, sig="TERM"):
        pid = self.libvirtd_pid()
        self.host.run("kill", f"-{sig}", str(pid))
        until = time.monotonic() + 120
        while self.host.run("test", "-d", f"/proc/{pid}", check=False).returncode == 0:
            if time.monotonic() > until:
                raise Failed("libvirtd does not end")
            time.sleep(0.05)
        self.host.run("rm", "-f", "/run/libvirtd.pid")

    def install(self, build):
        """Installs the build into the host's /usr/local and sets the host up, as a user would."""
        self.host.run("cmake", "--install", build, "--prefix", "/usr/local")
        self.add_users()
        self.configure_libvirt()
        self.start_libvirtd()
        return self.host.run("/usr/local/bin/migrant", "setup")

    def project(self, name, text, user="dev", files=None):
        """A project directory of @user with that Migrantfile; its path."""
        path = f"/home/{user}/{name}"
        self.host.run("mkdir", "-p", path, user=user)
        for file, content in {"Migrantfile": text, **(files or {})}.items():
            self.host.run("tee", f"{path}/{file}", user=user, input=content)
        return path

    def migrant(self, *argv, cwd, user="dev", **options):
        """Runs migrant as @user in a project."""
        return self.host.run("migrant", *argv, user=user, cwd=cwd, **options)

    def evidence(self, lines=25):
        """The end of what guests, QEMU and libvirtd have logged here, for a failed test's report; "" without."""
        texts = []
        for path in sorted(self.base.glob("private/var/log/libvirt/**/*.log")):
            text = path.read_bytes()[-20000:].decode(errors="replace")
            tail = [ascii(line)[1:-1] for line in text.splitlines()[-lines:]]
            texts.append("\n".join([f"-- {path.name}", *tail]))
        return "\n".join(texts)

    # -- what is compared before and after ----------------------------------------------------

    def snapshot(self):
        """Everything that a sandbox could leave behind, as {what: text}."""
        # An address that is still being looked for on its link gets its route only after that.
        self.host.sh("for i in $(seq 100); do ip -6 addr | grep -q tentative || break; sleep 0.1; done")
        commands = {
            "rules": "nft -s list ruleset",
            "ip rules": "ip rule; ip -6 rule",
            "routes": "ip route show table all; ip -6 route show table all | grep -v ' lo '",
            "links": "ip -o link | sed 's/^[0-9]*: //; s/ state [A-Z]*//; s/@[^:]*//'",
            "addresses": "ip -br addr",
            "namespaces": "ls /run/netns 2>/dev/null || true",
            "mounts": "cut -d' ' -f4- /proc/self/mountinfo | sort",
            "sysctls": "sysctl -a 2>/dev/null | grep -E '^net\\.(ipv4|ipv6|bridge|netfilter)\\.' | "
                       "grep -E 'forward|rp_filter|redirects|proxy|disable_ipv6|route_localnet|accept_ra' | sort",
            "processes": "ps -eo comm= | grep -vE '^(ps|sh|sort|nsenter|sleep|grep|env|cut|sed)$' | sort",
            "run": "find /run/migrant /run/netns 2>/dev/null | sort",
        }
        texts = {name: self.host.sh(command + " || true").stdout for name, command in commands.items()}
        return texts | {"loop devices": self.loop_devices()}

    def loop_devices(self):
        """Those over files of sandboxes. They are the machine's: what lies in another lab that runs, or is the
        machine's own, is not counted."""
        elsewhere = set()
        for path in (*self.base.parent.glob("migrant-lab-*/private/var/lib/*/**/*.img"), *pathlib.Path("/var/lib/migrant").glob("**/*.img")):
            with contextlib.suppress(FileNotFoundError):
                if self.base not in path.parents:
                    elsewhere.add(str(path.stat().st_ino))
        listing = self.host.run("losetup", "-l", "-n", "-O", "NAME,BACK-INO,BACK-FILE", check=False).stdout.splitlines()
        return "\n".join(line for line in listing if line.split()[1] not in elsewhere
                         and re.search("/var/lib/(libvirt|migrant)/", line))


def differences(before, after):
    """What differs between two snapshots, for an assertion's message; '' when nothing does."""
    lines = []
    for name in before:
        if before[name] != after[name]:
            old, new = before[name].splitlines(), after[name].splitlines()
            lines.append(f"{name}: gone {[l for l in old if l not in new]} new {[l for l in new if l not in old]}")
    return "\n".join(lines)
