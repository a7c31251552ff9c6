//! TFTP over real sockets, in a network namespace of its own: firmware's habits, ways out of the folder, and
//! a line that loses packets. Needs root and `iproute2`; says so and passes where they are missing,
//! unless `NSBOOT_LIVE=1` makes that a failure, as `make test` does.

use daemons::{
    net::NetThread,
    tftp::{Signals, Tftp},
};
use engine::{
    Counters, Engine, EngineConfig,
    boot::{Signal, Who},
};
use std::{
    fs,
    net::{Ipv4Addr, SocketAddrV4},
    path::Path,
    process::Command,
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::UdpSocket,
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use types::Timestamp;

#[path = "../../engine/src/loaders/tricks.rs"]
mod tricks;

const SERVER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 69);
/// Longer than an answer takes on a busy box.
const PATIENCE: Duration = Duration::from_secs(20);
/// Silence after which the client of a lossy line repeats itself.
const REPEAT: Duration = Duration::from_millis(250);

struct Witness(UnboundedSender<Signal>);
impl Signals for Witness {
    fn signal(&self, _: Who, _: Timestamp, signal: Signal) {
        // Nobody listens any more once the test has seen enough.
        let _ = self.0.send(signal);
    }
}

/// TFTP on the loopback of a namespace of its own, which is gone when dropped.
struct Stage {
    namespace: String,
    net: NetThread,
    counters: Arc<Counters>,
    signals: UnboundedReceiver<Signal>,
    stop: CancellationToken,
    large: Vec<u8>,
    _dir: tempfile::TempDir,
}

fn ip(args: &[&str]) {
    let out = Command::new("ip").args(args).output().expect("ip starts");
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "ip {args:?}: {said}");
}

fn can_run() -> bool {
    let places = ["/usr/sbin/ip", "/sbin/ip", "/bin/ip"];
    let can = nix::unistd::geteuid().is_root() && places.iter().any(|p| Path::new(p).exists());
    assert!(
        can || std::env::var_os("NSBOOT_LIVE").is_none(),
        "can't run without root and iproute2"
    );
    if !can {
        eprintln!("not run: needs root and iproute2");
    }
    can
}

impl Stage {
    fn new(name: &str) -> Stage {
        let namespace = format!("nsb-t{name}{}", std::process::id());
        ip(&["netns", "add", &namespace]);
        ip(&["-n", &namespace, "link", "set", "lo", "up"]);
        let dir = tempfile::tempdir().expect("a folder");
        let root = dir.path().join("loaders");
        fs::create_dir_all(root.join("sub")).expect("a folder");
        fs::write(dir.path().join("secret"), "secret").expect("written");
        std::os::unix::fs::symlink("../secret", root.join("link")).expect("a link");
        let large: Vec<u8> = (0..200_000u32).map(|i| (i / 3 % 251) as u8).collect();
        fs::write(root.join("sub/a.efi"), &large).expect("written");
        let engine = Engine::open(EngineConfig {
            data_dir: dir.path().into(),
            ..EngineConfig::default()
        });
        let engine = engine.expect("a fresh folder");
        let net = NetThread::enter(Some(&namespace)).expect("the namespace");
        let (tell, signals) = unbounded_channel();
        let counters = Arc::<Counters>::default();
        let loaders = engine.loaders().clone();
        let tftp = Tftp::open(
            &net,
            "lo",
            loaders,
            Arc::new(Witness(tell)),
            counters.clone(),
        );
        let stop = CancellationToken::new();
        tokio::spawn(tftp.expect("port 69").run(stop.clone()));
        Stage {
            namespace,
            net,
            counters,
            signals,
            stop,
            large,
            _dir: dir,
        }
    }

    fn client(&self) -> UdpSocket {
        let local = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
        let socket = self.net.udp("lo", local).expect("a socket");
        UdpSocket::from_std(socket).expect("watched")
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.stop.cancel();
        ip(&["netns", "del", &self.namespace]);
    }
}

fn request(name: &[u8], options: &[(&str, &str)]) -> Vec<u8> {
    let mut packet = [b"\0\x01", name, b"\0octet\0"].concat();
    for (name, value) in options {
        packet.extend([name.as_bytes(), b"\0", value.as_bytes(), b"\0"].concat());
    }
    packet
}

/// Asks and gives the first packet of the answer; the socket is connected to who sent it.
async fn ask(client: &UdpSocket, packet: &[u8]) -> Vec<u8> {
    client.send_to(packet, SERVER).await.expect("sent");
    let mut answer = vec![0; 2048];
    let received = timeout(PATIENCE, client.recv_from(&mut answer)).await;
    let (len, from) = received.expect("an answer").expect("a packet");
    client.connect(from).await.expect("connected");
    answer.truncate(len);
    answer
}

/// A client's end of a line that loses some packets, in both directions; which ones is the same each time.
struct Lossy {
    socket: UdpSocket,
    /// Of a hundred packets.
    lost: u32,
    dice: u32,
}

impl Lossy {
    fn loses(&mut self) -> bool {
        // Marsaglia's xorshift.
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 17;
        self.dice ^= self.dice << 5;
        self.dice % 100 < self.lost
    }

    async fn send(&mut self, packet: &[u8]) {
        if !self.loses() {
            self.socket.send(packet).await.expect("sent");
        }
    }

    /// The next packet; None after [`REPEAT`] without one.
    async fn receive(&mut self) -> Option<Vec<u8>> {
        let mut packet = vec![0; 2048];
        let arrives = async {
            loop {
                let len = self.socket.recv(&mut packet).await.expect("a packet");
                if !self.loses() {
                    break len;
                }
            }
        };
        let len = timeout(REPEAT, arrives).await.ok()?;
        packet.truncate(len);
        Some(packet)
    }
}

/// Fetches a file as RFC 7440 has it, over a line that loses so many packets of a hundred once the
/// transfer has begun.
async fn fetch(client: UdpSocket, name: &str, window: u16, lost: u32) -> Vec<u8> {
    let size = window.to_string();
    let options = [("blksize", "1024"), ("windowsize", size.as_str())];
    let oack = ask(&client, &request(name.as_bytes(), &options)).await;
    assert_eq!(oack[..2], [0, 6], "an OACK");
    let mut line = Lossy {
        socket: client,
        lost,
        dice: 0x9e37_79b9 ^ u32::from(window),
    };
    let (mut file, mut last, mut since_ack) = (Vec::new(), 0u16, 0);
    let ack = |block: u16| [&[0, 4][..], &block.to_be_bytes()].concat();
    line.send(&ack(0)).await;
    loop {
        let Some(packet) = line.receive().await else {
            line.send(&ack(last)).await;
            continue;
        };
        if packet[1] != 3 {
            continue;
        }
        if packet[2..4] != last.wrapping_add(1).to_be_bytes() {
            // Something was lost: says once what came last.
            if std::mem::take(&mut since_ack) > 0 {
                line.send(&ack(last)).await;
            }
            continue;
        }
        file.extend(&packet[4..]);
        (last, since_ack) = (last.wrapping_add(1), since_ack + 1);
        let is_last = packet.len() < 4 + 1024;
        if is_last || since_ack == window {
            since_ack = 0;
            line.send(&ack(last)).await;
        }
        if is_last {
            return file;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_firmware_does_on_purpose_is_no_failure() {
    if !can_run() {
        return;
    }
    let mut stage = Stage::new("a");
    // EDK2 asks for the size, ends it with error 8 after the OACK, and asks again from the same port.
    let client = stage.client();
    let probe = request(b"sub/a.efi", &[("tsize", "0"), ("blksize", "1468")]);
    let oack = ask(&client, &probe).await;
    let said = b"\0\x06tsize\x00200000\0blksize\x001468\0";
    assert_eq!(oack, said);
    let abort = b"\0\x05\0\x08User aborted the transfer\0";
    client.send(abort).await.expect("sent");
    // What shim, GRUB and iPXE can do without.
    for name in [
        &b"revocations_sbat.efi"[..],
        b"shim_certificate_0.efi",
        b"/grub/x86_64-efi/fs.lst",
        b"autoexec.ipxe",
    ] {
        let answer = ask(&stage.client(), &request(name, &[("tsize", "0")])).await;
        assert_eq!(answer[..4], [0, 5, 0, 1], "no such file");
    }
    let file = fetch(stage.client(), "sub/a.efi", 1, 0).await;
    assert!(file == stage.large);
    let first = stage.signals.recv().await;
    assert!(
        matches!(first, Some(Signal::LoaderAsked { .. })),
        "{first:?}"
    );
    let second = stage.signals.recv().await;
    assert!(
        matches!(second, Some(Signal::LoaderDone { .. })),
        "{second:?}"
    );
    // What a boot needs is missed.
    let missing = request(b"grubx64.efi", &[("tsize", "0")]);
    ask(&stage.client(), &missing).await;
    let third = stage.signals.recv().await;
    assert!(
        matches!(third, Some(Signal::LoaderFailed { .. })),
        "{third:?}"
    );
    let tftp = &stage.counters.tftp;
    assert_eq!((tftp.probed.get(), tftp.failed.get()), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_name_leads_out_of_the_folder() {
    if !can_run() {
        return;
    }
    let stage = Stage::new("b");
    let tricks = tricks::tricks();
    assert!(tricks.len() >= 300);
    // A NUL ends a name on the wire, and a name that fills the packet gets no answer.
    let sendable = |name: &&Vec<u8>| !name.is_empty() && !name.contains(&0) && name.len() < 400;
    for name in tricks.iter().filter(sendable) {
        let answer = ask(&stage.client(), &request(name, &[("tsize", "0")])).await;
        let shown = String::from_utf8_lossy(name);
        assert_eq!(answer[..2], [0, 5], "{shown}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_loses_packets_corrupts_no_file() {
    if !can_run() {
        return;
    }
    let stage = Stage::new("c");
    let windows = [1, 2, 4, 8, 16, 32, 64];
    // More than the 1 % of a bad line, so that each way of losing something happens.
    let fetch = |window| tokio::spawn(fetch(stage.client(), "sub/a.efi", window, 3));
    let fetches = windows.map(fetch);
    for (window, fetch) in windows.into_iter().zip(fetches) {
        let file = fetch.await.expect("a file");
        assert!(file == stage.large, "window {window}: {} bytes", file.len());
    }
}
