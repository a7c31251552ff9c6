//! Data disks as programs, the command line and the page see them.

use crate::{
    api::{add, upload},
    server::{Server, Session},
};
use serde_json::{Value, json};
use std::{
    thread,
    time::{Duration, Instant},
};

fn said(output: &std::process::Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn names(client: &Value) -> Vec<&str> {
    let disks = client["data_disks"].as_array().expect("a list");
    let disks = disks.iter().map(|disk| disk["image_name"].as_str());
    disks.map(|name| name.expect("a name")).collect()
}

fn set(session: &Session<'_>, change: Value) -> Value {
    let set = session.json("PATCH", "/api/v1/clients/a01", change);
    assert_eq!(set.status, 200, "{set:?}");
    set.value()
}

/// A computer that starts from `debian`, and two images more.
fn prepare(session: &Session<'_>) {
    add(session, "a01", 1);
    for (name, byte) in [("debian", 7), ("games", 8), ("tools", 9)] {
        upload(session, name, &[byte; 8192]);
    }
    set(session, json!({"image": "debian"}));
}

#[test]
fn a_list_is_given_shown_and_taken_away() {
    let server = Server::start();
    let session = server.login();
    prepare(&session);
    let given = set(&session, json!({"data_disks": ["games", "TOOLS"]}));
    assert_eq!(names(&given), ["games", "tools"]);
    let id = given["data_disks"][0]["image_id"].clone();
    let other = set(&session, json!({"mode": "keep"}));
    assert_eq!(names(&other), ["games", "tools"], "what is absent stays");
    for (list, status, code) in [
        (json!(["debian"]), 409, "NSB-CLIENT-002"),
        (json!(["games", id]), 422, "NSB-CLIENT-001"),
        (json!(["games", "none"]), 404, "NSB-IMAGE-004"),
    ] {
        let refused = session.json("PATCH", "/api/v1/clients/a01", json!({"data_disks": list}));
        assert_eq!((refused.status, refused.code().as_str()), (status, code));
    }
    let used = session.send("DELETE", "/api/v1/images/games", &[], b"");
    assert_eq!(used.status, 409);
    assert!(used.text().contains("a01"), "{used:?}");
    let image = session.get("/api/v1/images/games").value();
    assert_eq!(
        (&image["client_count"], &image["data_client_count"]),
        (&json!(0), &json!(1))
    );
    // A refusal is written down whenever it is: it may come before what was done.
    let log = session.items("/api/v1/audit?action=client.update");
    let mut done = log.iter().filter(|entry| entry["result"] == "ok");
    assert!(
        done.any(|entry| entry["after"]["data_disks"] == json!(["games", "tools"])),
        "{log:?}"
    );

    // The same by the command line.
    let shown = said(&server.run(&["client", "set", "a01", "--data-disk", "tools", "-o", "json"]));
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    assert_eq!(names(&shown), ["tools"]);
    let both = [
        "client",
        "set",
        "a01",
        "--data-disk",
        "games",
        "--data-disk",
        "tools",
    ];
    said(&server.run(&both));
    let shown = said(&server.run(&["client", "show", "a01"]));
    assert!(shown.contains("games (0 B), tools (0 B)"), "{shown}");
    assert!(
        said(&server.run(&["client", "explain", "a01"])).contains("as data disks: games, tools")
    );
    let contradiction = [
        "client",
        "set",
        "a01",
        "--data-disk",
        "games",
        "--no-data-disks",
    ];
    assert_eq!(server.run(&contradiction).status.code(), Some(2));
    said(&server.run(&["client", "set", "a01", "--no-data-disks"]));
    assert_eq!(
        session.get("/api/v1/clients/a01").value()["data_disks"],
        json!([])
    );
    let mac = "52:54:00:00:00:02";
    let new = [
        "client",
        "add",
        mac,
        "--name",
        "a02",
        "--image",
        "debian",
        "--data-disk",
        "games",
    ];
    said(&server.run(&new));
    assert_eq!(
        names(&session.get("/api/v1/clients/a02").value()),
        ["games"]
    );
}

#[test]
fn what_a_superclient_holds_of_one_is_an_overlay_of_its_own_and_goes_with_the_list() {
    let server = Server::start();
    let session = server.login();
    prepare(&session);
    let client = set(&session, json!({"data_disks": ["games"]}));
    // A superclient begins with an empty overlay.
    let who = json!({"client": "a01"});
    let chosen = session.json("PUT", "/api/v1/images/games/superclient", who);
    assert_eq!(chosen.status, 200, "{chosen:?}");
    let taken = session.json("PATCH", "/api/v1/clients/a01", json!({"data_disks": []}));
    assert_eq!(taken.status, 409, "{taken:?}");
    let overlays = session.items("/api/v1/overlays");
    let [overlay] = &overlays[..] else {
        panic!("{overlays:?}")
    };
    let image = client["data_disks"][0]["image_id"].as_str().expect("an id");
    let id = format!("{}_{image}", client["id"].as_str().expect("an id"));
    assert_eq!(overlay["id"], json!(id));
    let facts = ["is_data", "is_orphan", "mode", "image_name", "version"];
    let facts = facts.map(|fact| overlay[fact].clone());
    assert_eq!(json!(facts), json!([true, false, "keep", "games", 1]));
    let listed = said(&server.run(&["overlay", "ls"]));
    assert!(listed.contains("data") && listed.contains(&id), "{listed}");
    let ended = session.send("DELETE", "/api/v1/images/games/superclient", &[], b"");
    assert_eq!(ended.status, 200, "{ended:?}");
    said(&server.run(&["overlay", "rm", &id]));
    assert!(session.items("/api/v1/overlays").is_empty());

    let again = session.json(
        "PUT",
        "/api/v1/images/games/superclient",
        json!({"client": "a01"}),
    );
    assert_eq!(again.status, 200, "{again:?}");
    let ended = session.send("DELETE", "/api/v1/images/games/superclient", &[], b"");
    assert_eq!(ended.status, 200, "{ended:?}");
    assert_eq!(session.items("/api/v1/overlays").len(), 1);
    set(&session, json!({"data_disks": []}));
    let deadline = Instant::now() + Duration::from_secs(60);
    while !session.items("/api/v1/overlays").is_empty() {
        assert!(Instant::now() < deadline, "its overlay is still there");
        thread::sleep(Duration::from_millis(100));
    }
    let gone = session.send("DELETE", "/api/v1/images/games", &[], b"");
    assert_eq!(gone.status, 204, "{gone:?}");
}
