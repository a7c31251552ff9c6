//! What the connections of one listener share; listening and threads are `threads`.

use super::{
    connection,
    login::Directory,
    pulse::{Pulse, Pulses},
    scsi::Unit,
};
use crate::threads::{self, Connections, Serve};
use engine::export::{Export, Exports, Refusal, SessionObserver};
use std::{
    collections::HashMap,
    io,
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};
use tokio_util::sync::CancellationToken;

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
    /// How often a session that waits for its disk says that it is there. Linux gives a target up that was
    /// silent for ten seconds.
    pub pulse: Duration,
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
            pulse: Duration::from_secs(3),
        }
    }
}

/// What all connections of one listener share.
pub struct IscsiServer {
    pub(super) exports: Exports,
    pub(super) observer: Arc<dyn SessionObserver>,
    pub(super) limits: Limits,
    /// The units that have sessions, by target name and number.
    units: Mutex<HashMap<(String, u16), Weak<Unit>>>,
    next_tsih: AtomicU16,
    connections: Connections,
    pulses: Pulses,
}

impl IscsiServer {
    pub fn new(exports: Exports, observer: Arc<dyn SessionObserver>, limits: Limits) -> Self {
        IscsiServer {
            exports,
            observer,
            limits,
            units: Mutex::default(),
            next_tsih: AtomicU16::new(1),
            connections: Connections::new(limits.connections, limits.logins),
            pulses: Pulses::default(),
        }
    }

    /// Who speaks for a session on that stream while it waits for a disk.
    pub(super) fn pulse(&self, stream: &TcpStream, header_digest: bool) -> io::Result<Arc<Pulse>> {
        let pulse = Arc::new(Pulse::new(stream.try_clone()?, header_digest));
        self.pulses.add(&pulse);
        Ok(pulse)
    }

    /// A session identifying handle: any number but zero.
    pub(super) fn tsih(&self) -> u16 {
        self.next_tsih.fetch_add(1, Ordering::Relaxed).max(1)
    }

    /// The units of an export, each shared by all sessions on the same device.
    pub(super) fn units(&self, export: &Export) -> Vec<Arc<Unit>> {
        let mut units = self.units.lock().unwrap_or_else(PoisonError::into_inner);
        let key = |lun| (export.target.clone(), lun);
        let all = Unit::all(export, |lun| units.get(&key(lun)).and_then(Weak::upgrade));
        units.retain(|_, unit| unit.strong_count() > 0);
        for unit in &all {
            units.insert(key(unit.lun()), Arc::downgrade(unit));
        }
        all
    }
}

/// Serves a listening socket until `stop`; returns once every session has ended. The socket may come
/// from another network namespace.
///
/// # Errors
/// When the socket can't be used.
pub async fn serve(
    listener: TcpListener,
    server: Arc<IscsiServer>,
    stop: CancellationToken,
) -> io::Result<()> {
    tokio::select! {
        served = threads::serve(listener, server.clone(), stop) => served,
        never = server.pulses.watch(server.limits.pulse) => match never {},
    }
}

impl Serve for IscsiServer {
    const NAME: &'static str = "iSCSI";

    fn connections(&self) -> &Connections {
        &self.connections
    }

    fn run(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr) {
        connection::run(self, stream, peer);
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
