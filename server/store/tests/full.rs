//! A full disk: changes fail while it is full, and work again, without a restart, once it is not.

use std::{path::Path, process::Command};
use store::{Error, Read, SettingRecord, Store};

/// A file system of its own of eight megabytes; gone with the guard.
struct Small(tempfile::TempDir);

impl Small {
    /// None without the right to mount one, unless the tests have to run whole.
    fn mount() -> Option<Small> {
        let dir = tempfile::tempdir().expect("temp dir");
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", "size=8m", "none"])
            .arg(dir.path());
        let mounted = mount.status().is_ok_and(|s| s.success());
        let must = std::env::var_os("NSBOOT_LIVE").is_some();
        assert!(mounted || !must, "this test mounts a small file system");
        mounted.then_some(Small(dir))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

fn put(store: &Store, key: String, bytes: usize) -> Result<(), Error> {
    let record = SettingRecord {
        key,
        value: "x".repeat(bytes),
        updated_at: types::Timestamp(0),
    };
    store.write_wait(move |tx| tx.put(&record))
}

#[test]
fn a_disk_that_was_full_needs_no_restart() {
    let Some(disk) = Small::mount() else { return };
    let store = Store::open(&disk.path().join("db.redb")).expect("a fresh database");
    put(&store, "kept".into(), 10).expect("there is room");

    let filler = disk.path().join("filler");
    let mut n = 0;
    let _ = std::fs::write(&filler, vec![1u8; 8 << 20]);
    while put(&store, format!("more-{n}"), 64 << 10).is_ok() {
        n += 1;
        assert!(n < 200, "the disk is never full");
    }
    assert!(put(&store, "refused".into(), 1 << 20).is_err());

    std::fs::remove_file(&filler).expect("removed");
    put(&store, "after".into(), 10).expect("there is room again");
    let all: Vec<SettingRecord> = store.read(|tx| tx.list()).expect("readable");
    let keys: Vec<&str> = all.iter().map(|r| r.key.as_str()).collect();
    assert!(
        keys.contains(&"kept") && keys.contains(&"after"),
        "{keys:?}"
    );
    assert!(!keys.contains(&"refused"), "{keys:?}");
    assert_eq!(
        keys.len(),
        n + 2,
        "what was acknowledged is there, and nothing else"
    );
}
