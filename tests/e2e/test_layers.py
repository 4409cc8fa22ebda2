"""A sandbox is made and leaves a layer, another one starts from it; then its Migrantfile changes under it. Two guests, in order.

Before that the first one's `up` is killed while it copies the disk, and then two do the same at the same time.
"""

import concurrent.futures
import json
import re

import pytest

from forked import IDENTITY as FORK_IDENTITY
from forked import WRITER, check_written

MACHINE = "box: debian-12\ncpus: {cpus}\nmemory: {memory}\ndisk: {disk}\n"
POOL = "/var/lib/libvirt/images/migrant"
PLAYBOOK = """\
- hosts: all
  gather_facts: false
  become: true
  tasks:
    - raw: cat /proc/sys/kernel/random/boot_id >/etc/made-in; mkdir -p /srv/tool; echo works >/srv/tool/it
"""
# With one of these cloud-init runs in the first boot, and what it was told has to stay out of the layer.
CLOUD_INIT = "timezone: Etc/UTC\n"
IDENTITY = "cat /etc/machine-id; sudo ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub; cat /etc/hostname; hostname"
# What the copying of the disk leaves in no guest.
TRACES = ["/run/migrant-layer", "/etc/systemd/system/migrant-layer.service", "/usr/local/lib/migrant/layer-boot",
          "/etc/systemd/system/sysinit.target.wants/migrant-layer.service"]


class Sandbox:
    def __init__(self, lab, name):
        self.lab, self.name = lab, name
        self.write()

    def write(self, cpus=1, memory="768M", disk="4G", more="", playbook=PLAYBOOK):
        self.path = self.lab.project(self.name, MACHINE.format(cpus=cpus, memory=memory, disk=disk) + more,
                                     files={"playbook.yml": playbook, "cloud-init.yml": CLOUD_INIT})

    def migrant(self, *argv, check=True, **options):
        return self.lab.migrant(*argv, cwd=self.path, check=check, **{"timeout": 900, **options})

    def ssh(self, command):
        return self.migrant("ssh", "-c", command).stdout

    def status(self):
        return json.loads(self.migrant("status", "--json", check=False).stdout)

    def plan(self, *options):
        """What `up` says that it would do: {step: what}."""
        steps = json.loads(self.migrant("plan", "--json", *options).stdout)["steps"]
        return {step["step"]: step["what"] for step in steps}

    def layers(self):
        return json.loads(self.migrant("storage", "--json").stdout)["layers"]

    def holds(self, text, volume):
        """True when the volume's file holds the text; looked for by root."""
        return self.lab.host.run("grep", "-qaF", "-e", text, f"{POOL}/{volume}", check=False).returncode == 0

    def root_size(self):
        """Bytes of the disk, and of the file system on it."""
        return [int(n) for n in self.ssh("cat /sys/class/block/vda/size; stat -fc %b /; stat -fc %S /").split()]


@pytest.fixture(scope="module")
def rivals(build, world):
    """Two that would make the same layer; of one `up` has died when the guest had put aside its keys and stood still."""
    world.host.run("install", build / "tests/libmortal.so", "/usr/local/lib/libmortal.so")
    sandboxes = [Sandbox(world, "first"), Sandbox(world, "rival")]
    for sandbox in sandboxes:
        sandbox.planned = sandbox.plan()
    killed = sandboxes[0].migrant("up", check=False, env={"LD_PRELOAD": "/usr/local/lib/libmortal.so", "MORTAL": "virDomainSuspend"})
    assert killed.returncode in (-9, 137), killed.stderr
    sandboxes[0].cut_off = sandboxes[0].status()["state"]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for sandbox, up in zip(sandboxes, pool.map(lambda s: s.migrant("up"), sandboxes)):
            sandbox.up = up
    yield sandboxes
    for sandbox in sandboxes:
        sandbox.migrant("destroy", "-f", check=False)


@pytest.fixture(scope="module")
def first(rivals):
    """The one of them that has kept the layer."""
    return next(s for s in rivals if "kept as layer" in s.up.stderr)


@pytest.fixture(scope="module")
def box(world, first):
    """Made from the same inputs in another directory, while the first one still runs."""
    sandbox = Sandbox(world, "second")
    sandbox.planned = sandbox.plan()
    sandbox.up = sandbox.migrant("up")
    yield sandbox
    sandbox.migrant("destroy", "-f", check=False)


# --- the layer is made


def test_an_up_that_died_while_it_copied_is_made_anew(rivals):
    assert rivals[0].cut_off == "paused"
    assert "was cut off; beginning anew" in rivals[0].up.stderr
    assert rivals[0].ssh(IDENTITY).splitlines()[2:] == ["first", "first"]


def test_of_two_at_once_one_keeps_the_layer(rivals, first):
    """Neither fails for it; the other one has found it, or has heard that it was being made."""
    other, = [s for s in rivals if s is not first]
    assert "==> " in other.up.stderr and "provisioning" in other.up.stderr and "kept as layer" not in other.up.stderr
    assert len(first.layers()) == 1
    assert first.lab.host.sh(f"ls {POOL} | grep -c layer-").stdout == "2\n"
    assert other.status()["drift"] == []
    other.migrant("destroy", "-f")
    assert first.layers()[0]["directory"] == first.path


def test_the_first_up_keeps_a_layer(first):
    assert "take no layer (there is none of these inputs yet)" in first.planned["layer"], first.planned
    assert "provision" in first.planned
    assert f"==> {first.name}: provisioning" in first.up.stderr
    layer, = first.layers()
    assert layer["directory"] == first.path and layer["users"] == []
    stat = first.lab.host.run("stat", "-c", "%U %a", f"{POOL}/{layer['volume']}").stdout.split()
    assert stat == ["root", "440"]
    assert "as it was stored" in first.migrant("storage", "--verify").stdout


def test_the_guest_has_taken_back_what_is_its_own(first):
    machine, key, *names = first.ssh(IDENTITY).splitlines()
    assert re.fullmatch("[0-9a-f]{32}", machine) and "ED25519" in key and names == [first.name, first.name]
    assert first.ssh(f"ls -d {' '.join(TRACES)} 2>/dev/null || true") == ""
    assert first.ssh("sudo ls /var/lib/cloud/instance/user-data.txt; sudo wc -c /var/log/cloud-init.log").split()[1] != "0"
    assert "Cloud-init" in first.migrant("logs", "--cloud-init").stdout
    assert first.status()["drift"] == []
    assert first.migrant("up").returncode == 0


def test_nothing_of_the_guest_is_in_the_layer(first):
    """Looked for in the file itself, where also what was deleted would be."""
    secret = first.ssh("sudo sed -n 3p /etc/ssh/ssh_host_ed25519_key").strip()
    machine = first.ssh("cat /etc/machine-id").strip()
    assert len(secret) > 30
    first.ssh("sudo sync")
    disk = first.lab.host.sh(f"ls {POOL}/disk-*").stdout.split()
    assert any(first.holds(secret, path.rsplit("/", 1)[1]) for path in disk)  # the way to look does find it
    volume = first.layers()[0]["volume"]
    assert not first.holds(secret, volume)
    assert not first.holds(machine, volume)


# --- and another one starts from it


def test_the_next_one_starts_from_it(first, box):
    assert "over the layer" in box.planned["disk"] and first.path in box.planned["disk"]
    assert not {"layer", "provision"} & set(box.planned)
    assert "provisioning" not in box.up.stderr and "starts from the layer" in box.up.stderr
    boot = box.ssh("cat /proc/sys/kernel/random/boot_id")
    made = box.ssh("cat /etc/made-in; cat /srv/tool/it").split()
    assert made == [first.ssh("cat /proc/sys/kernel/random/boot_id").strip(), "works"] and made[0] != boot.strip()
    assert box.layers()[0]["users"] == ["second"]


def test_its_identity_is_its_own(first, box):
    theirs, own = first.ssh(IDENTITY).splitlines(), box.ssh(IDENTITY).splitlines()
    assert own[2:] == ["second", "second"]
    assert re.fullmatch("[0-9a-f]{32}", own[0]) and own[0] != theirs[0]
    assert "ED25519" in own[1] and own[1] != theirs[1]
    assert box.ssh("getent hosts second").split()[-1] == "second"
    assert box.ssh(f"ls -d {' '.join(TRACES)} 2>/dev/null || true") == ""
    assert box.ssh("ls /dev/vd?").split() == ["/dev/vda"]


def test_cloud_init_did_not_run_again(box):
    assert box.ssh("systemctl list-units --all --plain --no-legend 'cloud-*' | grep -c 'loaded *active' || true") == "0\n"
    assert box.ssh("sudo find /var/lib/cloud/instances -name user-data.txt; sudo cat /var/log/cloud-init.log") == ""


def test_reset_goes_back_to_the_layer(box):
    """With what it was given of its own, and without what it has written."""
    before = box.ssh(f"{IDENTITY}; cat /etc/made-in /srv/tool/it")
    box.ssh("echo mine >mine; sudo rm /srv/tool/it; sync")
    box.migrant("reset")
    assert box.ssh(f"{IDENTITY}; cat /etc/made-in /srv/tool/it; ls") == before
    status = box.status()
    assert (status["state"], status["drift"]) == ("running", [])
    assert box.layers()[0]["users"] == ["second"]


# --- what makes another layer, or none


@pytest.mark.parametrize("change, said", [
    ({"playbook": PLAYBOOK + "    - raw: 'true'\n"}, r"take no layer .*changed: file playbook\.yml"),
    ({"disk": "5G"}, r"take no layer .*changed: disk"),
    ({"playbook": PLAYBOOK + "      no_log: true\n"}, r"take no layer and keep none: playbook\.yml speaks of a secret"),
    ({"more": "provision: [{ansible: playbook.yml, secret: true}]\n"}, r"keep none: playbook\.yml is marked 'secret'"),
    ({"more": "provision: [{ansible: playbook.yml, inputs: [Migrantfile]}]\n"}, r"changed: file Migrantfile"),
])
def test_other_inputs_take_no_layer(world, first, change, said):
    """In the first one's directory, where there is a layer to compare with; under another name, for that one runs."""
    first.write(**change)
    try:
        world.host.run("sed", "-i", "$ a name: first-too", f"{first.path}/Migrantfile", user="dev")
        plan = first.plan()
        assert re.search(said, plan["layer"]), plan
        assert "provision" in plan
    finally:
        first.write()


def test_fresh_ignores_it(world, first):
    other = Sandbox(world, "third")
    assert "over the layer" in other.plan()["disk"]
    plan = other.plan("--fresh")
    assert "you said --fresh" in plan["layer"] and "provision" in plan


# --- a Migrantfile that changes under its sandbox


def test_what_differs_is_said_with_its_way(box):
    assert box.status()["notes"] == []
    box.write(cpus=2, memory="900M", disk="5G", more="user: other\n")
    status = box.status()
    assert status["drift"] == []
    found = {re.match(r"(\w+) is '(.*)', but '(.*)' in the Migrantfile: .*'migrant (\w+)'", note).groups()
             for note in status["notes"]}
    assert {(key, now, wanted) for key, now, wanted, _ in found} == {
        ("cpus", "1", "2"), ("memory", "768M", "900M"), ("disk", "4G", "5G"), ("user", "migrant", "other")}
    said = box.migrant("up").stderr
    for note in status["notes"]:
        assert note in said, said
    assert box.migrant("status").returncode == 0


def test_the_disk_grows_while_the_guest_runs(box):
    boot = box.ssh("cat /proc/sys/kernel/random/boot_id")
    sectors, blocks, size = box.root_size()
    assert sectors * 512 == 4 << 30 and blocks * size > 3.5 * (1 << 30)
    done = box.migrant("resize")
    assert "has grown to 5120 MiB" in done.stderr and "'migrant reload'" in done.stderr
    sectors, blocks, size = box.root_size()
    assert sectors * 512 == 5 << 30 and blocks * size > 4.5 * (1 << 30)
    assert box.ssh("cat /proc/sys/kernel/random/boot_id") == boot
    assert "already has 5120 MiB" in box.migrant("resize").stderr


def test_a_file_system_that_stayed_behind_is_made_whole(box):
    """As a resize leaves it that was killed between the disk and the file system."""
    virsh = ["virsh", "-q", "-c", "qemu:///system", "blockresize", "migrant-second", "vda", "6G"]
    box.lab.host.run(*virsh, user="dev")
    box.write(disk="6G")
    assert "already has 6144 MiB" in box.migrant("resize").stderr
    sectors, blocks, size = box.root_size()
    assert sectors * 512 == 6 << 30 and blocks * size > 5.5 * (1 << 30)


def test_a_disk_does_not_shrink(box):
    box.write(disk="4G")
    refused = box.migrant("resize", check=False)
    assert refused.returncode == 78 and "does not shrink" in refused.stderr and "6144" in refused.stderr
    assert box.root_size()[0] * 512 == 6 << 30


def test_reload_takes_what_counts_from_the_next_start(box):
    identity = box.ssh(IDENTITY)
    box.ssh("echo kept >kept; sync")
    box.write(cpus=2, disk="6G", more="network: {allow: [lan 127.0.0.1]}\n")
    refused = box.migrant("reload", check=False)
    assert refused.returncode == 78
    box.write(cpus=2, disk="6G")
    assert box.status()["state"] == "running"  # that was found before anything was ended
    box.migrant("reload")
    status = box.status()
    assert (status["state"], status["cpus"], status["notes"], status["drift"]) == ("running", 2, [], [])
    assert box.ssh("nproc; cat kept").split() == ["2", "kept"]
    assert box.ssh(IDENTITY) == identity


def test_a_fork_lies_over_the_layer_as_well(box):
    """Of a guest that runs and writes: as after a power cut, and its origin goes on."""
    box.ssh(f"echo mine >mine; {WRITER}")
    before = int(box.ssh("until grep -qx 100 log 2>/dev/null; do sleep 0.1; done; sync; tail -1 log"))
    box.migrant("fork", "layered")
    assert sorted(box.layers()[0]["users"]) == ["layered", "second"]
    fork = box.migrant("ssh", "layered", "-c", f"cat /srv/tool/it mine; sudo dmesg | grep -ci 'ext4-fs error'; {FORK_IDENTITY}").stdout.splitlines()
    assert fork[:4] == ["works", "mine", "0", "layered"]
    assert not set(fork[3:]) & set(box.ssh(FORK_IDENTITY).splitlines())
    check_written(box.migrant("ssh", "layered", "-c", "cat log").stdout, before)
    check_written(box.ssh("cat log"), before)
    assert box.ssh("a=$(wc -l <log); until [ $(wc -l <log) -gt $a ]; do sleep 0.1; done; echo more") == "more\n"
    box.migrant("destroy", "-f", "layered")
    assert box.layers()[0]["users"] == ["second"]


# --- a layer that somebody has changed, and one that nobody needs


def test_a_layer_that_was_tampered_with_is_refused(world, box):
    volume = box.layers()[0]["volume"]
    world.host.run("touch", "-d", "2020-01-01", f"{POOL}/{volume}")
    world.host.run("virsh", "-q", "-c", "qemu:///system", "pool-refresh", "migrant")
    other = Sandbox(world, "third")
    said = other.migrant("plan")
    assert "is not used: it was changed since it was made" in said.stderr and "provision:" in said.stdout
    assert re.search("it is damaged: .*; keep the result as layer", said.stdout)
    verified = box.migrant("storage", "--verify", check=False)
    assert verified.returncode == 65 and "it was changed since it was made" in verified.stdout
    refused = box.migrant("reset", check=False)
    assert refused.returncode == 65 and box.status()["state"] == "running"  # before the guest is ended
    refused = box.migrant("fork", "fourth", check=False)
    assert refused.returncode == 65 and "the layer below the sandbox's disk is refused" in refused.stderr
    box.migrant("suspend")
    refused = box.migrant("resume", check=False)
    assert refused.returncode == 65 and box.status()["state"] == "saved"
    box.migrant("halt", "-f")
    refused = box.migrant("up", check=False)
    assert refused.returncode == 65 and "the layer below the sandbox's disk is refused" in refused.stderr
    assert box.status()["state"] == "shutoff"


def test_prune_takes_what_nobody_lies_over(first, box):
    kept = box.migrant("storage", "--prune", "-f")
    assert "no layer is without a user" in kept.stderr and len(box.layers()) == 1
    gone = box.migrant("destroy", "-f").stderr
    assert "layer" in gone
    first.lab.host.run("touch", f"{POOL}/layer-{'0' * 64}-{'0' * 16}.qcow2")  # as a killed `up` leaves one
    before = first.layers()
    dry = first.migrant("storage", "--prune", "--dry-run").stderr
    assert "nothing was deleted" in dry and first.layers() == before and "layer-" + "0" * 64 in dry
    assert "deleted layer" in first.migrant("storage", "--prune", "-f").stderr
    assert first.layers() == []
    assert first.lab.host.sh(f"ls {POOL} | grep -c layer- || true").stdout == "0\n"


def test_resize_and_reload_of_what_is_not_there(box):
    for command in ("resize", "reload"):
        refused = box.migrant(command, check=False)
        assert refused.returncode == 1 and "migrant up" in refused.stderr
