"""A FUSE file system of one user's, into which root cannot look: fusefs.py DIRECTORY UID.

Holds project/work and takes what is made there, directories only. Whoever asks for "stuck" waits as long as
this process lives. With a third argument it is as NFS with root squashed: root may come, and is nobody there.
Prints a line when it is mounted. The requests are those of linux/fuse.h.
"""

import ctypes
import errno
import os
import stat
import struct
import sys

LOOKUP, FORGET, GETATTR, MKDIR, STATFS, OPENDIR, READDIR, RELEASEDIR, INIT, INTERRUPT = 1, 2, 3, 9, 17, 27, 28, 29, 26, 36
ACCESS, BATCH_FORGET = 34, 42
children = {1: {b"project": 2}, 2: {}}
PRIVATE = 2  # the project's directory has mode 700


def attributes(node, uid):
    mode = stat.S_IFDIR | (0o700 if node == PRIVATE else 0o755)
    return struct.pack("<QQQQQQIIIIIIIIII", node, 0, 0, 0, 0, 0, 0, 0, 0, mode, 2, uid, uid, 0, 4096, 0)


def entry(node, uid):
    return struct.pack("<QQQQII", node, 1, 0, 3600, 0, 0) + attributes(node, uid)


def answer(opcode, node, body, uid):
    """The answer's body, or an errno."""
    if opcode == INIT:
        return struct.pack("<IIIIHHIIHHI", 7, 26, 65536, 0, 16, 12, 65536, 1, 0, 0, 0) + bytes(24)
    if opcode == GETATTR:
        return struct.pack("<QII", 3600, 0, 0) + attributes(node, uid)
    if opcode == LOOKUP:
        found = children.get(node, {}).get(body.rstrip(b"\0"))
        return entry(found, uid) if found else 2
    if opcode == MKDIR:
        made = max(children) + 1
        children[node][body[8:].rstrip(b"\0")] = made
        children[made] = {}
        return entry(made, uid)
    if opcode == OPENDIR:
        return struct.pack("<QII", node, 0, 0)
    if opcode in (READDIR, RELEASEDIR, ACCESS):
        return b""
    if opcode == STATFS:
        return bytes(80)
    return 38


def squashed(opcode, node):
    """Whether nobody may not do that."""
    return (node == PRIVATE and opcode in (LOOKUP, OPENDIR, READDIR)) or opcode == MKDIR


def main(directory, uid, squash=False):
    fuse = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={fuse},rootmode=40000,user_id={uid},group_id={uid}{',allow_other' if squash else ''}".encode()
    if ctypes.CDLL(None, use_errno=True).mount(b"test", directory.encode(), b"fuse", 0, options):
        sys.exit(os.strerror(ctypes.get_errno()))
    print("mounted", flush=True)
    while True:
        try:
            request = os.read(fuse, 1 << 20)
        except OSError:
            return
        _, opcode, unique, node, caller = struct.unpack_from("<IIQQI", request)
        if opcode in (FORGET, BATCH_FORGET, INTERRUPT) or (opcode, request[40:]) == (LOOKUP, b"stuck\0"):
            continue
        body = errno.EACCES if squash and caller != uid and squashed(opcode, node) else answer(opcode, node, request[40:], uid)
        error, body = (-body, b"") if isinstance(body, int) else (0, body)
        os.write(fuse, struct.pack("<IiQ", 16 + len(body), error, unique) + body)


main(sys.argv[1], int(sys.argv[2]), len(sys.argv) > 3)
