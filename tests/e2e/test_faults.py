"""What goes wrong around `up` and `destroy`: one clear error, the right exit code, nothing left, and then it works."""

import random
import re
import signal
import threading
import time

import pytest

from booted import MORTAL, goes_on, stopped
from conftest import POOL
from lab import Lab
from never_boots import (NEVER_BOOTS, VIRSH, WITHOUT_SHARES, Project, assert_nothing_left, assert_refused, cut_off, errors, kill,
                         leave_free, with_small_pool)

HOOK = "/usr/sbin/migrant-hook"
BOOTS = "memory: 768M\ncpus: 1\ndisk: 4G\n"
PLAYBOOK = "- {hosts: all, gather_facts: false, tasks: [{raw: 'true'}]}\n"


@pytest.fixture(scope="module")
def lab(build, box_files):
    with Lab() as lab:
        with_small_pool(lab, build, box_files)
        yield lab


@pytest.fixture
def before(lab):
    return lab.snapshot()


# -- refused before anything is made -------------------------------------------------------------------


def test_no_libvirtd(lab, before):
    project = Project(lab, "nodaemon")
    lab.stop_libvirtd()
    try:
        for command in ("up", "status", "halt", "plan"):
            assert_refused(project.migrant(command), 69, "libvirt")
    finally:
        lab.start_libvirtd()
    assert_nothing_left(lab, before)


def test_a_user_outside_the_group(lab, before):
    project = Project(lab, "outside", user="outsider")
    assert_refused(project.migrant("up"), 77, "usermod -aG libvirt")
    assert_nothing_left(lab, before)


def test_no_such_box(lab, before):
    project = Project(lab, "nobox", "box: debian-99\n")
    result = project.migrant("up")
    assert result.returncode in (66, 78) and len(errors(result)) <= 1
    assert "debian-99" in result.stderr
    assert_nothing_left(lab, before)


def test_more_memory_than_the_host_has(lab, before):
    assert_refused(Project(lab, "huge", "memory: 4T\n").migrant("up"), 69, "memory")
    assert_nothing_left(lab, before)


def test_kvm_by_name_where_it_does_not_work(lab, before):
    result = Project(lab, "kvm", NEVER_BOOTS + "accel: kvm\n").migrant("up", "--timeout", "10")
    if result.returncode == 75:
        pytest.skip("KVM works here")
    assert_refused(result, 69, "KVM does not work here", "accel: auto")
    assert_nothing_left(lab, before)


def test_the_disk_is_full_beforehand(lab, before):
    project = Project(lab, "full")
    leave_free(lab, 100)
    try:
        assert_refused(project.migrant("up"), 74, "free")
    finally:
        leave_free(lab, 900)
    assert_nothing_left(lab, before)


def test_the_disk_fills_up_while_the_sandbox_is_made(lab, before):
    """The kernel that is stored first takes the last room; the preflight could not know."""
    project = Project(lab, "filling", NEVER_BOOTS)
    lab.host.run("truncate", "-s", "1000M", f"{project.path}/bzImage")
    assert_refused(project.migrant("up"), 74, "No space left")
    assert_nothing_left(lab, before)


# -- the hook ----------------------------------------------------------------------------------------------


def with_hook(lab, script):
    lab.host.run("mv", HOOK, HOOK + ".real")
    if script is not None:
        lab.host.sh(f"cat >{HOOK}; chmod 755 {HOOK}", input=script)


def put_hook_back(lab):
    lab.host.run("mv", "-f", HOOK + ".real", HOOK)


@pytest.mark.parametrize("script, code, words", [
    (None, 69, ["not installed", "sudo migrant setup"]),
    ("#!/bin/sh\n[ \"$1\" = --version ] && echo migrant-hook 0.0.1\nexit 0\n", 69, ["older", "sudo migrant setup"]),
    ("#!/bin/sh\nexit 0\n", 70, []),
    ("#!/bin/sh\necho 'migrant-hook: [77] it says no (hint: ask it)' >&2\nexit 1\n", 77, ["it says no", "ask it"]),
    ("#!/bin/sh\necho 'something else went wrong' >&2\nexit 1\n", 70, ["something else went wrong"]),
], ids=["missing", "older", "does nothing", "refuses", "fails"])
def test_hooks(lab, before, script, code, words):
    project = Project(lab, "hook")
    with_hook(lab, script)
    try:
        assert_refused(project.migrant("up", "--timeout", "10"), code, *words)
    finally:
        put_hook_back(lab)
    assert_nothing_left(lab, before)


def test_a_hook_that_makes_a_tap_and_nothing_else(lab, before):
    """libvirt is content with it; without root's record the guest does not run."""
    project = Project(lab, "tap", WITHOUT_SHARES)  # for virtiofsd would not start without root's record either
    with_hook(lab, """#!/bin/sh
tap=mgt$(sed -n 's/.*<uuid>\\([0-9a-f]\\{8\\}\\).*/\\1/p' | head -1)
case $2 in
prepare) ip tuntap add "$tap" mode tap;;
release) ip link del "$tap";;
esac
exit 0
""")
    try:
        assert_refused(project.migrant("up", "--timeout", "10"), 70, "not let run")
    finally:
        put_hook_back(lab)
    assert_nothing_left(lab, before)


def test_a_hook_that_libvirt_has_not_looked_for(lab, before):
    """libvirtd looks for hooks when it starts; what is linked afterwards it would never call."""
    project = Project(lab, "unseen")
    link = "/etc/libvirt/hooks/qemu.d/migrant"
    lab.host.run("mv", link, link + ".away")
    try:
        assert_refused(project.migrant("up"), 69, "not known to libvirt's daemon", "sudo migrant setup")
        lab.host.run("mv", link + ".away", link)
        assert_refused(project.migrant("up"), 69, "not known to libvirt's daemon", "sudo migrant setup")
    finally:
        lab.host.run("migrant", "setup")
    assert_refused(project.migrant("up", "--timeout", "1"), 75)  # it is started now
    project.migrant("destroy", "-f")
    assert_nothing_left(lab, before)


# -- names -------------------------------------------------------------------------------------------------


def test_a_name_that_a_foreign_domain_has(lab, before):
    project = Project(lab, "foreign")
    lab.host.run("tee", "/tmp/foreign.xml", input="<domain type='qemu'><name>migrant-foreign</name><memory>65536</memory>"
                 "<os><type>hvm</type></os></domain>")
    lab.host.run(*VIRSH, "define", "/tmp/foreign.xml")
    try:
        for command in (["up"], ["halt"], ["destroy", "-f"], ["status"], ["ssh"]):
            assert_refused(project.migrant(*command), 73, "not made")
        assert "migrant-foreign" in lab.host.run(*VIRSH, "list", "--all", "--name").stdout
    finally:
        lab.host.run(*VIRSH, "undefine", "migrant-foreign")
    assert_nothing_left(lab, before)


def test_a_name_that_somebody_else_has(lab, before):
    mine = Project(lab, "shared")
    cut_off(mine)
    other_user = Project(lab, "shared", user="other")
    for command in (["up"], ["halt", "-f"], ["destroy", "-f"], ["status"]):
        assert_refused(other_user.migrant(*command), 77, "another user")
    other_directory = Project(lab, "elsewhere", "name: shared\n" + NEVER_BOOTS)
    for command in (["up"], ["destroy", "-f"]):
        assert_refused(other_directory.migrant(*command), 73, mine.path)
    assert mine.state() == "running"
    assert mine.migrant("destroy", "-f").returncode == 0
    assert_nothing_left(lab, before)


def test_two_directories_race_for_one_name(lab, before):
    projects = [Project(lab, f"race{i}", "name: race\n" + NEVER_BOOTS) for i in range(2)]
    results = [p.spawn("up", "--timeout", "8") for p in projects]
    codes = sorted((r.communicate(timeout=120)[0], r.returncode)[1] for r in results)
    assert codes[-1] == 75 and codes[0] in (73, 75)  # 75 twice: the one came after the other had gone
    assert_nothing_left(lab, before)


# -- at once -----------------------------------------------------------------------------------------------


def test_up_twice_at_once(lab, before):
    project = Project(lab, "twice")
    ups = [project.spawn("up", "--timeout", "12") for _ in range(2)]
    outputs = [u.communicate(timeout=120)[0] for u in ups]
    assert [u.returncode for u in ups] == [75, 75]
    assert sum("waiting for it" in o for o in outputs) == 1
    assert_nothing_left(lab, before)


def test_many_ups_at_once(lab, before):
    """All get to where a guest is waited for, each with a network and a share of its own; what all of them change holds them up, not wrong."""
    projects = [Project(lab, f"many{i}") for i in range(6)]
    ups = [p.spawn("up", "--timeout", "3") for p in projects]
    outputs = [u.communicate(timeout=300)[0] for u in ups]
    assert [u.returncode for u in ups] == [75] * len(ups), outputs
    assert all(re.findall("^error: .*", o, re.M) == ["error: the guest did not come up within 3 s"] for o in outputs), outputs
    assert_nothing_left(lab, before)


def test_up_and_destroy_at_once(lab, before):
    project = Project(lab, "both")
    up = project.spawn("up", "--timeout", "10")
    time.sleep(1.5)
    destroyed = project.migrant("destroy", "-f")
    output = up.communicate(timeout=120)[0]
    assert up.returncode == 75, output
    assert destroyed.returncode == 0
    assert_nothing_left(lab, before)


def test_a_lock_that_stays_taken(lab, before):
    project = Project(lab, "locked")
    holder = lab.host.spawn("flock", project.path, "sh", "-c", "echo held; exec sleep 60", user="dev", stdout=-1, text=True)
    assert holder.stdout.readline() == "held\n"
    try:
        assert_refused(project.migrant("up", "--timeout", "2"), 75, "another migrant")
    finally:
        kill(holder, signal.SIGTERM)
        holder.wait()
    assert_nothing_left(lab, before)


# -- a guest that does not come ----------------------------------------------------------------------------


def test_a_guest_that_never_boots(lab, before):
    project = Project(lab, "never")
    result = project.migrant("up", "--timeout", "30")
    assert_refused(result, 75, "did not come up within 30 s", "Kernel panic")
    assert "\x1b" not in result.stderr and "\r" not in result.stderr
    assert_nothing_left(lab, before)


def test_a_guest_whose_qemu_dies(lab, before):
    project = Project(lab, "dies")
    up = project.spawn("up", "--timeout", "60")
    for text in up.stdout:
        if "waiting for the guest" in text:
            break
    time.sleep(2)
    lab.host.sh("kill -9 $(cat /run/libvirt/qemu/migrant-dies.pid)")
    output = up.communicate(timeout=60)[0]
    assert up.returncode == 70 and "stopped before it was up" in output
    assert_nothing_left(lab, before)


def test_a_daemon_that_dies_while_we_wait(lab, before):
    project = Project(lab, "daemon")
    up = project.spawn("up", "--timeout", "60")
    for text in up.stdout:
        if "waiting for the guest" in text:
            break
    time.sleep(1)
    lab.stop_libvirtd("KILL")
    output = up.communicate(timeout=60)[0]
    assert up.returncode == 69 and "went away" in output
    lab.start_libvirtd()
    assert project.migrant("destroy", "-f").returncode == 0
    assert_nothing_left(lab, before)


# -- cut off -----------------------------------------------------------------------------------------------


LINES = ["making the sandbox", "starting the guest", "waiting for the guest"]


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["INT", "TERM"])
@pytest.mark.parametrize("line", LINES)
def test_a_signal_undoes_everything(lab, before, line, number, code):
    project = Project(lab, "signal")
    up = project.spawn("up")
    for text in up.stdout:
        if line in text:
            break
    kill(up, number)
    kill(up, number)  # impatience does not skip the undoing
    output = up.communicate(timeout=60)[0]
    assert up.returncode == code, output
    assert "interrupted" in output
    assert_nothing_left(lab, before)


def test_kill_9_at_any_moment_is_repaired_by_destroy(lab, before):
    project = Project(lab, "killed")
    moments = random.Random(2)
    for _ in range(10):
        cut_off(project, moments.uniform(0, 2.5), line=None)
        result = project.migrant("destroy", "-f")
        assert result.returncode == 0, result.stderr
        assert_nothing_left(lab, before)


def test_kill_9_at_any_moment_is_repaired_by_up(lab, before):
    project = Project(lab, "again")
    moments = random.Random(3)
    for _ in range(4):
        cut_off(project, moments.uniform(0, 2.5), line=None)
        result = project.migrant("up", "--timeout", "5")
        assert_refused(result, 75, "did not come up")
        assert_nothing_left(lab, before)


def test_halt_of_what_never_booted(lab, before):
    project = Project(lab, "half")
    cut_off(project)
    assert project.migrant("halt").returncode == 0
    assert project.state() == "shutoff"
    assert project.migrant("destroy", "-f").returncode == 0
    assert_nothing_left(lab, before)


def test_destroy_of_what_is_half_there(lab, before):
    """Volumes gone, domain undefined by hand while it ran: whatever is left goes."""
    project = Project(lab, "parts")
    cut_off(project)
    lab.host.sh(f"rm -f {POOL}/disk-*-* {POOL}/seed-*")
    assert project.migrant("destroy", "-f").returncode == 0
    assert_nothing_left(lab, before)


def test_a_hook_that_is_killed_leaves_what_destroy_takes_away(lab, before):
    """Namespace and record without a domain, as after a power cut in the middle of `release`."""
    project = Project(lab, "orphan")
    cut_off(project)
    lab.host.run("mv", HOOK, HOOK + ".real")
    try:
        lab.host.sh(f"printf '#!/bin/sh\\nexit 0\\n' >{HOOK}; chmod 755 {HOOK}")
        lab.host.run(*VIRSH, "destroy", "migrant-orphan")
    finally:
        put_hook_back(lab)
    assert "migrant-orphan" in lab.host.run("ls", "/run/netns").stdout
    result = project.migrant("destroy", "-f")
    assert result.returncode == 0, result.stderr
    assert_nothing_left(lab, before)


# -- a QEMU that hangs -------------------------------------------------------------------------------------


@pytest.fixture
def hung(lab, before):
    """A sandbox that counts as booted, whose QEMU stands still: libvirt waits for it without a limit."""
    project = Project(lab, "hung", WITHOUT_SHARES)
    cut_off(project)
    lab.host.sh("""virsh -q -c qemu:///system dumpxml --inactive migrant-hung >/tmp/hung.xml
                   sed -i 's,</migrant:sandbox>,<migrant:booted>yes</migrant:booted>&,' /tmp/hung.xml; grep -q booted /tmp/hung.xml
                   virsh -q -c qemu:///system define /tmp/hung.xml
                   kill -STOP $(cat /run/libvirt/qemu/migrant-hung.pid)""")
    return project


def test_commands_end_although_qemu_hangs(lab, before, hung):
    """With a word on it, by themselves, and `halt` turns it off although others wait for it."""
    suspend = hung.spawn("suspend")
    assert any("saving the guest's memory" in line for line in suspend.stdout)
    started = {"status": hung.spawn("status"), "panic": hung.spawn("panic"), "suspend": suspend}
    assert "running" in hung.migrant("global-status").stdout
    for name, words, codes in (("status", "its QEMU has not answered for 10 s; 'migrant halt -f' turns the sandbox off", (0, 70)),
                               ("panic", "hung: cannot pause it: its QEMU has not answered for 10 s", (70,)),
                               ("suspend", "its QEMU has not answered for 15 s", (75,))):
        output = started[name].communicate(timeout=300)[0]
        assert words in output and started[name].returncode in codes, (name, output)
    assert_refused(hung.migrant("up"), 75, "its QEMU has not answered for 15 s")
    result = hung.migrant("halt", "--timeout", "1")
    assert result.returncode == 0 and "it does not within 1 s; turning it off" in result.stderr
    assert hung.state() == "shutoff"
    assert hung.migrant("destroy", "-f").returncode == 0
    assert_nothing_left(lab, before)


# -- a guest that boots ------------------------------------------------------------------------------------


@pytest.fixture
def busy(build, lab, before):
    """A guest that was provisioned, and there was no room to keep it as a layer."""
    project = Project(lab, "busy", BOOTS)
    lab.host.run("install", build / "tests/libmortal.so", MORTAL)
    lab.host.run("tee", f"{project.path}/playbook.yml", user="dev", input=PLAYBOOK)
    process = stopped(project, "virDomainSuspend", "up", seconds=900)
    leave_free(lab, 30)
    project.up = goes_on(process)
    return project


def test_there_is_no_room_for_a_layer_and_then_none_for_the_running_guest(lab, before, busy):
    status, said = busy.up
    assert status == 0 and "warning: no layer is kept: " in said and said.splitlines()[-1].startswith("==> busy: up"), said
    assert "No space left on device" in said and "layer-" not in lab.host.run("ls", POOL).stdout
    leave_free(lab, 700)
    project = busy
    writer = threading.Thread(target=project.migrant, daemon=True, args=(
        "ssh", "-c", "dd if=/dev/zero of=big bs=1M count=1500 && sync && echo ended >done"), kwargs={"timeout": 900})
    writer.start()
    until = time.monotonic() + 300
    while project.state() != "paused" and time.monotonic() < until:
        time.sleep(1)
    assert project.state() == "paused"
    assert_refused(project.migrant("up"), 74, "cannot write its disk")
    lab.host.run("rm", f"{POOL}/filler")
    assert project.migrant("up").returncode == 0
    until = time.monotonic() + 300
    while project.migrant("ssh", "-c", "cat done").stdout != "ended\n" and time.monotonic() < until:
        time.sleep(2)
    assert project.migrant("ssh", "-c", "stat -c %s big").stdout == f"{1500 << 20}\n"
    writer.join(60)
    assert not writer.is_alive()
    assert project.migrant("destroy", "-f").returncode == 0
    assert_nothing_left(lab, before)
