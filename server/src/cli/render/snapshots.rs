//! Snapshots.

use super::{Row, bytes, fields};
use types::SnapshotView;

impl Row for SnapshotView {
    const HEAD: &'static [&'static str] = &[
        "COMPUTER", "IMAGE", "ON DISK", "TAKEN", "BY", "COMMENT", "ID",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.client_name.clone(),
            self.image_name.clone(),
            bytes(self.allocated_bytes),
            self.created_at.to_string(),
            by(self),
            self.comment.clone(),
            self.id.to_string(),
        ]
    }
}

/// One snapshot.
pub fn snapshot(s: &SnapshotView) -> String {
    fields(&[
        ("id", s.id.to_string()),
        ("computer", s.client_name.clone()),
        ("image", s.image_name.clone()),
        ("version", s.number.to_string()),
        ("on disk", bytes(s.allocated_bytes)),
        ("comment", s.comment.clone()),
        ("by", by(s)),
        ("taken", s.created_at.to_string()),
    ])
}

/// An account may be called as the schedule is.
fn by(s: &SnapshotView) -> String {
    match s.is_scheduled {
        true => "the schedule".into(),
        false => s.author.clone(),
    }
}
