#!/usr/bin/env python3
"""Each way in which firmware comes to its disk, with real firmware and the real binary.
usage: firmware.py [--long] [--rounds N] [NAME...]

Environment: NSBOOT_BIN (the binary), SELFTEST_IMAGE (made by selftest/build.sh), DEBIAN_IMAGE (by debian/build.sh).
"""
import capture
from checks import check, hop, seconds_of, with_image
from harness import ROUTER, ROUTER_RANGE, SERVER, until
from runner import main

MAC = "52:54:00:78:00:%02x"
# Emulated, UEFI takes a minute where a BIOS takes fifteen seconds, and HTTP Boot begins only then.
UEFI_SECONDS = 240


def add(lab, number, mode="reset", image="self-test"):
    """Registers a computer with a disk; its name."""
    name = f"pc-{number}"
    lab.nsboot("client", "add", MAC % number, "--name", name, "--image", image, "--mode", mode)
    return name


def boots(lab, machine, firmware=None):
    """Powers a computer on, now perhaps with another firmware, and waits until it is ready; its boot."""
    machine.firmware = firmware or machine.firmware
    last = lab.boot_of(machine.name)
    machine.power_on()
    return ready(lab, machine, after=last and last["id"])


def ready(lab, machine, after=None):
    boot = lab.wait_ready(machine.name, after, UEFI_SECONDS)
    print(f"   {machine.name}, {machine.firmware}, {machine.nic}: {seconds_of(boot['ended_at']) - machine.on_at:.1f} s")
    return boot


def loaded_by(boot):
    """What the timeline says of the loader."""
    return [note["text"] for note in boot["notes"] if note["hop"] == "loader"]


def uefi_boots_by_pxe(lab):
    """UEFI's own PXE fetches our loader by TFTP. The disk is the same one whatever firmware starts from it."""
    with_image(lab)
    pc = lab.machine(add(lab, 1, "keep"), MAC % 1)
    boot = boots(lab, pc, "uefi")
    check(hop(boot, "loader")["state"] == "done", f"the loader hop: {hop(boot, 'loader')}")
    check(any(".efi fetched" in text for text in loaded_by(boot)), f"no EFI loader was fetched: {loaded_by(boot)}")
    pc.run("test -d /sys/firmware/efi && echo kept > /root/proof && sync")
    pc.power_off()
    boots(lab, pc, "bios")
    check(pc.run("cat /root/proof") == "kept", "a BIOS does not find what was written under UEFI")
    pc.power_off()
    lab.nsboot("client", "set", pc.name, "--mode", "reset")
    boots(lab, pc, "uefi")
    check(pc.run("test -e /root/proof && echo there || echo gone") == "gone", "the file outlived a reset")


def uefi_boots_by_http(lab):
    """HTTP Boot: from DHCP to the disk without a single packet of TFTP."""
    with_image(lab)
    pc = lab.machine(add(lab, 2), MAC % 2, "uefi-http")
    pcap = lab.capture()
    boot = boots(lab, pc)
    check(hop(boot, "loader")["state"] == "done", f"the loader hop: {hop(boot, 'loader')}")
    tftp = [d for d in capture.datagrams(pcap) if 69 in (d.source_port, d.target_port)]
    check(not tftp, f"{len(tftp)} packets of TFTP, the first: {tftp[:1]}")
    check(any(d.kind == capture.ACK and d.mac == MAC % 2 for d in capture.dhcp(pcap)), "the capture holds no lease")


def boots_beside_another_dhcp(lab):
    """A router leases the addresses and knows nothing of booting; we add the boot file, and no address."""
    lab.foreign_dhcp()
    with_image(lab)
    pcap = lab.capture()
    machines = [lab.machine(add(lab, 3), MAC % 3, "bios"), lab.machine(add(lab, 4), MAC % 4, "uefi")]
    for machine in machines:
        machine.power_on()
    for machine in machines:
        ready(lab, machine)
    for machine in machines:
        heard = [d for d in capture.dhcp(pcap) if d.mac == machine.mac]
        ours = [d for d in heard if d.source == SERVER]
        check(any(d.kind == capture.OFFER for d in ours), f"we offered {machine.name} nothing")
        check({d.address for d in ours} == {"0.0.0.0"}, f"we handed out an address: {ours}")
        leased = {d.address for d in heard if d.source == ROUTER and d.kind == capture.ACK}
        check(leased and all(in_range(address) for address in leased), f"the router leased {leased}")
        check(machine.mac in lab.log("router.leases"), f"the router knows nothing of {machine.name}")


def in_range(address):
    """Whether the router hands this one out; both ends differ in their last number alone."""
    first, last = (int(end.rpartition(".")[2]) for end in ROUTER_RANGE)
    return first <= int(address.rpartition(".")[2]) <= last


def the_virtual_lab_boots_uefi(lab):
    """`nsboot lab boot --firmware uefi`, in the network that the server makes itself."""
    with_image(lab)
    lab.nsboot("lab", "boot", "--firmware", "uefi", "--name", "virtual-1")
    try:
        boot = lab.wait_ready("virtual-1", seconds=UEFI_SECONDS)
        check(any(".efi fetched" in text for text in loaded_by(boot)), f"no EFI loader was fetched: {loaded_by(boot)}")
        # The next power-on may have other firmware, and it is the same computer.
        lab.nsboot("lab", "down", "--name", "virtual-1")
        lab.nsboot("lab", "boot", "--firmware", "bios", "--name", "virtual-1")
        lab.wait_ready("virtual-1", after=boot["id"])
    finally:
        lab.nsboot("lab", "down")


def debian_has_its_root_here(lab):
    """A real Debian, whose own initramfs logs in again as the firmware's iBFT says, reaches multi-user.target."""
    with_image(lab, "DEBIAN_IMAGE", "debian")
    pc = lab.machine(add(lab, 5, "keep", "debian"), MAC % 5)
    boot = boots(lab, pc, "uefi")
    check("ext4 rw" in boot["facts"]["root"], f"the root is not writable: {boot['facts']}")
    pc.run("test -d /sys/firmware/efi && systemctl is-active multi-user.target")
    pc.run("echo kept > /root/proof && sync")
    pc.power_off()
    boots(lab, pc, "bios")
    check(pc.run("cat /root/proof") == "kept", "a BIOS does not find what was written under UEFI")
    pc.power_off()
    lab.nsboot("client", "set", pc.name, "--mode", "reset")
    boots(lab, pc)
    check(pc.run("test -e /root/proof && echo there || echo gone") == "gone", "the file outlived a reset")


def every_network_card_boots(lab):
    """Other cards have other ROMs, whose iPXE has other drivers, and so has the system's kernel."""
    with_image(lab)
    for number, nic in enumerate(["e1000", "e1000e", "rtl8139", "pcnet"], 10):
        pc = lab.machine(add(lab, number), MAC % number, "bios", nic)
        boots(lab, pc)
        pc.power_off()
    # Linux's driver sends nothing through QEMU 7.2's vmxnet3, as a capture shows; its ROM reads kernel and initramfs.
    pc = lab.machine(add(lab, 20), MAC % 20, "bios", "vmxnet3")
    pc.power_on()
    until("the kernel behind vmxnet3", UEFI_SECONDS, lambda: f"self-test: eth0 {pc.mac}" in lab.log("pc-20.serial.log"))


TESTS = [uefi_boots_by_pxe, uefi_boots_by_http, boots_beside_another_dhcp, the_virtual_lab_boots_uefi,
         debian_has_its_root_here]
LONG = [every_network_card_boots]


if __name__ == "__main__":
    main(TESTS, LONG, ("SELFTEST_IMAGE", "DEBIAN_IMAGE"))
