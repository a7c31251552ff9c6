//! Making a version of what a client wrote: its blocks are copied beside the images, those that differ
//! from the version below. The overlay stays as it is.

use super::{
    checksum::BlockHash,
    map::{Header, Map},
    overlay::Overlay,
    states::{BLOCK, Change, State},
    version::Version,
};
use crate::storage::{Progress, files::Files};
use std::io;
use types::VersionId;

/// Bytes copied at a time.
const PIECE: u64 = 1 << 20;

/// Copies what an overlay holds into the files of a new version, which is there once this has ended, and gives
/// back its checksum. None, and nothing is left, when `progress` said to stop.
///
/// # Errors
/// Of the file system; nothing is left of it then, or the next start sweeps it.
pub fn promote(
    overlay: &Overlay,
    below: &Version,
    files: &dyn Files,
    (data_name, map_name): (&str, &str),
    progress: &mut Progress<'_>,
) -> io::Result<Option<[u8; 32]>> {
    let (data_part, map_part) = (format!("{data_name}.part"), format!("{map_name}.part"));
    let copied = copy(overlay, below, files, (&data_part, &map_part), progress);
    let Ok(Some(sum)) = copied else {
        for part in [&data_part, &map_part] {
            if let Err(error) = files.remove(part) {
                tracing::warn!(file = %part, %error, "a broken-off copy could not be removed; the next start does it");
            }
        }
        return copied;
    };
    // The map last: it makes the version. A data file without one is swept.
    files.rename(&data_part, data_name)?;
    files.rename(&map_part, map_name)?;
    files.sync()?;
    Ok(Some(sum))
}

fn copy(
    overlay: &Overlay,
    below: &Version,
    files: &dyn Files,
    (data_part, map_part): (&str, &str),
    progress: &mut Progress<'_>,
) -> io::Result<Option<[u8; 32]>> {
    let size_bytes = below.size_bytes();
    let all = overlay.changes();
    let total = all.iter().map(|c| u64::from(c.1) * BLOCK).sum();
    let data = files.create(data_part)?;
    data.set_len(size_bytes)?;
    let (mut kept, mut done, mut hash) = (Vec::new(), 0, BlockHash::default());
    let (mut new, mut old) = (vec![0; PIECE as usize], vec![0; PIECE as usize]);
    for (first, count, state) in all {
        let end = (first + u64::from(count)) * BLOCK;
        let mut at = first * BLOCK;
        while at < end {
            let stop = (at + PIECE).min(end).min(size_bytes);
            let (new, old) = (
                &mut new[..(stop - at) as usize],
                &mut old[..(stop - at) as usize],
            );
            overlay.read_changed(state, at, new)?;
            below.read_at(at, old)?;
            for (from, to, state) in differing(new, old) {
                let offset = at + from as u64;
                let first = offset / BLOCK;
                let count = (to - from).div_ceil(BLOCK as usize) as u32;
                if state == State::Data {
                    data.write_at(offset, &new[from..to])?;
                    hash.data(first, &new[from..to]);
                } else {
                    hash.zeros(first, u64::from(count));
                }
                note(&mut kept, first, count, state);
            }
            done += stop - at;
            if !progress(done, total) {
                return Ok(None);
            }
            at = (at + PIECE).min(end);
        }
    }
    data.sync()?;
    let header = Header {
        parent: overlay.header().parent,
        size_bytes,
        generation: 0,
    };
    Map::create(files.create(map_part)?, header, &kept)?;
    Ok(Some(hash.finish()))
}

/// The runs of blocks of `new` that differ from `old`: from, to in bytes, and whether they hold anything.
fn differing(new: &[u8], old: &[u8]) -> Vec<(usize, usize, State)> {
    let block = BLOCK as usize;
    let mut runs: Vec<(usize, usize, State)> = Vec::new();
    for (i, (new, old)) in new.chunks(block).zip(old.chunks(block)).enumerate() {
        if new == old {
            continue;
        }
        let state = match new.iter().all(|b| *b == 0) {
            true => State::Zero,
            false => State::Data,
        };
        let (from, to) = (i * block, i * block + new.len());
        match runs.last_mut() {
            Some(last) if last.1 == from && last.2 == state => last.1 = to,
            _ => runs.push((from, to, state)),
        }
    }
    runs
}

fn note(kept: &mut Vec<Change>, first: u64, count: u32, state: State) {
    match kept.last_mut() {
        Some((f, n, s))
            if *s == state && *f + u64::from(*n) == first && n.checked_add(count).is_some() =>
        {
            *n += count;
        }
        _ => kept.push((first, count, state)),
    }
}

/// The files of a version above another: data and map.
pub fn names(version: VersionId) -> (String, String) {
    (format!("{version}.data"), format!("{version}.map"))
}
