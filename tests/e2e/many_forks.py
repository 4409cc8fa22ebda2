"""Ten forks at once of a sandbox that is at work. Takes some ten minutes and 8 GiB on two cores without KVM, so nothing runs it by itself:
see docs/testing.md."""

import json
import os
import signal
import subprocess

import pytest

from forked import IDENTITY, WRITER, check_written
from test_snapshots import POOL, VIRSH, Sandbox

COUNT = int(os.environ.get("MIGRANT_FORKS", "10"))
NAMES = [f"try-{i + 1}" for i in range(COUNT)]


@pytest.fixture(scope="module")
def box(world):
    sandbox = Sandbox(world, "many")
    sandbox.migrant("up")
    sandbox.ssh(WRITER)
    yield sandbox
    for name in [*NAMES, "stop-1", "stop-2", "stop-3"]:
        sandbox.migrant("destroy", "-f", name, check=False)
    sandbox.migrant("destroy", "-f", check=False)


def domains(box):
    return set(box.lab.host.run(*VIRSH, "list", "--all", "--name").stdout.split())


def test_the_host_must_hold_them(box):
    status, said = box.refused("fork", "try", "-n", "64")
    assert status == 69 and "64 forks take 53248 MiB of memory" in said and "hint: it has room for" in said
    assert domains(box) == {"migrant-many"}


def test_all_come_up(box):
    before = int(box.ssh("sync; tail -1 log"))
    said = box.migrant("fork", "try", "-n", str(COUNT), timeout=3600).stderr
    print(said)
    assert f"up, {COUNT} of {COUNT}" in said
    found = {}
    for name in NAMES:
        found[name] = box.migrant("ssh", name, "-c", IDENTITY).stdout.splitlines()
        assert found[name][0] == name
        check_written(box.migrant("ssh", name, "-c", "cat log").stdout, before)
        status = json.loads(box.migrant("status", name, "--json").stdout)
        assert (status["state"], status["drift"]) == ("running", [])
    for i in range(1, len(found[NAMES[0]])):
        assert len({f[i] for f in found.values()}) == COUNT, found
    check_written(box.ssh("cat log"), before)


def test_what_is_not_up_is_taken_away_when_the_user_interrupts(box):
    """After the first one is up and while others boot."""
    process = box.lab.host.spawn("migrant", "fork", "stop", "-n", "3", user="dev", cwd=box.path, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.PIPE, text=True)
    said = []
    for line in process.stderr:
        said.append(line)
        if "up, 1 of 3" in line:
            pids = box.lab.host.run("pgrep", "-x", "migrant").stdout.split()
            box.lab.host.run("kill", f"-{signal.SIGINT.value}", *pids)
    assert process.wait(timeout=600) == 130, said
    first = next(line for line in said if "up, 1 of 3" in line).split()[1].rstrip(":")
    assert {d for d in domains(box) if "-stop-" in d} == {f"migrant-{first}"}
    assert box.migrant("ssh", first, "-c", "hostname").stdout == f"{first}\n"
    box.migrant("destroy", "-f", first)


def test_nothing_stays(box):
    uuid = box.lab.host.run(*VIRSH, "domuuid", box.domain).stdout.strip()
    box.migrant("destroy", "-f")
    for name in NAMES:
        box.migrant("destroy", "-f", name)
    assert domains(box) == set()
    assert uuid not in box.lab.host.run("ls", POOL).stdout
