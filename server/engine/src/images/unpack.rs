//! Compressed files, unpacked as they come in: gzip, xz and zstd, told by their first bytes. What a
//! decoder remembers is bounded, whatever the file asks for.

use super::formats::bad;
use crate::{Error, Result};
use flate2::write::MultiGzDecoder;
use liblzma::{stream, write::XzDecoder};
use std::io::{self, Write};
use zstd::stream::write::Decoder as ZstdDecoder;

/// The memory of an xz decoder, bytes: a dictionary of 32 MiB, as up to `xz -8`, and what belongs to it.
const XZ_MEMORY: u64 = 34 << 20;
/// The window of a zstd frame is up to 2 to the power of this many bytes: 32 MiB, as all levels but `--ultra` and `--long` have.
const ZSTD_WINDOW: u32 = 25;

/// How a file is compressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Packing {
    Gzip,
    Xz,
    Zstd,
}

impl Packing {
    /// By its first bytes; None when it is not compressed so.
    pub fn of(head: &[u8]) -> Option<Packing> {
        let known: [(&[u8], Packing); 3] = [
            (b"\x1f\x8b", Packing::Gzip),
            (b"\xfd7zXZ\0", Packing::Xz),
            (b"\x28\xb5\x2f\xfd", Packing::Zstd),
        ];
        let mut found = known.iter().filter(|(magic, _)| head.starts_with(magic));
        found.next().map(|(_, packing)| *packing)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Packing::Gzip => "gzip",
            Packing::Xz => "xz",
            Packing::Zstd => "zstd",
        }
    }

    /// Whose fault it is: what the writer below says, or what the decoder found.
    fn failed(self, e: io::Error) -> Error {
        let e = match e.downcast::<Error>() {
            Ok(own) => return own,
            Err(e) => e,
        };
        let name = self.name();
        let xz = e.get_ref().and_then(|e| e.downcast_ref::<stream::Error>());
        let text = e.to_string();
        if xz == Some(&stream::Error::MemLimit) {
            return bad(
                "unpacking it takes more memory than 34 MiB; compress it with xz -8 or less",
            );
        }
        if text.contains("too much memory") {
            return bad(
                "unpacking it takes a window of more than 32 MiB; compress it with zstd, but without --long and --ultra",
            );
        }
        match e.kind() {
            io::ErrorKind::UnexpectedEof => {
                bad(format!("the {name} data end early: the file was cut short"))
            }
            _ => bad(format!("the {name} data are damaged: {text}")),
        }
    }
}

/// Unpacks what is written to it into `W`.
pub(super) enum Unpack<W: Write> {
    Plain(W),
    Gzip(MultiGzDecoder<W>),
    Xz(XzDecoder<W>),
    Zstd(ZstdDecoder<'static, W>),
}

impl<W: Write> Unpack<W> {
    /// # Errors
    /// When there is no memory for the decoder.
    pub fn new(packing: Option<Packing>, into: W) -> Result<Self> {
        let no_memory = |e: &dyn std::fmt::Display| Error::Internal(format!("no decoder: {e}"));
        Ok(match packing {
            None => Unpack::Plain(into),
            Some(Packing::Gzip) => Unpack::Gzip(MultiGzDecoder::new(into)),
            Some(Packing::Xz) => {
                let stream = stream::Stream::new_stream_decoder(XZ_MEMORY, stream::CONCATENATED);
                let stream = stream.map_err(|e| no_memory(&e))?;
                Unpack::Xz(XzDecoder::new_stream(into, stream))
            }
            Some(Packing::Zstd) => {
                let mut decoder = ZstdDecoder::new(into).map_err(|e| no_memory(&e))?;
                decoder
                    .window_log_max(ZSTD_WINDOW)
                    .map_err(|e| no_memory(&e))?;
                Unpack::Zstd(decoder)
            }
        })
    }

    /// Takes the next bytes of the file.
    ///
    /// # Errors
    /// [`Error::Invalid`] for damaged data, or as `W` says.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let (packing, done) = match self {
            Unpack::Plain(w) => return w.write_all(bytes).map_err(own),
            Unpack::Gzip(w) => (Packing::Gzip, w.write_all(bytes)),
            Unpack::Xz(w) => (Packing::Xz, w.write_all(bytes)),
            Unpack::Zstd(w) => (Packing::Zstd, w.write_all(bytes)),
        };
        done.map_err(|e| packing.failed(e))
    }

    /// The file is over: all of it has to be there.
    ///
    /// # Errors
    /// As [`Unpack::write`].
    pub fn finish(self) -> Result<W> {
        let (packing, done) = match self {
            Unpack::Plain(w) => return Ok(w),
            // It does not tell an early end from a wrong checksum.
            Unpack::Gzip(w) => (Packing::Gzip, w.finish()),
            Unpack::Xz(w) => (Packing::Xz, w.finish()),
            Unpack::Zstd(w) => (Packing::Zstd, w.finish()),
        };
        done.map_err(|e| packing.failed(e))
    }
}

fn own(e: io::Error) -> Error {
    match e.downcast::<Error>() {
        Ok(own) => own,
        Err(e) => Error::io("writing what was unpacked")(e),
    }
}
