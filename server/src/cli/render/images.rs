//! Images and their versions.

use super::{Row, bytes, fields, or_dash, scope::listed, yes_no};
use types::{Channel, ImageState, ImageView, VersionView};

impl Row for ImageView {
    const HEAD: &'static [&'static str] = &["NAME", "SIZE", "ON DISK", "CLIENTS", "STATE"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.name.clone(),
            bytes(self.size_bytes),
            bytes(self.allocated_bytes),
            self.client_count.to_string(),
            image_state(self),
        ]
    }
}

/// One image.
pub fn image(i: &ImageView) -> String {
    fields(&[
        ("name", i.name.clone()),
        ("id", i.id.to_string()),
        ("state", image_state(i)),
        ("size", bytes(i.size_bytes)),
        ("on disk", bytes(i.allocated_bytes)),
        ("sha256", or_dash(i.sha256.as_deref())),
        ("clients", i.client_count.to_string()),
        ("as data disk", i.data_client_count.to_string()),
        ("versions", i.versions.len().to_string()),
        ("production", at_version(i, Channel::Production)),
        ("test", at_version(i, Channel::Test)),
        ("maintenance", at_version(i, Channel::Maintenance)),
        ("superclient", or_dash(i.superclient_name.as_deref())),
        ("private", yes_no(i.is_private)),
        ("created", i.created_at.to_string()),
        ("revision", i.revision.to_string()),
    ])
}

fn at_version(i: &ImageView, channel: Channel) -> String {
    let version = i.versions.iter().find(|v| v.channels.contains(&channel));
    or_dash(version.map(|v| v.number))
}

impl Row for VersionView {
    const HEAD: &'static [&'static str] = &[
        "VERSION", "ON", "CHANNELS", "ON DISK", "BY", "MADE", "COMMENT",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.number.to_string(),
            or_dash(self.parent),
            match self.snapshot_of {
                None => listed(&self.channels),
                Some(id) => match &self.snapshot_of_name {
                    Some(name) => format!("snapshot of {name}"),
                    None => format!("snapshot of {id}"),
                },
            },
            bytes(self.allocated_bytes),
            self.author.clone(),
            self.created_at.to_string(),
            self.comment.clone(),
        ]
    }
}

fn image_state(i: &ImageView) -> String {
    match i.state {
        ImageState::Importing => format!("importing {}", bytes(i.received_bytes)),
        ImageState::Ready => "ready".into(),
        ImageState::Failed => format!("failed: {}", i.error.as_deref().unwrap_or("unknown")),
    }
}
