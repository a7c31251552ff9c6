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

/// The journal of what was not flushed, and how long it is.
fn journal(overlays: &MemFiles) -> Option<u64> {
    let names = overlays.list().unwrap();
    let name = names.iter().find(|n| n.ends_with(".live"))?;
    Some(overlays.open(name).unwrap().len().unwrap())
}

/// Records that are a long journal where it is to be folded often.
const LONG: u64 = 16;
/// The head, and twice as many: one discard may note several.
const LONGEST: u64 = 4096 + 2 * LONG * 24;

/// As [`stage`], with journals that are soon long.
fn stage_of_short_journals() -> (MemFiles, MemFiles, EmbeddedStorage, Vec<u8>) {
    let (images, overlays, storage, disk) = stage();
    drop(storage);
    let storage = process_of_short_journals(&images, &overlays);
    (images, overlays, storage, disk)
}

fn process_of_short_journals(images: &MemFiles, overlays: &MemFiles) -> EmbeddedStorage {
    let mut storage = process(images, overlays, BOOT);
    storage.long_journal = LONG;
    storage
}

#[test]
fn a_guest_that_never_flushes_does_not_make_the_journal_grow_and_a_kill_loses_nothing() {
    for seed in 1..=states(300) {
        let mut dice = Dice(seed * 0x9e37_79b9 + 3);
        let (images, overlays, mut storage, mut model) = stage_of_short_journals();
        let mut allowed: Vec<Vec<u8>> = model.chunks(512).map(|s| vec![s[0]]).collect();
        for round in 0..120 {
            let (at, bytes, discard) = change(&mut dice, round);
            let device = storage.open_overlay(CLIENT).unwrap();
            match discard {
                true => device.discard(at as u64, bytes.len() as u64).unwrap(),
                false => device.write_at(at as u64, &bytes).unwrap(),
            }
            model[at..at + bytes.len()].copy_from_slice(&bytes);
            (at / 512..(at + bytes.len()) / 512).for_each(|s| allowed[s].push(bytes[0]));
            let len = journal(&overlays).unwrap_or_default();
            assert!(len <= LONGEST, "seed {seed}, round {round}: {len} bytes");
            if dice.roll(8) == 0 {
                storage = process_of_short_journals(&images, &overlays);
                let mut disk = vec![0; DISK];
                let device = storage.open_overlay(CLIENT).unwrap();
                device.read_at(0, &mut disk).unwrap();
                assert!(
                    disk == model,
                    "seed {seed}, round {round}: a kill lost something"
                );
            }
        }
        // And after a power cut each sector is what it was at some time.
        let again = next_boot(&images, &overlays.crash(&mut dice));
        let mut disk = vec![0; DISK];
        let device = again.open_overlay(CLIENT).unwrap();
        device.read_at(0, &mut disk).unwrap();
        for (n, sector) in disk.chunks(512).enumerate() {
            let is_one = sector.iter().all(|b| *b == sector[0]) && allowed[n].contains(&sector[0]);
            assert!(is_one, "seed {seed}: sector {n} is {}", sector[0]);
        }
    }
}

/// What a writer beside the fold was told of must be in the journal that takes the old one's place.
#[test]
fn a_long_journal_is_folded_beside_writers_and_whatever_fails() {
    for n in 0..states(60) {
        let (images, overlays, storage, _) = stage_of_short_journals();
        let device = storage.open_overlay(CLIENT).unwrap();
        let errno = [nix::libc::EIO, nix::libc::ENOSPC][n as usize % 2];
        overlays.fail_after(40 + n * 3, errno, true);
        let told: Vec<Vec<u8>> = std::thread::scope(|scope| {
            let writer = |t: usize| {
                let device = device.clone();
                move || {
                    // Each has blocks of its own, which it writes and gives back.
                    let (first, len) = (t * DISK / 4, DISK / 4);
                    let mut now = vec![0xff; len / 4096];
                    for round in 0..60usize {
                        let block = round * 7 % now.len();
                        let at = (first + block * 4096) as u64;
                        let (byte, done) = match round % 3 {
                            0 => (0, device.discard(at, 4096)),
                            _ => (round as u8, device.write_at(at, &[round as u8; 4096])),
                        };
                        match done {
                            Ok(()) => now[block] = byte,
                            // It may be made, or not: a guest stops here.
                            Err(_) => {
                                now[block] = 0xff;
                                break;
                            }
                        }
                    }
                    now
                }
            };
            let all: Vec<_> = (0..4).map(|t| scope.spawn(writer(t))).collect();
            all.into_iter().map(|w| w.join().unwrap()).collect()
        });
        overlays.heal();
        let is_broken = device.flush().is_err();
        drop(device);
        let again = process(&images, &overlays, BOOT);
        let mut disk = vec![0; DISK];
        let device = again.open_overlay(CLIENT).unwrap();
        device.read_at(0, &mut disk).unwrap();
        let told = told.concat();
        for (block, byte) in told.iter().enumerate().filter(|(_, b)| **b != 0xff) {
            // After a sync that failed nobody vouches for what was not flushed.
            let is_there = disk[block * 4096..][..4096].iter().all(|b| b == byte);
            assert!(
                is_there || is_broken,
                "round {n}: block {block} is not {byte}"
            );
        }
    }
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
