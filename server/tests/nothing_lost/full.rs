//! A small disk that fills up: the guest that fills it is told, nobody else suffers, nothing is damaged, and when there
//! is room again all goes on without a restart.

use crate::{
    cable::can_run,
    ledger::{Dice, Ledger},
    seed,
    stage::{Computer, Stage},
};
use serde_json::json;
use std::{path::Path, process::Command};

const MIB: usize = 1 << 20;

/// A file system of its own in a file; gone with the guard.
pub struct Small {
    at: tempfile::TempDir,
    _file: tempfile::NamedTempFile,
}

impl Small {
    fn mount(mib: usize) -> Small {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len((mib * MIB) as u64).unwrap();
        let at = tempfile::tempdir().unwrap();
        let paths = [file.path(), at.path()];
        run("mkfs.ext4", &["-q", "-m", "0"], &paths[..1]);
        run("mount", &["-o", "loop"], &paths);
        Small { at, _file: file }
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // Lazily: the server that has files there ends a moment later.
        let _ = Command::new("umount")
            .arg("-l")
            .arg(self.at.path())
            .status();
    }
}

fn run(program: &str, args: &[&str], paths: &[&Path]) {
    let done = Command::new(program)
        .args(args)
        .args(paths)
        .output()
        .unwrap();
    assert!(done.status.success(), "{program}: {done:?}");
}

#[test]
fn a_full_disk_is_told_to_who_fills_it_and_nothing_is_lost() {
    if !can_run() {
        return;
    }
    let mut dice = Dice(seed());
    let small = Small::mount(192);
    let stage = Stage::below(small.at.path(), 2);
    let filler = small.at.path().join("filler");
    let open = |computer: &Computer| computer.open_on(&stage.cable);
    let [filling, other] = [0, 1].map(|n| stage.computers[n].clone());
    let (mut filling_disk, mut other_disk) = (open(&filling), open(&other));
    let (mut ledger, mut others) = (Ledger::new(0), Ledger::new(1));
    for _ in 0..20 {
        let step = others.next(&mut dice);
        others.take(&step, &mut other_disk).expect("there is room");
    }

    // Somebody else leaves little room.
    let room = nix::sys::statvfs::statvfs(small.at.path()).unwrap();
    let free = (room.blocks_available() * room.fragment_size()) as usize;
    std::fs::write(&filler, vec![1; free - MIB]).expect("it fits");
    let mut answered = 0;
    let why = loop {
        let step = ledger.next(&mut dice);
        match ledger.take(&step, &mut filling_disk) {
            Ok(()) => answered += 1,
            Err(why) => break why,
        }
        assert!(answered < 20_000, "the disk is never full");
    };
    println!("full after {answered} commands: {why}");
    // Data protect: what a thin disk says that has no room, and not that it is broken.
    assert!(why.to_string().contains("sense key 7"), "{why}");

    // It reads what it wrote, the other one reads its disk, and so does who comes new; the database answers.
    ledger.check(&mut filling_disk, "full").expect("readable");
    others.check(&mut other_disk, "full").expect("readable");
    others
        .check(&mut open(&other), "full, anew")
        .expect("readable");
    let change = |mode: &str| {
        stage.with(|server| {
            let session = server.login();
            let list = session.get("/api/v1/clients");
            assert_eq!(list.status, 200, "{list:?}");
            session.json("PATCH", "/api/v1/clients/pc-1", json!({"mode": mode}))
        })
    };
    let changed = change("reset");
    println!("a change while it is full: {}", changed.status);
    assert!(matches!(changed.status, 200 | 500 | 503), "{changed:?}");

    // Room again: the same sessions go on.
    std::fs::remove_file(&filler).expect("removed");
    let changed = change("keep");
    assert_eq!(changed.status, 200, "{changed:?}");
    let mut other_disk = open(&other);
    for (ledger, disk) in [
        (&mut ledger, &mut filling_disk),
        (&mut others, &mut other_disk),
    ] {
        for _ in 0..50 {
            let step = ledger.next(&mut dice);
            ledger.take(&step, disk).expect("there is room again");
        }
        disk.flush().expect("there is room again");
        ledger.check(disk, "room again").expect("readable");
    }
    drop((filling_disk, other_disk));
    stage.kill();
    stage.start();
    ledger
        .check(&mut open(&filling), "the next process")
        .unwrap();
    others.check(&mut open(&other), "the next process").unwrap();
}
