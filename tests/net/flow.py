"""Runs inside a machine: one end of one connection, driven by lines on stdin.

    flow.py accept|open tcp|udp ADDRESS PORT

Prints "ready" when listening, "connected" when there is a peer, then "got TEXT" for what arrives, and "closed WHY" at the
end. A line on stdin is sent as it is; "stream" sends something every 20 ms from then on.
"""

import os
import select
import socket
import sys
import time


def say(text):
    print(text, flush=True)


def accept(kind, address):
    with socket.socket(socket.AF_INET, kind) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(address)
        if kind == socket.SOCK_STREAM:
            s.listen()
            say("ready")
            return s.accept()[0]
        say("ready")
        _, peer = s.recvfrom(65536)
        s.connect(peer)
        return s.dup()


def connect(kind, address):
    s = socket.socket(socket.AF_INET, kind)
    s.settimeout(60)
    s.connect(address)
    s.settimeout(None)
    if kind == socket.SOCK_DGRAM:
        s.send(b"first")
    return s


def main(side, protocol, address, port):
    kind = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}[protocol]
    s = {"accept": accept, "open": connect}[side](kind, (address, int(port)))
    say("connected")
    streaming = False
    while True:
        readable = select.select([s, 0], [], [], 0.02 if streaming else None)[0]
        if s in readable:
            data = s.recv(65536)
            if not data:
                raise OSError(0, "end")
            if data := data.replace(b"tick", b""):
                say("got " + data.decode())
        if 0 in readable:
            line = os.read(0, 4096).decode().strip()
            streaming = streaming or line == "stream"
            if line != "stream":
                s.send(line.encode())
        if streaming:
            try:
                s.send(b"tick")
            except ConnectionRefusedError:  # the other end's kernel says so; a stream goes on
                time.sleep(0.02)


try:
    main(*sys.argv[1:])
except OSError as error:
    say(f"closed {error.strerror}")
