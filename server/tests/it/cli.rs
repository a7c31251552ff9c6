//! Commands, their output and their exit codes.

mod entries;
mod nouns;
mod operations;
mod sign_in;

use crate::server::{Server, nsboot};
use serde_json::Value;
use std::{
    io::{Read, Write},
    net::TcpListener,
    process::{Command, Output, Stdio},
    thread,
};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub fn ok(output: &Output) -> String {
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

fn json(output: &Output) -> Value {
    let text = ok(output);
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

/// Runs it with these lines on stdin.
fn with_input(command: &mut Command, input: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("nsboot runs");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(input.as_bytes()).expect("read");
    drop(stdin);
    child.wait_with_output().expect("it ends")
}

/// Runs a command against a port that answers its one request with this, and gives the request's
/// first line.
fn against(words: &[&str], status: &str, body: &str) -> (String, Output) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let served = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut head = Vec::new();
        let mut piece = [0; 1024];
        while !head.windows(4).any(|w| w == b"\r\n\r\n") {
            match stream.read(&mut piece).expect("a request") {
                0 => break,
                n => head.extend_from_slice(&piece[..n]),
            }
        }
        stream.write_all(answer.as_bytes()).expect("answered");
        let head = String::from_utf8_lossy(&head).into_owned();
        head.lines().next().unwrap_or("").to_string()
    });
    let mut command = nsboot();
    let output = command.args(words).args(["--server", &url]).output();
    (served.join().expect("served"), output.expect("nsboot runs"))
}

fn failed(output: &Output, exit: i32, says: &str) {
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(exit), "{said}");
    assert!(said.contains(says), "{said}");
}

#[test]
fn the_smallest_path_to_a_client_works_as_documented() {
    let server = Server::start();
    let disk = server.data().join("disk.raw");
    std::fs::write(&disk, vec![5u8; 1 << 20]).expect("written");
    let disk = disk.to_str().expect("text").to_string();
    ok(&server.run(&["image", "import", &disk, "--name", "debian"]));
    ok(&server.run(&[
        "client",
        "add",
        "52:54:00:00:00:01",
        "--name",
        "a01",
        "--image",
        "debian",
        "--mode",
        "keep",
    ]));
    let clients: Value =
        serde_json::from_str(&ok(&server.run(&["client", "ls", "-o", "json"]))).expect("JSON");
    assert_eq!(
        (
            &clients[0]["name"],
            &clients[0]["image_name"],
            &clients[0]["mode"]
        ),
        (&"a01".into(), &"debian".into(), &"keep".into())
    );
    let images: Value =
        serde_json::from_str(&ok(&server.run(&["image", "ls", "-o", "json"]))).expect("JSON");
    assert_eq!(
        (&images[0]["state"], &images[0]["size_bytes"]),
        (&"ready".into(), &(1 << 20).into())
    );
    assert!(ok(&server.run(&["client", "ls"])).contains("a01"));
    assert!(ok(&server.run(&["client", "ls", "-o", "yaml"])).contains("name: \"a01\""));
    assert!(ok(&server.run(&["client", "why", "a01"])).contains("not been seen booting"));
    assert!(ok(&server.run(&["lease", "ls"])).contains("none"));
    assert!(ok(&server.run(&["status"])).contains(env!("CARGO_PKG_VERSION")));

    failed(
        &server.run(&["client", "add", "52:54:00:00:00:01", "--name", "b"]),
        5,
        "NSB-CLIENT-002",
    );
    failed(&server.run(&["client", "why", "none"]), 4, "NSB-CLIENT-004");
    // A change of nothing is a slip.
    failed(&server.run(&["client", "set", "a01"]), 2, "--image");
    let never = ok(&server.run(&["client", "why", "a01"]));
    assert!(never.contains("no interface is served"), "{never}");
    assert!(ok(&server.run(&["status"])).contains("no interface is served"));
    failed(
        &server.run(&["image", "import", "/nonexistent", "--name", "x"]),
        1,
        "NSB-CLI-005",
    );
    failed(
        &server.run(&["image", "import", "/", "--name", "x"]),
        1,
        "NSB-CLI-005",
    );
    // Far more than the sockets hold: the refusal must come before the disk is on its way.
    let large = server.data().join("large.raw");
    let file = std::fs::File::create(&large).expect("made");
    file.set_len(256 << 20).expect("sized");
    let large = large.to_str().expect("text");
    let taken = server.run(&["image", "import", large, "--name", "debian"]);
    failed(&taken, 5, "NSB-IMAGE-002");
    failed(&server.run(&["image", "rm", "debian"]), 5, "NSB-IMAGE-002");
    failed(
        &server.run(&["client", "add", "nonsense", "--name", "b"]),
        2,
        "not a MAC address",
    );
    failed(
        &server.run(&["lab", "boot", "--firmware", "openfirmware"]),
        2,
        "bios, uefi",
    );
}

/// Larger than any buffer between the two: the refusal comes while the command still sends.
#[test]
fn a_disk_of_another_format_is_refused_in_words_in_the_middle_of_its_upload() {
    let server = Server::start();
    let mut bytes = vec![0u8; 16 << 20];
    bytes[..8].copy_from_slice(b"QFI\xfb\0\0\0\x03");
    let disk = server.data().join("disk.qcow2");
    std::fs::write(&disk, bytes).expect("written");
    let disk = disk.to_str().expect("text").to_string();
    let refused = server.run(&["image", "import", &disk, "--name", "qc"]);
    failed(&refused, 1, "the qcow2 disk can't be taken in");
}

#[test]
fn a_server_that_is_not_there_or_wants_a_token_says_so() {
    let server = Server::start();
    let over = |url: &str, token: Option<&str>| {
        let mut command = nsboot();
        command.args(["client", "ls", "--server", url]);
        if let Some(token) = token {
            command.args(["--token", token]);
        }
        command.output().expect("nsboot runs")
    };
    failed(&over(&server.base, None), 3, "NSB-AUTH-001");
    failed(&over(&server.base, Some("nonsense")), 3, "NSB-AUTH-001");
    ok(&over(&server.base, Some(&server.login().access)));
    failed(&over("http://127.0.0.1:1", None), 6, "NSB-CLI-001");
    let empty = tempfile::tempdir().expect("temp dir");
    let output = nsboot()
        .args(["status", "--data"])
        .arg(empty.path())
        .output()
        .expect("nsboot runs");
    failed(&output, 6, "NSB-CLI-001");
}

#[test]
fn only_the_owner_may_open_the_local_socket() {
    use std::os::unix::fs::PermissionsExt;
    let server = Server::start();
    let mode = std::fs::metadata(server.data().join("nsboot.sock"))
        .expect("there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_second_server_on_the_same_data_says_why_it_does_not_start() {
    let server = Server::start();
    let output = nsboot()
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(server.data())
        .output()
        .expect("nsboot runs");
    failed(&output, 1, "NSB-SYSTEM-020");
    assert_eq!(
        server.send("GET", "/readyz", &[], b"").status,
        200,
        "the first goes on"
    );
}

#[test]
fn a_plane_whose_interface_is_missing_is_shown_and_the_server_stays() {
    let server = Server::with_file("[[boot]]\ninterface = \"none0\"\nmode = \"off\"\n");
    let session = server.login();
    let shown = (0..100).find_map(|_| {
        let networks = session.items("/api/v1/networks");
        networks
            .first()
            .and_then(|n| n["error"].as_str().map(str::to_string))
            .or_else(|| {
                thread::sleep(std::time::Duration::from_millis(50));
                None
            })
    });
    assert!(shown.expect("shown").contains("none0"));
}

#[test]
fn it_stops_within_eight_seconds() {
    let server = Server::start();
    let begun = std::time::Instant::now();
    let (status, dir) = server.stop();
    assert!(status.success(), "{status}");
    assert!(begun.elapsed().as_secs() < 8, "{:?}", begun.elapsed());
    assert!(!dir.path().join("nsboot.sock").exists());
}
