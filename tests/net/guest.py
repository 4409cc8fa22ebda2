"""Plays QEMU and the guest behind it: holds a sandbox's tap open and moves frames to a namespace.

    guest.py TAP NETNS: opens TAP in the namespace it is started in, as QEMU does, then makes the guest's
    NIC `eth0` in NETNS and copies frames between the two until it is killed. Prints "open" when done.
"""

import ctypes
import fcntl
import os
import select
import struct
import sys

TUNSETIFF = 0x400454CA
SIOCSIFHWADDR = 0x8924
IFF_TAP, IFF_NO_PI = 2, 0x1000
CLONE_NEWNET = 0x40000000


def open_tap(name):
    fd = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    return fd


def main(tap, netns):
    wire = open_tap(tap)
    target = os.open(netns, os.O_RDONLY)
    if ctypes.CDLL(None, use_errno=True).setns(target, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")
    nic = open_tap("eth0")
    os.set_blocking(wire, False)
    os.set_blocking(nic, False)
    print("open", flush=True)
    other = {wire: nic, nic: wire}
    while True:
        for fd in select.select([wire, nic], [], [])[0]:
            try:
                os.write(other[fd], os.read(fd, 65536))
            except (BlockingIOError, OSError):
                pass  # an end that is down takes nothing


main(*sys.argv[1:])
