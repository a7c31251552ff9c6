//! Every operation of the REST description has a command, and the command asks for just that.

use super::{against, failed, json};
use crate::server::nsboot;
use serde_json::Value;
use std::collections::BTreeSet;

const ID: &str = "01990000-0000-7000-8000-000000000001";
const DISK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");

/// The operation and a command that makes it its first request.
const COMMANDS: &[(&str, &str, &[&str])] = &[
    ("GET", "/audit", &["audit", "ls", "--actor", "ada"]),
    ("GET", "/audit/export", &["audit", "export"]),
    ("POST", "/audit/actions/verify", &["audit", "verify"]),
    ("POST", "/auth/login", &["login", "--user", "ada"]),
    ("POST", "/auth/logout", &["logout"]),
    ("GET", "/auth/me", &["whoami"]),
    ("POST", "/auth/password", &["user", "passwd"]),
    ("GET", "/auth/sessions", &["session", "ls"]),
    ("DELETE", "/auth/sessions", &["session", "rm", "--others"]),
    ("DELETE", "/auth/sessions/{session}", &["session", "rm", ID]),
    ("GET", "/boot-entries", &["boot-entry", "ls"]),
    (
        "POST",
        "/boot-entries",
        &[
            "boot-entry",
            "add",
            "tool",
            "--kind",
            "kernel",
            "--kernel",
            "a",
        ],
    ),
    (
        "GET",
        "/boot-entries/{entry}",
        &["boot-entry", "show", "tool"],
    ),
    (
        "PATCH",
        "/boot-entries/{entry}",
        &["boot-entry", "set", "tool", "--no-disk"],
    ),
    (
        "DELETE",
        "/boot-entries/{entry}",
        &["boot-entry", "rm", "tool"],
    ),
    ("GET", "/firmware", &["firmware", "ls"]),
    ("POST", "/firmware", &["firmware", "add", "a01"]),
    ("GET", "/firmware/{firmware}", &["firmware", "show", "a01"]),
    (
        "PATCH",
        "/firmware/{firmware}",
        &["firmware", "pin", "a01", "--delay", "500"],
    ),
    ("DELETE", "/firmware/{firmware}", &["firmware", "rm", "a01"]),
    ("GET", "/groups", &["group", "ls"]),
    ("POST", "/groups", &["group", "add", "row-1"]),
    ("GET", "/groups/{group}", &["group", "show", "row-1"]),
    (
        "PATCH",
        "/groups/{group}",
        &["group", "set", "row-1", "--boot-entry", ""],
    ),
    ("DELETE", "/groups/{group}", &["group", "rm", "row-1"]),
    (
        "GET",
        "/clients/{client}/boot-choice",
        &["client", "explain", "a01"],
    ),
    ("GET", "/boots", &["boot", "ls"]),
    ("GET", "/boots/{boot}", &["boot", "show", ID]),
    (
        "GET",
        "/clients/{client}/boots",
        &["boot", "ls", "--client", "a01"],
    ),
    ("GET", "/clients", &["client", "ls"]),
    (
        "POST",
        "/clients",
        &["client", "add", "52:54:00:00:00:01", "--name", "a01"],
    ),
    ("GET", "/clients/{client}", &["client", "show", "a01"]),
    (
        "PATCH",
        "/clients/{client}",
        &["client", "set", "a01", "--mode", "keep"],
    ),
    ("DELETE", "/clients/{client}", &["client", "rm", "a01"]),
    (
        "POST",
        "/clients/{client}/actions/discard",
        &["client", "discard", "a01"],
    ),
    (
        "POST",
        "/clients/{client}/actions/through-loader",
        &["client", "through-loader", "a01"],
    ),
    (
        "POST",
        "/clients/actions/update",
        &["client", "adopt", "a01", "a02"],
    ),
    (
        "POST",
        "/clients/actions/remove",
        &["client", "rm", "a01", "a02"],
    ),
    ("GET", "/images", &["image", "ls"]),
    (
        "POST",
        "/images/actions/import",
        &["image", "import", "--url", "http://disks/x", "--name", "x"],
    ),
    (
        "GET",
        "/images/{image}/content",
        &["image", "export", "debian", "/tmp/nsboot-no-such-export"],
    ),
    (
        "POST",
        "/uploads",
        &["image", "import", DISK, "--name", "x"],
    ),
    ("GET", "/images/{image}", &["image", "show", "debian"]),
    ("DELETE", "/images/{image}", &["image", "rm", "debian"]),
    (
        "POST",
        "/images/{image}/actions/apply",
        &["image", "apply", "disk", "--comment", "updates"],
    ),
    (
        "PATCH",
        "/images/{image}",
        &["image", "set", "disk", "--name", "other"],
    ),
    (
        "POST",
        "/images/{image}/versions/{version}/actions/clone",
        &["image", "clone", "disk", "2", "--name", "other"],
    ),
    ("GET", "/snapshots", &["snapshot", "ls"]),
    ("POST", "/snapshots", &["snapshot", "take", "a01"]),
    (
        "GET",
        "/snapshots/{snapshot}",
        &["snapshot", "show", "01990c2a"],
    ),
    (
        "DELETE",
        "/snapshots/{snapshot}",
        &["snapshot", "rm", "01990c2a"],
    ),
    (
        "POST",
        "/snapshots/{snapshot}/actions/restore",
        &["snapshot", "restore", "01990c2a"],
    ),
    (
        "POST",
        "/snapshots/{snapshot}/actions/clone",
        &["snapshot", "clone", "01990c2a", "--name", "other"],
    ),
    (
        "POST",
        "/images/{image}/versions/{version}/actions/flatten",
        &["image", "flatten", "disk", "2"],
    ),
    (
        "POST",
        "/images/{image}/actions/revert",
        &["image", "revert", "disk"],
    ),
    (
        "PUT",
        "/images/{image}/channels/{channel}",
        &["image", "channel", "disk", "test", "2"],
    ),
    (
        "PUT",
        "/images/{image}/superclient",
        &["image", "superclient", "disk", "a01"],
    ),
    (
        "DELETE",
        "/images/{image}/superclient",
        &["image", "superclient", "disk", "--end"],
    ),
    (
        "PATCH",
        "/images/{image}/versions/{version}",
        &["image", "describe", "disk", "2", "updates"],
    ),
    (
        "DELETE",
        "/images/{image}/versions/{version}",
        &["image", "rm-version", "disk", "2"],
    ),
    (
        "POST",
        "/images/{image}/actions/verify",
        &["image", "verify", "debian"],
    ),
    ("GET", "/loaders", &["loader", "ls"]),
    ("POST", "/loaders", &["loader", "add", DISK, "--name", "x"]),
    ("GET", "/loaders/{set}", &["loader", "show", "debian"]),
    ("DELETE", "/loaders/{set}", &["loader", "rm", "ipxe-2"]),
    ("GET", "/jobs", &["job", "ls"]),
    ("GET", "/jobs/{job}", &["job", "watch", ID]),
    ("POST", "/jobs/{job}/actions/cancel", &["job", "cancel", ID]),
    ("POST", "/lab/actions/up", &["lab", "up"]),
    (
        "POST",
        "/lab/actions/boot",
        &["lab", "boot", "--name", "v1", "--firmware", "uefi"],
    ),
    (
        "POST",
        "/lab/actions/down",
        &["lab", "down", "--name", "v1"],
    ),
    ("GET", "/leases", &["lease", "ls"]),
    ("GET", "/leases/{address}", &["lease", "show", "10.77.0.5"]),
    (
        "DELETE",
        "/leases/{address}",
        &["lease", "forget", "10.77.0.5"],
    ),
    (
        "POST",
        "/leases/{address}/actions/keep",
        &["lease", "keep", "10.77.0.5"],
    ),
    ("GET", "/exports", &["export", "ls"]),
    ("GET", "/exports/{client}", &["export", "show", "a01"]),
    (
        "GET",
        "/exports/{client}/sessions",
        &["export", "sessions", "a01"],
    ),
    (
        "DELETE",
        "/exports/{client}/sessions/{session}",
        &["export", "drop", "a01", "7"],
    ),
    ("GET", "/overlays", &["overlay", "ls"]),
    ("DELETE", "/overlays/{client}", &["overlay", "rm", "a01"]),
    ("GET", "/storage", &["storage", "show"]),
    ("GET", "/interfaces", &["network", "interfaces"]),
    ("GET", "/networks", &["network", "ls"]),
    ("GET", "/reservations", &["reservation", "ls"]),
    (
        "POST",
        "/reservations",
        &["reservation", "add", "52:54:00:00:00:01", "10.77.0.7"],
    ),
    (
        "GET",
        "/reservations/{reservation}",
        &["reservation", "show", "10.77.0.7"],
    ),
    (
        "PATCH",
        "/reservations/{reservation}",
        &["reservation", "set", "10.77.0.7", "--hostname", "pc-07"],
    ),
    (
        "DELETE",
        "/reservations/{reservation}",
        &["reservation", "rm", "10.77.0.7"],
    ),
    ("GET", "/scopes", &["scope", "ls"]),
    (
        "POST",
        "/scopes",
        &["scope", "add", "room-2", "--subnet", "10.20.0.0/24"],
    ),
    ("GET", "/scopes/{scope}", &["scope", "show", "lab1/br0"]),
    (
        "PATCH",
        "/scopes/{scope}",
        &["scope", "set", "lab1/br0", "--domain", "lab.example"],
    ),
    ("DELETE", "/scopes/{scope}", &["scope", "rm", "room-2"]),
    ("GET", "/settings", &["setting", "ls"]),
    (
        "PATCH",
        "/settings",
        &["setting", "set", "clients.unknown=adopt"],
    ),
    (
        "POST",
        "/settings/actions/preview",
        &["setting", "preview", "clients.unknown=adopt"],
    ),
    (
        "POST",
        "/settings/actions/confirm",
        &["setting", "confirm", "1"],
    ),
    ("GET", "/settings/revisions", &["setting", "history"]),
    (
        "GET",
        "/settings/revisions/{revision}",
        &["setting", "revision", "1"],
    ),
    (
        "POST",
        "/settings/revisions/{revision}/actions/undo",
        &["setting", "undo", "1"],
    ),
    ("GET", "/secrets", &["secrets", "show"]),
    ("POST", "/secrets/actions/rotate", &["secrets", "rotate"]),
    ("GET", "/system/info", &["status"]),
    (
        "GET",
        "/system/tasks",
        &[
            "task",
            "ls",
            "--filter",
            "state:running",
            "--sort",
            "-since",
        ],
    ),
    ("GET", "/system/log-level", &["log", "level"]),
    ("PUT", "/system/log-level", &["log", "level", "debug"]),
    ("GET", "/tokens", &["token", "ls", "--user", "*"]),
    (
        "POST",
        "/tokens",
        &["token", "add", "ci", "--role", "viewer"],
    ),
    ("DELETE", "/tokens/{token}", &["token", "rm", ID]),
    ("GET", "/users", &["user", "ls"]),
    ("POST", "/users", &["user", "add", "ada", "--role", "admin"]),
    ("GET", "/users/{user}", &["user", "show", "ada"]),
    ("PATCH", "/users/{user}", &["user", "passwd", "ada"]),
    ("DELETE", "/users/{user}", &["user", "rm", "ada"]),
    (
        "GET",
        "/users/{user}/sessions",
        &["user", "sessions", "ada"],
    ),
    (
        "DELETE",
        "/users/{user}/sessions",
        &["user", "signout", "ada"],
    ),
    (
        "DELETE",
        "/sessions/{session}",
        &["session", "rm", ID, "--user", "ada"],
    ),
];

/// Operations that are no commands, and why.
const WITHOUT: &[(&str, &str, &str)] = &[
    (
        "POST",
        "/auth/refresh",
        "every command does it by itself when its token has run out",
    ),
    (
        "POST",
        "/images",
        "one request for scripts; `image import` sends a file over as many as it takes",
    ),
    (
        "GET",
        "/uploads/{upload}",
        "`image import` does it by itself when a connection broke",
    ),
    (
        "PATCH",
        "/uploads/{upload}",
        "`image import` does it once the upload is begun",
    ),
    (
        "DELETE",
        "/uploads/{upload}",
        "`job cancel` with the upload's job does the same",
    ),
    (
        "POST",
        "/auth/setup",
        "the first account is made on the page, or by NSBOOT_ADMIN_PASSWORD of serve",
    ),
];

/// Asks nobody and waits for nothing: this port has no server.
const NOWHERE: &[&str] = &["--server", "http://127.0.0.1:1"];

#[test]
fn every_operation_of_the_description_has_a_command() {
    let api = json(&nsboot().arg("openapi").output().expect("nsboot runs"));
    let mut described = BTreeSet::new();
    for (path, item) in api["paths"].as_object().expect("paths") {
        let path = path.strip_prefix("/api/v1").expect("below /api/v1");
        for method in item.as_object().expect("operations").keys() {
            described.insert((method.to_uppercase(), path.to_string()));
        }
    }
    let known = COMMANDS
        .iter()
        .map(|(method, path, _)| (*method, *path))
        .chain(WITHOUT.iter().map(|(method, path, _)| (*method, *path)))
        .map(|(method, path)| (method.to_string(), path.to_string()));
    assert_eq!(known.collect::<BTreeSet<_>>(), described);
}

/// Whether a path is one of these, whatever stands in the braces.
fn is_of(path: &str, template: &str) -> bool {
    let path = path.split('?').next().unwrap_or("");
    let path = path.strip_prefix("/api/v1").unwrap_or("").split('/');
    let template = template.split('/');
    path.clone().count() == template.clone().count()
        && path
            .zip(template)
            .all(|(p, t)| p == t || (t.starts_with('{') && !p.is_empty()))
}

#[test]
fn a_dry_run_says_what_each_change_would_send_and_asks_nobody() {
    for (method, path, words) in COMMANDS.iter().filter(|(m, ..)| *m != "GET") {
        let mut command = nsboot();
        command.args(*words).args(NOWHERE).arg("--dry-run");
        let plan = json(&command.args(["-o", "json"]).output().expect("nsboot runs"));
        assert_eq!(plan["method"], **method, "{words:?}");
        let sent = plan["path"].as_str().expect("a path");
        assert!(is_of(sent, path), "{words:?} would send to {sent}");
        let mut command = nsboot();
        command.args(*words).args(NOWHERE).arg("--dry-run");
        let said = super::ok(&command.output().expect("nsboot runs"));
        assert!(said.starts_with(&format!("{method} {sent}\n")), "{said}");
    }
}

#[test]
fn each_reading_command_asks_for_its_operation() {
    for (method, path, words) in COMMANDS.iter().filter(|(m, ..)| *m == "GET") {
        let (asked, output) = against(words, "404 Not Found", "");
        failed(&output, 4, "NSB-CLI-004");
        let mut parts = asked.split(' ');
        assert_eq!(parts.next(), Some(*method), "{words:?}");
        let sent = parts.next().expect("a path");
        assert!(is_of(sent, path), "{words:?} asked for {sent}");
    }
}

#[test]
fn bodies_of_a_dry_run_are_what_was_meant_and_hold_no_secret() {
    let plan = |words: &[&str]| -> Value {
        let mut command = nsboot();
        command.args(words).args(NOWHERE);
        let dry = ["--dry-run", "-o", "json", "--token", "top-secret"];
        let output = command.args(dry).output().expect("nsboot runs");
        assert!(!super::text(&output.stdout).contains("top-secret"));
        json(&output)
    };
    let bulk = plan(&["client", "set", "a01", "a02", "--image", "debian"]);
    assert_eq!(bulk["body"]["expected_count"], 2);
    assert_eq!(bulk["body"]["ids"], serde_json::json!(["a01", "a02"]));
    assert_eq!(bulk["body"]["change"]["image"], "debian");
    let one = plan(&["client", "rm", "a01", "--if-match", "7"]);
    assert_eq!(one["if_match"], 7);
    let made = plan(&["user", "add", "ada", "--role", "viewer"]);
    assert_eq!(made["body"]["password"], "(hidden)");
}
