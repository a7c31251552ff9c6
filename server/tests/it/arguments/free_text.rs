//! Commands that take free text: what is typed reaches the server as that text, in its field, and is
//! refused there; where any text is right, it comes back as it was typed.

use super::{HOSTILE, state};
use crate::{
    api::add,
    server::{Server, nsboot},
};
use serde_json::json;
use std::{
    fs,
    io::Write,
    path::Path,
    process::{Output, Stdio},
};

/// Runs a command against the server of that folder, with a password on stdin for those that ask.
fn run(data: &Path, words: &[String]) -> Output {
    let mut command = nsboot();
    command.arg("--data").arg(data).args(words);
    let child = command
        .current_dir(data)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.expect("nsboot runs");
    // One that does not ask may have ended.
    let _ = child
        .stdin
        .take()
        .expect("piped")
        .write_all(b"correct horse\n");
    child.wait_with_output().expect("it ends")
}

fn words(fixed: &[&str], last: String) -> Vec<String> {
    let fixed = fixed.iter().map(|w| w.to_string());
    fixed.chain([last]).collect()
}

/// A command with the text in one of its places.
type Place = (&'static str, fn(&str) -> Vec<String>);

/// Each is done with `good` and refused with anything hostile.
const PLACES: &[Place] = &[
    ("setting set, the key", |v| {
        words(&["setting", "set", "--"], format!("{v}=x"))
    }),
    ("setting set, an interface", |v| {
        let value = json!({"mode": "off"});
        words(&["setting", "set", "--"], format!("boot.{v}={value}"))
    }),
    ("setting set, a range", |v| {
        let value = json!({"mode": "full", "range": v});
        words(&["setting", "set", "--"], format!("boot.br9={value}"))
    }),
    ("setting set, a name server", |v| {
        let value = json!({"mode": "off", "dns": v});
        words(&["setting", "set", "--"], format!("boot.br9={value}"))
    }),
    ("setting set, an address", |v| {
        words(&["setting", "set", "--"], format!("http.listen={v}"))
    }),
    ("setting set, a choice", |v| {
        words(&["setting", "set", "--"], format!("clients.unknown={v}"))
    }),
    ("setting show", |v| {
        words(&["setting", "show", "--"], v.into())
    }),
    ("image import, the name", |v| {
        words(&["image", "import", "import.raw"], format!("--name={v}"))
    }),
    ("image import, the checksum", |v| {
        words(
            &["image", "import", "import.raw", "--name=other"],
            format!("--sha256={v}"),
        )
    }),
    ("client add, the name", |v| {
        words(
            &["client", "add", "52:54:00:00:00:99"],
            format!("--name={v}"),
        )
    }),
    ("client set, the name", |v| {
        words(&["client", "set", "a01"], format!("--name={v}"))
    }),
    ("lab boot, the name", |v| {
        words(&["lab", "boot"], format!("--name={v}"))
    }),
    ("user add", |v| {
        words(&["user", "add", "--role=viewer", "--"], v.into())
    }),
    ("user set, the name", |v| {
        words(&["user", "set", "admin"], format!("--name={v}"))
    }),
    ("user show", |v| words(&["user", "show", "--"], v.into())),
    ("user rm", |v| words(&["user", "rm", "--"], v.into())),
    ("job cancel", |v| words(&["job", "cancel", "--"], v.into())),
    ("token add, the account", |v| {
        words(
            &["token", "add", "ci", "--role=viewer"],
            format!("--user={v}"),
        )
    }),
];

#[test]
fn no_free_text_of_a_command_becomes_an_option_or_another_request() {
    let server = Server::start();
    let session = server.login();
    add(&session, "a01", 1);
    fs::write(server.data().join("import.raw"), [5; 512]).expect("written");
    let before = state(&server, &session);
    let tokens = || session.items("/api/v1/tokens?user=*");
    for (place, command) in PLACES {
        for value in HOSTILE.iter().filter(|v| !v.contains('\0')) {
            let output = run(server.data(), &command(value));
            let said = String::from_utf8_lossy(&output.stderr);
            let code = output.status.code();
            let what = format!("{place}: {:?}", value.chars().take(40).collect::<String>());
            assert!(matches!(code, Some(1 | 2 | 4)), "{what}: {code:?} {said}");
            // Nothing that moves the terminal's cursor comes back.
            assert!(!said.contains('\u{1b}'), "{what}: {said:?}");
        }
        assert_eq!(state(&server, &session), before, "{place}");
    }
    assert!(tokens().is_empty());
    // With an ordinary word they are done: it was the value that was refused.
    for (place, value) in [
        ("image import, the name", "disk"),
        ("client add, the name", "a02"),
        ("user add", "somebody"),
        ("setting set, a choice", "adopt"),
    ] {
        let (_, command) = PLACES.iter().find(|(p, _)| *p == place).expect(place);
        let output = run(server.data(), &command(value));
        assert!(
            output.status.success(),
            "{place}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

/// A token may be called anything that fits on a line: it is a label, and stays one.
#[test]
fn a_tokens_name_is_only_a_name() {
    let server = Server::start();
    let session = server.login();
    let before = state(&server, &session);
    let names = || -> Vec<String> {
        let all = session.items("/api/v1/tokens?user=*");
        let name = |t: &serde_json::Value| t["name"].as_str().expect("a name").to_string();
        all.iter().map(name).collect()
    };
    for value in HOSTILE.iter().filter(|v| !v.contains('\0')) {
        let what = value.chars().take(40).collect::<String>();
        let fits = !value.is_empty() && value.len() <= 64 && !value.chars().any(char::is_control);
        let add = ["token", "add", "--role=viewer", "--user=admin", "--"];
        let made = run(server.data(), &words(&add, value.to_string()));
        let said = String::from_utf8_lossy(&made.stderr);
        assert_eq!(made.status.success(), fits, "{what:?}: {said}");
        match fits {
            true => assert_eq!(names(), [*value]),
            false => assert!(names().is_empty(), "{what:?}"),
        }
        let remove = ["token", "rm", "--user=admin", "--"];
        let gone = run(server.data(), &words(&remove, value.to_string()));
        let said = String::from_utf8_lossy(&gone.stderr);
        assert_eq!(gone.status.success(), fits, "{what:?}: {said}");
        assert!(names().is_empty(), "{what:?}");
    }
    assert_eq!(state(&server, &session), before);
}
