//! Where disks live. This file holds the trait and its words; each backend is a folder beside it.
//! It knows nothing of names, clients' settings or protocols: ids in, block devices out.

mod battery;
pub mod embedded;
pub mod files;

use crate::{Result, export::BlockDevice};
use std::sync::Arc;
use types::{ClientId, ImageId};

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

/// Takes an image's bytes in order. Dropping it unfinished leaves nothing behind.
pub trait ImportSink: Send {
    /// Takes the next bytes; runs of zeros become holes.
    ///
    /// # Errors
    /// When the file system refuses, for instance because it is full.
    fn write(&mut self, bytes: &[u8]) -> Result<()>;

    /// Makes the image durable and visible. Nothing of it can be opened before.
    ///
    /// # Errors
    /// When it is empty or not a whole number of sectors, or the file system refuses.
    fn finish(self: Box<Self>) -> Result<Imported>;
}

/// A place for images and overlays. One battery of tests runs against every implementation.
pub trait StorageBackend: Send + Sync {
    /// Begins an image under an id that is not in use.
    ///
    /// # Errors
    /// When the file system refuses.
    fn begin_import(&self, image: ImageId) -> Result<Box<dyn ImportSink>>;

    /// Removes an image. Overlays on it must be gone; the caller knows.
    ///
    /// # Errors
    /// When the file system refuses. An image that is not there is no error.
    fn remove_image(&self, image: ImageId) -> Result<()>;

    /// The clients that have an overlay on this image.
    ///
    /// # Errors
    /// When the file system refuses.
    fn overlays_on(&self, image: ImageId) -> Result<Vec<ClientId>>;

    /// The clients that have an overlay here, also one that can't be read.
    ///
    /// # Errors
    /// When the file system refuses.
    fn overlays(&self) -> Result<Vec<ClientId>>;

    /// Whether this image's bytes are here.
    fn has_image(&self, image: ImageId) -> bool;

    /// Size of an image's disk, bytes.
    ///
    /// # Errors
    /// When there is no such image, or the file system refuses.
    fn image_bytes(&self, image: ImageId) -> Result<u64>;

    /// Fills `buf` from `offset` of an image; the caller stays below its size.
    ///
    /// # Errors
    /// As [`StorageBackend::image_bytes`].
    fn read_image(&self, image: ImageId, offset: u64, buf: &mut [u8]) -> Result<()>;

    /// Makes sure that this client has an overlay on this image; one that it has stays as it is.
    /// One on another image is replaced.
    ///
    /// # Errors
    /// When there is no such image, or the file system refuses.
    fn ensure_overlay(&self, client: ClientId, image: ImageId) -> Result<()>;

    /// Gives the client an empty overlay. A device that is still open on the old one goes on
    /// reading it, and nothing that it writes from now on is kept.
    ///
    /// # Errors
    /// As [`StorageBackend::ensure_overlay`].
    fn reset_overlay(&self, client: ClientId, image: ImageId) -> Result<()>;

    /// The client's disk; all callers share one device.
    ///
    /// # Errors
    /// When it has no overlay, or the file system refuses.
    fn open_overlay(&self, client: ClientId) -> Result<Arc<dyn BlockDevice>>;

    /// Removes the client's overlay. None is no error.
    ///
    /// # Errors
    /// When the file system refuses.
    fn remove_overlay(&self, client: ClientId) -> Result<()>;

    /// Bytes that the client's overlay holds.
    fn overlay_bytes(&self, client: ClientId) -> u64;
}
