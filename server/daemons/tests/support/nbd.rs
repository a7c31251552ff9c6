//! An NBD server over loopback for tests, and who may open what there.

use daemons::nbd::{Doorkeeper, Limits, NbdServer, Own, serve};
use engine::export::{
    BlockDevice, DataDisk, Export, Exports, Refusal, SessionInfo, SessionObserver,
};
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
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
    pub seen: Arc<Seen>,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub fn start(device: Arc<dyn BlockDevice>) -> Server {
        Server::bounded(device, Arc::default(), Limits::default())
    }

    pub fn bounded(device: Arc<dyn BlockDevice>, door: Arc<Door>, limits: Limits) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (exports, seen) = (Exports::new(), Arc::default());
        door.put(Ipv4Addr::LOCALHOST, "pc-1");
        let stop = CancellationToken::new();
        let observer: Arc<Seen> = Arc::clone(&seen);
        let nbd = NbdServer::new(exports.clone(), observer, door, limits);
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
            seen,
            stop,
            thread: Some(thread),
        };
        server.publish(TARGET, device);
        server
    }

    pub fn publish(&self, target: &str, device: Arc<dyn BlockDevice>) {
        self.publish_with(target, device, Vec::new());
    }

    /// With data disks, 1 and up.
    pub fn publish_with(
        &self,
        target: &str,
        device: Arc<dyn BlockDevice>,
        data: Vec<Arc<dyn BlockDevice>>,
    ) {
        let disk = |(lun, device): (u16, Arc<dyn BlockDevice>)| DataDisk {
            lun,
            serial: format!("NSBDATA{lun}"),
            naa: 0x3000_0000_0000_0001 + u64::from(lun),
            device,
        };
        self.exports.publish(Export {
            target: target.into(),
            lun: 0,
            serial: "NSB0001".into(),
            naa: 0x3000_0000_0000_0001,
            device,
            data: (1..).zip(data).map(disk).collect(),
            chap: None,
            initiator: Some("iqn.2026-11.test:nobody".into()),
        });
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
