//! What changed, to everyone who listens. The newest events are kept in one ring for all: a reader
//! is only a place in it, so that one that is slow costs no memory, and one that was away for a
//! moment finds what it missed. Who reads over which connection is not known here.

use bytes::Bytes;
use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, OnceLock, PoisonError, RwLock},
    time::Duration,
};
use tokio::{sync::watch, time::Instant};
use types::{Event, Position, Role, ServerFrame, Subject, Topics};
use uuid::Uuid;

/// Events that are kept: a reader that is further behind has to take a snapshot.
const KEPT: usize = 4096;
/// Older events are let go when a new one comes. A page that lost its connection tries again every
/// few seconds; whoever stays away for longer is as well served by a snapshot.
const KEPT_FOR: Duration = Duration::from_secs(120);

/// Hands out events in one order. Cheap to clone.
#[derive(Clone)]
pub struct EventBus {
    shared: Arc<Shared>,
}

struct Shared {
    run: String,
    ring: RwLock<Ring>,
    /// The last number, to wake readers.
    newest: watch::Sender<u64>,
}

/// The kept events have the numbers up to `seq` without a gap.
#[derive(Default)]
struct Ring {
    seq: u64,
    kept: VecDeque<Arc<Change>>,
}

/// An event with its number.
pub struct Change {
    seq: u64,
    at: Instant,
    subject: Subject,
    /// The least role that may see it.
    reader: Role,
    event: Event,
    frame: OnceLock<Bytes>,
}

impl Change {
    /// Its place in the order of all events of this run.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// When it was told.
    pub fn at(&self) -> Instant {
        self.at
    }

    /// What happened.
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// It as a [`ServerFrame::Delta`] in JSON, written once for all readers.
    pub fn frame(&self) -> Bytes {
        let write = || {
            let frame = ServerFrame::Delta {
                seq: self.seq,
                event: Box::new(self.event.clone()),
            };
            // Views are plain data: there is nothing in them that JSON can't hold.
            Bytes::from(serde_json::to_vec(&frame).unwrap_or_default())
        };
        self.frame.get_or_init(write).clone()
    }
}

impl Default for EventBus {
    fn default() -> Self {
        EventBus {
            shared: Arc::new(Shared {
                run: Uuid::now_v7().simple().to_string(),
                ring: RwLock::default(),
                newest: watch::Sender::new(0),
            }),
        }
    }
}

impl EventBus {
    /// Tells an event to all who listen and gives its number. Never waits for a reader.
    pub fn publish(&self, event: Event) -> u64 {
        self.publish_to(event.topic().role(), event)
    }

    /// As [`EventBus::publish`], to those who have at least this role.
    pub fn publish_to(&self, reader: Role, event: Event) -> u64 {
        let subject = event.subject();
        let seq = {
            let ring = self.shared.ring.write();
            let mut ring = ring.unwrap_or_else(PoisonError::into_inner);
            ring.push(event, (subject, reader), Instant::now())
        };
        // Two that publish at once may come here in either order.
        self.shared.newest.send_if_modified(|newest| {
            *newest = seq.max(*newest);
            true
        });
        seq
    }

    /// Names this run of the server: numbers of another run mean other events.
    pub fn run(&self) -> &str {
        &self.shared.run
    }

    /// Number of the last event.
    pub fn seq(&self) -> u64 {
        self.ring(|r| r.seq)
    }

    /// Everything about these topics from now on.
    pub fn subscribe(&self, topics: Topics) -> Reader {
        Reader {
            role: Role::Admin,
            newest: self.shared.newest.subscribe(),
            at: self.seq(),
            bus: self.clone(),
            topics,
        }
    }

    /// Everything about these topics since `place`; none when that is of another run, or when not
    /// all events since then are kept.
    pub fn resume(&self, topics: Topics, place: &Position) -> Option<Reader> {
        let mut reader = self.subscribe(topics);
        let kept = place.run == self.run() && self.ring(|r| r.since(place.seq).is_some());
        reader.at = place.seq;
        kept.then_some(reader)
    }

    fn ring<T>(&self, read: impl FnOnce(&Ring) -> T) -> T {
        read(
            &self
                .shared
                .ring
                .read()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }
}

impl Ring {
    fn push(&mut self, event: Event, about: (Subject, Role), at: Instant) -> u64 {
        self.seq += 1;
        let old = |c: &Arc<Change>| at.duration_since(c.at) > KEPT_FOR;
        while self.kept.len() >= KEPT || self.kept.front().is_some_and(old) {
            self.kept.pop_front();
        }
        self.kept.push_back(Arc::new(Change {
            seq: self.seq,
            at,
            subject: about.0,
            reader: about.1,
            event,
            frame: OnceLock::new(),
        }));
        self.seq
    }

    /// The events after number `seq`; none when some of them are gone or it has not come to that.
    fn since(&self, seq: u64) -> Option<impl Iterator<Item = &Arc<Change>>> {
        let count = usize::try_from(self.seq.checked_sub(seq)?).ok()?;
        let gone = self.kept.len().checked_sub(count)?;
        Some(self.kept.range(gone..))
    }
}

/// One who listens: a place in the order of events.
pub struct Reader {
    bus: EventBus,
    newest: watch::Receiver<u64>,
    topics: Topics,
    role: Role,
    at: u64,
}

/// What a reader gets next.
pub enum Next {
    /// At least one change, in order; of several changes of one thing only the newest.
    Changes(Vec<Arc<Change>>),
    /// It is too far behind: [`Reader::skip`], then look at the whole state.
    Lost,
}

impl Reader {
    /// Only what this role may see.
    pub fn seen_by(self, role: Role) -> Reader {
        Reader { role, ..self }
    }

    /// The run of the server that the numbers belong to.
    pub fn run(&self) -> &str {
        self.bus.run()
    }

    /// Waits for what is new. What is not taken waits in the ring and nowhere else. Dropping the
    /// future loses nothing.
    pub async fn next(&mut self) -> Next {
        loop {
            // Before the look, so that what comes after it wakes us.
            self.newest.mark_unchanged();
            match self.take() {
                Some(changes) if changes.is_empty() => {}
                Some(changes) => return Next::Changes(changes),
                None => return Next::Lost,
            }
            // The sender lives in our own bus.
            let _ = self.newest.changed().await;
        }
    }

    /// Leaves out all that has happened and gives the number of the last event. Take the state
    /// after this: what changes meanwhile comes once more.
    pub fn skip(&mut self) -> u64 {
        self.at = self.bus.seq();
        self.at
    }

    /// The number that it has come to.
    pub fn at(&self) -> u64 {
        self.at
    }

    fn take(&mut self) -> Option<Vec<Arc<Change>>> {
        let (seq, changes) = self.bus.ring(|ring| {
            let wanted =
                |c: &&Arc<Change>| self.topics.has(c.event.topic()) && c.reader <= self.role;
            let changes: Vec<_> = ring.since(self.at)?.filter(wanted).cloned().collect();
            Some((ring.seq, changes))
        })?;
        self.at = seq;
        Some(newest_of_each(changes))
    }
}

/// Leaves the last change of each thing, in order. All of what is returned is sent before more is
/// taken, so that a thing that changes all the time can't put off its own news for ever.
fn newest_of_each(mut changes: Vec<Arc<Change>>) -> Vec<Arc<Change>> {
    if changes.len() > 1 {
        let all = changes.clone();
        let mut told = HashSet::with_capacity(all.len());
        changes = all
            .iter()
            .rev()
            .filter(|c| told.insert(&c.subject))
            .cloned()
            .collect();
        changes.reverse();
    }
    changes
}

#[cfg(test)]
#[path = "events_tests.rs"]
mod tests;
