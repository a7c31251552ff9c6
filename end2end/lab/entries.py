#!/usr/bin/env python3
"""What a computer boots: entries, one-shots, adoption. usage: entries.py [--rounds N] [NAME...]

Environment: NSBOOT_BIN (the binary), SELFTEST_IMAGE (made by selftest/build.sh), DEBIAN_IMAGE (by debian/build.sh).
"""
import os
import subprocess

import capture
from checks import check, with_image
from harness import until
from runner import main

MAC = "52:54:00:77:02:%02x"
# Where the self-test's FAT partition begins in its disk, bytes.
FAT = 1 << 20
# Emulated, UEFI takes a minute where a BIOS takes fifteen seconds.
UEFI_SECONDS = 240
# A whole Debian, emulated.
DEBIAN_SECONDS = 400


def script_entry(lab, name, text):
    path = lab.dir / f"{name}.ipxe"
    path.write_text(text)
    lab.nsboot("boot-entry", "add", name, "--kind", "script", "--script", str(path))


def kernel_entry(lab):
    """The self-test's own kernel and initial RAM disk from the server's files, the root from the network disk."""
    folder = lab.data / "loaders" / "selftest"
    folder.mkdir(parents=True)
    for file in ("vmlinuz", "initrd"):
        subprocess.run(["mcopy", "-i", f"{os.environ['SELFTEST_IMAGE']}@@{FAT}", f"::{file}", str(folder / file)], check=True)
    lab.nsboot("boot-entry", "add", "kernel", "--kind", "kernel", "--kernel", "selftest/vmlinuz",
               "--initrd", "selftest/initrd", "--attach-disk",
               "--command-line", "console=ttyS0,115200 quiet panic=10 from=an-entry BOOTIF=01-${net0/mac:hexhyp}")


def a_one_shot_clears_itself(lab):
    """A script for the next boot runs once, also when the server is killed right after it was served: switched off and
    on, the machine boots its image."""
    with_image(lab)
    lab.nsboot("client", "add", MAC % 1, "--name", "pc-1", "--image", "self-test", "--mode", "reset")
    script_entry(lab, "once", "echo only-once\nsleep 600\n")
    lab.nsboot("client", "next", "pc-1", "once")
    pcap = lab.capture(length=2000)
    pc = lab.machine("pc-1", MAC % 1)
    pc.power_on()
    until("the one-shot to be used up", 120, lambda: lab.client("pc-1")["one_shot_name"] is None)
    until("its script to leave", 30, lambda: capture.segments(pcap, b"echo only-once"))
    lab.kill_server()
    pc.power_off()
    lab.start_server()
    check(lab.client("pc-1")["one_shot_name"] is None, "the one-shot came back after a power cut")
    pc.power_on()
    lab.wait_ready("pc-1")
    used = [e for e in lab.api("GET", "/audit")["items"] if e["action"] == "client.one_shot"]
    check(len(used) == 1 and used[0]["actor"]["kind"] == "system", f"the log says {used}")
    # And the boot after it is one of the image, too.
    last = lab.boot_of("pc-1")["id"]
    pc.send("reboot")
    lab.wait_ready("pc-1", after=last)
    # Neither less nor more, whatever the killed server could still write down of it.
    served = capture.segments(pcap, b"echo only-once")
    check(len(served) == 1, f"the script of the one-shot left {len(served)} times")


def discovered_then_adopted(lab):
    """An unknown computer says its code, is adopted, and boots without anybody touching it."""
    with_image(lab)
    pc = lab.machine("pc-2", MAC % 2)
    pc.power_on()

    def stopped():
        found = [c for c in lab.api("GET", "/clients")["items"] if c["mac"] == MAC % 2]
        boot = found and found[0]["last_boot"]
        return found[0] if boot and boot["state"] == "stopped" else None
    seen = until("the unknown computer", 120, stopped)
    cause = seen["last_boot"]["cause"]
    check(seen["state"] == "discovered" and cause["code"] == "not_adopted", f"it is {seen}")
    check("Its code is 770202" in cause["title"], f"its code is not in {cause['title']!r}")
    lab.nsboot("client", "adopt", MAC % 2, "--name", "pc-2", "--image", "self-test")
    lab.wait_ready("pc-2")
    # Retired, it boots nothing, and says so.
    lab.nsboot("client", "retire", "pc-2")
    last = lab.boot_of("pc-2")["id"]
    pc.send("reboot")
    boot = until("the retired computer to stop", 120, lambda: (lambda b: b if b and b["state"] == "stopped" else None)(
        lab.boot_of("pc-2", after=last)))
    check(boot["cause"]["code"] == "retired", f"it stopped because of {boot['cause']}")


def a_kernel_with_its_root_on_the_network_disk(lab):
    """Kernel and initial RAM disk come from the server's files, the root from the computer's network disk, which the
    kernel finds in the iBFT."""
    with_image(lab)
    kernel_entry(lab)
    lab.nsboot("group", "add", "kernels", "--boot-entry", "kernel")
    lab.nsboot("client", "add", MAC % 3, "--name", "pc-3", "--image", "self-test", "--mode", "reset")
    lab.nsboot("client", "set", "pc-3", "--group", "kernels")
    pc = lab.machine("pc-3", MAC % 3)
    pc.power_on()
    boot = lab.wait_ready("pc-3")
    check(" rw" in boot["facts"]["root"], f"its root is {boot['facts']['root']}")
    line = pc.run("cat /proc/cmdline")
    check("from=an-entry" in line and f"BOOTIF=01-{(MAC % 3).replace(':', '-')}" in line, f"its command line is {line!r}")


def a_kernel_once_on_uefi(lab):
    """The same by UEFI, for the next boot only: the one after it is of the image."""
    with_image(lab)
    kernel_entry(lab)
    lab.nsboot("client", "add", MAC % 4, "--name", "pc-4", "--image", "self-test", "--mode", "reset")
    lab.nsboot("client", "next", "pc-4", "kernel")
    pc = lab.machine("pc-4", MAC % 4, "uefi")
    pc.power_on()
    boot = lab.wait_ready("pc-4", seconds=UEFI_SECONDS)
    check(" rw" in boot["facts"]["root"], f"its root is {boot['facts']['root']}")
    check("from=an-entry" in pc.run("test -d /sys/firmware/efi && cat /proc/cmdline"), "the one-shot's kernel did not run")
    check(lab.client("pc-4")["one_shot_name"] is None, "the one-shot is still there")
    pc.send("reboot")
    lab.wait_ready("pc-4", after=boot["id"], seconds=UEFI_SECONDS)
    check("from=an-entry" not in pc.run("cat /proc/cmdline"), "the one-shot's kernel ran twice")


def a_debian_with_its_root_by_nbd(lab):
    """Kernel and initramfs come from the server's files, the root by NBD: Debian's own nbd-client opens the disk as the
    boot entry says, and is the only one that does."""
    with_image(lab, "DEBIAN_IMAGE", "debian")
    folder = lab.data / "loaders" / "debian-nbd"
    folder.mkdir(parents=True)
    for file in ("vmlinuz", "initrd"):
        subprocess.run(["mcopy", "-i", f"{os.environ['DEBIAN_IMAGE']}@@{FAT}", f"::{file}", str(folder / file)], check=True)
    lab.nsboot("boot-entry", "add", "by-nbd", "--kind", "kernel", "--kernel", "debian-nbd/vmlinuz",
               "--initrd", "debian-nbd/initrd", "--attach-disk", "--command-line",
               "nbdroot=${nsboot-server},${nsboot-client},nbd0 root=/dev/nbd0p2 rw ip=dhcp console=ttyS0,115200 quiet panic=10")
    lab.nsboot("setting", "set", "nbd.enabled=true")
    lab.nsboot("client", "add", MAC % 5, "--name", "pc-5", "--image", "debian", "--mode", "reset")
    lab.nsboot("client", "set", "pc-5", "--boot-entry", "by-nbd")
    pc = lab.machine("pc-5", MAC % 5)
    pc.power_on()
    boot = lab.wait_ready("pc-5", seconds=DEBIAN_SECONDS)
    check(boot["facts"]["root"].startswith("/dev/nbd0p2 ext4 rw"), f"its root is {boot['facts']['root']}")
    notes = [note["text"] for note in boot["notes"]]
    check("The operating system opened its disk by NBD" in notes, f"the timeline says {notes}")
    check(not any("firmware logged in" in note for note in notes), "iPXE took the disk, too")
    pc.run("echo written >/root/mark && sync")
    check(lab.client("pc-5")["overlay_bytes"] > 0, "nothing was written")
    pc.send("reboot")
    lab.wait_ready("pc-5", after=boot["id"], seconds=DEBIAN_SECONDS)
    check(pc.run("ls /root/mark 2>/dev/null || echo gone") == "gone", "the disk was not made anew")


TESTS = [a_one_shot_clears_itself, discovered_then_adopted, a_kernel_with_its_root_on_the_network_disk,
         a_kernel_once_on_uefi, a_debian_with_its_root_by_nbd]


if __name__ == "__main__":
    main(TESTS, images=("SELFTEST_IMAGE", "DEBIAN_IMAGE"))
