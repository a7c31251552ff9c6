//! Views that REST, WebSocket and page share.

use super::{AppState, site};
use engine::{Error, Operator, Viewer};
use std::path::Path;
use types::{ClientView, LabBootParams, Snapshot, SystemInfoView, Topics};

/// Everything about these topics that the holder of the handle may see, as of now.
pub fn snapshot(viewer: &Viewer, topics: Topics) -> Snapshot {
    viewer.snapshot(topics, site::BUILD.clone())
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

/// Makes the lab's network and serves it; nothing changes when it is up.
///
/// # Errors
/// When there can be no lab here, with the reason.
pub async fn lab_up(state: &AppState, operator: &Operator) -> Result<(), Error> {
    let network = operator.lab_up().await?;
    state.planes.start(network);
    Ok(())
}

/// Powers all virtual computers off and takes the lab's network away.
///
/// # Errors
/// When the network can't be taken away.
pub async fn lab_down(state: &AppState, operator: &Operator) -> Result<(), Error> {
    state.planes.stop_lab().await;
    operator.lab_down().await
}

/// Powers a virtual computer on, in the lab's network.
///
/// # Errors
/// When it runs already, or there can be no lab here.
pub async fn boot_virtual(
    state: &AppState,
    operator: &Operator,
    params: LabBootParams,
) -> Result<ClientView, Error> {
    let name = params.name.as_deref();
    operator.lab_takes_name(name).await?;
    // Its boot plane first: the computer asks as soon as it has power.
    lab_up(state, operator).await?;
    operator.lab_boot(name, params.firmware).await
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
