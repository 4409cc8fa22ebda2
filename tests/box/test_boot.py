"""
The seed in real guests of the built box, without libvirt. With a cloud-init.yml: a first boot whose power is cut in
the middle of the user's own commands, the boot that goes on from there, and a boot without the seed. Without one: the
same by the script at the seed's beginning, and its first boot done again over all that it has made.
"""

import json
import os
import signal
import socket
import subprocess
import time

import pytest

DEADLINE = 300  # seconds: emulation, on a machine that does other things, too

USER_DATA = """\
#cloud-config
users: [default, {name: second}]
locale: C.UTF-8
write_files:
  - {path: /etc/mine, content: "mine\\n", owner: "second:second", defer: true}
bootcmd:
  - date >>/var/log/boots
runcmd:
  - |
    if [ ! -e /var/lib/was-cut ]; then
      touch /var/lib/was-cut
      sync
      echo POWER-CUT-HERE >/dev/console
      sleep 600
    fi
  - touch /var/lib/went-on
"""


IDENTITY = "sudo cat /etc/ssh/ssh_host_ed25519_key.pub /etc/machine-id"


class Guest:
    def __init__(self, directory, box_files, tools, user_data):
        self.directory = directory
        self.user_data = user_data
        self.tools = tools
        manifest = json.loads((box_files / "box-debian-12.json").read_text())
        self.image, self.kernel, self.initrd = (box_files / manifest[key] for key in ("image", "kernel", "initrd"))
        self.cmdline = manifest["cmdline"]
        self.qemu = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    def make(self):
        for name in ("key", "host"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.directory / name], check=True)
        own = []
        if self.user_data:
            own = [self.directory / "user-data"]
            own[0].write_text(self.user_data)
        (self.directory / "known").write_text(
            f"[127.0.0.1]:{self.port} " + (self.directory / "host.pub").read_text())
        subprocess.run([self.tools / "seedtool", self.directory / "seed.iso", "migrant", self.directory / "key.pub",
                        self.directory / "host", *own], check=True)
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", self.image, "-F", "qcow2",
                        self.directory / "disk.qcow2", "5G"], check=True)

    def boot(self, seed):
        for name in ("ready", "monitor"):
            (self.directory / name).unlink(missing_ok=True)
        (self.directory / "console").write_text("")
        argv = [
            "qemu-system-x86_64", "-machine", "q35", "-accel", "tcg", "-cpu", "max", "-smp", "2", "-m", "1024",
            "-nodefaults", "-no-user-config", "-display", "none", "-kernel", self.kernel, "-initrd", self.initrd,
            "-append", self.cmdline, "-drive", f"file={self.directory}/disk.qcow2,if=virtio,format=qcow2",
            "-netdev", f"user,id=n,restrict=on,net=10.213.0.0/29,host=10.213.0.1,dhcpstart=10.213.0.4,"
                       f"dns=10.213.0.3,hostfwd=tcp:127.0.0.1:{self.port}-10.213.0.2:22",
            "-device", "virtio-net-pci,netdev=n,mac=52:54:00:6d:67:02",
            "-device", "virtio-serial-pci", "-chardev", f"socket,id=r,path={self.directory}/ready,server=on,wait=off",
            "-device", "virtserialport,chardev=r,name=org.migrant.ready",
            "-chardev", f"file,id=c,path={self.directory}/console", "-serial", "chardev:c",
            "-monitor", f"unix:{self.directory}/monitor,server=on,wait=off", "-device", "virtio-rng-pci",
        ]
        if seed:
            argv += ["-drive", f"file={self.directory}/seed.iso,if=virtio,format=raw,readonly=on"]
        self.started = time.monotonic()
        self.qemu = subprocess.Popen(list(map(str, argv)))

    def console(self):
        return (self.directory / "console").read_text(errors="replace")

    def wait_console(self, text):
        while text not in self.console():
            assert self.qemu.poll() is None and time.monotonic() - self.started < DEADLINE, self.console()[-2000:]
            time.sleep(0.2)

    def wait_ready(self):
        """Listens as the host does, and stops listening once the line came."""
        while not (self.directory / "ready").exists():
            time.sleep(0.02)
        with socket.socket(socket.AF_UNIX) as port:
            port.settimeout(DEADLINE)
            port.connect(str(self.directory / "ready"))
            try:
                line = port.recv(64)
            except TimeoutError:
                pytest.fail("no READY; the console ends with\n" + self.console()[-2000:])
        print(f"READY after {time.monotonic() - self.started:.1f} s")
        assert line.startswith(b"MIGRANT READY 1\n")

    def ssh(self, command, check=True):
        return subprocess.run(
            ["ssh", "-F", "none", "-i", self.directory / "key", "-p", str(self.port), "-o", "BatchMode=yes",
             "-o", f"UserKnownHostsFile={self.directory}/known", "-o", "StrictHostKeyChecking=yes",
             "-o", "ConnectTimeout=30", "migrant@127.0.0.1", command],
            capture_output=True, text=True, check=check, timeout=DEADLINE).stdout

    def cut_power(self):
        self.qemu.send_signal(signal.SIGKILL)
        self.qemu.wait()

    def press_power_button(self):
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.connect(str(self.directory / "monitor"))
            monitor.sendall(b"system_powerdown\n")
            assert self.qemu.wait(timeout=DEADLINE) == 0


@pytest.fixture(scope="module", params=[USER_DATA, None], ids=["cloud-init.yml", "plain"])
def guest(request, tmp_path_factory, box_files, build):
    guest = Guest(tmp_path_factory.mktemp("guest"), box_files, build / "tests", request.param)
    guest.make()
    yield guest
    if guest.qemu and guest.qemu.poll() is None:
        guest.cut_power()


@pytest.fixture(scope="module")
def first_boot(guest):
    """A guest that has been cut off in its first boot and gone on."""
    guest.boot(seed=True)
    if guest.user_data:
        guest.wait_console("POWER-CUT-HERE")
    else:
        guest.wait_ready()
        guest.ssh("sudo rm /var/lib/migrant/finished; sudo sh -c 'echo half >/etc/ssh/ssh_host_ed25519_key'; sync")
    guest.cut_power()
    guest.boot(seed=True)
    guest.wait_ready()
    return guest


def test_the_login(first_boot):
    assert first_boot.ssh("id -un; sudo -n id -u; hostname") == "migrant\n0\ntest\n"
    assert first_boot.ssh("for u in root migrant; do sudo passwd -S $u | cut -d' ' -f2; done") == "L\nL\n"


def test_the_host_key_is_ours_alone(first_boot):
    assert first_boot.ssh("ls /etc/ssh/ssh_host_*") == \
        "/etc/ssh/ssh_host_ed25519_key\n/etc/ssh/ssh_host_ed25519_key.pub\n"


def test_the_address_and_the_resolver(first_boot):
    assert first_boot.ssh("ip -4 -o addr show eth0 | cut -d' ' -f7; ip -4 route show default; cat /etc/resolv.conf") == \
        "10.213.0.2/30\ndefault via 10.213.0.1 dev eth0 proto static \nnameserver 10.213.0.1\n"
    assert "1 received" in first_boot.ssh("ping -c 1 10.213.0.1")  # as a user: by its file capability


def test_the_disk_is_as_large_as_the_overlay(first_boot):
    assert int(first_boot.ssh("df -B1 --output=size / | tail -1")) > 4.7 * 2**30


def test_a_first_boot_goes_on_after_a_power_cut(first_boot):
    if first_boot.user_data:
        assert first_boot.ssh("ls /var/lib/went-on; wc -l </var/log/boots") == "/var/lib/went-on\n2\n"
    else:
        assert first_boot.ssh("sudo test -e /var/lib/migrant/finished && getent passwd | grep -c :/home/migrant:") == "1\n"


def test_cloud_init_is_done_where_it_was_wanted_and_did_nothing_elsewhere(first_boot):
    if first_boot.user_data:
        assert first_boot.ssh("cloud-init status --wait") == "\nstatus: done\n"
        assert first_boot.ssh("sudo grep -c Traceback /var/log/cloud-init.log", check=False) == "0\n"
        assert first_boot.ssh("stat -c %U /etc/mine; cat /etc/mine; id -un second") == "second\nmine\nsecond\n"
    else:
        assert first_boot.ssh("cloud-init status --wait").endswith("status: disabled\n")
        assert first_boot.ssh("sudo find /var/lib/cloud /run/cloud-init -type f 2>/dev/null", check=False) == ""


def test_nothing_failed_and_nothing_hangs(first_boot):
    assert first_boot.ssh("systemctl --failed --no-legend; systemctl list-jobs --no-legend") == ""


def test_a_boot_without_the_seed(first_boot):
    before = first_boot.ssh(IDENTITY)
    first_boot.press_power_button()
    first_boot.boot(seed=False)
    first_boot.wait_ready()
    assert first_boot.ssh(IDENTITY) == before
    status = "done" if first_boot.user_data else "disabled"
    assert first_boot.ssh("cloud-init status --wait").endswith(f"status: {status}\n")
    assert first_boot.ssh("id -un; wc -l </var/log/boots 2>/dev/null", check=False).split() == \
        ["migrant", *(["2"] if first_boot.user_data else [])]
    assert first_boot.ssh("cat /proc/1/comm; ls /dev/vdb 2>&1", check=False).startswith("systemd\n")
    assert "python" not in first_boot.ssh("systemd-analyze blame --no-pager | grep cloud || true")
    assert os.path.exists(first_boot.directory / "seed.iso")


def test_ready_is_said_again_to_whoever_listens_later(first_boot):
    first_boot.started = time.monotonic()
    first_boot.wait_ready()
