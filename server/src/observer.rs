//! Tells the boots what sessions on disks and TFTP transfers do, and NBD who calls.

use crate::log::CONTEXT;
use daemons::{
    nbd::{Doorkeeper, Own},
    tftp::{Limits, Rendered, Signals},
};
use engine::{
    Engine,
    boot::{Plane, Signal, Who, identity},
    export::{Refusal, SessionInfo, SessionObserver},
};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use tracing::Span;
use types::Timestamp;

/// Hands session events to the boot timelines. Called from the threads that serve disks: nothing
/// here waits for the disk or the database.
pub struct BootObserver(pub Engine, pub Plane);

impl SessionObserver for BootObserver {
    fn logged_in(&self, session: &SessionInfo, at: Timestamp) {
        self.0.boots().disk_signal(session, at, false);
    }

    fn first_read(&self, session: &SessionInfo, at: Timestamp) {
        self.0.boots().disk_signal(session, at, true);
    }

    fn refused(
        &self,
        peer: SocketAddr,
        _initiator: &str,
        target: Option<&str>,
        why: Refusal,
        at: Timestamp,
    ) {
        self.0
            .boots()
            .disk_refused(peer.ip(), target, why.text(), at);
    }

    fn closed(&self, session: &SessionInfo, _: Timestamp) {
        tracing::debug!(target_name = session.target, peer = %session.peer, via = ?session.via, "session on a disk ended");
        self.0.boots().disk_closed(session);
    }

    fn context(&self, session: &SessionInfo) -> Span {
        let client = identity::client_of(&session.target).and_then(|id| self.0.clients().get(id));
        client.map_or_else(Span::none, |client| self.around(Who::Mac(client.mac)))
    }
}

impl BootObserver {
    /// A span with the boot that this computer is in.
    fn around(&self, who: Who) -> Span {
        self.0.boots().id_of(who).map_or_else(
            Span::none,
            |id| tracing::error_span!(target: CONTEXT, "boot", boot_id = %id),
        )
    }
}

impl Doorkeeper for BootObserver {
    fn own(&self, peer: IpAddr) -> Option<Own> {
        let IpAddr::V4(address) = peer else {
            return None;
        };
        let client = self.0.boots().disk_owner(address, &self.1)?;
        Some(Own {
            name: client.name.clone(),
            target: identity::target(client.id),
        })
    }

    fn is_known(&self, name: &str) -> bool {
        self.0.clients().find(name).is_some()
    }
}

impl Signals for BootObserver {
    fn signal(&self, who: Who, at: Timestamp, signal: Signal) {
        self.0.boots().signal(who, at, signal);
    }

    fn context(&self, who: Who) -> Span {
        self.around(who)
    }

    fn limits(&self, peer: Ipv4Addr) -> Limits {
        let quirks = self.0.boots().quirks(Who::Address(peer));
        let usual = Limits::default();
        Limits {
            block: quirks.block_size.map_or(usual.block, u64::from),
            window: if quirks.pace.is_some() {
                1
            } else {
                usual.window
            },
        }
    }

    fn rendered<'a>(&'a self, file: &'a [u8], peer: Ipv4Addr, at: Timestamp) -> Rendered<'a> {
        Box::pin(async move {
            let config = self.0.boots().grub_config(file, peer, &self.1, at).await;
            config.unwrap_or_else(|error| {
                tracing::info!(%peer, %error, "GRUB gets no configuration");
                None
            })
        })
    }
}
