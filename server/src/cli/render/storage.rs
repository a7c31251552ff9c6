//! What takes space, what is offered, and who uses it.

use super::{Row, bytes, fields, or_dash};
use serde::Serialize;
use types::{
    DiskSessionView, ExportDiskView, ExportView, Forecast, OverlayMode, OverlayView, StorageView,
};

/// How full it is.
pub fn storage(s: &StorageView) -> String {
    let low = match s.is_low {
        true => format!(", less than the {} % that are set", s.warn_free_percent),
        false => String::new(),
    };
    let free = format!("{} ({} %{low})", bytes(s.free_bytes), s.free_percent());
    fields(&[
        ("size", bytes(s.total_bytes)),
        ("free", free),
        ("images", bytes(s.images_bytes)),
        ("versions", bytes(s.versions_bytes)),
        ("overlays", bytes(s.overlays_bytes)),
        ("loaders", bytes(s.loaders_bytes)),
        ("database", bytes(s.database_bytes)),
        ("other", bytes(s.other_bytes)),
        ("forecast", forecast(s.forecast)),
        ("measured", s.measured_at.to_string()),
    ])
}

fn forecast(forecast: Forecast) -> String {
    match forecast {
        Forecast::Unknown => "not enough is known yet; it takes a day".into(),
        Forecast::Steady => "it does not grow".into(),
        Forecast::Full { days, daily_bytes } => {
            format!("full in about {days} days, at {} a day", bytes(daily_bytes))
        }
    }
}

/// Image and version in one word.
fn on(image: &Option<String>, version: Option<u32>) -> String {
    match (image, version) {
        (Some(image), Some(version)) => format!("{image} {version}"),
        _ => "-".into(),
    }
}

impl Row for ExportView {
    const HEAD: &'static [&'static str] = &[
        "COMPUTER", "IMAGE", "SIZE", "READ", "WRITTEN", "SESSIONS", "SINCE", "TARGET",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            or_dash(self.client_name.as_deref()),
            on(&self.image_name, self.version),
            bytes(self.size_bytes),
            bytes(self.read_bytes),
            bytes(self.written_bytes),
            self.sessions.len().to_string(),
            self.since.to_string(),
            self.target.clone(),
        ]
    }
}

/// One offered disk.
pub fn export(e: &ExportView) -> String {
    fields(&[
        ("computer", or_dash(e.client_name.as_deref())),
        ("id", e.client_id.to_string()),
        ("target", e.target.clone()),
        ("serial", e.serial.clone()),
        ("naa", e.naa.clone()),
        ("size", bytes(e.size_bytes)),
        ("image", on(&e.image_name, e.version)),
        ("data disks", data_disks(e)),
        ("since", e.since.to_string()),
        ("read", bytes(e.read_bytes)),
        ("written", bytes(e.written_bytes)),
        ("sessions", e.sessions.len().to_string()),
    ])
}

/// Its data disks by their numbers, each with its size and serial number.
fn data_disks(e: &ExportView) -> String {
    let disk = |d: &ExportDiskView| {
        let on = on(&d.image_name, d.version);
        format!("{}: {on}, {}, {}", d.lun, bytes(d.size_bytes), d.serial)
    };
    let all: Vec<_> = e.data_disks.iter().map(disk).collect();
    or_dash((!all.is_empty()).then(|| all.join("; ")))
}

impl Row for DiskSessionView {
    const HEAD: &'static [&'static str] = &["ID", "PROTOCOL", "FROM", "SINCE", "INITIATOR"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            self.protocol.name().into(),
            self.peer.clone(),
            self.since.to_string(),
            self.initiator.clone(),
        ]
    }
}

/// A session with the computer whose disk it is on.
#[derive(Serialize)]
pub struct SessionOf {
    client_id: types::ClientId,
    client_name: Option<String>,
    #[serde(flatten)]
    session: DiskSessionView,
}

/// All sessions on these disks.
pub fn sessions_of(exports: &[ExportView]) -> Vec<SessionOf> {
    let of = |e: &ExportView| {
        let (client_id, client_name) = (e.client_id, e.client_name.clone());
        let of = move |session: &DiskSessionView| SessionOf {
            client_id,
            client_name: client_name.clone(),
            session: session.clone(),
        };
        e.sessions.iter().map(of).collect::<Vec<_>>()
    };
    exports.iter().flat_map(of).collect()
}

impl Row for SessionOf {
    const HEAD: &'static [&'static str] =
        &["COMPUTER", "ID", "PROTOCOL", "FROM", "SINCE", "INITIATOR"];

    fn cells(&self) -> Vec<String> {
        let mut cells = vec![or_dash(self.client_name.as_deref())];
        cells.extend(self.session.cells());
        cells
    }
}

impl Row for OverlayView {
    const HEAD: &'static [&'static str] = &["COMPUTER", "DISK", "IMAGE", "BYTES", "MODE", "ID"];

    fn cells(&self) -> Vec<String> {
        let mode = match self.mode {
            None => "orphan",
            Some(OverlayMode::Keep) => "keep",
            Some(OverlayMode::Reset) => "reset",
        };
        vec![
            or_dash(self.client_name.as_deref()),
            if self.is_data { "data" } else { "system" }.into(),
            on(&self.image_name, self.version),
            bytes(self.bytes),
            mode.into(),
            self.id.to_string(),
        ]
    }
}
