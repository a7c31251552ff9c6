//! Bad inputs of many kinds, a file a noun: each is refused with its code, and nothing has changed.

mod auth;
mod boot_entries;
mod boots;
mod clients;
mod elsewhere;
mod exports;
mod firmware;
mod groups;
mod images;
mod lab;
mod leases;
mod loaders;
mod overlays;
mod reservations;
mod scopes;
mod snapshots;
mod uploads;

use crate::{
    api::{add, upload},
    server::{Answer, Server, Session, nsboot},
};
use serde_json::Value;

/// method, path, headers, body, status, code
type Case = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static str,
    u16,
    &'static str,
);

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];
const STALE: &[(&str, &str)] = &[
    ("content-type", "application/json"),
    ("if-match", "\"999\""),
];
const ODD_TAG: &[(&str, &str)] = &[("content-type", "application/json"), ("if-match", "yes")];
const WEAK_TAG: &[(&str, &str)] = &[
    ("content-type", "application/json"),
    ("if-match", "W/\"1\""),
];
const FORM: &[(&str, &str)] = &[("content-type", "application/x-www-form-urlencoded")];
/// The smallest disk.
const SECTOR: &str = match std::str::from_utf8(&[b'x'; 512]) {
    Ok(text) => text,
    Err(_) => "",
};
const RAW: &[(&str, &str)] = &[("content-type", "application/octet-stream")];
const FOREIGN: &[(&str, &str)] = &[
    ("content-type", "application/json"),
    ("origin", "http://evil.example"),
];
const CROSS: &[(&str, &str)] = &[
    ("content-type", "application/json"),
    ("sec-fetch-site", "cross-site"),
];
const C: &str = "/api/v1/clients";
const S: &str = "/api/v1/scopes";
const R: &str = "/api/v1/reservations";

const REST: &[&[Case]] = &[
    clients::CASES,
    elsewhere::CASES,
    boot_entries::CASES,
    groups::CASES,
    firmware::CASES,
    boots::CASES,
    images::CASES,
    uploads::CASES,
    snapshots::CASES,
    scopes::CASES,
    reservations::CASES,
    leases::CASES,
    exports::CASES,
    overlays::CASES,
    loaders::CASES,
    auth::CASES,
    lab::CASES,
];

#[test]
fn each_is_refused_with_its_code_and_changes_nothing() {
    let server = Server::start();
    let session = server.login();
    add(&session, "a01", 1);
    add(&session, "a02", 2);
    upload(&session, "disk", &[9; 4096]);
    let room = serde_json::json!({"name": "room-2", "subnet": "10.20.0.0/24"});
    assert_eq!(session.json("POST", S, room).status, 201);
    let pc = serde_json::json!({"mac": "52:54:00:00:00:07", "address": "10.20.0.7"});
    assert_eq!(session.json("POST", R, pc).status, 201);
    let before = state(&session);
    for (method, path, headers, body, status, code) in REST.iter().copied().flatten() {
        let answer = session.send(method, path, headers, body.as_bytes());
        check(
            &answer,
            *status,
            code,
            &format!("{method} {path} {headers:?} {body}"),
        );
    }
    let long = format!(
        "{{\"name\":\"{}\",\"mac\":\"52:54:00:00:00:09\"}}",
        "n".repeat(5000)
    );
    check(
        &session.send("POST", C, JSON, long.as_bytes()),
        422,
        "NSB-CLIENT-001",
        "long name",
    );
    let huge = format!("{{\"name\":\"{}\"}}", "n".repeat(100_000));
    check(
        &session.send("POST", C, JSON, huge.as_bytes()),
        413,
        "NSB-HTTP-413",
        "huge body",
    );
    let deep = "[".repeat(30_000);
    check(
        &session.send("POST", C, JSON, deep.as_bytes()),
        422,
        "NSB-HTTP-422",
        "deep body",
    );
    check(
        &session.send("POST", C, JSON, b"{\"name\":\"\xff\xfe\"}"),
        400,
        "NSB-HTTP-400",
        "not UTF-8",
    );
    let other = "0".repeat(64);
    let path = format!("/api/v1/images?name=sum&sha256={other}");
    check(
        &session.send("POST", &path, RAW, &[1; 4096]),
        422,
        "NSB-IMAGE-001",
        "other checksum",
    );
    assert_eq!(state(&session), before, "something changed");
}

fn check(answer: &Answer, status: u16, code: &str, what: &str) {
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (status, code),
        "{what}: {answer:?}"
    );
}

fn state(session: &Session<'_>) -> Vec<Vec<Value>> {
    [
        "clients",
        "images",
        "boot-entries",
        "groups",
        "firmware",
        "loaders",
        "leases",
        "exports",
        "overlays",
        "boots",
        "networks",
        "scopes",
        "reservations",
    ]
    .map(|noun| session.items(&format!("/api/v1/{noun}")))
    .into()
}

/// Settings that can't be used stop the server before it makes anything.
#[test]
fn bad_settings_stop_the_start_and_leave_no_trace() {
    let flags: &[(&[&str], &str, i32)] = &[
        (&["--listen", "nowhere"], "NSB-CONFIG-001", 2),
        (&["--listen", "127.0.0.1"], "NSB-CONFIG-001", 2),
        (&["--listen", "127.0.0.1:99999"], "NSB-CONFIG-001", 2),
        (&["--config", "/nonexistent.toml"], "NSB-CONFIG-004", 2),
        (&["--colour", "red"], "unexpected argument", 2),
        (&["--dry-run"], "leave `--dry-run` out", 2),
    ];
    for (flags, says, exit) in flags {
        refused_start(flags, None, says, *exit);
    }
    for (text, says) in [
        ("[http\n", "NSB-CONFIG-002"),
        ("[http]\nlisten = 80\n", "NSB-CONFIG-001"),
        ("[clients]\nunknown = \"maybe\"\n", "NSB-CONFIG-001"),
        ("[[boot]]\nmode = \"off\"\n", "NSB-CONFIG-003"),
        (
            "[[boot]]\ninterface = \"a b\"\nmode = \"off\"\n",
            "NSB-CONFIG-001",
        ),
        (
            "[[boot]]\ninterface = \"br0\"\nrange = \"10.0.0.2\"\n",
            "NSB-CONFIG-001",
        ),
    ] {
        refused_start(&[], Some(text), says, 2);
    }
}

fn refused_start(flags: &[&str], file: Option<&str>, says: &str, exit: i32) {
    let dir = tempfile::tempdir().expect("temp dir");
    let mut command = nsboot();
    command
        .args(["serve", "--data"])
        .arg(dir.path().join("data"))
        .args(flags);
    if let Some(text) = file {
        let path = dir.path().join("nsboot.toml");
        std::fs::write(&path, text).expect("written");
        command.arg("--config").arg(path);
    }
    let output = command.output().expect("nsboot runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        output.status.code(),
        Some(exit),
        "{flags:?} {file:?}: {said}"
    );
    assert!(said.contains(says), "{flags:?} {file:?}: {said}");
    assert!(
        !dir.path().join("data").exists(),
        "{flags:?} {file:?}: left a data directory"
    );
    assert!(output.stdout.is_empty(), "nothing was announced");
}
