"""Shared by rings 2 and 3: where the build is, and that nothing is skipped where all must work."""

import fcntl
import hashlib
import os
import pathlib
import shutil
import sys

import pytest

TESTS = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(TESTS / "lab"))
from lab import Lab

POOL = "/var/lib/libvirt/images/migrant"
BOXES = TESTS.parent / "boxes"
BOX = BOXES / "debian-12.yaml"


def must_work():
    return os.environ.get("MIGRANT_MUST_WORK") == "1"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Under MIGRANT_MUST_WORK=1 a skipped test is a failed one. A failed one shows what the guests said."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        report.sections += [("logs of the lab's host", text) for text in map(Lab.evidence, Lab.running) if text]
    if report.skipped and must_work() and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped where everything must work: {report.longrepr}"


@pytest.fixture(scope="session")
def build():
    """The build directory whose programs are tested: $MIGRANT_BUILD, or build-dev."""
    path = pathlib.Path(os.environ.get("MIGRANT_BUILD", TESTS.parent / "build-dev"))
    assert (path / "migrant").exists(), f"{path} holds no build: cmake --preset dev && cmake --build --preset dev"
    return path


def recipe_key(description=BOX):
    """Changes when anything does that the box is made from."""
    digest = hashlib.sha256()
    recipe = [description, BOXES / "image.sh", *sorted(description.with_suffix("").glob("**/*"))]
    for path in recipe:
        if path.is_file():
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


@pytest.fixture(scope="session")
def box_files(build):
    """A directory with the pool's volumes of the built box; of several sessions at once, one builds it."""
    (build / "box-cache").mkdir(exist_ok=True)
    with open(build / "box-cache/lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return built_box(build, build / "box-cache" / recipe_key())


def built_box(build, cache, description=BOX):
    """Fills @cache with what `migrant box build` itself makes, unless it is there."""
    from lab import Lab

    if (cache / "complete").exists():
        return cache
    shutil.rmtree(cache, ignore_errors=True)
    cache.mkdir(parents=True)
    with Lab(online=True) as lab:
        lab.install(build)
        lab.host.run("cp", "-r", description, description.with_suffix(""), "/home/dev")
        lab.host.run("migrant", "box", "build", f"./{description.name}", user="dev", cwd="/home/dev", timeout=1200)
        pool = pathlib.Path(f"/proc/{lab.host.pid}/root{POOL}")
        for volume in pool.iterdir():
            shutil.copy2(volume, cache / volume.name)
            os.chown(cache / volume.name, volume.stat().st_uid, volume.stat().st_gid)
    (cache / "complete").touch()
    return cache
