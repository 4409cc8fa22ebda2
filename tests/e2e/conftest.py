"""Ring 3: real guests. One debian-12 box, built once and kept beside the build; one host for the session."""

import pytest

from lab import Lab

POOL = "/var/lib/libvirt/images/migrant"


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
