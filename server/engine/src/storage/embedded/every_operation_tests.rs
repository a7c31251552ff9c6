//! For each thing that changes a disk and for every n, the n-th operation of the file system fails, alone or with
//! all after it. Whatever was safe stays, nothing is there by half, and the same thing works once the disk does.

use super::{
    EmbeddedStorage, StorageBackend,
    memory::{Dice, MemFiles},
};
use crate::Result;
use std::{collections::BTreeMap, sync::Arc};
use types::{ClientId, DiskId, VersionId};
use uuid::Uuid;

const DISK: usize = 32 * 1024;
const CLIENT: DiskId = DiskId {
    client: ClientId(Uuid::from_u128(1)),
    data: None,
};
const IMAGE: VersionId = VersionId(Uuid::from_u128(2));
const OTHER: VersionId = VersionId(Uuid::from_u128(3));
const NEXT: VersionId = VersionId(Uuid::from_u128(4));
/// A version above the image.
const ABOVE: VersionId = VersionId(Uuid::from_u128(5));

/// What is there: the client's disk, and each version.
#[derive(Clone, PartialEq)]
struct Seen {
    disk: Option<Vec<u8>>,
    versions: BTreeMap<VersionId, Vec<u8>>,
}

fn see(storage: &EmbeddedStorage) -> Seen {
    let disk = storage.overlay_version(CLIENT).unwrap().map(|_| {
        let mut disk = vec![0; DISK];
        let device = storage.open_overlay(CLIENT).unwrap();
        device.read_at(0, &mut disk).unwrap();
        disk
    });
    let there = |id: &VersionId| storage.has_version(*id);
    let read = |id| {
        let mut disk = vec![0; DISK];
        storage.read_version(id, 0, &mut disk).unwrap();
        (id, disk)
    };
    let versions = storage.versions().unwrap().into_iter();
    Seen {
        disk,
        versions: versions.filter(there).map(read).collect(),
    }
}

/// One thing that changes the disks.
struct Kind {
    name: &'static str,
    run: fn(&EmbeddedStorage) -> Result<()>,
    /// Whether the client's disk is safe, as it then is, once this has succeeded.
    is_flushed: bool,
}

fn import(storage: &EmbeddedStorage, version: VersionId, byte: u8) -> Result<()> {
    let mut sink = storage.begin_import(version)?;
    // A hole in the middle.
    for byte in [byte, 0, byte] {
        sink.write(&[byte; 8 * 1024])?;
    }
    sink.write(&[byte | 0x40; 8 * 1024])?;
    sink.finish().map(drop)
}

fn device(
    storage: &EmbeddedStorage,
    act: impl FnOnce(&dyn crate::export::BlockDevice) -> std::io::Result<()>,
) -> Result<()> {
    let device = storage.open_overlay(CLIENT)?;
    act(device.as_ref()).map_err(crate::Error::io("using the disk"))
}

const KINDS: [Kind; 10] = [
    Kind {
        name: "import",
        run: |s| import(s, NEXT, 5),
        is_flushed: false,
    },
    Kind {
        name: "ensure",
        run: |s| s.ensure_overlay(CLIENT, OTHER),
        is_flushed: true,
    },
    Kind {
        name: "reset",
        run: |s| s.reset_overlay(CLIENT, IMAGE),
        is_flushed: true,
    },
    Kind {
        name: "write",
        run: |s| device(s, |d| d.write_at(11 * 1024, &[0x77; 9 * 1024])),
        is_flushed: false,
    },
    Kind {
        name: "trim",
        run: |s| device(s, |d| d.discard(3 * 1024, 14 * 1024)),
        is_flushed: false,
    },
    Kind {
        name: "flush",
        run: |s| device(s, |d| d.flush()),
        is_flushed: true,
    },
    Kind {
        name: "promote",
        run: |s| s.promote(CLIENT, NEXT, &mut |_, _| true).map(drop),
        is_flushed: false,
    },
    Kind {
        name: "flatten",
        run: |s| s.flatten(ABOVE, &mut |_, _| true).map(drop),
        is_flushed: false,
    },
    Kind {
        name: "remove a disk",
        run: |s| s.remove_overlay(CLIENT),
        is_flushed: true,
    },
    Kind {
        name: "remove a version",
        run: |s| s.remove_version(OTHER),
        is_flushed: false,
    },
];

/// Two folders, with two versions and a client's disk that holds something flushed and something that is not.
struct Stage {
    folders: [MemFiles; 2],
    storage: EmbeddedStorage,
    flushed: Vec<u8>,
}

impl Stage {
    fn new() -> Stage {
        let folders: [MemFiles; 2] = Default::default();
        let storage = open(&folders, "1");
        import(&storage, IMAGE, 1).unwrap();
        import(&storage, OTHER, 2).unwrap();
        storage.ensure_overlay(CLIENT, IMAGE).unwrap();
        let on = storage.open_overlay(CLIENT).unwrap();
        on.write_at(1024, &[0x11; 10 * 1024]).unwrap();
        on.discard(20 * 1024, 4096).unwrap();
        on.flush().unwrap();
        let made = storage.promote(CLIENT, ABOVE, &mut |_, _| true);
        made.unwrap().unwrap();
        let flushed = see(&storage).disk.unwrap();
        on.write_at(2048, &[0x22; 4096]).unwrap();
        on.write_at(25 * 1024, &[0x22; 2048]).unwrap();
        on.discard(8 * 1024, 4096).unwrap();
        Stage {
            folders,
            storage,
            flushed,
        }
    }

    /// What the next boot finds after a power cut.
    fn cut(&self, seed: u64) -> EmbeddedStorage {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        open(&self.folders.each_ref().map(|f| f.crash(&mut dice)), "2")
    }
}

fn open(folders: &[MemFiles; 2], boot: &str) -> EmbeddedStorage {
    let [images, overlays] = folders.each_ref().map(|f| Arc::new(f.clone()));
    EmbeddedStorage::on(images, overlays, boot.into()).unwrap()
}

/// Nothing is by half: each version is what it was or is to be, or not there where it comes or goes; each sector of
/// the disk is what it was at the last flush, or became since.
fn check(seen: &Seen, may: &[&Seen], about: &str) {
    for (id, disk) in &seen.versions {
        let known = may.iter().any(|m| m.versions.get(id) == Some(disk));
        assert!(known, "{about}: version {id} is not what it was");
    }
    for id in may[0].versions.keys() {
        let stays = may.iter().all(|m| m.versions.contains_key(id));
        assert!(
            !stays || seen.versions.contains_key(id),
            "{about}: {id} is gone"
        );
    }
    let Some(disk) = &seen.disk else {
        let may_go = may.iter().any(|m| m.disk.is_none());
        return assert!(may_go, "{about}: the disk is gone");
    };
    for (n, sector) in disk.chunks(512).enumerate() {
        let was = |m: &&&Seen| {
            m.disk
                .as_ref()
                .is_some_and(|d| d[n * 512..][..512] == *sector)
        };
        assert!(
            may.iter().find(was).is_some(),
            "{about}: sector {n} is {}",
            sector[0]
        );
    }
}

/// One failure of one thing; whether it was met.
fn fail(kind: &Kind, folder: usize, n: u64, (errno, once): (i32, bool)) -> bool {
    let name = kind.name;
    let about = format!("{name}, folder {folder}, operation {n}, errno {errno}, once: {once}");
    let clean = Stage::new();
    let steps = clean.folders[folder].steps();
    (kind.run)(&clean.storage).unwrap();
    let is_met = clean.folders[folder].steps() - steps > n;
    let after = see(&clean.storage);
    let stage = Stage::new();
    let before = see(&stage.storage);
    let flushed = Seen {
        disk: Some(stage.flushed.clone()),
        ..before.clone()
    };
    let may = [&before, &flushed, &after];

    stage.folders[folder].fail_after(n, errno, once);
    let done = (kind.run)(&stage.storage);
    stage.folders[folder].heal();
    let found = see(&stage.cut(n));
    check(&found, &may, &about);
    if done.is_ok() {
        assert!(
            found.versions == after.versions,
            "{about}: versions that were promised"
        );
        let is_safe = !kind.is_flushed || found.disk == after.disk;
        assert!(is_safe, "{about}: the disk is not what was promised");
    }

    // The disk works again: so does this, without a restart, and then it is safe.
    let again = (kind.run)(&stage.storage);
    again.unwrap_or_else(|e| panic!("{about}, once more: {e}"));
    let now = see(&stage.storage);
    check(&now, &may, &format!("{about}, once more"));
    assert!(
        now.versions == after.versions,
        "{about}: versions, once more"
    );
    if now.disk.is_some() {
        device(&stage.storage, |d| d.flush()).unwrap();
    }
    let found = see(&stage.cut(n + 1));
    assert!(found == now, "{about}: what was flushed after it is gone");
    is_met
}

#[test]
fn whichever_operation_fails_nothing_is_lost_and_the_next_try_succeeds() {
    for kind in &KINDS {
        let mut met = 0;
        for how in [nix::libc::EIO, nix::libc::ENOSPC]
            .into_iter()
            .flat_map(|errno| [(errno, true), (errno, false)])
        {
            for folder in 0..2 {
                met += (0..).take_while(|&n| fail(kind, folder, n, how)).count();
            }
        }
        assert!(met >= 4, "{}: {met} failures were met", kind.name);
        println!("{}: {met} failures", kind.name);
    }
}
