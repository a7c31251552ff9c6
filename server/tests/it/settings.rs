//! Settings over real connections: what is saved holds at the next start, where the page is moves live,
//! and a network change that nobody confirms by a new connection goes back, whatever becomes of the
//! server meanwhile.

use crate::server::{Answer, Server};
use serde_json::{Value, json};
use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

const PATH: &str = "/api/v1/settings";
/// A trial's shortest time, with what a busy box may add.
const PATIENCE: Duration = Duration::from_secs(60);

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("bound").port()
}

fn at(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

/// A server that is where its saved setting says.
fn saved_at(port: u16) -> Server {
    let server = Server::start();
    let session = server.login();
    let params = json!({"values": {"http.listen": at(port)}});
    let view = session.json("PATCH", PATH, params).value();
    assert_eq!(
        view["trial"],
        Value::Null,
        "the flag hides it: nothing is moved"
    );
    let listen = setting(&view, "http.listen");
    assert_eq!(
        (&listen["source"], &listen["saved"]),
        (&json!("flag"), &json!(at(port)))
    );
    let server = Server::where_it_is_saved(server.stop().1);
    assert_eq!(server.base, format!("http://{}", at(port)));
    server
}

fn setting(view: &Value, key: &str) -> Value {
    let all = view["settings"].as_array().expect("settings");
    all.iter().find(|s| s["key"] == key).expect(key).clone()
}

/// Somebody signed in, wherever the page is.
struct Admin {
    token: String,
}

impl Admin {
    fn of(server: &Server) -> Admin {
        Admin {
            token: format!("Bearer {}", server.login().access),
        }
    }

    fn ask(&self, port: u16, method: &str, path: &str, body: &Value) -> Result<Answer, String> {
        let headers = [
            ("authorization", self.token.as_str()),
            ("content-type", "application/json"),
        ];
        let body = match body {
            Value::Null => Vec::new(),
            body => body.to_string().into_bytes(),
        };
        Server::ask(
            &format!("http://{}", at(port)),
            method,
            path,
            &headers,
            &body,
        )
    }

    fn change(&self, port: u16, values: Value) -> Answer {
        let body = json!({"values": values, "confirm_within_seconds": 10});
        self.ask(port, "PATCH", PATH, &body).expect("an answer")
    }

    fn confirm(&self, port: u16, revision: u64) -> Answer {
        let body = json!({"revision": revision});
        let path = format!("{PATH}/actions/confirm");
        self.ask(port, "POST", &path, &body).expect("an answer")
    }

    /// What became of a change.
    fn state(&self, port: u16, revision: u64) -> Value {
        let path = format!("{PATH}/revisions/{revision}");
        self.ask(port, "GET", &path, &Value::Null)
            .expect("an answer")
            .value()
    }
}

/// Waits until the page is at a port.
fn until_there(port: u16) {
    let begun = Instant::now();
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        assert!(begun.elapsed() < PATIENCE, "nobody is at {port}");
        thread::sleep(Duration::from_millis(50));
    }
}

fn is_gone(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err()
}

#[test]
fn the_page_moves_and_stays_when_it_is_confirmed_where_it_is_now() {
    let (first, second) = (free_port(), free_port());
    let server = saved_at(first);
    let admin = Admin::of(&server);
    let moved = admin.change(first, json!({"http.listen": at(second)}));
    assert_eq!(moved.status, 200, "{moved:?}");
    let trial = &moved.value()["trial"];
    assert_eq!(trial["listen"], at(second));
    assert!(is_gone(first));
    let revision = trial["revision"].as_u64().unwrap();
    let kept = admin.confirm(second, revision);
    assert_eq!(kept.status, 200, "{kept:?}");
    assert_eq!(kept.value()["trial"], Value::Null);
    let server = Server::where_it_is_saved(server.stop().1);
    assert_eq!(server.base, format!("http://{}", at(second)));
}

#[test]
fn a_change_that_cuts_the_page_off_comes_back_by_itself() {
    let (first, second) = (free_port(), free_port());
    let server = saved_at(first);
    let admin = Admin::of(&server);
    let moved = admin.change(
        first,
        json!({"http.listen": at(second), "clients.unknown": "adopt"}),
    );
    let revision = moved.value()["trial"]["revision"].as_u64().unwrap();
    assert!(
        is_gone(first),
        "whoever only reaches the old place is cut off"
    );
    until_there(first);
    assert!(is_gone(second));
    let state = admin.state(first, revision);
    assert_eq!(state["state"], "reverted", "{state}");
    let view = admin.ask(first, "GET", PATH, &Value::Null).unwrap().value();
    assert_eq!(
        setting(&view, "clients.unknown")["value"],
        "discover",
        "all of it goes back"
    );
}

#[test]
fn a_server_killed_in_a_trial_starts_where_it_was() {
    let (first, second) = (free_port(), free_port());
    let server = saved_at(first);
    let admin = Admin::of(&server);
    let moved = admin.change(first, json!({"http.listen": at(second)}));
    assert_eq!(moved.status, 200, "{moved:?}");
    let server = Server::where_it_is_saved(server.kill());
    assert_eq!(server.base, format!("http://{}", at(first)));
    let revision = moved.value()["trial"]["revision"].as_u64().unwrap();
    let state = Admin::of(&server).state(first, revision);
    assert_eq!(state["state"], "reverted", "{state}");
}

#[test]
fn a_place_that_is_taken_is_refused_and_one_port_serves_another_address() {
    let first = free_port();
    let server = saved_at(first);
    let admin = Admin::of(&server);
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let refused = admin.change(first, json!({"http.listen": at(port)}));
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (409, "NSB-SETTING-002"),
        "{refused:?}"
    );
    assert!(refused.text().contains("another port"), "{refused:?}");
    // TEST-NET-1: no address of this box.
    let nowhere = admin.change(first, json!({"http.listen": format!("192.0.2.1:{first}")}));
    assert_eq!(nowhere.status, 409, "{nowhere:?}");
    let view = admin.ask(first, "GET", PATH, &Value::Null).unwrap().value();
    assert_eq!(view["trial"], Value::Null);
    assert_eq!(setting(&view, "http.listen")["saved"], at(first));

    let moved = admin.change(first, json!({"http.listen": format!("127.0.0.2:{first}")}));
    assert_eq!(moved.status, 200, "{moved:?}");
    assert!(is_gone(first));
    assert!(TcpStream::connect((Ipv4Addr::new(127, 0, 0, 2), first)).is_ok());
}

#[test]
fn a_connection_from_before_proves_nothing_and_ends() {
    let server = Server::start();
    let session = server.login();
    let place: SocketAddr = server.base.trim_start_matches("http://").parse().unwrap();
    let mut old = TcpStream::connect(place).unwrap();
    old.set_read_timeout(Some(PATIENCE)).unwrap();
    let get = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    old.write_all(get.as_bytes()).unwrap();
    let mut answer = [0; 4096];
    assert!(old.read(&mut answer).unwrap() > 0);
    // An interface that is not there: the plane says so, and the page goes on.
    let network = json!({"mode": "full", "range": "10.77.0.100-10.77.0.199"});
    let params = json!({"values": {"boot.nsb-none9": network}, "confirm_within_seconds": 60});
    let changed = session.json("PATCH", PATH, params);
    assert_eq!(
        changed.header("connection").as_deref(),
        Some("close"),
        "by an old one, too"
    );
    let view = changed.value();
    assert_eq!(view["trial"]["revision"], 1, "{view}");
    assert_eq!(old.read(&mut answer).unwrap(), 0, "it is closed");
    let networks = session.items("/api/v1/networks");
    assert!(
        networks.iter().any(|n| n["interface"] == "nsb-none9"),
        "{networks:?}"
    );
    let kept = session.json(
        "POST",
        "/api/v1/settings/actions/confirm",
        json!({"revision": 1}),
    );
    assert_eq!(kept.status, 200, "a new connection: {kept:?}");
    let again = session.json(
        "POST",
        "/api/v1/settings/actions/confirm",
        json!({"revision": 1}),
    );
    assert_eq!(again.code(), "NSB-SETTING-002", "{again:?}");
}

#[test]
fn a_change_is_previewed_made_and_undone_by_command_line_and_rest() {
    let server = Server::start();
    let session = server.login();
    let preview = server.run(&["setting", "preview", "clients.unknown=adopt", "-o", "json"]);
    let preview: Value = serde_json::from_slice(&preview.stdout).expect("JSON");
    assert_eq!(preview["changes"][0]["after"], "adopt");
    assert_eq!(
        session.get(PATH).value()["revision"],
        0,
        "a preview changes nothing"
    );
    assert!(
        server
            .run(&["setting", "set", "clients.unknown=adopt"])
            .status
            .success()
    );
    let shown = session.get(PATH);
    assert_eq!(
        setting(&shown.value(), "clients.unknown")["source"],
        "database"
    );
    let stale = session.send(
        "PATCH",
        PATH,
        &[("content-type", "application/json"), ("if-match", "\"0\"")],
        br#"{"values":{"clients.unknown":"discover"}}"#,
    );
    assert_eq!(stale.status, 412, "{stale:?}");
    assert!(server.run(&["setting", "undo", "1"]).status.success());
    assert_eq!(
        setting(&session.get(PATH).value(), "clients.unknown")["value"],
        "discover"
    );
    let history = session.items("/api/v1/settings/revisions");
    let states: Vec<_> = history
        .iter()
        .map(|r| r["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["applied", "undone"]);
    let bad = server.run(&["setting", "set", "clients.unknwon=adopt"]);
    let said = String::from_utf8_lossy(&bad.stderr).into_owned();
    assert!(
        said.contains("clients.unknown") && bad.status.code() == Some(1),
        "{said}"
    );
    let entries = session.items("/api/v1/audit?action=setting");
    let done: Vec<_> = entries
        .iter()
        .map(|e| (&e["action"], &e["result"]))
        .collect();
    let said = |action: &str, result: &str| (json!(action), json!(result));
    let told: Vec<_> = done
        .into_iter()
        .map(|(a, r)| (a.clone(), r.clone()))
        .collect();
    assert_eq!(
        told,
        [
            said("setting.update", "NSB-SETTING-001"),
            said("setting.undo", "ok"),
            said("setting.update", "NSB-SETTING-003"),
            said("setting.update", "ok"),
        ]
    );
}

#[test]
fn only_sites_on_the_list_may_use_the_api_and_with_a_token_only() {
    let server = Server::start();
    let session = server.login();
    let wiki = ("origin", "https://wiki.example");
    let ask = |origin, method| {
        server.send(
            "OPTIONS",
            "/api/v1/clients",
            &[origin, ("access-control-request-method", method)],
            b"",
        )
    };
    assert_eq!(
        ask(wiki, "POST").header("access-control-allow-origin"),
        None
    );
    let list =
        json!({"values": {"http.allowed_origins": "https://wiki.example, http://other.lan:8080"}});
    assert_eq!(session.json("PATCH", PATH, list).status, 200);
    let allowed = ask(wiki, "POST");
    assert_eq!(
        allowed.header("access-control-allow-origin").as_deref(),
        Some("https://wiki.example")
    );
    assert_eq!(allowed.header("access-control-allow-credentials"), None);
    let evil = ("origin", "https://wiki.example.evil");
    assert_eq!(
        ask(evil, "POST").header("access-control-allow-origin"),
        None
    );

    let new = |n: u8| {
        json!({"name": format!("pc-{n}"), "mac": format!("52:54:00:00:00:{n:02}")}).to_string()
    };
    let kind = ("content-type", "application/json");
    let made = session.send("POST", "/api/v1/clients", &[wiki, kind], new(1).as_bytes());
    assert_eq!(made.status, 201, "{made:?}");
    let strange = session.send("POST", "/api/v1/clients", &[evil, kind], new(2).as_bytes());
    assert_eq!(strange.status, 403, "{strange:?}");
    // A cookie that a browser sends by itself counts for nothing there.
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let login = format!(
        "username=admin&password={}",
        crate::server::PASSWORD.replace(' ', "+")
    );
    let signed_in = server.send("POST", "/fn/login", &form, login.as_bytes());
    let cookie = signed_in.cookie.expect("a session");
    let cookie = cookie.split(';').next().unwrap();
    let by_cookie = server.send(
        "POST",
        "/api/v1/clients",
        &[wiki, kind, ("cookie", cookie)],
        new(3).as_bytes(),
    );
    assert_eq!(by_cookie.status, 401, "{by_cookie:?}");
    let page = server.send(
        "POST",
        "/fn/clients/add",
        &[wiki, form[0], ("cookie", cookie)],
        b"name=x&mac=52:54:00:00:00:09",
    );
    assert_eq!(page.status, 403, "{page:?}");
    assert_eq!(session.items("/api/v1/clients").len(), 1);
}
