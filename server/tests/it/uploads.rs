//! Images from files and as files: uploads over connections that break, files that the server fetches, and exports.

use crate::{
    api::upload,
    cli::ok,
    server::{Answer, Server, Session},
};
use serde_json::{Value, json};
use std::{
    fs,
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    os::unix::fs::MetadataExt,
    process::Command,
    thread,
    time::{Duration, Instant},
};

const DISK: usize = 3 << 20;
/// Tries until something that is under way is there.
const PATIENCE: Duration = Duration::from_secs(60);

/// Data with a large hole, of no whole number of clusters.
fn disk() -> Vec<u8> {
    let mut disk = vec![0; DISK + 512];
    for (i, byte) in disk[..300_000].iter_mut().enumerate() {
        *byte = (i / 7) as u8 | 1;
    }
    disk[DISK - 5000..].fill(0x5a);
    disk
}

fn begin(session: &Session<'_>, name: &str, size: usize) -> Value {
    let answer = session.json(
        "POST",
        "/api/v1/uploads",
        json!({"name": name, "size_bytes": size}),
    );
    assert_eq!(answer.status, 201, "{answer:?}");
    let upload = answer.value();
    let place = format!("/api/v1/uploads/{}", upload["id"].as_str().expect("an id"));
    assert_eq!(answer.location.as_deref(), Some(&*place));
    upload
}

fn at(upload: &Value) -> String {
    format!("/api/v1/uploads/{}", upload["id"].as_str().expect("an id"))
}

fn send(session: &Session<'_>, upload: &Value, offset: usize, bytes: &[u8]) -> Answer {
    let offset = offset.to_string();
    let headers = [
        ("content-type", "application/octet-stream"),
        ("upload-offset", offset.as_str()),
    ];
    session.send("PATCH", &at(upload), &headers, bytes)
}

/// Asks until it is as wanted.
fn until(session: &Session<'_>, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        let now = session.get(path).value();
        if wanted(&now) {
            return now;
        }
        assert!(begun.elapsed() < PATIENCE, "{path}: {now}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// The files of images on the server.
fn files(server: &Server) -> Vec<String> {
    let entries = fs::read_dir(server.data().join("images")).expect("a folder");
    let name = |e: std::io::Result<fs::DirEntry>| e.expect("an entry").file_name();
    entries
        .map(|e| name(e).to_string_lossy().into_owned())
        .collect()
}

#[test]
fn an_upload_goes_on_after_a_connection_that_broke() {
    let server = Server::start();
    let session = server.login();
    let disk = disk();
    let begun = begin(&session, "disk", disk.len());
    assert_eq!(
        (&begun["state"], &begun["offset_bytes"]),
        (&json!("receiving"), &json!(0))
    );

    // A connection that says it brings all of it, and breaks.
    let address = server.base.strip_prefix("http://").expect("http");
    let mut connection = TcpStream::connect(address).expect("connected");
    let head = format!(
        "PATCH {} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\nupload-offset: 0\r\n\
         content-type: application/octet-stream\r\ncontent-length: {}\r\n\r\n",
        at(&begun),
        session.access,
        disk.len()
    );
    connection.write_all(head.as_bytes()).expect("sent");
    connection.write_all(&disk[..1_000_000]).expect("sent");
    until(&session, &at(&begun), |u| u["offset_bytes"] == 1_000_000);
    connection.shutdown(Shutdown::Both).expect("shut");

    for wrong in [0, 999_999, 1_000_001, DISK] {
        let refused = send(&session, &begun, wrong, &disk[..512]);
        assert_eq!(refused.status, 409, "{refused:?}");
        assert_eq!(refused.code(), "NSB-UPLOAD-002");
        assert!(refused.text().contains("1000000"), "{refused:?}");
    }
    let half = send(&session, &begun, 1_000_000, &disk[1_000_000..2_000_000]);
    assert_eq!(half.value()["offset_bytes"], 2_000_000, "{half:?}");
    let job = format!("/api/v1/jobs/{}", begun["job_id"].as_str().expect("a job"));
    assert_eq!(session.get(&job).value()["state"], "running");
    let whole = send(&session, &begun, 2_000_000, &disk[2_000_000..]);
    assert_eq!(whole.value()["state"], "ready", "{whole:?}");
    assert_eq!(session.get(&job).value()["state"], "succeeded");
    let raw = session.get("/api/v1/images/disk/content");
    assert_eq!(raw.header("content-length"), Some(disk.len().to_string()));
    assert!(raw.body == disk, "what was sent is what comes back");
    // It is over: nothing more is taken, and it can be forgotten without harm.
    assert_eq!(send(&session, &begun, disk.len(), &[1]).status, 409);
    assert_eq!(session.send("DELETE", &at(&begun), &[], b"").status, 204);
    assert_eq!(session.get(&at(&begun)).status, 404);
    assert_eq!(session.get("/api/v1/images/disk").value()["state"], "ready");
}

#[test]
fn an_upload_that_is_cancelled_bad_or_cut_by_a_restart_leaves_nothing() {
    let server = Server::start();
    let session = server.login();
    let begun = begin(&session, "disk", DISK);
    assert_eq!(send(&session, &begun, 0, &[7; 4096]).status, 200);
    assert_eq!(session.send("DELETE", &at(&begun), &[], b"").status, 204);
    assert_eq!(session.items("/api/v1/images"), [json!(null); 0]);
    assert_eq!(files(&server), [""; 0]);

    let begun = begin(&session, "disk", DISK);
    let zip = send(
        &session,
        &begun,
        0,
        &[b"PK\x03\x04".as_slice(), &[0; 2 << 20]].concat(),
    );
    assert_eq!((zip.status, zip.code().as_str()), (422, "NSB-IMAGE-001"));
    let failed = session.get(&at(&begun)).value();
    assert_eq!(failed["state"], "failed");
    assert_eq!(failed["problem"]["code"], "NSB-IMAGE-001");
    let more = begin(&session, "disk", 512);
    let more = send(&session, &more, 0, &[1; 1024]);
    assert_eq!(more.code(), "NSB-IMAGE-001", "{more:?}");
    assert_eq!(files(&server), [""; 0]);

    let begun = begin(&session, "disk", DISK);
    assert_eq!(send(&session, &begun, 0, &[7; 4096]).status, 200);
    let server = server.restart();
    let session = server.login();
    assert_eq!(session.get(&at(&begun)).status, 404);
    assert_eq!(
        session.get("/api/v1/images/disk").value()["state"],
        "failed"
    );
    assert_eq!(files(&server), [""; 0]);
}

#[test]
fn an_export_is_the_disk_in_every_format() {
    let server = Server::start();
    let session = server.login();
    let disk = disk();
    let image = upload(&session, "disk", &disk);
    for format in ["raw", "qcow2", "zst"] {
        let path = format!("/api/v1/images/disk/content?format={format}&version=1");
        // A browser that takes packed answers gets the file as it is.
        let file = session.send("GET", &path, &[("accept-encoding", "gzip, br")], b"");
        assert_eq!(file.status, 200, "{file:?}");
        assert_eq!(file.header("content-encoding"), None);
        let named = file.header("content-disposition").expect("a name");
        assert!(named.contains("filename=\"disk-1."), "{named}");
        if format == "qcow2" {
            assert!(file.body.len() < 1 << 20, "{} bytes", file.body.len());
            is_sound(&file.body);
        }
        let again = upload(&session, &format!("again-{format}"), &file.body);
        assert_eq!(again["sha256"], image["sha256"], "{format}");
        assert_eq!(again["size_bytes"], image["size_bytes"], "{format}");
    }
    for (path, status) in [
        ("/api/v1/images/disk/content?version=9", 404),
        ("/api/v1/images/disk/content?format=vmdk", 400),
        ("/api/v1/images/none/content", 404),
    ] {
        assert_eq!(session.get(path).status, status, "{path}");
    }
}

/// `qemu-img` finds no fault with it.
fn is_sound(qcow2: &[u8]) {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(qcow2).expect("written");
    let check = Command::new("qemu-img")
        .args(["check", "-f", "qcow2"])
        .arg(file.path())
        .output();
    match check {
        Err(_) => assert!(
            std::env::var_os("NSBOOT_LIVE").is_none(),
            "qemu-img is not installed"
        ),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(
                output.status.success() && said.contains("No errors"),
                "{output:?}"
            );
        }
    }
}

#[test]
fn the_server_fetches_a_file_by_url_and_by_path() {
    let server = Server::start();
    let session = server.login();
    let disk = disk();
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = listener.local_addr().expect("an address");
    let served = disk.clone();
    // The first is sent on to the second, the third breaks off.
    let site = thread::spawn(move || {
        for n in 0..3 {
            let (mut peer, _) = listener.accept().expect("a connection");
            let mut asked = [0; 4096];
            assert!(peer.read(&mut asked).expect("a request") > 0);
            let head = match n {
                0 => format!(
                    "HTTP/1.1 302 Found\r\nlocation: http://{address}/b\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                ),
                _ => format!(
                    "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    served.len()
                ),
            };
            peer.write_all(head.as_bytes()).expect("sent");
            let body = [&[], served.as_slice(), &served[..100_000]][n];
            peer.write_all(body).expect("sent");
        }
    });
    let fetch = |body: Value| {
        let answer = session.json("POST", "/api/v1/images/actions/import", body);
        assert_eq!(answer.status, 202, "{answer:?}");
        let job = format!(
            "/api/v1/jobs/{}",
            answer.value()["id"].as_str().expect("an id")
        );
        until(&session, &job, |j| {
            !["queued", "running"].contains(&j["state"].as_str().unwrap_or(""))
        })
    };
    let job = fetch(json!({"name": "by-url", "url": format!("http://{address}/a")}));
    assert_eq!(
        (&job["state"], &job["total"]),
        (&json!("succeeded"), &json!(disk.len())),
        "{job}"
    );
    let job = fetch(json!({"name": "cut", "url": format!("http://{address}/c")}));
    assert_eq!(job["state"], "failed", "{job}");
    assert!(
        !job["problem"]["hint"].as_str().unwrap_or("").is_empty(),
        "{job}"
    );
    site.join().expect("the site");

    let folder = server.data().join("import");
    fs::create_dir_all(&folder).expect("made");
    fs::write(folder.join("disk.raw"), &disk).expect("written");
    let job = fetch(json!({"name": "by-path", "path": "disk.raw"}));
    assert_eq!(job["state"], "succeeded", "{job}");
    for name in ["by-url", "by-path"] {
        let raw = session.get(&format!("/api/v1/images/{name}/content"));
        assert!(raw.body == disk, "{name}");
    }
    assert_eq!(session.get("/api/v1/images/cut").status, 404);
    assert_eq!(files(&server).len(), 2);
    for body in [
        json!({"name": "x"}),
        json!({"name": "x", "url": "http://a/", "path": "disk.raw"}),
        json!({"name": "x", "url": "file:///etc/passwd"}),
        json!({"name": "x", "path": "../nsboot.redb"}),
        json!({"name": "x", "path": "/etc/passwd"}),
    ] {
        let refused = session.json("POST", "/api/v1/images/actions/import", body.clone());
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (422, "NSB-IMAGE-001"),
            "{body}"
        );
    }
}

#[test]
fn the_command_line_sends_and_writes_files() {
    let server = Server::start();
    let file = |name: &str| {
        let path = server.data().join(name);
        path.to_str().expect("text").to_string()
    };
    let (from, to) = (file("disk.raw"), file("back.raw"));
    let disk = disk();
    fs::write(&from, &disk).expect("written");
    ok(&server.run(&["image", "import", &from, "--name", "disk"]));
    ok(&server.run(&["image", "export", "disk", &to]));
    assert!(fs::read(&to).expect("read") == disk, "what came back");
    let blocks = fs::metadata(&to).expect("there").blocks() * 512;
    assert!(blocks < DISK as u64 / 2, "{blocks} bytes: it is not sparse");
    for format in ["qcow2", "zst"] {
        let (to, name) = (file(&format!("back.{format}")), format!("again-{format}"));
        ok(&server.run(&[
            "image",
            "export",
            "disk",
            &to,
            "--format",
            format,
            "--version",
            "1",
        ]));
        ok(&server.run(&["image", "import", &to, "--name", &name]));
    }
    let images = server.login().items("/api/v1/images");
    assert!(
        images.iter().all(|i| i["sha256"] == images[0]["sha256"]),
        "{images:?}"
    );
}
