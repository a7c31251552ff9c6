//! Snapshots.

use super::{Row, bytes, fields};
use types::SnapshotView;

impl Row for SnapshotView {
    const HEAD: &'static [&'static str] =
        &["COMPUTER", "IMAGE", "ON DISK", "TAKEN", "COMMENT", "ID"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.client_name.clone(),
            self.image_name.clone(),
            bytes(self.allocated_bytes),
            self.created_at.to_string(),
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
        ("by", s.author.clone()),
        ("taken", s.created_at.to_string()),
    ])
}
