"""Ring 3: real guests. One debian-12 box, built once and kept beside the build; one host for the session."""

import hashlib
import os
import pathlib
import shutil

import pytest

from lab import SOURCE, Lab

POOL = "/var/lib/libvirt/images/migrant"
BOX = "debian-12"


def recipe_key():
    """Changes when anything does that the box is made from."""
    digest = hashlib.sha256()
    recipe = [SOURCE / f"boxes/{BOX}.yaml", *sorted((SOURCE / "boxes" / BOX).glob("**/*"))]
    for path in recipe:
        if path.is_file():
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


@pytest.fixture(scope="session")
def box_files(build):
    """A directory with the pool's volumes of the built box, made by `migrant box build` itself."""
    cache = build / "box-cache" / recipe_key()
    if (cache / "complete").exists():
        return cache
    shutil.rmtree(cache, ignore_errors=True)
    cache.mkdir(parents=True)
    with Lab(online=True) as lab:
        lab.install(build)
        lab.host.run("migrant", "box", "build", BOX, user="dev", cwd="/home/dev", timeout=1200)
        pool = pathlib.Path(f"/proc/{lab.host.pid}/root{POOL}")
        for volume in pool.iterdir():
            shutil.copy2(volume, cache / volume.name)
            os.chown(cache / volume.name, volume.stat().st_uid, volume.stat().st_gid)
    (cache / "complete").touch()
    return cache


def fill_pool(lab, box_files):
    """Puts the box's volumes into a host's pool, as root would from a backup."""
    for volume in box_files.iterdir():
        if volume.name != "complete":
            lab.host.run("cp", "-p", "--reflink=auto", volume, f"{POOL}/{volume.name}")
    lab.host.run("virsh", "-q", "-c", "qemu:///system", "pool-refresh", "migrant")


@pytest.fixture(scope="session")
def world(build, box_files):
    """The lab with migrant set up and the box in its pool; DNS and HTTP in the Internet and the LAN."""
    with Lab() as lab:
        lab.install(build)
        fill_pool(lab, box_files)
        lab.serve_dns({"private.test": "192.168.1.50", "loop.test": "127.0.0.1"})
        lab.serve_http()
        lab.serve_http(lab.lan)
        yield lab
