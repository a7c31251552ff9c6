//! qcow2, versions 2 and 3, as QEMU's docs/interop/qcow2.txt describes it.

use super::{
    Layout, Method, Place, Source, bad,
    copy::MAX_UNIT,
    size,
    source::{be32, be64},
};
use crate::Result;

/// Clusters that follow each other in the file are read together, up to so many bytes.
const MAX_RUN: u64 = 16 << 20;
/// Where a table's entry leads: bits 9 to 55.
const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;
/// Of an L2 entry: the cluster is packed.
const PACKED: u64 = 1 << 62;
/// Of an L2 entry in version 3: the cluster reads as zeros.
const ZERO: u64 = 1;

/// Incompatible features.
const DIRTY: u64 = 1;
const CORRUPT: u64 = 1 << 1;
const EXTERNAL_DATA: u64 = 1 << 2;
const COMPRESSION: u64 = 1 << 3;
const EXTENDED_L2: u64 = 1 << 4;

/// What the first bytes say.
#[derive(Clone, Copy)]
pub(super) struct Header {
    version: u32,
    cluster_bits: u32,
    size: u64,
    l1_len: u32,
    l1_at: u64,
    method: Method,
}

impl Header {
    /// # Errors
    /// [`crate::Error::Invalid`] for what we can't or must not read.
    pub fn read(head: &[u8; super::HEAD]) -> Result<Header> {
        let version = be32(head, 4);
        if !(2..=3).contains(&version) {
            return Err(refused(&format!("its version {version} is not known")));
        }
        if be64(head, 8) != 0 {
            return Err(refused(
                "it is only the changes to a backing file; flatten it first: qemu-img convert -O qcow2 FILE whole.qcow2",
            ));
        }
        let cluster_bits = be32(head, 20);
        if !(9..=21).contains(&cluster_bits) {
            return Err(refused(&format!(
                "its clusters have 2^{cluster_bits} bytes"
            )));
        }
        if be32(head, 32) != 0 {
            return Err(refused("it is encrypted"));
        }
        let features = if version == 3 { be64(head, 72) } else { 0 };
        may_read(features)?;
        // Without the feature the byte is of no meaning.
        let method = match features & COMPRESSION == 0 {
            true => Method::Deflate,
            false => match head[104] {
                0 => Method::Deflate,
                1 => Method::Zstd,
                n => return Err(refused(&format!("its compression type {n} is not known"))),
            },
        };
        let header = Header {
            version,
            cluster_bits,
            size: size(be64(head, 24))?,
            l1_len: be32(head, 36),
            l1_at: be64(head, 40),
            method,
        };
        let per_l1 = header.cluster() * header.per_table();
        if u64::from(header.l1_len) < header.size.div_ceil(per_l1) {
            return Err(refused("its L1 table is too short for its size"));
        }
        if header.l1_at == 0 || !header.l1_at.is_multiple_of(header.cluster()) {
            return Err(refused("its L1 table is at no cluster"));
        }
        Ok(header)
    }

    /// Bytes of a cluster.
    fn cluster(&self) -> u64 {
        1 << self.cluster_bits
    }

    /// Entries of an L2 table.
    fn per_table(&self) -> u64 {
        self.cluster() / 8
    }
}

fn may_read(features: u64) -> Result<()> {
    let known = DIRTY | CORRUPT | EXTERNAL_DATA | COMPRESSION | EXTENDED_L2;
    if features & EXTERNAL_DATA != 0 {
        return Err(refused("its data are in another file"));
    }
    if features & CORRUPT != 0 {
        return Err(refused(
            "it is marked as corrupt; repair it first: qemu-img check -r all FILE",
        ));
    }
    if features & EXTENDED_L2 != 0 {
        return Err(refused(
            "it has subclusters; convert it first: qemu-img convert -O qcow2 FILE plain.qcow2",
        ));
    }
    match features & !known {
        0 => Ok(()),
        other => Err(refused(&format!("its feature {other:#x} is not known"))),
    }
}

/// A qcow2 file that is being read, with the one L2 table that is in use.
pub(super) struct Qcow2 {
    header: Header,
    /// Which table `l2` is.
    index: Option<u64>,
    /// Empty when there is none: all of it is zeros.
    l2: Vec<u8>,
}

impl Qcow2 {
    /// # Errors
    /// As [`Header::read`], or when the file can't be read.
    pub fn open(file: &Source) -> Result<Qcow2> {
        let mut head = [0; super::HEAD];
        let len = file.len().min(super::HEAD as u64) as usize;
        file.read(0, &mut head[..len])?;
        let header = Header::read(&head)?;
        Ok(Qcow2 {
            header,
            index: None,
            l2: Vec::new(),
        })
    }

    fn load(&mut self, file: &Source, index: u64) -> Result<()> {
        if self.index == Some(index) {
            return Ok(());
        }
        let mut entry = [0; 8];
        file.read(self.header.l1_at.saturating_add(index * 8), &mut entry)?;
        let at = u64::from_be_bytes(entry) & OFFSET;
        self.l2 = match at {
            0 => Vec::new(),
            at => {
                self.aligned(at, "an L2 table")?;
                file.bytes(at, self.header.cluster() as usize)?
            }
        };
        self.index = Some(index);
        Ok(())
    }

    fn aligned(&self, at: u64, what: &str) -> Result<()> {
        match at.is_multiple_of(self.header.cluster()) {
            true => Ok(()),
            false => Err(refused(&format!("{what} is at {at}, which is no cluster"))),
        }
    }

    /// Where the cluster of that entry is.
    fn place(&self, file: &Source, entry: u64) -> Result<Place> {
        if entry & PACKED != 0 {
            return self.packed(file, entry);
        }
        let at = entry & OFFSET;
        if at == 0 || (self.header.version == 3 && entry & ZERO != 0) {
            return Ok(Place::Zeros);
        }
        self.aligned(at, "a cluster")?;
        Ok(Place::At(at))
    }

    fn packed(&self, file: &Source, entry: u64) -> Result<Place> {
        let bits = 62 - (self.header.cluster_bits - 8);
        let at = entry & ((1 << bits) - 1);
        let sectors = (entry & (PACKED - 1)) >> bits;
        let said = (sectors + 1) * 512 - (at & 511);
        // It is told in sectors, of which the file need not have the last one whole.
        let len = said.min(file.len().saturating_sub(at));
        if len == 0 {
            return Err(refused(&format!(
                "a packed cluster is at {at}, beyond the end"
            )));
        }
        Ok(Place::Packed {
            at,
            len: len.min(2 * MAX_UNIT),
            unit: self.header.cluster() as usize,
            method: self.header.method,
        })
    }
}

impl Layout for Qcow2 {
    fn size(&self) -> u64 {
        self.header.size
    }

    fn find(&mut self, file: &Source, at: u64) -> Result<(Place, u64)> {
        let (cluster, per_table) = (self.header.cluster(), self.header.per_table());
        let index = at / cluster;
        self.load(file, index / per_table)?;
        let first = index % per_table;
        if self.l2.is_empty() {
            return Ok((Place::Zeros, (per_table - first) * cluster));
        }
        let entry = |i: u64| be64(&self.l2, i as usize * 8);
        let place = self.place(file, entry(first))?;
        let mut count = 1;
        while first + count < per_table && count * cluster < MAX_RUN {
            let follows = match place {
                Place::Zeros => Place::Zeros,
                Place::At(offset) => Place::At(offset + count * cluster),
                Place::Packed { .. } => break,
            };
            // One that is wrong is told of when it is its turn.
            if self.place(file, entry(first + count)).ok() != Some(follows) {
                break;
            }
            count += 1;
        }
        Ok((place, count * cluster))
    }
}

fn refused(why: &str) -> crate::Error {
    bad(format!("the qcow2 disk can't be taken in: {why}"))
}
