//! `login`, `logout`, and what is kept between.

use super::{failed, json, ok, text, with_input};
use crate::server::{PASSWORD, Server, nsboot, waits_for_interrupt};
use serde_json::Value;
use std::{
    fs,
    os::unix::{fs::PermissionsExt, process::ExitStatusExt},
    path::PathBuf,
    process::{Command, Output, Stdio},
    thread,
    time::Duration,
};
use tempfile::TempDir;

/// Whether it becomes true within half a minute.
fn eventually(is: impl Fn() -> bool) -> bool {
    (0..600).any(|_| {
        is() || {
            thread::sleep(Duration::from_millis(50));
            false
        }
    })
}

/// Somebody with a home, at a server over TCP.
struct Somebody<'a> {
    server: &'a Server,
    home: TempDir,
}

impl<'a> Somebody<'a> {
    fn new(server: &'a Server) -> Self {
        let home = tempfile::tempdir().expect("temp dir");
        Somebody { server, home }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = nsboot();
        command
            .env("XDG_CONFIG_HOME", self.home.path())
            .args(words)
            .args(["--server", &self.server.base]);
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().expect("nsboot runs")
    }

    fn login(&self) {
        let lines = format!("admin\n{PASSWORD}\n");
        let output = with_input(&mut self.command(&["login"]), &lines);
        ok(&output);
        let said = text(&output.stdout) + &text(&output.stderr);
        assert!(!said.contains(PASSWORD), "{said}");
    }

    fn file(&self) -> PathBuf {
        self.home.path().join("nsboot/credentials.json")
    }

    fn kept(&self) -> Value {
        let text = fs::read(self.file()).expect("kept");
        serde_json::from_slice(&text).expect("JSON")
    }

    /// As if a quarter of an hour had gone by.
    fn run_out(&self) {
        let mut kept = self.kept();
        kept[&self.server.base]["expires_at"] = "2026-01-01T00:00:00Z".into();
        fs::write(self.file(), kept.to_string()).expect("written");
    }
}

#[test]
fn a_sign_in_is_kept_for_its_server_until_the_logout() {
    let server = Server::start();
    let somebody = Somebody::new(&server);
    failed(&somebody.run(&["whoami"]), 3, "NSB-AUTH-001");
    failed(&somebody.run(&["logout"]), 3, "nsboot login");
    let wrong = with_input(&mut somebody.command(&["login", "--user", "admin"]), "no\n");
    failed(&wrong, 3, "NSB-AUTH");
    assert!(!somebody.file().exists());
    somebody.login();
    let mode = fs::metadata(somebody.file())
        .expect("kept")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(
        !fs::read_to_string(somebody.file())
            .expect("text")
            .contains(PASSWORD)
    );

    let access = somebody.kept()[&server.base]["access_token"].clone();
    ok(&somebody.run(&["logout"]));
    failed(&somebody.run(&["whoami"]), 3, "NSB-AUTH-001");
    let still = somebody.run(&["whoami", "--token", access.as_str().expect("token")]);
    failed(&still, 3, "NSB-AUTH-001");
}

#[test]
fn who_is_signed_in_has_sessions_tokens_and_a_password_of_their_own() {
    let server = Server::start();
    let somebody = Somebody::new(&server);
    somebody.login();
    let me = json(&somebody.run(&["whoami", "-o", "json"]));
    assert_eq!(
        (&me["username"], &me["role"]),
        (&"admin".into(), &"admin".into())
    );
    let sessions = json(&somebody.run(&["session", "ls", "-o", "json"]));
    assert_eq!(
        (
            &sessions[0]["is_current"],
            sessions.as_array().map(Vec::len)
        ),
        (&true.into(), Some(1))
    );
    server.login();
    assert!(ok(&somebody.run(&["session", "rm", "--others"])).contains("1 ended"));
    ok(&somebody.run(&["client", "add", "52:54:00:00:00:01", "--name", "a01"]));
    let entries = json(&somebody.run(&["audit", "ls", "--action", "client", "-o", "json"]));
    assert_eq!(
        (&entries[0]["way"], &entries[0]["actor"]["name"]),
        (&"cli".into(), &"admin".into())
    );
    // A token that is given counts alone.
    failed(
        &somebody.run(&["whoami", "--token", "nonsense"]),
        3,
        "NSB-AUTH-001",
    );

    let lines = format!("{PASSWORD}\n{PASSWORD} 2\n");
    let changed = with_input(&mut somebody.command(&["user", "passwd"]), &lines);
    ok(&changed);
    assert!(!text(&changed.stderr).contains(PASSWORD));
    let secret = ok(&somebody.run(&["token", "add", "ci", "--role", "viewer"]));
    assert!(!ok(&somebody.run(&["token", "ls"])).contains(secret.trim()));
    ok(&somebody.run(&["token", "rm", "ci"]));
}

#[test]
fn a_token_that_has_run_out_is_swapped_once_also_by_four_at_a_time() {
    let server = Server::start();
    let somebody = Somebody::new(&server);
    somebody.login();
    let first = somebody.kept();
    somebody.run_out();
    // Held here until all of them have seen the old token and want to swap it.
    let lock = fs::File::create(somebody.home.path().join("nsboot/credentials.lock"));
    let lock = lock.expect("made");
    lock.lock().expect("free");
    let several: Vec<_> = (0..4)
        .map(|_| {
            let mut command = somebody.command(&["whoami"]);
            let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
            piped.spawn().expect("nsboot runs")
        })
        .collect();
    let waits = |pid: u32| {
        let locks = fs::read_to_string("/proc/locks").expect("locks");
        let waiting = locks.lines().filter(|l| l.contains("-> FLOCK"));
        waiting
            .flat_map(|l| l.split_whitespace())
            .any(|word| word == pid.to_string())
    };
    for child in &several {
        assert!(eventually(|| waits(child.id())), "it waits for the lock");
    }
    drop(lock);
    for child in several {
        ok(&child.wait_with_output().expect("it ends"));
    }
    let second = somebody.kept();
    let refresh = |kept: &Value| kept[&server.base]["refresh_token"].clone();
    assert_ne!(refresh(&first), refresh(&second));
    ok(&somebody.run(&["whoami"]));
    assert_eq!(
        refresh(&second),
        refresh(&somebody.kept()),
        "a fresh one is left alone"
    );

    // Ended by an admin: it is told in words, and not tried again.
    ok(&server.run(&["user", "signout", "admin"]));
    somebody.run_out();
    failed(&somebody.run(&["whoami"]), 3, "nsboot login --server");
    assert_eq!(somebody.kept(), serde_json::json!({}));

    fs::write(somebody.file(), "nonsense").expect("written");
    failed(&somebody.run(&["whoami"]), 1, "NSB-CLI-010");
    ok(&somebody.run(&["version"]));
}

#[test]
fn an_interrupted_command_says_so_by_130() {
    let server = Server::start();
    let somebody = Somebody::new(&server);
    let mut command = somebody.command(&["login"]);
    let child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.expect("nsboot runs");
    let waits = || waits_for_interrupt(child.id());
    assert!(eventually(waits), "it waits for Ctrl-C");
    let pid = nix::unistd::Pid::from_raw(child.id() as i32);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).expect("it runs");
    // Its stdin stays open until it has ended.
    let stdin = child.stdin.take();
    let output = child.wait_with_output().expect("it ends");
    drop(stdin);
    assert_eq!(output.status.signal(), None);
    failed(&output, 130, "interrupted");
}

#[test]
fn without_a_home_there_is_no_sign_in() {
    let server = Server::start();
    let mut command = nsboot();
    command.args(["login", "--user", "admin", "--server", &server.base]);
    failed(&with_input(&mut command, ""), 2, "NSB-CLI-013");
}
