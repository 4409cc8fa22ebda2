"""Ring 2 of shares: the real hook and helper, real loop devices and ext4, and the real virtiofsd as libvirt
starts it, with the test in place of the guest's kernel."""

import contextlib
import importlib.util
import json
import os
import pathlib
import shutil
import socket
import time

import pytest

from lab import Lab, child_of, differences, stop
from virtiofs import Guest

HERE = pathlib.Path(__file__).resolve().parent
VIRTIOFSD = "/usr/sbin/migrant-virtiofsd"
IMAGES = "/var/lib/migrant/shares"
MIB = 1 << 20


def load_net():
    """tests/net/conftest.py under another name: pytest has this one as `conftest`."""
    spec = importlib.util.spec_from_file_location("net_conftest", HERE.parent / "net" / "conftest.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


net = load_net()
HOOK, HELPER = net.HOOK, net.HELPER


def share(host="work", guest=None, size=64 * MIB, mode="rw", isolate=True, reserve=False):
    return {"host": host, "guest": guest or f"/srv/{host}", "size": size, "mode": mode,
            "isolate": "yes" if isolate else "no", "reserve": "yes" if reserve else "no"}


class Sandbox(net.Sandbox):
    """A sandbox with shares; its project is /home/dev/NAME unless another directory is given."""

    def __init__(self, lab, name, *shares, directory=None, user="dev", **options):
        super().__init__(lab, name, **options)
        self.user = user
        self.directory = directory or f"/home/{user}/{name}"
        self.uid = int(lab.host.run("id", "-u", user).stdout)
        self.shares = shares
        self.servers = []
        self.describe()

    def describe(self):
        """Writes the shares into the domain."""
        elements = "".join(net.element("share", tag=f"share{i}", **s) for i, s in enumerate(self.shares))
        devices = "".join(f"""<filesystem type='mount' accessmode='passthrough'>
            <driver type='virtiofs' queue='1024'/><binary path='{VIRTIOFSD}' xattr='off'/>
            <source dir='/run/migrant/{self.name}/shares/{i}'/><target dir='share{i}'/><alias name='fs{i}'/>
            <address type='pci' domain='0x0000' bus='0x0{6 + i}' slot='0x00' function='0x0'/>
            </filesystem>""" for i, _ in enumerate(self.shares))
        owner = self.lab.host.run("id", "-u", "dev").stdout.strip()
        for old, new in ((f"/home/dev/{self.name}</migrant:directory>", f"{self.directory}</migrant:directory>"),
                         (f"<migrant:owner>{owner}<", f"<migrant:owner>{self.uid}<"),
                         ("</migrant:network>", "</migrant:network>" + elements),
                         ("<nosharepages/>", "<nosharepages/><source type='memfd'/><access mode='shared'/>"),
                         ("<controller type='usb'", devices + "<controller type='usb'")):
            assert old in self.xml, old
            self.xml = self.xml.replace(old, new)

    # -- what libvirtd does -------------------------------------------------------------------

    def make_project(self):
        self.lab.host.run("mkdir", "-p", self.directory, user=self.user)
        return self

    def serve(self, index=0, options="cache=auto"):
        """Starts virtiofsd for one share; a Guest connected to it."""
        path = self.lab.base / f"socket-{self.name}-{index}-{time.monotonic_ns()}"
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(path))
            listening.listen(1)
            fd = listening.fileno()
            server = self.lab.host.spawn(
                VIRTIOFSD, f"--fd={fd}", "-o", f"source=/run/migrant/{self.name}/shares/{index},{options},no_xattr",
                pass_fds=[fd], stderr=open(self.lab.base / "virtiofsd.log", "w+"))
            server.log = self.lab.base / "virtiofsd.log"
            self.servers.append(server)
        try:
            guest = Guest(str(path))
        except OSError as error:
            server.wait(10)
            raise AssertionError(f"virtiofsd: {server.log.read_text()}") from error
        guest.server = server
        return guest

    def up(self):
        """Everything that libvirt does until the guest runs; the first share's Guest, or None."""
        self.hook("prepare")
        self.guests = [self.serve(i) for i, _ in enumerate(self.shares)]
        self.open_tap()
        self.hook("start")
        self.hook("started")
        return self.guests[0] if self.guests else None

    def kill(self):
        super().kill()
        for server in self.servers:
            stop(server)
        self.servers = []

    # -- the user and root --------------------------------------------------------------------

    def sh(self, script, index=0, **options):
        """The user in the share's directory."""
        return self.lab.host.sh(script, user=self.user, cwd=f"{self.directory}/{self.shares[index]['host']}", **options)

    def path(self, index=0):
        return f"{self.directory}/{self.shares[index]['host']}"

    def image(self, index=0):
        """The image's path on the host."""
        for description in descriptions(self.lab, self.uid):
            if description["directory"] == self.directory and description["share"] == self.shares[index]["host"]:
                return f"{IMAGES}/{self.uid}/{description['id']}.img"
        return None

    def helper(self, *argv, user=None, check=True, **options):
        return self.lab.host.run(HELPER, *argv, user=user or self.user, check=check, **options)

    def drift(self):
        return json.loads(self.helper("verify", self.name).stdout)


def descriptions(lab, uid):
    script = f"cat {IMAGES}/{uid}/*.json 2>/dev/null || true"
    decoder, text, found = json.JSONDecoder(), lab.host.sh(script).stdout.strip(), []
    while text:
        item, end = decoder.raw_decode(text)
        found.append(item)
        text = text[end:].strip()
    return found


def mounts(lab):
    """Of the lab: [(point, options, device)] of everything below a share or on a loop device."""
    lines = [line.split(" ") for line in lab.host.run("cat", "/proc/self/mountinfo").stdout.splitlines()]
    return [(l[4], l[5], l[2]) for l in lines
            if (l[2].startswith("7:") or "/shares/" in l[4]) and l[4] not in getattr(lab, "foreign", ())]


@contextlib.contextmanager
def running(lab, name="a", *shares, **options):
    sandbox = Sandbox(lab, name, *(shares or (share(),)), **options).make_project()
    try:
        sandbox.virtiofs = sandbox.up()
        yield sandbox
    finally:
        sandbox.down()


def until(condition):
    """Waits for what the kernel does in its own time."""
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it has not come")


def nothing_new(lab, before):
    """What ended a moment ago (a process whose pipe was closed) may take that moment to go."""
    try:
        until(lambda: differences(before, lab.snapshot()) == "")
    except AssertionError as error:
        raise AssertionError(differences(before, lab.snapshot())) from error


def standing(sandbox):
    """A process that has its working directory in the share."""
    process = sandbox.lab.host.spawn("sleep", "1000", user="dev", cwd=sandbox.path())
    until(lambda: open(f"/proc/{child_of(process)}/comm").read() == "sleep\n")
    return process


def worker_of(server):
    """The process of virtiofsd that serves, the child of the one that was started."""
    parent = child_of(server)
    return int(open(f"/proc/{parent}/task/{parent}/children").read())


def end(server):
    """Kills virtiofsd, and waits until no process of it is left."""
    worker = worker_of(server)
    stop(server)
    until(lambda: not os.path.exists(f"/proc/{worker}"))


def forget(lab):
    """Deletes all images and the projects of the lab's users. Another home may hold this repository, and not a copy."""
    lab.host.sh(f"rm -rf {IMAGES}; for u in dev other outsider; do rm -rf /home/$u/*; done")


@pytest.fixture(scope="session")
def shared_lab(build):
    with Lab() as lab:
        net.install(lab, build)
        shutil.copy(build / "migrant-virtiofsd", lab.base / "program")
        lab.host.run("install", "-m", "755", lab.base / "program", VIRTIOFSD)
        lab.host.run("mkdir", "-m", "711", "/run/migrant", "/run/netns")
        lab.host.sh("while ip -6 addr | grep -q tentative; do sleep 0.1; done")
        if os.environ.get("MIGRANT_VIRTIOFSD"):  # another than QEMU's own
            lab.host.run("install", "-m", "755", os.environ["MIGRANT_VIRTIOFSD"], "/usr/libexec/virtiofsd")
            lab.host.run("mount", "--bind", "/dev/null", "/usr/lib/qemu/virtiofsd")
        lab.foreign = {point for point, _, _ in mounts(lab)}  # of the machine that the tests run on
        yield lab


@pytest.fixture
def lab(shared_lab):
    """The lab without a sandbox or an image, and left without a mount."""
    assert shared_lab.host.run("ls", "-A", "/run/migrant").stdout == ""
    assert mounts(shared_lab) == []
    yield shared_lab
    assert shared_lab.host.run("ls", "-A", "/run/migrant").stdout == ""
    assert mounts(shared_lab) == []
    forget(shared_lab)


@contextlib.contextmanager
def made(lab, name="a", *shares, **options):
    """As running(), but without a wire: only what is made in `prepare`, and virtiofsd."""
    sandbox = Sandbox(lab, name, *(shares or (share(),)), **options).make_project()
    try:
        sandbox.hook("prepare")
        sandbox.virtiofs = sandbox.serve()
        yield sandbox
    finally:
        sandbox.down()


def refused(sandbox, code, *words, without=None):
    """`prepare` must fail so, and leave nothing. @without: on a host whose kernel has not got that (see without.py)."""
    if without:
        result = sandbox.lab.host.run("/usr/bin/python3", HERE / "without.py", without, HOOK, f"migrant-{sandbox.name}", "prepare",
                                      "begin", "-", input=sandbox.xml, check=False)
    else:
        result = sandbox.hook("prepare", check=False)
    assert f"migrant-hook: [{code}]" in result.stderr, result.stderr
    for word in words:
        assert word in result.stderr, result.stderr
    sandbox.hook("release", "end")
    assert mounts(sandbox.lab) == []
