//! An image coming in: hashed as it streams, zeros left out, visible only when whole. And the file in
//! which a container waits until all of it is there.

use super::{
    hash::Hash,
    sparse::{RESERVE, Sparse},
};
use crate::{
    Area, Error, Result,
    storage::{
        ImportSink, Imported, SECTOR, Scratch,
        files::{BlockFile, Files},
    },
};
use std::{io, sync::Arc};

/// Writes to `NAME.part` and renames at the end.
pub struct Sink {
    files: Arc<dyn Files>,
    sparse: Sparse,
    name: String,
    /// None once it was asked for.
    hash: Option<Hash>,
    done: bool,
}

impl Sink {
    /// Begins with an empty file.
    pub fn begin(files: Arc<dyn Files>, name: String) -> Result<Sink> {
        let hash = Hash::start().map_err(failed(&name))?;
        let sparse = Sparse::create(files.clone(), &part(&name)).map_err(failed(&name))?;
        Ok(Sink {
            files,
            sparse,
            name,
            hash: Some(hash),
            done: false,
        })
    }

    fn seal(&mut self) -> io::Result<(u64, [u8; 32])> {
        self.sparse.end()?;
        self.sparse.file().sync()?;
        let hash = self.hash.take().ok_or(io::ErrorKind::InvalidInput)?;
        let sha256 = hash.finish()?;
        self.files.rename(&part(&self.name), &self.name)?;
        self.done = true;
        self.files.sync()?;
        Ok((self.sparse.file().allocated()?, sha256))
    }
}

impl ImportSink for Sink {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if let Some(hash) = &self.hash {
            hash.bytes(bytes);
        }
        self.sparse.write(bytes).map_err(failed(&self.name))
    }

    fn skip(&mut self, len: u64) -> Result<()> {
        if let Some(hash) = &self.hash {
            hash.zeros(len);
        }
        self.sparse.skip(len).map_err(failed(&self.name))
    }

    fn finish(mut self: Box<Self>) -> Result<Imported> {
        let size_bytes = self.sparse.len();
        if size_bytes == 0 || !size_bytes.is_multiple_of(SECTOR) {
            return Err(Error::Invalid {
                area: Area::Image,
                field: "image",
                message: format!(
                    "a raw disk image is a whole number of 512-byte sectors, and this one has {size_bytes} bytes; check that the file is complete"
                ),
            });
        }
        let name = self.name.clone();
        let (allocated_bytes, sha256) = self.seal().map_err(failed(&name))?;
        Ok(Imported {
            size_bytes,
            allocated_bytes,
            sha256,
        })
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        if !self.done {
            remove(self.files.as_ref(), &part(&self.name));
        }
    }
}

/// A file that nobody else sees, gone when this is dropped.
pub struct Waiting {
    files: Arc<dyn Files>,
    sparse: Sparse,
    name: String,
}

impl Waiting {
    /// Begins with an empty file, whose name the next start removes.
    pub fn begin(files: Arc<dyn Files>, name: &str) -> Result<Waiting> {
        let name = format!("{name}.sent.part");
        let sparse = Sparse::create(files.clone(), &name).map_err(failed(&name))?;
        Ok(Waiting {
            files,
            sparse,
            name,
        })
    }
}

impl Scratch for Waiting {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.sparse.write(bytes).map_err(failed(&self.name))
    }

    fn whole(&mut self) -> Result<Arc<dyn BlockFile>> {
        self.sparse.end().map_err(failed(&self.name))?;
        Ok(self.sparse.file().clone())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        remove(self.files.as_ref(), &self.name);
    }
}

fn part(name: &str) -> String {
    format!("{name}.part")
}

fn remove(files: &dyn Files, part: &str) {
    if let Err(e) = files.remove(part) {
        tracing::warn!(%part, error = %e, "a broken-off import could not be removed; the next start does it");
    }
}

fn failed(name: &str) -> impl FnOnce(io::Error) -> Error + use<> {
    let doing = format!("writing the image file {name}");
    move |e| match e.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::unavailable(
            Area::Image,
            "there is no room left for the image",
            format!(
                "Free space on the disk of the data folder, of which {} MiB stay free, then import it again.",
                RESERVE >> 20
            ),
        ),
        io::ErrorKind::FileTooLarge => Error::invalid(
            Area::Image,
            "file",
            "the disk is larger than a file may be on the file system of the data folder",
        ),
        _ => Error::io(doing)(e),
    }
}
