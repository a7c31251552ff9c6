//! Snapshots of computers' disks, and images that are made of a version or a snapshot.

use super::{Operator, Viewer, target};
use crate::{
    Area, Error, Result,
    audit::Change,
    images::comment,
    jobs::{NewJob, Work},
};
use types::{ClientView, ImageId, JobUnit, JobView, SnapshotView, TakeSnapshotParams, VersionId};
use uuid::Uuid;

impl Viewer {
    /// Every snapshot, the newest first.
    pub fn snapshots(&self) -> Vec<SnapshotView> {
        self.engine.images().snapshots()
    }

    /// A snapshot by id.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn snapshot_of_disk(&self, id: &str) -> Result<SnapshotView> {
        let all = self.snapshots();
        let found = all.into_iter().find(|s| s.id.to_string() == id);
        found.ok_or_else(|| Error::not_found(Area::Snapshot, id))
    }
}

impl Operator {
    /// Takes a snapshot of a computer's disk, as a job.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] when it runs, has written nothing, or keeps nothing.
    pub async fn take_snapshot(&self, params: TakeSnapshotParams) -> Result<JobView> {
        let ready = async {
            let comment = comment(&params.comment)?;
            let client = self.engine.clients().require(&params.client)?;
            self.engine.boots().may_take_snapshot(&client).await?;
            Ok((client, comment))
        };
        let to = target("client", &params.client);
        let (client, comment) = self.attempt("client.snapshot", to, ready).await?;
        let new = NewJob {
            work: Work::TakeSnapshot {
                client: client.id,
                comment,
            },
            title: format!("Take a snapshot of {}", client.name),
            unit: JobUnit::Bytes,
            total: None,
            items: Vec::new(),
            change: Change::act("client.snapshot", "client", client.id, &client.name),
        };
        self.start(new).await
    }

    /// A computer's disk is what it was at a snapshot. What it wrote since is gone.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] when it runs, or boots another image by now.
    pub async fn restore_snapshot(&self, snapshot: &str) -> Result<ClientView> {
        let restored = async {
            let id = snapshot_id(snapshot)?;
            self.engine.boots().restore(&self.by, id).await
        };
        let to = target("snapshot", snapshot);
        self.attempt("client.restore", to, restored).await
    }

    /// Removes a snapshot.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] while a disk or another snapshot builds on it.
    pub async fn remove_snapshot(&self, snapshot: &str) -> Result<()> {
        let removed = async {
            let id = snapshot_id(snapshot)?;
            self.engine.boots().remove_snapshot(&self.by, id).await
        };
        let to = target("snapshot", snapshot);
        self.attempt("image.remove_version", to, removed).await
    }

    /// Makes an image of a snapshot, as a job.
    ///
    /// # Errors
    /// As [`Operator::clone_version`].
    pub async fn clone_snapshot(&self, snapshot: &str, name: &str) -> Result<JobView> {
        let found = async {
            let images = self.engine.images();
            images.require_snapshot(snapshot_id(snapshot)?)
        };
        let to = target("snapshot", snapshot);
        let (image, version) = self.attempt("image.clone", to, found).await?;
        let image = image.id.to_string();
        self.clone_version(&image, version.number, name).await
    }

    /// Makes an image of a version, as a job.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Invalid`] for a bad name, [`Error::Conflict`] for a taken one.
    pub async fn clone_version(&self, image: &str, version: u32, name: &str) -> Result<JobView> {
        let images = self.engine.images();
        let ready = async {
            let source = images.require(image)?;
            let is_it = |v: &&store::StoredVersion| v.number == version;
            let found = source.versions.iter().find(is_it).map(|v| v.id);
            let found = found.ok_or_else(|| Error::not_found(Area::Version, version))?;
            images.may_clone(&source, name)?;
            Ok((source, found))
        };
        let to = target("image", image);
        let (source, id) = self.attempt("image.clone", to, ready).await?;
        let new = NewJob {
            work: Work::CloneVersion {
                image: source.id,
                version: id,
                name: name.into(),
                to: ImageId(Uuid::now_v7()),
            },
            title: format!(
                "Make the image {name} of version {version} of {}",
                source.name
            ),
            unit: JobUnit::Bytes,
            total: Some(source.size_bytes),
            items: Vec::new(),
            change: Change::act("image.clone", "image", source.id, &source.name),
        };
        self.start(new).await
    }
}

fn snapshot_id(text: &str) -> Result<VersionId> {
    let id = text.parse::<VersionId>().ok();
    id.ok_or_else(|| Error::not_found(Area::Snapshot, text))
}
