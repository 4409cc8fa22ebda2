"""The box's initrd with a probe in front, which runs before anything else of the guest: see tests/probe/first.c."""

import pathlib
import re
import subprocess

NIC_MODULES = ("kernel/drivers/virtio/virtio_pci.ko", "kernel/drivers/net/virtio_net.ko")


def cpio(files):
    """An archive (the kernel's buffer-format, "newc") of {path: bytes}; a path without bytes is a directory."""
    archive = bytearray()

    def add(name, data, mode):
        name = name.encode() + b"\0"
        fields = [len(archive) + 1, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0]
        archive.extend(b"070701" + b"".join(b"%08x" % f for f in fields) + name)
        archive.extend(b"\0" * (-len(archive) % 4))
        archive.extend(data)
        archive.extend(b"\0" * (-len(archive) % 4))

    for name, data in files.items():
        add(name, data or b"", 0o40755 if data is None else 0o100755)
    add("TRAILER!!!", b"", 0)
    return bytes(archive) + b"\0" * (-len(archive) % 512)


def debugfs(image, command):
    return subprocess.run(["debugfs", "-R", command, image], capture_output=True, check=True).stdout


def modules(image, wanted):
    """Modules of the box's kernel and what they need, in the order in which they are loaded: [(name, bytes)]."""
    versions = re.findall(r"/([^/]+-amd64)/", debugfs(image, "ls -p /lib/modules").decode())
    root = f"/lib/modules/{versions[0]}"
    needs = dict(line.split(":") for line in debugfs(image, f"cat {root}/modules.dep").decode().splitlines())
    paths = []
    for module in wanted:
        # The last ones are needed by those before them.
        paths += [p for p in (module, *needs[module].split())[::-1] if p not in paths]
    return [(pathlib.Path(p).name, debugfs(image, f"cat {root}/{p}")) for p in paths]


def initrd(build, box_files, scratch, targets):
    """The bytes of the archive."""
    image = scratch / "box.raw"
    disk = next(box_files.glob("base-*.qcow2"))
    subprocess.run(["qemu-img", "convert", "-O", "raw", disk, image], check=True)
    files = {"first": None, "first/modules": None,
             "first/init": (build / "tests/first").read_bytes(), "first/probe": (build / "tests/probe").read_bytes(),
             "first/targets": "".join(t + "\n" for t in targets).encode()}
    for number, (name, data) in enumerate(modules(image, NIC_MODULES)):
        files[f"first/modules/{number:02}-{name}"] = data
    image.unlink()
    return cpio(files) + next(box_files.glob("initrd-*")).read_bytes()
