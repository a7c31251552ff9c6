//! Exports: disks offered to clients over a block protocol.
//! The trait and its words live here; the protocols live in `daemons`.

mod counted;
mod registry;

pub use registry::{
    Exports, MOST_CONNECTIONS, Offer, Refusal, SessionGuard, SessionInfo, SessionObserver,
    SilentObserver, Via,
};

use crate::secrets::Secret;
use std::{io, sync::Arc};

/// A disk. Offsets and lengths are in bytes and always whole 512-byte sectors; a caller checks
/// bounds before it asks. All calls may block on the file system, none on the network or the database.
pub trait BlockDevice: Send + Sync + 'static {
    /// Size in bytes, fixed for the life of the device.
    fn size_bytes(&self) -> u64;

    /// Whether every write is refused.
    fn read_only(&self) -> bool;

    /// What is written and given back in one piece below, bytes: a power of two, 512 or more. A smaller
    /// write costs a read.
    fn physical_block_bytes(&self) -> u32 {
        4096
    }

    /// Fills `buf` from `offset`. What was never written reads as zeros.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()>;

    /// Writes `buf` at `offset`; durable only after the next [`BlockDevice::flush`].
    fn write_at(&self, offset: u64, buf: &[u8]) -> io::Result<()>;

    /// Returns once all that was written before is on stable storage.
    fn flush(&self) -> io::Result<()>;

    /// Gives the space of a range back; it reads as zeros from now on.
    fn discard(&self, offset: u64, len: u64) -> io::Result<()>;

    /// The runs of `[offset, offset+len)`, in order and without gaps: (length, whether it holds data).
    /// A run that holds none reads as zeros.
    fn extents(&self, offset: u64, len: u64) -> io::Result<Vec<(u64, bool)>>;
}

/// A one-way CHAP credential (RFC 1994), fixed for the life of a client.
#[derive(Clone)]
pub struct Chap {
    pub username: String,
    /// 12 to 16 bytes of printable text, as initiators demand.
    pub secret: Secret,
}

/// A data disk beside the disk that its computer starts from, in the same target.
#[derive(Clone)]
pub struct DataDisk {
    /// Logical unit number, which no other unit of that target has; none is 0.
    pub lun: u16,
    /// VPD page 80h.
    pub serial: String,
    /// As [`Export::naa`].
    pub naa: u64,
    pub device: Arc<dyn BlockDevice>,
}

/// The disks of a computer as an initiator finds them. Name, serials and NAAs are stable per client, so that a
/// session recovers after a restart and an operating system knows its disks again.
#[derive(Clone)]
pub struct Export {
    /// iSCSI qualified name of the target (RFC 3720 section 3.2.6.3.1).
    pub target: String,
    /// Logical unit number under that target.
    pub lun: u16,
    /// VPD page 80h.
    pub serial: String,
    /// NAA type 3 or 6 identifier of VPD page 83h.
    pub naa: u64,
    /// The disk that it starts from.
    pub device: Arc<dyn BlockDevice>,
    /// Its other disks, by their numbers.
    pub data: Vec<DataDisk>,
    pub chap: Option<Chap>,
    /// The only initiator name that may log in and that discovery shows this to; None is anyone.
    pub initiator: Option<String>,
}

impl Export {
    /// The numbers of its units.
    pub fn luns(&self) -> impl Iterator<Item = u16> {
        std::iter::once(self.lun).chain(self.data.iter().map(|disk| disk.lun))
    }

    /// One unit of it alone, under that number.
    pub fn unit(&self, lun: u16) -> Option<Export> {
        if lun == self.lun {
            return Some(Export {
                data: Vec::new(),
                ..self.clone()
            });
        }
        let disk = self.data.iter().find(|disk| disk.lun == lun)?.clone();
        Some(Export {
            lun,
            serial: disk.serial,
            naa: disk.naa,
            device: disk.device,
            data: Vec::new(),
            ..self.clone()
        })
    }

    /// Whether both have the same disks under the same numbers.
    pub fn has_disks_of(&self, other: &Export) -> bool {
        self.lun == other.lun
            && Arc::ptr_eq(&self.device, &other.device)
            && self.data.len() == other.data.len()
            && (self.data.iter().zip(&other.data))
                .all(|(a, b)| a.lun == b.lun && Arc::ptr_eq(&a.device, &b.device))
    }

    /// The same with other devices, those of the disk that it starts from first.
    fn with_devices(mut self, mut devices: impl Iterator<Item = Arc<dyn BlockDevice>>) -> Export {
        if let Some(device) = devices.next() {
            self.device = device;
        }
        for (disk, device) in self.data.iter_mut().zip(devices) {
            disk.device = device;
        }
        self
    }

    /// All its devices, that of the disk that it starts from first.
    fn devices(&self) -> impl Iterator<Item = &Arc<dyn BlockDevice>> {
        std::iter::once(&self.device).chain(self.data.iter().map(|disk| &disk.device))
    }
}
