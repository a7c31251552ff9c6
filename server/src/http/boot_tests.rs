//! Files over a real socket: their bytes, and that no name leads out of the folder.

use super::router;
use engine::{Engine, EngineConfig, boot::Plane};
use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::symlink,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};
use types::DhcpMode;

#[path = "../../engine/src/loaders/tricks.rs"]
mod tricks;

/// Several pieces of a file, and not a whole number of them.
const LARGE: usize = (2 << 20) + 4321;

struct Stage {
    _dir: tempfile::TempDir,
    address: SocketAddr,
    large: Vec<u8>,
}

async fn stage() -> Stage {
    let dir = tempfile::tempdir().expect("a folder");
    let data = dir.path().join("data");
    let root = data.join("loaders");
    for folder in ["sub", "ipxe-1.0", ".upload-1"] {
        fs::create_dir_all(root.join(folder)).expect("a folder");
    }
    fs::write(data.join("secret"), "secret").expect("written");
    symlink("../secret", root.join("link")).expect("a link");
    symlink("../../secret", root.join("ipxe-1.0/link")).expect("a link");
    fs::write(root.join("sub/a.efi"), "0123456789").expect("written");
    let large: Vec<u8> = (0..LARGE).map(|i| (i / 7 % 251) as u8).collect();
    fs::write(root.join("large.img"), &large).expect("written");
    let config = EngineConfig {
        data_dir: data,
        ..EngineConfig::default()
    };
    let engine = Engine::open(config).expect("a fresh folder");
    fs::create_dir_all(root.join(".upload-1")).expect("a folder");
    fs::write(root.join(".upload-1/secret"), "secret").expect("written");
    let plane = Plane::at(Ipv4Addr::LOCALHOST, DhcpMode::Off);
    let app = router(engine, plane).into_make_service_with_connect_info::<SocketAddr>();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
    let listener = listener.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, app).await });
    Stage {
        _dir: dir,
        address,
        large,
    }
}

struct Connection(BufReader<TcpStream>);

impl Connection {
    async fn open(stage: &Stage) -> Connection {
        let stream = TcpStream::connect(stage.address).await.expect("served");
        Connection(BufReader::new(stream))
    }

    /// Status, lower-case head and body of an answer to what is sent as it is.
    async fn ask(&mut self, method: &str, target: &[u8], headers: &str) -> (u16, String, Vec<u8>) {
        let request = [method.as_bytes(), b" ", target, b" HTTP/1.1\r\nhost: x\r\n"].concat();
        let request = [&request, headers.as_bytes(), b"\r\n"].concat();
        self.0.write_all(&request).await.expect("sent");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.expect("a head"));
        }
        let head = String::from_utf8(head).expect("ASCII").to_lowercase();
        let status = head[9..12].parse().expect("a status");
        let len = field(&head, "content-length").map_or(0, |v| v.parse().expect("a length"));
        let mut body = vec![0; if method == "HEAD" { 0 } else { len }];
        self.0.read_exact(&mut body).await.expect("the body");
        (status, head, body)
    }
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let lines = head.lines().filter_map(|l| l.split_once(": "));
    lines.filter(|(n, _)| *n == name).map(|(_, v)| v).next()
}

#[tokio::test]
async fn files_come_whole_and_in_ranges_over_one_connection() {
    let stage = stage().await;
    let mut c = Connection::open(&stage).await;
    let (status, head, body) = c.ask("GET", b"/f/large.img", "").await;
    assert_eq!(status, 200);
    assert!(body == stage.large, "{} bytes", body.len());
    assert_eq!(field(&head, "transfer-encoding"), None);
    let etag = field(&head, "etag").expect("a tag").to_owned();
    let (status, head, _) = c.ask("HEAD", b"/f/large.img", "").await;
    assert_eq!(
        (status, field(&head, "content-length")),
        (200, Some("2101473"))
    );
    // RFC 9110 section 14.2: a range is of a GET alone.
    for range in ["bytes=0-9", "bytes=99999999-"] {
        let range = format!("range: {range}\r\n");
        let (status, head, _) = c.ask("HEAD", b"/f/large.img", &range).await;
        let len = field(&head, "content-length");
        assert_eq!((status, len), (200, Some("2101473")), "{range}");
        assert_eq!(field(&head, "content-range"), None);
    }
    // Within one piece, over the ends of several, up to the end.
    for (from, to) in [(0, 0), (5, 65540), (500_000, 1_700_000), (1, LARGE - 1)] {
        let range = format!("range: bytes={from}-{to}\r\nif-range: {etag}\r\n");
        let (status, head, body) = c.ask("GET", b"/f/large.img", &range).await;
        assert_eq!(status, 206);
        assert!(body == stage.large[from..=to], "{from} to {to}");
        let said = format!("bytes {from}-{to}/{LARGE}");
        assert_eq!(field(&head, "content-range"), Some(&*said));
    }
    let stale = "range: bytes=0-9\r\nif-range: \"old\"\r\n";
    let (status, _, body) = c.ask("GET", b"/f/large.img", stale).await;
    assert_eq!((status, body.len()), (200, LARGE));
    let beyond = format!("range: bytes={LARGE}-\r\n");
    let (status, head, _) = c.ask("GET", b"/f/large.img", &beyond).await;
    let said = format!("bytes */{LARGE}");
    assert_eq!((status, field(&head, "content-range")), (416, Some(&*said)));
    // EDK2 writes two slashes, and must not be sent elsewhere.
    let (status, head, body) = c.ask("GET", b"/f//sub/a.efi", "").await;
    assert_eq!((status, &body[..]), (200, &b"0123456789"[..]));
    assert_eq!(field(&head, "content-type"), Some("application/efi"));
}

/// Every byte that is no letter or digit, percent-coded.
fn coded(name: &[u8]) -> Vec<u8> {
    let code = |b: &u8| match b.is_ascii_alphanumeric() {
        true => vec![*b],
        false => format!("%{b:02X}").into_bytes(),
    };
    name.iter().flat_map(code).collect()
}

#[tokio::test]
async fn no_name_leads_out_of_the_folder() {
    let stage = stage().await;
    let tricks = tricks::tricks();
    assert!(tricks.len() >= 300);
    for name in tricks {
        // Once as it is, where a request line can hold it, and once and twice coded.
        let plain = !name.iter().any(|b| *b <= b' ' || *b == b'\x7f');
        let raw = plain.then(|| name.clone());
        let (once, twice) = (coded(&name), coded(&coded(&name)));
        for target in raw.into_iter().chain([once, twice]) {
            let mut c = Connection::open(&stage).await;
            let target = [b"/f/", &target[..]].concat();
            let (status, _, body) = c.ask("GET", &target, "").await;
            let text = String::from_utf8_lossy(&body);
            let shown = String::from_utf8_lossy(&target);
            assert!((400..500).contains(&status), "{shown}: {status} {text}");
            assert!(
                !text.contains("root:") && text != "secret",
                "{shown}: {text}"
            );
        }
    }
}
