//! A sparse file as a disk, for tests and measurements of the target alone.

use engine::export::BlockDevice;
use nix::{
    errno::Errno,
    fcntl::{FallocateFlags, fallocate},
    unistd::{Whence, lseek},
};
use std::{fs::File, io, os::unix::fs::FileExt, path::Path, sync::Mutex};

/// A file whose holes read as zeros.
pub struct FileDevice {
    file: File,
    size: u64,
    /// `lseek` moves the one file position.
    seek: Mutex<()>,
    read_only: bool,
    physical: u32,
}

impl FileDevice {
    /// Opens or makes a file of that size in bytes.
    pub fn open(path: &Path, size: u64, read_only: bool) -> io::Result<Self> {
        let mut options = File::options();
        let file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        file.set_len(size)?;
        Ok(FileDevice {
            file,
            size,
            seek: Mutex::new(()),
            read_only,
            physical: 4096,
        })
    }

    /// The same disk, of physical blocks of so many bytes.
    #[allow(dead_code)] // not every program that has this file asks for it
    pub fn of_blocks(self, physical: u32) -> Self {
        FileDevice { physical, ..self }
    }
}

impl BlockDevice for FileDevice {
    fn size_bytes(&self) -> u64 {
        self.size
    }

    fn read_only(&self) -> bool {
        self.read_only
    }

    fn physical_block_bytes(&self) -> u32 {
        self.physical
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buf, offset)
    }

    fn write_at(&self, offset: u64, buf: &[u8]) -> io::Result<()> {
        self.file.write_all_at(buf, offset)
    }

    fn flush(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn discard(&self, offset: u64, len: u64) -> io::Result<()> {
        let mode = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
        Ok(fallocate(&self.file, mode, offset as i64, len as i64)?)
    }

    fn extents(&self, offset: u64, len: u64) -> io::Result<Vec<(u64, bool)>> {
        let _position = self.seek.lock().map_err(|_| io::Error::other("poisoned"))?;
        let (mut at, end) = (offset, offset + len);
        let mut runs = Vec::new();
        while at < end {
            let data = match lseek(&self.file, at as i64, Whence::SeekData) {
                Ok(data) => (data as u64).min(end),
                Err(Errno::ENXIO) => end,
                Err(error) => return Err(error.into()),
            };
            if data > at {
                runs.push((data - at, false));
            }
            if data < end {
                let hole = lseek(&self.file, data as i64, Whence::SeekHole)? as u64;
                runs.push((hole.min(end) - data, true));
                at = hole.min(end);
            } else {
                at = end;
            }
        }
        Ok(runs)
    }
}
