//! A session over a real socket whose disk lets it wait.

use super::*;
use crate::iscsi::{
    IscsiServer, Limits, serve,
    testing::{Ram, export},
};
use engine::export::{BlockDevice, Export, Exports, SilentObserver};
use std::{
    io::{self, Read, Write},
    net::TcpListener,
    sync::Condvar,
};
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(30);

/// A disk that answers once its gate is open.
struct Slow {
    ram: Arc<Ram>,
    is_open: Mutex<bool>,
    opened: Condvar,
}

impl Slow {
    fn open(&self) {
        *self.is_open.lock().unwrap() = true;
        self.opened.notify_all();
    }
}

impl BlockDevice for Slow {
    fn size_bytes(&self) -> u64 {
        self.ram.size_bytes()
    }
    fn read_only(&self) -> bool {
        false
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let closed = self.is_open.lock().unwrap();
        let waited = self
            .opened
            .wait_timeout_while(closed, PATIENCE, |open| !*open);
        drop(waited.unwrap());
        self.ram.read_at(offset, buf)
    }
    fn write_at(&self, offset: u64, buf: &[u8]) -> io::Result<()> {
        self.ram.write_at(offset, buf)
    }
    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
    fn discard(&self, offset: u64, len: u64) -> io::Result<()> {
        self.ram.discard(offset, len)
    }
    fn extents(&self, offset: u64, len: u64) -> io::Result<Vec<(u64, bool)>> {
        self.ram.extents(offset, len)
    }
}

/// What an initiator of one session knows.
struct Wire {
    stream: TcpStream,
    command: u32,
}

impl Wire {
    fn login(address: std::net::SocketAddr, keys: &str) -> Wire {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut wire = Wire { stream, command: 1 };
        let text = format!(
            "InitiatorName=iqn.i\0TargetName=iqn.2026-11.test:a\0SessionType=Normal\0AuthMethod=None\0{keys}"
        );
        let mut header = [0; BHS_LEN];
        // A login from operational negotiation to the full feature phase.
        (header[0], header[1]) = (0x43, 0x80 | 1 << 2 | 3);
        header[5..8].copy_from_slice(&(text.len() as u32).to_be_bytes()[1..]);
        put32(&mut header, 24, 1);
        wire.stream.write_all(&header).unwrap();
        let mut padded = text.into_bytes();
        padded.resize(padded.len().next_multiple_of(4), 0);
        wire.stream.write_all(&padded).unwrap();
        let (answer, _) = wire.hear(false);
        assert_eq!((answer[0], answer[36]), (0x23, 0), "{answer:?}");
        wire
    }

    /// One PDU; its header and the StatSN in it.
    fn hear(&mut self, digests: bool) -> ([u8; BHS_LEN], u32) {
        let mut header = [0; BHS_LEN];
        self.stream.read_exact(&mut header).unwrap();
        if digests {
            let mut digest = [0; 4];
            self.stream.read_exact(&mut digest).unwrap();
            assert_eq!(crc32c::crc32c(&header).to_le_bytes(), digest);
        }
        let len = u32::from_be_bytes([0, header[5], header[6], header[7]]) as usize;
        let mut data = vec![0; len.next_multiple_of(4)];
        self.stream.read_exact(&mut data).unwrap();
        (
            header,
            u32::from_be_bytes(header[24..28].try_into().unwrap()),
        )
    }

    /// Several commands without data out, in one write: CDB and the bytes that each expects.
    fn ask(&mut self, commands: &[(&[u8], u32)], digests: bool) {
        let mut all = Vec::new();
        for (cdb, expected) in commands {
            let mut header = [0; BHS_LEN];
            (header[0], header[1]) = (0x01, 0x80 | if *expected > 0 { 0x40 } else { 0 });
            put32(&mut header, 16, self.command);
            put32(&mut header, 20, *expected);
            put32(&mut header, 24, self.command);
            header[32..32 + cdb.len()].copy_from_slice(cdb);
            self.command += 1;
            all.extend(header);
            if digests {
                all.extend(crc32c::crc32c(&header).to_le_bytes());
            }
        }
        self.stream.write_all(&all).unwrap();
    }
}

const TEST_UNIT_READY: &[u8] = &[0; 6];
const READ_ONE_BLOCK: &[u8] = &[0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0];
const NOP_IN: u8 = 0x20;

/// Pings come while the disk has not answered, at the numbers that the initiator has seen; then the answer.
fn lives_while_its_disk_waits(keys: &str, digests: bool) {
    let disk = Arc::new(Slow {
        ram: Ram::new(64),
        is_open: Mutex::default(),
        opened: Condvar::new(),
    });
    let exports = Exports::new();
    exports.publish(Export {
        device: disk.clone(),
        ..export(64)
    });
    let limits = Limits {
        pulse: Duration::from_millis(20),
        ..Limits::default()
    };
    let server = Arc::new(IscsiServer::new(exports, Arc::new(SilentObserver), limits));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let stop = CancellationToken::new();
    let served = runtime.spawn(serve(listener, server, stop.clone()));

    let mut wire = Wire::login(address, keys);
    // A new session hears of itself first: unit attention.
    wire.ask(&[(TEST_UNIT_READY, 0)], digests);
    let (_, first) = wire.hear(digests);
    // The status of the first of these waits in the outbox while the disk is read for the second.
    wire.ask(&[(TEST_UNIT_READY, 0), (READ_ONE_BLOCK, 512)], digests);
    for _ in 0..3 {
        let (ping, stat_sn) = wire.hear(digests);
        assert_eq!(ping[0] & 0x3f, NOP_IN, "{ping:?}");
        assert_eq!(ping[16..24], [0xff; 8], "it wants no answer");
        assert_eq!(stat_sn, first + 1, "it overtakes what is not sent yet");
    }
    disk.open();
    let mut answers = Vec::new();
    while answers.len() < 2 {
        let (header, stat_sn) = wire.hear(digests);
        match header[0] & 0x3f {
            // One more, or the session asks on its own after the first read.
            NOP_IN => {}
            opcode => answers.push((opcode, stat_sn)),
        }
    }
    assert_eq!(answers, [(0x21, first + 1), (0x25, first + 2)]);
    stop.cancel();
    runtime.block_on(served).unwrap().unwrap();
}

#[test]
fn a_session_lives_while_its_disk_waits() {
    lives_while_its_disk_waits("", false);
}

#[test]
fn so_does_one_with_header_digests() {
    lives_while_its_disk_waits("HeaderDigest=CRC32C\0", true);
}
