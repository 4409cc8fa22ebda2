"""A guest as virtiofsd sees it: speaks vhost-user and FUSE itself, so it can ask for anything at all.

The messages are those of QEMU's docs/interop/vhost-user.rst, the requests those of linux/fuse.h.
"""

import array
import ctypes
import errno
import mmap
import os
import select
import socket
import struct

GET_FEATURES, SET_FEATURES, SET_OWNER, SET_MEM_TABLE = 1, 2, 3, 5
SET_VRING_NUM, SET_VRING_ADDR, SET_VRING_BASE, SET_VRING_KICK, SET_VRING_CALL = 8, 9, 10, 12, 13
GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES, SET_VRING_ENABLE = 15, 16, 18
VERSION_1, PROTOCOL = 1 << 32, 1 << 30

LOOKUP, FORGET, GETATTR, SETATTR, READLINK, SYMLINK, MKNOD, MKDIR, UNLINK, RMDIR = 1, 2, 3, 4, 5, 6, 8, 9, 10, 11
LINK, OPEN, READ, WRITE, STATFS, RELEASE, FSYNC, SETXATTR, INIT, OPENDIR = 13, 14, 15, 16, 17, 18, 20, 21, 26, 27
READDIR, CREATE, IOCTL, FALLOCATE, RENAME2 = 28, 35, 39, 43, 45
FATTR_MODE, FATTR_UID, FATTR_GID, FATTR_SIZE = 1, 2, 4, 8

SIZE = 8 << 20
BASE = 0x7F0000000000  # where the memory would lie in QEMU
ENTRIES = 128
DESCRIPTORS, AVAILABLE, USED, REQUEST, REPLY = 0, 0x1000, 0x2000, 0x10000, 0x400000
ROOT = 1


class Refused(OSError):
    """The file system's answer was an error."""


class Guest:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(600)
        self.socket.connect(path)
        self.memory_fd = os.memfd_create("guest")
        os.ftruncate(self.memory_fd, SIZE)
        self.memory = mmap.mmap(self.memory_fd, SIZE)
        self.unique = 0
        self.sent = 0
        self.connect()

    # -- vhost-user ---------------------------------------------------------------------------

    def message(self, request, body=b"", fds=(), reply=False):
        data = struct.pack("<III", request, 1, len(body)) + body
        control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.socket.sendmsg([data], control)
        if not reply:
            return None
        header = self.read(12)
        return self.read(struct.unpack("<III", header)[2])

    def read(self, length):
        data = b""
        while len(data) < length:
            chunk = self.socket.recv(length - len(data))
            if not chunk:
                raise ConnectionError("virtiofsd has gone")
            data += chunk
        return data

    def connect(self):
        features = struct.unpack("<Q", self.message(GET_FEATURES, reply=True))[0]
        self.message(SET_OWNER)
        if features & PROTOCOL:
            self.message(GET_PROTOCOL_FEATURES, reply=True)
            self.message(SET_PROTOCOL_FEATURES, struct.pack("<Q", 0))
        self.message(SET_FEATURES, struct.pack("<Q", features & (VERSION_1 | PROTOCOL)))
        self.message(SET_MEM_TABLE, struct.pack("<IIQQQQ", 1, 0, 0, SIZE, BASE, 0), [self.memory_fd])
        self.kick, self.call = os.eventfd(0), os.eventfd(0)
        for queue, offset in ((0, 0x8000), (1, 0)):
            kick, call = (self.kick, self.call) if queue else (os.eventfd(0), os.eventfd(0))
            self.message(SET_VRING_NUM, struct.pack("<II", queue, ENTRIES))
            self.message(SET_VRING_BASE, struct.pack("<II", queue, 0))
            self.message(SET_VRING_ADDR, struct.pack("<IIQQQQ", queue, 0, BASE + offset + DESCRIPTORS,
                                                     BASE + offset + USED, BASE + offset + AVAILABLE, 0))
            self.message(SET_VRING_CALL, struct.pack("<Q", queue), [call])
            self.message(SET_VRING_KICK, struct.pack("<Q", queue), [kick])
            self.message(SET_VRING_ENABLE, struct.pack("<II", queue, 1))
        self.message(GET_FEATURES, reply=True)  # by now all of that has been done
        self.request(INIT, 0, struct.pack("<IIII", 7, 31, 65536, 0))

    def close(self):
        self.socket.close()

    # -- FUSE ---------------------------------------------------------------------------------

    def request(self, opcode, node, body=b"", data=b"", room=4096, uid=0, gid=0):
        """One request and its answer's body; Refused with the errno."""
        self.unique += 1
        parts = [struct.pack("<IIQQIIII", 40 + len(body) + len(data), opcode, self.unique, node, uid, gid, 1, 0)]
        parts += [p for p in (body, data) if p]
        chain, at = [], REQUEST
        for part in parts:
            self.memory[at:at + len(part)] = part
            chain.append((at, len(part), 0))
            at = (at + len(part) + 15) & ~15
        self.memory[REPLY:REPLY + 16] = bytes(16)
        chain.append((REPLY, 16, 2))
        if room:
            chain.append((REPLY + 16, room, 2))
        for i, (address, length, flags) in enumerate(chain):
            more = i + 1 < len(chain)
            struct.pack_into("<QIHH", self.memory, DESCRIPTORS + 16 * i, address, length, flags | (1 if more else 0), i + 1 if more else 0)
        struct.pack_into("<H", self.memory, AVAILABLE + 4 + 2 * (self.sent % ENTRIES), 0)
        self.sent += 1
        struct.pack_into("<H", self.memory, AVAILABLE + 2, self.sent & 0xFFFF)
        os.eventfd_write(self.kick, 1)
        return self.answer()

    def answer(self):
        while struct.unpack_from("<H", self.memory, USED + 2)[0] != self.sent & 0xFFFF:
            ready, _, _ = select.select([self.call, self.socket], [], [], 600)
            if self.socket in ready or not ready:
                raise ConnectionError("virtiofsd does not answer")
            os.eventfd_read(self.call)
        length, error, unique = struct.unpack_from("<IiQ", self.memory, REPLY)
        assert unique == self.unique
        if error:
            raise Refused(-error, os.strerror(-error))
        return bytes(self.memory[REPLY + 16:REPLY + length])

    # -- what a guest's kernel would ask --------------------------------------------------------

    @staticmethod
    def entry(reply):
        """Node and attributes of an entry."""
        return struct.unpack_from("<Q", reply)[0], attributes(reply[40:])

    @staticmethod
    def name(name):
        return os.fsencode(name) + b"\0"

    def lookup(self, parent, name):
        return self.entry(self.request(LOOKUP, parent, self.name(name)))

    def walk(self, path):
        node = ROOT
        for part in os.fsencode(path).split(b"/"):
            node = self.lookup(node, part)[0]
        return node

    def stat(self, node):
        return attributes(self.request(GETATTR, node, bytes(16))[16:])

    def create(self, parent, name, mode=0o644, uid=0, gid=0, flags=os.O_RDWR | os.O_CREAT):
        reply = self.request(CREATE, parent, struct.pack("<IIII", flags, 0o100000 | mode, 0, 0) + self.name(name), uid=uid, gid=gid)
        return self.entry(reply)[0], struct.unpack_from("<Q", reply, 128)[0]

    def open(self, node, flags=os.O_RDWR):
        return struct.unpack_from("<Q", self.request(OPEN, node, struct.pack("<II", flags, 0)))[0]

    def write(self, node, handle, data, offset=0):
        return struct.unpack_from("<I", self.request(WRITE, node, struct.pack("<QQIIQII", handle, offset, len(data), 0, 0, 0, 0), data))[0]

    def fsync(self, node, handle):
        self.request(FSYNC, node, struct.pack("<QII", handle, 0, 0))

    def file(self, name, data=b"", parent=ROOT, **options):
        node, handle = self.create(parent, name, **options)
        if data:
            self.write(node, handle, data)
        self.release(node, handle)
        return node

    def release(self, node, handle):
        self.request(RELEASE, node, struct.pack("<QIIQ", handle, 0, 0, 0))

    def content(self, node, size=65536):
        handle = self.open(node, os.O_RDONLY)
        data = self.request(READ, node, struct.pack("<QQIIQII", handle, 0, size, 0, 0, 0, 0), room=size)
        self.release(node, handle)
        return data

    def mkdir(self, name, mode=0o755, parent=ROOT, uid=0, gid=0):
        return self.entry(self.request(MKDIR, parent, struct.pack("<II", mode, 0) + self.name(name), uid=uid, gid=gid))[0]

    def mknod(self, name, mode, device=0, parent=ROOT, uid=0):
        return self.entry(self.request(MKNOD, parent, struct.pack("<IIII", mode, device, 0, 0) + self.name(name), uid=uid))[0]

    def symlink(self, name, target, parent=ROOT, uid=0):
        return self.entry(self.request(SYMLINK, parent, self.name(name) + self.name(target), uid=uid))[0]

    def link(self, node, name, parent=ROOT):
        return self.entry(self.request(LINK, parent, struct.pack("<Q", node) + self.name(name)))[0]

    def rename(self, old, new, parent=ROOT, target=ROOT, flags=0):
        self.request(RENAME2, parent, struct.pack("<QII", target, flags, 0) + self.name(old) + self.name(new))

    def unlink(self, name, parent=ROOT):
        self.request(UNLINK, parent, self.name(name))

    def rmdir(self, name, parent=ROOT):
        self.request(RMDIR, parent, self.name(name))

    def change(self, node, mode=None, owner=None, group=None, size=None):
        valid = sum(bit for bit, value in ((FATTR_MODE, mode), (FATTR_UID, owner), (FATTR_GID, group), (FATTR_SIZE, size))
                    if value is not None)
        body = struct.pack("<IIQQQQQQIIIIIIII", valid, 0, 0, size or 0, 0, 0, 0, 0, 0, 0, 0,
                           mode or 0, 0, owner or 0, group or 0, 0)
        return attributes(self.request(SETATTR, node, body)[16:])

    def statfs(self):
        blocks, free, available, files, free_files, bsize = struct.unpack_from("<QQQQQI", self.request(STATFS, ROOT))
        return {"size": blocks * bsize, "free": free * bsize, "available": available * bsize, "files": files, "free_files": free_files}

    def setxattr(self, node, name, value):
        self.request(SETXATTR, node, struct.pack("<II", len(value), 0) + self.name(name) + value)


class Attributes(ctypes.LittleEndianStructure):
    """struct fuse_attr."""
    _fields_ = [(n, ctypes.c_uint64) for n in ("ino", "size", "blocks", "atime", "mtime", "ctime")] + \
               [(n, ctypes.c_uint32) for n in ("atimensec", "mtimensec", "ctimensec", "mode", "nlink", "uid", "gid", "rdev", "blksize", "flags")]


def attributes(data):
    return Attributes.from_buffer_copy(data)


def refused(call, *numbers):
    """Runs @call, which must be refused with one of @numbers."""
    try:
        call()
    except Refused as error:
        assert error.errno in numbers, f"refused, but with {errno.errorcode[error.errno]}"
        return
    raise AssertionError("was not refused")
