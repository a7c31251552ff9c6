//! VHD, as in Microsoft's Virtual Hard Disk Image Format Specification: dynamic, and fixed, which is a raw
//! disk with a sector behind it.

use super::{
    Layout, Place, Source, bad, size,
    source::{be32, be64},
};
use crate::{Result, storage::SECTOR};

const FIXED: u32 = 2;
const DYNAMIC: u32 = 3;
const DIFFERENCING: u32 = 4;
/// A block that is not there.
const NONE: u32 = u32::MAX;

/// The sector at the end, and of a dynamic disk at the start, too.
pub(super) struct Footer {
    kind: u32,
    size: u64,
    /// Where the dynamic header is.
    header: u64,
}

impl Footer {
    /// # Errors
    /// [`crate::Error::Invalid`] for what is none, or a disk that we can't read.
    pub fn read(sector: &[u8; super::HEAD]) -> Result<Footer> {
        if !sector.starts_with(b"conectix") || be32(sector, 64) != sum(sector, 64) {
            return Err(refused("the checksum of its footer is wrong"));
        }
        match be32(sector, 60) {
            FIXED | DYNAMIC => {}
            DIFFERENCING => {
                return Err(refused(
                    "it is only the changes to another disk; merge it with its parent first",
                ));
            }
            kind => return Err(refused(&format!("its type {kind} is not known"))),
        }
        Ok(Footer {
            kind: be32(sector, 60),
            size: size(be64(sector, 48))?,
            header: be64(sector, 16),
        })
    }
}

/// The size of the disk whose file of so many bytes ends with `last`, when it is a fixed VHD.
///
/// # Errors
/// [`crate::Error::Invalid`] when its footer says something else than the file.
pub(in crate::images) fn fixed_size(last: &[u8; super::HEAD], file: u64) -> Result<Option<u64>> {
    if !last.starts_with(b"conectix") {
        return Ok(None);
    }
    let footer = Footer::read(last)?;
    match footer.kind == FIXED && footer.size == file - SECTOR {
        true => Ok(Some(footer.size)),
        false => Err(refused(
            "its footer does not fit the file: it is damaged or was cut short",
        )),
    }
}

/// A dynamic VHD that is being read.
pub(super) struct Vhd {
    size: u64,
    table: u64,
    /// Bytes of a block.
    block: u64,
    /// Bytes of what stands before a block: which of its sectors were written. The others are zeros there.
    bitmap: u64,
}

impl Vhd {
    /// # Errors
    /// As [`Footer::read`], or when the file can't be read.
    pub fn open(file: &Source) -> Result<Vhd> {
        let mut sector = [0; super::HEAD];
        file.read(0, &mut sector)?;
        let footer = Footer::read(&sector)?;
        let first = sector;
        file.read(file.len().saturating_sub(SECTOR), &mut sector)?;
        if sector != first {
            return Err(refused(
                "its end is not its footer: it is damaged or was cut short",
            ));
        }
        let header = file.bytes(footer.header, 1024)?;
        if footer.kind != DYNAMIC || !header.starts_with(b"cxsparse") {
            return Err(refused("it has no dynamic header"));
        }
        if be32(&header, 36) != sum(&header, 36) {
            return Err(refused("the checksum of its dynamic header is wrong"));
        }
        let (blocks, block) = (u64::from(be32(&header, 28)), u64::from(be32(&header, 32)));
        if !block.is_power_of_two() || block < SECTOR {
            return Err(refused(&format!("its blocks have {block} bytes")));
        }
        if blocks < footer.size.div_ceil(block) {
            return Err(refused("its table of blocks is too short for its size"));
        }
        Ok(Vhd {
            size: footer.size,
            table: be64(&header, 16),
            block,
            bitmap: (block / SECTOR).div_ceil(8).next_multiple_of(SECTOR),
        })
    }
}

impl Layout for Vhd {
    fn size(&self) -> u64 {
        self.size
    }

    fn find(&mut self, file: &Source, at: u64) -> Result<(Place, u64)> {
        let mut entry = [0; 4];
        let index = at / self.block;
        file.read(self.table.saturating_add(index * 4), &mut entry)?;
        let place = match u32::from_be_bytes(entry) {
            NONE => Place::Zeros,
            sector => Place::At(u64::from(sector) * SECTOR + self.bitmap),
        };
        Ok((place, self.block))
    }
}

/// The complement of the sum of all bytes but those four of the sum itself.
fn sum(bytes: &[u8], own: usize) -> u32 {
    let others = bytes[..own].iter().chain(&bytes[own + 4..]);
    !others.map(|b| u32::from(*b)).sum::<u32>()
}

fn refused(why: &str) -> crate::Error {
    bad(format!("the VHD disk can't be taken in: {why}"))
}
