//! VMDK in one file: the sparse extents "monolithicSparse" and "streamOptimized" of VMware's Virtual Disk
//! Format 5.0.

use super::{
    Layout, Method, Place, Source, bad, size,
    source::{le16, le32, le64},
};
use crate::{Result, storage::SECTOR};

/// A grain's table entry says that it reads as zeros.
const HAS_ZERO: u32 = 1 << 2;
const PACKED: u32 = 1 << 16;
/// The grain directory is named in a copy of the header at the end.
const AT_END: u64 = u64::MAX;
/// The longest description, bytes.
const MAX_DESCRIPTION: u64 = 64 << 10;

/// What the first sector says.
#[derive(Clone, Copy)]
pub(super) struct Header {
    flags: u32,
    size: u64,
    /// Bytes of a grain.
    grain: u64,
    description: (u64, u64),
    /// Entries of a grain table.
    per_table: u64,
    /// Where the grain directory is, bytes.
    directory: u64,
}

impl Header {
    /// # Errors
    /// [`crate::Error::Invalid`] for what we can't read.
    pub fn read(head: &[u8; super::HEAD]) -> Result<Header> {
        let version = le32(head, 4);
        if !(1..=3).contains(&version) {
            return Err(refused(&format!("its version {version} is not known")));
        }
        let flags = le32(head, 8);
        let bytes = |at| {
            let sectors = le64(head, at);
            let bytes = sectors.checked_mul(SECTOR);
            bytes.ok_or_else(|| refused(&format!("it counts {sectors} sectors")))
        };
        let (grain, per_table) = (bytes(20)?, u64::from(le32(head, 44)));
        if !grain.is_power_of_two() || !(SECTOR..=2 << 20).contains(&grain) {
            return Err(refused(&format!("its grains have {grain} bytes")));
        }
        if !(1..=512).contains(&per_table) {
            return Err(refused(&format!(
                "its grain tables have {per_table} entries"
            )));
        }
        // DEFLATE is the only method there is.
        if flags & PACKED != 0 && le16(head, 77) != 1 {
            return Err(refused("its compression is not known"));
        }
        Ok(Header {
            flags,
            size: size(bytes(12).unwrap_or(u64::MAX / SECTOR * SECTOR))?,
            grain,
            description: (bytes(28)?, bytes(36)?),
            per_table,
            directory: match le64(head, 56) {
                AT_END => AT_END,
                _ => bytes(56)?,
            },
        })
    }
}

/// A VMDK file that is being read, with the one grain table that is in use.
pub(super) struct Vmdk {
    header: Header,
    index: Option<u64>,
    /// Empty when there is none: all of it is zeros.
    table: Vec<u8>,
}

impl Vmdk {
    /// # Errors
    /// As [`Header::read`]; for a disk that is in other files, too; when the file can't be read.
    pub fn open(file: &Source) -> Result<Vmdk> {
        let mut sector = [0; super::HEAD];
        file.read(0, &mut sector)?;
        let mut header = Header::read(&sector)?;
        if header.directory == AT_END {
            // The last sector is a mark, the one before it the header with what is known at the end.
            let at = file.len().saturating_sub(2 * SECTOR);
            file.read(at, &mut sector)?;
            if !sector.starts_with(b"KDMV") {
                return Err(refused("its end is missing: it was cut short"));
            }
            let last = Header::read(&sector)?;
            if last.directory == AT_END || (last.size, last.grain) != (header.size, header.grain) {
                return Err(refused("its head and its end differ"));
            }
            header.directory = last.directory;
            header.per_table = last.per_table;
        }
        let (at, len) = header.description;
        if at == 0 || len == 0 || len > MAX_DESCRIPTION {
            return Err(refused(
                "it has no description of its own: it is a part of a disk",
            ));
        }
        describes_itself(&file.bytes(at, len as usize)?)?;
        Ok(Vmdk {
            header,
            index: None,
            table: Vec::new(),
        })
    }

    fn load(&mut self, file: &Source, index: u64) -> Result<()> {
        if self.index == Some(index) {
            return Ok(());
        }
        let mut entry = [0; 4];
        file.read(self.header.directory.saturating_add(index * 4), &mut entry)?;
        self.table = match u64::from(u32::from_le_bytes(entry)) {
            0 => Vec::new(),
            at => file.bytes(at * SECTOR, self.header.per_table as usize * 4)?,
        };
        self.index = Some(index);
        Ok(())
    }

    fn place(&self, file: &Source, entry: u32, grain: u64) -> Result<Place> {
        let at = u64::from(entry) * SECTOR;
        let is_zero = entry == 0 || (entry == 1 && self.header.flags & HAS_ZERO != 0);
        match self.header.flags & PACKED {
            _ if is_zero => Ok(Place::Zeros),
            0 => Ok(Place::At(at)),
            _ => self.packed(file, at, grain),
        }
    }

    /// A packed grain stands behind its number and its length.
    fn packed(&self, file: &Source, at: u64, grain: u64) -> Result<Place> {
        let mark = file.bytes(at, 12)?;
        let (sector, len) = (le64(&mark, 0), u64::from(le32(&mark, 8)));
        if sector.checked_mul(SECTOR) != Some(grain * self.header.grain) {
            return Err(refused(&format!(
                "what is at {at} is not the grain {grain}"
            )));
        }
        if len == 0 || len > 2 * self.header.grain + SECTOR {
            return Err(refused(&format!("a packed grain has {len} bytes")));
        }
        Ok(Place::Packed {
            at: at + 12,
            len,
            unit: self.header.grain as usize,
            method: Method::Zlib,
        })
    }
}

impl Layout for Vmdk {
    fn size(&self) -> u64 {
        self.header.size
    }

    fn find(&mut self, file: &Source, at: u64) -> Result<(Place, u64)> {
        let (grain, per_table) = (self.header.grain, self.header.per_table);
        let index = at / grain;
        self.load(file, index / per_table)?;
        let first = index % per_table;
        if self.table.is_empty() {
            return Ok((Place::Zeros, (per_table - first) * grain));
        }
        let entry = |i: u64| le32(&self.table, i as usize * 4);
        let place = self.place(file, entry(first), index)?;
        let mut count = 1;
        while first + count < per_table {
            let follows = match place {
                Place::Zeros => Place::Zeros,
                Place::At(offset) => Place::At(offset + count * grain),
                Place::Packed { .. } => break,
            };
            if self.place(file, entry(first + count), index + count).ok() != Some(follows) {
                break;
            }
            count += 1;
        }
        Ok((place, count * grain))
    }
}

/// The disk is all in this file, and builds on no other.
fn describes_itself(text: &[u8]) -> Result<()> {
    let text = String::from_utf8_lossy(text);
    let lines = text.trim_end_matches('\0').lines().map(str::trim);
    let value = |name: &str| {
        let mut found = lines.clone().filter_map(|line| {
            let (key, value) = line.split_once('=')?;
            (key.trim() == name).then(|| value.trim().trim_matches('"'))
        });
        found.next()
    };
    if value("parentCID").is_some_and(|id| !id.eq_ignore_ascii_case("ffffffff")) {
        return Err(refused(
            "it is only the changes to another disk; consolidate its snapshots first",
        ));
    }
    match value("createType") {
        Some("monolithicSparse" | "streamOptimized") => {}
        kind => {
            let kind: String = kind.unwrap_or("?").chars().take(40).collect();
            return Err(refused(&format!(
                "its kind is {kind:?}, whose data are in other files; convert it first: qemu-img convert -O vmdk FILE whole.vmdk"
            )));
        }
    }
    let extents = lines.clone().filter(|line| {
        ["RW ", "RDONLY ", "NOACCESS "]
            .iter()
            .any(|access| line.starts_with(access))
    });
    let kinds: Vec<_> = extents
        .filter_map(|line| line.split_whitespace().nth(2))
        .collect();
    match kinds.as_slice() {
        ["SPARSE"] => Ok(()),
        _ => Err(refused("its data are in other files")),
    }
}

fn refused(why: &str) -> crate::Error {
    bad(format!("the VMDK disk can't be taken in: {why}"))
}
