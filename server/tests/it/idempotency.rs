//! Idempotency keys: a change that is asked for again is made once, also after broken connections,
//! restarts and crashes.

mod broken;

use crate::server::{Answer, PASSWORD, Server, Session};
use serde_json::{Value, json};
use std::thread;
use store::{IdempotencyRecord, Read as _, Store};

const CLIENTS: &str = "/api/v1/clients";

fn keyed(session: &Session<'_>, method: &str, path: &str, key: &str, body: &Value) -> Answer {
    let headers = [
        ("content-type", "application/json"),
        ("idempotency-key", key),
    ];
    let body = match body {
        Value::Null => String::new(),
        body => body.to_string(),
    };
    session.send(method, path, &headers, body.as_bytes())
}

fn pc(n: u8) -> Value {
    json!({"name": format!("pc-{n}"), "mac": format!("52:54:00:00:00:{n:02x}")})
}

fn refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (status, code),
        "{answer:?}"
    );
    assert!(!answer.replayed);
}

/// The body of an answer; of a problem without the request that it was given to.
fn body(answer: &Answer) -> Vec<u8> {
    if answer.kind != "application/problem+json" {
        return answer.body.clone();
    }
    let mut problem = answer.value();
    assert_eq!(
        problem["request_id"].as_str(),
        answer.request_id.as_deref(),
        "{answer:?}"
    );
    problem["request_id"] = Value::Null;
    problem.to_string().into_bytes()
}

/// The same answer, as one that was given before.
fn same(first: &Answer, again: &Answer) {
    assert!(!first.replayed && again.replayed, "{again:?}");
    assert_eq!((first.status, body(first)), (again.status, body(again)));
    assert_eq!(
        (&first.etag, &first.location, &first.kind),
        (&again.etag, &again.location, &again.kind)
    );
}

fn names(session: &Session<'_>) -> Vec<Value> {
    let all = session.items(CLIENTS);
    all.iter().map(|c| c["name"].clone()).collect()
}

fn entries(session: &Session<'_>, action: &str) -> usize {
    session
        .items(&format!("/api/v1/audit?action={action}"))
        .len()
}

#[test]
fn a_change_is_made_once_and_its_answer_given_again() {
    let server = Server::start();
    let session = server.login();
    let made = keyed(&session, "POST", CLIENTS, "make", &pc(1));
    assert_eq!(made.status, 201, "{made:?}");
    assert!(made.etag.is_some() && made.location.is_some());
    same(&made, &keyed(&session, "POST", CLIENTS, "make", &pc(1)));
    // Another sign-in of the same account is the same caller.
    same(
        &made,
        &keyed(&server.login(), "POST", CLIENTS, "make", &pc(1)),
    );
    assert_eq!(
        (names(&session).len(), entries(&session, "client.create")),
        (1, 1)
    );

    let at = format!("{CLIENTS}/pc-1");
    let keep = json!({"mode": "keep"});
    let changed = keyed(&session, "PATCH", &at, "change", &keep);
    assert_eq!(
        (changed.status, changed.value()["revision"].clone()),
        (200, json!(2))
    );
    same(&changed, &keyed(&session, "PATCH", &at, "change", &keep));
    assert_eq!(session.get(&at).value()["revision"], 2);

    let job = keyed(
        &session,
        "POST",
        "/api/v1/audit/actions/verify",
        "job",
        &Value::Null,
    );
    assert_eq!(job.status, 202, "{job:?}");
    same(
        &job,
        &keyed(
            &session,
            "POST",
            "/api/v1/audit/actions/verify",
            "job",
            &Value::Null,
        ),
    );
    assert_eq!(session.items("/api/v1/jobs").len(), 1);

    let gone = keyed(&session, "DELETE", &at, "remove", &Value::Null);
    assert_eq!(gone.status, 204, "{gone:?}");
    same(
        &gone,
        &keyed(&session, "DELETE", &at, "remove", &Value::Null),
    );
    assert_eq!(session.send("DELETE", &at, &[], b"").status, 404);
    // A refusal is an answer, too: it stays what it was, though it would be granted now.
    let none = keyed(&session, "PATCH", &at, "too late", &keep);
    refused(&none, 400, "NSB-KEY-001");
    let none = keyed(&session, "PATCH", &at, "too-late", &keep);
    refused(&none, 404, "NSB-CLIENT-004");
    assert_eq!(session.json("POST", CLIENTS, pc(1)).status, 201);
    same(&none, &keyed(&session, "PATCH", &at, "too-late", &keep));
}

#[test]
fn a_key_is_of_one_request_and_of_one_caller() {
    let server = Server::start();
    let session = server.login();
    assert_eq!(keyed(&session, "POST", CLIENTS, "k", &pc(1)).status, 201);
    refused(
        &keyed(&session, "POST", CLIENTS, "k", &pc(2)),
        422,
        "NSB-KEY-002",
    );
    let at = format!("{CLIENTS}/pc-1");
    refused(
        &keyed(&session, "PATCH", &at, "k", &pc(1)),
        422,
        "NSB-KEY-002",
    );
    refused(
        &keyed(&session, "POST", &format!("{CLIENTS}?x=1"), "k", &pc(1)),
        422,
        "NSB-KEY-002",
    );
    let headers = [
        ("content-type", "application/json"),
        ("idempotency-key", "k"),
        ("if-match", "\"1\""),
    ];
    let other = session.send("POST", CLIENTS, &headers, pc(1).to_string().as_bytes());
    refused(&other, 422, "NSB-KEY-002");
    assert_eq!(names(&session), [json!("pc-1")]);

    // Reading takes no notice of it.
    assert_eq!(
        keyed(&session, "GET", CLIENTS, "k", &Value::Null).status,
        200
    );
    // A token and another account are other callers.
    let token = session.json(
        "POST",
        "/api/v1/tokens",
        json!({"name": "ci", "role": "operator", "expires_in_days": 1}),
    );
    let token = token.value()["secret"]
        .as_str()
        .expect("a token")
        .to_string();
    let ci = Session {
        server: &server,
        access: token,
        refresh: String::new(),
    };
    assert_eq!(keyed(&ci, "POST", CLIENTS, "k", &pc(2)).status, 201);
    // Nobody learns from a key what they may not do, and a stranger's is not looked at.
    let account = json!({"username": "eve", "password": "correct horse", "role": "viewer"});
    assert_eq!(
        keyed(&session, "POST", "/api/v1/users", "k2", &account).status,
        201
    );
    let eve = server.json("POST", "/api/v1/auth/login", &account_login());
    let eve = eve.value()["access_token"]
        .as_str()
        .expect("signed in")
        .to_string();
    let eve = Session {
        server: &server,
        access: eve,
        refresh: String::new(),
    };
    refused(
        &keyed(&eve, "POST", CLIENTS, "k", &pc(1)),
        403,
        "NSB-AUTH-011",
    );
    let stranger = Session {
        server: &server,
        access: "none".into(),
        refresh: String::new(),
    };
    refused(
        &keyed(&stranger, "POST", CLIENTS, "k", &pc(1)),
        401,
        "NSB-AUTH-001",
    );
}

fn account_login() -> Value {
    json!({"username": "eve", "password": "correct horse"})
}

#[test]
fn many_at_once_make_one() {
    let server = Server::start();
    let session = server.login();
    let answers: Vec<Answer> = thread::scope(|s| {
        let all: Vec<_> = (0..16)
            .map(|_| s.spawn(|| keyed(&session, "POST", CLIENTS, "k", &pc(1))))
            .collect();
        all.into_iter()
            .map(|t| t.join().expect("an answer"))
            .collect()
    });
    let (made, busy): (Vec<_>, Vec<_>) = answers.iter().partition(|a| a.status == 201);
    assert_eq!(
        made.iter().filter(|a| !a.replayed).count(),
        1,
        "one was the first"
    );
    for answer in busy {
        refused(answer, 409, "NSB-KEY-003");
        assert_eq!(answer.retry_after.as_deref(), Some("1"));
    }
    assert!(made.iter().all(|a| a.body == made[0].body));
    assert_eq!(
        (names(&session).len(), entries(&session, "client.create")),
        (1, 1)
    );
}

#[test]
fn answers_outlive_a_restart_and_what_a_crash_cut_short_is_told() {
    let server = Server::start();
    let session = server.login();
    let kept = keyed(&session, "POST", CLIENTS, "kept", &pc(1));
    let cut = keyed(&session, "POST", CLIENTS, "cut", &pc(2));
    assert_eq!((kept.status, cut.status), (201, 201));
    drop(session);
    let (status, dir) = server.stop();
    assert!(status.success());
    // What a crash between reservation and answer leaves: the second row without its answer.
    let store = Store::open(&dir.path().join("nsboot.redb")).expect("opens");
    let rows: Vec<IdempotencyRecord> = store.read(|tx| tx.list()).expect("rows");
    assert_eq!(rows.len(), 2);
    let has = |r: &&IdempotencyRecord| {
        let body = r
            .answer
            .as_ref()
            .map(|a| String::from_utf8_lossy(&a.body).into_owned());
        body.is_some_and(|b| b.contains("pc-2"))
    };
    let mut row = rows.iter().find(has).expect("the answer").clone();
    row.answer = None;
    store.write_wait(move |tx| tx.put(&row)).expect("written");
    drop(store);

    let server = Server::launch(dir, true);
    let session = server.login();
    same(&kept, &keyed(&session, "POST", CLIENTS, "kept", &pc(1)));
    for _ in 0..2 {
        let unknown = keyed(&session, "POST", CLIENTS, "cut", &pc(2));
        refused(&unknown, 409, "NSB-KEY-004");
        assert!(
            unknown.value()["hint"]
                .as_str()
                .is_some_and(|h| h.contains("new key"))
        );
    }
    refused(
        &keyed(&session, "POST", CLIENTS, "cut", &pc(3)),
        422,
        "NSB-KEY-002",
    );
    assert_eq!(names(&session).len(), 2, "nothing ran twice");
    assert_eq!(keyed(&session, "POST", CLIENTS, "new", &pc(3)).status, 201);
}

#[test]
fn what_answers_with_a_secret_takes_no_key_and_bad_keys_are_refused() {
    let server = Server::start();
    let session = server.login();
    let sign_in = json!({"username": "admin", "password": PASSWORD});
    for (path, body) in [
        ("/api/v1/auth/login", sign_in),
        (
            "/api/v1/auth/refresh",
            json!({"refresh_token": session.refresh}),
        ),
        (
            "/api/v1/tokens",
            json!({"name": "ci", "role": "viewer", "expires_in_days": 1}),
        ),
        ("/api/v1/images?name=disk", Value::Null),
        ("/api/v1/loaders?name=ipxe-2", Value::Null),
    ] {
        refused(
            &keyed(&session, "POST", path, "k", &body),
            400,
            "NSB-KEY-005",
        );
    }
    assert!(
        session.items("/api/v1/tokens").is_empty() && session.items("/api/v1/images").is_empty()
    );
    let long = "k".repeat(256);
    for key in ["", "two words", &long] {
        refused(
            &keyed(&session, "POST", CLIENTS, key, &pc(1)),
            400,
            "NSB-KEY-001",
        );
    }
    let two = [
        ("content-type", "application/json"),
        ("idempotency-key", "a"),
        ("idempotency-key", "b"),
    ];
    let twice = session.send("POST", CLIENTS, &two, pc(1).to_string().as_bytes());
    refused(&twice, 400, "NSB-KEY-001");
    let large = json!({"name": "x".repeat(70_000)});
    refused(
        &keyed(&session, "POST", CLIENTS, "large", &large),
        413,
        "NSB-HTTP-413",
    );
    assert!(names(&session).is_empty());
    // A password goes by, and nothing of it is kept.
    let account = json!({"username": "eve", "password": "not in the database"});
    let made = keyed(
        &session,
        "POST",
        "/api/v1/users",
        "user",
        &with_role(account),
    );
    assert_eq!(made.status, 201, "{made:?}");
    drop(session);
    let (_, dir) = server.stop();
    let bytes = std::fs::read(dir.path().join("nsboot.redb")).expect("the database");
    let has = |text: &str| bytes.windows(text.len()).any(|w| w == text.as_bytes());
    assert!(has("\"username\":\"eve\"") && !has("not in the database"));
}

fn with_role(mut account: Value) -> Value {
    account["role"] = json!("viewer");
    account
}

#[test]
fn an_answer_of_429_frees_the_key() {
    let server = Server::start();
    let session = server.login();
    let path = "/api/v1/auth/password";
    let wrong = |n: u32| json!({"current": format!("wrong {n}"), "new": "another good one"});
    let held = (0..50).find(|n| session.json("POST", path, wrong(*n)).status == 429);
    assert!(held.is_some(), "wrong passwords are held up");
    // The second request with that key is another one, and is not told so: the key was free.
    for n in 0..2 {
        let answer = keyed(&session, "POST", path, "k", &wrong(n));
        refused(&answer, 429, "NSB-AUTH-006");
    }
}
