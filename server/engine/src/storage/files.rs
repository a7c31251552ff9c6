//! The few file operations that storage is built on, as traits, so that tests can record each
//! write and sync, fail the n-th of them, or lose what was not synced.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
    sync::Arc,
};
use types::Timestamp;

/// An open file.
#[expect(
    clippy::len_without_is_empty,
    reason = "a size from the file system, which may fail; nobody asks whether it is empty"
)]
pub trait BlockFile: Send + Sync {
    /// Fills `buf` from `offset`; what lies beyond the end reads as zeros.
    ///
    /// # Errors
    /// Of the file system.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()>;
    /// Writes all of `buf` at `offset`; not durable before [`BlockFile::sync`].
    ///
    /// # Errors
    /// Of the file system.
    fn write_at(&self, offset: u64, buf: &[u8]) -> io::Result<()>;
    /// Returns once content and size are on stable storage.
    ///
    /// # Errors
    /// Of the file system.
    fn sync(&self) -> io::Result<()>;
    /// Gives the space of a range back; it reads as zeros.
    ///
    /// # Errors
    /// Of the file system.
    fn punch(&self, offset: u64, len: u64) -> io::Result<()>;
    /// Sets the size; growth reads as zeros.
    ///
    /// # Errors
    /// Of the file system.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// The size in bytes.
    ///
    /// # Errors
    /// Of the file system.
    fn len(&self) -> io::Result<u64>;
    /// Bytes that it takes on the disk.
    ///
    /// # Errors
    /// Of the file system.
    fn allocated(&self) -> io::Result<u64>;
    /// When its content was changed last.
    ///
    /// # Errors
    /// Of the file system.
    fn modified(&self) -> io::Result<Timestamp>;
    /// The runs of `[offset, offset+len)` as (length, holds data); a file system without holes
    /// says that all is data.
    ///
    /// # Errors
    /// Of the file system.
    fn runs(&self, offset: u64, len: u64) -> io::Result<Vec<(u64, bool)>>;
}

/// One folder of files.
pub trait Files: Send + Sync {
    /// Opens a file that is there, to read and write.
    ///
    /// # Errors
    /// Of the file system.
    fn open(&self, name: &str) -> io::Result<Arc<dyn BlockFile>>;
    /// Makes an empty file, in place of one that is there.
    ///
    /// # Errors
    /// Of the file system.
    fn create(&self, name: &str) -> io::Result<Arc<dyn BlockFile>>;
    /// Renames a file over another, durable after [`Files::sync`].
    ///
    /// # Errors
    /// Of the file system.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file; one that is not there is no error.
    ///
    /// # Errors
    /// Of the file system.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Every name in the folder.
    ///
    /// # Errors
    /// Of the file system.
    fn list(&self) -> io::Result<Vec<String>>;
    /// Makes names durable.
    ///
    /// # Errors
    /// Of the file system.
    fn sync(&self) -> io::Result<()>;
    /// Bytes that still fit on its file system.
    ///
    /// # Errors
    /// Of the file system.
    fn room(&self) -> io::Result<u64>;
}

/// A folder of the operating system.
pub struct OsFiles {
    dir: PathBuf,
}

impl OsFiles {
    /// The folder, made when it is not there, for its owner alone.
    ///
    /// # Errors
    /// Of the file system.
    pub fn new(dir: &Path) -> crate::Result<Self> {
        crate::make_private_dir(dir)?;
        Ok(OsFiles { dir: dir.into() })
    }
}

impl Files for OsFiles {
    fn open(&self, name: &str) -> io::Result<Arc<dyn BlockFile>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(self.dir.join(name))?;
        Ok(Arc::new(OsFile(file)))
    }
    fn create(&self, name: &str) -> io::Result<Arc<dyn BlockFile>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(self.dir.join(name))?;
        Ok(Arc::new(OsFile(file)))
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.dir.join(from), self.dir.join(to))
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        match std::fs::remove_file(self.dir.join(name)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.dir)? {
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    }
    fn sync(&self) -> io::Result<()> {
        File::open(&self.dir)?.sync_all()
    }
    fn room(&self) -> io::Result<u64> {
        let stat = nix::sys::statvfs::statvfs(&self.dir)?;
        Ok(stat.blocks_available().saturating_mul(stat.fragment_size()))
    }
}

struct OsFile(File);

impl BlockFile for OsFile {
    fn read_at(&self, mut offset: u64, mut buf: &mut [u8]) -> io::Result<()> {
        while !buf.is_empty() {
            match self.0.read_at(buf, offset) {
                Ok(0) => {
                    buf.fill(0);
                    break;
                }
                Ok(n) => {
                    buf = &mut buf[n..];
                    offset += n as u64;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
    fn write_at(&self, offset: u64, buf: &[u8]) -> io::Result<()> {
        self.0.write_all_at(buf, offset)
    }
    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
    fn punch(&self, offset: u64, len: u64) -> io::Result<()> {
        use nix::fcntl::{FallocateFlags, fallocate};
        let flags = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
        match fallocate(&self.0, flags, signed(offset)?, signed(len)?) {
            // A file system without holes: zeros say the same, only the space stays taken.
            Err(nix::errno::Errno::EOPNOTSUPP) => write_zeros(&self.0, offset, len),
            other => Ok(other?),
        }
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
    fn allocated(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.blocks() * 512)
    }
    fn modified(&self) -> io::Result<Timestamp> {
        let facts = self.0.metadata()?;
        Ok(Timestamp(
            facts.mtime() * 1_000_000 + facts.mtime_nsec() / 1000,
        ))
    }
    fn runs(&self, offset: u64, len: u64) -> io::Result<Vec<(u64, bool)>> {
        use nix::unistd::{Whence, lseek};
        let end = offset + len;
        let mut out: Vec<(u64, bool)> = Vec::new();
        let mut at = offset;
        while at < end {
            let data = match lseek(&self.0, signed(at)?, Whence::SeekData) {
                Ok(d) => d as u64,
                Err(nix::errno::Errno::ENXIO) => end, // no data up to the end of the file
                Err(nix::errno::Errno::EINVAL) => at,
                Err(e) => return Err(e.into()),
            };
            if data >= end {
                out.push((end - at, false));
                break;
            }
            if data > at {
                out.push((data - at, false));
            }
            let hole = lseek(&self.0, signed(data)?, Whence::SeekHole).map_or(end, |h| h as u64);
            let stop = hole.clamp(data + 1, end);
            out.push((stop - data, true));
            at = stop;
        }
        Ok(out)
    }
}

fn signed(n: u64) -> io::Result<i64> {
    i64::try_from(n).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))
}

fn write_zeros(file: &File, mut offset: u64, mut len: u64) -> io::Result<()> {
    static ZEROS: [u8; 65536] = [0; 65536];
    while len > 0 {
        let n = len.min(ZEROS.len() as u64);
        file.write_all_at(&ZEROS[..n as usize], offset)?;
        offset += n;
        len -= n;
    }
    Ok(())
}
