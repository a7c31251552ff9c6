//! An NBD server over loopback for tests, who may open what there, and a client made of bare bytes.

use daemons::nbd::{
    Doorkeeper, Limits, NbdServer, Own, serve,
    wire::{Command, Request, answer, option},
};
use engine::export::{BlockDevice, Export, Exports, Refusal, SessionInfo, SessionObserver};
use std::{
    collections::HashMap,
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
    thread::JoinHandle,
    time::Duration,
};
use tokio_util::sync::CancellationToken;
use types::Timestamp;

/// The target of pc-1.
pub const TARGET: &str = "iqn.2026-11.test:pc-1";
/// What a test waits at most for what should come at once.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Who is at which address.
#[derive(Default)]
pub struct Door(Mutex<HashMap<IpAddr, String>>);

impl Door {
    /// The computer of that name is at that address, and nowhere else.
    pub fn put(&self, address: Ipv4Addr, name: &str) {
        let mut at = self.0.lock().unwrap();
        at.retain(|_, known| known != name);
        at.insert(address.into(), name.into());
    }
}

impl Doorkeeper for Door {
    fn own(&self, peer: IpAddr) -> Option<Own> {
        let name = self.0.lock().unwrap().get(&peer)?.clone();
        let target = format!("iqn.2026-11.test:{name}");
        Some(Own { name, target })
    }

    fn is_known(&self, name: &str) -> bool {
        self.0.lock().unwrap().values().any(|known| known == name)
    }
}

/// Writes down what it is told.
#[derive(Default)]
pub struct Seen {
    told: Mutex<Vec<String>>,
    more: Condvar,
}

impl Seen {
    fn note(&self, what: String) {
        self.told.lock().unwrap().push(what);
        self.more.notify_all();
    }

    pub fn all(&self) -> Vec<String> {
        self.told.lock().unwrap().clone()
    }

    /// Whether it is told that soon, or was already.
    pub fn is_told(&self, what: &str) -> bool {
        let told = self.told.lock().unwrap();
        let missing = |told: &mut Vec<String>| !told.iter().any(|t| t == what);
        let waited = self.more.wait_timeout_while(told, PATIENCE, missing);
        !waited.unwrap().1.timed_out()
    }
}

impl SessionObserver for Seen {
    fn logged_in(&self, session: &SessionInfo, _: Timestamp) {
        self.note(format!("in {}", session.initiator));
    }
    fn first_read(&self, session: &SessionInfo, _: Timestamp) {
        self.note(format!("read {}", session.initiator));
    }
    fn refused(&self, _: SocketAddr, name: &str, target: Option<&str>, why: Refusal, _: Timestamp) {
        self.note(format!("refused {name} {target:?} {why:?}"));
    }
    fn closed(&self, session: &SessionInfo, _: Timestamp) {
        self.note(format!("out {}", session.initiator));
    }
}

/// A server on a port of its own; stops with the test. pc-1 is at 127.0.0.1.
pub struct Server {
    pub address: SocketAddr,
    pub exports: Exports,
    pub door: Arc<Door>,
    pub seen: Arc<Seen>,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub fn start(device: Arc<dyn BlockDevice>) -> Server {
        Server::bounded(device, Limits::default())
    }

    pub fn bounded(device: Arc<dyn BlockDevice>, limits: Limits) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (exports, door, seen) = (Exports::new(), Arc::<Door>::default(), Arc::default());
        door.put(Ipv4Addr::LOCALHOST, "pc-1");
        let stop = CancellationToken::new();
        let observer: Arc<Seen> = Arc::clone(&seen);
        let nbd = NbdServer::new(exports.clone(), observer, door.clone(), limits);
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap()
                .block_on(serve(listener, Arc::new(nbd), stopped))
                .unwrap();
        });
        let server = Server {
            address,
            exports,
            door,
            seen,
            stop,
            thread: Some(thread),
        };
        server.publish(TARGET, device);
        server
    }

    pub fn publish(&self, target: &str, device: Arc<dyn BlockDevice>) {
        self.exports.publish(Export {
            target: target.into(),
            lun: 0,
            serial: "NSB0001".into(),
            naa: 0x3000_0000_0000_0001,
            device,
            chap: None,
            initiator: Some("iqn.2026-11.test:nobody".into()),
        });
    }

    /// As tools name an export.
    pub fn url(&self, name: &str) -> String {
        format!("nbd://{}/{name}", self.address)
    }

    pub fn stop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A client that sends what it is told to, right or wrong.
pub struct Client {
    pub stream: TcpStream,
}

impl Client {
    /// After the flags were exchanged.
    pub fn connect(server: &Server) -> Client {
        Client::from(server, Ipv4Addr::LOCALHOST)
    }

    /// From another of this box's addresses.
    pub fn from(server: &Server, source: Ipv4Addr) -> Client {
        let kind = socket2::Type::STREAM;
        let socket = socket2::Socket::new(socket2::Domain::IPV4, kind, None).unwrap();
        socket.bind(&SocketAddr::from((source, 0)).into()).unwrap();
        socket.connect(&server.address.into()).unwrap();
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut client = Client { stream };
        assert_eq!(&client.take(18), b"NBDMAGICIHAVEOPT\0\x03");
        client.send(&3u32.to_be_bytes());
        client
    }

    /// As [`Client::connect`], with pc-1's disk open.
    pub fn open(server: &Server) -> Client {
        let mut client = Client::connect(server);
        client.go("pc-1").unwrap();
        client
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    pub fn take(&mut self, n: usize) -> Vec<u8> {
        let mut bytes = vec![0; n];
        self.stream.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// Whether the server has closed the connection: an end or a reset.
    pub fn is_closed(&mut self) -> bool {
        match self.stream.read(&mut [0]) {
            Ok(n) => n == 0,
            Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
        }
    }

    /// Sends an option; its answers up to the last one.
    pub fn option(&mut self, number: u32, data: &[u8]) -> Vec<(u32, Vec<u8>)> {
        self.send(b"IHAVEOPT");
        self.send(&number.to_be_bytes());
        self.send(&(data.len() as u32).to_be_bytes());
        self.send(data);
        let mut all = Vec::new();
        loop {
            let head = self.take(20);
            let field = |at: usize| u32::from_be_bytes(head[at..at + 4].try_into().unwrap());
            assert_eq!(field(8), number);
            all.push((field(12), self.take(field(16) as usize)));
            if field(12) == answer::ACK || field(12) >= 1 << 31 {
                return all;
            }
        }
    }

    /// Opens an export; the error's number and text when it is refused.
    pub fn go(&mut self, name: &str) -> Result<(), (u32, String)> {
        let mut data = (name.len() as u32).to_be_bytes().to_vec();
        data.extend(name.as_bytes());
        data.extend([0, 0]);
        match self.option(option::GO, &data).pop() {
            Some((answer::ACK, _)) => Ok(()),
            Some((kind, text)) => Err((kind, String::from_utf8(text).unwrap())),
            None => unreachable!("there is always a last answer"),
        }
    }

    pub fn request(&mut self, command: Command, flags: u16, offset: u64, len: u32) {
        let request = Request {
            flags,
            command,
            cookie: 7,
            offset,
            len,
        };
        self.send(&request.encode());
    }

    /// The error of a simple reply.
    pub fn simple(&mut self) -> u32 {
        let head = self.take(16);
        assert_eq!(head[..4], [0x67, 0x44, 0x66, 0x98]);
        assert_eq!(head[8..], 7u64.to_be_bytes());
        u32::from_be_bytes(head[4..8].try_into().unwrap())
    }

    /// The chunks of a structured reply: kind and payload.
    pub fn chunks(&mut self) -> Vec<(u16, Vec<u8>)> {
        let mut all = Vec::new();
        loop {
            let head = self.take(20);
            assert_eq!(head[..4], [0x66, 0x8e, 0x33, 0xef]);
            assert_eq!(head[8..16], 7u64.to_be_bytes());
            let len = u32::from_be_bytes(head[16..].try_into().unwrap());
            let kind = u16::from_be_bytes([head[6], head[7]]);
            all.push((kind, self.take(len as usize)));
            if head[5] & 1 != 0 {
                return all;
            }
        }
    }

    /// Writes and waits for the answer's error.
    pub fn write(&mut self, flags: u16, offset: u64, data: &[u8]) -> u32 {
        self.request(Command::Write, flags, offset, data.len() as u32);
        self.send(data);
        self.simple()
    }

    /// Reads by a simple reply.
    pub fn read(&mut self, offset: u64, len: u32) -> Vec<u8> {
        self.request(Command::Read, 0, offset, len);
        assert_eq!(self.simple(), 0);
        self.take(len as usize)
    }
}
