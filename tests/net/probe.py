"""Runs inside a machine: tries every target at once and prints what came back.

    probe.py 'tcp ADDRESS PORT' 'udp ADDRESS PORT' 'icmp ADDRESS 0' 'PROTOCOL-NUMBER ADDRESS 0' …
"""

import concurrent.futures
import json
import socket
import struct
import sys

WAIT = 0.7


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def tcp(address, port):
    with socket.socket() as s:
        s.settimeout(WAIT)
        s.connect((address, port))
    return "open"


def udp(address, port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        s.settimeout(WAIT)
        s.connect((address, port))
        s.send(b"probe")
        s.recv(100)
    return "answered"


def icmp(address, _):
    echo = struct.pack("!BBHHH", 8, 0, 0, 7, 7) + b"probe..."
    echo = echo[:2] + struct.pack("!H", checksum(echo)) + echo[4:]
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as s:
        s.settimeout(WAIT)
        s.sendto(echo, (address, 0))
        while True:
            data, sender = s.recvfrom(200)
            if sender[0] == address and data[20] == 0:
                return "answered"
            if data[20] == 3 and data[28 + 9] == 1 and socket.inet_ntoa(data[44:48]) == address:
                return f"unreachable {data[21]}"


def raw(number):
    def send(address, _):
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, number) as s:
            s.sendto(b"\0" * 16, (address, 0))
        return "sent"
    return send


def run(target):
    protocol, address, port = target.split()
    function = {"tcp": tcp, "udp": udp, "icmp": icmp}.get(protocol) or raw(int(protocol))
    try:
        return target, function(address, int(port))
    except TimeoutError:
        return target, "timeout"
    except OSError as error:
        return target, error.strerror


with concurrent.futures.ThreadPoolExecutor(256) as pool:
    print(json.dumps(dict(pool.map(run, sys.argv[1:]))))
