//! A disk that counts what is read and written. It changes nothing about the disk below.

use super::BlockDevice;
use crate::counters::{Counter, Counters, DiskCounters, Durations};
use std::{io, sync::Arc, time::Instant};

/// An exported disk with its counters.
pub(super) struct Counted {
    device: Arc<dyn BlockDevice>,
    /// Of all disks together.
    counters: Arc<Counters>,
    /// Of this one.
    read: Counter,
    written: Counter,
}

impl Counted {
    pub fn new(device: Arc<dyn BlockDevice>, counters: Arc<Counters>) -> Self {
        Counted {
            device,
            counters,
            read: Counter::default(),
            written: Counter::default(),
        }
    }

    /// What was read and written, bytes.
    pub fn bytes(&self) -> (u64, u64) {
        (self.read.get(), self.written.get())
    }

    fn disks(&self) -> &DiskCounters {
        &self.counters.disks
    }
}

fn timed<T>(durations: &Durations, work: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let done = work();
    durations.observe(began.elapsed());
    done
}

impl BlockDevice for Counted {
    fn size_bytes(&self) -> u64 {
        self.device.size_bytes()
    }

    fn read_only(&self) -> bool {
        self.device.read_only()
    }

    fn physical_block_bytes(&self) -> u32 {
        self.device.physical_block_bytes()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        timed(&self.disks().read, || self.device.read_at(offset, buf))?;
        self.disks().read_bytes.add(buf.len() as u64);
        self.read.add(buf.len() as u64);
        Ok(())
    }

    fn write_at(&self, offset: u64, buf: &[u8]) -> io::Result<()> {
        timed(&self.disks().write, || self.device.write_at(offset, buf))?;
        self.disks().written_bytes.add(buf.len() as u64);
        self.written.add(buf.len() as u64);
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        timed(&self.disks().flush, || self.device.flush())
    }

    fn discard(&self, offset: u64, len: u64) -> io::Result<()> {
        self.device.discard(offset, len)
    }

    fn extents(&self, offset: u64, len: u64) -> io::Result<Vec<(u64, bool)>> {
        self.device.extents(offset, len)
    }
}
