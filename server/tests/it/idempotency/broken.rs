//! Keys where it breaks: processes that are killed, callers that hang up, commands whose connection is cut.

use super::{CLIENTS, entries, keyed, names, pc, refused};
use crate::server::{Server, Session, nsboot};
use serde_json::{Value, json};
use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

/// The process is killed again and again while changes are under way; each is asked for until it is
/// answered, and none is made twice.
#[test]
fn killed_in_the_middle_nothing_is_made_twice() {
    let mut server = Server::start();
    for round in 1..=4u8 {
        let session = server.login();
        let at = server
            .base
            .strip_prefix("http://")
            .expect("http")
            .to_string();
        let mut stream = TcpStream::connect(&at).expect("connects");
        stream
            .write_all(&raw(&at, &session, "k", round))
            .expect("sent");
        // Another moment each time; the outcome may be any, and must be told as it is.
        thread::sleep(Duration::from_millis(u64::from(round) * 2));
        drop(session);
        server = Server::launch(server.kill(), true);
        let session = server.login();
        let key = format!("k{round}");
        let again = keyed(&session, "POST", CLIENTS, &key, &pc(round));
        let there = names(&session).contains(&json!(format!("pc-{round}")));
        match again.status {
            201 => assert!(there),
            _ => refused(&again, 409, "NSB-KEY-004"),
        }
        if !there {
            let new = keyed(
                &session,
                "POST",
                CLIENTS,
                &format!("new{round}"),
                &pc(round),
            );
            assert_eq!(new.status, 201, "{new:?}");
        }
        assert_eq!(names(&session).len(), usize::from(round));
    }
    assert_eq!(entries(&server.login(), "client.create"), 4);
}

/// A request as bytes; its key has the number of the computer.
fn raw(at: &str, session: &Session<'_>, key: &str, n: u8) -> Vec<u8> {
    let body = pc(n).to_string();
    format!(
        "POST {CLIENTS} HTTP/1.1\r\nhost: {at}\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
         idempotency-key: {key}{n}\r\ncontent-length: {}\r\n\r\n{body}",
        session.access,
        body.len()
    )
    .into_bytes()
}

#[test]
fn a_caller_that_hangs_up_finds_its_change_made_once() {
    let server = Server::start();
    let session = server.login();
    let at = server.base.strip_prefix("http://").expect("http");
    for n in 1..=8u8 {
        let mut stream = TcpStream::connect(at).expect("connects");
        stream.write_all(&raw(at, &session, "k", n)).expect("sent");
        drop(stream);
        let deadline = Instant::now() + Duration::from_secs(30);
        let answer = loop {
            let answer = keyed(&session, "POST", CLIENTS, &format!("k{n}"), &pc(n));
            if answer.status != 409 || Instant::now() > deadline {
                break answer;
            }
            refused(&answer, 409, "NSB-KEY-003");
        };
        assert_eq!(answer.status, 201, "{answer:?}");
    }
    assert_eq!(
        (names(&session).len(), entries(&session, "client.create")),
        (8, 8)
    );
}

/// Passes connections on to the server, and cuts the first one when its answer comes.
fn cutting_proxy(server: &Server) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = listener.local_addr().expect("bound");
    let to = server
        .base
        .strip_prefix("http://")
        .expect("http")
        .to_string();
    thread::spawn(move || {
        for (n, near) in listener.incoming().flatten().enumerate() {
            let far = TcpStream::connect(&to).expect("the server");
            let (mut from_near, mut to_far) = (
                near.try_clone().expect("a handle"),
                far.try_clone().expect("a handle"),
            );
            thread::spawn(move || std::io::copy(&mut from_near, &mut to_far));
            let (mut near, mut far) = (near, far);
            if n == 0 {
                // The change is made when this comes; whoever asked never hears of it.
                let _ = far.read(&mut [0; 1024]);
                let _ = near.shutdown(std::net::Shutdown::Both);
            } else {
                thread::spawn(move || std::io::copy(&mut far, &mut near));
            }
        }
    });
    format!("http://{at}")
}

#[test]
fn a_command_whose_connection_breaks_asks_again_and_changes_once() {
    let server = Server::start();
    let session = server.login();
    let base = cutting_proxy(&server);
    let added = nsboot()
        .args([
            "client",
            "add",
            "52:54:00:00:00:01",
            "--name",
            "pc-1",
            "-o",
            "json",
        ])
        .args(["--server", &base, "--token", &session.access])
        .output()
        .expect("it runs");
    assert!(
        added.status.success(),
        "{}",
        String::from_utf8_lossy(&added.stderr)
    );
    let made: Value = serde_json::from_slice(&added.stdout).expect("JSON");
    assert_eq!(made["name"], "pc-1");
    assert_eq!(entries(&session, "client.create"), 1, "made once");
    // What takes no key is not sent twice.
    let base = cutting_proxy(&server);
    let token = nsboot()
        .args(["token", "add", "ci", "--role", "viewer"])
        .args(["--server", &base, "--token", &session.access])
        .output()
        .expect("it runs");
    assert_eq!(
        token.status.code(),
        Some(6),
        "{}",
        String::from_utf8_lossy(&token.stderr)
    );
    assert_eq!(session.items("/api/v1/tokens").len(), 1);
}
