#!/usr/bin/env python3
"""Sends damaged DHCP packets: recorded ones, cut, lengthened and changed, and plain noise; the same ones for the same seed.
usage: damaged.py DEVICE SERVER SECONDS SEED -> JSON with how many were sent, and how many of them can't be DHCP
"""
import json
import pathlib
import random
import socket
import sys
import time

CAPTURES = pathlib.Path(__file__).resolve().parents[2] / "server/daemons/src/dhcp/captures"
# Before the options: header and cookie.
FIXED, COOKIE = 240, bytes([99, 130, 83, 99])
PER_SECOND = 1000


def recorded():
    for path in sorted(CAPTURES.glob("*.hex")):
        lines = [line for line in path.read_text().split("\n") if not line.startswith("#")]
        yield bytes.fromhex("".join(lines))


def damage(packet, dice):
    """One packet made of a good one, in one of six ways, changing a few bytes twice as often as any other."""
    packet = bytearray(packet)
    way = dice.randrange(7)
    if way == 0:
        return bytes(packet[:dice.randrange(len(packet))])
    if way == 1:
        packet[236:240] = dice.randbytes(4)
    elif way == 2:
        # Option after option as long as they get, up to the size of a datagram.
        long = (bytes([dice.randrange(1, 255), 255]) + dice.randbytes(255) for _ in range(dice.randrange(1, 30)))
        packet[FIXED:] = b"".join(long)
    elif way == 3:
        packet += dice.randbytes(dice.randrange(1400))
    elif way == 4:
        return dice.randbytes(dice.randrange(1473))
    else:
        for _ in range(dice.randrange(1, 8)):
            # Mostly in the options: that is where the lengths are.
            first = FIXED if dice.randrange(4) else 0
            packet[dice.randrange(first, len(packet))] = dice.choice([0, 255, 52, 3, dice.randrange(256)])
    return bytes(packet)


def main(device, server, seconds, seed):
    dice = random.Random(seed)
    good = list(recorded())
    sent = hopeless = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        # A broadcast has no route, and needs none where the card is named.
        out.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
        started = time.monotonic()
        while (since := time.monotonic() - started) < seconds:
            if sent >= since * PER_SECOND:
                time.sleep(0.005)
                continue
            packet = damage(dice.choice(good), dice)
            out.sendto(packet, (dice.choice([server, "255.255.255.255"]), dice.choice([67, 67, 67, 4011])))
            sent += 1
            hopeless += len(packet) < FIXED or packet[236:240] != COOKIE
    print(json.dumps({"sent": sent, "hopeless": hopeless}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4]))
