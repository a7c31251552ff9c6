//! Where disks live. This file holds the trait and its words; each backend is a folder beside it.
//! It knows nothing of names, clients' settings or protocols: ids in, block devices out.

mod battery;
pub mod embedded;
pub mod files;

use crate::{Result, export::BlockDevice};
use std::sync::Arc;
use types::{DiskId, Timestamp, VersionId};

pub use embedded::EmbeddedStorage;

/// Smallest unit of a disk, bytes.
pub const SECTOR: u64 = 512;

/// What an import ended with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Imported {
    /// Size of the disk in bytes.
    pub size_bytes: u64,
    /// What it takes on our disk, bytes.
    pub allocated_bytes: u64,
    /// SHA-256 of the whole disk, holes read as zeros.
    pub sha256: [u8; 32],
}

/// What a version that was made of an overlay holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Promoted {
    /// What it takes on our disk, bytes.
    pub allocated_bytes: u64,
    /// As [`StorageBackend::checksum`] tells it.
    pub sha256: [u8; 32],
}

/// Takes an image's bytes in order. Dropping it unfinished leaves nothing behind.
pub trait ImportSink: Send {
    /// Takes the next bytes; runs of zeros become holes.
    ///
    /// # Errors
    /// When the file system refuses, for instance because it is full.
    fn write(&mut self, bytes: &[u8]) -> Result<()>;

    /// So many zeros come next: a hole.
    ///
    /// # Errors
    /// When the file system refuses.
    fn skip(&mut self, len: u64) -> Result<()>;

    /// Makes the image durable and visible. Nothing of it can be opened before.
    ///
    /// # Errors
    /// When it is empty or not a whole number of sectors, or the file system refuses.
    fn finish(self: Box<Self>) -> Result<Imported>;
}

/// A file in which something waits until all of it is there. Dropping it removes it.
pub trait Scratch: Send {
    /// Takes the next bytes; runs of zeros become holes.
    ///
    /// # Errors
    /// As [`ImportSink::write`].
    fn write(&mut self, bytes: &[u8]) -> Result<()>;

    /// All of it, to be read.
    ///
    /// # Errors
    /// When the file system refuses.
    fn whole(&mut self) -> Result<Arc<dyn files::BlockFile>>;
}

/// A version, open to be read: it stays readable when it is removed meanwhile.
pub trait Disk: Send {
    /// Size of the disk, bytes.
    fn size_bytes(&self) -> u64;

    /// Fills `buf` from `offset`; the caller stays below the size.
    ///
    /// # Errors
    /// When the file system refuses.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()>;

    /// The runs of `[offset, offset+len)` as (length, holds data); zeros may count as data.
    ///
    /// # Errors
    /// When the file system refuses.
    fn runs(&self, offset: u64, len: u64) -> Result<Vec<(u64, bool)>>;
}

/// Told how far long work is, in bytes: done, of all. It says whether to go on.
pub type Progress<'a> = dyn FnMut(u64, u64) -> bool + Send + 'a;

/// A place for versions of images and for overlays, one a disk of a computer. One battery of tests runs against every
/// implementation.
pub trait StorageBackend: Send + Sync {
    /// Begins a version of its own, above no other, under an id that is not in use.
    ///
    /// # Errors
    /// When the file system refuses.
    fn begin_import(&self, version: VersionId) -> Result<Box<dyn ImportSink>>;

    /// A file in which what is to become that version waits.
    ///
    /// # Errors
    /// When the file system refuses.
    fn scratch(&self, version: VersionId) -> Result<Box<dyn Scratch>>;

    /// Removes a version. Overlays and versions above it must be gone; the caller knows.
    ///
    /// # Errors
    /// When the file system refuses. A version that is not there is no error.
    fn remove_version(&self, version: VersionId) -> Result<()>;

    /// The disks whose overlay is on this version.
    ///
    /// # Errors
    /// When the file system refuses.
    fn overlays_on(&self, version: VersionId) -> Result<Vec<DiskId>>;

    /// The disks that have an overlay here, also one that can't be read.
    ///
    /// # Errors
    /// When the file system refuses.
    fn overlays(&self) -> Result<Vec<DiskId>>;

    /// Whether this version's bytes are here, with those of all versions below it.
    fn has_version(&self, version: VersionId) -> bool;

    /// Size of a version's disk, bytes.
    ///
    /// # Errors
    /// When there is no such version, or the file system refuses.
    fn version_bytes(&self, version: VersionId) -> Result<u64>;

    /// Opens a version to be read.
    ///
    /// # Errors
    /// As [`StorageBackend::version_bytes`].
    fn open_version(&self, version: VersionId) -> Result<Box<dyn Disk>>;

    /// Fills `buf` from `offset` of a version; the caller stays below its size.
    ///
    /// # Errors
    /// As [`StorageBackend::version_bytes`].
    fn read_version(&self, version: VersionId, offset: u64, buf: &mut [u8]) -> Result<()>;

    /// Makes sure that this disk has an overlay on this version; one that it has stays as it is.
    /// One on another version is replaced.
    ///
    /// # Errors
    /// When there is no such version, or the file system refuses.
    fn ensure_overlay(&self, disk: DiskId, version: VersionId) -> Result<()>;

    /// Gives the disk an empty overlay. A device that is still open on the old one goes on
    /// reading it, and nothing that it writes from now on is kept.
    ///
    /// # Errors
    /// As [`StorageBackend::ensure_overlay`].
    fn reset_overlay(&self, disk: DiskId, version: VersionId) -> Result<()>;

    /// The disk; all callers share one device.
    ///
    /// # Errors
    /// When it has no overlay, or the file system refuses.
    fn open_overlay(&self, disk: DiskId) -> Result<Arc<dyn BlockDevice>>;

    /// The version that the disk's overlay is on; None when it has none.
    ///
    /// # Errors
    /// When the overlay can't be read.
    fn overlay_version(&self, disk: DiskId) -> Result<Option<VersionId>>;

    /// Whether nothing was written: the disk is what its version says, or it has no overlay.
    ///
    /// # Errors
    /// When the overlay can't be read.
    fn is_untouched(&self, disk: DiskId) -> Result<bool>;

    /// When the disk was changed last; None when it has written nothing, or has none. It may say a
    /// later moment, never an earlier one.
    ///
    /// # Errors
    /// When the overlay can't be read.
    fn changed_at(&self, disk: DiskId) -> Result<Option<Timestamp>>;

    /// The versions whose files are here.
    ///
    /// # Errors
    /// When the file system refuses.
    fn versions(&self) -> Result<Vec<VersionId>>;

    /// Makes a version of what the disk holds, above the version that it is on. The overlay stays as it is. Nothing may write to it meanwhile;
    /// the caller knows. None, and nothing is left, when `progress` said to stop.
    ///
    /// # Errors
    /// When the disk has no overlay, the chain of versions is too long, or the file system refuses.
    fn promote(
        &self,
        disk: DiskId,
        version: VersionId,
        progress: &mut Progress<'_>,
    ) -> Result<Option<Promoted>>;

    /// SHA-256 of a version's files as they are now: of the whole disk for one that is above no other, else of
    /// what it changes. None when `progress` said to stop.
    ///
    /// # Errors
    /// When there is no such version, or the file system refuses.
    fn checksum(&self, version: VersionId, progress: &mut Progress<'_>)
    -> Result<Option<[u8; 32]>>;

    /// Makes a version one that is above no other. It, and all that is above it, read as before; open
    /// devices go on. None, and nothing is left, when `progress` said to stop.
    ///
    /// # Errors
    /// When there is no such version, or the file system refuses.
    fn flatten(&self, version: VersionId, progress: &mut Progress<'_>) -> Result<Option<Imported>>;

    /// Makes a version that is above no other, under an id that is not in use, which reads as this one does.
    /// None, and nothing is left, when `progress` said to stop.
    ///
    /// # Errors
    /// As [`StorageBackend::flatten`].
    fn copy(
        &self,
        from: VersionId,
        to: VersionId,
        progress: &mut Progress<'_>,
    ) -> Result<Option<Imported>>;

    /// The most that the disk's overlay may hold from now on, bytes; None is as much as the disk has. A
    /// write that would pass it is refused with [`std::io::ErrorKind::QuotaExceeded`], and nothing
    /// that was written is touched.
    fn set_quota(&self, disk: DiskId, bytes: Option<u64>);

    /// Removes the disk's overlay. None is no error.
    ///
    /// # Errors
    /// When the file system refuses.
    fn remove_overlay(&self, disk: DiskId) -> Result<()>;

    /// Bytes that the disk's overlay holds.
    fn overlay_bytes(&self, disk: DiskId) -> u64;
}
