#!/usr/bin/env python3
"""Firmware that does not come through the usual way, and how it is booted all the same.
usage: quirks.py [--long] [--rounds N] [NAME...]

Environment: NSBOOT_BIN (the binary).
"""
from checks import check
from harness import Lab, until
from runner import main

MAC = "52:54:00:78:01:%02x"
# Power-on to the first packet of an emulated UEFI, a transfer that is given up, and the stop after it.
SECONDS = 240
# What passes a tunnel or a wrongly set switch: more than blocks of 1024 bytes, less than those of 1468.
NARROW = "1300"


def notes(lab, mac):
    """All that was noted of a computer's boots, the newest boot first."""
    boots = [b for b in lab.api("GET", "/boots")["items"] if b["mac"] == mac]
    return [n["text"] for b in boots for n in b["notes"]]


def kinds(lab):
    return lab.api("GET", "/firmware")["items"]


def full_blocks_do_not_pass(lab):
    """Behind a port that drops full frames TFTP never gets through, until it goes in smaller blocks; the next computer
    with that firmware is given them at once, and so it is after a restart of the server."""
    lab.start_server()
    Lab._ip("-n", lab.namespace, "link", "set", "br0", "mtu", "1500")
    pcs = [lab.machine(f"narrow-{n}", MAC % n, "uefi") for n in (1, 2)]
    for pc in pcs:
        Lab._ip("-n", lab.namespace, "link", "set", pc.tap, "mtu", NARROW)
    first, second = pcs
    first.power_on()
    until("a transfer that is given up", SECONDS,
          lambda: any("Next it is tried with: TFTP blocks of 1024 bytes" in n for n in notes(lab, first.mac)))
    check(kinds(lab) == [] or kinds(lab)[0]["worked"] == 0, f"nothing came through yet: {kinds(lab)}")
    # Some firmware tries again by itself, ours may need its user.
    first.power_off()
    first.power_on()
    until("a boot in smaller blocks", SECONDS, lambda: any(k["worked"] for k in kinds(lab)))
    first.power_off()
    kind, = kinds(lab)
    check(kind["quirks"]["block_size"] == 1024, f"learned: {kind}")
    check(kind["oui"] == "52:54:00" and kind["vendor_class"].startswith("PXEClient:Arch:00007"), f"of whom: {kind}")
    check(kind["worked"] == 1 and not kind["pinned"], f"counted: {kind}")

    lab.kill_server()
    lab.start_server()
    second.power_on()
    until("the next computer", SECONDS, lambda: kinds(lab)[0]["worked"] == 2)
    second.power_off()
    said = notes(lab, second.mac)
    check(any("tried or learned): TFTP blocks of 1024 bytes" in n for n in said), f"it is not told: {said}")
    check(not any("broke off" in n for n in said), f"the second computer had to fail, too: {said}")


TESTS = [full_blocks_do_not_pass]


if __name__ == "__main__":
    main(TESTS, [], ())
