"""Runs in the guest: sends frames, given in hexadecimal, as they are.   frames.py INTERFACE FRAME…"""

import socket
import sys

with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
    s.bind((sys.argv[1], 0))
    for frame in sys.argv[2:]:
        s.send(bytes.fromhex(frame))
