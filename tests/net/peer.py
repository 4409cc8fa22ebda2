"""Runs inside a machine: the two ends of what the keeper relays.

    peer.py serve KIND PROTOCOL ADDRESS PORT    prints "ready"; KIND:
        echo      answers each datagram or byte with itself; ends when the other has ended
        digest    reads to the end of what comes, then answers with its SHA-256 (a half-closed connection)
        source    sends SIZE bytes and ends
        stall     takes connections and reads nothing
        refuse    resets every connection
    peer.py digest ADDRESS PORT SIZE            sends SIZE bytes, ends its direction, prints the answer
    peer.py fetch ADDRESS PORT                  prints the SHA-256 of what comes
    peer.py many ADDRESS PORT COUNT             COUNT connections at once; prints how many echo
    peer.py udp ADDRESS PORT COUNT              COUNT datagrams, one after the other; prints "ADDRESS:PORT" of each answer
    peer.py flood ADDRESS PORT COUNT PORTS      COUNT datagrams from PORTS ports, no answer awaited
    peer.py talk ADDRESS PORT                   one connection; each line of the input is sent, the answer printed, or "closed"
    peer.py knock ADDRESS PORT                  connects again and again until the input ends; prints how often it was refused, and not
    peer.py hold ADDRESS PORT COUNT             COUNT connections that send until nothing goes; prints "held" and how much, stays
"""

import hashlib
import select
import socket
import socketserver
import struct
import sys
import threading

SIZE = 20_000_000


def data(size):
    block = hashlib.sha256(b"migrant").digest() * 2048
    return (block * (size // len(block) + 1))[:size]


def read_all(s):
    digest, size = hashlib.sha256(), 0
    while chunk := s.recv(65536):
        digest.update(chunk)
        size += len(chunk)
    return f"{size} {digest.hexdigest()}".encode()


class Handler(socketserver.BaseRequestHandler):
    kind = None

    def handle(self):
        getattr(self, self.kind)(self.request)

    def echo(self, s):
        while chunk := s.recv(65536):
            s.sendall(chunk)

    def digest(self, s):
        s.sendall(read_all(s))

    def source(self, s):
        s.sendall(data(SIZE))

    def stall(self, s):
        threading.Event().wait()

    def refuse(self, s):
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    request_queue_size = 1024


def serve(kind, protocol, address, port):
    if protocol == "tcp":
        Handler.kind = kind
        Server.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with Server((address, int(port)), Handler) as server:
            print("ready", flush=True)
            server.serve_forever()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind((address, int(port)))
        print("ready", flush=True)
        while True:
            s.sendto(*s.recvfrom(65536))


def digest(address, port, size):
    with socket.create_connection((address, int(port)), timeout=300) as s:
        s.sendall(data(int(size)))
        s.shutdown(socket.SHUT_WR)
        print(read_all_text(s))


def read_all_text(s):
    answer = b""
    while chunk := s.recv(65536):
        answer += chunk
    return answer.decode()


def fetch(address, port):
    with socket.create_connection((address, int(port)), timeout=300) as s:
        print(read_all(s).decode())


def many(address, port, count):
    sockets = [socket.create_connection((address, int(port)), timeout=300) for _ in range(int(count))]
    for i, s in enumerate(sockets):
        s.sendall(b"%05d" % i)
    good = 0
    for i, s in enumerate(sockets):
        s.settimeout(300)
        good += s.recv(5, socket.MSG_WAITALL) == b"%05d" % i
    print(good)


def udp(address, port, count):
    for i in range(int(count)):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(2)
            s.sendto(b"%05d" % i, (address, int(port)))
            try:
                answer, sender = s.recvfrom(100)
                assert answer == b"%05d" % i
                print(f"{sender[0]}:{sender[1]}")
            except TimeoutError:
                print("timeout")


def flood(address, port, count, ports):
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(int(ports))]
    for i in range(int(count)):
        sockets[i % len(sockets)].sendto(b"flood", (address, int(port)))
    print("sent")


def hold(address, port, count):
    sockets = [socket.create_connection((address, int(port)), timeout=300) for _ in range(int(count))]
    sent = 0
    for s in sockets:
        s.settimeout(0.3)
        try:
            while True:
                sent += s.send(b"x" * 65536)
        except TimeoutError:
            pass
    print("held", sent, flush=True)
    threading.Event().wait()


def talk(address, port):
    with socket.create_connection((address, int(port)), timeout=300) as s:
        print("ready", flush=True)
        for line in sys.stdin:
            try:
                s.sendall(line.encode())
                print(s.recv(len(line)).decode().strip() or "closed", flush=True)
            except ConnectionError:
                print("closed", flush=True)


def knock(address, port):
    counts = [0, 0]
    print("ready", flush=True)
    while not select.select([sys.stdin], [], [], 0.002)[0]:
        with socket.socket() as s:
            counts[s.connect_ex((address, int(port))) == 0] += 1
    print(*counts, flush=True)


verb, *arguments = sys.argv[1:]
{"serve": serve, "digest": digest, "fetch": fetch, "many": many, "udp": udp, "flood": flood, "hold": hold, "talk": talk, "knock": knock}[verb](*arguments)
