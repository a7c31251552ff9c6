#!/usr/bin/env python3
"""Fetches a file by TFTP with a window (RFC 7440), over a line that is made worse here: each ACK leaves late, and packets are lost
in both directions. It needs nothing of the kernel; not every one has netem. Prints the bytes a second.
Usage: tftp_client.py ADDRESS FILE SHA256 [--window N] [--late-ms T] [--loss-percent P] [--seed N]"""
import argparse
import hashlib
import random
import socket
import sys
import time

BLOCK = 1468
REPEAT = 0.25

parser = argparse.ArgumentParser()
parser.add_argument("address")
parser.add_argument("file")
parser.add_argument("sha256")
parser.add_argument("--window", type=int, default=1)
parser.add_argument("--late-ms", type=float, default=0)
parser.add_argument("--loss-percent", type=float, default=0)
parser.add_argument("--seed", type=int, default=1)
args = parser.parse_args()
dice = random.Random(args.seed)
line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
line.settimeout(REPEAT)


def is_lost():
    return args.loss_percent > 0 and dice.uniform(0, 100) < args.loss_percent


def ack(block):
    until = time.perf_counter() + args.late_ms / 1000
    # A sleep is longer than a fifth of a millisecond.
    while time.perf_counter() < until:
        pass
    if not is_lost():
        line.send(bytes([0, 4]) + block.to_bytes(2, "big"))


request = b"\0\1" + args.file.encode() + b"\0octet\0blksize\0%d\0windowsize\0%d\0" % (BLOCK, args.window)
begin = time.perf_counter()
while True:
    line.sendto(request, (args.address, 69))
    try:
        oack, peer = line.recvfrom(2048)
        break
    except TimeoutError:
        pass
if oack[:2] != b"\0\6":
    sys.exit(f"no OACK: {oack!r}")
line.connect(peer)
ack(0)
received, last, since_ack, silence = [], 0, 0, 0
while True:
    try:
        packet = line.recv(2048)
    except TimeoutError:
        silence += 1
        if silence > 120:
            sys.exit("the server went silent")
        ack(last)
        continue
    silence = 0
    if is_lost() or packet[1] != 3:
        continue
    if int.from_bytes(packet[2:4], "big") != (last + 1) & 0xFFFF:
        if since_ack:
            since_ack = 0
            ack(last)
        continue
    last, since_ack = (last + 1) & 0xFFFF, since_ack + 1
    received.append(packet[4:])
    is_end = len(packet) < BLOCK + 4
    if is_end or since_ack == args.window:
        since_ack = 0
        ack(last)
    if is_end:
        break
took = time.perf_counter() - begin
data = b"".join(received)
if hashlib.sha256(data).hexdigest() != args.sha256:
    sys.exit(f"CORRUPT: {len(data)} bytes")
print(f"{len(data) / took:.0f}")
