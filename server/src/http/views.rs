//! Views that REST, WebSocket and page share.

use super::AppState;
use std::path::Path;
use types::{BootView, ClientId, LabView, Snapshot, SystemInfoView};

/// Everything the live pages show, as of now.
pub fn snapshot(state: &AppState) -> Snapshot {
    let engine = &state.engine;
    Snapshot {
        clients: engine.clients().list(),
        images: engine.images().list(),
        leases: engine.leases().list(),
        networks: engine.networks().list(),
    }
}

/// Facts about this server.
pub fn system(state: &AppState) -> SystemInfoView {
    let dir = &state.engine.config().data_dir;
    let (disk_free_bytes, disk_total_bytes) = disk(dir);
    SystemInfoView {
        version: env!("CARGO_PKG_VERSION").into(),
        hostname: hostname(),
        started_at: state.started_at,
        data_dir: dir.display().to_string(),
        disk_free_bytes,
        disk_total_bytes,
        memory_rss_bytes: resident_bytes(),
        lab: lab(state),
    }
}

/// The boots of a client, the newest first; none when it or its history can't be found.
pub fn boots(state: &AppState, client: ClientId) -> Vec<BootView> {
    let mac = state.engine.clients().get(client).map(|c| c.mac);
    mac.and_then(|mac| state.engine.boots().history(mac).ok())
        .unwrap_or_default()
}

/// Starts a virtual computer.
///
/// # Errors
/// When there is no lab here.
pub async fn boot_virtual(
    _: &AppState,
    _: Option<String>,
) -> Result<types::ClientView, engine::Error> {
    Err(engine::Error::unavailable(
        engine::Area::Lab,
        "there is no lab in this build",
        "Use a later one.",
    ))
}

fn lab(_: &AppState) -> LabView {
    LabView {
        available: false,
        reason: Some("not built in yet".into()),
        running: Vec::new(),
    }
}

/// (free for us, whole) of the file system under `dir`; zeros when it can't be asked.
fn disk(dir: &Path) -> (u64, u64) {
    nix::sys::statvfs::statvfs(dir).map_or((0, 0), |s| {
        let unit = s.fragment_size();
        (s.blocks_available() * unit, s.blocks() * unit)
    })
}

/// The name of this box.
pub fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname");
    name.map_or_else(|_| "localhost".into(), |n| n.trim().to_string())
}

/// Resident memory of this process, from proc(5); zero without /proc.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    let kib = line.and_then(|l| l.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}
