"""A sandbox comes, works and goes without a trace."""

from conftest import Sandbox, running
from lab import WEB, differences


def test_nothing_is_left(lab):
    before = lab.snapshot()
    with running(lab) as sandbox:
        assert sandbox.guest.run("curl", "-sSm5", f"http://{WEB}/").stdout == "5.9.1.2\n"
        assert differences(before, lab.snapshot())
    assert differences(before, lab.snapshot()) == ""


def test_failed_start_leaves_nothing(lab):
    before = lab.snapshot()
    sandbox = Sandbox(lab, "a")
    sandbox.hook("prepare")
    sandbox.hook("stopped", "end")
    sandbox.hook("release", "end")
    sandbox.hook("release", "end")
    assert differences(before, lab.snapshot()) == ""
