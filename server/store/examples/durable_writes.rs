//! What sharing commits is worth: durable writes of one caller and of many, beside what one sync
//! costs the same disk. Run by `end2end/bench/durable.sh`.
//! Usage: durable_writes FOLDER ROUNDS [SECONDS]   Each measurement lasts SECONDS (3), in turn, on the
//! disk that FOLDER is on, then on one in memory whose sync takes as long as a busy disk's. Prints
//! JSON. The sync loop is one writer's: 4 KiB in place, then `fdatasync`.

use redb::StorageBackend;
use serde_json::{Value, json};
use std::{
    error::Error,
    fs::{File, OpenOptions},
    os::unix::fs::FileExt,
    path::Path,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};
use store::{SettingRecord, Store, recorder::Recorder};
use types::Timestamp;

type Fault = Box<dyn Error + Send + Sync>;

const CALLERS: usize = 64;
/// What a sync took on a virtual disk whose neighbours were busy: 3.3 ms in the mean, 6.4 ms at worst.
const SLOW_SYNC: Duration = Duration::from_millis(5);
/// Rows that the writes go round in.
const ROWS: u64 = 10_000;
const PIECE: usize = 4096;

fn main() -> Result<(), Fault> {
    let mut args = std::env::args().skip(1);
    let usage = "usage: durable_writes FOLDER ROUNDS [SECONDS]";
    let folder = args.next().ok_or(usage)?;
    let rounds: usize = args.next().ok_or(usage)?.parse()?;
    let seconds: f64 = args.next().unwrap_or_else(|| "3".into()).parse()?;
    let length = Duration::from_secs_f64(seconds);
    let (mut real, mut slow) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        real.push(on_disk(Path::new(&folder), length)?);
        eprintln!("the disk, round {round}: {}", real[round - 1]);
        slow.push(on_slow(length)?);
        eprintln!("{SLOW_SYNC:?} a sync, round {round}: {}", slow[round - 1]);
    }
    let out = json!({
        "bench": "durable", "unit": "per second", "callers": CALLERS,
        "cases": [
            {"case": "the disk of this machine", "rounds": real},
            {"case": format!("a disk that takes {} ms to sync", SLOW_SYNC.as_millis()), "rounds": slow},
        ],
    });
    println!("{out}");
    Ok(())
}

/// On the disk that this folder is on.
fn on_disk(folder: &Path, length: Duration) -> Result<Value, Fault> {
    let path = folder.join("sync");
    let file: File = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(&path)?;
    file.set_len(PIECE as u64)?;
    file.sync_all()?;
    let piece = [7; PIECE];
    let syncs = rate(length, || {
        file.write_all_at(&piece, 0)?;
        file.sync_data()
    })?;
    std::fs::remove_file(path)?;
    let path = folder.join("store.redb");
    let figures = figures(syncs, &Store::open(&path)?, length)?;
    std::fs::remove_file(path)?;
    Ok(figures)
}

/// On a disk in memory with a slow sync.
fn on_slow(length: Duration) -> Result<Value, Fault> {
    let slow = || {
        let disk = Recorder::new();
        disk.sync_takes(SLOW_SYNC);
        disk
    };
    let disk = slow();
    disk.set_len(PIECE as u64)?;
    let piece = [7; PIECE];
    let syncs = rate(length, || {
        disk.write(0, &piece)?;
        disk.sync_data()
    })?;
    figures(syncs, &slow().open()?, length)
}

/// How often a second it is done, one after the other.
fn rate(length: Duration, mut once: impl FnMut() -> std::io::Result<()>) -> Result<f64, Fault> {
    let (begin, mut done) = (Instant::now(), 0u32);
    while begin.elapsed() < length {
        once()?;
        done += 1;
    }
    Ok(f64::from(done) / begin.elapsed().as_secs_f64())
}

fn figures(syncs: f64, store: &Store, length: Duration) -> Result<Value, Fault> {
    // So that each write after it changes a row that is there.
    store.write_wait(|tx| (0..ROWS).try_for_each(|n| tx.put(&row(n))))?;
    let (one, per_commit_of_one) = writes(store, 1, length)?;
    let (many, per_commit) = writes(store, CALLERS, length)?;
    let rounded = |value: f64| (value * 10.0).round() / 10.0;
    Ok(json!({
        "syncs": rounded(syncs), "one": rounded(one), "many": rounded(many),
        "ratio": rounded(many / one), "one_writes_per_commit": rounded(per_commit_of_one),
        "many_writes_per_commit": rounded(per_commit),
    }))
}

/// Durable writes a second of so many callers, each of which waits for its own; and how many of them
/// shared a commit.
fn writes(store: &Store, callers: usize, length: Duration) -> Result<(f64, f64), Fault> {
    let (next, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let before = store.stats();
    let begin = Instant::now();
    let done: Result<Vec<u64>, store::Error> = std::thread::scope(|scope| {
        let work = || {
            let mut done = 0;
            while !over.load(Relaxed) {
                let n = next.fetch_add(1, Relaxed);
                store.write_wait(move |tx| tx.put(&row(n)))?;
                done += 1;
            }
            Ok(done)
        };
        let threads: Vec<_> = (0..callers).map(|_| scope.spawn(work)).collect();
        std::thread::sleep(length);
        over.store(true, Relaxed);
        let joined = threads.into_iter().map(|t| t.join());
        joined
            .map(|done| done.unwrap_or(Err(store::Error::Panicked)))
            .collect()
    });
    let done = done?.into_iter().sum::<u64>() as f64;
    let took = begin.elapsed().as_secs_f64();
    let commits = store.stats().commits - before.commits;
    Ok((done / took, done / commits as f64))
}

/// The small record of one write.
fn row(n: u64) -> SettingRecord {
    SettingRecord {
        key: format!("bench-{:05}", n % ROWS),
        value: n.to_string(),
        updated_at: Timestamp(1),
    }
}
