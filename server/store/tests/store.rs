//! The store as its users see it: typed tables, all-or-nothing changes, one commit for many.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};
use store::{Error, Read, SettingRecord, Store, Tx};
use types::Timestamp;

fn setting(key: &str, value: &str) -> SettingRecord {
    SettingRecord {
        key: key.into(),
        value: value.into(),
        updated_at: Timestamp(1),
    }
}

fn open() -> (tempfile::TempDir, Arc<Store>) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("nsboot.redb")).unwrap();
    (dir, Arc::new(store))
}

fn value(store: &Store, key: &str) -> Option<String> {
    let found: Result<Option<SettingRecord>, Error> = store.read(|tx| tx.get(&key.to_string()));
    found.unwrap().map(|s| s.value)
}

#[test]
fn a_reopened_store_has_what_was_acknowledged() {
    let (dir, store) = open();
    store
        .write_wait(|tx: &mut Tx| tx.put(&setting("a", "1")))
        .unwrap();
    drop(store);
    let store = Store::open(&dir.path().join("nsboot.redb")).unwrap();
    assert_eq!(value(&store, "a").as_deref(), Some("1"));
    store
        .write_wait(|tx: &mut Tx| {
            tx.remove::<SettingRecord>(&"a".to_string());
            Ok::<_, Error>(())
        })
        .unwrap();
    assert_eq!(value(&store, "a"), None);
}

#[test]
fn a_second_process_is_refused_with_the_reason() {
    let (dir, _store) = open();
    let again = Store::open(&dir.path().join("nsboot.redb"));
    assert!(matches!(again, Err(Error::InUse { .. })));
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nsboot.redb");
    std::fs::write(&path, vec![7u8; 8192]).unwrap();
    assert!(matches!(Store::open(&path), Err(Error::Backend { .. })));
    assert_eq!(std::fs::read(&path).unwrap(), vec![7u8; 8192], "untouched");
}

#[tokio::test]
async fn a_failing_or_panicking_change_leaves_nothing_and_hurts_no_neighbour() {
    let (_dir, store) = open();
    let hooks = Arc::new(AtomicUsize::new(0));
    let seen = hooks.clone();
    let good = store.write(|tx| tx.put(&setting("good", "1")));
    let bad = store.write(move |tx| {
        tx.put(&setting("good", "overwritten"))?;
        tx.put(&setting("bad", "1"))?;
        tx.on_commit(move || {
            seen.fetch_add(1, SeqCst);
        });
        Err::<(), _>(Error::Closed)
    });
    let panics = store.write(|tx| {
        tx.put(&setting("panic", "1"))?;
        if tx.get::<SettingRecord>(&"good".to_string())?.is_some() {
            panic!("on purpose");
        }
        Ok::<_, Error>(())
    });
    let last = store.write(|tx| tx.get::<SettingRecord>(&"good".to_string()));
    assert!(good.await.is_ok());
    assert!(matches!(bad.await, Err(Error::Closed)));
    assert!(matches!(panics.await, Err(Error::Panicked)));
    assert_eq!(last.await.unwrap().unwrap().value, "1");
    assert_eq!(value(&store, "bad"), None);
    assert_eq!(value(&store, "panic"), None);
    assert_eq!(hooks.load(SeqCst), 0);
}

#[tokio::test]
async fn many_changes_share_few_commits_and_see_each_other_in_order() {
    let (_dir, store) = open();
    let writes: Vec<_> = (0..500)
        .map(|_| {
            store.write(|tx| {
                let n: usize = tx
                    .get::<SettingRecord>(&"count".to_string())?
                    .map_or(0, |s| s.value.parse().unwrap());
                tx.put(&setting("count", &(n + 1).to_string()))?;
                Ok::<_, Error>(n)
            })
        })
        .collect();
    for (i, write) in writes.into_iter().enumerate() {
        assert_eq!(write.await.unwrap(), i);
    }
    assert_eq!(value(&store, "count").as_deref(), Some("500"));
    let stats = store.stats();
    assert_eq!(stats.changes, 500);
    assert!(stats.commits <= 50, "{} commits", stats.commits);
}

#[tokio::test]
async fn a_list_inside_a_change_holds_what_the_commit_will_hold() {
    let (_dir, store) = open();
    for key in ["a", "b", "c"] {
        let record = setting(key, "old");
        store.write(move |tx| tx.put(&record)).await.unwrap();
    }
    let seen = store
        .write(|tx| {
            tx.remove::<SettingRecord>(&"b".to_string());
            tx.put(&setting("c", "new"))?;
            tx.put(&setting("d", "new"))?;
            let all: Vec<SettingRecord> = tx.list()?;
            Ok::<_, Error>(
                all.into_iter()
                    .map(|s| s.key + "=" + &s.value)
                    .collect::<Vec<_>>(),
            )
        })
        .await
        .unwrap();
    assert_eq!(seen, ["a=old", "c=new", "d=new"]);
    let after: Result<Vec<SettingRecord>, Error> = store.read(|tx| tx.list());
    assert_eq!(after.unwrap().len(), 3);
}

/// So are changes that are made meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_written_anew_has_every_row_and_nothing_that_was_removed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nsboot.redb");
    let store = Arc::new(Store::open(&path).unwrap());
    let put = |key: &str, value: &str| {
        let record = setting(key, value);
        store.write::<_, Error, _>(move |tx| tx.put(&record))
    };
    put("gone", "a-word-of-the-past").await.unwrap();
    put("gone", "new").await.unwrap();
    let in_file = |path: &std::path::Path| {
        let bytes = std::fs::read(path).unwrap();
        let word = b"a-word-of-the-past";
        bytes.windows(word.len()).any(|w| w == word)
    };
    assert!(in_file(&path), "a freed page keeps its content");
    let rewriting = tokio::task::spawn_blocking({
        let store = store.clone();
        move || (0..5).try_for_each(|_| store.rewrite())
    });
    for n in 0..200 {
        put(&format!("key-{n:03}"), "value").await.unwrap();
    }
    rewriting.await.unwrap().unwrap();
    store.rewrite().unwrap();
    assert!(!in_file(&path) && !dir.path().join("nsboot.redb.new").exists());
    let all: Vec<SettingRecord> = store.read(|tx| tx.list()).unwrap();
    assert_eq!(all.len(), 201);
    drop(store);
    let store = Store::open(&path).unwrap();
    let all: Vec<SettingRecord> = store.read(|tx| tx.list()).unwrap();
    assert_eq!(all.len(), 201);
}
