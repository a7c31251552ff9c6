//! Space, what is offered, and what computers wrote, as programs see them; and a hand in the data folder.

use crate::{
    api::{add, upload},
    server::{Server, Session},
};
use serde_json::{Value, json};
use std::{
    fs,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

const ORPHAN: &str = "01934c5e-7b00-7000-8000-0000000000aa";

fn overlay_files(server: &Server) -> Vec<PathBuf> {
    let all = fs::read_dir(server.data().join("overlays")).expect("a folder");
    all.map(|entry| entry.expect("an entry").path()).collect()
}

/// A computer with an empty overlay: a superclient begins with one.
fn with_overlay(session: &Session<'_>) {
    add(session, "a01", 1);
    upload(session, "debian", &[7; 8192]);
    let image = json!({"image": "debian"});
    let given = session.json("PATCH", "/api/v1/clients/a01", image);
    assert_eq!(given.status, 200, "{given:?}");
    let who = json!({"client": "a01"});
    let chosen = session.json("PUT", "/api/v1/images/debian/superclient", who);
    assert_eq!(chosen.status, 200, "{chosen:?}");
}

/// Asks until it is so; what it was in the end.
fn until(session: &Session<'_>, path: &str, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let items = session.items(path);
        if wanted(&items) || Instant::now() > deadline {
            return items;
        }
        thread::sleep(Duration::from_millis(200));
    }
}

fn said(output: &std::process::Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn an_orphan_is_shown_by_all_and_removed_once() {
    let server = Server::start();
    let session = server.login();
    let space = session.get("/api/v1/storage").value();
    assert!(space["total_bytes"].as_u64() > space["free_bytes"].as_u64());
    assert_eq!(space["forecast"], json!({"type": "unknown"}));
    assert!(said(&server.run(&["storage", "show"])).contains("not enough is known"));

    with_overlay(&session);
    let map = |id: &str| server.data().join("overlays").join(format!("{id}.map"));
    let own = session.get("/api/v1/clients/a01").value();
    let own = own["id"].as_str().expect("an id");
    fs::copy(map(own), map(ORPHAN)).expect("copied");
    let all = session.items("/api/v1/overlays?filter=is_orphan:true");
    let [orphan] = &all[..] else {
        panic!("{all:?}")
    };
    assert_eq!(
        (
            &orphan["client_id"],
            &orphan["image_name"],
            &orphan["version"]
        ),
        (&json!(ORPHAN), &json!("debian"), &json!(1))
    );
    let listed = said(&server.run(&["overlay", "ls"]));
    assert!(
        listed.contains("orphan") && listed.contains("a01"),
        "{listed}"
    );
    said(&server.run(&["overlay", "rm", ORPHAN]));
    assert!(!map(ORPHAN).exists() && map(own).exists());
    let again = session.send("DELETE", &format!("/api/v1/overlays/{ORPHAN}"), &[], b"");
    assert_eq!((again.status, again.code().as_str()), (404, "NSB-DISK-004"));
    let mut removed = session.items("/api/v1/audit?action=overlay.remove");
    // The refusal is written down, too, and nobody waits until it is.
    removed.retain(|entry| entry["result"] == "ok");
    assert_eq!(removed[0]["target"]["id"], json!(ORPHAN), "{removed:?}");
}

#[test]
fn after_a_restart_a_disk_is_offered_and_what_a_hand_took_away_is_not() {
    let server = Server::start();
    with_overlay(&server.login());
    let server = server.restart();
    let session = server.login();
    let exports = session.items("/api/v1/exports");
    let [export] = &exports[..] else {
        panic!("{exports:?}")
    };
    let facts = [
        "client_name",
        "image_name",
        "version",
        "size_bytes",
        "sessions",
    ];
    let facts = facts.map(|fact| export[fact].clone());
    let wanted = [
        json!("a01"),
        json!("debian"),
        json!(1),
        json!(8192),
        json!([]),
    ];
    assert_eq!(facts, wanted);
    assert_eq!(export["naa"].as_str().map(str::len), Some(16));
    assert!(said(&server.run(&["export", "ls"])).contains("debian 1"));
    assert!(said(&server.run(&["export", "show", "a01"])).contains("iqn.2026-11"));
    assert_eq!(said(&server.run(&["export", "sessions"])).trim(), "none");
    assert!(session.items("/api/v1/exports/a01/sessions").is_empty());

    // One that ran a moment ago may come back: its overlay stays.
    let early = session.send("DELETE", "/api/v1/overlays/a01", &[], b"");
    assert_eq!(
        (early.status, early.code().as_str()),
        (409, "NSB-CLIENT-002")
    );

    for file in overlay_files(&server) {
        fs::remove_file(file).expect("removed");
    }
    let left = until(&session, "/api/v1/exports", <[Value]>::is_empty);
    assert!(left.is_empty(), "{left:?}");
    assert!(session.items("/api/v1/overlays").is_empty());
    let gone = session.get("/api/v1/exports/a01");
    assert_eq!((gone.status, gone.code().as_str()), (404, "NSB-EXPORT-004"));
}
