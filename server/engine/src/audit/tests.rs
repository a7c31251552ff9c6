use super::*;
use store::{Record, SettingRecord};

struct Fixture {
    _dir: tempfile::TempDir,
    store: Arc<Store>,
    audit: Audit,
}

fn fixture() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(&dir.path().join("nsboot.redb")).unwrap());
    let audit = Audit::new(store.clone(), EventBus::default());
    Fixture {
        _dir: dir,
        store,
        audit,
    }
}

fn change(name: &str) -> Change {
    let facts = |v: &str| Some(serde_json::json!({ "name": name, "mode": v, "same": 1 }));
    Change::act("client.update", "client", 7, name).facts(facts("keep"), facts("reset"))
}

impl Fixture {
    async fn add(&self, n: usize) {
        for i in 0..n {
            let by = By::system("test");
            let done = self.audit.act(&by, change(&format!("pc-{i}")));
            done.await.unwrap();
        }
    }

    fn check(&self) -> types::AuditCheckView {
        let mut check = self.audit.check().unwrap();
        while check.step().unwrap().is_some() {}
        check.found()
    }

    async fn tamper(&self, f: impl FnOnce(&mut Tx<'_>) + Send + 'static) {
        let write = self.store.write(move |tx| {
            f(tx);
            Ok::<_, Error>(())
        });
        write.await.unwrap();
    }
}

#[tokio::test]
async fn an_entry_stands_with_its_change_or_not_at_all() {
    let f = fixture();
    let setting = SettingRecord {
        key: "a".into(),
        value: "b".into(),
        updated_at: now(),
    };
    for refuse in [true, false] {
        let (audit, setting) = (f.audit.clone(), setting.clone());
        let write = f.store.write(move |tx| {
            tx.put(&setting)?;
            audit.record(tx, &By::system("test"), change("pc"))?;
            match refuse {
                true => Err(Error::Internal("after all".into())),
                false => Ok(()),
            }
        });
        assert_eq!(write.await.is_err(), refuse);
        let kept: Option<SettingRecord> = f.store.read(|tx| tx.get(&"a".to_string())).unwrap();
        let entries = f
            .audit
            .list(AuditFilter::default(), None, 10)
            .await
            .unwrap();
        assert_eq!((kept.is_none(), entries.is_empty()), (refuse, refuse));
    }
    let entry = f
        .audit
        .list(AuditFilter::default(), None, 1)
        .await
        .unwrap()
        .remove(0);
    assert_eq!(entry.before, Some(serde_json::json!({ "mode": "keep" })));
    assert_eq!(entry.after, Some(serde_json::json!({ "mode": "reset" })));
    assert_eq!((entry.seq, entry.result.as_str()), (1, "ok"));
}

#[tokio::test]
async fn the_chain_holds_and_every_kind_of_tampering_shows() {
    let f = fixture();
    f.add(CHAIN).await;
    let found = f.check();
    assert!(found.intact && found.entries == CHAIN as u64, "{found:?}");

    let at = 600u64;
    let read = |seq: u64| -> AuditRecord { f.store.read(|tx| tx.get(&seq)).unwrap().unwrap() };
    let good = read(at);
    let mut bad = good.clone();
    bad.body = bad.body.replace("pc-599", "pc-666");
    assert_ne!(bad.body, good.body);
    // A word of it; a word of it with its own hash made anew; the entry gone; the newest gone.
    let mut rehashed = bad.clone();
    rehashed.hash = chained(&read(at - 1).hash, at, &rehashed.body);
    for (put, fault) in [(bad, "entry 600 "), (rehashed, "entry 601 ")] {
        f.tamper(move |tx| tx.put(&put).unwrap()).await;
        let found = f.check();
        assert!(!found.intact && found.fault.unwrap().starts_with(fault));
    }
    f.tamper(move |tx| tx.remove::<AuditRecord>(&at)).await;
    assert_eq!(f.check().fault.unwrap(), "entry 600 is missing");
    f.tamper(move |tx| tx.put(&good).unwrap()).await;
    assert!(f.check().intact);
    let last = CHAIN as u64;
    f.tamper(move |tx| tx.remove::<AuditRecord>(&last)).await;
    assert_eq!(f.check().fault.unwrap(), format!("entry {last} is missing"));
    // The end put back: what stands behind it shows, and is not written over.
    let early = read(500);
    f.tamper(move |tx| {
        let head = AuditHeadRecord {
            seq: early.seq,
            hash: early.hash,
        };
        tx.put(&head).unwrap();
    })
    .await;
    assert!(f.check().fault.unwrap().contains("end at 500"));
    let by = By::system("test");
    let e = f.audit.act(&by, change("after")).await.unwrap_err();
    assert_eq!(e.code(), "NSB-AUDIT-002");
    f.tamper(|tx| tx.remove::<AuditHeadRecord>(&())).await;
    assert!(!f.check().intact);
}

#[tokio::test]
async fn a_check_ends_also_when_only_newer_entries_are_left() {
    let f = fixture();
    f.add(5).await;
    let mut check = f.audit.check().unwrap();
    f.tamper(|tx| (3..=5u64).for_each(|seq| tx.remove::<AuditRecord>(&seq)))
        .await;
    f.add(1).await;
    let steps = (0..10).take_while(|_| check.step().unwrap().is_some());
    assert!(steps.count() < 10, "it goes on for ever");
    assert_eq!(check.found().fault.unwrap(), "entry 3 is missing");
}

/// More than two chunks.
const CHAIN: usize = 1100;

#[tokio::test]
async fn lists_are_filtered_and_paged_from_the_newest_on() {
    let f = fixture();
    f.add(5).await;
    let unknown = By::unknown(
        "mallory",
        Some("192.0.2.7".parse().unwrap()),
        types::Way::Rest,
    );
    let refused = Error::Unauthorized("no");
    let to = target("user", None, "mallory");
    f.audit.refused(&unknown, "auth.login", to, &refused);
    f.add(1).await; // the queue is in order: the refusal is written by now
    let all = f.audit.list(AuditFilter::default(), None, 3).await.unwrap();
    assert_eq!(all.iter().map(|e| e.seq).collect::<Vec<_>>(), [7, 6, 5]);
    let rest = f
        .audit
        .list(AuditFilter::default(), Some(5), 9)
        .await
        .unwrap();
    assert_eq!(rest.iter().map(|e| e.seq).collect::<Vec<_>>(), [4, 3, 2, 1]);
    let by = async |filter: AuditFilter| f.audit.list(filter, None, 9).await.unwrap().len();
    let some = |s: &str| Some(s.to_string());
    let none = AuditFilter::default;
    assert_eq!(
        by(AuditFilter {
            result: some("refused"),
            ..none()
        })
        .await,
        1
    );
    assert_eq!(
        by(AuditFilter {
            result: some("NSB-AUTH-010"),
            ..none()
        })
        .await,
        1
    );
    assert_eq!(
        by(AuditFilter {
            actor: some("Mallory"),
            ..none()
        })
        .await,
        1
    );
    assert_eq!(
        by(AuditFilter {
            action: some("client"),
            ..none()
        })
        .await,
        6
    );
    assert_eq!(
        by(AuditFilter {
            action: some("cli"),
            ..none()
        })
        .await,
        0
    );
    assert_eq!(
        by(AuditFilter {
            target: some("pc-0"),
            ..none()
        })
        .await,
        2
    );
    assert_eq!(
        by(AuditFilter {
            since: Some(now().plus_seconds(9)),
            ..none()
        })
        .await,
        0
    );
    let (exported, next) = f.audit.export(none(), 1).await.unwrap();
    assert_eq!((exported.len(), next), (7, None));
}

#[tokio::test]
async fn a_flood_of_refusals_does_not_fill_the_log() {
    let f = fixture();
    let stranger = |name: &str, last: u8| {
        let address = Some([10, 0, 0, last].into());
        By::unknown(name, address, types::Way::Rest)
    };
    for i in 0..500 {
        let by = stranger(&format!("u{i}"), 1);
        let to = target("user", None, "x");
        f.audit
            .refused(&by, "auth.login", to, &Error::Unauthorized("no"));
    }
    // Those elsewhere are still heard, and so are those who are signed in.
    let to = target("user", None, "beside");
    let beside = stranger("ada", 2);
    f.audit
        .refused(&beside, "auth.login", to, &Error::Unauthorized("no"));
    let to = target("user", None, "x");
    f.audit.refused(
        &By::system("test"),
        "user.remove",
        to,
        &Error::Forbidden("no"),
    );
    f.add(1).await;
    let kept = f
        .audit
        .list(AuditFilter::default(), None, 1000)
        .await
        .unwrap();
    assert_eq!(kept.len(), refusals::OF_ONE as usize + 3);
    assert_eq!(kept[1].action, "user.remove");
    assert_eq!(kept[2].target.name, "beside");
    // And from everywhere at once.
    for last in 3..=u8::MAX {
        for i in 0..10 {
            let to = target("user", None, "x");
            let by = stranger(&format!("u{i}"), last);
            f.audit
                .refused(&by, "auth.login", to, &Error::Unauthorized("no"));
        }
    }
    f.add(1).await;
    let kept = f
        .audit
        .list(AuditFilter::default(), None, 1000)
        .await
        .unwrap();
    assert_eq!(kept.len(), refusals::OF_ALL as usize + 3);
}

/// What a damaged row of the log looks like: bytes that are no entry.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
struct Damaged(u64);

impl Record for Damaged {
    const KIND: u8 = 255;
    const SCHEMA: u16 = 1;
    const TABLE: &'static str = AuditRecord::TABLE;
    type Key = u64;

    fn key(&self) -> u64 {
        self.0
    }
}

#[tokio::test]
async fn a_damaged_entry_is_left_out_of_lists_and_told_by_the_check() {
    let f = fixture();
    f.add(600).await;
    assert!(f.check().intact);
    // The newest one, one in the middle, and one whose text is no entry.
    f.store
        .write(|tx| {
            tx.put(&Damaged(600))?;
            tx.put(&Damaged(300))?;
            let old: AuditRecord = tx.get(&299)?.expect("it is there");
            tx.put(&AuditRecord {
                body: "{}".into(),
                ..old
            })
        })
        .await
        .unwrap();
    let all = f
        .audit
        .list(AuditFilter::default(), None, 1000)
        .await
        .unwrap();
    assert_eq!(all.len(), 597);
    assert_eq!((all[0].seq, all[596].seq), (599, 1));
    let (mut exported, mut from) = (Vec::new(), Some(1));
    while let Some(at) = from {
        let (piece, next) = f.audit.export(AuditFilter::default(), at).await.unwrap();
        exported.extend(piece.iter().map(|e| e.seq));
        from = next;
    }
    assert!(exported.len() == 597 && exported.is_sorted());
    let found = f.check();
    assert!(!found.intact && found.fault.is_some(), "{found:?}");
}
