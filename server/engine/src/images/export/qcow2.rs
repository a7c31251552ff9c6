//! A qcow2 file of version 3, written from front to back: what is allocated is looked up first, so that
//! all tables are known before the first byte. Laid out as header, refcount table and blocks, L1, L2, data.

use crate::{Result, storage::Disk};
use bytes::Bytes;

const CLUSTER_BITS: u32 = 16;
const CLUSTER: u64 = 1 << CLUSTER_BITS;
/// Entries of a table of 64-bit numbers: refcount table, L1 and L2.
const PER_TABLE: u64 = CLUSTER / 8;
/// Entries of a block of 16-bit refcounts.
const PER_BLOCK: u64 = CLUSTER / 2;
/// Of an entry of L1 and L2: nobody else has that cluster.
const COPIED: u64 = 1 << 63;
/// The disk is looked through in steps of this many bytes.
const LOOK: u64 = 1 << 30;

/// A file that is being made.
pub(super) struct Qcow2 {
    disk: Box<dyn Disk>,
    /// A bit for each cluster of the disk: whether it is in the file.
    allocated: Vec<u64>,
    /// For each L2 table how many clusters of data stand before its own, and how many tables.
    before: Vec<Before>,
    parts: Parts,
    /// The next cluster of the file.
    next: u64,
    /// The cluster of the disk from which on data are to come.
    data_from: u64,
}

#[derive(Clone, Copy, Default)]
struct Before {
    data: u64,
    tables: u64,
}

/// The first cluster of each part of the file, and what comes after all of them.
struct Parts {
    blocks: u64,
    l1: u64,
    l2: u64,
    data: u64,
    end: u64,
}

impl Qcow2 {
    /// # Errors
    /// When the file system can't say what is allocated.
    pub fn new(disk: Box<dyn Disk>) -> Result<Qcow2> {
        let clusters = disk.size_bytes().div_ceil(CLUSTER);
        let allocated = allocated(disk.as_ref(), clusters)?;
        let mut before = vec![Before::default()];
        let mut sum = Before::default();
        for table in allocated.chunks((PER_TABLE / 64) as usize) {
            let data: u64 = table.iter().map(|word| u64::from(word.count_ones())).sum();
            sum.data += data;
            sum.tables += u64::from(data > 0);
            before.push(sum);
        }
        let parts = Parts::of(before.len() as u64 - 1, sum);
        Ok(Qcow2 {
            disk,
            allocated,
            before,
            parts,
            next: 0,
            data_from: 0,
        })
    }

    /// Length of the file, bytes.
    pub fn len(&self) -> u64 {
        self.parts.end * CLUSTER
    }

    /// The next bytes, at most so many; None at the end.
    ///
    /// # Errors
    /// When the disk can't be read.
    pub fn next(&mut self, most: u64) -> Result<Option<Bytes>> {
        let count = (most / CLUSTER).min(self.parts.end - self.next);
        let mut piece = Vec::with_capacity((count * CLUSTER) as usize);
        for _ in 0..count {
            let start = piece.len();
            piece.resize(start + CLUSTER as usize, 0);
            self.write(&mut piece[start..])?;
            self.next += 1;
        }
        Ok((count > 0).then(|| piece.into()))
    }

    /// The next cluster; `out` is zeros.
    fn write(&mut self, out: &mut [u8]) -> Result<()> {
        let (parts, at) = (&self.parts, self.next);
        match at {
            0 => self.header(out),
            _ if at < parts.blocks => {
                let first = (at - 1) * PER_TABLE;
                let blocks = parts.l1 - parts.blocks;
                entries(out, first, blocks, |i| (parts.blocks + i) * CLUSTER);
            }
            _ if at < parts.l1 => {
                let first = (at - parts.blocks) * PER_BLOCK;
                let used = parts.end.saturating_sub(first).min(PER_BLOCK) as usize;
                out[..used * 2]
                    .chunks_exact_mut(2)
                    .for_each(|count| count[1] = 1);
            }
            _ if at < parts.l2 => {
                let first = (at - parts.l1) * PER_TABLE;
                entries(out, first, self.before.len() as u64 - 1, |i| self.l1(i));
            }
            _ if at < parts.data => self.l2(at - parts.l2, out),
            _ => return self.data(out),
        }
        Ok(())
    }

    fn header(&self, out: &mut [u8]) {
        out[..4].copy_from_slice(b"QFI\xfb");
        let fields: [(usize, u32); 7] = [
            (4, 3),
            (20, CLUSTER_BITS),
            (36, (self.before.len() - 1) as u32),
            (56, (self.parts.blocks - 1) as u32),
            // Refcounts have 2 to the power of 4 bits.
            (96, 4),
            (100, 104),
            // No snapshots.
            (60, 0),
        ];
        for (at, n) in fields {
            out[at..at + 4].copy_from_slice(&n.to_be_bytes());
        }
        let fields = [
            (24, self.disk.size_bytes()),
            (40, self.parts.l1 * CLUSTER),
            (48, CLUSTER),
        ];
        for (at, n) in fields {
            out[at..at + 8].copy_from_slice(&n.to_be_bytes());
        }
    }

    /// The entry of that L2 table.
    fn l1(&self, table: u64) -> u64 {
        let (before, after) = (self.before[table as usize], self.before[table as usize + 1]);
        match after.tables > before.tables {
            true => ((self.parts.l2 + before.tables) * CLUSTER) | COPIED,
            false => 0,
        }
    }

    /// The L2 table that is in the file in that place.
    fn l2(&self, place: u64, out: &mut [u8]) {
        // The last with so many before it is the one that is there.
        let table = self.before.partition_point(|b| b.tables <= place) as u64 - 1;
        let mut data = self.parts.data + self.before[table as usize].data;
        let first = table * PER_TABLE;
        for (i, entry) in out.chunks_exact_mut(8).enumerate() {
            if self.has(first + i as u64) {
                entry.copy_from_slice(&((data * CLUSTER) | COPIED).to_be_bytes());
                data += 1;
            }
        }
    }

    /// The next cluster of the disk that is allocated. The last may be longer than the disk is.
    fn data(&mut self, out: &mut [u8]) -> Result<()> {
        while !self.has(self.data_from) {
            self.data_from += 1;
        }
        let at = self.data_from * CLUSTER;
        self.data_from += 1;
        let len = CLUSTER.min(self.disk.size_bytes() - at) as usize;
        self.disk.read_at(at, &mut out[..len])
    }

    fn has(&self, cluster: u64) -> bool {
        let word = self.allocated.get((cluster / 64) as usize);
        word.is_some_and(|word| word >> (cluster % 64) & 1 == 1)
    }
}

impl Parts {
    /// With so many entries in L1, and those tables and data.
    fn of(l1: u64, sum: Before) -> Parts {
        let l1 = l1.div_ceil(PER_TABLE);
        let others = 1 + l1 + sum.tables + sum.data;
        // The blocks count themselves, too.
        let (mut table, mut blocks) = (1, 1);
        while blocks * PER_BLOCK < others + table + blocks || table * PER_TABLE < blocks {
            blocks = (others + table + blocks).div_ceil(PER_BLOCK);
            table = blocks.div_ceil(PER_TABLE);
        }
        let first_block = 1 + table;
        let first_l1 = first_block + blocks;
        let first_l2 = first_l1 + l1;
        let first_data = first_l2 + sum.tables;
        Parts {
            blocks: first_block,
            l1: first_l1,
            l2: first_l2,
            data: first_data,
            end: first_data + sum.data,
        }
    }
}

/// Fills a cluster of a table with its entries from `first` on, of `all`.
fn entries(out: &mut [u8], first: u64, all: u64, entry: impl Fn(u64) -> u64) {
    for (out, i) in out.chunks_exact_mut(8).zip(first..all) {
        out.copy_from_slice(&entry(i).to_be_bytes());
    }
}

/// A bit for each cluster in which anything is allocated.
fn allocated(disk: &dyn Disk, clusters: u64) -> Result<Vec<u64>> {
    let mut bits = vec![0u64; clusters.div_ceil(64) as usize];
    let size = disk.size_bytes();
    let mut at = 0;
    while at < size {
        for (len, is_data) in disk.runs(at, LOOK.min(size - at))? {
            if is_data {
                let last = (at + len - 1) / CLUSTER;
                (at / CLUSTER..=last).for_each(|c| bits[(c / 64) as usize] |= 1 << (c % 64));
            }
            at += len;
        }
    }
    Ok(bits)
}
