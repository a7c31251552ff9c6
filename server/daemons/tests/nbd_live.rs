//! The NBD server over loopback, byte by byte: what tools would not send or not show.

#[path = "support/nbd_client.rs"]
mod client;
#[path = "support/nbd.rs"]
mod support;

use client::Client;
use daemons::nbd::{
    Limits,
    wire::{Command, answer, flag, option},
};
use engine::export::{BlockDevice, MOST_CONNECTIONS};
use std::{
    io,
    net::Ipv4Addr,
    sync::{Arc, Mutex},
    time::Duration,
};
use support::{Door, PATIENCE, Server, TARGET};

const SIZE: usize = 4 << 20;
/// Reads of this sector fail.
const BAD: u64 = 3 << 20;

/// A disk in memory that knows what would survive a power cut.
#[derive(Default)]
struct Disk {
    written: Mutex<Vec<u8>>,
    durable: Mutex<Vec<u8>>,
}

impl Disk {
    fn new() -> Arc<Disk> {
        Arc::new(Disk {
            written: Mutex::new(vec![0; SIZE]),
            durable: Mutex::new(vec![0; SIZE]),
        })
    }

    fn durable(&self, at: usize) -> u8 {
        self.durable.lock().unwrap()[at]
    }
}

impl BlockDevice for Disk {
    fn size_bytes(&self) -> u64 {
        SIZE as u64
    }
    fn read_only(&self) -> bool {
        false
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        if (offset..offset + buf.len() as u64).contains(&BAD) {
            return Err(io::Error::other("a bad sector"));
        }
        let at = offset as usize;
        buf.copy_from_slice(&self.written.lock().unwrap()[at..at + buf.len()]);
        Ok(())
    }
    fn write_at(&self, offset: u64, buf: &[u8]) -> io::Result<()> {
        let at = offset as usize;
        self.written.lock().unwrap()[at..at + buf.len()].copy_from_slice(buf);
        Ok(())
    }
    fn flush(&self) -> io::Result<()> {
        self.durable
            .lock()
            .unwrap()
            .clone_from(&self.written.lock().unwrap());
        Ok(())
    }
    fn discard(&self, offset: u64, len: u64) -> io::Result<()> {
        let (at, end) = (offset as usize, (offset + len) as usize);
        self.written.lock().unwrap()[at..end].fill(0);
        Ok(())
    }
    fn extents(&self, offset: u64, len: u64) -> io::Result<Vec<(u64, bool)>> {
        let (at, end) = (offset as usize, (offset + len) as usize);
        let written = self.written.lock().unwrap();
        let blocks = written[at..end].chunks(4096);
        Ok(blocks
            .map(|b| (b.len() as u64, b.iter().any(|byte| *byte != 0)))
            .collect())
    }
}

#[test]
fn a_flush_on_one_connection_makes_durable_what_another_wrote() {
    let disk = Disk::new();
    let server = Server::start(disk.clone());
    let (mut one, mut other) = (Client::open(&server), Client::open(&server));
    assert_eq!(server.exports.sessions().len(), 2, "none is kicked out");
    assert_eq!(one.write(0, 4096, &[7; 512]), 0);
    assert_eq!(other.read(4096, 512), [7; 512], "seen before any flush");
    assert_eq!(disk.durable(4096), 0);
    other.request(Command::Flush, 0, 0, 0);
    assert_eq!(other.simple(), 0);
    assert_eq!(disk.durable(4096), 7);
    assert_eq!(one.write(flag::FUA, 8192, &[9; 512]), 0);
    assert_eq!(disk.durable(8192), 9, "a write with FUA is its own flush");
    let zeroes = flag::FUA | flag::NO_HOLE;
    one.request(Command::WriteZeroes, zeroes, 8192, 4096);
    assert_eq!(one.simple(), 0);
    one.request(Command::Trim, flag::FUA, 4096, 4096);
    assert_eq!(one.simple(), 0);
    assert_eq!((disk.durable(8192), disk.durable(4096)), (0, 0));
}

#[test]
fn a_refused_request_leaves_the_connection_usable() {
    let server = Server::start(Disk::new());
    let mut client = Client::open(&server);
    let end = SIZE as u64;
    let (einval, enospc, enotsup) = (22, 28, 95);
    assert_eq!(client.write(0, end - 512, &[1; 1024]), enospc);
    assert_eq!(client.write(0, 100, &[1; 100]), einval);
    assert_eq!(client.write(1 << 9, 0, &[1; 512]), einval);
    assert_eq!(client.write(0, 0, &vec![1; (32 << 20) + 512]), einval);
    for (command, flags, offset, len, error) in [
        (Command::Read, 0, end, 512, einval),
        (Command::Read, flag::DF, 0, 512, einval),
        (Command::Read, 0, 0, u32::MAX, einval),
        (Command::BlockStatus, 0, 0, 512, einval),
        (Command::Other(5), 0, 0, 512, einval),
        (Command::WriteZeroes, 0, end, 512, enospc),
        (
            Command::WriteZeroes,
            flag::NO_HOLE | flag::FAST_ZERO,
            0,
            512,
            enotsup,
        ),
        (Command::Read, 0, 0, 0, 0),
    ] {
        client.request(command, flags, offset, len);
        assert_eq!(client.simple(), error, "{command:?} {offset} {len}");
    }
    assert_eq!(client.read(0, 512), [0; 512], "nothing of it was written");
    client.request(Command::Disconnect, 0, 0, 0);
    assert!(client.is_closed());
}

#[test]
fn many_requests_may_be_on_their_way_at_once() {
    let server = Server::start(Disk::new());
    let mut client = Client::open(&server);
    for i in 0..64u8 {
        client.request(Command::Write, 0, u64::from(i) * 512, 512);
        client.send(&[i; 512]);
        client.request(Command::Read, 0, u64::from(i) * 512, 512);
    }
    for i in 0..64u8 {
        assert_eq!((client.simple(), client.simple()), (0, 0));
        assert_eq!(client.take(512), [i; 512]);
    }
}

#[test]
fn structured_reads_leave_zeros_out_and_say_where_a_read_failed() {
    let server = Server::start(Disk::new());
    let mut client = Client::connect(&server);
    client.option(option::STRUCTURED_REPLY, b"");
    client.go("").unwrap();
    assert_eq!(client.write(0, 65536, &[5; 4096]), 0);
    let read = |client: &mut Client, flags, offset, len| {
        client.request(Command::Read, flags, offset, len);
        client.chunks()
    };
    let hole = |at: u64, len: u32| {
        let payload = [&at.to_be_bytes()[..], &len.to_be_bytes()].concat();
        (2u16, payload)
    };
    let data = |at: u64, len: usize, byte| {
        let payload = [&at.to_be_bytes()[..], &vec![byte; len]].concat();
        (1u16, payload)
    };
    let piece = 256 * 1024;
    let long = 2 * piece;
    let chunks = read(&mut client, 0, 0, long);
    let mut first = data(0, piece as usize, 0);
    first.1[8 + 65536..][..4096].fill(5);
    assert_eq!(chunks, [first, hole(u64::from(piece), piece)]);
    assert_eq!(read(&mut client, 0, 65536, 512), [data(65536, 512, 5)]);
    assert_eq!(
        read(&mut client, 0, 0, 512),
        [hole(0, 512)],
        "zeros, though short"
    );
    let whole = read(&mut client, flag::DF, 0, long);
    assert_eq!((whole.len(), whole[0].0), (1, 1));
    assert_eq!(whole[0].1.len(), 8 + long as usize);
    // Data of more than one piece, of which the second can't be read.
    assert_eq!(client.write(0, BAD - (256 << 10), &vec![6; 512 << 10]), 0);
    let chunks = read(&mut client, 0, BAD - (256 << 10), 512 << 10);
    assert_eq!(chunks[0], data(BAD - (256 << 10), 256 << 10, 6));
    let error = [&5u32.to_be_bytes()[..], &[0, 0], &BAD.to_be_bytes()].concat();
    assert_eq!(chunks[1..], [((1 << 15) + 2, error)]);
    client.request(Command::Read, 0, 0, 1);
    assert_eq!(client.chunks(), [((1 << 15) + 1, vec![0, 0, 0, 22, 0, 0])]);
    client.request(Command::Read, 0, 0, 0);
    assert_eq!(client.chunks(), [(0, vec![])]);
    assert_eq!(client.write(0, 0, &[1; 512]), 0, "it goes on");
}

#[test]
fn a_simple_read_that_fails_in_the_middle_ends_the_connection() {
    let server = Server::start(Disk::new());
    let mut client = Client::open(&server);
    client.request(Command::Read, 0, BAD, 512);
    assert_eq!(client.simple(), 5, "at its beginning it can still be told");
    client.request(Command::Read, 0, BAD - (256 << 10), 512 << 10);
    assert_eq!(client.simple(), 0);
    client.take(256 << 10);
    assert!(client.is_closed());
}

#[test]
fn only_the_computers_own_address_opens_its_disk() {
    let door = Arc::<Door>::default();
    let server = Server::bounded(Disk::new(), door.clone(), Limits::default());
    server.publish("iqn.2026-11.test:pc-2", Disk::new());
    let second = Ipv4Addr::new(127, 0, 0, 2);
    door.put(second, "pc-2");
    let mut client = Client::connect(&server);
    let (kind, text) = client.go("pc-2").unwrap_err();
    assert_eq!(kind, answer::POLICY);
    assert!(text.contains("another computer's"), "{text}");
    assert_eq!(client.go("pc-9").unwrap_err().0, answer::UNKNOWN);
    let listed = client.option(option::LIST, b"");
    assert_eq!(listed[0], (answer::SERVER, b"\0\0\0\x04pc-1".to_vec()));
    assert_eq!(listed.len(), 2);
    client.go("PC-1").expect("after all that");
    Client::from(&server, second).go("pc-2").expect("its own");

    let mut stranger = Client::from(&server, Ipv4Addr::new(127, 0, 0, 3));
    for name in ["pc-1", "pc-2", "pc-9", ""] {
        let (kind, text) = stranger.go(name).unwrap_err();
        assert_eq!(kind, answer::POLICY, "{name:?}: a stranger learns no names");
        assert!(text.contains("this address is not known"), "{text}");
    }
    let listed = stranger.option(option::LIST, b"");
    assert_eq!(listed, [(answer::ACK, vec![])]);
    let told: Vec<String> = server.seen.all();
    let refused: Vec<&String> = told.iter().filter(|t| t.starts_with("refused")).collect();
    assert_eq!(
        refused,
        [
            &format!("refused pc-2 Some({TARGET:?}) NotYours"),
            "refused pc-1 None Stranger"
        ],
        "each connection is told of once"
    );
}

#[test]
fn data_disks_have_the_computers_name_and_their_number() {
    let door = Arc::<Door>::default();
    let server = Server::bounded(Disk::new(), door.clone(), Limits::default());
    let (system, first, second) = (Disk::new(), Disk::new(), Disk::new());
    server.publish_with(TARGET, system.clone(), vec![first.clone(), second.clone()]);
    door.put(Ipv4Addr::new(127, 0, 0, 2), "pc-2");
    let mut client = Client::connect(&server);
    let listed = client.option(option::LIST, b"");
    let names = listed.iter().filter(|(kind, _)| *kind == answer::SERVER);
    let names: Vec<_> = names.map(|(_, data)| data[4..].to_vec()).collect();
    assert_eq!(names, [&b"pc-1"[..], b"pc-1/1", b"pc-1/2"]);
    for wrong in ["pc-1/3", "pc-1/0", "pc-1/x", "pc-1/"] {
        assert_eq!(client.go(wrong).unwrap_err().0, answer::UNKNOWN, "{wrong}");
    }
    assert_eq!(client.go("pc-2/1").unwrap_err().0, answer::POLICY);
    client.go("PC-1/2").expect("its own");
    assert_eq!(client.write(flag::FUA, 4096, &[9; 512]), 0);
    assert_eq!(
        [&system, &first, &second].map(|disk| disk.durable(4096)),
        [0, 0, 9]
    );
    // Where the name is empty it is the disk that the computer starts from.
    let mut client = Client::connect(&server);
    client.go("").expect("its own");
    assert_eq!(client.write(flag::FUA, 4096, &[8; 512]), 0);
    assert_eq!(
        [&system, &first, &second].map(|disk| disk.durable(4096)),
        [8, 0, 9]
    );
    let mut stranger = Client::from(&server, Ipv4Addr::new(127, 0, 0, 3));
    assert_eq!(stranger.go("pc-1/1").unwrap_err().0, answer::POLICY);
}

#[test]
fn sessions_are_listed_and_end_when_they_are_told_to() {
    let mut server = Server::start(Disk::new());
    let (mut one, mut other) = (Client::open(&server), Client::open(&server));
    one.read(0, 512);
    one.read(0, 512);
    assert!(server.seen.is_told("read pc-1"));
    let sessions = server.exports.sessions();
    assert!(server.exports.in_use(TARGET) && sessions.len() == 2);
    assert!(
        sessions
            .iter()
            .all(|s| s.target == TARGET && s.initiator == "pc-1")
    );
    assert!(!server.exports.withdraw_idle(TARGET));
    assert_eq!(server.exports.close_sessions(TARGET), 2);
    assert!(one.is_closed() && other.is_closed());
    assert!(server.exports.drained(TARGET, PATIENCE));
    let mut again = Client::open(&server);
    again.read(0, 512);
    // Another disk under the same name, as after a reset.
    server.publish(TARGET, Disk::new());
    assert!(again.is_closed());
    assert!(server.exports.withdraw(TARGET));
    let (kind, text) = Client::connect(&server).go("pc-1").unwrap_err();
    assert_eq!(kind, answer::UNKNOWN, "{text}");
    assert!(server.exports.drained(TARGET, PATIENCE));
    server.stop();
    let told = server.seen.all();
    let count = |what: &str| told.iter().filter(|t| *t == what).count();
    // Of each session that reads, the first block tells.
    let counts = [count("in pc-1"), count("read pc-1"), count("out pc-1")];
    assert_eq!(counts, [3, 2, 3], "{told:?}");
}

#[test]
fn one_connection_too_many_is_refused_and_harms_none_of_the_others() {
    let server = Server::start(Disk::new());
    let mut all: Vec<_> = (0..MOST_CONNECTIONS)
        .map(|_| Client::open(&server))
        .collect();
    let mut late = Client::connect(&server);
    for _ in 0..2 {
        let (kind, text) = late.go("pc-1").unwrap_err();
        assert_eq!(kind, answer::POLICY);
        assert!(text.contains("connections already"), "{text}");
    }
    assert_eq!(server.exports.sessions().len(), MOST_CONNECTIONS);
    for client in &mut all {
        client.read(0, 512);
    }
    // The same client may come in once there is room again.
    drop(all.pop());
    assert!(server.seen.is_told("out pc-1"));
    late.go("pc-1").unwrap();
    late.read(0, 512);
    let told = server.seen.all();
    let refused: Vec<_> = told.iter().filter(|t| t.starts_with("refused")).collect();
    assert!(refused.is_empty(), "no boot is told: {refused:?}");
}

#[test]
fn a_client_that_is_gone_frees_its_place() {
    let limits = Limits {
        connections: 1,
        ..Limits::default()
    };
    let server = Server::bounded(Disk::new(), Arc::default(), limits);
    let mut client = Client::open(&server);
    let mut second = std::net::TcpStream::connect(server.address).unwrap();
    assert!(is_refused(&mut second), "there is one place");
    // In the middle of a write, as when it is switched off.
    client.request(Command::Write, 0, 0, 4096);
    client.send(&[1; 100]);
    drop(client);
    assert!(server.exports.drained(TARGET, PATIENCE));
    // The place is given back right after the session.
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        let mut stream = std::net::TcpStream::connect(server.address).unwrap();
        if !is_refused(&mut stream) {
            break;
        }
        assert!(
            std::time::Instant::now() < deadline,
            "the place stays taken"
        );
    }
}

/// Whether the server says nothing but that it closes.
fn is_refused(stream: &mut std::net::TcpStream) -> bool {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    !matches!(io::Read::read(stream, &mut [0; 18]), Ok(18))
}

#[test]
fn who_opens_nothing_in_time_is_closed() {
    let limits = Limits {
        login: Duration::from_millis(300),
        ..Limits::default()
    };
    let server = Server::bounded(Disk::new(), Arc::default(), limits);
    let mut silent = Client::connect(&server);
    assert!(silent.is_closed());
    let mut slow = Client::connect(&server);
    slow.send(b"IHAVEOPT\0\0\0\x07\xff\xff\xff\xff");
    assert!(slow.is_closed(), "also while it sends an endless option");
    let mut open = Client::open(&server);
    assert!(
        open.stream
            .set_read_timeout(Some(Duration::from_secs(1)))
            .is_ok()
    );
    let silence = io::Read::read(&mut open.stream, &mut [0]);
    assert!(silence.is_err(), "who has opened its disk may be silent");
    assert_eq!(open.read(0, 512), [0; 512]);
}

#[test]
fn a_stopped_server_lets_go() {
    let mut server = Server::start(Disk::new());
    let mut client = Client::open(&server);
    let mut idle = Client::connect(&server);
    server.stop();
    assert!(client.is_closed() && idle.is_closed());
    assert!(server.exports.sessions().is_empty());
}
