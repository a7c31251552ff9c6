//! The WebSocket: snapshot, deltas, and the end of the session.

use crate::{
    api::add,
    server::{Server, Session},
};
use futures_util::StreamExt;
use serde_json::json;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest, http::HeaderValue},
};
use types::{Event, ServerFrame};

pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

pub async fn open(server: &Server, headers: &[(&'static str, String)]) -> Result<Socket, Error> {
    let url = format!("{}/api/v1/ws", server.base.replace("http://", "ws://"));
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
async fn a_snapshot_then_each_change_with_the_next_number() {
    let server = Server::start();
    let session = server.login();
    add(&session, "before", 1);
    let mut socket = open(&server, &[bearer(&session)]).await.expect("open");
    let ServerFrame::Snapshot {
        seq: first,
        snapshot,
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
    for n in 1..=3 {
        let ServerFrame::Delta { seq, event } = next(&mut socket).await else {
            panic!("deltas follow");
        };
        assert_eq!(seq, first + n);
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
    let mut socket = open(&server, &[bearer(&session)]).await.expect("open");
    next(&mut socket).await;
    assert_eq!(
        session.send("POST", "/api/v1/auth/logout", &[], b"").status,
        204
    );
    let ended = tokio::time::timeout(Duration::from_secs(20), async {
        while let Some(Ok(message)) = socket.next().await {
            if let Message::Close(Some(frame)) = message {
                return Some(u16::from(frame.code));
            }
        }
        None
    });
    assert_eq!(ended.await.expect("in time"), Some(1008));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_and_other_sites_pages_do_not_get_in() {
    let server = Server::start();
    let session = server.login();
    let origin = ("origin", "http://evil.example".to_string());
    for (headers, status) in [(vec![], 401), (vec![bearer(&session), origin], 403)] {
        match open(&server, &headers).await {
            Err(Error::Http(answer)) => assert_eq!(answer.status().as_u16(), status),
            other => panic!("{:?}", other.map(|_| "open")),
        }
    }
}
