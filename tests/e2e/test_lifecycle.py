"""One sandbox through its life: up, SSH, reboot, halt, up, pause, save, tampering, destroy."""

import json
import re
import time

import pytest

from lab import differences

MIGRANTFILE = "box: debian-12\ncpus: 1\nmemory: 768M\ndisk: 4G\n"
POOL = "/var/lib/libvirt/images/migrant"
PLAYBOOK = "- hosts: all\n  gather_facts: false\n  tasks:\n    - raw: echo provisioned >>/tmp/provisioned\n"
VIRSH = ["virsh", "-q", "-c", "qemu:///system"]


class Sandbox:
    def __init__(self, lab, name):
        self.lab = lab
        self.name = name
        self.domain = f"migrant-{name}"
        self.path = lab.project(name, MIGRANTFILE)

    def migrant(self, *argv, check=True, timeout=600, **options):
        return self.lab.migrant(*argv, cwd=self.path, check=check, timeout=timeout, **options)

    def ssh(self, command, **options):
        return self.migrant("ssh", "-c", command, **options)

    def wait_ssh(self, seconds):
        """True once a command runs in the guest."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.ssh("true", check=False).returncode == 0:
                return True
            time.sleep(1)
        return False

    def status(self):
        return json.loads(self.migrant("status", "--json", check=False).stdout)

    def virsh(self, *argv, **options):
        return self.lab.host.run(*VIRSH, *argv, user="dev", **options)

    def volumes(self):
        names = self.lab.host.run("ls", POOL).stdout.split()
        return {re.sub(r"-[0-9a-f-]{36}", "", n) for n in names if re.search(r"-[0-9a-f]{8}-[0-9a-f]{4}-", n)}


@pytest.fixture(scope="module")
def before(world):
    return world.snapshot()


@pytest.fixture(scope="module")
def box(world, before):
    """A running sandbox; the tests of this module are its life, in order."""
    sandbox = Sandbox(world, "life")
    sandbox.first_up = sandbox.migrant("up", timeout=900)
    yield sandbox
    sandbox.migrant("destroy", "-f", check=False)


def test_up_says_what_it_does_and_leaves_a_running_guest(box):
    steps = [line for line in box.first_up.stderr.splitlines() if line.startswith("==>")]
    assert steps[0] == "==> life: making the sandbox"
    assert steps[-1].startswith("==> life: up;")
    assert len(steps) <= 6
    assert box.first_up.stdout == ""


def test_status_has_all_fields(box):
    status = box.status()
    uuid = box.virsh("domuuid", box.domain).stdout.strip()
    assert status["name"] == "life"
    assert status["dir"] == box.path
    assert status["state"] == "running"
    assert re.fullmatch(r"198\.1[89]\.\d+\.\d+", status["ip"])
    assert status["tap"] == "mgt" + uuid[:8]
    assert status["netns"] == box.domain
    assert status["accel"] in ("kvm", "tcg")
    assert status["box"] == "debian-12"
    assert (status["cpus"], status["memory_bytes"]) == (1, 768 << 20)
    assert (status["isolation"], status["egress"], status["tunnel"]) == (True, "open", None)
    assert status["shares"] == status["drift"] == status["ports"] == []
    assert [s["name"] for s in status["snapshots"]] == ["up"]
    people = box.migrant("status").stdout
    assert re.search(r"^state: +running$", people, re.M)
    assert box.migrant("ip").stdout == status["ip"] + "\n"
    assert box.migrant("ip", "-6", check=False).returncode == 1  # `ipv6: off`


def test_emulation_is_warned_about(box):
    warned = "no isolation" in box.first_up.stderr
    assert warned == (box.status()["accel"] == "tcg")


@pytest.mark.parametrize("code", [0, 1, 77, 130, 254, 255])
def test_the_commands_own_status_comes_through(box, code):
    result = box.ssh(f"exit {code}", check=False)
    assert (result.returncode, result.stdout, result.stderr) == (code, "", "")


def test_streams_are_the_callers(box):
    result = box.ssh("cat; echo problem >&2", input="text\n")
    assert (result.stdout, result.stderr) == ("text\n", "problem\n")


def test_the_user_is_who_the_migrantfile_says_and_may_do_all(box):
    assert box.ssh("id -un; sudo -n id -u; hostname").stdout.split() == ["migrant", "0", "life"]


def test_arguments_for_ssh_go_behind_two_dashes(box):
    assert "Linux" in box.migrant("ssh", "--", "uname", "-s").stdout
    wrong = box.migrant("ssh", "uname", check=False)
    assert wrong.returncode == 1 and "-c" in wrong.stderr


def test_no_configuration_of_the_users_takes_part(box):
    """A ~/.ssh/config that would break or betray every connection, and an agent."""
    config = "Host *\n  ProxyCommand /bin/false\n  ForwardAgent yes\n  StrictHostKeyChecking no\n"
    box.lab.host.sh("mkdir -p ~/.ssh; cat >~/.ssh/config", user="dev", input=config)
    try:
        result = box.ssh("echo agent=$SSH_AUTH_SOCK display=$DISPLAY",
                         env={"SSH_AUTH_SOCK": "/run/agent", "DISPLAY": ":0"})
        assert result.stdout == "agent= display=\n"
    finally:
        box.lab.host.run("rm", "/home/dev/.ssh/config")


def test_the_seed_is_gone_from_guest_and_pool(box):
    assert box.ssh("ls /dev/vd?").stdout.split() == ["/dev/vda"]
    assert box.volumes() == {"disk.qcow2", "disk-1.qcow2", "kernel", "initrd"}
    assert "seed" not in box.virsh("dumpxml", "--inactive", box.domain).stdout


def test_what_others_boot_is_not_given_to_qemus_user(box):
    """The base is shared: QEMU's user must not own it, nor another sandbox's kernel."""
    listing = box.lab.host.run("stat", "-c", "%n %U %a", "--", *box.lab.host.sh(f"echo {POOL}/*").stdout.split()).stdout
    for line in listing.splitlines():
        path, owner, mode = line.split()
        if re.search(r"/(base|kernel|initrd)-[0-9a-f]{64}", path) or "/box-" in path:
            assert (owner, mode) == ("root", "444"), line


def test_limits_are_set(box):
    limit = box.virsh("memtune", box.domain, "--live").stdout
    assert re.search(r"hard_limit *: \d{6,8}$", limit, re.M)
    assert re.search(r"cpu_shares *: 50$", box.virsh("schedinfo", box.domain).stdout, re.M)


def test_up_of_a_running_sandbox_is_a_line(box):
    result = box.migrant("up")
    assert result.stderr == "==> life: is running\n"


def test_plan_of_a_running_sandbox_is_nothing(box):
    assert "running" in box.migrant("plan").stdout
    assert json.loads(box.migrant("plan", "--json").stdout)["steps"] == []


def test_a_reboot_of_the_guest_needs_no_seed(box):
    key = box.ssh("cat /etc/ssh/ssh_host_ed25519_key.pub; cat /etc/machine-id").stdout
    boot = boot_id(box)
    box.ssh("sudo systemctl reboot", check=False)
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        result = box.ssh("cat /proc/sys/kernel/random/boot_id", check=False)
        if result.returncode == 0 and result.stdout != boot:
            break
        time.sleep(1)
    assert box.ssh("cat /etc/ssh/ssh_host_ed25519_key.pub; cat /etc/machine-id").stdout == key


def test_a_device_plugged_in_shows_as_drift(box):
    box.lab.host.sh(f"truncate -s 1M {POOL}/extra.img; cat >/tmp/extra.xml",
                    input=f"<disk type='file'><source file='{POOL}/extra.img'/><target dev='vdz' bus='virtio'/></disk>")
    box.virsh("attach-device", box.domain, "/tmp/extra.xml", "--live")
    try:
        result = box.migrant("status", "--json", check=False)
        assert result.returncode == 70
        assert any("disk" in item for item in json.loads(result.stdout)["drift"])
        again = box.migrant("up", check=False)
        assert again.returncode == 70 and "disk" in again.stderr
    finally:
        box.virsh("detach-disk", box.domain, "vdz", "--live")
        deadline = time.monotonic() + 60
        while box.status()["drift"] and time.monotonic() < deadline:
            time.sleep(0.5)
    assert box.migrant("status").returncode == 0


def test_an_impostor_on_the_guests_address_is_found_out(box):
    """The guest's server gives way to one with a key of its own, until the guest puts the true one back."""
    box.ssh("""sudo sh -c '
        cd /etc/ssh; cp ssh_host_ed25519_key /root/true; ssh-keygen -q -t ed25519 -N "" -f /root/false
        cp /root/false ssh_host_ed25519_key; systemctl restart ssh
        systemd-run --on-active=40 sh -c "cp /root/true /etc/ssh/ssh_host_ed25519_key; systemctl restart ssh"'
        """)
    result = box.ssh("exit 3", check=False)
    assert result.returncode == 70
    assert len([line for line in result.stderr.splitlines() if line.startswith("error:")]) == 1
    assert "host key" in result.stderr and "@@@" not in result.stderr
    assert box.wait_ssh(120)


def test_ssh_that_nobody_answers_is_an_error_of_ours(box):
    box.ssh("sudo systemd-run --on-active=30 systemctl start ssh; sudo systemctl stop ssh.socket ssh", check=False)
    result = box.ssh("true", check=False)
    assert result.returncode == 69
    assert "cannot reach the guest" in result.stderr and "refused" in result.stderr
    assert box.wait_ssh(120)


def test_halt_and_up_keep_the_disk_and_the_host_key(box):
    box.ssh("echo kept >kept; sync")
    halted = box.migrant("halt")
    assert halted.stderr.splitlines()[-1] == "==> life: halted"
    status = box.status()
    assert (status["state"], status["ip"], status["tap"], status["drift"]) == ("shutoff", None, None, [])
    assert box.migrant("halt").stderr == "==> life: is halted already\n"
    for command in (["ssh", "-c", "true"], ["ip"]):
        result = box.migrant(*command, check=False)
        assert result.returncode == 1 and "not running" in result.stderr
    box.lab.host.run("tee", f"{box.path}/playbook.yml", user="dev", input=PLAYBOOK)
    box.migrant("up")
    assert box.ssh("cat kept").stdout == "kept\n"
    assert box.ssh("cat /tmp/provisioned", check=False).returncode == 1  # that was for the first up


def boot_id(box):
    return box.ssh("cat /proc/sys/kernel/random/boot_id").stdout


def test_a_paused_guest_goes_on(box):
    boot = boot_id(box)
    box.virsh("suspend", box.domain)
    assert box.status()["state"] == "paused"
    assert box.migrant("ssh", "-c", "true", check=False).returncode == 1
    box.migrant("up")
    assert boot_id(box) == boot


def test_saved_memory_goes_on(box):
    """As libvirt-guests does it when the host shuts down."""
    boot = boot_id(box)
    box.virsh("managedsave", box.domain, timeout=300)
    assert box.status()["state"] == "saved"
    box.migrant("up")
    assert boot_id(box) == boot
    assert re.search(r"hard_limit *: \d{6,8}$", box.virsh("memtune", box.domain, "--live").stdout, re.M)


def test_the_metadata_taken_away_and_started_by_hand(box):
    box.migrant("halt", "-f")
    xml = box.virsh("dumpxml", "--inactive", box.domain).stdout
    bare = re.sub(r"<metadata>.*</metadata>", "", xml, flags=re.S)
    assert bare != xml
    box.lab.host.run("tee", "/tmp/bare.xml", user="dev", input=bare)
    box.lab.host.run("tee", "/tmp/whole.xml", user="dev", input=xml)
    box.virsh("define", "/tmp/bare.xml")
    try:
        assert box.virsh("start", box.domain, check=False).returncode != 0
        for command in ("up", "halt", "status"):
            result = box.migrant(command, check=False)
            assert result.returncode == 73 and "not made" in result.stderr
    finally:
        box.virsh("define", "/tmp/whole.xml")


def test_up_provisions_again_when_asked_and_a_failure_keeps_the_guest(box):
    box.lab.host.run("tee", f"{box.path}/playbook.yml", user="dev", input=PLAYBOOK + "    - raw: exit 3\n")
    result = box.migrant("up", "--provision", check=False)
    assert result.returncode == 70 and "migrant provision" in result.stderr
    assert box.status()["state"] == "running"
    assert box.ssh("cat /tmp/provisioned").stdout == "provisioned\n"


def test_destroy_asks_for_a_terminal_or_f(box):
    result = box.migrant("destroy", check=False)
    assert result.returncode == 64 and "-f" in result.stderr
    assert box.status()["state"] == "running"


def test_destroy_leaves_nothing(box, before):
    result = box.migrant("destroy", "-f")
    assert "nothing of it is left" in result.stderr
    assert box.status()["state"] == "absent"
    assert box.volumes() == set()
    assert box.migrant("destroy", "-f").stderr == "==> life: does not exist\n"
    assert differences(before, box.lab.snapshot()) == ""
    domains = box.virsh("list", "--all", "--name").stdout.split()
    assert box.domain not in domains
    assert "migrant-life" not in box.lab.host.run("ls", "/var/log/libvirt/qemu").stdout
