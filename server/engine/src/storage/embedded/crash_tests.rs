//! What a power cut leaves: files whose unsynced writes are lost, torn or out of order; operations
//! that fail one after the other; threads side by side.

use super::{
    EmbeddedStorage, StorageBackend,
    memory::{Dice, MemFiles, Op},
};
use crate::storage::files::Files;
use std::sync::Arc;
use types::{ClientId, DiskId, VersionId};
use uuid::Uuid;

const DISK: usize = 64 * 1024;
/// Of the box.
const BOOT: &str = "1";
const CLIENT: DiskId = DiskId {
    client: ClientId(Uuid::from_u128(1)),
    data: None,
};
/// A version that is made of the client's disk.
const NEXT: VersionId = VersionId(Uuid::from_u128(3));

/// What the next process finds after a power cut.
fn next_boot(images: &MemFiles, overlays: &MemFiles) -> EmbeddedStorage {
    process(images, overlays, &Uuid::now_v7().to_string())
}

/// A process in that boot of the box.
fn process(images: &MemFiles, overlays: &MemFiles, boot: &str) -> EmbeddedStorage {
    let (images, overlays) = (Arc::new(images.clone()), Arc::new(overlays.clone()));
    EmbeddedStorage::on(images, overlays, boot.into()).unwrap()
}

/// How many states a test looks at: `NSBOOT_STATES` for the long run.
fn states(usual: u64) -> u64 {
    let wanted = std::env::var("NSBOOT_STATES").ok();
    wanted.map_or(usual, |n| n.parse().unwrap())
}

/// An image of pattern bytes and an empty overlay on it.
fn stage() -> (MemFiles, MemFiles, EmbeddedStorage, Vec<u8>) {
    let (images, overlays) = (MemFiles::default(), MemFiles::default());
    let storage = process(&images, &overlays, BOOT);
    let disk: Vec<u8> = (0..DISK).map(|i| (i / 512) as u8 | 0x80).collect();
    let image = VersionId(Uuid::from_u128(2));
    let mut sink = storage.begin_import(image).unwrap();
    sink.write(&disk).unwrap();
    sink.finish().unwrap();
    storage.ensure_overlay(CLIENT, image).unwrap();
    (images, overlays, storage, disk)
}

/// A random write or discard of whole sectors: (offset, new content, whether as a discard).
fn change(dice: &mut Dice, round: u64) -> (usize, Vec<u8>, bool) {
    let at = dice.roll((DISK / 512) as u64) as usize * 512;
    let len = ((1 + dice.roll(24)) as usize * 512).min(DISK - at);
    let discard = dice.roll(4) == 0;
    let fill = if discard { 0 } else { (round % 120) as u8 + 1 };
    (at, vec![fill; len], discard)
}

#[test]
fn after_a_power_cut_every_flushed_sector_is_there_and_every_other_is_old_or_new() {
    for seed in 1..=states(2_500) {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let (images, overlays, storage, base) = stage();
        let device = storage.open_overlay(CLIENT).unwrap();
        // For each sector: what it may read as after the cut.
        let mut allowed: Vec<Vec<u8>> = base.chunks(512).map(|s| vec![s[0]]).collect();
        for round in 0..dice.roll(40) {
            if dice.roll(5) == 0 {
                device.flush().unwrap();
                allowed
                    .iter_mut()
                    .for_each(|a| *a = vec![*a.last().unwrap()]);
                continue;
            }
            let (at, bytes, discard) = change(&mut dice, round);
            match discard {
                true => device.discard(at as u64, bytes.len() as u64).unwrap(),
                false => device.write_at(at as u64, &bytes).unwrap(),
            }
            (at / 512..(at + bytes.len()) / 512).for_each(|s| allowed[s].push(bytes[0]));
        }
        // Two cuts, the second one right after the recovery of the first.
        let mut left = overlays.crash(&mut dice);
        for cut in 0..2 {
            let again = next_boot(&images, &left);
            let mut disk = vec![0; DISK];
            again
                .open_overlay(CLIENT)
                .unwrap()
                .read_at(0, &mut disk)
                .unwrap();
            for (n, sector) in disk.chunks(512).enumerate() {
                assert!(
                    sector.iter().all(|&b| b == sector[0]),
                    "seed {seed}, cut {cut}: sector {n} is torn"
                );
                assert!(
                    allowed[n].contains(&sector[0]),
                    "seed {seed}, cut {cut}: sector {n} is {}, not one of {:?}",
                    sector[0],
                    allowed[n]
                );
            }
            left = left.crash(&mut dice);
        }
    }
}

#[test]
fn data_is_synced_before_the_map_and_both_before_a_flush_answers() {
    let (_, overlays, storage, _) = stage();
    let device = storage.open_overlay(CLIENT).unwrap();
    for round in 0..20u64 {
        overlays.take_log();
        device.write_at(round * 1024, &[9; 512]).unwrap();
        device.flush().unwrap();
        let log = overlays.take_log();
        let last = |wanted: &dyn Fn(&Op) -> bool| log.iter().rposition(wanted);
        let data_write = last(&|o| matches!(o, Op::Write(n) if n.ends_with(".data"))).unwrap();
        let data_sync = last(&|o| matches!(o, Op::Sync(n) if n.ends_with(".data"))).unwrap();
        assert!(data_write < data_sync, "{log:?}");
        if let Some(map_write) = last(&|o| matches!(o, Op::Write(n) if n.ends_with(".map"))) {
            let map_sync = last(&|o| matches!(o, Op::Sync(n) if n.ends_with(".map"))).unwrap();
            assert!(data_sync < map_write && map_write < map_sync, "{log:?}");
        }
    }
    overlays.take_log();
    device.flush().unwrap();
    assert!(
        overlays.take_log().is_empty(),
        "a flush with nothing to do did something"
    );
}

#[test]
fn whichever_operation_fails_no_flushed_sector_is_lost_or_wrong() {
    for errno in [nix::libc::EIO, nix::libc::ENOSPC] {
        for n in 0.. {
            let mut dice = Dice(77);
            let (images, overlays, storage, base) = stage();
            let device = storage.open_overlay(CLIENT).unwrap();
            let steps = overlays.steps();
            overlays.fail_after(n, errno, false);
            let mut allowed: Vec<Vec<u8>> = base.chunks(512).map(|s| vec![s[0]]).collect();
            for round in 0..30 {
                if round % 4 == 3 {
                    if device.flush().is_ok() {
                        allowed
                            .iter_mut()
                            .for_each(|a| *a = vec![*a.last().unwrap()]);
                    }
                    continue;
                }
                let (at, bytes, discard) = change(&mut dice, round);
                // A failed change may have been made in part; only its sectors are open.
                let failed = match discard {
                    true => device.discard(at as u64, bytes.len() as u64).is_err(),
                    false => device.write_at(at as u64, &bytes).is_err(),
                };
                for a in &mut allowed[at / 512..(at + bytes.len()) / 512] {
                    a.push(bytes[0]);
                    if failed {
                        let old = a[a.len() - 2];
                        a.push(old);
                    }
                }
                if failed {
                    break; // a guest that sees an I/O error stops here
                }
            }
            overlays.heal();
            if overlays.steps() - steps < n {
                assert!(n > 60, "only {n} operations");
                break; // there are no more
            }
            let left = overlays.crash(&mut dice);
            let again = next_boot(&images, &left);
            let mut disk = vec![0; DISK];
            again
                .open_overlay(CLIENT)
                .unwrap()
                .read_at(0, &mut disk)
                .unwrap();
            for (s, sector) in disk.chunks(512).enumerate() {
                assert!(
                    allowed[s].contains(&sector[0]),
                    "errno {errno}, operation {n}: sector {s} is {}, not one of {:?}",
                    sector[0],
                    allowed[s]
                );
            }
        }
    }
}

/// What a cut leaves of a version in the making: all of it or nothing, and the overlay as it was.
fn check_version(images: &MemFiles, overlays: &MemFiles, wanted: &[u8], why: &str) -> bool {
    let again = next_boot(images, overlays);
    let read = |read: &dyn Fn(&mut [u8])| {
        let mut disk = vec![0; DISK];
        read(&mut disk);
        disk
    };
    let device = again.open_overlay(CLIENT).unwrap();
    let disk = read(&|disk| device.read_at(0, disk).unwrap());
    assert!(disk == wanted, "{why}: the overlay has changed");
    let is_there = again.has_version(NEXT);
    match is_there {
        true => {
            let disk = read(&|disk| again.read_version(NEXT, 0, disk).unwrap());
            assert!(
                disk == wanted,
                "{why}: the version is not what was promoted"
            );
        }
        false => {
            let left = images.list().unwrap();
            assert_eq!(left, ["00000000-0000-0000-0000-000000000002.raw"], "{why}");
        }
    }
    is_there
}

#[test]
fn a_version_is_whole_or_not_there_whenever_the_power_goes_or_an_operation_fails() {
    let (mut there, mut failed) = (0, 0);
    for n in 0..states(2_000) {
        let mut dice = Dice(n.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1);
        let (images, overlays, storage, mut disk) = stage();
        let device = storage.open_overlay(CLIENT).unwrap();
        for round in 0..20 {
            let (at, bytes, discard) = change(&mut dice, round);
            match discard {
                true => device.discard(at as u64, bytes.len() as u64).unwrap(),
                false => device.write_at(at as u64, &bytes).unwrap(),
            }
            disk[at..at + bytes.len()].copy_from_slice(&bytes);
        }
        device.flush().unwrap();
        let errno = [nix::libc::EIO, nix::libc::ENOSPC][n as usize % 2];
        images.fail_after(dice.roll(24), errno, false);
        let made = storage.promote(CLIENT, NEXT, &mut |_, _| true);
        images.heal();
        failed += u64::from(made.is_err());
        drop((device, storage));
        let left = images.crash(&mut dice);
        let is_there = check_version(&left, &overlays, &disk, &format!("round {n}"));
        assert!(
            is_there || made.is_err(),
            "round {n}: what was promised is gone"
        );
        there += u64::from(is_there);
    }
    assert!(
        there > 50 && failed > 50,
        "{there} there, {failed} failed: one case was hardly met"
    );
}

#[test]
fn a_version_reads_the_same_whenever_the_power_goes_while_it_is_flattened_or_an_operation_fails() {
    let (mut flat, mut failed) = (0, 0);
    for n in 0..300u64 {
        let mut dice = Dice(n.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 5);
        let (images, overlays, storage, mut disk) = stage();
        let device = storage.open_overlay(CLIENT).unwrap();
        for round in 0..10 {
            let (at, bytes, _) = change(&mut dice, round);
            device.write_at(at as u64, &bytes).unwrap();
            disk[at..at + bytes.len()].copy_from_slice(&bytes);
        }
        device.flush().unwrap();
        storage.promote(CLIENT, NEXT, &mut |_, _| true).unwrap();
        let errno = [nix::libc::EIO, nix::libc::ENOSPC][n as usize % 2];
        images.fail_after(dice.roll(32), errno, false);
        let made = storage.flatten(NEXT, &mut |_, _| true);
        images.heal();
        failed += u64::from(made.is_err());
        drop((device, storage));
        let left = images.crash(&mut dice);
        let why = format!("round {n}");
        assert!(
            check_version(&left, &overlays, &disk, &why),
            "{why}: it is gone"
        );
        let names = left.list().unwrap();
        let whole = names.contains(&super::image_name(NEXT));
        assert!(whole || made.is_err(), "{why}: what was promised is gone");
        assert_eq!(names.len(), if whole { 2 } else { 3 }, "{why}: {names:?}");
        flat += u64::from(whole);
    }
    assert!(
        flat > 50 && failed > 50,
        "{flat} flat, {failed} failed: one case was hardly met"
    );
}

#[test]
fn reading_and_writing_at_random_is_like_a_plain_disk() {
    for seed in 1..=states(400) {
        let mut dice = Dice(seed * 31 + 7);
        let (images, overlays, mut storage, mut model) = stage();
        for round in 0..60 {
            let device = storage.open_overlay(CLIENT).unwrap();
            match dice.roll(10) {
                0 => device.flush().unwrap(),
                // Killed: what was answered is there, flushed or not, since the kernel goes on.
                1 => storage = process(&images, &overlays, BOOT),
                _ => {
                    let (at, bytes, discard) = change(&mut dice, round);
                    match discard {
                        true => device.discard(at as u64, bytes.len() as u64).unwrap(),
                        false => device.write_at(at as u64, &bytes).unwrap(),
                    }
                    model[at..at + bytes.len()].copy_from_slice(&bytes);
                }
            }
            let (at, bytes, _) = change(&mut dice, round);
            let mut got = vec![0; bytes.len()];
            storage
                .open_overlay(CLIENT)
                .unwrap()
                .read_at(at as u64, &mut got)
                .unwrap();
            assert_eq!(
                got,
                model[at..at + bytes.len()],
                "seed {seed}, round {round}"
            );
        }
    }
}

#[test]
fn threads_that_write_side_by_side_don_t_undo_each_other() {
    let (_, _, storage, _) = stage();
    let device = storage.open_overlay(CLIENT).unwrap();
    std::thread::scope(|scope| {
        for t in 0..8usize {
            let device = device.clone();
            // Every block is shared by eight threads, one sector each.
            scope.spawn(move || {
                for block in 0..DISK / 4096 {
                    device
                        .write_at((block * 4096 + t * 512) as u64, &[t as u8 + 1; 512])
                        .unwrap();
                    if block % 5 == t % 5 {
                        device.flush().unwrap();
                    }
                }
            });
        }
    });
    let mut disk = vec![0; DISK];
    device.read_at(0, &mut disk).unwrap();
    for (n, sector) in disk.chunks(512).enumerate() {
        assert_eq!(sector, [(n % 8) as u8 + 1; 512], "sector {n}");
    }
}
