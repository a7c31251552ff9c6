//! What the tests of this folder share: a disk in memory and a generator of mutated bytes.

use engine::export::{BlockDevice, DataDisk, Export};
use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

/// A disk in memory.
pub struct Ram(Mutex<Vec<u8>>);

impl Ram {
    pub fn new(blocks: usize) -> Arc<Ram> {
        Arc::new(Ram(Mutex::new(vec![0; blocks * 512])))
    }

    fn with<T>(&self, offset: u64, len: usize, f: impl FnOnce(&mut [u8]) -> T) -> io::Result<T> {
        let mut disk = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The trait promises whole sectors within the disk; a caller that breaks it fails the test.
        assert!(
            offset.is_multiple_of(512) && len.is_multiple_of(512),
            "{offset}+{len}"
        );
        let at = offset as usize;
        Ok(f(&mut disk[at..at + len]))
    }
}

impl BlockDevice for Ram {
    fn size_bytes(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len() as u64
    }
    fn read_only(&self) -> bool {
        false
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.with(offset, buf.len(), |disk| buf.copy_from_slice(disk))
    }
    fn write_at(&self, offset: u64, buf: &[u8]) -> io::Result<()> {
        self.with(offset, buf.len(), |disk| disk.copy_from_slice(buf))
    }
    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
    fn discard(&self, offset: u64, len: u64) -> io::Result<()> {
        self.with(offset, len as usize, |disk| disk.fill(0))
    }
    fn extents(&self, offset: u64, len: u64) -> io::Result<Vec<(u64, bool)>> {
        self.with(offset, len as usize, |disk| {
            vec![(len, disk.iter().any(|b| *b != 0))]
        })
    }
}

/// An export of a disk in memory that anyone may use.
pub fn export(blocks: usize) -> Export {
    Export {
        target: "iqn.2026-11.test:a".into(),
        lun: 0,
        serial: "S1".into(),
        naa: 0x3000_0000_0000_0001,
        device: Ram::new(blocks),
        data: Vec::new(),
        chap: None,
        initiator: None,
    }
}

/// The same with data disks of so many blocks beside it, from unit 1 on.
pub fn export_with(blocks: usize, data: &[usize]) -> Export {
    let disk = |(lun, blocks): (u16, &usize)| DataDisk {
        lun,
        serial: format!("D{lun}"),
        naa: 0x3000_0000_0000_0001 + u64::from(lun),
        device: Ram::new(*blocks),
    };
    Export {
        data: (1..).zip(data).map(disk).collect(),
        ..export(blocks)
    }
}

/// A small generator (xorshift64*), seeded: a failing run repeats.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Dice(seed | 1)
    }

    pub fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.roll() >> 11) as usize % n.max(1)
    }

    /// Changes a few bytes, and now and then the length.
    pub fn mutate(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(4) {
            match self.below(8) {
                0 => bytes.truncate(self.below(bytes.len() + 1)),
                1 => bytes.push(self.roll() as u8),
                _ if bytes.is_empty() => {}
                _ => {
                    let at = self.below(bytes.len());
                    bytes[at] = [0, 0xff, 0x7f, 0x80, self.roll() as u8][self.below(5)];
                }
            }
        }
    }
}
