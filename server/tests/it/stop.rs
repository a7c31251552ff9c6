//! How the server stands with a service manager, and how it ends.

use crate::{
    api, live,
    server::{Server, Session},
};
use futures_util::StreamExt;
use serde_json::Value;
use std::{
    io::{Read, Write},
    net::TcpStream,
    os::unix::net::UnixDatagram,
    path::Path,
    time::{Duration, Instant},
};
use tokio_tungstenite::tungstenite::Message;

/// From SIGTERM to the end.
const LIMIT: Duration = Duration::from_secs(8);
const PATIENCE: Duration = Duration::from_secs(60);

/// What systemd would hear.
struct Manager {
    socket: UnixDatagram,
}

impl Manager {
    fn listen(dir: &Path) -> Manager {
        let socket = UnixDatagram::bind(dir.join("notify")).expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a limit");
        Manager { socket }
    }

    fn next(&self) -> String {
        let mut buffer = [0; 512];
        let len = self.socket.recv(&mut buffer).expect("a word in time");
        String::from_utf8_lossy(&buffer[..len])
            .trim_end()
            .to_string()
    }
}

#[test]
fn systemd_hears_ready_then_signs_of_life_then_stopping() {
    let mut manager = None;
    let server = Server::prepared(|command, dir| {
        manager = Some(Manager::listen(dir));
        command
            .env("NOTIFY_SOCKET", dir.join("notify"))
            .env("WATCHDOG_USEC", "400000");
    });
    let manager = manager.expect("it listens");
    assert_eq!(manager.next(), "READY=1");
    // From here on: on a box that is busy the first sign is read late, and the next ones at once.
    let begun = Instant::now();
    assert_eq!(
        server.send("GET", "/readyz", &[], b"").status,
        200,
        "ready is ready"
    );
    for _ in 0..4 {
        assert_eq!(manager.next(), "WATCHDOG=1");
    }
    // Three halves of 400 ms; the upper bound is for a box that is busy.
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(500), "{took:?}");
    let session = server.login();
    let tasks = session.items("/api/v1/system/tasks");
    assert!(tasks.iter().any(|t| t["name"] == "watchdog"), "{tasks:?}");
    let (status, _dir) = server.stop();
    assert!(status.success(), "{status}");
    let rest = std::iter::repeat_with(|| manager.next()).find(|word| word != "WATCHDOG=1");
    assert_eq!(rest.as_deref(), Some("STOPPING=1"));
}

#[test]
fn without_a_watchdog_only_ready_and_stopping_are_told() {
    let mut manager = None;
    let server = Server::prepared(|command, dir| {
        manager = Some(Manager::listen(dir));
        // Of another process: not ours to feed.
        command
            .env("NOTIFY_SOCKET", dir.join("notify"))
            .env("WATCHDOG_USEC", "1000")
            .env("WATCHDOG_PID", "1");
    });
    let manager = manager.expect("it listens");
    assert_eq!(manager.next(), "READY=1");
    let (status, _dir) = server.stop();
    assert!(status.success(), "{status}");
    assert_eq!(manager.next(), "STOPPING=1");
}

/// Begins an upload of a disk that never comes whole.
fn slow_upload(server: &Server) -> TcpStream {
    let access = server.login().access;
    let address = server.base.strip_prefix("http://").expect("http");
    let mut stream = TcpStream::connect(address).expect("connects");
    let head = format!(
        "POST /api/v1/images?name=slow HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {access}\r\n\
         content-type: application/octet-stream\r\ncontent-length: 1048576\r\nexpect: 100-continue\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).expect("sent");
    // The answer to Expect comes when the handler reads the body: it is under way.
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 100");
    stream.write_all(&[7; 4096]).expect("sent");
    stream
}

/// With nothing else open the server would be gone before the word is said, if it did not wait for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_are_told_that_the_server_goes_away() {
    let server = Server::start();
    let session = server.login();
    let mut sockets = Vec::new();
    for _ in 0..50 {
        let mut socket = live::open(&server, "", &[live::bearer(&session)])
            .await
            .expect("open");
        live::next(&mut socket).await;
        sockets.push(socket);
    }
    drop(session);
    let goodbyes: Vec<_> = sockets
        .into_iter()
        .map(|s| tokio::spawn(goodbye(s)))
        .collect();
    let (status, _dir) = tokio::task::spawn_blocking(|| server.stop())
        .await
        .expect("stopped");
    assert!(status.success(), "{status}");
    for goodbye in goodbyes {
        assert_eq!(goodbye.await.expect("read"), Some(1001));
    }
}

/// The code of the last word.
async fn goodbye(mut socket: live::Socket) -> Option<u16> {
    while let Some(Ok(message)) = socket.next().await {
        if let Message::Close(Some(frame)) = message {
            return Some(frame.code.into());
        }
    }
    None
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_takes_less_than_8_s_with_a_websocket_and_an_upload_open() {
    let server = Server::start();
    let upload = slow_upload(&server);
    let session = server.login();
    let mut socket = live::open(&server, "", &[live::bearer(&session)])
        .await
        .expect("open");
    live::next(&mut socket).await;
    drop(session);
    // The reader of the WebSocket goes on, as a browser does.
    let goodbye = tokio::spawn(goodbye(socket));
    let begun = Instant::now();
    let (status, dir) = tokio::task::spawn_blocking(|| server.stop())
        .await
        .expect("stopped");
    let took = begun.elapsed();
    assert!(status.success(), "{status}");
    assert!(took < LIMIT, "{took:?}");
    assert_eq!(
        goodbye.await.expect("read"),
        Some(1001),
        "told that the server goes away"
    );
    drop(upload);

    // Nothing of the half image is left but a word about it, and the data directory serves on.
    let again = tokio::task::spawn_blocking(move || {
        let server = Server::launch(dir, true);
        let images = server.login().items("/api/v1/images");
        let files = std::fs::read_dir(server.data().join("images")).expect("the folder");
        (images, files.count())
    });
    let (images, files) = again.await.expect("started again");
    assert!(
        images.len() == 1 && images[0]["state"] == "failed" && files == 0,
        "{images:?}, {files} files"
    );
}

/// An image whose file has grown so long that reading it takes a while; nothing of that is on the disk.
fn long_image(server: &Server) -> (std::path::PathBuf, u64) {
    let image = api::upload(&server.login(), "disk", &[7; 1 << 20]);
    let id = image["id"].as_str().expect("an id");
    let file = server.data().join(format!("images/{id}.raw"));
    (file, 1 << 20)
}

fn set_len(file: &Path, len: u64) {
    let file = std::fs::OpenOptions::new().write(true).open(file);
    file.expect("the image").set_len(len).expect("cut or grown");
}

/// Begins to check the image, and waits until some of it is read.
fn begin_check(server: &Server) -> String {
    let session = server.login();
    let job = session.send("POST", "/api/v1/images/disk/actions/verify", &[], b"");
    assert_eq!(job.status, 202, "{job:?}");
    let at = job.location.expect("where it is");
    let job = until(&session, &at, |j| j["done"].as_u64() > Some(0));
    assert_eq!(job["state"], "running", "it goes on: {job}");
    at
}

fn until(session: &Session<'_>, at: &str, is: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let job = session.get(at).value();
        if is(&job) {
            return job;
        }
        assert!(Instant::now() < deadline, "{job}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn is_over(job: &Value) -> bool {
    !matches!(job["state"].as_str(), Some("queued" | "running"))
}

#[test]
fn a_job_that_a_stop_cuts_short_goes_on_after_the_restart() {
    let server = Server::start();
    let (file, len) = long_image(&server);
    set_len(&file, 1 << 40);
    let at = begin_check(&server);
    let begun = Instant::now();
    let (status, dir) = server.stop();
    assert!(status.success() && begun.elapsed() < LIMIT, "{status}");
    set_len(&file, len);
    let server = Server::launch(dir, true);
    let session = server.login();
    let job = until(&session, &at, is_over);
    assert_eq!(
        (&job["state"], &job["done"]),
        (&"succeeded".into(), &len.into())
    );
    assert!(job["log"].to_string().contains("restarted"), "{job}");
}

#[test]
fn a_job_that_cannot_end_well_after_a_crash_says_so() {
    let server = Server::start();
    let (file, _) = long_image(&server);
    set_len(&file, 1 << 40);
    let at = begin_check(&server);
    let server = {
        let killed = server.kill();
        // What is there now is not what was imported.
        set_len(&file, 4096);
        Server::launch(killed, true)
    };
    let session = server.login();
    let job = until(&session, &at, is_over);
    assert_eq!(job["state"], "failed", "{job}");
    assert_eq!(job["problem"]["code"], "NSB-IMAGE-002", "{job}");
    // And it is over: once more does not run it again.
    let server = server.restart();
    assert_eq!(server.login().get(&at).value(), job);
}
