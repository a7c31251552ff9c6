//! Nothing that somebody types becomes an option, a command or another file: every field that can reach
//! an argument list or a path, by hostile values; and every place that makes an argument list, by name.

mod calls;
mod free_text;

use crate::{
    api::{add, upload},
    imports::sources,
    server::{Answer, Server, Session, nsboot},
};
use engine::{Engine, EngineConfig};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Longer than any name may be.
const LONG: &str = match std::str::from_utf8(&[b'a'; 5000]) {
    Ok(text) => text,
    Err(_) => "",
};

/// What has made programs do what they should not.
const HOSTILE: &[&str] = &[
    // Options.
    "-rf",
    "--help",
    "-",
    "--",
    "-netdev user",
    // Shells.
    ";reboot",
    "$(reboot)",
    "`reboot`",
    "|id",
    "&id",
    ">/tmp/x",
    "pc\nreboot",
    "pc\rreboot",
    "a b",
    "'pc'",
    "\"pc\"",
    "pc\\",
    "$IFS",
    "*",
    // Other files.
    "..",
    ".",
    "../../etc/passwd",
    "/etc/passwd",
    "..\\..\\x",
    "%2e%2e%2f",
    "pc/../..",
    "/",
    // Option strings of QEMU.
    "x,file=/etc/passwd",
    "x,script=/tmp/x",
    "x,,y",
    "x=y",
    // What C and terminals read.
    "pc\0.raw",
    "%s%n",
    "\u{1b}[2J",
    // Look-alikes.
    "ｐｃ",
    "р\u{441}-1",
    "pc\u{202e}1",
    "pc\u{200b}",
    "é",
    "",
    LONG,
];

/// All but letters and digits written by their codes.
fn encoded(text: &str) -> String {
    let one = |b: u8| match b.is_ascii_alphanumeric() {
        true => char::from(b).to_string(),
        false => format!("%{b:02X}"),
    };
    text.bytes().map(one).collect()
}

fn state(server: &Server, session: &Session<'_>) -> (Vec<Vec<Value>>, BTreeSet<PathBuf>) {
    let nouns = [
        "clients",
        "images",
        "boot-entries",
        "groups",
        "firmware",
        "leases",
        "networks",
        "scopes",
        "reservations",
        "users",
        "jobs",
        "settings/revisions",
    ];
    let rows = nouns.map(|noun| session.items(&format!("/api/v1/{noun}")));
    (rows.into(), files(server.data()))
}

/// Every file below a folder but what is written all the time.
fn files(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        }
        found.insert(path);
    }
    found
}

fn namespaces() -> BTreeSet<PathBuf> {
    match Path::new("/run/netns").is_dir() {
        true => files(Path::new("/run/netns")),
        false => BTreeSet::new(),
    }
}

fn refused(answer: &Answer, what: &str) {
    assert!((400..500).contains(&answer.status), "{what}: {answer:?}");
    assert!(answer.code().starts_with("NSB-"), "{what}");
}

/// A change of one setting.
fn set(session: &Session<'_>, key: &str, value: Value) -> Answer {
    let body = json!({"values": {key: value}, "confirm_within_seconds": 10});
    session.json("PATCH", "/api/v1/settings", body)
}

/// A boot network that could be served but for one field.
fn network(session: &Session<'_>, field: &str, value: &str) -> Answer {
    let mut network = json!({
        "mode": "full",
        "range": "10.77.0.100-10.77.0.199",
        "router": "10.77.0.254",
        "dns": "10.77.0.253",
    });
    network[field] = json!(value);
    set(session, "boot.lab9/br9", network)
}

/// A field of REST: its name, and a request that has the value in it.
type Field = (&'static str, fn(&Session<'_>, &str) -> Answer);

const FIELDS: &[Field] = &[
    ("name of a new computer", |s, v| {
        s.json(
            "POST",
            "/api/v1/clients",
            json!({"name": v, "mac": "52:54:00:00:00:99"}),
        )
    }),
    ("address of a new computer", |s, v| {
        s.json("POST", "/api/v1/clients", json!({"name": "pc-9", "mac": v}))
    }),
    ("new name of a computer", |s, v| {
        s.json("PATCH", "/api/v1/clients/a01", json!({"name": v}))
    }),
    ("data disk of a computer", |s, v| {
        s.json("PATCH", "/api/v1/clients/a01", json!({"data_disks": [v]}))
    }),
    ("computer in a path", |s, v| {
        s.send(
            "DELETE",
            &format!("/api/v1/clients/{}", encoded(v)),
            &[],
            b"",
        )
    }),
    ("image of a new computer", |s, v| match v {
        // None is no image.
        "" => s.get("/api/v1/clients/none"),
        v => {
            let body = json!({"name": "pc-9", "mac": "52:54:00:00:00:99", "image": v});
            s.json("POST", "/api/v1/clients", body)
        }
    }),
    ("name of a new boot entry", |s, v| {
        let body = json!({"name": v, "kind": "script", "script": "shell"});
        s.json("POST", "/api/v1/boot-entries", body)
    }),
    ("kernel of a boot entry", |s, v| match v {
        // A plain word is a file's name.
        v if v
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._~+-".contains(c)) =>
        {
            s.get("/api/v1/boot-entries/none")
        }
        v => {
            let body = json!({"name": "x", "kind": "kernel", "kernel": v});
            s.json("POST", "/api/v1/boot-entries", body)
        }
    }),
    ("boot entry in a path", |s, v| {
        let path = format!("/api/v1/boot-entries/{}", encoded(v));
        s.send("DELETE", &path, &[], b"")
    }),
    ("name of a new group", |s, v| {
        s.json("POST", "/api/v1/groups", json!({"name": v}))
    }),
    ("group in a path", |s, v| {
        let path = format!("/api/v1/groups/{}", encoded(v));
        s.send("DELETE", &path, &[], b"")
    }),
    ("computer of a pin", |s, v| {
        s.json("POST", "/api/v1/firmware", json!({"client": v}))
    }),
    ("form of a pin", |s, v| match v {
        // The usual one.
        "" => s.get("/api/v1/firmware/none"),
        v => {
            let body = json!({"client": "a01", "quirks": {"form": v}});
            s.json("POST", "/api/v1/firmware", body)
        }
    }),
    ("firmware in a path", |s, v| {
        let path = format!("/api/v1/firmware/{}", encoded(v));
        s.send("DELETE", &path, &[], b"")
    }),
    ("name of a virtual computer", |s, v| {
        s.json("POST", "/api/v1/lab/actions/boot", json!({"name": v}))
    }),
    ("virtual computer in a query", |s, v| {
        let path = format!("/api/v1/lab/actions/down?name={}", encoded(v));
        s.send("POST", &path, &[], b"")
    }),
    ("name of an upload", |s, v| {
        let path = format!("/api/v1/images?name={}", encoded(v));
        s.send(
            "POST",
            &path,
            &[("content-type", "application/octet-stream")],
            &[1; 512],
        )
    }),
    ("name of an upload in pieces", |s, v| {
        let body = json!({"name": v, "size_bytes": 512});
        s.json("POST", "/api/v1/uploads", body)
    }),
    ("upload in a path", |s, v| {
        let path = format!("/api/v1/uploads/{}", encoded(v));
        s.send("DELETE", &path, &[], b"")
    }),
    ("address of a file to fetch", |s, v| {
        let body = json!({"name": "fetched", "url": v});
        s.json("POST", "/api/v1/images/actions/import", body)
    }),
    ("path of a file to fetch", |s, v| {
        let body = json!({"name": "fetched", "path": v});
        s.json("POST", "/api/v1/images/actions/import", body)
    }),
    ("checksum of an upload", |s, v| {
        let path = format!("/api/v1/images?name=other&sha256={}", encoded(v));
        s.send(
            "POST",
            &path,
            &[("content-type", "application/octet-stream")],
            &[1; 512],
        )
    }),
    ("image in a path", |s, v| {
        s.send(
            "DELETE",
            &format!("/api/v1/images/{}", encoded(v)),
            &[],
            b"",
        )
    }),
    ("image in an action", |s, v| {
        let path = format!("/api/v1/images/{}/actions/verify", encoded(v));
        s.send("POST", &path, &[], b"")
    }),
    ("channel of an image", |s, v| {
        let path = format!("/api/v1/images/disk/channels/{}", encoded(v));
        s.json("PUT", &path, json!({ "version": 1 }))
    }),
    ("version of an image", |s, v| {
        let path = format!("/api/v1/images/disk/versions/{}", encoded(v));
        s.send("DELETE", &path, &[], b"")
    }),
    ("version that is flattened", |s, v| {
        let path = format!(
            "/api/v1/images/disk/versions/{}/actions/flatten",
            encoded(v)
        );
        s.send("POST", &path, &[], b"")
    }),
    ("image of a version", |s, v| {
        let path = "/api/v1/images/disk/versions/1/actions/clone";
        s.json("POST", path, json!({ "name": v }))
    }),
    ("computer of a snapshot", |s, v| {
        s.json("POST", "/api/v1/snapshots", json!({ "client": v }))
    }),
    ("snapshot", |s, v| {
        let path = format!("/api/v1/snapshots/{}/actions/restore", encoded(v));
        s.send("POST", &path, &[], b"")
    }),
    ("new name of an image", |s, v| {
        s.json("PATCH", "/api/v1/images/disk", json!({ "name": v }))
    }),
    ("superclient of an image", |s, v| {
        let body = json!({ "client": v });
        s.json("PUT", "/api/v1/images/disk/superclient", body)
    }),
    ("disk that is begun anew", |s, v| {
        let path = format!("/api/v1/clients/{}/actions/discard", encoded(v));
        s.send("POST", &path, &[], b"")
    }),
    ("channel of a group", |s, v| {
        let body = json!({ "name": "row-9", "channel": v });
        s.json("POST", "/api/v1/groups", body)
    }),
    ("name of a loader set", |s, v| {
        let path = format!("/api/v1/loaders?name={}", encoded(v));
        s.send(
            "POST",
            &path,
            &[("content-type", "application/octet-stream")],
            &[1; 512],
        )
    }),
    ("loader set in a path", |s, v| {
        let path = format!("/api/v1/loaders/{}", encoded(v));
        s.send("DELETE", &path, &[], b"")
    }),
    ("default loader set", |s, v| {
        // Empty is the built-in one.
        let v = if v.is_empty() { "." } else { v };
        set(s, "clients.loader_set", json!(v))
    }),
    ("interface of a boot network", |s, v| {
        set(s, &format!("boot.{v}"), json!({"mode": "off"}))
    }),
    ("interface in a namespace", |s, v| {
        set(s, &format!("boot.lab9/{v}"), json!({"mode": "off"}))
    }),
    ("namespace of a boot network", |s, v| {
        set(s, &format!("boot.{v}/br9"), json!({"mode": "off"}))
    }),
    ("mode of a boot network", |s, v| network(s, "mode", v)),
    ("range of a boot network", |s, v| network(s, "range", v)),
    ("end of a range", |s, v| {
        network(s, "range", &format!("10.77.0.100-{v}"))
    }),
    ("router of a boot network", |s, v| network(s, "router", v)),
    ("name server of a boot network", |s, v| network(s, "dns", v)),
    ("second name server", |s, v| {
        network(s, "dns", &format!("10.77.0.253,{v}"))
    }),
    ("field of a boot network", |s, v| network(s, v, "10.77.0.1")),
    ("name of a scope", |s, v| {
        s.json(
            "POST",
            "/api/v1/scopes",
            json!({"name": v, "subnet": "10.30.0.0/24"}),
        )
    }),
    ("domain of a scope", |s, v| match v {
        // None is no domain.
        "" => s.get("/api/v1/scopes/none"),
        v => s.json(
            "POST",
            "/api/v1/scopes",
            json!({"name": "room-9", "subnet": "10.30.0.0/24", "domain": v}),
        ),
    }),
    ("scope in a path", |s, v| {
        s.send(
            "DELETE",
            &format!("/api/v1/scopes/{}", encoded(v)),
            &[],
            b"",
        )
    }),
    ("computer of an overlay in a path", |s, v| {
        s.send(
            "DELETE",
            &format!("/api/v1/overlays/{}", encoded(v)),
            &[],
            b"",
        )
    }),
    ("computer of a session in a path", |s, v| {
        let path = format!("/api/v1/exports/{}/sessions/1", encoded(v));
        s.send("DELETE", &path, &[], b"")
    }),
    ("session of a disk in a path", |s, v| {
        let path = format!("/api/v1/exports/a01/sessions/{}", encoded(v));
        s.send("DELETE", &path, &[], b"")
    }),
    ("lease in a path", |s, v| {
        s.send(
            "DELETE",
            &format!("/api/v1/leases/{}", encoded(v)),
            &[],
            b"",
        )
    }),
    ("address of the page", |s, v| {
        set(s, "http.listen", json!(v))
    }),
    ("host of the page's address", |s, v| match v {
        // Port alone is what it is about.
        "" => set(s, "http.listen", json!(":3000")),
        v => set(s, "http.listen", json!(format!("{v}:3000"))),
    }),
    ("choice among settings", |s, v| {
        set(s, "clients.unknown", json!(v))
    }),
    ("switch among settings", |s, v| {
        set(s, "lab.enabled", json!(v))
    }),
    ("key of a setting", |s, v| set(s, v, json!("x"))),
    ("name of a new account", |s, v| {
        let body = json!({"username": v, "password": "correct horse", "role": "viewer"});
        s.json("POST", "/api/v1/users", body)
    }),
    ("new name of an account", |s, v| {
        s.json("PATCH", "/api/v1/users/admin", json!({"username": v}))
    }),
];

/// What these requests are refused for is the hostile value: with a good one each would be looked at.
#[test]
fn a_boot_network_without_a_hostile_value_is_understood() {
    let server = Server::start();
    let session = server.login();
    let body = json!({"values": {"boot.lab9/br9": {
        "mode": "full",
        "range": "10.77.0.100-10.77.0.199",
        "router": "10.77.0.254",
        "dns": "10.77.0.253,10.77.0.252",
    }, "http.listen": "127.0.0.1:3000"}});
    let preview = session.json("POST", "/api/v1/settings/actions/preview", body);
    assert_eq!(preview.status, 200, "{preview:?}");
}

#[test]
fn no_field_of_rest_becomes_an_option_a_command_or_a_file() {
    let server = Server::start();
    let session = server.login();
    add(&session, "a01", 1);
    upload(&session, "disk", &[9; 4096]);
    let before = (state(&server, &session), namespaces());
    for (field, send) in FIELDS {
        for value in HOSTILE {
            let answer = send(&session, value);
            let what = format!("{field}: {:?}", value.chars().take(40).collect::<String>());
            refused(&answer, &what);
        }
        assert_eq!(
            (state(&server, &session), namespaces()),
            before,
            "{field} changed something"
        );
    }
}

/// What the settings file names: interfaces, namespaces, addresses.
#[test]
fn no_setting_becomes_an_option_a_command_or_a_file() {
    let good = [
        ("interface", "br0"),
        ("namespace", "lab1"),
        ("range", "10.0.0.2-10.0.0.9"),
        ("router", "10.0.0.1"),
        ("dns", "10.0.0.1"),
    ];
    let dir = tempfile::tempdir().expect("temp dir");
    let file = dir.path().join("nsboot.toml");
    let data = dir.path().join("data");
    for (key, _) in good {
        for value in HOSTILE {
            let line = |(k, v): &(&str, &str)| {
                let v = if *k == key { value } else { v };
                // JSON and TOML write such a text alike.
                format!(
                    "{k} = {}\n",
                    Value::from(*v).to_string().replace('\u{7f}', "\\u007f")
                )
            };
            let lines: String = good.iter().map(line).collect();
            fs::write(&file, format!("[[boot]]\nmode = \"full\"\n{lines}")).expect("written");
            let mut serve = nsboot();
            serve
                .args(["serve", "--config"])
                .arg(&file)
                .arg("--data")
                .arg(&data);
            let output = serve.output().expect("nsboot runs");
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{key}: {value:?}: {said}");
            assert!(said.contains("NSB-CONFIG-001"), "{key}: {value:?}: {said}");
            assert!(!data.exists(), "{key}: {value:?}");
        }
    }
    assert_eq!(files(dir.path()), BTreeSet::from([file]));
}

/// Commands pass what they are given on as one piece, and the server refuses it.
#[test]
fn no_argument_of_a_command_becomes_another_request() {
    let server = Server::start();
    let session = server.login();
    add(&session, "a01", 1);
    let before = state(&server, &session);
    for value in HOSTILE.iter().filter(|v| !v.contains('\0')) {
        for command in [["client", "rm"], ["image", "rm"], ["client", "why"]] {
            let mut run = nsboot();
            run.args(command)
                .arg("--data")
                .arg(server.data())
                .args(["--", value]);
            let output = run.output().expect("nsboot runs");
            let code = output.status.code();
            assert!(
                matches!(code, Some(2 | 4)),
                "{command:?} {value:?}: {code:?} {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
    }
    assert_eq!(state(&server, &session), before);
}

/// A folder and a file may be called anything: what is in the name is not looked at.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_names_of_folders_and_files_are_only_names() {
    let parent = tempfile::tempdir().expect("temp dir");
    for name in ["-x $(id) `id`", "a,b=c;'d\"", "%s é*"] {
        let data = parent.path().join(name);
        let disk = parent.path().join(format!("{name}.raw"));
        fs::write(&disk, [5; 512]).expect("written");
        let server = Server::start();
        let mut import = nsboot();
        import
            .current_dir(parent.path())
            .args(["image", "import", "--name", "disk"])
            .arg("--data")
            .arg(server.data())
            .arg("--")
            .arg(disk.file_name().expect("a name"));
        let output = import.output().expect("nsboot runs");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(server.login().items("/api/v1/images").len(), 1);
        drop(server);
        serves_in(&data);
        let expected = BTreeSet::from([data.clone(), disk.clone()]);
        let found: BTreeSet<_> = fs::read_dir(parent.path())
            .expect("a folder")
            .map(|e| e.expect("an entry").path())
            .collect();
        assert_eq!(found, expected, "{name}");
        fs::remove_dir_all(data).expect("removed");
        fs::remove_file(disk).expect("removed");
    }
}

/// Opens and uses a data folder of that name.
fn serves_in(data: &Path) {
    let engine = Engine::open(EngineConfig {
        data_dir: data.into(),
        ..EngineConfig::default()
    });
    let engine = engine.expect("opened");
    for value in HOSTILE.iter().filter(|v| !v.is_empty()) {
        let found = engine.loaders().find(value.as_bytes());
        assert!(found.is_none(), "{value:?} is a loader");
    }
    assert!(data.join("nsboot.redb").is_file());
}

/// The same, seen from the running process: QEMU and `ip` get the names as one argument each.
#[test]
fn a_shell_is_never_started() {
    for (name, text) in sources("server/engine/src") {
        let code = text.split("#[cfg(test)]").next().unwrap_or("");
        for shell in ["\"sh\"", "\"bash\"", "/bin/sh", "\"-c\""] {
            assert!(!code.contains(shell), "{name} names {shell}");
        }
    }
    // A program is found by its folder, whatever PATH says.
    let dir = tempfile::tempdir().expect("temp dir");
    let fake = dir.path().join("ip");
    fs::write(&fake, "#!/bin/sh\ntouch \"$(dirname \"$0\")/ran\"\n").expect("written");
    let made = Command::new("/bin/chmod").arg("755").arg(&fake).status();
    assert!(made.expect("it runs").success());
    let server = Server::prepared(|command, _| {
        command.env("PATH", dir.path());
    });
    let session = server.login();
    refused(
        &session.json("POST", "/api/v1/lab/actions/boot", json!({"name": "-x"})),
        "a bad name",
    );
    assert_eq!(session.get("/api/v1/system/info").status, 200);
    assert!(!dir.path().join("ran").exists());
}
