//! An image coming in: hashed as it streams, zeros left out, visible only when whole.

use crate::{
    Area, Error, Result,
    storage::{
        ImportSink, Imported, SECTOR,
        files::{BlockFile, Files},
    },
};
use sha2::{Digest, Sha256};
use std::{io, sync::Arc};

/// Runs of zeros of this many bytes, so aligned, become holes.
const HOLE: usize = 4096;

/// Writes to `NAME.part` and renames at the end.
pub struct Sink {
    files: Arc<dyn Files>,
    file: Arc<dyn BlockFile>,
    name: String,
    hash: Sha256,
    /// Bytes handed to the file so far, always whole [`HOLE`]s.
    written: u64,
    /// The start of the next, incomplete [`HOLE`].
    rest: Vec<u8>,
    done: bool,
}

impl Sink {
    /// Begins with an empty file.
    pub fn begin(files: Arc<dyn Files>, name: String) -> Result<Sink> {
        let file = files
            .create(&format!("{name}.part"))
            .map_err(failed(&name))?;
        Ok(Sink {
            files,
            file,
            name,
            hash: Sha256::new(),
            written: 0,
            rest: Vec::new(),
            done: false,
        })
    }

    fn store(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        if !self.rest.is_empty() {
            let n = (HOLE - self.rest.len()).min(bytes.len());
            self.rest.extend_from_slice(&bytes[..n]);
            bytes = &bytes[n..];
            if self.rest.len() < HOLE {
                return Ok(());
            }
            let rest = std::mem::take(&mut self.rest);
            self.store_whole(&rest)?;
        }
        let whole = bytes.len() / HOLE * HOLE;
        self.store_whole(&bytes[..whole])?;
        self.rest.extend_from_slice(&bytes[whole..]);
        Ok(())
    }

    /// Writes the stretches that hold anything but zeros, each with one call.
    fn store_whole(&mut self, bytes: &[u8]) -> io::Result<()> {
        let zero = |c: &[u8]| c.iter().all(|&b| b == 0);
        let mut chunks = bytes.chunks(HOLE).enumerate().peekable();
        while let Some((i, chunk)) = chunks.next() {
            if zero(chunk) {
                continue;
            }
            let mut end = i + 1;
            while chunks.next_if(|(_, c)| !zero(c)).is_some() {
                end += 1;
            }
            let stop = (end * HOLE).min(bytes.len());
            self.file
                .write_at(self.written + (i * HOLE) as u64, &bytes[i * HOLE..stop])?;
        }
        self.written += bytes.len() as u64;
        Ok(())
    }

    fn seal(&mut self) -> io::Result<u64> {
        let rest = std::mem::take(&mut self.rest);
        self.store_whole(&rest)?;
        self.file.set_len(self.written)?;
        self.file.sync()?;
        self.files
            .rename(&format!("{}.part", self.name), &self.name)?;
        self.done = true;
        self.files.sync()?;
        self.file.allocated()
    }
}

impl ImportSink for Sink {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.hash.update(bytes);
        let name = self.name.clone();
        self.store(bytes).map_err(failed(&name))
    }

    fn finish(mut self: Box<Self>) -> Result<Imported> {
        let size_bytes = self.written + self.rest.len() as u64;
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
        let allocated_bytes = self.seal().map_err(failed(&name))?;
        let sha256 = std::mem::take(&mut self.hash).finalize().into();
        Ok(Imported {
            size_bytes,
            allocated_bytes,
            sha256,
        })
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        if !self.done
            && let Err(e) = self.files.remove(&format!("{}.part", self.name))
        {
            tracing::warn!(image = %self.name, error = %e, "a broken-off import could not be removed; the next start does it");
        }
    }
}

fn failed(name: &str) -> impl FnOnce(io::Error) -> Error {
    Error::io(format!("writing the image file {name}"))
}
