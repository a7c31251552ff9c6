//! Secrets at rest, seen from outside: what a running server writes and says, and its keys.

use crate::{
    api::{add, upload},
    live,
    server::{Server, Session, nsboot},
};
use engine::{Engine, EngineConfig, boot::Plane};
use serde_json::{Value, json};
use std::{fs, net::Ipv4Addr, os::unix::fs::PermissionsExt, path::Path, process::Output};
use types::{DhcpMode, MacAddr};

/// Of the WebSocket: where secrets could be, if anywhere.
const TOPICS: &str = "?topics=audit,boots,clients";
const MAC: MacAddr = MacAddr([0x52, 0x54, 0, 0, 0, 1]);

/// The secret as a computer's boot script hands it out; no server runs on the folder.
fn handed_out(data: &Path) -> String {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let script = runtime.block_on(async {
        let config = EngineConfig {
            data_dir: data.into(),
            ..EngineConfig::default()
        };
        let engine = Engine::open(config).expect("opened");
        let plane = Plane::at(Ipv4Addr::LOCALHOST, DhcpMode::Off);
        let asked = engine
            .boots()
            .script(MAC, Ipv4Addr::LOCALHOST, &plane, engine::now());
        asked.await.expect("a script")
    });
    let line = script.lines().find_map(|l| l.strip_prefix("set password "));
    line.unwrap_or_else(|| panic!("no secret: {script}"))
        .to_string()
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|w| w == text.as_bytes())
}

fn with_computer() -> Server {
    let server = Server::start();
    let session = server.login();
    upload(&session, "disk", &[7; 4096]);
    add(&session, "pc-1", 1);
    let change = json!({"image": "disk"});
    let answer = session.json("PATCH", "/api/v1/clients/pc-1", change);
    assert_eq!(answer.status, 200, "{answer:?}");
    drop(session);
    server
}

/// Everything that an admin can read.
fn read_all(session: &Session<'_>) -> String {
    let paths = [
        "clients",
        "clients/pc-1",
        "images",
        "boots",
        "jobs",
        "audit",
        "audit/export",
        "secrets",
        "system/info",
        "system/tasks",
        "leases",
        "networks",
        "users",
        "tokens",
    ];
    let answers = paths.map(|path| {
        let answer = session.get(&format!("/api/v1/{path}"));
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.text()
    });
    answers.concat() + &session.get("/metrics").text() + &session.get("/clients").text()
}

#[test]
fn a_secret_is_in_no_answer_no_log_no_event_and_no_file() {
    let (_, dir) = with_computer().stop();
    let secret = handed_out(dir.path());
    assert_eq!(secret.len(), 16);
    let log = dir.path().join("log");
    let file = fs::File::create(&log).expect("a file");
    let server = Server::again(dir, |command| {
        command.env("NSBOOT_LOG", "trace").stderr(file);
    });
    let session = server.login();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let frames = runtime.block_on(async {
        let opened = live::open(&server, TOPICS, &[live::bearer(&session)]).await;
        let mut socket = opened.expect("open");
        let mut frames = format!("{:?}", live::next(&mut socket).await);
        let rotated = session.json("POST", "/api/v1/secrets/actions/rotate", Value::Null);
        assert_eq!(rotated.status, 200, "{rotated:?}");
        let changed = session.json("PATCH", "/api/v1/clients/pc-1", json!({"mode": "keep"}));
        assert_eq!(changed.status, 200, "{changed:?}");
        for _ in 0..50 {
            if frames.contains("client.update") {
                break;
            }
            frames += &format!("{:?}", live::next(&mut socket).await);
        }
        frames
    });
    assert!(frames.contains("secrets.rotate"), "{frames}");
    let said = read_all(&session);
    assert!(said.contains("secrets.rotate") && said.contains("secrets.key"));
    let data = server.data().to_path_buf();
    let (_, dir) = server.stop();
    let log = fs::read(log).expect("a log");
    assert!(log.len() > 1000, "it traced");
    assert!(!holds(&log, &secret) && !said.contains(&secret) && !frames.contains(&secret));
    let mut seen = 0;
    for folder in [data.clone(), data.join("keys")] {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_file() {
                let found = holds(&fs::read(&path).expect("readable"), &secret);
                assert!(!found, "{}", path.display());
                seen += 1;
            }
        }
    }
    assert!(seen >= 4, "database, log and two keys");
    assert_eq!(handed_out(dir.path()), secret, "it is the same one");
}

#[test]
fn keys_are_shown_and_rotated_from_the_command_line() {
    let server = with_computer();
    let show = |args: &[&str]| -> Value {
        let output = server.run(args);
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).expect("JSON")
    };
    let before = show(&["secrets", "show", "-o", "json"]);
    let file = server.data().join("keys/secrets.key");
    assert_eq!(before["keys"][0]["path"], file.display().to_string());
    assert_eq!(before["keys"][0]["secrets"], 1);
    let text = fs::read_to_string(&file).expect("keys");
    let key = &text.lines().last().expect("a line")[..64];
    assert!(
        !before.to_string().contains(&key[..16]),
        "its id is not a part of it"
    );
    let after = show(&["secrets", "rotate", "-o", "json"]);
    assert_ne!(after["keys"][0]["id"], before["keys"][0]["id"]);
    assert_eq!(after["keys"].as_array().map(Vec::len), Some(1));
    assert!(!fs::read_to_string(&file).expect("keys").contains(key));
    let table = server.run(&["secrets", "show"]);
    let table = String::from_utf8(table.stdout).expect("text");
    assert!(
        table.contains("seals") && !table.contains("can't be opened"),
        "{table}"
    );
}

fn refused(dir: &Path) -> (Output, String) {
    let mut command = nsboot();
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]);
    let output = command.arg(dir).output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, said)
}

#[test]
fn a_key_file_that_others_may_read_stops_the_start_with_what_to_do() {
    let (_, dir) = with_computer().stop();
    let file = dir.path().join("keys/secrets.key");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("mode");
    let (output, said) = refused(dir.path());
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said.contains("NSB-SECRET-005") && said.contains("chmod 600"),
        "{said}"
    );
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("mode");
    Server::launch(dir, true);
}

#[test]
fn a_lost_key_is_told_and_costs_no_boot() {
    let (_, dir) = with_computer().stop();
    let before = handed_out(dir.path());
    fs::remove_file(dir.path().join("keys/secrets.key")).expect("removed");
    let log = dir.path().join("log");
    let file = fs::File::create(&log).expect("a file");
    let server = Server::again(dir, |command| {
        command.stderr(file);
    });
    let said = fs::read_to_string(&log).expect("a log");
    for words in ["secrets are lost unless", "secrets.key", "\"secrets\":1"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let table = String::from_utf8(server.run(&["secrets", "show"]).stdout).expect("text");
    assert!(table.contains("1 secrets can't be opened"), "{table}");
    let (_, dir) = server.stop();
    let now = handed_out(dir.path());
    assert_ne!(now, before);
    assert_eq!(handed_out(dir.path()), now, "the new one stays");
    let server = Server::launch(dir, true);
    let entries = server.login().get("/api/v1/audit?action=client.new_secret");
    assert_eq!(entries.value()["items"].as_array().map(Vec::len), Some(1));
}

#[test]
fn systemd_gives_the_key_and_changes_it() {
    let (_, dir) = with_computer().stop();
    let before = handed_out(dir.path());
    let credentials = tempfile::tempdir().expect("temp dir");
    let give = |text: &str| {
        fs::write(credentials.path().join("nsboot-secrets"), text).expect("written");
    };
    give(&("ab".repeat(32) + "\n"));
    let server = Server::again(dir, |command| {
        command.env("CREDENTIALS_DIRECTORY", credentials.path());
    });
    let view = server.login().get("/api/v1/secrets").value();
    assert_eq!(
        (&view["keys"][0]["place"], &view["keys"][0]["secrets"]),
        (&json!("credential"), &json!(1))
    );
    let output = server.run(&["secrets", "rotate"]);
    assert_eq!(output.status.code(), Some(5), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("NSB-SECRET-002"));
    let (_, dir) = server.stop();
    // Back to the file: without the credential its secrets wait.
    give("");
    let config = EngineConfig {
        data_dir: dir.path().into(),
        credentials_dir: Some(credentials.path().into()),
        ..EngineConfig::default()
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let empty = runtime.block_on(async { Engine::open(config).err() });
    assert_eq!(empty.expect("refused").code(), "NSB-SECRET-005");
    assert_ne!(handed_out(dir.path()), before);
}
