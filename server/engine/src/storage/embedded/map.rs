//! The durable form of an overlay's states: a header and a journal of changes, each with a checksum.
//! A record that a crash tore ends the journal; everything before it was complete.

use super::states::State;
use crate::storage::files::BlockFile;
use std::{collections::BTreeMap, io, sync::Arc};
use types::ImageId;

const MAGIC: &[u8; 8] = b"NSBOVL01";
/// The header has a page of its own, so that appending never rewrites it.
const HEADER: u64 = 4096;
const HEADER_USED: usize = 52;
const RECORD: usize = 24;

/// What an overlay is on, bound into its map's header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    pub image: ImageId,
    pub size_bytes: u64,
    /// Raised with each reset; names the data file.
    pub generation: u64,
}

/// The open map file; the caller serialises its use.
pub struct Map {
    file: Arc<dyn BlockFile>,
    /// Where the next record goes.
    end: u64,
}

/// A run of blocks that changed: (first, count, state).
pub type Change = (u64, u32, State);

impl Map {
    /// Writes header and changes to an empty file and syncs it.
    pub fn create(file: Arc<dyn BlockFile>, header: Header, changes: &[Change]) -> io::Result<Map> {
        let mut page = vec![0u8; HEADER as usize];
        page[..8].copy_from_slice(MAGIC);
        page[8..24].copy_from_slice(header.image.0.as_bytes());
        page[24..32].copy_from_slice(&header.size_bytes.to_le_bytes());
        page[32..40].copy_from_slice(&header.generation.to_le_bytes());
        page[40..48].copy_from_slice(&super::states::BLOCK.to_le_bytes());
        let crc = crc32c::crc32c(&page[..HEADER_USED - 4]);
        page[HEADER_USED - 4..HEADER_USED].copy_from_slice(&crc.to_le_bytes());
        file.write_at(0, &page)?;
        let mut map = Map { file, end: HEADER };
        map.append(changes)?;
        map.file.sync()?;
        Ok(map)
    }

    /// Reads a map: its header, and the states that it tells, later records over earlier ones.
    pub fn open(
        file: Arc<dyn BlockFile>,
        mut apply: impl FnMut(Change),
    ) -> io::Result<(Header, Map)> {
        let mut page = vec![0u8; HEADER as usize];
        file.read_at(0, &mut page)?;
        let header = parse_header(&page)?;
        let blocks = header.size_bytes.div_ceil(super::states::BLOCK);
        let len = file.len()?;
        let mut end = HEADER;
        let mut buf = vec![0u8; RECORD * 2730];
        'all: while end < len {
            let n = ((len - end) as usize).min(buf.len());
            file.read_at(end, &mut buf[..n])?;
            for record in buf[..n].chunks(RECORD) {
                match parse_record(record, end) {
                    Some(change)
                        if change
                            .0
                            .checked_add(change.1.into())
                            .is_some_and(|e| e <= blocks) =>
                    {
                        apply(change)
                    }
                    _ => break 'all,
                }
                end += RECORD as u64;
            }
        }
        if end < len {
            // Nothing beyond a torn record may come back to life behind later ones.
            file.set_len(end)?;
            file.sync()?;
        }
        Ok((header, Map { file, end }))
    }

    /// Appends changes; not durable before [`Map::sync`]. When it fails, the next append goes to
    /// the same place.
    pub fn append(&mut self, changes: &[Change]) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(changes.len() * RECORD);
        for &(first, count, state) in changes {
            let at = self.end + bytes.len() as u64;
            bytes.extend(encode_record(first, count, state, at));
        }
        self.file.write_at(self.end, &bytes)?;
        self.end += bytes.len() as u64;
        Ok(())
    }

    pub fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }

    /// Records in the journal.
    pub fn records(&self) -> u64 {
        (self.end - HEADER) / RECORD as u64
    }
}

/// Single blocks joined into runs.
pub fn runs(blocks: &BTreeMap<u64, State>) -> Vec<Change> {
    let mut out: Vec<Change> = Vec::new();
    for (&block, &state) in blocks {
        match out.last_mut() {
            Some((first, count, s))
                if *s == state && *first + u64::from(*count) == block && *count < u32::MAX =>
            {
                *count += 1
            }
            _ => out.push((block, 1, state)),
        }
    }
    out
}

fn bad(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("the overlay's map is damaged: {what}"),
    )
}

fn parse_header(page: &[u8]) -> io::Result<Header> {
    if &page[..8] != MAGIC {
        return Err(bad("it does not begin as one"));
    }
    let u64_at = |i: usize| u64::from_le_bytes(page[i..i + 8].try_into().unwrap_or_default());
    let crc = u32::from_le_bytes(
        page[HEADER_USED - 4..HEADER_USED]
            .try_into()
            .unwrap_or_default(),
    );
    if crc != crc32c::crc32c(&page[..HEADER_USED - 4]) || u64_at(40) != super::states::BLOCK {
        return Err(bad("its header does not match its checksum"));
    }
    let image = ImageId(uuid::Uuid::from_slice(&page[8..24]).map_err(|_| bad("no image"))?);
    Ok(Header {
        image,
        size_bytes: u64_at(24),
        generation: u64_at(32),
    })
}

fn encode_record(first: u64, count: u32, state: State, at: u64) -> [u8; RECORD] {
    let mut r = [0u8; RECORD];
    r[..8].copy_from_slice(&first.to_le_bytes());
    r[8..12].copy_from_slice(&count.to_le_bytes());
    r[12] = state as u8;
    let crc = record_crc(&r, at);
    r[20..24].copy_from_slice(&crc.to_le_bytes());
    r
}

/// The checksum covers the record's place, so that a record can't be taken for another one.
fn record_crc(record: &[u8], at: u64) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&at.to_le_bytes()), &record[..20])
}

fn parse_record(r: &[u8], at: u64) -> Option<Change> {
    if r.len() < RECORD || r[20..24] != record_crc(r, at).to_le_bytes() {
        return None;
    }
    let first = u64::from_le_bytes(r[..8].try_into().ok()?);
    let count = u32::from_le_bytes(r[8..12].try_into().ok()?);
    Some((first, count, State::from_number(r[12])?))
}
