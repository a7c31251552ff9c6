//! Clients, images and lists over REST.

use crate::server::{Server, Session};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub fn add(session: &Session<'_>, name: &str, last: u8) -> Value {
    let body = json!({"name": name, "mac": format!("52:54:00:00:00:{last:02x}")});
    let answer = session.json("POST", "/api/v1/clients", body);
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.value()
}

pub fn upload(session: &Session<'_>, name: &str, disk: &[u8]) -> Value {
    let path = format!("/api/v1/images?name={name}");
    let answer = session.send(
        "POST",
        &path,
        &[("content-type", "application/octet-stream")],
        disk,
    );
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.value()
}

#[test]
fn a_client_is_made_changed_and_removed() {
    let server = Server::start();
    let session = server.login();
    let made = add(&session, "a01", 1);
    let at = format!("/api/v1/clients/{}", made["id"].as_str().expect("id"));
    let read = session.get(&at);
    assert_eq!(read.value(), made);
    let etag = read.etag.expect("ETag");
    for alias in ["a01", "A01", "52:54:00:00:00:01", "52-54-00-00-00-01"] {
        assert_eq!(
            session.get(&format!("/api/v1/clients/{alias}")).value()["id"],
            made["id"],
            "{alias}"
        );
    }

    let change = |tag: &str, body: Value| {
        let headers = [("content-type", "application/json"), ("if-match", tag)];
        session.send("PATCH", &at, &headers, body.to_string().as_bytes())
    };
    let changed = change(&etag, json!({"name": "a02", "mode": "keep"}));
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_ne!(changed.etag.as_ref(), Some(&etag));
    assert_eq!(
        (&changed.value()["name"], &changed.value()["mode"]),
        (&json!("a02"), &json!("keep"))
    );

    let stale = change(&etag, json!({"name": "a03"}));
    assert_eq!(
        (stale.status, stale.code().as_str()),
        (412, "NSB-CLIENT-003")
    );
    assert_eq!(session.get(&at).value()["name"], "a02", "unchanged");
    assert_eq!(
        session
            .send("DELETE", &at, &[("if-match", etag.as_str())], b"")
            .status,
        412
    );
    assert_eq!(
        session
            .send("DELETE", &at, &[("if-match", "*")], b"")
            .status,
        204
    );
    assert_eq!(session.get(&at).status, 404);
}

#[test]
fn clients_outlive_a_restart() {
    let server = Server::start();
    add(&server.login(), "a01", 1);
    let server = server.restart();
    let names: Vec<Value> = server
        .login()
        .items("/api/v1/clients")
        .iter()
        .map(|c| c["name"].clone())
        .collect();
    assert_eq!(names, [json!("a01")]);
}

#[test]
fn lists_come_in_pages() {
    let server = Server::start();
    let session = server.login();
    for n in 1..=7 {
        add(&session, &format!("a{n}"), n);
    }
    let (mut seen, mut path) = (Vec::new(), "/api/v1/clients?limit=3".to_string());
    for _ in 0..10 {
        let page = session.get(&path).value();
        seen.extend(
            page["items"]
                .as_array()
                .expect("items")
                .iter()
                .map(|c| c["name"].clone()),
        );
        match page["next"].as_str() {
            Some(next) => path = format!("/api/v1/clients?limit=3&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(
        seen,
        (1..=7).map(|n| json!(format!("a{n}"))).collect::<Vec<_>>()
    );
}

/// What the description says of a list's items can be asked for.
#[test]
fn lists_are_ordered_and_filtered_by_every_field_of_their_items() {
    let server = Server::start();
    let session = server.login();
    let made = add(&session, "a01", 1);
    upload(&session, "debian", &[0; 4096]);
    let token = json!({"name": "ci", "role": "viewer"});
    assert_eq!(session.json("POST", "/api/v1/tokens", token).status, 201);
    let saved = json!({"values": {"clients.unknown": "adopt"}});
    let saved = session.json("PATCH", "/api/v1/settings", saved);
    assert_eq!(saved.status, 200, "{saved:?}");
    let api = server.send("GET", "/api/openapi.json", &[], b"").value();
    let mut asked = Vec::new();
    for (path, item) in api["paths"].as_object().expect("paths") {
        let parameters = item["get"]["parameters"].as_array();
        let sorted = |p: &Value| p["name"] == "sort";
        if !parameters.is_some_and(|p| p.iter().any(sorted)) {
            continue;
        }
        let at = path
            .replace("{client}", made["id"].as_str().expect("id"))
            .replace("{user}", "admin");
        let good = &item["get"]["responses"]["200"]["content"]["application/json"]["schema"];
        let list = resolved(&api, good);
        let item = resolved(&api, &list["properties"]["items"]["items"]);
        let fields = item["properties"].as_object().expect("fields");
        for field in fields.keys() {
            let page = session.get(&format!("{at}?sort=-{field}&filter={field}:~"));
            assert_eq!(page.status, 200, "{path} {field}: {page:?}");
        }
        if !session.items(&at).is_empty() {
            asked.push(path.as_str());
        }
    }
    for full in [
        "auth/sessions",
        "clients",
        "images",
        "jobs",
        "settings/revisions",
        "system/tasks",
        "tokens",
        "users",
        "users/{user}/sessions",
    ] {
        let full = format!("/api/v1/{full}");
        assert!(
            asked.contains(&full.as_str()),
            "{full} had items: {asked:?}"
        );
    }
}

/// A schema, or the one that it refers to.
fn resolved<'a>(api: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(place) => api.pointer(&place[1..]).expect("it is there"),
        None => schema,
    }
}

#[test]
fn an_image_is_uploaded_used_and_removed() {
    let server = Server::start();
    let session = server.login();
    // Sparse in the middle.
    let mut disk = vec![7u8; 1 << 20];
    disk[4096..900_000].fill(0);
    let sum: String = Sha256::digest(&disk)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    let path = format!("/api/v1/images?name=debian&sha256={sum}");
    let answer = session.send(
        "POST",
        &path,
        &[("content-type", "application/octet-stream")],
        &disk,
    );
    assert_eq!(answer.status, 201, "{answer:?}");
    let image = answer.value();
    assert_eq!(
        (&image["state"], &image["sha256"]),
        (&json!("ready"), &json!(sum))
    );
    assert_eq!(image["size_bytes"], disk.len());
    assert!(
        answer
            .location
            .is_some_and(|l| l.ends_with(image["id"].as_str().expect("id")))
    );

    let client = add(&session, "a01", 1);
    let at = format!("/api/v1/clients/{}", client["id"].as_str().expect("id"));
    assert_eq!(
        session
            .json("PATCH", &at, json!({"image": "debian"}))
            .value()["image_id"],
        image["id"]
    );
    let used = session.send("DELETE", "/api/v1/images/debian", &[], b"");
    assert_eq!((used.status, used.code().as_str()), (409, "NSB-IMAGE-002"));
    assert_eq!(
        session.json("PATCH", &at, json!({"image": ""})).value()["image_id"],
        Value::Null
    );
    assert_eq!(
        session
            .send("DELETE", "/api/v1/images/debian", &[], b"")
            .status,
        204
    );
    assert!(session.items("/api/v1/images").is_empty());
}

#[test]
fn an_upload_that_breaks_off_leaves_nothing() {
    use std::io::Write;
    let server = Server::start();
    let session = server.login();
    let host = server.base.trim_start_matches("http://");
    let mut stream = std::net::TcpStream::connect(host).expect("reachable");
    let head = format!(
        "POST /api/v1/images?name=half HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {}\r\ncontent-length: 1048576\r\n\r\n",
        session.access
    );
    stream.write_all(head.as_bytes()).expect("sent");
    stream.write_all(&[1; 100_000]).expect("sent");
    stream.shutdown(std::net::Shutdown::Both).expect("cut");
    // The name is free again once the server has noticed.
    let whole = (0..200).find_map(|_| {
        let answer = session.send("POST", "/api/v1/images?name=half", &[], &[1; 4096]);
        (answer.status == 201).then_some(answer).or_else(|| {
            std::thread::sleep(std::time::Duration::from_millis(50));
            None
        })
    });
    assert!(whole.is_some(), "the name stays taken");
    let ready: Vec<Value> = session
        .items("/api/v1/images")
        .into_iter()
        .filter(|i| i["state"] == "ready")
        .collect();
    assert_eq!(ready.len(), 1);
    assert_eq!(ready[0]["size_bytes"], 4096);
}
