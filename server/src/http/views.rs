//! Views that REST, WebSocket and page share.

use super::{AppState, site};
use engine::Error;
use std::path::Path;
use types::{BootView, ClientId, ClientView, Snapshot, SystemInfoView};

/// Everything the live pages show, as of now.
pub fn snapshot(state: &AppState) -> Snapshot {
    let engine = &state.engine;
    Snapshot {
        page_build: site::BUILD.clone(),
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
        lab: state.engine.lab().view(),
    }
}

/// The boots of a client, the newest first; none when it or its history can't be found.
pub fn boots(state: &AppState, client: ClientId) -> Vec<BootView> {
    let mac = state.engine.clients().get(client).map(|c| c.mac);
    mac.and_then(|mac| state.engine.boots().history(mac).ok())
        .unwrap_or_default()
}

/// Makes the lab's network and serves it; nothing changes when it is up.
///
/// # Errors
/// When there can be no lab here, with the reason.
pub async fn lab_up(state: &AppState) -> Result<(), Error> {
    let network = state.engine.lab().up().await?;
    state.planes.start(network);
    Ok(())
}

/// Powers all virtual computers off and takes the lab's network away.
///
/// # Errors
/// When the network can't be taken away.
pub async fn lab_down(state: &AppState) -> Result<(), Error> {
    state.planes.stop_lab().await;
    state.engine.lab().down().await
}

/// Powers a virtual computer on, in the lab's network.
///
/// # Errors
/// When it runs already, or there can be no lab here.
pub async fn boot_virtual(state: &AppState, name: Option<&str>) -> Result<ClientView, Error> {
    // Its boot plane first: the computer asks as soon as it has power.
    lab_up(state).await?;
    state.engine.lab().boot(name).await
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
pub fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    let kib = line.and_then(|l| l.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}
