//! What the connections of one listener share; listening and threads are `threads`.

use super::{
    connection,
    handshake::{Found, Names},
    large::LargeBuffers,
};
use crate::threads::{Connections, Serve};
use engine::export::{Export, Exports, Refusal, SessionObserver};
use std::{
    net::{IpAddr, SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

/// The port that IANA gave to NBD.
pub const PORT: u16 = 10809;

/// Bounds on what clients may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once; more are closed at once.
    pub connections: usize,
    /// Connections that have not chosen an export yet, at once.
    pub logins: usize,
    /// From connect to transmission.
    pub login: Duration,
    /// Silence after which the client's kernel is asked whether it lives; a dead one is given up after
    /// twice this time.
    pub silence: Duration,
    /// How long a blocked send may take.
    pub send: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections: 2048,
            logins: 512,
            login: Duration::from_secs(15),
            silence: Duration::from_secs(12),
            send: Duration::from_secs(20),
        }
    }
}

/// The disk that is a caller's own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Own {
    /// The export's name: that of the computer. Its data disks have `/` and their number after it.
    pub name: String,
    /// The target under which the registry has it.
    pub target: String,
}

/// Says who calls, by the address alone: NBD has no login. Asked at each handshake, never by a request.
pub trait Doorkeeper: Send + Sync + 'static {
    /// The disk of the computer at this address; None when nobody is known to be there.
    fn own(&self, peer: IpAddr) -> Option<Own>;

    /// Whether any computer has that name.
    fn is_known(&self, name: &str) -> bool;
}

/// What all connections of one listener share.
pub struct NbdServer {
    pub(super) exports: Exports,
    pub(super) observer: Arc<dyn SessionObserver>,
    pub(super) limits: Limits,
    pub(super) large: LargeBuffers,
    door: Arc<dyn Doorkeeper>,
    connections: Connections,
}

impl NbdServer {
    pub fn new(
        exports: Exports,
        observer: Arc<dyn SessionObserver>,
        door: Arc<dyn Doorkeeper>,
        limits: Limits,
    ) -> Self {
        NbdServer {
            exports,
            observer,
            limits,
            large: LargeBuffers::default(),
            door,
            connections: Connections::new(limits.connections, limits.logins),
        }
    }

    /// What the caller at this address may open.
    pub(super) fn visitor(&self, peer: SocketAddr) -> Visitor<'_> {
        Visitor {
            server: self,
            peer: peer.ip().to_canonical(),
        }
    }
}

impl Serve for NbdServer {
    const NAME: &'static str = "NBD";

    fn connections(&self) -> &Connections {
        &self.connections
    }

    fn run(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr) {
        connection::run(self, stream, peer);
    }
}

/// A caller, known by its address.
pub(super) struct Visitor<'a> {
    server: &'a NbdServer,
    peer: IpAddr,
}

impl Visitor<'_> {
    /// The target of the caller's own disk, whose boot is told when something is refused. A stranger has
    /// none: whoever knows a computer's name could stop its boot on the page.
    pub fn own_target(&self) -> Option<String> {
        self.server.door.own(self.peer).map(|own| own.target)
    }
}

/// The computer's name and the number of its disk, as in `pc-1` and `pc-1/2`; no number for what is none.
fn unit_of(name: &str) -> (&str, Option<u16>) {
    match name.split_once('/') {
        None => (name, Some(0)),
        Some((computer, number)) => {
            let number = number.parse().ok().filter(|n| *n > 0);
            (computer, number)
        }
    }
}

/// The name of the export of that disk of a computer.
fn name_of(computer: &str, lun: u16) -> String {
    match lun {
        0 => computer.to_owned(),
        lun => format!("{computer}/{lun}"),
    }
}

impl Names for Visitor<'_> {
    fn find(&self, name: &str) -> Result<Found, Refusal> {
        let Some(own) = self.server.door.own(self.peer) else {
            return Err(Refusal::Stranger);
        };
        let (computer, lun) = unit_of(name);
        if !computer.is_empty() && !computer.eq_ignore_ascii_case(&own.name) {
            return Err(match self.server.door.is_known(computer) {
                true => Refusal::NotYours,
                false => Refusal::NoSuchName,
            });
        }
        let export = self.server.exports.offered(&own.target);
        let export = export.ok_or(Refusal::NoSuchTarget)?;
        let lun = lun.ok_or(Refusal::NoSuchName)?;
        Ok(Found {
            name: name_of(&own.name, lun),
            export: export.unit(lun).ok_or(Refusal::NoSuchName)?,
        })
    }

    fn list(&self) -> Vec<String> {
        let Some(own) = self.server.door.own(self.peer) else {
            return Vec::new();
        };
        let export = self.server.exports.offered(&own.target);
        let luns = export.iter().flat_map(Export::luns);
        luns.map(|lun| name_of(&own.name, lun)).collect()
    }
}
