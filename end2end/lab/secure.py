#!/usr/bin/env python3
"""Secure Boot with Microsoft's keys, from the firmware to a running kernel. usage: secure.py [--rounds N] [NAME...]

Environment: NSBOOT_BIN (the binary), SELFTEST_IMAGE (made by selftest/build.sh; its kernel is Debian's, which is signed).
"""
import os
import subprocess
import tarfile

from checks import check, hop
from harness import until
from runner import main

MAC = "52:54:00:79:00:%02x"
# Where the self-test's FAT partition begins in its disk, bytes.
FAT = 1 << 20
# Emulated, and without anything beside it, this takes half a minute.
SECONDS = 240
INIT = """#!/bin/busybox sh
/bin/busybox mkdir -p /proc
/bin/busybox mount -t proc proc /proc
/bin/busybox dmesg -n 1
echo "INIT-OF: $(/bin/busybox cat /proc/cmdline)"
exec /bin/busybox sleep 100000
"""


def rescue_set(lab):
    """Uploads a set with a signed kernel, and an initial RAM disk that says that it runs."""
    tree = lab.dir / "initrd.tree"
    (tree / "bin").mkdir(parents=True)
    subprocess.run(["cp", "/bin/busybox", str(tree / "bin/busybox")], check=True)
    (tree / "init").write_text(INIT)
    (tree / "init").chmod(0o755)
    files = subprocess.run(["find", "."], cwd=tree, capture_output=True, check=True).stdout
    cpio = subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], cwd=tree, input=files, capture_output=True, check=True).stdout
    (lab.dir / "initrd").write_bytes(cpio)
    image = f"{os.environ['SELFTEST_IMAGE']}@@{FAT}"
    subprocess.run(["mcopy", "-i", image, "::vmlinuz", str(lab.dir / "vmlinuz")], check=True)
    archive = lab.dir / "rescue-1.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for name in ("vmlinuz", "initrd"):
            tar.add(lab.dir / name, arcname=f"rescue-1/{name}")
    lab.nsboot("loader", "add", str(archive), "--name", "rescue-1")


def secure_boot_reaches_a_kernel(lab):
    """Firmware, shim, GRUB and kernel each check the next one's signature; what each of them asks for in vain fails nothing."""
    lab.start_server()
    rescue_set(lab)
    lab.nsboot("boot-entry", "add", "rescue", "--kind", "kernel", "--kernel", "rescue-1/vmlinuz", "--initrd", "rescue-1/initrd",
               "--command-line", "console=ttyS0,115200 from=an-entry")
    lab.nsboot("client", "add", MAC % 1, "--name", "pc-1")
    lab.nsboot("client", "set", "pc-1", "--boot-entry", "rescue", "--loader-set", "debian-signed")
    pc = lab.machine("pc-1", MAC % 1, "uefi-secure")
    pc.power_on()
    console = lambda: lab.log("pc-1.serial.log")
    try:
        until("the kernel's init", SECONDS, lambda: "INIT-OF: " in console())
    except TimeoutError as error:
        raise TimeoutError(f"{error}; it stands at {lab.boot_of('pc-1')}; its console ends with:\n{console()[-1500:]}") from None
    check("Secure boot enabled" in console(), "the kernel does not say that Secure Boot is on")
    check("from=an-entry" in console().split("INIT-OF: ")[1], "the kernel has another command line")
    boot = lab.boot_of("pc-1")
    failed = [h for h in boot["hops"] if h["state"] == "failed"]
    check(boot["state"] != "stopped" and not failed, f"what is normal failed the boot: {boot}")
    check(hop(boot, "loader")["state"] == "done", f"the loader hop: {hop(boot, 'loader')}")
    notes = [n["text"] for n in boot["notes"]]
    check(any("debian-signed/shimx64.efi fetched" in n for n in notes), f"no shim among {notes}")
    check(any("grubx64.efi fetched" in n for n in notes), f"no GRUB among {notes}")
    used = subprocess.run([lab.binary, "--data", str(lab.data), "loader", "rm", "rescue-1"], capture_output=True, text=True)
    check(used.returncode == 5 and "rescue" in used.stderr, f"a set in use was removed: {used}")


TESTS = [secure_boot_reaches_a_kernel]


if __name__ == "__main__":
    main(TESTS)
