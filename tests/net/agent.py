"""Runs in a machine and sends what it is told to, all at once.

Each line of stdin is a JSON object, answered by one line:

    {"shots": ["tcp ADDRESS PORT", "udp ADDRESS PORT", "icmp ADDRESS 0", "PROTOCOL-NUMBER ADDRESS 0",
               "frame HEXADECIMAL 0", …],
     "tag": DSCP by which receivers know the sender, "need": shots to wait for, "quiet": seconds, "limit": seconds}

The answer: {shot: "open" | "answered" | "sent" | the error's text}; what got no answer is not in it. It ends after
`quiet`, or later when what it needs has answered, at the latest after `limit`.
"""

import json
import os
import random
import resource
import selectors
import socket
import struct
import sys
import time

ECHO = {socket.AF_INET: (8, 0), socket.AF_INET6: (128, 129)}
UNREACHABLE = {socket.AF_INET: 3, socket.AF_INET6: 1}


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Round:
    def __init__(self, order):
        self.tag = order["tag"]
        self.id = random.getrandbits(16)  # another one each time: else it would be the last round's flow
        self.answers = {}
        self.open = {}  # socket: shot
        self.selector = selectors.DefaultSelector()
        self.pings = {}  # family: socket
        self.pinged = {}  # address: shot

    def socket(self, address, kind, protocol=0):
        s = socket.socket(family(address), kind, protocol)
        s.setblocking(False)
        if family(address) == socket.AF_INET:
            s.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, self.tag << 2)
        else:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, self.tag << 2)
        return s

    def shoot(self, shot):
        kind, address, port = shot.split()
        try:
            if kind == "frame":
                self.frame(bytes.fromhex(address))
            elif kind == "tcp":
                self.tcp(shot, address, int(port))
            elif kind == "udp":
                self.udp(shot, address, int(port))
            elif kind == "icmp":
                self.ping(shot, address)
            else:
                with self.socket(address, socket.SOCK_RAW, int(kind)) as s:
                    s.sendto(b"\0" * 16, (address, 0))
        except OSError as error:
            self.answers[shot] = error.strerror

    def frame(self, data):
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
            s.bind(("eth0", 0))
            s.send(data)

    def tcp(self, shot, address, port):
        s = self.socket(address, socket.SOCK_STREAM)
        self.watch(s, selectors.EVENT_WRITE, shot)
        error = s.connect_ex((address, port))
        if error not in (0, 115):  # EINPROGRESS
            self.end(s, os.strerror(error))

    def udp(self, shot, address, port):
        s = self.socket(address, socket.SOCK_DGRAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        self.watch(s, selectors.EVENT_READ, shot)
        s.connect((address, port))
        s.send(b"probe")

    def ping(self, shot, address):
        kind = family(address)
        if kind not in self.pings:
            protocol = socket.IPPROTO_ICMP if kind == socket.AF_INET else socket.getprotobyname("ipv6-icmp")
            self.pings[kind] = self.socket(address, socket.SOCK_RAW, protocol)
            self.pings[kind].setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            self.selector.register(self.pings[kind], selectors.EVENT_READ)
        self.pinged[address] = shot
        echo = struct.pack("!BBHHH", ECHO[kind][0], 0, 0, self.id, 7) + b"probe..."
        if kind == socket.AF_INET:
            echo = echo[:2] + struct.pack("!H", checksum(echo)) + echo[4:]
        self.pings[kind].sendto(echo, (address, 0))

    def watch(self, s, event, shot):
        self.open[s] = shot
        self.selector.register(s, event)

    def end(self, s, answer):
        shot = self.open.pop(s)
        if answer:
            self.answers[shot] = answer
        self.selector.unregister(s)
        s.close()

    def pong(self, s):
        data, sender = s.recvfrom(2000)
        kind, address = s.family, sender[0]
        data = data[20:] if kind == socket.AF_INET else data
        if address in self.pinged and data[0] == ECHO[kind][1]:
            self.answers[self.pinged[address]] = "answered"
        elif data[0] == UNREACHABLE[kind] and data[8 + (9 if kind == socket.AF_INET else 6)] in (1, 58):  # about a ping
            at = 8 + (16 if kind == socket.AF_INET else 24)
            size = 4 if kind == socket.AF_INET else 16
            address = socket.inet_ntop(kind, data[at:at + size])
            if address in self.pinged:
                self.answers.setdefault(self.pinged[address], f"unreachable {data[1]}")

    def take(self, s):
        if s in self.pings.values():
            self.pong(s)
            return
        if s.type == socket.SOCK_STREAM:
            error = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            self.end(s, os.strerror(error) if error else "open")
            return
        try:
            s.recv(100)
            self.end(s, "answered")
        except OSError as error:
            self.end(s, error.strerror)

    def run(self, order):
        for shot in order["shots"]:
            self.shoot(shot)
        start = time.monotonic()
        while (passed := time.monotonic() - start) < order["limit"]:
            if passed >= order["quiet"] and all(shot in self.answers for shot in order["need"]):
                break
            for key, _ in self.selector.select(0.05):
                self.take(key.fileobj)
        for s in [*self.open, *self.pings.values()]:
            s.close()
        return self.answers


resource.setrlimit(resource.RLIMIT_NOFILE, (8192, 8192))
for line in sys.stdin:
    wanted = json.loads(line)
    print(json.dumps(Round(wanted).run(wanted)), flush=True)
