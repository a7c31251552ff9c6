#!/usr/bin/env python3
"""The life of an image in the lab: one computer changes it, one row tries that, everybody gets it, and it is taken back.
usage: evening.py [--rounds N] [NAME...]

Environment: NSBOOT_BIN (the binary), SELFTEST_IMAGE (made by selftest/build.sh).
"""
import contextlib
import json

from checks import check, with_image
from harness import until
from runner import main

MAC = "52:54:00:77:00:%02x"


def version_of(pc):
    """What the disk says of itself."""
    return pc.run("cat /root/version 2>/dev/null || echo first")


def start(lab, *machines):
    """Starts them side by side, and waits until each is ready."""
    last = {pc.name: lab.client(pc.name)["last_boot"] for pc in machines}
    for pc in machines:
        pc.power_off()
        pc.power_on()
    for pc in machines:
        lab.wait_ready(pc.name, after=last[pc.name] and last[pc.name]["id"])


def refused(lab, *command):
    try:
        lab.nsboot(*command)
    except (RuntimeError, AssertionError) as why:
        return str(why)
    raise AssertionError(f"{command} was not refused")


def applied(lab):
    """Applies what the superclient wrote, once nobody has used its disk for a while."""
    with contextlib.suppress(RuntimeError):
        lab.nsboot("image", "apply", "self-test", "--comment", "updates", "--wait")
        return True


def an_evening(lab):
    """The superclient writes and is applied; a row boots test; production follows and goes back."""
    with_image(lab)
    lab.nsboot("group", "add", "row-1", "--channel", "test")
    for number, group in [(1, None), (2, "row-1"), (3, None)]:
        lab.nsboot("client", "add", MAC % number, "--name", f"pc-{number}", "--image", "self-test", "--mode", "reset",
                   *(["--group", group] if group else []))
    chief, tester, player = [lab.machine(f"pc-{n}", MAC % n) for n in (1, 2, 3)]
    lab.nsboot("image", "superclient", "self-test", "pc-1")
    start(lab, chief)
    chief.run("echo second > /root/version && sync")
    why = refused(lab, "image", "apply", "self-test", "--comment", "updates")
    check("runs from its disk" in why, f"refused with other words: {why}")
    start(lab, chief)
    check(version_of(chief) == "second", "the superclient's disk was begun anew at its boot")
    chief.run("sync")
    chief.power_off()
    until("the superclient's disk to be free", 60, lambda: not lab.client("pc-1")["disk_in_use"])
    why = refused(lab, "image", "apply", "self-test", "--comment", "updates")
    check("until a moment ago" in why, f"refused with other words: {why}")
    until("the superclient to count as off", 60, lambda: applied(lab))
    versions = json.loads(lab.nsboot("image", "versions", "self-test", "-o", "json"))
    check([(v["number"], v["comment"], v["channels"]) for v in versions]
          == [(1, "", ["production", "test"]), (2, "updates", ["maintenance"])], f"versions: {versions}")
    check(versions[1]["allocated_bytes"] < versions[0]["allocated_bytes"] / 4,
          f"a few changed files take as much as a disk: {versions}")

    lab.nsboot("image", "channel", "self-test", "test", "2")
    start(lab, tester, player)
    check((version_of(tester), version_of(player)) == ("second", "first"), "one row tries it, and nobody else")
    lab.nsboot("image", "channel", "self-test", "production", "2")
    check(version_of(player) == "first", "the disk of a running computer was pulled")
    start(lab, player)
    check(version_of(player) == "second", "production is not what was promoted")
    lab.nsboot("image", "revert", "self-test")
    start(lab, player)
    check(version_of(player) == "first", "production did not go back")
    why = refused(lab, "image", "rm-version", "self-test", "2")
    check("version 2" in why, f"refused with other words: {why}")


def data_disks_are_there(lab):
    """Two computers share two data disks: each finds them with no configuration, and what one writes is its own and goes."""
    with_image(lab)
    sizes = {"games": 64 << 20, "tools": 32 << 20}
    for name, size in sizes.items():
        disk = lab.dir / f"{name}.raw"
        with open(disk, "wb") as out:
            out.write(f"these are {name}".encode())
            out.truncate(size)
        lab.nsboot("image", "import", str(disk), "--name", name)
    both = [word for name in sizes for word in ("--data-disk", name)]
    for number in (1, 2):
        lab.nsboot("client", "add", MAC % number, "--name", f"pc-{number}", "--image", "self-test", "--mode", "reset", *both)
    writer, reader = [lab.machine(f"pc-{n}", MAC % n) for n in (1, 2)]
    start(lab, writer, reader)

    def device(pc, lun):
        """What the kernel calls that unit: letters go by who is found first."""
        return pc.run(f"ls /sys/class/scsi_device/*:0:0:{lun}/device/block").strip()

    def says(pc, lun):
        return pc.run(f"dd if=/dev/{device(pc, lun)} bs=512 count=1 iflag=direct 2>/dev/null | head -c 15; echo")

    for pc in (writer, reader):
        for lun, (name, size) in enumerate(sizes.items(), 1):
            sectors = int(pc.run(f"cat /sys/block/{device(pc, lun)}/size"))
            check(sectors * 512 == size, f"unit {lun} of {pc.name} has {sectors} sectors, not {name}'s")
            check(says(pc, lun) == f"these are {name}", f"unit {lun} of {pc.name} is not {name}: {says(pc, lun)!r}")
    writer.run(f"printf 'changed by me!!' | dd of=/dev/{device(writer, 1)} conv=notrunc,fsync 2>/dev/null")
    check(says(writer, 1) == "changed by me!!", "what was written is not there")
    check(says(reader, 1) == "these are games", "what one computer wrote is on the other's disk")
    start(lab, writer)
    said = says(writer, 1)
    check(said == "these are games", f"a data disk was not begun anew at a boot: {said!r}")


TESTS = [an_evening, data_disks_are_there]


if __name__ == "__main__":
    main(TESTS)
