"""A guest of a kernel, busybox and an SSH server, for places where a whole Debian takes too long to boot."""

import pathlib
import subprocess

from first_box import cpio, modules

HERE = pathlib.Path(__file__).resolve().parent
# What tiny.sh needs of the box's kernel.
MODULES = [f"kernel/{name}.ko" for name in (
    "drivers/virtio/virtio_pci", "drivers/block/virtio_blk", "drivers/net/virtio_net", "drivers/char/virtio_console",
    "fs/isofs/isofs")]


def initrd(box_files, scratch):
    """The bytes of an initrd that makes a tiny guest of the box."""
    image = scratch / "box.raw"
    subprocess.run(["qemu-img", "convert", "-O", "raw", next(box_files.glob("base-*.qcow2")), image], check=True)
    files = {name: None for name in ("bin", "dev", "modules", "proc", "root", "seed", "sys")}
    files |= {"init": (HERE / "tiny.sh").read_bytes(), "bin/busybox": pathlib.Path("/bin/busybox").read_bytes()}
    for number, (name, data) in enumerate(modules(image, MODULES)):
        files[f"modules/{number:02}-{name}"] = data
    image.unlink()
    return cpio(files)
