//! Copying a disk out of its form: what is there is read once, holes stay holes.

use super::{Format, Method, Place, Source, bad};
use crate::{Area, Error, Result, storage::ImportSink};
use std::{
    io::{self, Read},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
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
        self.0.store(true, SeqCst);
    }

    /// # Errors
    /// [`Error::Conflict`] once it was told to stop.
    pub fn check(&self) -> Result<()> {
        match self.0.load(SeqCst) {
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
    let out = match method {
        Method::Deflate => exactly(unit, flate2::read::DeflateDecoder::new(packed)),
        Method::Zlib => exactly(unit, flate2::read::ZlibDecoder::new(packed)),
        Method::Zstd => {
            frames(packed).and_then(|frame| match exactly(unit, frame.single_frame()) {
                // It may be several frames, up to a unit. What follows them may be frames of the next unit, so no more is
                // looked at.
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                    let mut out = vec![0; unit];
                    frames(packed)?.read_exact(&mut out)?;
                    Ok(out)
                }
                other => other,
            })
        }
    };
    out.map_err(|e| bad(format!("a packed piece of the disk is damaged: {e}")))
}

/// Unpacks all frames, with a window that is never longer than a unit.
fn frames(packed: &[u8]) -> io::Result<zstd::stream::read::Decoder<'static, &[u8]>> {
    let mut unpacker = zstd::stream::read::Decoder::with_buffer(packed)?;
    unpacker.window_log_max(MAX_UNIT.ilog2() + 1)?;
    Ok(unpacker)
}

/// A whole unit, and not a byte more is unpacked than tells that there is one.
fn exactly(unit: usize, mut unpacker: impl Read) -> io::Result<Vec<u8>> {
    let mut out = vec![0; unit];
    unpacker.read_exact(&mut out)?;
    match unpacker.read(&mut [0]) {
        Ok(1..) => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("it unpacks to more than its {unit} bytes"),
        )),
        // Padding need not be anything that can be unpacked.
        Ok(0) | Err(_) => Ok(out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{
        Compression,
        write::{DeflateEncoder, ZlibEncoder},
    };
    use std::io::Write;

    fn packed(bytes: &[u8], method: Method) -> Vec<u8> {
        match method {
            Method::Deflate => {
                let mut to = DeflateEncoder::new(Vec::new(), Compression::best());
                to.write_all(bytes).unwrap();
                to.finish().unwrap()
            }
            Method::Zlib => {
                let mut to = ZlibEncoder::new(Vec::new(), Compression::best());
                to.write_all(bytes).unwrap();
                to.finish().unwrap()
            }
            Method::Zstd => zstd::encode_all(bytes, 3).unwrap(),
        }
    }

    #[test]
    fn a_unit_has_its_length_and_what_follows_is_padding() {
        const UNIT: usize = 64 << 10;
        let whole = vec![7; UNIT];
        for method in [Method::Deflate, Method::Zlib, Method::Zstd] {
            // The last is the next unit: qcow2 has them close to each other.
            let next = packed(&[8; UNIT], method);
            for padding in [&[][..], &[0; 512], &[0xff; 512], &next] {
                let padded = [&packed(&whole, method), padding].concat();
                assert_eq!(unpack(&padded, UNIT, method).unwrap(), whole, "{method:?}");
            }
            for len in [UNIT + 1, UNIT * 1000] {
                let bomb = packed(&vec![0; len], method);
                let why = unpack(&bomb, UNIT, method).unwrap_err().to_string();
                assert!(
                    why.contains("more than its 65536 bytes"),
                    "{method:?}: {why}"
                );
            }
            assert!(unpack(&packed(&whole[1..], method), UNIT, method).is_err());
        }
        let halves = whole
            .chunks(UNIT / 2)
            .map(|half| packed(half, Method::Zstd));
        let halves: Vec<_> = halves.collect();
        assert_eq!(unpack(&halves.concat(), UNIT, Method::Zstd).unwrap(), whole);
    }
}
