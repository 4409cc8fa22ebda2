"""Runs inside a machine: sends one message and prints what answers, in hexadecimal.

    exchange.py frame INTERFACE FRAME SECONDS    every frame that comes in
    exchange.py udp|tcp ADDRESS PORT MESSAGE     the one answer; nothing when there is none
"""

import socket
import struct
import sys
import time


def frame(interface, message, seconds):
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as s:
        s.bind((interface, 0))
        s.send(message)
        until = time.monotonic() + float(seconds)
        while (left := until - time.monotonic()) > 0:
            s.settimeout(left)
            try:
                yield s.recv(65536)
            except TimeoutError:
                return


def udp(address, port, message):
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(3)
        s.connect((address, int(port)))
        s.send(message)
        try:
            yield s.recv(65536)
        except OSError:
            return


def tcp(address, port, message):
    with socket.create_connection((address, int(port)), timeout=3) as s:
        s.sendall(struct.pack("!H", len(message)) + message)
        yield s.recv(65536)[2:]


kind, first, *rest = sys.argv[1:]
if kind == "frame":
    answers = frame(first, bytes.fromhex(rest[0]), rest[1])
else:
    answers = {"udp": udp, "tcp": tcp}[kind](first, rest[0], bytes.fromhex(rest[1]))
for answer in answers:
    print(answer.hex(), flush=True)
