//! `ls --watch`: it follows a server, also over its restart.

use crate::{
    api::{add, upload},
    server::{Server, lines, nsboot, waits_for_interrupt},
};
use serde_json::{Value, json};
use std::{
    process::{Child, Command, Stdio},
    sync::mpsc::Receiver,
    time::Duration,
};

/// A command that goes on until it is dropped, and the lines that it prints.
struct Follower {
    child: Child,
    lines: Receiver<String>,
}

impl Follower {
    fn start(command: &mut Command) -> Follower {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("nsboot starts");
        let lines = lines(child.stdout.take().expect("piped"));
        Follower { child, lines }
    }

    /// The next change, as `name` or `-id`.
    fn next(&self) -> String {
        let line = self.lines.recv_timeout(Duration::from_secs(60));
        let line = line.expect("a change is told");
        let event: Value = serde_json::from_str(&line).expect("one JSON object a line");
        let text = |v: &Value| v.as_str().expect("text").to_string();
        match event["type"].as_str() {
            Some("client_changed") => text(&event["client"]["name"]),
            Some("client_removed") => format!("-{}", text(&event["id"])),
            other => panic!("{other:?}"),
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn it_prints_what_is_there_then_each_change_also_after_a_restart() {
    let server = Server::start();
    add(&server.login(), "before", 1);
    let watch = Follower::start(
        nsboot()
            .args(["client", "ls", "--watch", "--data"])
            .arg(server.data()),
    );
    assert_eq!(watch.next(), "before");
    let session = server.login();
    let made = add(&session, "after", 2);
    assert_eq!(watch.next(), "after");
    let id = made["id"].as_str().expect("id").to_string();
    session.json(
        "PATCH",
        &format!("/api/v1/clients/{id}"),
        json!({"name": "renamed"}),
    );
    assert_eq!(watch.next(), "renamed");
    // The same socket in the same folder: the command comes back by itself, and what is as it was
    // is not told again.
    let server = server.restart();
    let session = server.login();
    session.send("DELETE", &format!("/api/v1/clients/{id}"), &[], b"");
    assert_eq!(watch.next(), format!("-{id}"));
    add(&session, "new", 3);
    assert_eq!(watch.next(), "new");
}

#[test]
fn it_follows_over_the_network_and_ends_with_its_session() {
    let server = Server::start();
    let session = server.login();
    let mut watch = Follower::start(nsboot().args([
        "client",
        "ls",
        "--watch",
        "-o",
        "json",
        "--server",
        &server.base,
        "--token",
        &session.access,
    ]));
    let other = server.login();
    add(&other, "a01", 1);
    assert_eq!(watch.next(), "a01");
    assert_eq!(
        session.send("POST", "/api/v1/auth/logout", &[], b"").status,
        204
    );
    let status = watch.child.wait().expect("it ends");
    assert_eq!(status.code(), Some(3));
}

#[test]
fn a_refusal_is_said_and_not_tried_again() {
    let server = Server::start();
    let over = |url: &str, token: &str| {
        let output = nsboot()
            .args(["client", "ls", "--watch", "--server", url, "--token", token])
            .output()
            .expect("nsboot runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), said)
    };
    let (code, said) = over(&server.base, "nonsense");
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("NSB-AUTH-001"), "{said}");
    let (code, said) = over("http://127.0.0.1:1", "nonsense");
    assert_eq!(code, Some(6), "{said}");
    let (code, said) = over("https://127.0.0.1:1", "nonsense");
    assert_eq!(code, Some(2), "{said}");
}

/// A noun, the first word of its table, a change with the number of the try, and what a row and a line
/// of JSON about it have. Boots and leases change only with a computer that boots.
type Noun<'a> = (
    &'a str,
    &'a str,
    Option<&'a dyn Fn(usize)>,
    &'a str,
    &'a str,
);

/// Whether a line with this text comes soon.
fn hears(follower: &Follower, text: &str) -> bool {
    let line = || follower.lines.recv_timeout(Duration::from_secs(3));
    std::iter::from_fn(|| line().ok()).any(|line| line.contains(text))
}

#[test]
fn each_noun_shows_each_change_as_a_row_or_a_line_and_ends_when_interrupted() {
    let server = Server::start();
    let session = server.login();
    let image = |n: usize| drop(upload(&session, &format!("disk-{n}"), &[1; 4096]));
    let job = |_| drop(session.send("POST", "/api/v1/audit/actions/verify", &[], b""));
    let network = |_| {
        let range = ["--range", "10.9.9.10-10.9.9.20"];
        drop(server.run(&[&["network", "set", "nsb-none0"][..], &range].concat()));
    };
    let audit = |_| {
        let level = json!({"level": "warn"});
        drop(session.json("PUT", "/api/v1/system/log-level", level));
    };
    let nouns: [Noun<'_>; 6] = [
        ("image", "NAME", Some(&image), "disk-", "image_changed"),
        (
            "job",
            "ID",
            Some(&job),
            "Check the audit log",
            "job_changed",
        ),
        (
            "network",
            "INTERFACE",
            Some(&network),
            "nsb-none0",
            "network_changed",
        ),
        (
            "audit",
            "NUMBER",
            Some(&audit),
            "system.log_level",
            "audit_added",
        ),
        ("boot", "BEGAN", None, "", ""),
        ("lease", "ADDRESS", None, "", ""),
    ];
    for (noun, head, change, row, kind) in nouns {
        let watch = |output: &str| {
            let mut command = nsboot();
            command.args([noun, "ls", "--watch", "-o", output, "--data"]);
            Follower::start(command.arg(server.data()))
        };
        let (mut table, lines) = (watch("table"), watch("json"));
        let first = table.lines.recv_timeout(Duration::from_secs(60));
        assert!(
            first.as_ref().is_ok_and(|l| l.starts_with(head)),
            "{noun}: {first:?}"
        );
        if let Some(change) = change {
            // A line of JSON comes with the first change after the connection, whenever that is there.
            let told = (0..10).any(|n| {
                change(n);
                hears(&lines, kind)
            });
            assert!(told && hears(&table, row), "{noun}");
        }
        let begun = std::time::Instant::now();
        while !waits_for_interrupt(table.child.id()) {
            assert!(begun.elapsed() < Duration::from_secs(60), "{noun}");
            std::thread::sleep(Duration::from_millis(10));
        }
        let pid = nix::unistd::Pid::from_raw(table.child.id() as i32);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).expect("it runs");
        assert_eq!(
            table.child.wait().expect("it ends").code(),
            Some(130),
            "{noun}"
        );
    }
}

#[test]
fn rows_go_on_after_a_restart_and_what_is_as_it_was_is_not_told_again() {
    let server = Server::start();
    upload(&server.login(), "before", &[1; 4096]);
    let mut command = nsboot();
    command.args(["image", "ls", "--watch", "--data"]);
    let watch = Follower::start(command.arg(server.data()));
    let next = || {
        watch
            .lines
            .recv_timeout(Duration::from_secs(60))
            .expect("a row")
    };
    assert!(next().starts_with("NAME "));
    assert!(next().starts_with("before "));
    let server = server.restart();
    let session = server.login();
    let at = "/api/v1/images/before";
    assert_eq!(session.send("DELETE", at, &[], b"").status, 204);
    let gone = next();
    assert!(
        gone.starts_with("before ") && gone.ends_with(" removed"),
        "{gone}"
    );
}
