//! Power cuts: whatever part of the unsynced writes reached the disk, the store opens with
//! everything that was acknowledged, and no change is there by halves.

use std::sync::Arc;
use store::{
    Error, Read, SettingRecord, Store,
    recorder::{Op, Recorder},
};
use types::Timestamp;

/// Repeatable bits.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

fn setting(key: String, value: &str) -> SettingRecord {
    SettingRecord {
        key,
        value: value.into(),
        updated_at: Timestamp(0),
    }
}

/// Each change writes two rows, so that a half one shows.
async fn record_some_changes(recorder: &Recorder) {
    let store = Arc::new(recorder.open().unwrap());
    let tasks: Vec<_> = (0..6)
        .map(|task| {
            let (store, recorder) = (store.clone(), recorder.clone());
            tokio::spawn(async move {
                for n in 0..8 {
                    let id = format!("{task}.{n}");
                    let key = id.clone();
                    let change = store.write(move |tx| {
                        tx.put(&setting(format!("a{key}"), &"x".repeat(300)))?;
                        tx.put(&setting(format!("b{key}"), "y"))
                    });
                    change.await.unwrap();
                    recorder.note(id);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

fn check(disk: &Recorder, acked: &[&str], about: &str) {
    let store = disk.open().unwrap_or_else(|e| panic!("{about}: {e}"));
    let rows: Result<Vec<SettingRecord>, Error> = store.read(|tx| tx.list());
    let rows = rows.unwrap_or_else(|e| panic!("{about}: {e}"));
    let has = |key: String| rows.iter().any(|r| r.key == key);
    for id in acked {
        assert!(has(format!("a{id}")), "{about}: acknowledged {id} is gone");
    }
    for row in &rows {
        let (kind, id) = row.key.split_at(1);
        let other = if kind == "a" { "b" } else { "a" };
        assert!(
            has(format!("{other}{id}")),
            "{about}: {id} is there by half"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sync_comes_before_each_acknowledgement() {
    let recorder = Recorder::new();
    record_some_changes(&recorder).await;
    let log = recorder.log();
    let mut acked = Vec::new();
    for (at, op) in log.iter().enumerate() {
        if let Op::Note(id) = op {
            acked.push(id.as_str());
            let disk = Recorder::crash(&log, at, |_, _| false);
            check(
                &disk,
                &acked,
                &format!("power cut at the acknowledgement of {id}"),
            );
        }
    }
    assert_eq!(acked.len(), 48);
    assert!(recorder.at_note("0.0").is_some() && recorder.at_note("none").is_none());
}

/// How many states are looked at: `NSBOOT_STATES` for the long run.
fn states() -> usize {
    let wanted = std::env::var("NSBOOT_STATES").ok();
    wanted.map_or(2_000, |n| n.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn torn_and_reordered_writes_lose_nothing_that_was_acknowledged() {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut looked_at = 0;
    while looked_at < states() {
        let new = look_at_crashes(&mut dice).await;
        assert!(new > 100, "{new}");
        looked_at += new;
    }
}

/// Records some changes and cuts the power at each point; how often.
async fn look_at_crashes(dice: &mut Dice) -> usize {
    let recorder = Recorder::new();
    record_some_changes(&recorder).await;
    let log = recorder.log();
    // `Store::open` renames a new file into place when it is whole: crashes begin after that.
    let born = log.iter().position(|op| matches!(op, Op::Note(_))).unwrap();
    let mut acked: Vec<&str> = Vec::new();
    let mut crashes = 0;
    for (at, op) in log.iter().enumerate() {
        if let Op::Note(id) = op {
            acked.push(id.as_str());
        }
        if at < born {
            continue;
        }
        // At each point: nothing since the sync, everything, whole writes at random, torn ones.
        let seed = dice.roll();
        for kind in 0..4 {
            if kind != 0 && matches!(op, Op::Note(_) | Op::Sync) {
                continue; // the same disks as one operation earlier
            }
            let keep = |op: usize, sector: usize| match kind {
                0 => false,
                1 => true,
                2 => Dice(seed ^ (op as u64 + 1)).roll() & 64 == 0,
                _ => Dice(seed ^ ((op as u64 + 1) << 20 | sector as u64)).roll() & 64 == 0,
            };
            let disk = Recorder::crash(&log, at + 1, keep);
            check(
                &disk,
                &acked,
                &format!("crash after operation {at}, kind {kind}"),
            );
            crashes += 1;
        }
    }
    crashes
}

#[tokio::test]
async fn a_store_goes_on_after_a_crash_of_its_recovery() {
    let recorder = Recorder::new();
    record_some_changes(&recorder).await;
    let log = recorder.log();
    let middle = log.len() / 2;
    let first = Recorder::crash(&log, middle, |op, sector| (op + sector) % 3 == 0);
    let acked = |ops: &[Op]| -> Vec<String> {
        ops.iter()
            .filter_map(|op| match op {
                Op::Note(id) => Some(id.clone()),
                _ => None,
            })
            .collect()
    };
    let before = acked(&log[..middle]);
    // The recovery writes, too; cut it at each of its operations and open again.
    let disk = first.disk();
    let second = Recorder::with_disk(disk.clone());
    drop(second.open().unwrap());
    let recovery = second.log();
    for at in 0..=recovery.len() {
        let mut whole = vec![Op::SetLen(disk.len() as u64)];
        whole.push(Op::Write {
            offset: 0,
            data: disk.clone(),
        });
        whole.push(Op::Sync);
        whole.extend_from_slice(&recovery[..at]);
        for odd in [0, 1] {
            let again = Recorder::crash(&whole, whole.len(), |op, sector| (op + sector) % 2 == odd);
            let ids: Vec<&str> = before.iter().map(String::as_str).collect();
            check(&again, &ids, &format!("second crash after {at} operations"));
        }
    }
}

#[tokio::test]
async fn whichever_operation_fails_its_callers_learn_it_and_nothing_acknowledged_is_lost() {
    let born = Recorder::new();
    drop(born.open().unwrap());
    // EIO and ENOSPC.
    for errno in [5, 28] {
        let mut failures = 0;
        for breaks_at in 0.. {
            let failed = fail_from(&born.disk(), breaks_at, errno).await;
            if failed == 0 {
                break;
            }
            failures += failed;
        }
        assert!(failures > 60, "{failures}");
    }
}

/// Some changes on a disk that breaks at that operation; how many of them failed.
async fn fail_from(disk: &[u8], breaks_at: usize, errno: i32) -> usize {
    let recorder = Recorder::with_disk(disk.to_vec());
    recorder.break_at(breaks_at, errno);
    let mut acked = Vec::new();
    let mut failures = 0;
    if let Ok(store) = recorder.open() {
        for n in 0..6 {
            let id = format!("0.{n}");
            let key = id.clone();
            let change = store.write(move |tx| {
                tx.put(&setting(format!("a{key}"), "x"))?;
                tx.put(&setting(format!("b{key}"), "y"))
            });
            match change.await {
                Ok(()) => acked.push(id),
                Err(e) => {
                    assert!(matches!(e, Error::Backend { .. }), "{e}");
                    failures += 1;
                }
            }
        }
    } else {
        failures += 1;
    }
    let ids: Vec<&str> = acked.iter().map(String::as_str).collect();
    let again = Recorder::with_disk(recorder.disk());
    check(
        &again,
        &ids,
        &format!("operation {breaks_at} failed with {errno}"),
    );
    failures
}

#[test]
fn opening_an_empty_or_cut_file_is_an_error_or_works_but_never_panics() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nsboot.redb");
    drop(Store::open(&path).unwrap());
    let whole = std::fs::read(&path).unwrap();
    for len in [0, 1, 511, 4096, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&path, &whole[..len]).unwrap();
        let opened = std::panic::catch_unwind(|| Store::open(&path).is_ok());
        assert!(opened.is_ok(), "panicked on {len} bytes");
    }
    // A draft that a crash left behind is no obstacle.
    let fresh = dir.path().join("fresh.redb");
    std::fs::write(dir.path().join("fresh.redb.new"), b"half").unwrap();
    assert!(Store::open(&fresh).is_ok());
}
