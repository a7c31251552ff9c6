//! One virtual computer: QEMU with a BIOS whose network card's ROM is iPXE.

use super::stage::Stage;
use crate::os::{Child, Command, OsError, Program, spawn};
use sha2::{Digest, Sha256};
use std::path::Path;
use types::MacAddr;
use uuid::Uuid;

/// Memory of a machine, MiB: the self-test's kernel and initramfs with room to spare.
const MEMORY_MIB: u32 = 512;

/// What QEMU is started with.
pub(super) struct Machine {
    pub(super) name: String,
    pub(super) mac: MacAddr,
    pub(super) uuid: Uuid,
    pub(super) tap: String,
}

/// Whether what a machine needs is installed.
pub(super) fn programs() -> Result<(), OsError> {
    qemu().map(drop)
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
    /// Gives it power. Its serial port goes to `NAME.serial.log` in `dir` and to the socket
    /// `NAME.sock` beside it; what QEMU itself says to `NAME.qemu.log`.
    pub(super) async fn start(&self, stage: &Stage, dir: &Path) -> Result<Child, OsError> {
        let command = self.command()?.current_dir(dir).behind(stage.enter()?);
        spawn(command, &dir.join(format!("{}.qemu.log", self.name))).await
    }

    fn command(&self) -> Result<Command, OsError> {
        let Machine {
            name,
            mac,
            uuid,
            tap,
        } = self;
        // Relative paths: a socket's path has at most 107 bytes, the data folder's may be longer.
        Ok(Command::new(&qemu()?)
            .args(["-name", name, "-nodefaults", "-display", "none"])
            // By emulation: KVM is often there inside containers and yet starts no kernel.
            .args(["-accel", "tcg", "-m", &MEMORY_MIB.to_string()])
            .args(["-boot", "n", "-uuid", &uuid.to_string()])
            .arg("-netdev")
            .arg(format!("tap,id=n0,ifname={tap},script=no,downscript=no"))
            .arg("-device")
            .arg(format!("virtio-net-pci,netdev=n0,mac={mac}"))
            .arg("-chardev")
            .arg(format!(
                "socket,id=s0,path={name}.sock,server=on,wait=off,logfile={name}.serial.log"
            ))
            .args(["-serial", "chardev:s0"]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_card_keeps_its_address() {
        let mac = mac_of("nsboot-1", "virtual-1");
        assert_eq!(mac, mac_of("nsboot-1", "virtual-1"));
        assert_ne!(mac, mac_of("nsboot-1", "virtual-2"));
        assert_ne!(mac, mac_of("nsboot-2", "virtual-1"));
        assert!(mac.is_unicast());
    }
}
