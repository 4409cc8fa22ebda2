"""Shared by rings 2 and 3: where the build is, and that nothing is skipped where all must work."""

import os
import pathlib
import sys

import pytest

TESTS = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(TESTS / "lab"))


def must_work():
    return os.environ.get("MIGRANT_MUST_WORK") == "1"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Under MIGRANT_MUST_WORK=1 a skipped test is a failed one."""
    outcome = yield
    report = outcome.get_result()
    if report.skipped and must_work() and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped where everything must work: {report.longrepr}"


@pytest.fixture(scope="session")
def build():
    """The build directory whose programs are tested: $MIGRANT_BUILD, or build-dev."""
    path = pathlib.Path(os.environ.get("MIGRANT_BUILD", TESTS.parent / "build-dev"))
    assert (path / "migrant").exists(), f"{path} holds no build: cmake --preset dev && cmake --build --preset dev"
    return path
