//! Writing a file from front to back: zeros are left out, and the last of the room is left alone.

use crate::storage::files::{BlockFile, Files};
use std::{io, sync::Arc};

/// Runs of zeros of this many bytes, so aligned, become holes.
const HOLE: usize = 4096;
static ZEROS: [u8; HOLE] = [0; HOLE];
/// Room that is left on the file system, bytes: the database and the overlays go on when no image fits.
pub const RESERVE: u64 = 64 << 20;
/// Bytes written between two looks at the room that is left.
const LOOK: u64 = 16 << 20;

/// A file that only grows. What is in it is whole after [`Sparse::end`].
pub struct Sparse {
    files: Arc<dyn Files>,
    file: Arc<dyn BlockFile>,
    /// Bytes handed to the file so far, always whole [`HOLE`]s.
    written: u64,
    /// The start of the next, incomplete [`HOLE`].
    rest: Vec<u8>,
    /// Bytes that may be written until the room is looked at again.
    unseen: u64,
}

impl Sparse {
    /// Begins with an empty file.
    ///
    /// # Errors
    /// Of the file system.
    pub fn create(files: Arc<dyn Files>, name: &str) -> io::Result<Sparse> {
        let file = files.create(name)?;
        Ok(Sparse {
            files,
            file,
            written: 0,
            rest: Vec::new(),
            unseen: 0,
        })
    }

    /// How long it is, bytes.
    pub fn len(&self) -> u64 {
        self.written + self.rest.len() as u64
    }

    /// The file itself.
    pub fn file(&self) -> &Arc<dyn BlockFile> {
        &self.file
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// Of the file system; [`io::ErrorKind::StorageFull`] when less than [`RESERVE`] is left on it.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let bytes = &bytes[self.fill(bytes)?..];
        let whole = bytes.len() / HOLE * HOLE;
        self.store(&bytes[..whole])?;
        self.rest.extend_from_slice(&bytes[whole..]);
        Ok(())
    }

    /// So many zeros come next.
    ///
    /// # Errors
    /// Of the file system.
    pub fn skip(&mut self, len: u64) -> io::Result<()> {
        let start = usize::try_from(len).unwrap_or(HOLE).min(HOLE);
        let left = len - self.fill(&ZEROS[..start])? as u64;
        let rest = left % HOLE as u64;
        self.written += left - rest;
        self.rest.extend_from_slice(&ZEROS[..rest as usize]);
        Ok(())
    }

    /// Writes what is left and sets the length.
    ///
    /// # Errors
    /// Of the file system.
    pub fn end(&mut self) -> io::Result<()> {
        let rest = std::mem::take(&mut self.rest);
        self.store(&rest)?;
        self.file.set_len(self.written)
    }

    /// Completes a [`HOLE`] that was begun; gives how many bytes that took.
    fn fill(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.rest.is_empty() {
            return Ok(0);
        }
        let n = (HOLE - self.rest.len()).min(bytes.len());
        self.rest.extend_from_slice(&bytes[..n]);
        if self.rest.len() == HOLE {
            let rest = std::mem::take(&mut self.rest);
            self.store(&rest)?;
        }
        Ok(n)
    }

    /// Writes the stretches that hold anything but zeros, each with one call.
    fn store(&mut self, bytes: &[u8]) -> io::Result<()> {
        let zero = |c: &[u8]| c == &ZEROS[..c.len()];
        let mut chunks = bytes.chunks(HOLE).enumerate().peekable();
        while let Some((i, chunk)) = chunks.next() {
            if zero(chunk) {
                continue;
            }
            let mut end = i + 1;
            while chunks.next_if(|(_, c)| !zero(c)).is_some() {
                end += 1;
            }
            let stretch = &bytes[i * HOLE..(end * HOLE).min(bytes.len())];
            self.look(stretch.len() as u64)?;
            self.file
                .write_at(self.written + (i * HOLE) as u64, stretch)?;
        }
        self.written += bytes.len() as u64;
        Ok(())
    }

    fn look(&mut self, len: u64) -> io::Result<()> {
        if let Some(left) = self.unseen.checked_sub(len) {
            self.unseen = left;
            return Ok(());
        }
        if self.files.room()? < RESERVE + len {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.unseen = LOOK;
        Ok(())
    }
}
