"""What a user may ask of root about shares, and what not."""

import json

import pytest

from conftest import IMAGES, MIB, Sandbox, descriptions, made, mounts, running, share


@pytest.fixture
def idle(lab):
    """A sandbox that does not run and has an image with a file."""
    with made(lab, "a", share(), share("ref", mode="ro")) as a:
        a.virtiofs.file("x", b"x")
    yield a
    a.helper("unmount", "a", check=False)


def failed(result, code, words=""):
    assert f"migrant-hook: [{code}]" in result.stderr and words in result.stderr, result.stderr
    return True


def test_mount_and_unmount(idle):
    answer = json.loads(idle.helper("mount", "a", input=idle.metadata()).stdout)
    assert answer == {"name": "a", "mounted": [idle.path(0), idle.path(1)]}
    assert idle.sh("cat x; echo y >y").stdout == "x"
    assert {p for p, _, _ in mounts(idle.lab)} == {idle.path(0), idle.path(1)}
    idle.helper("mount", "a", input=idle.metadata())  # once more is fine
    assert json.loads(idle.helper("unmount", "a").stdout) == {"name": "a", "left": []}
    assert mounts(idle.lab) == []
    assert json.loads(idle.helper("unmount", "a").stdout)["left"] == []


def test_up_after_mount(idle):
    idle.helper("mount", "a", input=idle.metadata())
    with made(idle.lab, "a", share(), share("ref", mode="ro")) as a:
        assert a.sh("cat x").stdout == "x"


def test_cleanup_takes_a_mount_along(idle):
    idle.helper("mount", "a", input=idle.metadata())
    assert json.loads(idle.helper("cleanup", "a").stdout)["left"] == []
    assert mounts(idle.lab) == []


def test_not_while_it_runs(lab):
    with running(lab) as a:
        for argv, given in ((["mount", "a"], a.metadata()), (["unmount", "a"], None), (["share-grow", "a"], a.metadata())):
            failed(a.helper(*argv, input=given, check=False), 1, "runs")
        identity = a.image().rsplit("/")[-1][:16]
        failed(a.helper("share-delete", identity, check=False), 75, "in use")
        assert a.sh("echo x >x; cat x").stdout == "x\n"


def test_other_users_get_nothing(idle):
    identity = idle.image().rsplit("/")[-1][:16]
    lab = idle.lab
    for argv, given in ((["mount", "a"], idle.metadata()), (["share-grow", "a"], idle.metadata()), (["share-adopt", identity], idle.metadata())):
        failed(idle.helper(*argv, user="other", input=given, check=False), 77, "belongs to another user")
    failed(idle.helper("share-delete", identity, user="other", check=False), 66)
    assert json.loads(idle.helper("share-list", user="other").stdout) == []
    # with metadata of one's own that names the other's directory
    own = idle.metadata().replace(f"<migrant:owner>{idle.uid}<", f"<migrant:owner>{int(lab.host.run('id', '-u', 'other').stdout)}<")
    failed(idle.helper("mount", "a", user="other", input=own, check=False), 77)
    failed(idle.helper("share-adopt", identity, user="other", input=own, check=False), 66)
    idle.helper("mount", "a", input=idle.metadata())
    for verb in ("unmount", "cleanup"):
        failed(idle.helper(verb, "a", user="other", check=False), 77, "another user")
    assert len(mounts(lab)) == 2
    assert [d["directory"] for d in descriptions(lab, idle.uid)] == [idle.directory] * 2


def test_list_and_delete(idle):
    found = json.loads(idle.helper("share-list").stdout)
    assert {(f["share"], f["directory"], f["sandbox"], f["size"], f["present"], f["in_use"]) for f in found} == \
        {("work", idle.directory, "a", 64 * MIB, True, False), ("ref", idle.directory, "a", 64 * MIB, True, False)}
    assert all(0 < f["allocated"] < 16 * MIB for f in found)
    assert json.loads(idle.lab.host.run("/usr/sbin/migrant-helper", "share-list").stdout) == found  # root sees everybody's
    for f in found:
        idle.helper("share-delete", f["id"])
    assert json.loads(idle.helper("share-list").stdout) == []
    assert idle.lab.host.sh(f"ls {IMAGES}/{idle.uid}").stdout == ""
    failed(idle.helper("share-delete", found[0]["id"], check=False), 66)


def test_grow(idle):
    grown = Sandbox(idle.lab, "a", share(size=128 * MIB))
    grown.helper("share-grow", "a", input=grown.metadata())
    assert {f["share"]: f["size"] for f in json.loads(idle.helper("share-list").stdout)} == {"work": 128 * MIB, "ref": 64 * MIB}
    failed(idle.helper("share-grow", "a", input=idle.metadata(), check=False), 78, "never made smaller")


@pytest.mark.parametrize("given", ["", "<x/>", "\0", "x" * (300 * 1024), "<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/shadow'>]><x>&e;</x>"], ids=range(5))
def test_bad_input(idle, given):
    for verb in ("mount", "share-grow", "share-adopt"):
        name = "a" if verb != "share-adopt" else "0123456789abcdef"
        failed(idle.helper(verb, name, input=given, check=False), 65)


@pytest.mark.parametrize("name", ["../a", "/etc/passwd", "", "-x", "A", "a\n"])
def test_bad_names(idle, name):
    for verb in ("mount", "unmount", "share-delete", "share-adopt"):
        failed(idle.helper(verb, name, input=idle.metadata(), check=False), 64)


def test_metadata_of_another_sandbox(idle):
    failed(idle.helper("mount", "b", input=idle.metadata(), check=False), 65, "the metadata is of a")


def test_from_another_mount_namespace(idle):
    """Who calls from a namespace of their own means the host's mounts."""
    idle.lab.host.run("unshare", "-m", "setpriv", "--reuid", "dev", "--regid", "dev", "--init-groups",
                      "/usr/sbin/migrant-helper", "mount", "a", input=idle.metadata())
    assert len(mounts(idle.lab)) == 2
