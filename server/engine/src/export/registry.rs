//! What is offered, and who uses it: the list of exports and the live sessions on them.
//!
//! The protocols in `daemons` ask [`Exports::lookup`] at each login and hold a [`SessionGuard`] for as
//! long as a session lives. Nothing here is on the path of a read or a write.

use super::{BlockDevice, Export, counted::Counted};
use crate::{Counters, now};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::Notify;
use types::Timestamp;

/// The most connections that one disk may have by NBD, where each is a thread of ours.
pub const MOST_CONNECTIONS: usize = 16;

/// Why a login was not let in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Refusal {
    /// No export has that target name.
    NoSuchTarget,
    /// The export belongs to another initiator name.
    NotAllowed,
    /// CHAP is demanded, and the initiator offered none, knew no secret, or sent back our own challenge.
    AuthFailed,
    /// The initiator broke the protocol or was too slow.
    Protocol,
    /// An older session of the same initiator is still finishing its last request.
    Busy,
    /// No computer of that name has a disk (NBD).
    NoSuchName,
    /// The disk is another computer's (NBD).
    NotYours,
    /// The address is not known to be one of our computers' (NBD, which has no other proof).
    Stranger,
    /// The disk has as many connections as it may (NBD).
    Crowded,
}

impl Refusal {
    /// Plain words for logs and the boot timeline: what happened and what to do.
    pub fn text(self) -> &'static str {
        match self {
            Refusal::NoSuchTarget => {
                "no disk is offered under that target name; check that the client has an image"
            }
            Refusal::NotAllowed => {
                "the disk belongs to another initiator name; boot from the script that NSBoot serves"
            }
            Refusal::AuthFailed => {
                "CHAP user or secret is missing or wrong; boot from the script that NSBoot serves"
            }
            Refusal::Protocol => "the initiator broke the login protocol or took longer than 15 s",
            Refusal::Busy => {
                "an older session is still finishing a request; the initiator may retry"
            }
            Refusal::NoSuchName => {
                "no disk is offered under that export name; it is the computer's name"
            }
            Refusal::NotYours => {
                "the disk is another computer's; a computer opens its own by NBD and no other"
            }
            Refusal::Stranger => {
                "this address is not known to be the computer's, and NBD goes by that alone; boot from the script that NSBoot \
                 serves"
            }
            Refusal::Crowded => {
                "the disk has 16 connections already, which is the most; close some, or open fewer (nbd-client -C)"
            }
        }
    }
}

/// The protocol of a session, with what tells one from another there.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Via {
    Iscsi {
        /// Initiator session id (RFC 7143 section 11.12.5); tells firmware and operating system apart.
        isid: [u8; 6],
    },
    /// Firmware does not speak it: it is always an operating system. Each connection is a session.
    Nbd,
}

/// One live session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionInfo {
    /// Unique for the life of the process.
    pub id: u64,
    pub target: String,
    /// The initiator's name; by NBD the name of the export.
    pub initiator: String,
    pub via: Via,
    pub peer: SocketAddr,
    /// When it reached the full feature phase, or transmission.
    pub since: Timestamp,
}

impl SessionInfo {
    /// The initiator session id; None by NBD.
    pub fn isid(&self) -> Option<[u8; 6]> {
        match self.via {
            Via::Iscsi { isid } => Some(isid),
            Via::Nbd => None,
        }
    }

    /// Whether a login as `other` is this session's initiator coming back (RFC 7143 section 6.3.5). By
    /// NBD a client may have several connections, and none of them takes another's place.
    fn is_reinstated_by(&self, other: &SessionInfo) -> bool {
        self.via != Via::Nbd
            && self.via == other.via
            && self.target == other.target
            && self.initiator == other.initiator
    }
}

/// Told what sessions do, from the thread that does it: implementations return at once.
pub trait SessionObserver: Send + Sync + 'static {
    /// The session reached the full feature phase.
    fn logged_in(&self, session: &SessionInfo, at: Timestamp);
    /// The first block of the session was read.
    fn first_read(&self, session: &SessionInfo, at: Timestamp);
    /// A login was refused. `target` is None when the initiator had not named one yet.
    fn refused(
        &self,
        peer: SocketAddr,
        initiator: &str,
        target: Option<&str>,
        why: Refusal,
        at: Timestamp,
    );
    /// The session ended.
    fn closed(&self, session: &SessionInfo, at: Timestamp);
    /// What is to be around the log lines of this session, e.g. with the boot it belongs to.
    fn context(&self, _: &SessionInfo) -> tracing::Span {
        tracing::Span::none()
    }
}

/// An observer for tests and tools that want to know nothing.
pub struct SilentObserver;

impl SessionObserver for SilentObserver {
    fn logged_in(&self, _: &SessionInfo, _: Timestamp) {}
    fn first_read(&self, _: &SessionInfo, _: Timestamp) {}
    fn refused(&self, _: SocketAddr, _: &str, _: Option<&str>, _: Refusal, _: Timestamp) {}
    fn closed(&self, _: &SessionInfo, _: Timestamp) {}
}

type Closer = Box<dyn Fn() + Send + Sync>;

struct Live {
    info: SessionInfo,
    close: Closer,
}

/// Disks that are offered: the export that sessions get counts what they do on those of `given`.
struct Offered {
    given: Export,
    export: Export,
    counted: Vec<Arc<Counted>>,
    since: Timestamp,
}

/// The disks under one offered name as they are now.
pub struct Offer {
    /// Name, serial number and identifier.
    pub export: Export,
    /// When this disk was first offered under that name.
    pub since: Timestamp,
    /// Bytes that all sessions read since then.
    pub read_bytes: u64,
    /// The same, written.
    pub written_bytes: u64,
    /// Those that live, the oldest first.
    pub sessions: Vec<SessionInfo>,
}

#[derive(Default)]
struct Book {
    exports: BTreeMap<String, Offered>,
    live: Vec<Live>,
    /// When each target was last offered, or left by a session.
    used: BTreeMap<String, Instant>,
    /// Targets that were offered, withdrawn or used differently since [`Exports::changed`] told of them.
    changed: BTreeSet<String>,
    next_id: u64,
}

#[derive(Default)]
struct Inner {
    book: Mutex<Book>,
    /// Signalled whenever a session has left `Book::live`.
    left: Condvar,
    /// Wakes who waits for `Book::changed`.
    told: Notify,
    counters: Arc<Counters>,
}

/// The exports and their sessions. A clone is another handle on the same list.
#[derive(Clone, Default)]
pub struct Exports {
    inner: Arc<Inner>,
}

impl Exports {
    pub fn new() -> Self {
        Self::default()
    }

    /// None yet; what sessions read and write is counted there.
    pub fn counting(counters: Arc<Counters>) -> Self {
        let inner = Inner {
            counters,
            ..Inner::default()
        };
        Exports {
            inner: Arc::new(inner),
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.inner
            .book
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that something about this target is different now.
    fn mark(&self, book: &mut Book, target: &str) {
        book.changed.insert(target.to_owned());
        self.inner.told.notify_one();
    }

    /// Waits until something about a target changed, and gives all such since the last time. One
    /// caller at a time.
    pub async fn changed(&self) -> BTreeSet<String> {
        loop {
            let changed = std::mem::take(&mut self.book().changed);
            if !changed.is_empty() {
                return changed;
            }
            self.inner.told.notified().await;
        }
    }

    /// Every offered disk, by target name.
    pub fn offers(&self) -> Vec<Offer> {
        let book = self.book();
        book.exports.values().map(|o| offer(&book, o)).collect()
    }

    /// The offered disk of that target name.
    pub fn offer(&self, target: &str) -> Option<Offer> {
        let book = self.book();
        book.exports.get(target).map(|o| offer(&book, o))
    }

    /// Tells one session on that target to end; false when there is none of that id.
    pub fn close_session(&self, target: &str, id: u64) -> bool {
        close_where(&self.book(), |s| s.target == target && s.id == id) > 0
    }

    /// Offers disks, in place of what had that target name. Sessions on other devices under that
    /// name are told to end: they would go on with a disk that is no longer the client's.
    pub fn publish(&self, given: Export) {
        let target = given.target.clone();
        let mut book = self.book();
        let before = book.exports.get(&target);
        let same = before.filter(|old| old.given.has_disks_of(&given));
        let other_disks = before.is_some() && same.is_none();
        let (counted, since) = match same {
            Some(old) => (old.counted.clone(), old.since),
            None => (self.counted(&given), now()),
        };
        // As the pointers that they had, which is what the protocols compare.
        let devices = match same {
            Some(old) => old.export.devices().cloned().collect(),
            None => counted.iter().map(as_device).collect::<Vec<_>>(),
        };
        let offered = Offered {
            export: given.clone().with_devices(devices.into_iter()),
            given,
            counted,
            since,
        };
        book.exports.insert(target.clone(), offered);
        book.used.insert(target.clone(), Instant::now());
        self.mark(&mut book, &target);
        if other_disks {
            close_where(&book, |s| s.target == target);
        }
    }

    fn counted(&self, export: &Export) -> Vec<Arc<Counted>> {
        let counters = &self.inner.counters;
        let count = |device: &Arc<dyn BlockDevice>| Counted::new(device.clone(), counters.clone());
        export.devices().map(count).map(Arc::new).collect()
    }

    /// Offers that target no longer and ends its sessions; false when it was not offered.
    pub fn withdraw(&self, target: &str) -> bool {
        let mut book = self.book();
        close_where(&book, |s| s.target == target);
        self.remove(&mut book, target)
    }

    fn remove(&self, book: &mut Book, target: &str) -> bool {
        let was_there = book.exports.remove(target).is_some();
        if was_there {
            self.mark(book, target);
        }
        was_there
    }

    /// As [`Exports::withdraw`], unless a session on it lives; whether it was withdrawn.
    pub fn withdraw_idle(&self, target: &str) -> bool {
        let mut book = self.book();
        let is_idle = !book.live.iter().any(|l| l.info.target == target);
        is_idle && self.remove(&mut book, target)
    }

    /// The export of that name, if this initiator may use it.
    ///
    /// # Errors
    /// Why it may not.
    pub fn lookup(&self, target: &str, initiator: &str) -> Result<Export, Refusal> {
        let book = self.book();
        let offered = book.exports.get(target).ok_or(Refusal::NoSuchTarget)?;
        let export = &offered.export;
        if visible(export, initiator) {
            Ok(export.clone())
        } else {
            Err(Refusal::NotAllowed)
        }
    }

    /// The export of that name, for a protocol that knows by other means that the caller may use it.
    pub fn offered(&self, target: &str) -> Option<Export> {
        let book = self.book();
        book.exports.get(target).map(|o| o.export.clone())
    }

    /// The target names that discovery shows to this initiator.
    pub fn list(&self, initiator: &str) -> Vec<String> {
        self.book()
            .exports
            .values()
            .map(|offered| &offered.export)
            .filter(|e| visible(e, initiator))
            .map(|e| e.target.clone())
            .collect()
    }

    /// The live sessions, oldest first.
    pub fn sessions(&self) -> Vec<SessionInfo> {
        self.book().live.iter().map(|l| l.info.clone()).collect()
    }

    /// Whether a session on that target lives.
    pub fn in_use(&self, target: &str) -> bool {
        self.book().live.iter().any(|l| l.info.target == target)
    }

    /// Enters a session that has just logged in and, by iSCSI, ends an older one of the same initiator name
    /// and ISID on that target (session reinstatement, RFC 7143 section 6.3.5). Returns once the older one
    /// has finished its last request, so that none of its writes can follow a read of the new one;
    /// [`Refusal::Busy`] when that takes longer than `patience`. By NBD, [`Refusal::Crowded`] for one more
    /// than [`MOST_CONNECTIONS`].
    ///
    /// `close` must end the session's connection from any thread without blocking.
    pub fn register(
        &self,
        mut info: SessionInfo,
        close: Closer,
        patience: Duration,
    ) -> Result<SessionGuard, Refusal> {
        let deadline = Instant::now() + patience;
        let mut book = self.book();
        while close_where(&book, |s| s.is_reinstated_by(&info)) > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Refusal::Busy);
            }
            book = match self.inner.left.wait_timeout(book, left) {
                Ok((book, _)) => book,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
        // The export may have been withdrawn or replaced between lookup and here.
        if !book.exports.contains_key(&info.target) {
            return Err(Refusal::NoSuchTarget);
        }
        let is_same = |l: &&Live| l.info.via == Via::Nbd && l.info.target == info.target;
        if info.via == Via::Nbd && book.live.iter().filter(is_same).count() >= MOST_CONNECTIONS {
            return Err(Refusal::Crowded);
        }
        book.next_id += 1;
        info.id = book.next_id;
        book.live.push(Live {
            info: info.clone(),
            close,
        });
        self.mark(&mut book, &info.target);
        Ok(SessionGuard {
            exports: self.clone(),
            info,
        })
    }

    /// For how long no session was on that target: since the last one left it, or it was last offered.
    /// None while one lives.
    pub fn idle_for(&self, target: &str) -> Option<Duration> {
        let book = self.book();
        if book.live.iter().any(|l| l.info.target == target) {
            return None;
        }
        let since = book.used.get(target);
        Some(since.map_or(Duration::MAX, Instant::elapsed))
    }

    /// Tells all sessions on that target to end; how many there were. They may still be finishing a
    /// request: see [`Exports::drained`].
    pub fn close_sessions(&self, target: &str) -> usize {
        close_where(&self.book(), |s| s.target == target)
    }

    /// Blocks until no session is left on that target, at most for `patience`; whether none is.
    pub fn drained(&self, target: &str, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        let mut book = self.book();
        while book.live.iter().any(|l| l.info.target == target) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            book = match self.inner.left.wait_timeout(book, left) {
                Ok((book, _)) => book,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
        true
    }
}

fn offer(book: &Book, offered: &Offered) -> Offer {
    let target = &offered.export.target;
    let on_it = book.live.iter().filter(|l| l.info.target == *target);
    let moved = offered.counted.iter().map(|disk| disk.bytes());
    let (read_bytes, written_bytes) = moved.fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1));
    Offer {
        export: offered.export.clone(),
        since: offered.since,
        read_bytes,
        written_bytes,
        sessions: on_it.map(|l| l.info.clone()).collect(),
    }
}

fn as_device(counted: &Arc<Counted>) -> Arc<dyn BlockDevice> {
    counted.clone()
}

fn visible(export: &Export, initiator: &str) -> bool {
    match &export.initiator {
        None => true,
        Some(only) => only.eq_ignore_ascii_case(initiator),
    }
}

fn close_where(book: &Book, chosen: impl Fn(&SessionInfo) -> bool) -> usize {
    let chosen = book.live.iter().filter(|l| chosen(&l.info));
    chosen.map(|l| (l.close)()).count()
}

/// Keeps a session in the registry; dropping it takes the session out.
pub struct SessionGuard {
    exports: Exports,
    info: SessionInfo,
}

impl SessionGuard {
    /// The session as registered, with its id.
    pub fn info(&self) -> &SessionInfo {
        &self.info
    }
}

impl Drop for SessionGuard {
    fn drop(&mut self) {
        let id = self.info.id;
        let mut book = self.exports.book();
        book.live.retain(|l| l.info.id != id);
        book.used.insert(self.info.target.clone(), Instant::now());
        self.exports.mark(&mut book, &self.info.target);
        drop(book);
        self.exports.inner.left.notify_all();
    }
}

#[cfg(test)]
#[path = "registry_tests.rs"]
mod tests;
