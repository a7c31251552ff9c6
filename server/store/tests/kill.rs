//! A real process killed with -9 in the middle of its writes, again and again: the file has all
//! that was acknowledged.

use std::{
    collections::HashSet,
    fs::OpenOptions,
    hash::{BuildHasher, RandomState},
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};
use store::{Error, Read, SettingRecord, Store};
use types::Timestamp;

const ROUNDS: usize = 25;
const BOUND: Duration = Duration::from_secs(60);
const DIR: &str = "NSBOOT_TEST_KILL_DIR";
const ROUND: &str = "NSBOOT_TEST_KILL_ROUND";

/// The child: writes from four threads until it is killed, and lists what was acknowledged in a
/// file, whose pages outlive the process. Does nothing in an ordinary run.
#[test]
fn child() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let round = std::env::var(ROUND).unwrap();
    let dir = Path::new(&dir);
    let store = Arc::new(Store::open(&dir.join("nsboot.redb")).unwrap());
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let (store, round) = (store.clone(), round.clone());
            let mut acks = OpenOptions::new()
                .append(true)
                .create(true)
                .open(dir.join("acks"))
                .unwrap();
            std::thread::spawn(move || {
                for n in 0.. {
                    let id = format!("{round}.{thread}.{n}");
                    let record = |half: &str| SettingRecord {
                        key: format!("{half}{id}"),
                        value: "v".repeat(200),
                        updated_at: Timestamp(0),
                    };
                    let (a, b) = (record("a"), record("b"));
                    let done: Result<(), Error> = store.write_wait(move |tx| {
                        tx.put(&a)?;
                        tx.put(&b)
                    });
                    done.unwrap();
                    acks.write_all(format!("{id}\n").as_bytes()).unwrap();
                    if n == 0 {
                        eprintln!("first");
                    }
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|t| t.join().unwrap());
}

#[test]
fn a_killed_process_leaves_all_that_it_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let seed = RandomState::new().hash_one(0);
    let begin = Instant::now();
    for round in 0..ROUNDS {
        assert!(begin.elapsed() < BOUND, "too slow: round {round}");
        let delay = Duration::from_millis((seed >> (round % 48)) % 120);
        run_and_kill(dir.path(), round, delay);
        let store = Store::open(&dir.path().join("nsboot.redb"))
            .unwrap_or_else(|e| panic!("round {round} (seed {seed}): {e}"));
        let rows: Result<Vec<SettingRecord>, Error> = store.read(|tx| tx.list());
        let keys: HashSet<String> = rows.unwrap().into_iter().map(|r| r.key).collect();
        let acks = std::fs::read_to_string(dir.path().join("acks")).unwrap();
        // A line without its end was not written whole: the process died in the write.
        let whole = acks.rsplit_once('\n').map_or("", |(lines, _)| lines);
        for id in whole.lines() {
            for half in ["a", "b"] {
                let key = format!("{half}{id}");
                assert!(
                    keys.contains(&key),
                    "round {round} (seed {seed}): {key} is gone"
                );
            }
        }
        let halves = |half: char| keys.iter().filter(|k| k.starts_with(half)).count();
        assert_eq!(halves('a'), halves('b'), "a change is there by half");
    }
}

fn run_and_kill(dir: &Path, round: usize, delay: Duration) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(DIR, dir)
        .env(ROUND, round.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("first") {
        line.clear();
        let n = lines.read_line(&mut line).unwrap();
        assert!(n > 0, "the child ended by itself");
    }
    // The random moment is what is tested; nothing waits for anything here.
    std::thread::sleep(delay);
    child.kill().unwrap();
    child.wait().unwrap();
}
