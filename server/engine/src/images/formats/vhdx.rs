//! VHDX, as in Microsoft's [MS-VHDX].

use super::{
    Layout, Place, Source, bad, size,
    source::{le16, le32, le64},
};
use crate::{Result, storage::SECTOR};

/// GUIDs as they stand in the file.
type Guid = [u8; 16];
const BAT: Guid = guid(0x2dc27766_f623_4200_9d64_115e9bfd4a08);
const METADATA: Guid = guid(0x8b7ca206_4790_4b9a_b8fe_575f050f886e);
const FILE_PARAMETERS: Guid = guid(0xcaa16737_fa36_4d43_b3b6_33f0aa44e76b);
const DISK_SIZE: Guid = guid(0x2fa54224_cd1b_4876_b211_5dbed83bf4b8);
const SECTOR_SIZE: Guid = guid(0x8141bf1d_a96f_4709_ba47_f233a8faab5f);
const PARENT_LOCATOR: Guid = guid(0xa8d35f2d_b30b_454d_abf7_d3d84834ab0c);

/// Where the two headers and the two tables of regions are, and how long they are.
const HEADERS: ([u64; 2], usize) = ([64 << 10, 128 << 10], 4 << 10);
const REGIONS: ([u64; 2], usize) = ([192 << 10, 256 << 10], 64 << 10);
/// The most regions and metadata that a table has.
const MAX_ENTRIES: usize = 2047;
/// Of an entry's flags and of the file's parameters.
const REQUIRED: u32 = 1;
const METADATA_REQUIRED: u32 = 1 << 2;
const HAS_PARENT: u32 = 1 << 1;
/// The first three parts of a GUID are little-endian.
const fn guid(n: u128) -> Guid {
    let b = n.to_be_bytes();
    [
        b[3], b[2], b[1], b[0], b[5], b[4], b[7], b[6], b[8], b[9], b[10], b[11], b[12], b[13],
        b[14], b[15],
    ]
}

/// A VHDX file that is being read.
pub(super) struct Vhdx {
    size: u64,
    /// Bytes of a block.
    block: u64,
    table: u64,
    /// Blocks between two entries that are none of a block.
    chunk: u64,
}

impl Vhdx {
    /// # Errors
    /// [`crate::Error::Invalid`] for what we can't or must not read; when the file can't be read.
    pub fn open(file: &Source) -> Result<Vhdx> {
        let header = newest_header(file)?;
        if header[48..64] != [0; 16] {
            return Err(refused(
                "it was not closed cleanly: let Hyper-V open it once, or qemu-img check -r all FILE",
            ));
        }
        let (bat, metadata) = regions(file)?;
        let disk = Metadata::read(file, metadata)?;
        let chunk = (u64::from(disk.sector) << 23) / disk.block;
        let blocks = disk.size.div_ceil(disk.block);
        if bat.len < (blocks + (blocks - 1) / chunk) * 8 {
            return Err(refused("its table of blocks is too short for its size"));
        }
        Ok(Vhdx {
            size: disk.size,
            block: disk.block,
            table: bat.at,
            chunk,
        })
    }
}

impl Layout for Vhdx {
    fn size(&self) -> u64 {
        self.size
    }

    fn find(&mut self, file: &Source, at: u64) -> Result<(Place, u64)> {
        let index = at / self.block;
        let mut entry = [0; 8];
        let entry_at = (index + index / self.chunk) * 8;
        file.read(self.table.saturating_add(entry_at), &mut entry)?;
        let entry = u64::from_le_bytes(entry);
        let place = match entry & 7 {
            // Not there, undefined, zero, unmapped.
            0..=3 => Place::Zeros,
            6 => Place::At(entry >> 20 << 20),
            state => return Err(refused(&format!("a block is in state {state}"))),
        };
        Ok((place, self.block))
    }
}

/// A stretch of the file.
#[derive(Clone, Copy)]
struct Region {
    at: u64,
    len: u64,
}

/// The header that was written last, of those that are whole.
fn newest_header(file: &Source) -> Result<Vec<u8>> {
    let mut newest: Option<Vec<u8>> = None;
    for at in HEADERS.0 {
        let header = file.bytes(at, HEADERS.1)?;
        let later = |other: &Vec<u8>| le64(&header, 8) > le64(other, 8);
        if is_whole(&header, b"head") && newest.as_ref().is_none_or(later) {
            newest = Some(header);
        }
    }
    let header = newest.ok_or_else(|| refused("the checksums of both its headers are wrong"))?;
    match (le16(&header, 66), le16(&header, 64)) {
        (1, 0) => Ok(header),
        (version, _) => Err(refused(&format!("its version {version} is not known"))),
    }
}

/// Where the table of blocks and the metadata are.
fn regions(file: &Source) -> Result<(Region, Region)> {
    let mut table = Err(refused(
        "the checksums of both its tables of regions are wrong",
    ));
    for at in REGIONS.0 {
        let found = file.bytes(at, REGIONS.1)?;
        if is_whole(&found, b"regi") {
            table = Ok(found);
            break;
        }
    }
    let table = table?;
    let count = le32(&table, 8) as usize;
    if count > MAX_ENTRIES {
        return Err(refused(&format!("it has {count} regions")));
    }
    let (mut bat, mut metadata) = (None, None);
    for entry in table[16..].chunks_exact(32).take(count) {
        let region = Region {
            at: le64(entry, 16),
            len: u64::from(le32(entry, 24)),
        };
        match &entry[..16] {
            id if id == BAT => bat = Some(region),
            id if id == METADATA => metadata = Some(region),
            _ if le32(entry, 28) & REQUIRED != 0 => {
                return Err(refused("it needs a region that is not known"));
            }
            _ => {}
        }
    }
    bat.zip(metadata)
        .ok_or_else(|| refused("it has no table of blocks or no metadata"))
}

struct Metadata {
    size: u64,
    block: u64,
    sector: u32,
}

impl Metadata {
    fn read(file: &Source, region: Region) -> Result<Metadata> {
        let table = file.bytes(region.at, REGIONS.1)?;
        let count = usize::from(le16(&table, 10));
        if !table.starts_with(b"metadata") || count > MAX_ENTRIES {
            return Err(refused("its metadata are damaged"));
        }
        let (mut parameters, mut bytes, mut sector) = (None, None, None);
        for entry in table[32..].chunks_exact(32).take(count) {
            let at = region.at.saturating_add(u64::from(le32(entry, 16)));
            match &entry[..16] {
                id if id == FILE_PARAMETERS => parameters = Some(file.bytes(at, 8)?),
                id if id == DISK_SIZE => bytes = Some(le64(&file.bytes(at, 8)?, 0)),
                id if id == SECTOR_SIZE => sector = Some(le32(&file.bytes(at, 4)?, 0)),
                id if id == PARENT_LOCATOR => return Err(has_parent()),
                id if le32(entry, 24) & METADATA_REQUIRED != 0 && !is_known(id) => {
                    return Err(refused("it needs metadata that are not known"));
                }
                _ => {}
            }
        }
        let (Some(parameters), Some(bytes), Some(sector)) = (parameters, bytes, sector) else {
            return Err(refused("its metadata are not complete"));
        };
        if le32(&parameters, 4) & HAS_PARENT != 0 {
            return Err(has_parent());
        }
        let block = u64::from(le32(&parameters, 0));
        if !block.is_power_of_two() || !(1 << 20..=256 << 20).contains(&block) {
            return Err(refused(&format!("its blocks have {block} bytes")));
        }
        if u64::from(sector) != SECTOR {
            // Its partitions are counted in them, and disks are offered with sectors of 512 bytes.
            return Err(refused(&format!(
                "its sectors have {sector} bytes, not 512"
            )));
        }
        Ok(Metadata {
            size: size(bytes)?,
            block,
            sector,
        })
    }
}

/// Metadata that say nothing of where the bytes are: the physical sector size, and the disk's id.
fn is_known(id: &[u8]) -> bool {
    const PHYSICAL: Guid = guid(0xcda348c7_445d_4471_9cc9_e9885251c556);
    const DISK_ID: Guid = guid(0xbeca12ab_b2e6_4523_93ef_c309e000c746);
    id == PHYSICAL || id == DISK_ID
}

/// The structure begins so, and its CRC-32C is right.
fn is_whole(bytes: &[u8], signature: &[u8; 4]) -> bool {
    let mut sum = crc32c::crc32c(&bytes[..4]);
    sum = crc32c::crc32c_append(sum, &[0; 4]);
    sum = crc32c::crc32c_append(sum, &bytes[8..]);
    bytes.starts_with(signature) && le32(bytes, 4) == sum
}

fn has_parent() -> crate::Error {
    refused("it is only the changes to another disk; merge it with its parent first")
}

fn refused(why: &str) -> crate::Error {
    bad(format!("the VHDX disk can't be taken in: {why}"))
}
