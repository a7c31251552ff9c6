//! What the next boot of a computer does with each of its disks: which version of the image is below it, and
//! whether what was written there stays.

use super::disks::Disks;
use crate::{Area, Error, Result};
use std::sync::Arc;
use store::{ClientRecord, ImageRecord};
use types::{Channel, DiskId, OverlayMode, VersionId};

/// What a boot does with a disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Start {
    /// It is begun anew on this version.
    Anew(VersionId),
    /// It holds nothing, and is put on this version.
    Moves(VersionId),
    /// It stays as it is, on this version.
    Stays(VersionId),
}

impl Start {
    fn version(self) -> VersionId {
        match self {
            Start::Anew(version) | Start::Moves(version) | Start::Stays(version) => version,
        }
    }
}

/// What the next boot of a client finds on its network disk, and as its data disks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Disk {
    pub sentence: String,
    /// Maintenance for a superclient.
    pub channel: Channel,
    /// The number of the version that its network disk is on; None when that can't be read.
    pub version: Option<u32>,
}

impl Disks {
    /// The image of a disk of a client.
    pub(super) fn image_of(&self, client: &ClientRecord, disk: DiskId) -> Option<Arc<ImageRecord>> {
        self.images.get(disk.data.or(client.image_id)?)
    }

    /// Whether a client keeps what it writes there: because that was said, or the image is its own.
    pub(super) fn keeps(&self, client: &ClientRecord, disk: DiskId) -> bool {
        let image = self.image_of(client, disk);
        client.mode == OverlayMode::Keep || image.is_some_and(|image| image.is_private)
    }

    /// Puts a disk of a client on the version that it is to start from. What is to be kept stays on the
    /// version that it was written on.
    pub(super) fn put_on_version(&self, client: &ClientRecord, disk: DiskId) -> Result<()> {
        let image = self.image_of(client, disk);
        let image = image.ok_or_else(|| Error::not_found(Area::Image, client.name.clone()))?;
        match self.start_of(client, disk, &image)? {
            Start::Anew(version) => self.storage.reset_overlay(disk, version),
            Start::Moves(version) => self.storage.ensure_overlay(disk, version),
            Start::Stays(_) => Ok(()),
        }
    }

    fn start_of(&self, client: &ClientRecord, disk: DiskId, image: &ImageRecord) -> Result<Start> {
        let channel = self.clients.channel_of(client);
        let (version, is_superclient) = self.images.start_of(image, client.id, channel);
        if !self.keeps(client, disk) && !is_superclient {
            return Ok(Start::Anew(version));
        }
        let on = self.storage.overlay_version(disk)?;
        let on = on.and_then(|on| image.versions.iter().find(|v| v.id == on));
        let Some(on) = on else {
            return Ok(Start::Moves(version));
        };
        // What holds nothing has nothing to keep, and goes along with the channel: unless it was put where it is.
        let stays = on.snapshot_of == Some(client.id) || !self.storage.is_untouched(disk)?;
        Ok(match stays {
            true => Start::Stays(on.id),
            false => Start::Moves(version),
        })
    }

    /// What the next boot of a client finds; None when it has no image. On a thread that may wait for the disk.
    pub(super) fn next_disk(&self, client: &ClientRecord) -> Option<Disk> {
        let disk = DiskId::from(client.id);
        let image = self.image_of(client, disk)?;
        let channel = self.clients.channel_of(client);
        let (_, is_superclient) = self.images.start_of(&image, client.id, channel);
        let on = self.start_of(client, disk, &image);
        let on = on
            .inspect_err(|error| tracing::warn!(client = %client.name, %error, "which version its disk is on can't be read"))
            .ok()
            .map(Start::version);
        let version = on.and_then(|on| image.versions.iter().find(|v| v.id == on));
        let version = version.map(|v| v.number);
        let name = match version {
            Some(number) => format!("the image {}, version {number}", image.name),
            None => format!("the image {}", image.name),
        };
        let words = match (is_superclient, self.keeps(client, disk)) {
            (true, _) => format!("{name} and what its superclient has changed"),
            (false, true) => format!("{name} and what this computer has changed"),
            (false, false) => format!("{name} ({channel}), fresh at each boot"),
        };
        let data = client.data_disks.iter();
        let data = data.filter_map(|id| Some(self.images.get(*id)?.name.clone()));
        let data: Vec<_> = data.collect();
        Some(Disk {
            sentence: match data.is_empty() {
                true => words,
                false => format!("{words}; beside it, as data disks: {}", data.join(", ")),
            },
            channel: match is_superclient {
                true => Channel::Maintenance,
                false => channel,
            },
            version,
        })
    }
}
