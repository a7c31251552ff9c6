#!/usr/bin/env python3
"""fio writes and verifies in a real Debian while its server goes away. usage: verify.py [--rounds N] [NAME...]

Environment: NSBOOT_BIN (the binary), DEBIAN_IMAGE (made by debian/build.sh).
"""
import json
import time

from checks import check, with_image
from harness import until
from runner import main

MAC = "52:54:00:77:05:01"
# A whole Debian, emulated.
DEBIAN_SECONDS = 400
RUNTIME = 100
OUTAGE = 30
# Random blocks with a checksum in each, read back and checked in turn with the writing, past every cache of the guest.
FIO = (f"fio --name=verify --filename=/root/verified --size=32m --bs=4k --rw=randwrite --ioengine=libaio --direct=1 --iodepth=8 "
       f"--verify=crc32c --verify_fatal=1 --verify_backlog=256 --fsync=64 --time_based --runtime={RUNTIME} "
       "--output-format=json --output=/run/fio.json")


def fio_sees_no_error(lab):
    """The server is killed with -9 and started again, later the cable is out for 30 s: fio in the guest goes on, and
    each block that it reads is what it wrote."""
    with_image(lab, "DEBIAN_IMAGE", "debian")
    lab.nsboot("client", "add", MAC, "--name", "pc-1", "--image", "debian", "--mode", "keep")
    pc = lab.machine("pc-1", MAC)
    pc.power_on()
    lab.wait_ready("pc-1", seconds=DEBIAN_SECONDS)
    # In the background of a shell that is known to answer.
    pc.run("true", 120)
    pc.send(f"({FIO}; echo FIO''-ENDED-$?-) </dev/null 2>&1 &")
    begun = lab.client("pc-1")["overlay_bytes"]
    until("fio to write", 120, lambda: lab.client("pc-1")["overlay_bytes"] > begun + (16 << 20))
    lab.kill_server()
    time.sleep(3)  # the guest must meet the outage, not a quick restart
    lab.start_server()
    until("the guest to be back", 60, lambda: lab.client("pc-1")["disk_in_use"])
    pc.plug(False)
    time.sleep(OUTAGE)  # as long as somebody takes to find the cable
    pc.plug(True)
    pc.hear("FIO-ENDED-", RUNTIME + 240)
    status = pc.hear("-", 10)
    # Beside it the shell may say that its job is done.
    lines = pc.run("tr -d ' \\n' </run/fio.json; echo").splitlines()
    job = json.loads(next(line for line in lines if line.startswith("{")))["jobs"][0]
    check((status, job["error"]) == ("0", 0), f"fio ended with {status}: {job}")
    # What was under way when the server went away waited for it, and no longer than it was away.
    waited = max(job[way]["clat_ns"]["max"] for way in ("read", "write")) / 1e9
    print(f"   {job['write']['total_ios']} written, {job['read']['total_ios']} verified, the longest wait {waited:.0f} s")
    check(waited > OUTAGE - 5, f"nothing was under way during the outage: the longest wait was {waited:.1f} s")
    check(job["read"]["total_ios"] > 5000, f"hardly anything was verified: {job['read']['total_ios']}")
    errors = pc.run("dmesg | grep -iE 'I/O error|remounting filesystem|aborting journal' || true")
    check(not errors, f"the guest saw errors: {errors}")


TESTS = [fio_sees_no_error]


if __name__ == "__main__":
    main(TESTS, images=("DEBIAN_IMAGE",))
