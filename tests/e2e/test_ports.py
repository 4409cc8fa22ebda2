"""Ports that cannot be taken: `up` and `plan` say so with the place, before anything is made. No guest is started."""

import pytest

from lab import differences

HOLDER = "import socket,sys\ns=socket.create_server((sys.argv[1],int(sys.argv[2])))\nprint('ready',flush=True)\nsys.stdin.read()"


@pytest.fixture
def project(world):
    def make(ports):
        return world.project("ports", f"box: debian-12\nname: ports\nnetwork:\n  ports:\n{ports}")
    yield make
    world.host.run("rm", "-rf", "/home/dev/ports")


@pytest.mark.parametrize("port, place, message, hint", [
    ('    - "8093:80"\n    - 127.0.0.1:8094:80\n', "5:7", "cannot listen on port 8093 of 127.0.0.1", "another port"),
    ('    - "8094:80"\n    - 0.0.0.0:8093:80\n', "6:7", "cannot listen on port 8093 of 0.0.0.0", "another port"),
    ('    - "80:80"\n', "5:7", "cannot listen on port 80 of 127.0.0.1", "1024"),
    ('    - "203.0.113.9:8094:80"\n', "5:7", "the host has no address 203.0.113.9", "127.0.0.1"),
], ids=["taken", "taken elsewhere", "of root", "no address"])
def test_a_port_that_cannot_be_taken(world, project, port, place, message, hint):
    before = world.snapshot()
    path = project(port)
    holder = world.host.spawn("/usr/bin/python3", "-c", HOLDER, "127.0.0.1", 8093, stdin=-1, stdout=-1, text=True)
    try:
        assert holder.stdout.readline() == "ready\n"
        for command in ("plan", "up"):
            result = world.migrant(command, cwd=path, check=False)
            assert result.returncode == 78, result.stderr
            assert f"Migrantfile:{place}: error: {message}" in result.stderr and hint in result.stderr, result.stderr
    finally:
        holder.stdin.close()
        holder.wait(10)
    assert world.host.run("virsh", "-q", "-c", "qemu:///system", "list", "--all", "--name").stdout.strip() == ""
    assert "\n".join(l for l in differences(before, world.snapshot()).splitlines() if not l.startswith("loop")) == ""


def test_a_free_port_is_planned(world, project):
    path = project('    - "8094:80"\n')
    assert world.migrant("plan", cwd=path).returncode == 0
