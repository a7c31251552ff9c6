#!/usr/bin/env python3
"""Writes down what real firmware and real clients ask of us, for the tests of `server/daemons/src/dhcp`: boots each below
against the real binary and keeps the first DHCP packet of each kind that it sends. usage: record.py [NAME...]

Environment: NSBOOT_BIN (the binary). Needs root and Debian packages that nothing else needs; it says which.
"""
import argparse
import collections
import datetime
import os
import pathlib
import shutil
import subprocess
import sys

import capture
import harness
from harness import Lab, ROOT, until

FOLDER = ROOT / "server/daemons/src/dhcp/captures"
MAC = "52:54:00:7a:00:%02x"
AAVMF = pathlib.Path("/usr/share/AAVMF")
# Emulated, ARM64 firmware takes minutes until it asks for the network.
SECONDS = 420
DISCOVER, REQUEST = 1, 3

# `packages`: whose versions are noted, and which must be there. `keeps`: which of `KINDS` are waited for. `beside`: whether
# another server hands out the addresses, so that firmware has to ask on port 4011.
Case = collections.namedtuple("Case", "name what packages start keeps beside", defaults=[False])


def _arm64(machine, http=False):
    shutil.copy(AAVMF / "AAVMF_VARS.fd", machine.lab.dir / f"{machine.name}.vars.fd")
    # The entropy device is what EDK2's network needs since 2024.
    return ["-machine", "virt", "-cpu", "cortex-a57", "-device", "virtio-rng-pci",
            "-drive", f"if=pflash,format=raw,readonly=on,file={AAVMF / 'AAVMF_CODE.fd'}",
            "-drive", f"if=pflash,format=raw,file={machine.name}.vars.fd",
            "-device", f"{machine.nic},netdev=n0,mac={machine.mac},bootindex=1,romfile=", *(_no_pxe() if http else [])]


def _no_pxe():
    return [arg for v in (4, 6) for arg in ("-fw_cfg", f"name=opt/org.tianocore/IPv{v}PXESupport,string=n")]


def _ia32(machine):
    return [*harness._uefi(machine, "OVMF32_CODE_4M.secboot.fd", "OVMF32_VARS_4M.fd", "q35,smm=on"),
            "-global", "driver=cfi.pflash01,property=secure,value=on"]


harness.FIRMWARE.update({"arm64": _arm64, "arm64-http": lambda machine: _arm64(machine, http=True), "ia32": _ia32})


def machine(firmware, nic="virtio-net-pci", through_loader=False):
    """Starts a computer with that firmware and card."""
    def start(lab):
        mac = MAC % 1
        if through_loader:
            lab.nsboot("client", "add", mac, "--name", "pc")
            lab.api("POST", "/clients/pc/actions/through-loader")
        pc = lab.machine("pc", mac, firmware, nic)
        if firmware.startswith("arm64"):
            pc.program = "qemu-system-aarch64"
        pc.power_on()
        return mac
    return start


def with_grub(lab):
    """UEFI that loads a GRUB by PXE which asks for an address by itself."""
    config = lab.dir / "grub.cfg"
    config.write_text("net_bootp\nsleep 1000\n")
    target = lab.data / "loaders/records/grubx64.efi"
    subprocess.run(["grub-mkstandalone", "-O", "x86_64-efi", "-o", str(target), "--modules=efinet net tftp",
                    f"boot/grub/grub.cfg={config}"], check=True, capture_output=True)
    lab.kill_server()
    lab.start_server()
    return machine("uefi")(lab)


def client(*argv):
    """Starts a DHCP client of Linux at the other end of a cable to the bridge."""
    def start(lab):
        mac = MAC % 2
        argv_here = [part.replace("DIR", str(lab.dir)) for part in argv]
        lab.others.append(lab.spawn(argv_here, "client.log", namespace=lab.cable("c", mac)))
        return mac
    return start


BIOS, UEFI = ["ipxe-qemu", "qemu-system-x86"], ["ovmf", "qemu-system-x86"]
LEASE = ["discover", "request"]
CASES = [
    *(Case(f"bios-ipxe-{nic}", f"QEMU's BIOS, whose ROM is iPXE, with a card {nic}", BIOS, machine("bios", nic), LEASE)
      for nic in ("e1000", "rtl8139", "virtio-net-pci")),
    Case("undionly", "undionly.kpxe, after it was loaded", ["ipxe", *BIOS], machine("bios", through_loader=True),
         ["loader-discover", "loader-request"]),
    Case("uefi-x64", "EDK2 x64 by PXE", UEFI, machine("uefi"), [*LEASE, "boot-server"], beside=True),
    Case("uefi-x64-http", "EDK2 x64 by HTTP Boot", UEFI, machine("uefi-http"), LEASE),
    Case("snponly", "snponly.efi x64, after it was loaded", ["ipxe", *UEFI], machine("uefi"),
         ["loader-discover", "loader-request"]),
    Case("uefi-ia32", "EDK2 for 32 bits by PXE", ["ovmf-ia32", "qemu-system-x86"], machine("ia32"),
         [*LEASE, "boot-server"], beside=True),
    Case("uefi-arm64", "EDK2 ARM64 by PXE", ["qemu-efi-aarch64", "qemu-system-arm"], machine("arm64"),
         [*LEASE, "boot-server"], beside=True),
    Case("uefi-arm64-http", "EDK2 ARM64 by HTTP Boot", ["qemu-efi-aarch64", "qemu-system-arm"], machine("arm64-http"), LEASE),
    Case("grub-x64", "GRUB x64, its own `net_bootp`", ["grub-efi-amd64-bin", *UEFI], with_grub, ["loader-discover"]),
    Case("dhclient", "ISC dhclient", ["isc-dhcp-client"],
         client("dhclient", "-d", "-cf", "/dev/null", "-lf", "DIR/dhclient.leases", "-pf", "DIR/dhclient.pid", "-sf",
                "/bin/true", "eth0"), LEASE),
    Case("udhcpc", "busybox udhcpc", ["busybox-static"],
         client("busybox", "udhcpc", "-f", "-i", "eth0", "-s", "/bin/true", "-x", "hostname:pc31"), LEASE),
]


def sent(pcap, mac):
    """The first packet of each kind that `mac` sent: bytes by kind. What follows its first request for a file by TFTP is
    its loader's."""
    kept, prefix = {}, ""
    for datagram in capture.datagrams(pcap):
        if datagram.target_port == 69:
            prefix = "loader-"
        if datagram.target_port not in (67, 4011) or datagram.payload[28:34] != bytes.fromhex(mac.replace(":", "")):
            continue
        kind = {(67, DISCOVER): "discover", (67, REQUEST): "request", (4011, REQUEST): "boot-server"}.get(
            (datagram.target_port, capture.dhcp_type(datagram.payload)))
        if kind:
            kept.setdefault(prefix + kind, datagram.payload)
    return kept


def stub_loaders(lab):
    """A set with something to load for architectures of which Debian has no iPXE."""
    for name in ("arm64-efi/snponly.efi", "i386-efi/snponly.efi"):
        path = lab.data / "loaders/records" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(b"no program")


def record(case, lab):
    if case.beside:
        lab.foreign_dhcp()
    stub_loaders(lab)
    lab.start_server()
    lab.nsboot("setting", "set", "clients.loader_set=records")
    pcap = lab.capture(length=2000)
    mac = case.start(lab)

    def look():
        if any(machine.process.poll() is not None for machine in lab.machines):
            raise RuntimeError(f"QEMU ended: {lab.log('pc.qemu.log')}")
        seen = sent(pcap, mac)
        return seen if set(case.keeps) <= seen.keys() else None
    kept = until(case.what, SECONDS, look)
    for kind in case.keeps:
        write(case, kind, kept[kind])


def write(case, kind, payload):
    path = FOLDER / f"{case.name}-{kind.removeprefix('loader-')}.hex"
    versions = ", ".join(f"{p} {version(p)}" for p in case.packages)
    text = payload.hex()
    lines = [f"# {case.what}: its {kind.removeprefix('loader-')} packet", f"# {versions}",
             f"# recorded {datetime.date.today()} by end2end/lab/record.py {case.name}",
             *(text[i:i + 64] for i in range(0, len(text), 64))]
    path.write_text("\n".join(lines) + "\n")
    print(f"   {path.name}: {len(payload)} bytes")


def version(package):
    """The installed version of a Debian package, or None."""
    done = subprocess.run(["dpkg-query", "-W", "-f=${db:Status-Status} ${Version}", package], capture_output=True, text=True)
    status, _, number = done.stdout.partition(" ")
    return number if done.returncode == 0 and status == "installed" else None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*")
    wanted = parser.parse_args().names
    unknown = set(wanted) - {case.name for case in CASES}
    if unknown:
        sys.exit(f"no such recording: {', '.join(sorted(unknown))}")
    cases = [case for case in CASES if case.name in wanted or not wanted]
    missing = sorted({p for case in cases for p in case.packages if version(p) is None})
    if os.geteuid() or missing:
        sys.exit(f"recording needs root, and these packages first: apt-get install {' '.join(missing)}")
    failed = []
    for case in cases:
        print(f"== {case.name}: {case.what}", flush=True)
        lab, good = Lab(), False
        try:
            record(case, lab)
            good = True
        except (RuntimeError, TimeoutError, OSError, subprocess.CalledProcessError) as error:
            failed.append(case.name)
            print(f"   FAILED: {error}", flush=True)
        finally:
            lab.close(keep=not good)
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
