//! One virtual computer: QEMU with a BIOS whose network card's ROM is iPXE, or with UEFI.

use super::stage::Stage;
use crate::os::{Child, Command, OsError, Program, spawn};
use sha2::{Digest, Sha256};
use std::path::Path;
use types::{LabFirmware, MacAddr};
use uuid::Uuid;

/// EDK2 for QEMU, which never changes.
const UEFI_CODE: &str = "/usr/share/OVMF/OVMF_CODE_4M.fd";
/// The state that it starts from: each machine writes to a copy of its own.
const UEFI_VARS: &str = "/usr/share/OVMF/OVMF_VARS_4M.fd";

/// What QEMU is started with.
pub(super) struct Machine {
    pub(super) name: String,
    pub(super) firmware: LabFirmware,
    pub(super) mac: MacAddr,
    pub(super) uuid: Uuid,
    pub(super) tap: String,
}

/// Whether what every machine needs is installed.
pub(super) fn programs() -> Result<(), OsError> {
    qemu().map(drop)
}

/// Whether what this firmware needs besides is installed. A BIOS comes with QEMU.
pub(super) fn has_firmware(firmware: LabFirmware) -> Result<(), OsError> {
    let files: &[&'static str] = match firmware {
        LabFirmware::Bios => &[],
        LabFirmware::Uefi => &[UEFI_CODE, UEFI_VARS],
    };
    let missing = files.iter().find(|path| !Path::new(path).is_file());
    missing.map_or(Ok(()), |path| {
        let package = "ovmf";
        Err(OsError::MissingFile { path, package })
    })
}

fn qemu() -> Result<Program, OsError> {
    Program::find("qemu-system-x86_64", "qemu-system-x86")
}

/// The address of a virtual computer's card: QEMU's prefix, the rest from lab and name, so that
/// the same name is the same computer again.
pub(super) fn mac_of(namespace: &str, name: &str) -> MacAddr {
    let hash = Sha256::digest(format!("{namespace}/{name}").as_bytes());
    MacAddr([0x52, 0x54, 0x00, hash[0], hash[1], hash[2]])
}

impl Machine {
    /// Puts what it writes to into `dir`: the variables of UEFI, as new each time, so that how a
    /// computer boots does not hang on its last boot.
    pub(super) async fn lay_out(&self, dir: &Path) -> std::io::Result<()> {
        match self.firmware {
            LabFirmware::Bios => Ok(()),
            LabFirmware::Uefi => {
                let copied = tokio::fs::copy(UEFI_VARS, dir.join(self.vars())).await;
                copied.map(drop)
            }
        }
    }

    /// Gives it power. Its serial port goes to `NAME.serial.log` in `dir` and to the socket
    /// `NAME.sock` beside it; what QEMU itself says to `NAME.qemu.log`.
    /// [`Machine::lay_out`] came before.
    pub(super) async fn start(&self, stage: &Stage, dir: &Path) -> Result<Child, OsError> {
        let command = self.command()?.current_dir(dir).behind(stage.enter()?);
        spawn(command, &dir.join(format!("{}.qemu.log", self.name))).await
    }

    fn vars(&self) -> String {
        format!("{}.vars.fd", self.name)
    }

    fn command(&self) -> Result<Command, OsError> {
        let Machine {
            name, uuid, tap, ..
        } = self;
        // Relative paths: a socket's path has at most 107 bytes, the data folder's may be longer.
        let command = Command::new(&qemu()?)
            .args(["-name", name, "-nodefaults", "-display", "none"])
            // By emulation: KVM is often there inside containers and yet starts no kernel.
            .args(["-accel", "tcg", "-uuid", &uuid.to_string()])
            .arg("-netdev")
            .arg(format!("tap,id=n0,ifname={tap},script=no,downscript=no"))
            .arg("-chardev")
            .arg(format!(
                "socket,id=s0,path={name}.sock,server=on,wait=off,logfile={name}.serial.log"
            ))
            .args(["-serial", "chardev:s0"]);
        Ok(match self.firmware {
            LabFirmware::Bios => self.with_bios(command),
            LabFirmware::Uefi => self.with_uefi(command),
        })
    }

    /// 512 MiB: the self-test's kernel and initramfs with room to spare.
    fn with_bios(&self, command: Command) -> Command {
        command
            .args(["-m", "512", "-boot", "n", "-device"])
            .arg(format!("virtio-net-pci,netdev=n0,mac={}", self.mac))
    }

    /// 1024 MiB: EDK2 alone needs more than a BIOS. No ROM in the network card, so that EDK2's own
    /// stack speaks; a source of randomness, without which newer ones have no network.
    fn with_uefi(&self, command: Command) -> Command {
        command
            .args(["-machine", "q35", "-m", "1024"])
            .arg("-drive")
            .arg(format!("if=pflash,format=raw,readonly=on,file={UEFI_CODE}"))
            .arg("-drive")
            .arg(format!("if=pflash,format=raw,file={}", self.vars()))
            .args(["-device", "virtio-rng-pci", "-device"])
            .arg(format!(
                "virtio-net-pci,netdev=n0,mac={},bootindex=1,romfile=",
                self.mac
            ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(firmware: LabFirmware) -> Option<String> {
        let machine = Machine {
            name: "virtual-1".into(),
            firmware,
            mac: mac_of("nsboot-1", "virtual-1"),
            uuid: Uuid::nil(),
            tap: "tap-010203".into(),
        };
        // Where QEMU is not installed there is no command line of it.
        machine.command().ok().map(|c| format!("{c:?}"))
    }

    #[test]
    fn uefi_speaks_by_its_own_stack_and_writes_to_its_own_variables() {
        let Some(uefi) = arguments(LabFirmware::Uefi) else {
            return;
        };
        assert!(uefi.contains("romfile=\"") && uefi.contains("file=virtual-1.vars.fd"));
        assert!(!uefi.contains(UEFI_VARS), "the original is nobody's");
        let bios = arguments(LabFirmware::Bios).unwrap();
        assert!(!bios.contains("pflash") && !bios.contains("romfile"));
    }

    #[test]
    fn the_card_keeps_its_address() {
        let mac = mac_of("nsboot-1", "virtual-1");
        assert_eq!(mac, mac_of("nsboot-1", "virtual-1"));
        assert_ne!(mac, mac_of("nsboot-1", "virtual-2"));
        assert_ne!(mac, mac_of("nsboot-2", "virtual-1"));
        assert!(mac.is_unicast());
    }
}
