//! What becomes of a file that comes in, piece by piece: it is unpacked, told what it is, and ends up as a
//! disk in the sink. A raw disk goes there as it comes; a container waits until it is there whole.

use super::{
    containers,
    formats::{self, Format, HEAD, Halt, MAX_DISK, Source, bad, too_large},
    rules,
    unpack::{Packing, Unpack},
};
use crate::{
    Area, Error, Result,
    storage::{ImportSink, Imported, Scratch, StorageBackend},
};
use sha2::{Digest, Sha256};
use std::{
    io::{self, Write},
    sync::Arc,
};
use types::VersionId;

/// A file on its way to a disk. Dropping it leaves nothing.
pub(super) struct Intake {
    /// What the file has to be, and its sum so far.
    expected: Option<([u8; 32], Sha256)>,
    step: Step,
}

enum Step {
    /// The first bytes decide; they are not all there.
    Head(Vec<u8>, Disk),
    Body(Unpack<Disk>),
    /// After an error.
    Over,
}

impl Intake {
    /// # Errors
    /// When the file system refuses.
    pub fn begin(
        storage: Arc<dyn StorageBackend>,
        version: VersionId,
        sha256: Option<[u8; 32]>,
    ) -> Result<Intake> {
        let sink = storage.begin_import(version)?;
        let disk = Disk {
            storage,
            version,
            sink,
            form: Form::Unknown(Vec::new()),
        };
        Ok(Intake {
            expected: sha256.map(|sum| (sum, Sha256::new())),
            step: Step::Head(Vec::new(), disk),
        })
    }

    /// Takes the next bytes of the file. May take long.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what is wrong with the file, or why the file system refused. It is of no use then.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if let Some((_, hash)) = &mut self.expected {
            hash.update(bytes);
        }
        match std::mem::replace(&mut self.step, Step::Over) {
            Step::Head(mut head, disk) => {
                head.extend_from_slice(bytes);
                self.step = match head.len() < HEAD {
                    true => Step::Head(head, disk),
                    false => Step::Body(begin(&head, disk)?),
                };
            }
            Step::Body(mut unpack) => {
                unpack.write(bytes)?;
                self.step = Step::Body(unpack);
            }
            Step::Over => return Err(Error::Internal("an import went on after its end".into())),
        }
        Ok(())
    }

    /// The file is over: makes the disk durable. May take long; `tell` is told how much of the disk is done, of all.
    ///
    /// # Errors
    /// As [`Intake::write`]; [`Error::Conflict`] when it was halted.
    pub fn finish(self, halt: &Halt, tell: &dyn Fn(u64, u64)) -> Result<Imported> {
        // Before the long part.
        if let Some((expected, hash)) = self.expected
            && expected != <[u8; 32]>::from(hash.finalize())
        {
            return Err(Error::invalid(
                Area::Image,
                "sha256",
                "the file that arrived has another SHA-256; send it again",
            ));
        }
        let unpack = match self.step {
            Step::Head(head, disk) => begin(&head, disk)?,
            Step::Body(unpack) => unpack,
            Step::Over => return Err(Error::Internal("an import went on after its end".into())),
        };
        unpack.finish()?.finish(halt, tell)
    }
}

fn begin(head: &[u8], disk: Disk) -> Result<Unpack<Disk>> {
    if head.is_empty() {
        return Err(bad("the file is empty"));
    }
    let mut unpack = Unpack::new(Packing::of(head), disk)?;
    unpack.write(head)?;
    Ok(unpack)
}

/// What was unpacked, on its way to the sink.
struct Disk {
    storage: Arc<dyn StorageBackend>,
    version: VersionId,
    sink: Box<dyn ImportSink>,
    form: Form,
}

enum Form {
    /// The first bytes decide; they are not all there.
    Unknown(Vec<u8>),
    /// The last sector is held back: it is no part of the disk when it is the footer of a fixed VHD.
    Raw { len: u64, last: Vec<u8> },
    Contained {
        format: Format,
        len: u64,
        file: Box<dyn Scratch>,
    },
}

impl Disk {
    fn take(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.form {
            Form::Unknown(head) => {
                head.extend_from_slice(bytes);
                match head.len() < HEAD {
                    true => Ok(()),
                    false => self.tell(),
                }
            }
            Form::Raw { len, last } => {
                *len += bytes.len() as u64;
                // One sector more may be a footer.
                if *len > MAX_DISK + HEAD as u64 {
                    return Err(too_large());
                }
                let end = last.len() + bytes.len();
                let ahead = end.saturating_sub(HEAD);
                let old = ahead.min(last.len());
                if ahead > 0 {
                    self.sink.write(&last[..old])?;
                    self.sink.write(&bytes[..ahead - old])?;
                    last.drain(..old);
                }
                last.extend_from_slice(&bytes[ahead - old..]);
                Ok(())
            }
            Form::Contained { len, file, .. } => {
                *len += bytes.len() as u64;
                match *len > MAX_DISK {
                    true => Err(too_large()),
                    false => file.write(bytes),
                }
            }
        }
    }

    /// Decides by the first bytes.
    fn tell(&mut self) -> Result<()> {
        let Form::Unknown(head) = &mut self.form else {
            return Ok(());
        };
        let head = std::mem::take(head);
        if Packing::of(&head).is_some() {
            return Err(bad("the file is compressed twice; unpack it once"));
        }
        self.form = match Format::of(&head) {
            Some(format) => {
                format.look(&head)?;
                Form::Contained {
                    format,
                    len: 0,
                    file: self.storage.scratch(self.version)?,
                }
            }
            None => {
                containers::refuse(&head).map_or(Ok(()), |why| Err(bad(why)))?;
                Form::Raw {
                    len: 0,
                    last: Vec::new(),
                }
            }
        };
        self.take(&head)
    }

    fn finish(mut self, halt: &Halt, tell: &dyn Fn(u64, u64)) -> Result<Imported> {
        if matches!(self.form, Form::Unknown(_)) {
            self.tell()?;
        }
        let mut sink = self.sink;
        match self.form {
            Form::Raw { len, last } => {
                rules::length(len)?;
                let last =
                    <[u8; HEAD]>::try_from(last).map_err(|_| bad("the file has no sector"))?;
                if formats::fixed_size(&last, len)?.is_none() {
                    sink.write(&last)?;
                }
            }
            Form::Contained {
                format, mut file, ..
            } => {
                let source = Source::new(file.whole()?)?;
                formats::copy(format, &source, sink.as_mut(), halt, tell)?;
            }
            Form::Unknown(_) => return Err(bad("the file is empty")),
        }
        halt.check()?;
        let done = sink.finish()?;
        // The last sync takes long. Whoever stopped it meanwhile took away what was there by then.
        if let Err(why) = halt.check() {
            if let Err(error) = self.storage.remove_version(self.version) {
                tracing::warn!(version = %self.version, %error, "the file of a stopped import could not be removed; the next start tells of it");
            }
            return Err(why);
        }
        Ok(done)
    }
}

/// What a decoder writes to. An error of ours goes through it inside one of its own.
impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.take(bytes).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::EmbeddedStorage;
    use uuid::Uuid;

    fn disk(form: Form, storage: &Arc<dyn StorageBackend>) -> Disk {
        let version = VersionId(Uuid::from_u128(1));
        Disk {
            storage: storage.clone(),
            version,
            sink: storage.begin_import(version).unwrap(),
            form,
        }
    }

    /// Somebody stops it while its last bytes are made durable.
    struct Stopped {
        sink: Box<dyn ImportSink>,
        halt: Halt,
    }

    impl ImportSink for Stopped {
        fn write(&mut self, bytes: &[u8]) -> Result<()> {
            self.sink.write(bytes)
        }
        fn skip(&mut self, len: u64) -> Result<()> {
            self.sink.skip(len)
        }
        fn finish(self: Box<Self>) -> Result<Imported> {
            let done = self.sink.finish();
            self.halt.now();
            done
        }
    }

    #[test]
    fn one_that_is_stopped_at_its_last_sync_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let storage = EmbeddedStorage::open(dir.path()).unwrap();
        let storage: Arc<dyn StorageBackend> = Arc::new(storage);
        for is_stopped in [false, true] {
            let mut disk = disk(Form::Unknown(Vec::new()), &storage);
            let halt = Halt::default();
            if is_stopped {
                let (sink, halt) = (disk.sink, halt.clone());
                disk.sink = Box::new(Stopped { sink, halt });
            }
            disk.take(&[7; 4096]).unwrap();
            let done = disk.finish(&halt, &|_, _| {});
            assert_eq!(done.is_err(), is_stopped);
            let left = std::fs::read_dir(dir.path().join("images")).unwrap();
            assert_eq!(left.count(), usize::from(!is_stopped));
            storage
                .remove_version(VersionId(Uuid::from_u128(1)))
                .unwrap();
        }
    }

    /// What unpacks to more than a disk has ends there, and not when it is over.
    #[test]
    fn a_bomb_ends_where_a_disk_does() {
        let dir = tempfile::tempdir().unwrap();
        let storage = EmbeddedStorage::open(dir.path()).unwrap();
        let storage: Arc<dyn StorageBackend> = Arc::new(storage);
        let (len, last) = (MAX_DISK - 512, Vec::new());
        let mut raw = disk(Form::Raw { len, last }, &storage);
        // As much as a disk and the footer of a fixed VHD.
        raw.take(&[0; 1024]).unwrap();
        let refused = raw.take(&[0]).unwrap_err().to_string();
        assert!(refused.contains("8 TiB"), "{refused}");
        drop(raw);
        let contained = Form::Contained {
            format: Format::Qcow2,
            len: MAX_DISK,
            file: storage.scratch(VersionId(Uuid::from_u128(1))).unwrap(),
        };
        let mut contained = disk(contained, &storage);
        assert!(contained.take(&[0]).is_err());
        drop(contained);
        let left = std::fs::read_dir(dir.path().join("images")).unwrap();
        assert_eq!(left.count(), 0);
    }
}
