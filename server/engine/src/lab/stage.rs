//! The lab's network: a namespace, a bridge in it, a tap for each machine. All names hang on the
//! data folder, so that two servers on one box never meet.

use crate::{
    BootNetworkConfig,
    network::LEASE_SECONDS,
    os::{Command, OsError, Program},
};
use sha2::{Digest, Sha256};
use std::{net::Ipv4Addr, os::unix::ffi::OsStrExt, path::Path};
use types::{AddressRange, DhcpMode, MacAddr};

/// The bridge's name; the namespace is ours alone, so it needs no hash.
const BRIDGE: &str = "br0";
/// Our address on the bridge, with its prefix.
const ADDRESS: &str = "10.77.0.1/24";
const FIRST: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 100);
const LAST: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 199);

/// The network of one data folder's lab.
pub(super) struct Stage {
    pub(super) namespace: String,
}

/// The tap of a machine: at most 15 letters.
pub(super) fn tap_name(mac: MacAddr) -> String {
    let [_, _, _, a, b, c] = mac.0;
    format!("tap-{a:02x}{b:02x}{c:02x}")
}

impl Stage {
    /// That of a data folder.
    pub(super) fn of(data_dir: &Path) -> Stage {
        let hash = Sha256::digest(data_dir.as_os_str().as_bytes());
        Stage {
            namespace: format!("nsboot-{}", types::hex(&hash[..4])),
        }
    }

    /// Whether what it needs is installed.
    pub(super) fn programs() -> Result<(), OsError> {
        ip_program()?;
        Program::find("nsenter", "util-linux")?;
        Program::find("setpriv", "util-linux")?;
        Ok(())
    }

    /// What is to be served on the bridge.
    pub(super) fn boot_network(&self) -> BootNetworkConfig {
        BootNetworkConfig {
            interface: BRIDGE.into(),
            namespace: Some(self.namespace.clone()),
            mode: DhcpMode::Full,
            range: Some(AddressRange {
                first: FIRST,
                last: LAST,
            }),
            router: None,
            dns: Vec::new(),
            lease_seconds: LEASE_SECONDS,
            is_lab: true,
        }
    }

    /// Ends processes that a run before left in our namespace, and takes it away. Without one
    /// there is nothing to do.
    pub(super) async fn sweep(&self) -> Result<(), OsError> {
        if !Path::new("/run/netns").join(&self.namespace).exists() {
            return Ok(());
        }
        let pids = ip(&["netns", "pids", &self.namespace]).await?;
        let ours = std::process::id();
        for pid in pids
            .split_whitespace()
            .filter_map(|p| p.parse::<i32>().ok())
        {
            // Our own threads in there hold sockets of a boot plane, they are no leftovers.
            if u32::try_from(pid) != Ok(ours) {
                let pid = nix::unistd::Pid::from_raw(pid);
                let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
            }
        }
        ip(&["netns", "del", &self.namespace]).await?;
        Ok(())
    }

    /// Makes namespace and bridge.
    pub(super) async fn build(&self) -> Result<(), OsError> {
        ip(&["netns", "add", &self.namespace]).await?;
        self.ip(&["link", "add", BRIDGE, "type", "bridge"]).await?;
        self.ip(&["addr", "add", ADDRESS, "dev", BRIDGE]).await?;
        self.ip(&["link", "set", BRIDGE, "up"]).await?;
        self.ip(&["link", "set", "lo", "up"]).await
    }

    /// Makes a tap on the bridge, unless it is there from an earlier boot of that machine.
    pub(super) async fn add_tap(&self, tap: &str) -> Result<(), OsError> {
        if self.ip(&["link", "show", "dev", tap]).await.is_ok() {
            return Ok(());
        }
        self.ip(&["tuntap", "add", "dev", tap, "mode", "tap"])
            .await?;
        self.ip(&["link", "set", tap, "master", BRIDGE]).await?;
        self.ip(&["link", "set", tap, "up"]).await
    }

    /// A command that runs another inside the namespace, in its own place.
    pub(super) fn enter(&self) -> Result<Command, OsError> {
        let nsenter = Command::new(&Program::find("nsenter", "util-linux")?);
        Ok(nsenter.arg(format!("--net=/run/netns/{}", self.namespace)))
    }

    async fn ip(&self, args: &[&str]) -> Result<(), OsError> {
        let mut all = vec!["-n", &self.namespace];
        all.extend(args);
        ip(&all).await.map(drop)
    }
}

fn ip_program() -> Result<Program, OsError> {
    Program::find("ip", "iproute2")
}

async fn ip(args: &[&str]) -> Result<String, OsError> {
    Command::new(&ip_program()?)
        .args(args.iter().copied())
        .run()
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_the_kernel_and_hang_on_the_folder() {
        let (a, b) = (Stage::of(Path::new("/a")), Stage::of(Path::new("/b")));
        assert_ne!(a.namespace, b.namespace);
        assert_eq!(a.namespace, Stage::of(Path::new("/a")).namespace);
        assert!(tap_name(MacAddr([0x52, 0x54, 0, 255, 255, 255])).len() <= 15);
    }

    /// With the real kernel, where we may.
    #[tokio::test]
    async fn a_stage_is_built_swept_and_built_again() {
        if !nix::unistd::geteuid().is_root() || Stage::programs().is_err() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let stage = Stage::of(dir.path());
        for _ in 0..2 {
            stage.sweep().await.unwrap();
            stage.build().await.unwrap();
            stage.add_tap("tap-010203").await.unwrap();
            stage.add_tap("tap-010203").await.unwrap();
        }
        stage.sweep().await.unwrap();
        assert!(!Path::new("/run/netns").join(&stage.namespace).exists());
    }
}
