#!/usr/bin/env python3
"""Power-on to ready of a BIOS machine in the lab, by hop. usage: boot.py [ROUNDS]. Prints JSON.

Environment: NSBOOT_BIN, SELFTEST_IMAGE. The machine is emulated (QEMU TCG): the figures say which hop takes how
much, not how fast a real computer is.
"""
import contextlib
import datetime
import json
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lab"))
from harness import Lab  # noqa: E402

MAC = "52:54:00:77:00:01"


def seconds(stamp):
    return datetime.datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()


def one_boot():
    with contextlib.ExitStack() as stack:
        lab = Lab()
        stack.callback(lab.close)
        lab.start_server()
        lab.nsboot("image", "import", os.environ["SELFTEST_IMAGE"], "--name", "self-test")
        lab.nsboot("client", "add", MAC, "--name", "pc-1", "--image", "self-test", "--mode", "reset")
        pc = lab.machine("pc-1", MAC)
        pc.power_on()
        boot = lab.wait_ready("pc-1")
        # Each hop from the end of the one before it, so that they add up to the whole: what a machine does between
        # two signs of life is on the way to the second.
        hops, before = {}, pc.on_at
        for hop in boot["hops"]:
            if hop["finished_at"]:
                hops[hop["hop"]], before = seconds(hop["finished_at"]) - before, seconds(hop["finished_at"])
        return {"total": seconds(boot["ended_at"]) - pc.on_at, **{k: round(v, 3) for k, v in hops.items()}}


rounds = [one_boot() for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else 3)]
print(json.dumps({"bench": "boot", "unit": "seconds", "rounds": rounds}))
