//! Copying a disk out of its form: what is there is read once, holes stay holes.

use super::{Format, Method, Place, Source, bad};
use crate::{Area, Error, Result, storage::ImportSink};
use std::{
    io::{self, Read},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

/// Bytes read at a time.
const PIECE: usize = 1 << 20;
/// Zeros taken at a time, so that a stop is soon heard.
const HOLE: u64 = 64 << 20;
/// The largest unit that is unpacked, bytes: a cluster of qcow2.
pub(super) const MAX_UNIT: u64 = 2 << 20;

/// Stops a copy that runs on another thread.
#[derive(Clone, Default)]
pub(in crate::images) struct Halt(Arc<AtomicBool>);

impl Halt {
    /// Stops it at its next step.
    pub fn now(&self) {
        self.0.store(true, Relaxed);
    }

    /// # Errors
    /// [`Error::Conflict`] once it was told to stop.
    pub fn check(&self) -> Result<()> {
        match self.0.load(Relaxed) {
            false => Ok(()),
            true => Err(Error::conflict(
                Area::Image,
                "the import was stopped",
                "Begin it again if that was not meant.",
            )),
        }
    }
}

/// Copies the disk that is in `file` to `sink`. `tell` is told how much of the disk is done, of all.
///
/// # Errors
/// [`Error::Invalid`] for what is wrong with the file, [`Error::Conflict`] when it was halted, or why the
/// file system refused.
pub(in crate::images) fn copy(
    format: Format,
    file: &Source,
    sink: &mut dyn ImportSink,
    halt: &Halt,
    tell: &dyn Fn(u64, u64),
) -> Result<()> {
    let mut layout = format.open(file)?;
    let size = layout.size();
    let mut piece = vec![0; PIECE];
    let mut at = 0;
    while at < size {
        let (place, len) = layout.find(file, at)?;
        let len = len.min(size - at);
        let end = at + len;
        match place {
            Place::Zeros => {
                while at < end {
                    halt.check()?;
                    let n = HOLE.min(end - at);
                    sink.skip(n)?;
                    at += n;
                    tell(at, size);
                }
            }
            Place::At(offset) => {
                let offset = offset.wrapping_sub(at);
                while at < end {
                    halt.check()?;
                    let n = (PIECE as u64).min(end - at);
                    let piece = &mut piece[..n as usize];
                    file.read(offset.wrapping_add(at), piece)?;
                    sink.write(piece)?;
                    at += n;
                    tell(at, size);
                }
            }
            Place::Packed {
                at: from,
                len: packed,
                unit,
                method,
            } => {
                halt.check()?;
                let packed = file.bytes(from, packed as usize)?;
                let unit = unpack(&packed, unit, method)?;
                sink.write(&unit[..len as usize])?;
                at = end;
                tell(at, size);
            }
        }
    }
    Ok(())
}

/// Unpacks one unit. What follows it in `packed` is padding.
fn unpack(packed: &[u8], unit: usize, method: Method) -> Result<Vec<u8>> {
    let mut out = vec![0; unit];
    let read: io::Result<()> = match method {
        Method::Deflate => flate2::read::DeflateDecoder::new(packed).read_exact(&mut out),
        Method::Zlib => flate2::read::ZlibDecoder::new(packed).read_exact(&mut out),
        Method::Zstd => {
            zstd::stream::read::Decoder::with_buffer(packed).and_then(|mut unpacker| {
                // A unit is never longer than this.
                unpacker.window_log_max(MAX_UNIT.ilog2() + 1)?;
                unpacker.read_exact(&mut out)
            })
        }
    };
    read.map_err(|e| bad(format!("a packed piece of the disk is damaged: {e}")))?;
    Ok(out)
}
