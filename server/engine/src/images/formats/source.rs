//! The file that a disk is read from: no read goes beyond its end, and numbers of either byte order.

use super::bad;
use crate::{Error, Result, storage::files::BlockFile};
use std::sync::Arc;

/// A file that came in, whole.
pub(in crate::images) struct Source {
    file: Arc<dyn BlockFile>,
    len: u64,
}

impl Source {
    /// # Errors
    /// Of the file system.
    pub fn new(file: Arc<dyn BlockFile>) -> Result<Source> {
        let len = file.len().map_err(failed())?;
        Ok(Source { file, len })
    }

    /// Length in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Fills `buf` from `at`.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the file ends before; why it can't be read.
    pub fn read(&self, at: u64, buf: &mut [u8]) -> Result<()> {
        match at.checked_add(buf.len() as u64) {
            Some(end) if end <= self.len => self.file.read_at(at, buf).map_err(failed()),
            _ => Err(bad(format!(
                "it names bytes at {at}, but the file ends at {}: it is damaged or was cut short",
                self.len
            ))),
        }
    }

    /// So many bytes from `at`; the caller bounds them.
    ///
    /// # Errors
    /// As [`Source::read`].
    pub fn bytes(&self, at: u64, len: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        self.read(at, &mut bytes)?;
        Ok(bytes)
    }
}

fn failed() -> impl FnOnce(std::io::Error) -> Error {
    Error::io("reading the file that was sent")
}

/// The bytes `[at, at + N)` of a structure that has them.
fn part<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut part = [0; N];
    part.copy_from_slice(&bytes[at..at + N]);
    part
}

pub(super) fn be32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(part(bytes, at))
}

pub(super) fn be64(bytes: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(part(bytes, at))
}

pub(super) fn le16(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(part(bytes, at))
}

pub(super) fn le32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(part(bytes, at))
}

pub(super) fn le64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(part(bytes, at))
}
