//! Each noun once, on a real server over its local socket.

use super::{against, failed, json, ok, text, with_input};
use crate::server::{PASSWORD, Server, nsboot};
use serde_json::{Value, json};
use std::process::Output;
use types::Problem;

const SECRET: &str = "a long new secret of ada";

/// Commands of one server over its local socket, with lines on stdin.
fn input(server: &Server, words: &[&str], lines: &str) -> Output {
    let mut command = nsboot();
    command.args(words).arg("--data").arg(server.data());
    with_input(&mut command, lines)
}

fn disk(server: &Server, file: &str, fill: u8) -> String {
    let path = server.data().join(file);
    std::fs::write(&path, vec![fill; 1 << 20]).expect("written");
    path.to_str().expect("text").to_string()
}

fn names(list: &Value) -> Vec<&str> {
    let items = list.as_array().expect("a list").iter();
    items.map(|c| c["name"].as_str().expect("name")).collect()
}

/// Looks for passwords in what commands say, and hands it on.
fn hear(output: Output) -> Output {
    let said = text(&output.stdout) + &text(&output.stderr);
    for secret in [SECRET, PASSWORD] {
        assert!(!said.contains(secret), "{said}");
    }
    output
}

#[test]
fn accounts_are_made_changed_and_removed_and_no_password_is_shown() {
    let server = Server::start();
    let add = ["user", "add", "ada", "--role", "viewer"];
    let made = hear(input(&server, &add, &format!("{SECRET}\n")));
    assert!(ok(&made).contains("viewer"), "{made:?}");
    failed(
        &hear(input(&server, &add, &format!("{SECRET}\n"))),
        5,
        "NSB-",
    );
    failed(&hear(input(&server, &add, "")), 2, "NSB-CLI-012");
    let weak = ["user", "add", "ben", "--role", "viewer"];
    failed(&hear(input(&server, &weak, "short\n")), 1, "NSB-");

    let set = ["user", "set", "ada", "--role", "operator", "--if-match"];
    let stale = hear(server.run(&[&set[..], &["99"]].concat()));
    failed(&stale, 5, "NSB-");
    ok(&hear(server.run(&[&set[..], &["1"]].concat())));
    let shown = json(&hear(server.run(&["user", "show", "ada", "-o", "json"])));
    assert_eq!(shown["role"], "operator");
    let listed = json(&hear(server.run(&["user", "ls", "-o", "json"])));
    assert_eq!(listed.as_array().expect("a list").len(), 2);
    assert!(ok(&hear(server.run(&["user", "ls"]))).contains("ada"));
    ok(&hear(server.run(&["user", "rm", "ada"])));
    failed(&hear(server.run(&["user", "show", "ada"])), 4, "NSB-");
    failed(&hear(server.run(&["user", "rm", "admin"])), 5, "NSB-");
    let whoami = json(&hear(server.run(&["whoami", "-o", "json"])));
    assert_eq!(whoami["role"], "admin");
}

#[test]
fn an_admin_sets_passwords_and_ends_sign_ins_of_others() {
    let server = Server::start();
    let add = ["user", "add", "ada", "--role", "viewer"];
    ok(&hear(input(&server, &add, &format!("{SECRET}\n"))));
    let other = format!("{SECRET} 2");
    ok(&hear(input(
        &server,
        &["user", "passwd", "ada"],
        &format!("{other}\n"),
    )));
    let login = |password: &str| {
        let body = json!({"username": "ada", "password": password});
        server.json("POST", "/api/v1/auth/login", &body).status
    };
    assert_eq!((login(SECRET), login(&other)), (401, 200));
    let sessions = json(&hear(
        server.run(&["user", "sessions", "ada", "-o", "json"]),
    ));
    assert_eq!(sessions.as_array().expect("a list").len(), 1);
    assert!(ok(&hear(server.run(&["user", "signout", "ada"]))).contains("1 ended"));
    assert!(ok(&hear(server.run(&["session", "ls", "--user", "ada"]))).contains("none"));

    assert_eq!(login(&other), 200);
    let sessions = json(&hear(
        server.run(&["session", "ls", "--user", "ada", "-o", "json"]),
    ));
    let id = sessions[0]["id"].as_str().expect("id");
    failed(
        &hear(server.run(&["session", "rm", id])),
        3,
        "Name the account",
    );
    ok(&hear(server.run(&["session", "rm", id, "--user", "ada"])));
    failed(
        &hear(server.run(&["session", "rm", id, "--user", "ada"])),
        4,
        "NSB-",
    );
    failed(&hear(server.run(&["session", "ls"])), 3, "Name the account");
}

#[test]
fn tokens_are_made_used_and_removed_by_name() {
    let server = Server::start();
    let add = ["token", "add", "ci", "--role", "viewer", "--user", "admin"];
    let secret = ok(&server.run(&add)).trim().to_string();
    let over = |words: &[&str]| {
        let mut command = nsboot();
        let there = ["--server", &server.base, "--token", &secret];
        let output = command.args(words).args(there).output();
        output.expect("nsboot runs")
    };
    assert_eq!(json(&over(&["client", "ls", "-o", "json"])), json!([]));
    let add = ["client", "add", "52:54:00:00:00:01", "--name", "a01"];
    failed(&over(&add), 3, "NSB-AUTH");
    let listed = ok(&server.run(&["token", "ls", "--user", "*"]));
    assert!(
        listed.contains("ci") && !listed.contains(&secret),
        "{listed}"
    );
    failed(
        &server.run(&["token", "rm", "cd", "--user", "admin"]),
        4,
        "NSB-CLI-017",
    );
    ok(&server.run(&["token", "rm", "ci", "--user", "admin"]));
    failed(&over(&["client", "ls"]), 3, "NSB-AUTH-001");
    failed(&server.run(&["token", "ls"]), 3, "Name the account");
}

/// With the computers a01, a02 and a03.
fn with_computers() -> Server {
    let server = Server::start();
    for n in 1..=3 {
        let (mac, name) = (format!("52:54:00:00:00:0{n}"), format!("a0{n}"));
        ok(&server.run(&["client", "add", &mac, "--name", &name]));
    }
    server
}

#[test]
fn several_computers_are_changed_as_a_job() {
    let server = with_computers();
    let disk = disk(&server, "d.raw", 1);
    ok(&server.run(&["image", "import", &disk, "--name", "debian"]));
    let set = [
        "client", "set", "a01", "a02", "--image", "debian", "--wait", "-o", "json",
    ];
    let job = json(&server.run(&set));
    assert_eq!(
        (&job["state"], &job["done"]),
        (&"succeeded".into(), &2.into())
    );
    assert_eq!(names(&job["items"]), ["a01", "a02"]);
    let shown = json(&server.run(&["client", "show", "a02", "-o", "json"]));
    assert_eq!(shown["image_name"], "debian");
    let shown = ok(&server.run(&["client", "show", "a02"]));
    let says = |fact: &str, value: &str| {
        let words = |line: &str| line.split_whitespace().eq([fact, value]);
        shown.lines().any(words)
    };
    assert!(
        says("image", "debian") && says("version", "1") && says("channel", "production"),
        "{shown}"
    );

    // The same computer twice is fewer than are named.
    let twice = [
        "client",
        "set",
        "a01",
        "52:54:00:00:00:01",
        "--mode",
        "keep",
    ];
    failed(&server.run(&twice), 5, "not 2");
    failed(
        &server.run(&["client", "set", "a01", "a02", "--name", "x"]),
        2,
        "NSB-CLI-015",
    );
    failed(
        &server.run(&["client", "set", "a01", "gone", "--mode", "keep"]),
        4,
        "NSB-CLIENT-004",
    );
}

#[test]
fn several_computers_are_removed_as_a_job_that_needs_a_yes() {
    let server = with_computers();
    failed(
        &server.run(&["client", "rm", "a01", "a02", "--if-match", "1"]),
        2,
        "NSB-CLI-016",
    );
    failed(
        &server.run(&["client", "rm", "a01", "a02"]),
        2,
        "NSB-CLI-007",
    );
    ok(&server.run(&["client", "rm", "a01", "a02", "--dry-run"]));
    ok(&server.run(&["client", "rm", "a03", "--dry-run"]));
    let all = json(&server.run(&["client", "ls", "-o", "json"]));
    assert_eq!(names(&all), ["a01", "a02", "a03"], "nothing was removed");
    let some = ["--filter", "name:~0", "--sort", "-name", "-o", "json"];
    let some = json(&server.run(&[&["client", "ls"], &some[..]].concat()));
    assert_eq!(names(&some), ["a03", "a02", "a01"]);
    failed(
        &server.run(&["client", "ls", "--sort", "x"]),
        1,
        "NSB-HTTP-400",
    );
    // Without --wait it says how to wait.
    let begun = server.run(&["client", "rm", "a01", "a02", "--yes"]);
    let id = ok(&begun).trim().to_string();
    assert!(
        text(&begun.stderr).contains(&format!("nsboot job watch {id}")),
        "{begun:?}"
    );
    assert!(ok(&server.run(&["job", "watch", &id])).contains("succeeded"));
    assert!(ok(&server.run(&["job", "show", &id])).contains("a02"));
    failed(&server.run(&["job", "cancel", &id]), 5, "NSB-");
    failed(&server.run(&["job", "show", "nonsense"]), 4, "NSB-");
    assert!(ok(&server.run(&["job", "ls"])).contains(&id));
    let jobs = json(&server.run(&["job", "ls", "--limit", "1", "-o", "json"]));
    assert_eq!(jobs.as_array().expect("a list").len(), 1);
    let left = json(&server.run(&["client", "ls", "-o", "json"]));
    assert_eq!(names(&left), ["a03"]);
}

#[test]
fn one_computer_is_adopted_looked_at_and_removed() {
    let server = with_computers();
    ok(&server.run(&["client", "adopt", "a03", "--name", "b03"]));
    ok(&server.run(&["client", "through-loader", "b03"]));
    failed(
        &server.run(&["client", "set", "b03", "--mode", "keep", "--if-match", "99"]),
        5,
        "NSB-CLIENT-003",
    );
    assert!(ok(&server.run(&["boot", "ls", "--client", "b03"])).contains("none"));
    assert!(ok(&server.run(&["boot", "ls"])).contains("none"));
    failed(&server.run(&["boot", "show", "nonsense"]), 4, "NSB-");
    assert!(ok(&server.run(&["network", "ls"])).contains("none"));
    // Somebody has to say yes to what is lost with it.
    let asked = server.run(&["client", "rm", "b03"]);
    failed(&asked, 2, "NSB-CLI-007");
    assert!(
        text(&asked.stderr).contains("Remove the computer b03? It has written nothing."),
        "{asked:?}"
    );
    failed(&server.run(&["client", "rm", "gone"]), 4, "NSB-CLIENT-004");
    ok(&server.run(&["client", "rm", "b03", "-q", "--yes"]));
    failed(&server.run(&["lab", "down", "--name", "b03"]), 4, "NSB-");
}

/// With the images `used`, which the computer a01 boots, and `free`.
fn with_images() -> Server {
    let server = Server::start();
    for (name, fill) in [("used", 1), ("free", 2)] {
        let disk = disk(&server, name, fill);
        ok(&server.run(&["image", "import", &disk, "--name", name, "--dry-run"]));
        ok(&server.run(&["image", "import", &disk, "--name", name]));
    }
    ok(&server.run(&[
        "client",
        "add",
        "52:54:00:00:00:01",
        "--name",
        "a01",
        "--image",
        "used",
    ]));
    server
}

#[test]
fn an_image_is_checked_against_what_was_imported() {
    let server = with_images();
    let wrong = [
        "image",
        "import",
        &disk(&server, "x", 3),
        "--name",
        "x",
        "--sha256",
        &"0".repeat(64),
    ];
    failed(&server.run(&wrong), 1, "NSB-IMAGE");
    let good = server.run(&["image", "verify", "used", "--wait"]);
    assert!(ok(&good).contains("succeeded"));
    assert!(
        text(&good.stderr).contains("reading"),
        "progress in lines: {good:?}"
    );
    let quiet = server.run(&["image", "verify", "used", "--wait", "--quiet"]);
    assert!(
        ok(&quiet).contains("succeeded") && quiet.stderr.is_empty(),
        "{quiet:?}"
    );
    let shown = json(&server.run(&["image", "show", "used", "-o", "json"]));
    assert!(
        ok(&server.run(&["image", "show", "used"]))
            .contains(shown["sha256"].as_str().expect("sum"))
    );

    // One byte of the file is another now.
    let id = shown["id"].as_str().expect("id");
    let file = std::fs::read_dir(server.data().join("images")).expect("images");
    let file = file
        .map(|e| e.expect("entry").path())
        .find(|p| p.display().to_string().contains(id))
        .expect("the image's file");
    use std::os::unix::fs::{FileExt, PermissionsExt};
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("ours");
    let open = std::fs::OpenOptions::new()
        .write(true)
        .open(&file)
        .expect("opened");
    open.write_all_at(b"x", 5000).expect("written");
    failed(
        &server.run(&["image", "verify", "used", "--wait"]),
        1,
        "is not what was written",
    );
}

#[test]
fn of_several_images_those_in_use_stay() {
    let server = with_images();
    let some = server.run(&["image", "rm", "used", "free", "--yes"]);
    failed(&some, 7, "1 of 2 images were not removed");
    assert!(text(&some.stderr).contains("NSB-IMAGE-002"), "{some:?}");
    let none = server.run(&["image", "rm", "gone", "gone-too", "--yes"]);
    failed(&none, 4, "2 of 2 images");
    let left = json(&server.run(&["image", "ls", "-o", "json"]));
    assert_eq!(names(&left), ["used"]);
}

#[test]
fn the_audit_log_is_listed_exported_and_checked() {
    let server = Server::start();
    ok(&server.run(&["client", "add", "52:54:00:00:00:01", "--name", "a01"]));
    ok(&server.run(&["client", "set", "a01", "--mode", "keep"]));
    let filter = ["--action", "client", "--since", "2026-01-01T00:00:00Z"];
    let listed = json(&server.run(&[&["audit", "ls", "-o", "json"], &filter[..]].concat()));
    let actions: Vec<&Value> = listed
        .as_array()
        .expect("a list")
        .iter()
        .map(|e| &e["action"])
        .collect();
    assert_eq!(actions, ["client.update", "client.create"]);
    assert_eq!(
        (&listed[0]["way"], &listed[0]["actor"]["kind"]),
        (&"cli".into(), &"local".into())
    );
    assert!(ok(&server.run(&["audit", "ls", "--limit", "1"])).contains("client.update"));
    let none = ["audit", "ls", "--until", "2026-01-01T00:00:00Z"];
    assert!(ok(&server.run(&none)).contains("none"));
    failed(
        &server.run(&["audit", "ls", "--since", "yesterday"]),
        2,
        "RFC 3339",
    );

    let exported = ok(&server.run(&[&["audit", "export"], &filter[..]].concat()));
    let lines: Vec<Value> = exported
        .lines()
        .map(|l| serde_json::from_str(l).expect("JSON"))
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["action"], "client.create");
    let file = server.data().join("audit.jsonl");
    let file = file.to_str().expect("text");
    ok(&server.run(&["audit", "export", "--file", file]));
    assert!(
        std::fs::read_to_string(file)
            .expect("written")
            .contains("client.create")
    );
    failed(
        &server.run(&["audit", "export", "--file", "/nonexistent/x"]),
        1,
        "NSB-CLI-014",
    );
    // An export that fails leaves the former one whole, and nothing beside it.
    let former = std::fs::read(file).expect("written");
    let nobody = tempfile::tempdir().expect("temp dir");
    let unanswered = nsboot()
        .args(["audit", "export", "--file", file, "--data"])
        .arg(nobody.path())
        .output()
        .expect("nsboot runs");
    assert!(!unanswered.status.success());
    assert_eq!(std::fs::read(file).expect("still there"), former);
    let mut left = std::fs::read_dir(server.data()).expect("the folder");
    let is_left = |e: std::io::Result<std::fs::DirEntry>| {
        e.is_ok_and(|e| e.file_name().to_string_lossy().starts_with(".tmp"))
    };
    assert!(!left.any(is_left));
    let checked = json(&server.run(&["audit", "verify", "--wait", "-o", "json"]));
    assert_eq!(
        (&checked["state"], &checked["result"]["intact"]),
        (&"succeeded".into(), &true.into())
    );
}

/// How jobs of several computers end partly depends on what happens meanwhile, so here the server
/// is one answer.
#[test]
fn a_job_that_ended_badly_is_an_exit_code_with_its_items_told() {
    let item = |name: &str, state: &str| {
        let problem = Problem::new(409, "NSB-X-001", "it \u{1b}[31mwas in the way", "Wait.");
        let problem = (state == "failed").then_some(problem);
        json!({"id": name, "name": name, "state": state, "problem": problem})
    };
    for (state, exit, says) in [
        ("succeeded", 0, ""),
        ("partly_failed", 7, "Change 2 computers: 1 of 2 failed"),
        ("failed", 1, "Change 2 computers: all 2 failed"),
        ("cancelled", 1, "Change 2 computers: it was cancelled"),
    ] {
        let job = json!({
            "id": "01990000-0000-7000-8000-000000000001", "kind": "client.update_many",
            "title": "Change 2 computers", "state": state,
            "actor": {"kind": "user", "name": "ada"}, "created_at": "2026-11-21T07:00:00Z",
            "started_at": null, "finished_at": null, "unit": "items", "done": 2, "total": 2,
            "cancel_requested": false, "items": [item("a01", "succeeded"), item("a02", "failed")],
            "result": null, "problem": null, "log": [], "revision": 1,
        });
        let (_, output) = against(&["job", "watch", "x"], "200 OK", &job.to_string());
        assert_eq!(output.status.code(), Some(exit), "{output:?}");
        let (data, said) = (text(&output.stdout), text(&output.stderr));
        assert!(said.contains(says), "{said}");
        assert!(
            data.contains("NSB-X-001") && !data.contains('\u{1b}'),
            "{data}"
        );
        // Nothing was sent by `job cancel` but the wish, so a job that still runs is no failure.
        let mut running = job.clone();
        running["state"] = "running".into();
        let (asked, output) = against(
            &["job", "cancel", "x"],
            "202 Accepted",
            &running.to_string(),
        );
        assert!(
            asked.starts_with("POST /api/v1/jobs/x/actions/cancel "),
            "{asked}"
        );
        super::ok(&output);
    }
}

#[test]
fn a_subnet_behind_relays_is_served_with_reservations_until_it_is_removed() {
    let server = Server::start();
    let add = ["scope", "add", "room-2", "--subnet", "10.20.0.0/24"];
    let what = [
        "--ranges",
        "10.20.0.50-10.20.0.59,10.20.0.70",
        "--exclude",
        "10.20.0.55",
        "--router",
        "10.20.0.1",
        "--option",
        "42:addresses:10.0.0.3",
    ];
    assert!(ok(&server.run(&[&add[..], &what[..]].concat())).contains("10.20.0.0/24"));
    failed(&server.run(&add), 5, "NSB-SCOPE-002");
    failed(
        &server.run(&["scope", "add", "x", "--subnet", "10.20.0.1/24"]),
        2,
        "10.20.0.0/24",
    );
    let shown = json(&server.run(&["scope", "show", "room-2", "-o", "json"]));
    assert_eq!(
        (&shown["leases_total"], &shown["revision"]),
        (&10.into(), &1.into())
    );
    assert!(ok(&server.run(&["scope", "ls"])).contains("behind relays"));
    let set = [
        "scope",
        "set",
        "room-2",
        "--no-options",
        "--exclude",
        "",
        "--if-match",
    ];
    failed(
        &server.run(&[&set[..], &["7"]].concat()),
        5,
        "NSB-SCOPE-003",
    );
    let set = server.run(&[&set[..], &["1", "-o", "json"]].concat());
    let set = json(&set);
    assert_eq!(
        (&set["options"], &set["leases_total"]),
        (&json!([]), &11.into())
    );

    let add = [
        "reservation",
        "add",
        "52:54:00:00:00:07",
        "10.20.0.7",
        "--hostname",
        "pc-07",
    ];
    assert!(ok(&server.run(&add)).contains("room-2"));
    failed(&server.run(&add), 5, "NSB-RESERVATION-002");
    let option = ["reservation", "set", "10.20.0.7", "--option", "26:u16:1400"];
    assert!(ok(&server.run(&option)).contains("26:u16:1400"));
    failed(
        &server.run(&["reservation", "set", "10.20.0.7"]),
        2,
        "--address",
    );
    failed(&server.run(&["scope", "rm", "room-2"]), 5, "NSB-SCOPE-002");
    assert!(ok(&server.run(&["reservation", "ls"])).contains("pc-07"));
    ok(&server.run(&["reservation", "rm", "52:54:00:00:00:07"]));
    failed(
        &server.run(&["reservation", "show", "10.20.0.7"]),
        4,
        "NSB-RESERVATION-004",
    );
    failed(
        &server.run(&["lease", "keep", "10.20.0.50"]),
        4,
        "NSB-LEASE-004",
    );
    failed(
        &server.run(&["lease", "forget", "10.20.0.50"]),
        4,
        "NSB-LEASE-004",
    );
    ok(&server.run(&["scope", "rm", "room-2"]));
    assert!(ok(&server.run(&["scope", "ls"])).contains("none"));
    let log = json(&server.run(&["audit", "ls", "-o", "json"]));
    let actions: Vec<_> = log
        .as_array()
        .expect("a list")
        .iter()
        .map(|e| &e["action"])
        .collect();
    assert!(
        actions.contains(&&json!("scope.create"))
            && actions.contains(&&json!("reservation.remove"))
    );
}

#[test]
fn tasks_are_listed_and_what_the_log_tells_is_changed() {
    let server = Server::start();
    assert!(ok(&server.run(&["task", "ls"])).contains("http"));
    ok(&server.run(&["log", "level", "engine=debug,info"]));
    assert_eq!(
        ok(&server.run(&["log", "level"])).trim(),
        "engine=debug,info"
    );
    failed(&server.run(&["log", "level", "=,="]), 1, "NSB-");
}

#[test]
fn what_the_program_says_of_itself_needs_no_server() {
    let alone = |words: &[&str]| nsboot().args(words).output().expect("nsboot runs");
    for shell in ["bash", "zsh", "fish"] {
        let script = ok(&alone(&["completion", shell]));
        assert!(script.contains("through-loader"), "{shell}: {script}");
    }
    failed(&alone(&["completion", "dos"]), 2, "bash");
    let dir = tempfile::tempdir().expect("temp dir");
    let folder = dir.path().join("man1");
    ok(&alone(&["man", folder.to_str().expect("text")]));
    for page in ["nsboot.1", "nsboot-client-set.1", "nsboot-audit-export.1"] {
        let text =
            std::fs::read_to_string(folder.join(page)).unwrap_or_else(|e| panic!("{page}: {e}"));
        assert!(text.contains(".SH NAME"), "{page}");
    }
    failed(&alone(&["man", "/proc/nothing"]), 1, "NSB-CLI-014");
    // What is watched is not chosen from: said, not ignored.
    for noun in ["client", "image", "boot", "lease", "network", "job"] {
        let both = [noun, "ls", "--watch", "--filter", "name:x"];
        failed(&alone(&both), 2, "--watch");
    }
    failed(
        &alone(&["audit", "ls", "--watch", "--action", "client"]),
        2,
        "--watch",
    );
    assert_eq!(
        json(&alone(&["version", "-o", "json"]))["version"],
        env!("CARGO_PKG_VERSION")
    );
    assert!(ok(&alone(&["openapi", "-o", "yaml"])).contains("openapi: \"3.1"));
}
