//! The WebSocket: snapshot, deltas, topics, resumption, the end of the session, and its document.

use crate::{
    api::{add, upload},
    server::{Server, Session},
};
use futures_util::StreamExt;
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest, http::HeaderValue},
};
use types::{Event, Position, ServerFrame, Topic, Topics};
use utoipa::PartialSchema;

pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

pub async fn open(
    server: &Server,
    query: &str,
    headers: &[(&'static str, String)],
) -> Result<Socket, Error> {
    let base = server.base.replace("http://", "ws://");
    let url = format!("{base}/api/v1/ws{query}");
    let mut request = url.into_client_request()?;
    for (name, value) in headers {
        request.headers_mut().insert(
            *name,
            HeaderValue::try_from(value.as_str()).expect("header"),
        );
    }
    connect_async(request).await.map(|(socket, _)| socket)
}

pub fn bearer(session: &Session<'_>) -> (&'static str, String) {
    ("authorization", format!("Bearer {}", session.access))
}

/// As the signed-in caller, with this query.
async fn reader(session: &Session<'_>, query: &str) -> Socket {
    let opened = open(session.server, query, &[bearer(session)]).await;
    opened.expect("open")
}

fn place(frame: &ServerFrame) -> Position {
    Position::after(None, frame).expect("it says where it stands")
}

pub async fn next(socket: &mut Socket) -> ServerFrame {
    loop {
        let message = tokio::time::timeout(Duration::from_secs(20), socket.next()).await;
        match message.expect("in time").expect("open").expect("whole") {
            Message::Text(text) => return serde_json::from_str(&text).expect("a frame"),
            Message::Ping(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_then_each_change_with_a_higher_number() {
    let server = Server::start();
    let session = server.login();
    add(&session, "before", 1);
    let mut socket = reader(&session, "").await;
    let ServerFrame::Snapshot {
        seq: first,
        snapshot,
        ..
    } = next(&mut socket).await
    else {
        panic!("a snapshot comes first");
    };
    assert_eq!(
        snapshot
            .clients
            .iter()
            .map(|c| c.name.as_str())
            .collect::<Vec<_>>(),
        ["before"]
    );
    let made = add(&session, "after", 2);
    let at = format!("/api/v1/clients/{}", made["id"].as_str().expect("id"));
    session.json("PATCH", &at, json!({"mode": "keep"}));
    session.send("DELETE", &at, &[], b"");
    let mut kinds = Vec::new();
    let mut last = first;
    for _ in 1..=3 {
        let ServerFrame::Delta { seq, event } = next(&mut socket).await else {
            panic!("deltas follow");
        };
        // It skips those of topics that were not asked for: the audit log's.
        assert!(seq > std::mem::replace(&mut last, seq), "{seq}");
        kinds.push(match *event {
            Event::ClientChanged { client } => format!("{} {:?}", client.name, client.mode),
            Event::ClientRemoved { id } => format!("removed {}", made["id"] == id.to_string()),
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(kinds, ["after Reset", "after Keep", "removed true"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_closes_when_the_session_ends() {
    let server = Server::start();
    let session = server.login();
    let mut socket = reader(&session, "").await;
    next(&mut socket).await;
    assert_eq!(
        session.send("POST", "/api/v1/auth/logout", &[], b"").status,
        204
    );
    assert_eq!(
        end(&mut socket).await,
        (4401, "the session has ended".into())
    );
    // Another sign-in of the same user is not disturbed, and that one does not come back.
    let other = server.login();
    assert!(matches!(
        next(&mut reader(&other, "").await).await,
        ServerFrame::Snapshot { .. }
    ));
    match open(&server, "", &[bearer(&session)]).await {
        Err(Error::Http(answer)) => assert_eq!(answer.status(), 401),
        other => panic!("{:?}", other.map(|_| "open")),
    }
}

/// How a socket is closed, within a second: not only when it is looked at the next time, which is
/// every five.
async fn end(socket: &mut Socket) -> (u16, String) {
    let ended = tokio::time::timeout(Duration::from_secs(1), async {
        while let Some(Ok(message)) = socket.next().await {
            if let Message::Close(Some(frame)) = message {
                return Some((u16::from(frame.code), frame.reason.to_string()));
            }
        }
        None
    });
    ended.await.expect("at once").expect("with a word")
}

/// An account of this role, and its sign-in.
fn account<'a>(admin: &Session<'a>, name: &str, role: &str) -> Session<'a> {
    let body = json!({"username": name, "password": "correct horse", "role": role});
    assert_eq!(admin.json("POST", "/api/v1/users", body).status, 201);
    let body = json!({"username": name, "password": "correct horse"});
    let tokens = admin
        .server
        .json("POST", "/api/v1/auth/login", &body)
        .value();
    Session {
        server: admin.server,
        access: tokens["access_token"].as_str().expect("signed in").into(),
        refresh: String::new(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_closes_when_an_administrator_takes_session_role_token_or_account_away() {
    let server = Server::start();
    let admin = server.login();
    // A lower role ends the account's sign-ins.
    let ada = account(&admin, "ada", "admin");
    let mut lowered = reader(&ada, "?topics=jobs,audit").await;
    next(&mut lowered).await;
    // A token goes on with what its owner still may, and this connection was told more.
    let token = json!({"name": "ci", "role": "admin"});
    let token = ada.json("POST", "/api/v1/tokens", token).value();
    let ci = Session {
        server: &server,
        access: token["secret"].as_str().expect("a token").into(),
        refresh: String::new(),
    };
    let (mut all, mut some) = (reader(&ci, "?topics=audit").await, reader(&ci, "").await);
    next(&mut all).await;
    next(&mut some).await;
    let lower = json!({"role": "viewer"});
    assert_eq!(admin.json("PATCH", "/api/v1/users/ada", lower).status, 200);
    assert_eq!(end(&mut lowered).await.0, 4401);
    assert_eq!(end(&mut all).await.0, 4403);
    assert_eq!(end(&mut some).await.0, 4403);
    // It comes back for what it still may see, and for no more.
    let mut back = reader(&ci, "").await;
    next(&mut back).await;
    match open(&server, "?topics=audit", &[bearer(&ci)]).await {
        Err(Error::Http(answer)) => assert_eq!(answer.status(), 403),
        other => panic!("{:?}", other.map(|_| "open")),
    }
    let id = token["token"]["id"].as_str().expect("an id");
    let gone = admin.send("DELETE", &format!("/api/v1/tokens/{id}"), &[], b"");
    assert_eq!(gone.status, 204, "{gone:?}");
    assert_eq!(end(&mut back).await.0, 4401);

    // Somebody's sign-ins are ended, and an account is removed.
    for (name, method, path) in [
        ("bob", "DELETE", "/api/v1/users/bob/sessions"),
        ("eve", "DELETE", "/api/v1/users/eve"),
    ] {
        let somebody = account(&admin, name, "operator");
        let mut socket = reader(&somebody, "").await;
        next(&mut socket).await;
        let done = admin.send(method, path, &[], b"");
        assert!(done.status < 300, "{done:?}");
        assert_eq!(end(&mut socket).await.0, 4401, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_administrators_job_is_neither_told_nor_shown_to_others() {
    let server = Server::start();
    let admin = server.login();
    let viewer = account(&admin, "eve", "viewer");
    let mut socket = reader(&viewer, "?topics=jobs,clients").await;
    next(&mut socket).await;
    let job = admin
        .send("POST", "/api/v1/audit/actions/verify", &[], b"")
        .value();
    let id = job["id"].as_str().expect("an id");
    let at = format!("/api/v1/jobs/{id}");
    add(&admin, "after", 1);
    // What it hears next is the computer.
    let ServerFrame::Delta { event, .. } = next(&mut socket).await else {
        panic!("deltas follow");
    };
    assert_eq!(event.topic(), Topic::Clients, "{event:?}");
    assert_eq!(admin.get(&at).status, 200);
    assert_eq!(admin.items("/api/v1/jobs").len(), 1);
    let hidden = viewer.get(&at);
    assert_eq!(
        (hidden.status, hidden.code().as_str()),
        (404, "NSB-JOB-004")
    );
    assert!(viewer.items("/api/v1/jobs").is_empty());
    let operator = account(&admin, "bob", "operator");
    let cancel = operator.send("POST", &format!("{at}/actions/cancel"), &[], b"");
    assert_eq!(cancel.status, 404, "{cancel:?}");
    // The page asks by the same door.
    let body = format!("id={id}");
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("accept", "application/json"),
    ];
    let page = viewer.send("POST", "/fn/jobs/show", &headers, body.as_bytes());
    assert_eq!(page.status, 404, "{page:?}");
    let list = viewer.send("POST", "/fn/activity/list", &headers, b"show=all");
    assert!(list.status == 200 && !list.text().contains(id), "{list:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_gets_its_topics_and_no_other() {
    let server = Server::start();
    let session = server.login();
    add(&session, "before", 1);
    let mut socket = reader(&session, "?topics=images").await;
    let ServerFrame::Snapshot {
        topics, snapshot, ..
    } = next(&mut socket).await
    else {
        panic!("a snapshot comes first");
    };
    assert_eq!(topics.iter().collect::<Vec<_>>(), [Topic::Images]);
    assert!(snapshot.clients.is_empty(), "clients were not asked for");
    add(&session, "after", 2);
    let image = upload(&session, "disk", &[7; 4096]);
    loop {
        let ServerFrame::Delta { event, .. } = next(&mut socket).await else {
            panic!("deltas follow");
        };
        assert_eq!(event.topic(), Topic::Images, "{event:?}");
        if let Event::ImageChanged { image: i } = &*event
            && i.state == types::ImageState::Ready
        {
            assert_eq!(image["id"], i.id.to_string());
            break;
        }
    }
    let both = reader(&session, "?topics=boots,clients");
    let ServerFrame::Snapshot { snapshot, .. } = next(&mut both.await).await else {
        panic!("a snapshot comes first");
    };
    assert_eq!((snapshot.clients.len(), snapshot.images.len()), (2, 0));
}

#[test]
fn a_topic_that_is_not_there_is_refused_with_those_that_are() {
    let server = Server::start();
    let session = server.login();
    for query in ["topics=clients,cats", "topics=", "topics=Clients", "cats=1"] {
        let answer = session.get(&format!("/api/v1/ws?{query}"));
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "NSB-HTTP-400")
        );
    }
    let detail = session.get("/api/v1/ws?topics=cats").value()["detail"].to_string();
    assert!(detail.contains("cats"), "{detail}");
    for topic in Topic::ALL {
        assert!(detail.contains(topic.name()), "{detail}");
    }
    let plain = session.get("/api/v1/ws");
    assert_eq!(plain.code(), "NSB-HTTP-426", "no WebSocket was asked for");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_back_is_told_what_it_missed_and_no_more() {
    let server = Server::start();
    let session = server.login();
    let mut socket = reader(&session, "").await;
    let mut at = place(&next(&mut socket).await);
    add(&session, "seen", 1);
    let seen = next(&mut socket).await;
    at = Position::after(Some(at), &seen).expect("it has a number");
    // Cut, not closed.
    drop(socket);
    for n in 2..=4 {
        add(&session, &format!("missed-{n}"), n);
    }
    let mut back = reader(&session, &format!("?since={at}")).await;
    let resumed = next(&mut back).await;
    assert!(
        matches!(resumed, ServerFrame::Resumed { .. }),
        "{resumed:?}"
    );
    assert_eq!(place(&resumed), at);
    let mut last = at.seq;
    for n in 2..=4u8 {
        let ServerFrame::Delta { seq, event } = next(&mut back).await else {
            panic!("no snapshot: nothing was lost");
        };
        assert!(seq > std::mem::replace(&mut last, seq), "{seq}");
        assert!(
            matches!(&*event, Event::ClientChanged { client } if client.name == format!("missed-{n}")),
            "{event:?}"
        );
    }
    // What it can't be told: numbers of another run, such that have not come, and nonsense.
    let ahead = format!("{}-999999", at.run);
    for since in ["0-1", ahead.as_str(), "nonsense", ""] {
        let first = next(&mut reader(&session, &format!("?since={since}")).await).await;
        assert!(
            matches!(first, ServerFrame::Snapshot { .. }),
            "{since}: {first:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_started_again_is_not_taken_for_the_former() {
    let server = Server::start();
    let session = server.login();
    let at = place(&next(&mut reader(&session, "").await).await);
    let server = server.restart();
    let session = server.login();
    // The new one has counted at least as far.
    add(&session, "other", 1);
    let first = next(&mut reader(&session, &format!("?since={at}")).await).await;
    let ServerFrame::Snapshot { snapshot, run, .. } = first else {
        panic!("a snapshot: {first:?}");
    };
    assert_eq!(snapshot.clients.len(), 1);
    assert_ne!(run, at.run);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_and_other_sites_pages_do_not_get_in() {
    let server = Server::start();
    let session = server.login();
    let origin = ("origin", "http://evil.example".to_string());
    for (headers, status) in [(vec![], 401), (vec![bearer(&session), origin], 403)] {
        match open(&server, "", &headers).await {
            Err(Error::Http(answer)) => assert_eq!(answer.status().as_u16(), status),
            other => panic!("{:?}", other.map(|_| "open")),
        }
    }
}

/// Every `type` that an event can have, as the type itself says: a new one is here by itself.
fn types_of_events() -> Vec<String> {
    let schema = serde_json::to_value(Event::schema()).expect("JSON");
    let all = schema["oneOf"].as_array().expect("one of several");
    let name = |of: &Value| {
        let kind = &of["properties"]["type"];
        let name = kind["const"].as_str().or(kind["enum"][0].as_str());
        name.unwrap_or_else(|| panic!("{of}")).to_string()
    };
    all.iter().map(name).collect()
}

/// Each example of the document is a frame, whole and with nothing that frames do not have.
#[test]
fn the_document_shows_frames_as_they_are() {
    let text = include_str!("../../../docs/websocket.md");
    let examples = text.split("```json\n").skip(1);
    let mut kinds = BTreeSet::new();
    for example in examples.map(|e| e.split("```").next().expect("closed")) {
        let value: Value = serde_json::from_str(example).expect("JSON");
        let frame: ServerFrame = serde_json::from_str(example).expect("a frame");
        assert_eq!(serde_json::to_value(&frame).expect("JSON"), value);
        kinds.insert(value["kind"].to_string());
    }
    assert_eq!(kinds.len(), 3, "an example of each kind: {kinds:?}");
    for topic in Topic::ALL {
        assert!(text.contains(&format!("`{}`", topic.name())), "{topic:?}");
    }
    let events = types_of_events();
    assert!(events.len() >= 11, "{events:?}");
    for event in events {
        let in_table = |line: &str| line.starts_with("| `") && line.contains(&format!("`{event}`"));
        assert!(text.lines().any(in_table), "{event} is not in the table");
    }
    for code in ["4401", "4403", "1001", "1008"] {
        assert!(text.contains(code), "{code}");
    }
    assert!(text.contains(&Topics::default().to_string()));
}
