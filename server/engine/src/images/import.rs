//! Importing an image: a file that comes in piece by piece becomes an immutable disk, or nothing.

use super::{Inner, facts, formats::Halt, intake::Intake, require_unused, rules};
use crate::{
    Area, By, Error, Result,
    audit::{self, Change},
    blocking::blocking,
    now,
    storage::Imported,
};
use bytes::Bytes;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use store::{ImageRecord, Read, StoredChannels, StoredVersion};
use types::{ImageId, ImageState, ImageView, VersionId};
use uuid::Uuid;

/// Bytes gathered before they go to the disk together.
const GATHER: usize = 1 << 20;

/// Least time between two tellings of the progress.
const TELL: Duration = Duration::from_millis(250);

/// What is to come in.
#[derive(Clone, Debug, Default)]
pub struct NewImport {
    /// The image's name.
    pub name: String,
    /// Length of the file, bytes, where it is known.
    pub file_bytes: Option<u64>,
    /// SHA-256 of the file as it is sent.
    pub sha256: Option<[u8; 32]>,
}

impl NewImport {
    /// An image of that name, of a file of that length.
    pub fn new(name: impl Into<String>, file_bytes: Option<u64>) -> NewImport {
        NewImport {
            name: name.into(),
            file_bytes,
            sha256: None,
        }
    }
}

/// An import under way. Dropping it leaves the image as failed, with none of its bytes.
pub struct ImportWriter {
    inner: Arc<Inner>,
    by: By,
    name: String,
    id: ImageId,
    intake: Option<Intake>,
    halt: Halt,
    expected: Option<u64>,
    received: u64,
    pending: Vec<u8>,
    told: Instant,
    over: bool,
}

impl super::Images {
    /// Begins an image. An image of that name whose import failed is replaced.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a bad name or length, [`Error::Conflict`] for a taken name, or why
    /// the file system refused.
    pub(crate) async fn begin_import(&self, by: &By, new: NewImport) -> Result<ImportWriter> {
        let (name, expected) = (new.name.as_str(), new.file_bytes);
        rules::name(name)?;
        if let Some(len) = expected {
            rules::file_length(len)?;
        }
        let id = ImageId(Uuid::now_v7());
        // The first one has the image's id: it had no other before there were versions.
        let version = VersionId(id.0);
        let record = new_record(by, name, id, expected);
        let inner = self.inner.clone();
        let write = self.inner.store.write(move |tx| {
            for other in tx.list_readable::<ImageRecord>(None)? {
                if !other.name.eq_ignore_ascii_case(&record.name) {
                    continue;
                }
                if other.state != ImageState::Failed {
                    return Err(rules::taken(&other));
                }
                require_unused(&tx.list()?, &other)?;
                inner.forget(tx, other);
            }
            inner.save(tx, &record)
        });
        // From here on, dropping the writer tidies up: also while the record is on its way.
        let mut writer = ImportWriter {
            inner: self.inner.clone(),
            by: by.clone(),
            name: name.into(),
            id,
            intake: None,
            halt: Halt::default(),
            expected,
            received: 0,
            pending: Vec::new(),
            told: Instant::now(),
            over: false,
        };
        if let Err(e) = write.await {
            writer.over = true;
            return Err(e);
        }
        let storage = self.inner.storage.clone();
        let begin = move || Intake::begin(storage, version, new.sha256);
        match blocking(begin).await {
            Ok(intake) => writer.intake = Some(intake),
            Err(e) => return Err(writer.give_up(e).await),
        }
        Ok(writer)
    }
}

fn new_record(by: &By, name: &str, id: ImageId, expected: Option<u64>) -> ImageRecord {
    let (first, created_at) = (VersionId(id.0), now());
    ImageRecord {
        id,
        name: name.into(),
        state: ImageState::Importing,
        size_bytes: expected.unwrap_or(0),
        created_at,
        error: None,
        versions: vec![StoredVersion {
            id: first,
            number: 1,
            parent: None,
            comment: String::new(),
            author: by.actor.view().name,
            created_at,
            allocated_bytes: 0,
            sha256: None,
            snapshot_of: None,
            is_scheduled: false,
        }],
        numbered: 1,
        channels: StoredChannels::all_at(first),
        previous: None,
        superclient: None,
        is_private: false,
        revision: 1,
    }
}

/// An image that is there whole from its first moment.
pub(super) fn ready_record(by: &By, name: &str, id: ImageId, disk: Imported) -> ImageRecord {
    let mut record = new_record(by, name, id, Some(disk.size_bytes));
    record.state = ImageState::Ready;
    if let Some(first) = record.versions.first_mut() {
        first.allocated_bytes = disk.allocated_bytes;
        first.sha256 = Some(disk.sha256);
    }
    record
}

impl ImportWriter {
    /// The image's id.
    pub fn id(&self) -> ImageId {
        self.id
    }

    /// Takes the next bytes. After an error the image is gone and the writer of no use.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a file that is no disk, is damaged or longer than was said, or why
    /// the file system refused.
    pub async fn write(&mut self, bytes: Bytes) -> Result<()> {
        let step = self.take(bytes).await;
        match step {
            Ok(()) => Ok(()),
            Err(e) => Err(self.give_up(e).await),
        }
    }

    async fn take(&mut self, bytes: Bytes) -> Result<()> {
        self.received += bytes.len() as u64;
        if self.expected.is_some_and(|len| self.received > len) {
            return Err(rules::wrong_length(self.expected, self.received));
        }
        self.pending.extend_from_slice(&bytes);
        if self.pending.len() >= GATHER {
            self.flush().await?;
        }
        if self.told.elapsed() >= TELL {
            self.told = Instant::now();
            self.inner.progress(self.id, self.received);
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<()> {
        let bytes = std::mem::take(&mut self.pending);
        let mut intake = self.intake.take().ok_or_else(over)?;
        // It goes along: when this future is dropped, it ends with the work.
        let (intake, bytes) = blocking(move || {
            intake.write(&bytes)?;
            Ok((intake, bytes))
        })
        .await?;
        self.intake = Some(intake);
        self.pending = bytes;
        self.pending.clear();
        Ok(())
    }

    /// The length of the file has become known only now.
    pub(crate) fn expect(&mut self, file_bytes: u64) {
        self.expected = Some(file_bytes);
    }

    /// How many bytes of the file came so far.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Makes the image ready: its bytes are on stable storage before its record says so. `tell` is told how
    /// much of the disk is written, of all, where that begins only now.
    ///
    /// # Errors
    /// As [`ImportWriter::write`], and [`Error::Invalid`] when it is empty, not a whole number of 512-byte
    /// sectors, shorter than was said, or has another SHA-256; the image is gone then.
    pub async fn finish(&mut self, tell: impl Fn(u64, u64) + Send + 'static) -> Result<ImageView> {
        match self.complete(tell).await {
            Ok(record) => {
                self.over = true;
                Ok(self.inner.view(&record))
            }
            Err(e) => Err(self.give_up(e).await),
        }
    }

    async fn complete(&mut self, tell: impl Fn(u64, u64) + Send + 'static) -> Result<ImageRecord> {
        if self.expected.is_some_and(|len| self.received != len) {
            return Err(rules::wrong_length(self.expected, self.received));
        }
        self.flush().await?;
        let intake = self.intake.take().ok_or_else(over)?;
        let halt = self.halt.clone();
        let done: Imported = blocking(move || intake.finish(&halt, &tell)).await?;
        let (inner, by, id) = (self.inner.clone(), self.by.clone(), self.id);
        let write = self.inner.store.write(move |tx| {
            let mut record: ImageRecord = tx
                .get(&id)?
                .ok_or_else(|| Error::not_found(Area::Image, id))?;
            record.state = ImageState::Ready;
            record.size_bytes = done.size_bytes;
            if let Some(first) = record.versions.first_mut() {
                first.allocated_bytes = done.allocated_bytes;
                first.sha256 = Some(done.sha256);
            }
            record.revision += 1;
            inner.save(tx, &record)?;
            let change = Change::act("image.import", "image", id, &record.name)
                .facts(None, Some(facts(&record)));
            inner.audit.record(tx, &by, change)?;
            Ok::<_, Error>(record)
        });
        write.await
    }

    /// Ends the import for a reason that is not its own; the image goes as if it had never been begun.
    pub(crate) async fn abandon(&mut self, why: Error) -> Error {
        self.give_up(why).await
    }

    /// The caller learns why; the image goes as if it had never been begun.
    async fn give_up(&mut self, why: Error) -> Error {
        let target = audit::target("image", Some(self.id.to_string()), &self.name);
        self.inner
            .audit
            .refused(&self.by, "image.import", target, &why);
        self.over = true;
        self.halt.now();
        self.intake = None;
        let (inner, id) = (self.inner.clone(), self.id);
        let write = self.inner.store.write(move |tx| {
            if let Some(record) = tx.get::<ImageRecord>(&id)? {
                inner.forget(tx, record);
            }
            Ok::<_, Error>(())
        });
        if let Err(e) = write.await {
            tracing::error!(error = %e, "a failed import can't be taken back");
        }
        why
    }
}

impl Drop for ImportWriter {
    fn drop(&mut self) {
        if !self.over {
            // Its bytes go first, then what is visible of them, then the record says why.
            self.halt.now();
            self.intake = None;
            let (inner, id) = (self.inner.clone(), self.id);
            let target = audit::target("image", Some(id.to_string()), &self.name);
            let cut = Error::conflict(Area::Image, "the upload ended early", "Send it again.");
            self.inner
                .audit
                .refused(&self.by, "image.import", target, &cut);
            // Queued now; nobody has to wait for it.
            drop(self.inner.store.write(move |tx| {
                inner.fail(tx, id, "the upload ended before the file was complete")
            }));
        }
    }
}

fn over() -> Error {
    Error::conflict(
        Area::Image,
        "this import is over already",
        "Begin the import again.",
    )
}
