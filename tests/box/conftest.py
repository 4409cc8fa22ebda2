"""A libvirtd of its own with the pool `migrant`, shared by the tests of this directory."""

import pytest

from lab import Lab

POOL = "/var/lib/libvirt/images/migrant"


@pytest.fixture(scope="session")
def host(build):
    """The lab's host with libvirtd, the users and the pool on a small file system of its own."""
    with Lab() as lab:
        lab.add_users()
        lab.configure_libvirt()
        lab.start_libvirtd()
        host = lab.host
        host.sh(f"""
            mkdir -p {POOL}
            mount -t tmpfs -o size=64M,mode=0711 tmpfs {POOL}
            virsh -q -c qemu:///system pool-define-as migrant dir --target {POOL}
            virsh -q -c qemu:///system pool-start migrant
            """)
        host.run("cmake", "--install", build, "--prefix", "/usr/local")
        for tool in ("pooltool", "layertool"):
            host.run("install", build / "tests" / tool, f"/usr/local/bin/{tool}")
        host.run("install", build / "tests/libmortal.so", "/usr/local/lib/libmortal.so")
        host.lab = lab
        yield host
