//! Keys: once, again, refused, and what crashes and bounds leave of them.

use super::*;
use crate::Identity;
use store::recorder::Recorder;
use types::{Role, UserId};
use uuid::Uuid;

fn user(n: u128, role: Role) -> Identity {
    let id = UserId(Uuid::from_u128(n));
    Identity {
        actor: Actor::User {
            id,
            name: "ada".into(),
        },
        user_id: Some(id),
        role,
        session_id: None,
        expires_at: Timestamp(i64::MAX),
    }
}

fn asked(body: &str) -> Asked<'_> {
    Asked {
        method: "POST",
        target: "/api/v1/clients",
        if_match: b"",
        body: body.as_bytes(),
    }
}

fn answer(body: &str) -> KeptAnswer {
    KeptAnswer {
        status: 201,
        headers: vec![("etag".into(), "\"1\"".into())],
        body: body.into(),
    }
}

/// What became of a request, in a word.
fn word(begun: &Result<Begun, Refused>) -> &'static str {
    match begun {
        Ok(Begun::Run(_)) => "run",
        Ok(Begun::Again(_)) => "again",
        Err(Refused::Another) => "another",
        Err(Refused::Running) => "running",
        Err(Refused::Unknown) => "unknown",
        Err(Refused::TooMany) => "too many",
        Err(Refused::Role) => "role",
        Err(Refused::Failed(_)) => "failed",
    }
}

struct Keys {
    keys: Idempotency,
    _dir: tempfile::TempDir,
}

fn on(disk: &Recorder) -> Keys {
    let dir = tempfile::tempdir().unwrap();
    // The key file outlives what these tests break.
    crate::secrets::write_private(&dir.path().join("idempotency.key"), &[7; 32]).unwrap();
    let store = Arc::new(disk.open().unwrap());
    Keys {
        keys: Idempotency::open(store, dir.path()).unwrap(),
        _dir: dir,
    }
}

impl Keys {
    async fn ask(&self, who: &Identity, key: &str, body: &str) -> Result<Begun, Refused> {
        self.keys.begin(who, key, &asked(body)).await
    }

    async fn make(&self, who: &Identity, key: &str, body: &str) {
        let Ok(Begun::Run(reserved)) = self.ask(who, key, body).await else {
            panic!("{key} is not new");
        };
        reserved.answered(&answer(body)).await.unwrap();
    }
}

#[tokio::test]
async fn a_key_is_run_once_and_answers_its_own_request_only() {
    let keys = on(&Recorder::new());
    let ada = user(1, Role::Operator);
    let Ok(Begun::Run(reserved)) = keys.ask(&ada, "k", "one").await else {
        panic!("new");
    };
    assert_eq!(word(&keys.ask(&ada, "k", "one").await), "running");
    assert_eq!(word(&keys.ask(&ada, "k", "two").await), "another");
    reserved.answered(&answer("one")).await.unwrap();
    match keys.ask(&ada, "k", "one").await {
        Ok(Begun::Again(kept)) => assert_eq!(kept, answer("one")),
        other => panic!("{}", word(&other)),
    }
    assert_eq!(word(&keys.ask(&ada, "k", "two").await), "another");
    let base = asked("one");
    for other in [
        Asked {
            method: "PUT",
            ..asked("one")
        },
        Asked {
            target: "/api/v1/client",
            ..asked("one")
        },
        Asked {
            if_match: b"\"1\"",
            ..base
        },
        // The same bytes, cut elsewhere.
        Asked {
            target: "/api/v1/clientso",
            ..asked("ne")
        },
    ] {
        assert_eq!(word(&keys.keys.begin(&ada, "k", &other).await), "another");
    }
    // Somebody else's key of that name is another key; a lower role gets no answer of a higher one.
    assert_eq!(
        word(&keys.ask(&user(2, Role::Operator), "k", "two").await),
        "run"
    );
    assert_eq!(
        word(&keys.ask(&user(1, Role::Viewer), "k", "one").await),
        "role"
    );
    assert_eq!(
        word(&keys.ask(&user(1, Role::Admin), "k", "one").await),
        "again"
    );
}

#[tokio::test]
async fn freed_keys_are_new_and_dropped_ones_unknown() {
    let disk = Recorder::new();
    let ada = user(1, Role::Operator);
    let keys = on(&disk);
    for _ in 0..2 {
        let Ok(Begun::Run(reserved)) = keys.ask(&ada, "busy", "one").await else {
            panic!("new");
        };
        reserved.freed().await.unwrap();
    }
    drop(keys.ask(&ada, "cut", "one").await);
    assert_eq!(word(&keys.ask(&ada, "cut", "one").await), "unknown");
    drop(keys);
    let keys = on(&Recorder::with_disk(disk.disk()));
    assert_eq!(word(&keys.ask(&ada, "cut", "one").await), "unknown");
    assert_eq!(word(&keys.ask(&ada, "cut", "two").await), "another");
    assert_eq!(word(&keys.ask(&ada, "busy", "one").await), "run");
}

/// Power goes at any moment: a change that ran is never run again, and an answer that left is known.
#[tokio::test]
async fn after_any_crash_what_ran_is_not_run_again() {
    let disk = Recorder::new();
    let ada = user(1, Role::Operator);
    {
        let keys = on(&disk);
        let Ok(Begun::Run(reserved)) = keys.ask(&ada, "k", "one").await else {
            panic!("new");
        };
        disk.note("ran");
        reserved.answered(&answer("one")).await.unwrap();
        disk.note("answered");
    }
    let log = disk.log();
    let at = |note: &str| {
        let is = |op: &store::recorder::Op| *op == store::recorder::Op::Note(note.into());
        log.iter().position(is).unwrap()
    };
    let (ran, answered) = (at("ran"), at("answered"));
    assert!(ran < answered);
    for keep in [false, true] {
        for ops in ran..=log.len() {
            let keys = on(&Recorder::crash(&log, ops, |_, _| keep));
            let found = keys.ask(&ada, "k", "one").await;
            let allowed: &[&str] = match ops > answered {
                true => &["again"],
                false => &["unknown", "again"],
            };
            assert!(allowed.contains(&word(&found)), "{ops}: {}", word(&found));
            if ops == ran + 1 && !keep {
                assert_eq!(word(&found), "unknown");
            }
        }
    }
}

#[tokio::test]
async fn a_day_later_a_key_is_new() {
    let keys = on(&Recorder::new());
    let ada = user(1, Role::Operator);
    keys.make(&ada, "k", "one").await;
    for (seconds, body, expected) in [
        (KEEP_SECONDS - 60.0, "one", "again"),
        (KEEP_SECONDS + 60.0, "two", "run"),
    ] {
        let then = now().plus_seconds(seconds as i64);
        let found = keys.keys.begin_at(then, &ada, "k", &asked(body)).await;
        assert_eq!(word(&found), expected);
    }
}

#[tokio::test]
async fn keys_are_bounded_and_the_oldest_that_was_answered_goes() {
    let disk = Recorder::new();
    let keys = on(&disk);
    let (ada, bob) = (user(1, Role::Operator), user(2, Role::Operator));
    drop(keys.ask(&ada, "unknown", "x").await);
    keys.make(&bob, "his", "x").await;
    for n in 0..PER_CALLER {
        keys.make(&ada, &format!("k{n}"), "x").await;
    }
    assert_eq!(word(&keys.ask(&ada, "k1", "x").await), "again");
    assert_eq!(word(&keys.ask(&ada, "unknown", "x").await), "unknown");
    assert_eq!(word(&keys.ask(&bob, "his", "x").await), "again");
    // The first had to go; and with it its row.
    let stored = |keys: &Keys| -> usize {
        let rows: Vec<IdempotencyRecord> = keys.keys.inner.store.read(|tx| tx.list()).unwrap();
        rows.len()
    };
    assert_eq!(stored(&keys), PER_CALLER + 1);
    assert_eq!(word(&keys.ask(&ada, "k0", "x").await), "run");
    assert_eq!(stored(&keys), PER_CALLER + 1);
}

#[test]
fn with_all_under_way_no_more_are_begun() {
    let mut known = HashMap::new();
    let record = |n: usize, caller: &str| IdempotencyRecord {
        id: hash(&[&n.to_be_bytes()]),
        caller: caller.into(),
        role: Role::Operator,
        fingerprint: [0; 32],
        created_at: Timestamp(n as i64),
        answer: None,
    };
    for n in 0..PER_CALLER {
        assert!(claim(&mut known, &record(n, "user:1")).unwrap().is_empty());
    }
    let more = claim(&mut known, &record(PER_CALLER, "user:1"));
    assert!(matches!(more, Err(Refused::TooMany)));
    assert!(claim(&mut known, &record(PER_CALLER, "user:2")).is_ok());
    // In all, and by size.
    for n in PER_CALLER + 1..IN_ALL {
        claim(&mut known, &record(n, &format!("user:{n}"))).unwrap();
    }
    let full = claim(&mut known, &record(IN_ALL, "token:1"));
    assert!(matches!(full, Err(Refused::TooMany)));
    for k in known.values_mut().filter(|k| *k.caller == *"user:1") {
        (k.state, k.bytes) = (State::Answered, BYTES_IN_ALL / 900);
    }
    let gone = claim(&mut known, &record(IN_ALL, "token:1")).unwrap();
    assert!((100..=102).contains(&gone.len()), "{}", gone.len());
    assert_eq!(gone[0], record(0, "").id, "the oldest first");
}

#[tokio::test]
async fn neither_key_nor_body_is_in_the_database() {
    let disk = Recorder::new();
    let keys = on(&disk);
    keys.make(&Identity::local(), "a-key-of-mine", "").await;
    let Ok(Begun::Run(reserved)) = keys.ask(&Identity::local(), "k", "correct horse").await else {
        panic!("new");
    };
    reserved.answered(&answer("")).await.unwrap();
    let bytes = disk.disk();
    for secret in ["a-key-of-mine", "correct horse"] {
        assert!(
            !bytes.windows(secret.len()).any(|w| w == secret.as_bytes()),
            "{secret}"
        );
    }
    assert!(
        bytes.windows(5).any(|w| w == b"local"),
        "it is there at all"
    );
}
