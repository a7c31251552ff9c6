//! The durable form of an overlay's states: a header and a journal of changes, each with a checksum.
//! A record that a crash tore ends the journal; everything before it was complete.

use super::states::{BLOCK, Change, State, States};
use crate::storage::files::BlockFile;
use std::{io, sync::Arc};
use types::VersionId;

const MAGIC: &[u8; 8] = b"NSBOVL01";
/// The header has a page of its own, so that appending never rewrites it.
const HEADER: u64 = 4096;
const HEADER_USED: usize = 52;
const RECORD: usize = 24;
/// A journal of fewer records than this is not worth rewriting.
const REWRITE_AT: u64 = 65_536;

/// What an overlay, or a version above another, is on: bound into its map's header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// The version below.
    pub parent: VersionId,
    pub size_bytes: u64,
    /// Raised with each reset; names the data file of an overlay.
    pub generation: u64,
}

/// The open map file; the caller serialises its use.
pub struct Map {
    file: Arc<dyn BlockFile>,
    /// Where the next record goes.
    end: u64,
    /// An append failed and may have left records beyond `end`.
    torn: bool,
    /// Records at which rewriting is looked at again.
    rewrite_at: u64,
    /// Whether all of it is on stable storage. What was just opened may be in the kernel's memory only: the process
    /// before may have ended, or failed, before its sync.
    is_synced: bool,
}

impl Map {
    /// Writes header and changes to an empty file and syncs it.
    pub fn create(file: Arc<dyn BlockFile>, header: Header, changes: &[Change]) -> io::Result<Map> {
        let mut map = Map::draft(file, header, changes)?;
        map.sync()?;
        Ok(map)
    }

    /// As [`Map::create`], and nothing of it is durable.
    pub fn draft(file: Arc<dyn BlockFile>, header: Header, changes: &[Change]) -> io::Result<Map> {
        let mut page = vec![0u8; HEADER as usize];
        page[..8].copy_from_slice(MAGIC);
        page[8..24].copy_from_slice(header.parent.0.as_bytes());
        page[24..32].copy_from_slice(&header.size_bytes.to_le_bytes());
        page[32..40].copy_from_slice(&header.generation.to_le_bytes());
        page[40..48].copy_from_slice(&BLOCK.to_le_bytes());
        let crc = crc32c::crc32c(&page[..HEADER_USED - 4]);
        page[HEADER_USED - 4..HEADER_USED].copy_from_slice(&crc.to_le_bytes());
        file.write_at(0, &page)?;
        let mut map = Map::at(file, HEADER);
        map.append(changes)?;
        map.look_again_after(changes.len() as u64);
        Ok(map)
    }

    fn at(file: Arc<dyn BlockFile>, end: u64) -> Map {
        Map {
            file,
            end,
            torn: false,
            rewrite_at: REWRITE_AT,
            is_synced: false,
        }
    }

    /// Reads only what a map is of. Changes nothing, so it may run beside the map's owner.
    pub fn header(file: &dyn BlockFile) -> io::Result<Header> {
        let mut page = vec![0u8; HEADER as usize];
        file.read_at(0, &mut page)?;
        parse_header(&page)
    }

    /// Reads a map, and cuts off what a crash tore. The caller is the only one to have it open.
    pub fn open(file: Arc<dyn BlockFile>) -> io::Result<(Header, States, Map)> {
        let header = Map::header(file.as_ref())?;
        let len = file.len()?;
        let (states, end) = scan(file.as_ref(), &header, len)?;
        if end < len {
            // Nothing beyond a torn record may come back to life behind later ones.
            file.set_len(end)?;
            file.sync()?;
        }
        Ok((header, states, Map::at(file, end)))
    }

    /// Reads the map of a version, which was whole before it had its name: nothing of it may be torn.
    pub fn read_whole(file: &dyn BlockFile) -> io::Result<(Header, Vec<Change>)> {
        let header = Map::header(file)?;
        let len = file.len()?;
        match scan(file, &header, len)? {
            (states, end) if end == len => Ok((header, states.changes())),
            _ => Err(super::version::bad("its map is damaged")),
        }
    }

    /// The journal in its shortest form, when it is much longer than that; None when it is not.
    /// Taken from the file and not from the states in memory, which may be ahead of the last sync.
    pub fn shortened(&mut self, header: &Header) -> io::Result<Option<Vec<Change>>> {
        if self.records() < self.rewrite_at {
            return Ok(None);
        }
        // Should this fail, it is not tried again with every flush.
        self.look_again_after(self.records());
        let (states, end) = scan(self.file.as_ref(), header, self.end)?;
        if end != self.end {
            return Err(bad("a record that was written reads differently"));
        }
        let live = states.changes();
        Ok((live.len() as u64 * 2 <= self.records()).then_some(live))
    }

    fn look_again_after(&mut self, records: u64) {
        self.rewrite_at = REWRITE_AT.max(records.saturating_mul(2));
    }

    /// Appends changes; not durable before [`Map::sync`]. When it fails, the next append goes to
    /// the same place.
    pub fn append(&mut self, changes: &[Change]) -> io::Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        self.is_synced = false;
        if self.torn {
            // The failed try may have left whole records; behind a shorter second one they would
            // tell of the past.
            self.file.set_len(self.end)?;
            self.torn = false;
        }
        let mut bytes = Vec::with_capacity(changes.len() * RECORD);
        for &(first, count, state) in changes {
            let at = self.end + bytes.len() as u64;
            bytes.extend(encode_record(first, count, state, at));
        }
        if let Err(e) = self.file.write_at(self.end, &bytes) {
            self.torn = true;
            return Err(e);
        }
        self.end += bytes.len() as u64;
        Ok(())
    }

    /// Makes all of it durable.
    pub fn sync(&mut self) -> io::Result<()> {
        self.file.sync()?;
        self.is_synced = true;
        Ok(())
    }

    /// Whether there is nothing to sync.
    pub fn is_synced(&self) -> bool {
        self.is_synced
    }

    /// Takes all records away.
    pub fn clear(&mut self) -> io::Result<()> {
        if self.end > HEADER || self.torn {
            self.file.set_len(HEADER)?;
            (self.end, self.torn) = (HEADER, false);
        }
        Ok(())
    }

    /// Records in the journal.
    pub fn records(&self) -> u64 {
        (self.end - HEADER) / RECORD as u64
    }
}

/// The states that the records up to `len` tell, later ones over earlier ones, and where the
/// first record begins that is not whole.
fn scan(file: &dyn BlockFile, header: &Header, len: u64) -> io::Result<(States, u64)> {
    let blocks = header.size_bytes.div_ceil(BLOCK);
    let states = States::new(blocks);
    let mut end = HEADER;
    let mut buf = vec![0u8; RECORD * 2730];
    while end < len {
        let n = (len - end).min(buf.len() as u64) as usize;
        file.read_at(end, &mut buf[..n])?;
        for record in buf[..n].chunks(RECORD) {
            let Some((first, count, state)) = parse_record(record, end) else {
                return Ok((states, end));
            };
            let Some(stop) = first.checked_add(count.into()).filter(|&s| s <= blocks) else {
                return Ok((states, end));
            };
            (first..stop).for_each(|b| states.set(b, state));
            end += RECORD as u64;
        }
    }
    Ok((states, end))
}

fn bad(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!(
            "the overlay's map is damaged: {what}; a reset of the computer's disk begins a new one"
        ),
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
    if crc != crc32c::crc32c(&page[..HEADER_USED - 4]) || u64_at(40) != BLOCK {
        return Err(bad("its header does not match its checksum"));
    }
    let parent = uuid::Uuid::from_slice(&page[8..24]).map_err(|_| bad("it is on nothing"))?;
    Ok(Header {
        parent: VersionId(parent),
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
