"""One sandbox and all the ways into it: by name, ssh, exec, tunnel, console, logs, and what its guest may say."""

import json

import pytest

MIGRANTFILE = "box: debian-12\ncpus: 1\nmemory: 768M\ndisk: 4G\n"
HOME = "/home/dev"
STATE, NO_PERMISSION = 1, 77


class Sandbox:
    def __init__(self, lab):
        self.lab = lab
        self.path = lab.project("access", MIGRANTFILE)

    def migrant(self, *argv, cwd=None, check=True, timeout=600, **options):
        return self.lab.migrant(*argv, cwd=cwd or self.path, check=check, timeout=timeout, **options)


@pytest.fixture(scope="module")
def box(world):
    sandbox = Sandbox(world)
    sandbox.migrant("up", timeout=900)
    yield sandbox
    sandbox.migrant("destroy", "-f", check=False)


# --- by name, from anywhere


def test_the_list_of_all_sandboxes(box):
    lines = box.migrant("global-status", cwd=HOME).stdout.splitlines()
    assert lines[0].split() == ["NAME", "STATE", "IP", "BOX", "DIRECTORY"]
    address = box.migrant("ip").stdout.strip()
    assert ["access", "running", address, "debian-12", box.path] in [line.split() for line in lines]
    mine = [entry for entry in json.loads(box.migrant("global-status", "--json", cwd=HOME).stdout)
            if entry["name"] == "access"]
    assert [(entry["state"], entry["ip"], entry["dir"], entry["problem"]) for entry in mine] == \
        [("running", address, box.path, None)]


def test_another_user_sees_and_touches_nothing_of_it(box):
    as_other = {"user": "other", "cwd": "/home/other"}
    result = box.migrant("global-status", **as_other)
    assert (result.stdout, "you have no sandboxes" in result.stderr) == ("", True)
    owners = {entry["name"]: entry["owner"] for entry in
              json.loads(box.migrant("global-status", "--all", "--json", **as_other).stdout)}
    assert owners["access"] == int(box.lab.host.run("id", "-u", "dev").stdout)
    for command in (["ssh", "access", "-c", "true"], ["halt", "access"], ["destroy", "-f", "access"],
                    ["status", "access"], ["ip", "access"]):
        result = box.migrant(*command, check=False, **as_other)
        assert result.returncode == NO_PERMISSION and "belongs to another user" in result.stderr, (command, result)


def test_a_name_does_from_anywhere_what_the_directory_does(box):
    assert box.migrant("ssh", "access", "-c", "hostname; exit 7", cwd=HOME, check=False).stdout == "access\n"
    assert box.migrant("ssh", "access", "--", "hostname", cwd=HOME).stdout == "access\n"
    assert box.migrant("ip", "access", cwd=HOME).stdout == box.migrant("ip").stdout
    assert json.loads(box.migrant("status", "access", "--json", cwd=HOME).stdout) == \
        json.loads(box.migrant("status", "--json").stdout)


def test_a_name_that_is_none(box):
    result = box.migrant("status", "acess", cwd=HOME, check=False)
    assert result.returncode == STATE, result
    assert result.stderr == "error: there is no sandbox 'acess'\nhint: did you mean 'access'?\n"
    result = box.migrant("ssh", "uname", check=False)
    assert (result.returncode, result.stderr) == (
        STATE, "error: there is no sandbox 'uname'\n"
               "hint: a command goes with -c; 'migrant global-status' lists sandboxes\n")


def test_a_sandbox_whose_directory_has_gone(box):
    """Moved away, broken, or another's by now: it is still reached by its name."""
    box.lab.host.run("mv", box.path, box.path + "-moved")
    try:
        assert box.migrant("ssh", "access", "-c", "hostname", cwd=HOME).stdout == "access\n"
        status = json.loads(box.migrant("status", "access", "--json", cwd=HOME).stdout)
        assert (status["state"], status["dir"], status["drift"], status["notes"]) == ("running", box.path, [], [])
        box.lab.project("access", "name: another\n")
        assert json.loads(box.migrant("status", "access", "--json", cwd=HOME).stdout)["name"] == "access"
        box.lab.host.run("rm", "-r", box.path)
    finally:
        box.lab.host.run("mv", box.path + "-moved", box.path)
