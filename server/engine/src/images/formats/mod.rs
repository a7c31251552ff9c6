//! Files that hold a disk in a form of their own: qcow2, VMDK, VHD and VHDX. Each says where the bytes of
//! the disk are; the copying is the same for all. None of them is believed: a place is looked up in the
//! file that came, and nothing ever leads to another file.

mod copy;
#[cfg(test)]
mod damage_tests;
mod qcow2;
mod source;
mod vhd;
mod vhdx;
mod vmdk;

pub(super) use copy::{Halt, copy};
pub(super) use source::Source;
pub(super) use vhd::fixed_size;

use crate::{Area, Error, Result, storage::SECTOR};

/// The largest disk that is taken in, bytes: 8 TiB. Reading and hashing the zeros of a larger one would take hours, and a few KiB can
/// claim any size.
pub(super) const MAX_DISK: u64 = 8 << 40;

/// How many of the first bytes decide what a file is.
pub(super) const HEAD: usize = 512;

/// The forms that are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Format {
    Qcow2,
    Vmdk,
    Vhd,
    Vhdx,
}

/// Where the bytes of a stretch of the disk are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    Zeros,
    /// In the file, at this offset.
    At(u64),
    /// Packed in the file. The stretch is one whole unit of `unit` bytes.
    Packed {
        at: u64,
        len: u64,
        unit: usize,
        method: Method,
    },
}

/// How a unit is packed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Method {
    Deflate,
    Zlib,
    Zstd,
}

/// What a disk's form says of it.
trait Layout {
    /// Size of the disk, bytes.
    fn size(&self) -> u64;

    /// Where the disk has what begins at `at`, and for how many bytes, more than 0. `at` is 0 or where the
    /// stretch before it ended.
    fn find(&mut self, file: &Source, at: u64) -> Result<(Place, u64)>;
}

impl Format {
    /// The form of a file that begins so; None for a raw disk, or what is none of these.
    pub(super) fn of(head: &[u8]) -> Option<Format> {
        let known: [(&[u8], Format); 4] = [
            (b"QFI\xfb", Format::Qcow2),
            (b"KDMV", Format::Vmdk),
            (b"conectix", Format::Vhd),
            (b"vhdxfile", Format::Vhdx),
        ];
        let mut found = known.iter().filter(|(magic, _)| head.starts_with(magic));
        found.next().map(|(_, format)| *format)
    }

    /// Refuses by the first [`HEAD`] bytes what need not come whole to be refused.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub(super) fn look(self, head: &[u8]) -> Result<()> {
        let mut start = [0; HEAD];
        let len = head.len().min(HEAD);
        start[..len].copy_from_slice(&head[..len]);
        match self {
            Format::Qcow2 => qcow2::Header::read(&start).map(drop),
            Format::Vmdk => vmdk::Header::read(&start).map(drop),
            Format::Vhd => vhd::Footer::read(&start).map(drop),
            // Its first bytes say nothing.
            Format::Vhdx => Ok(()),
        }
    }

    fn open(self, file: &Source) -> Result<Box<dyn Layout>> {
        Ok(match self {
            Format::Qcow2 => Box::new(qcow2::Qcow2::open(file)?),
            Format::Vmdk => Box::new(vmdk::Vmdk::open(file)?),
            Format::Vhd => Box::new(vhd::Vhd::open(file)?),
            Format::Vhdx => Box::new(vhdx::Vhdx::open(file)?),
        })
    }
}

/// A file breaks a rule.
pub(super) fn bad(message: impl Into<String>) -> Error {
    Error::invalid(Area::Image, "file", message)
}

/// A disk has some whole sectors, and no more than we take.
pub(super) fn size(bytes: u64) -> Result<u64> {
    match bytes {
        0 => Err(bad("the disk in the file has no bytes")),
        n if !n.is_multiple_of(SECTOR) => Err(bad(format!(
            "a disk is a whole number of 512-byte sectors; this one has {n} bytes"
        ))),
        n if n > MAX_DISK => Err(too_large()),
        n => Ok(n),
    }
}

pub(super) fn too_large() -> Error {
    let most = MAX_DISK >> 40;
    bad(format!(
        "the disk is larger than {most} TiB, the most that is taken in"
    ))
}
