//! `/api/v1/system`, and the two probes that need no session.

use crate::http::{AppState, problem::ApiResult};
use axum::{Json, Router, extract::State, routing::get};
use http::{StatusCode, header};
use types::{LabView, SystemInfoView};

pub fn routes() -> Router<AppState> {
    Router::new().route("/system/info", get(info))
}

/// `/healthz`, `/readyz`.
pub fn probes() -> Router<AppState> {
    Router::new()
        .route("/healthz", get(healthy))
        .route("/readyz", get(ready))
}

async fn healthy() -> impl axum::response::IntoResponse {
    ([(header::CACHE_CONTROL, "no-store")], "ok\n")
}

/// Ready while the database answers; a boot plane that failed does not take the page away.
async fn ready(State(state): State<AppState>) -> (StatusCode, &'static str) {
    match state.engine.settings().get("clients.unknown") {
        Ok(_) => (StatusCode::OK, "ready\n"),
        Err(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "the database does not answer\n",
        ),
    }
}

async fn info(State(state): State<AppState>) -> ApiResult<Json<SystemInfoView>> {
    let dir = state.engine.config().data_dir.clone();
    let (disk_free_bytes, disk_total_bytes) = disk(&dir);
    Ok(Json(SystemInfoView {
        version: env!("CARGO_PKG_VERSION").into(),
        hostname: hostname(),
        started_at: state.started_at,
        data_dir: dir.display().to_string(),
        disk_free_bytes,
        disk_total_bytes,
        memory_rss_bytes: resident_bytes(),
        lab: LabView {
            available: false,
            reason: Some("not built in yet".into()),
            running: Vec::new(),
        },
    }))
}

/// (free for us, whole) of the file system under `dir`; zeros when it can't be asked.
fn disk(dir: &std::path::Path) -> (u64, u64) {
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
