//! Listens and runs one thread for each connection.
//!
//! Block I/O is blocking by nature (page cache reads, fsync), so a connection is a plain thread with
//! a plain socket: no hand-over between threads on the way of a read, and a slow flush holds up its
//! own session only.

use super::{connection, login::Directory, scsi::Unit};
use engine::export::{Export, Exports, Refusal, SessionObserver};
use std::{
    collections::HashMap,
    io,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU16, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio_util::sync::CancellationToken;
use types::Timestamp;

/// How long sessions may take to say goodbye when the server stops.
const FAREWELL: Duration = Duration::from_secs(2);

/// Bounds on what initiators may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once; more are closed at once.
    pub connections: usize,
    /// Connections that are still logging in, at once.
    pub logins: usize,
    /// From connect to the full feature phase.
    pub login: Duration,
    /// Silence after which the initiator is asked whether it lives, and after which again it is given
    /// up: a dead session is gone after twice this time.
    pub silence: Duration,
    /// How long a blocked send may take.
    pub send: Duration,
    /// How long a new session waits for the old one of the same initiator to finish its last request.
    pub reinstatement: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections: 2048,
            logins: 512,
            login: Duration::from_secs(15),
            silence: Duration::from_secs(12),
            send: Duration::from_secs(20),
            reinstatement: Duration::from_secs(10),
        }
    }
}

/// What all connections of one listener share.
pub struct IscsiServer {
    pub(super) exports: Exports,
    pub(super) observer: Arc<dyn SessionObserver>,
    pub(super) limits: Limits,
    /// The units that have sessions, by target name.
    units: Mutex<HashMap<String, Weak<Unit>>>,
    next_tsih: AtomicU16,
    /// Sockets of all connections, so that a shutdown reaches those that are still logging in.
    sockets: Mutex<HashMap<u64, TcpStream>>,
    next_connection: AtomicU64,
    pub(super) logging_in: AtomicUsize,
    pub(super) stopping: AtomicBool,
    /// Signalled by each thread that ends.
    ended: tokio::sync::Notify,
}

impl IscsiServer {
    pub fn new(exports: Exports, observer: Arc<dyn SessionObserver>, limits: Limits) -> Self {
        IscsiServer {
            exports,
            observer,
            limits,
            units: Mutex::default(),
            next_tsih: AtomicU16::new(1),
            sockets: Mutex::default(),
            next_connection: AtomicU64::new(0),
            logging_in: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
            ended: tokio::sync::Notify::new(),
        }
    }

    /// A session identifying handle: any number but zero.
    pub(super) fn tsih(&self) -> u16 {
        self.next_tsih.fetch_add(1, Ordering::Relaxed).max(1)
    }

    /// The unit of an export, shared by all sessions on the same device.
    pub(super) fn unit(&self, export: &Export) -> Arc<Unit> {
        let mut units = self.units.lock().unwrap_or_else(PoisonError::into_inner);
        let known = units.get(&export.target).and_then(Weak::upgrade);
        if let Some(unit) = known.filter(|u| Arc::ptr_eq(u.device(), &export.device)) {
            return unit;
        }
        units.retain(|_, unit| unit.strong_count() > 0);
        let unit = Unit::new(export);
        units.insert(export.target.clone(), Arc::downgrade(&unit));
        unit
    }

    /// Starts the thread of a connection, or drops the connection when there are too many.
    fn start(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr) {
        if let Err(error) = self.try_start(stream, peer) {
            tracing::warn!(%peer, %error, "iSCSI connection refused");
        }
    }

    fn try_start(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr) -> io::Result<()> {
        let id = self.next_connection.fetch_add(1, Ordering::Relaxed);
        {
            let mut sockets = self.sockets();
            let logins = self.logging_in.load(Ordering::Relaxed);
            if sockets.len() >= self.limits.connections || logins >= self.limits.logins {
                return Err(io::Error::other(
                    "too many connections; wait for some to end",
                ));
            }
            sockets.insert(id, stream.try_clone()?);
        }
        let place = Place {
            server: self.clone(),
            id,
        };
        std::thread::Builder::new()
            .name("iscsi".into())
            .stack_size(256 * 1024)
            .spawn(move || {
                connection::run(&place.server, stream, peer);
                drop(place);
            })?;
        Ok(())
    }

    fn sockets(&self) -> std::sync::MutexGuard<'_, HashMap<u64, TcpStream>> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends every connection and waits until all threads are gone, so that nothing writes any more.
    async fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        // First only what comes in: each session finishes its request, says that it goes, and ends.
        let polite = self.close_all(Shutdown::Read);
        if tokio::time::timeout(FAREWELL, polite).await.is_err() {
            self.close_all(Shutdown::Both).await;
        }
    }

    async fn close_all(&self, how: Shutdown) {
        loop {
            let ended = self.ended.notified();
            {
                let sockets = self.sockets();
                if sockets.is_empty() {
                    return;
                }
                for socket in sockets.values() {
                    // An error means that it is closed already.
                    let _ = socket.shutdown(how);
                }
            }
            ended.await;
        }
    }
}

/// A connection's entry in the list of sockets.
struct Place {
    server: Arc<IscsiServer>,
    id: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.server.sockets().remove(&self.id);
        self.server.ended.notify_one();
    }
}

impl Directory for IscsiServer {
    fn lookup(&self, target: &str, initiator: &str) -> Result<Export, Refusal> {
        self.exports.lookup(target, initiator)
    }

    fn challenge(&self) -> Option<super::chap::Challenge> {
        let mut random = [0; super::chap::CHALLENGE_LEN + 1];
        if let Err(error) = getrandom::fill(&mut random) {
            tracing::error!(%error, "no random bytes for a CHAP challenge; login refused");
            return None;
        }
        let [id, bytes @ ..] = random;
        Some(super::chap::Challenge { id, bytes })
    }
}

/// Serves a listening socket until `stop`; returns once every session has ended. The socket may come
/// from another network namespace.
pub async fn serve(
    listener: TcpListener,
    server: Arc<IscsiServer>,
    stop: CancellationToken,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => match stream.into_std() {
                Ok(stream) => server.start(stream, peer),
                Err(error) => tracing::warn!(%peer, %error, "iSCSI connection lost at once"),
            },
            // Out of file descriptors or memory: others must end first.
            Err(error) => {
                tracing::warn!(%error, "iSCSI accept failed; trying again");
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = tokio::time::sleep(Duration::from_millis(100)) => {}
                }
            }
        }
    }
    drop(listener);
    server.stop().await;
    Ok(())
}

/// The time now, as events carry it.
pub(super) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Timestamp(since.map_or(0, |d| i64::try_from(d.as_micros()).unwrap_or(i64::MAX)))
}
