//! Tells the boots what iSCSI sessions and TFTP transfers do.

use daemons::tftp::Signals;
use engine::{
    Engine,
    boot::{Signal, Who},
    export::{Refusal, SessionInfo, SessionObserver},
};
use std::net::SocketAddr;
use types::Timestamp;

/// Hands session events to the boot timelines. Called from the threads that serve disks: nothing
/// here waits for the disk or the database.
pub struct BootObserver(pub Engine);

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
        tracing::debug!(target_name = session.target, peer = %session.peer, "iSCSI session ended");
        self.0.boots().disk_closed(session);
    }
}

impl Signals for BootObserver {
    fn signal(&self, who: Who, at: Timestamp, signal: Signal) {
        self.0.boots().signal(who, at, signal);
    }
}
