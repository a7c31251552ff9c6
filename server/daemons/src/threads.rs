//! Listens, and runs one thread for each connection: what the block protocols share.
//!
//! Block I/O is blocking by nature (page cache reads, fsync), so a connection is a plain thread with
//! a plain socket: no hand-over between threads on the way of a read, and a slow flush holds up its
//! own session only.

use std::{
    collections::HashMap,
    io,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio_util::sync::CancellationToken;
use types::Timestamp;

/// How long sessions may take to say goodbye when the server stops.
const FAREWELL: Duration = Duration::from_secs(2);

/// A protocol that is served by a thread for each connection.
pub trait Serve: Send + Sync + 'static {
    /// As log lines name it.
    const NAME: &'static str;

    /// Its connections.
    fn connections(&self) -> &Connections;

    /// Serves a connection to its end; blocks.
    fn run(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr);
}

/// The connections of one listener.
pub struct Connections {
    /// Connections at once; more are closed at once.
    most: usize,
    /// Connections that are still logging in, at once.
    most_logins: usize,
    /// Sockets of all connections, so that a shutdown reaches those that are still logging in.
    sockets: Mutex<HashMap<u64, TcpStream>>,
    next: AtomicU64,
    logging_in: AtomicUsize,
    stopping: AtomicBool,
    /// Signalled by each thread that ends.
    ended: tokio::sync::Notify,
}

impl Connections {
    /// None yet; at most `most` at once, of which `most_logins` are still logging in.
    pub fn new(most: usize, most_logins: usize) -> Self {
        Connections {
            most,
            most_logins,
            sockets: Mutex::default(),
            next: AtomicU64::new(0),
            logging_in: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
            ended: tokio::sync::Notify::new(),
        }
    }

    /// Whether the server stops: what ends now ends for its sake.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// One that logs in, until what it gives back is dropped.
    #[must_use]
    pub fn logs_in(&self) -> LogsIn<'_> {
        self.logging_in.fetch_add(1, Ordering::Relaxed);
        LogsIn(self)
    }

    /// A place for one more.
    fn enter<S: Serve>(server: &Arc<S>, stream: &TcpStream) -> io::Result<Place<S>> {
        let all = server.connections();
        let id = all.next.fetch_add(1, Ordering::Relaxed);
        let mut sockets = all.sockets();
        let logins = all.logging_in.load(Ordering::Relaxed);
        if sockets.len() >= all.most || logins >= all.most_logins {
            return Err(io::Error::other(
                "too many connections; wait for some to end",
            ));
        }
        sockets.insert(id, stream.try_clone()?);
        Ok(Place {
            server: server.clone(),
            id,
        })
    }

    fn sockets(&self) -> MutexGuard<'_, HashMap<u64, TcpStream>> {
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

/// A connection that logs in.
pub struct LogsIn<'a>(&'a Connections);

impl Drop for LogsIn<'_> {
    fn drop(&mut self) {
        self.0.logging_in.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection's entry in the list of sockets.
struct Place<S: Serve> {
    server: Arc<S>,
    id: u64,
}

impl<S: Serve> Drop for Place<S> {
    fn drop(&mut self) {
        let all = self.server.connections();
        all.sockets().remove(&self.id);
        all.ended.notify_one();
    }
}

/// Starts the thread of a connection, or drops the connection when there are too many.
fn start<S: Serve>(server: &Arc<S>, stream: TcpStream, peer: SocketAddr) -> io::Result<()> {
    let place = Connections::enter(server, &stream)?;
    std::thread::Builder::new()
        .name(S::NAME.to_lowercase())
        .stack_size(256 * 1024)
        .spawn(move || {
            place.server.run(stream, peer);
            drop(place);
        })?;
    Ok(())
}

/// Serves a listening socket until `stop`; returns once every session has ended. The socket may come
/// from another network namespace.
///
/// # Errors
/// When the socket can't be used.
pub async fn serve<S: Serve>(
    listener: TcpListener,
    server: Arc<S>,
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
            Ok((stream, peer)) => {
                let started = stream.into_std().and_then(|s| start(&server, s, peer));
                if let Err(error) = started {
                    tracing::warn!(%peer, %error, "{} connection refused", S::NAME);
                }
            }
            // Out of file descriptors or memory: others must end first.
            Err(error) => {
                tracing::warn!(%error, "{} accept failed; trying again", S::NAME);
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = tokio::time::sleep(Duration::from_millis(100)) => {}
                }
            }
        }
    }
    drop(listener);
    server.connections().stop().await;
    Ok(())
}

/// The time now, as events carry it.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Timestamp(since.map_or(0, |d| i64::try_from(d.as_micros()).unwrap_or(i64::MAX)))
}

/// Whether a read or write ended because its time was up.
pub(crate) fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}
