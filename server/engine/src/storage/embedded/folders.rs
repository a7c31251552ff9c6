//! What is in the two folders: the names of files, what each overlay holds, and what a crash left half done.

use super::{
    Size,
    map::{Header, Map},
};
use crate::storage::files::Files;
use std::{collections::HashMap, io};
use types::{DiskId, VersionId};

/// The map of each overlay, by its disk.
pub fn maps(files: &dyn Files) -> io::Result<Vec<(DiskId, io::Result<Header>)>> {
    let mut maps = Vec::new();
    for name in files.list()? {
        if let Some(disk) = name.strip_suffix(".map").and_then(|n| n.parse().ok()) {
            let header = files.open(&name).and_then(|f| Map::header(f.as_ref()));
            maps.push((disk, header));
        }
    }
    Ok(maps)
}

/// What each overlay holds: its data file has nothing but this disk's blocks.
pub fn sizes(files: &dyn Files) -> io::Result<HashMap<DiskId, Size>> {
    let size = |(disk, header): (DiskId, io::Result<Header>)| {
        // One that can't be read was told of when it was swept.
        let bytes = header
            .and_then(|h| files.open(&data_name(disk, h.generation)))
            .and_then(|data| data.allocated());
        (disk, Size::Closed(bytes.unwrap_or(0)))
    };
    Ok(maps(files)?.into_iter().map(size).collect())
}

/// The file of a version that is above no other.
pub fn image_name(version: VersionId) -> String {
    format!("{version}.raw")
}

pub fn map_name(disk: DiskId) -> String {
    format!("{disk}.map")
}

pub fn data_name(disk: DiskId, generation: u64) -> String {
    format!("{disk}.{generation}.data")
}

/// This boot of the box. Where there is no telling, each process counts as one.
pub fn boot() -> String {
    match std::fs::read_to_string("/proc/sys/kernel/random/boot_id") {
        Ok(id) if uuid::Uuid::try_parse(id.trim()).is_ok() => id.trim().to_owned(),
        _ => uuid::Uuid::now_v7().to_string(),
    }
}

/// Removes half-made versions, and what flattened ones were before.
pub fn sweep_versions(files: &dyn Files) -> io::Result<()> {
    let names = files.list()?;
    let has = |name: String| names.contains(&name);
    // A map before its data: without data it would be damage.
    for map in names.iter().filter(|name| name.ends_with(".map")) {
        let version = map.trim_end_matches(".map");
        if has(format!("{version}.raw")) {
            files.remove(map)?;
            files.remove(&format!("{version}.data"))?;
        }
    }
    for name in &names {
        let unnamed = name
            .strip_suffix(".data")
            .is_some_and(|version| !has(format!("{version}.map")));
        if unnamed || name.ends_with(".part") {
            files.remove(name)?;
        }
    }
    Ok(())
}

/// Removes half-made maps, the data files and journals that no map names, and the journals of other boots.
pub fn sweep_overlays(files: &dyn Files, boot: &str) -> io::Result<()> {
    let names = files.list()?;
    let mut named = Vec::new();
    for map in names.iter().filter(|n| n.ends_with(".map")) {
        let disk = map.trim_end_matches(".map");
        match Map::header(files.open(map)?.as_ref()) {
            Ok(h) => named.push(format!("{disk}.{}.", h.generation)),
            // Kept for whoever wants to look; the data files of a damaged map are kept with it.
            Err(e) => {
                tracing::warn!(%map, error = %e, "an overlay can't be read and was set aside");
                named.push(format!("{disk}."));
            }
        }
    }
    let now = format!(".{boot}.live");
    for name in &names {
        let half_made = name.ends_with(".new");
        let is_live = name.ends_with(".live");
        let unnamed = (is_live || name.ends_with(".data"))
            && !named.iter().any(|start| name.starts_with(start));
        let unnamed = unnamed || is_live && !name.ends_with(&now);
        if half_made || unnamed {
            files.remove(name)?;
        }
    }
    Ok(())
}
