//! One look at the file system of the data folder. May wait for it.

use nix::sys::statvfs::statvfs;
use std::{
    fs::{self, Metadata},
    io,
    os::unix::fs::MetadataExt,
    path::Path,
};

/// What was found, bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Measured {
    pub total: u64,
    pub free: u64,
    /// Used on the whole file system, by anybody, with what it keeps for root.
    pub used: u64,
    pub images: u64,
    pub versions: u64,
    pub overlays: u64,
    pub loaders: u64,
    pub database: u64,
}

/// Looks at all of it.
///
/// # Errors
/// When the file system does not tell.
pub(super) fn measure(data_dir: &Path) -> io::Result<Measured> {
    let fs = statvfs(data_dir)?;
    let of = |blocks: u64| blocks.saturating_mul(fs.fragment_size());
    let (total, free) = (of(fs.blocks()), of(fs.blocks_available()));
    let mut found = Measured {
        total,
        free,
        used: total.saturating_sub(free),
        ..Measured::default()
    };
    each(&data_dir.join("images"), &mut |name, meta| {
        // The first version of an image is one raw file, each later one data and a map.
        match name.ends_with(".raw") || name.ends_with(".part") {
            true => found.images += allocated(meta),
            false => found.versions += allocated(meta),
        }
    })?;
    each(&data_dir.join("overlays"), &mut |_, meta| {
        found.overlays += allocated(meta);
    })?;
    each(&data_dir.join("loaders"), &mut |_, meta| {
        found.loaders += allocated(meta);
    })?;
    found.database = fs::metadata(data_dir.join("nsboot.redb")).map_or(0, |m| allocated(&m));
    Ok(found)
}

/// What a file takes on the disk, not how long it is: disks are sparse.
fn allocated(meta: &Metadata) -> u64 {
    meta.blocks() * 512
}

/// Gone meanwhile, or not ours to see, such as `lost+found`.
fn is_passed_over(e: &io::Error) -> bool {
    use io::ErrorKind::{NotFound, PermissionDenied};
    matches!(e.kind(), NotFound | PermissionDenied)
}

/// Every file below a folder, by its name. One that is not there, any more, or can't be read has nothing.
fn each(dir: &Path, look: &mut dyn FnMut(&str, &Metadata)) -> io::Result<()> {
    let entries = match fs::read_dir(dir) {
        Err(e) if is_passed_over(&e) => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        // Of the entry itself: a link has no place of its own here.
        let meta = match entry.metadata() {
            Err(e) if is_passed_over(&e) => continue,
            meta => meta?,
        };
        match meta.is_dir() {
            true => each(&entry.path(), look)?,
            false => look(&entry.file_name().to_string_lossy(), &meta),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn space_is_what_files_take_and_not_how_long_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, len: usize| {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, vec![1; len]).unwrap();
            path
        };
        let base = write("images/a.raw", 65536);
        let sparse = fs::OpenOptions::new().write(true).open(base).unwrap();
        sparse.set_len(1 << 40).unwrap();
        sparse.sync_all().unwrap();
        for (name, len) in [
            ("images/b.data", 4096),
            ("images/b.map", 4096),
            ("overlays/c.1.data", 12288),
            ("loaders/set/deep/x.efi", 8192),
            ("nsboot.redb", 4096),
        ] {
            let file = fs::File::open(write(name, len)).unwrap();
            file.sync_all().unwrap();
        }
        let found = measure(dir.path()).unwrap();
        let parts = [
            found.images,
            found.versions,
            found.overlays,
            found.loaders,
            found.database,
        ];
        // A file system may give a file a little more than it asks for.
        for (part, least) in parts.into_iter().zip([65536, 8192, 12288, 8192, 4096]) {
            assert!((least..least + (1 << 20)).contains(&part), "{found:?}");
        }
        assert!(found.free <= found.total && found.used <= found.total && found.total > 0);
        assert!(parts.iter().sum::<u64>() <= found.used);
    }

    #[test]
    fn a_new_data_folder_has_nothing_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let found = measure(dir.path()).unwrap();
        assert_eq!((found.images, found.overlays, found.database), (0, 0, 0));
        assert!(measure(&dir.path().join("none")).is_err());
    }
}
