//! The transfers of one boot network that run now, and how many a computer may have.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddrV4},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::task::{AbortHandle, Id, JoinSet};

/// Transfers at once of one address; more is a flood or a forged source.
const PER_SOURCE: usize = 8;
/// Transfers at once in all.
const IN_ALL: usize = 1024;

/// Set by a transfer once its peer has answered.
pub(super) type Heard = Arc<AtomicBool>;

#[derive(Default)]
pub(super) struct Live {
    tasks: JoinSet<()>,
    peers: HashMap<Id, SocketAddrV4>,
    by_source: HashMap<Ipv4Addr, HashMap<u16, Running>>,
}

struct Running {
    task: AbortHandle,
    heard: Heard,
}

impl Live {
    /// Begins a transfer; false when it is one too many, or a repeated request whose answer is on
    /// its way. From a port whose transfer had begun, it is a computer that was started anew: the
    /// old transfer ends.
    pub fn begin<F>(&mut self, peer: SocketAddrV4, transfer: impl FnOnce(Heard) -> F) -> bool
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let mine = self.by_source.entry(*peer.ip()).or_default();
        match mine.get(&peer.port()) {
            Some(old) if !old.heard.load(Ordering::Relaxed) => return false,
            Some(old) => old.task.abort(),
            None if mine.len() >= PER_SOURCE => return false,
            // An entry that was just made for it must not stay: made-up sources would fill the memory.
            None if self.tasks.len() >= IN_ALL => {
                if mine.is_empty() {
                    self.by_source.remove(peer.ip());
                }
                return false;
            }
            None => {}
        }
        let heard = Heard::default();
        let task = self.tasks.spawn(transfer(heard.clone()));
        self.peers.insert(task.id(), peer);
        mine.insert(peer.port(), Running { task, heard });
        true
    }

    /// Waits for a transfer to end; None when there is none.
    pub async fn ended(&mut self) -> Option<()> {
        let id = match self.tasks.join_next_with_id().await? {
            Ok((id, ())) => id,
            Err(error) => error.id(),
        };
        let peer = self.peers.remove(&id)?;
        let mine = self.by_source.get_mut(peer.ip())?;
        if mine.get(&peer.port()).is_some_and(|r| r.task.id() == id) {
            mine.remove(&peer.port());
        }
        if mine.is_empty() {
            self.by_source.remove(peer.ip());
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};

    fn peer(host: u8, port: u16) -> SocketAddrV4 {
        SocketAddrV4::new(Ipv4Addr::new(10, 77, 0, host), port)
    }

    #[tokio::test]
    async fn a_request_again_waits_for_its_answer_and_a_computer_started_anew_gets_one() {
        let mut live = Live::default();
        let mut heard = None;
        assert!(live.begin(peer(1, 2000), |h| {
            heard = Some(h);
            pending()
        }));
        assert!(!live.begin(peer(1, 2000), |_| pending()), "a duplicate");
        heard.expect("begun").store(true, Ordering::Relaxed);
        assert!(live.begin(peer(1, 2000), |_| pending()), "started anew");
        // The old one is gone, and the new one's place is not taken away with it.
        assert_eq!(live.ended().await, Some(()));
        assert!(!live.begin(peer(1, 2000), |_| pending()));
        assert_eq!((live.tasks.len(), live.peers.len()), (1, 1));
    }

    #[tokio::test]
    async fn what_has_ended_or_panicked_leaves_nothing() {
        let mut live = Live::default();
        assert!(live.begin(peer(1, 2000), |_| ready(())));
        assert!(live.begin(peer(2, 2000), |_| async { panic!("on purpose") }));
        assert_eq!(live.ended().await, Some(()));
        assert_eq!(live.ended().await, Some(()));
        assert_eq!(live.ended().await, None);
        assert!(live.by_source.is_empty() && live.peers.is_empty());
    }

    #[tokio::test]
    async fn nobody_takes_all_places() {
        let mut live = Live::default();
        for port in 0..8 {
            assert!(live.begin(peer(1, 2000 + port), |_| pending()));
        }
        assert!(!live.begin(peer(1, 3000), |_| pending()));
        for host in 2..=128 {
            for port in 0..8 {
                assert!(live.begin(peer(host, 2000 + port), |_| pending()));
            }
        }
        assert!(!live.begin(peer(129, 2000), |_| pending()));
        assert_eq!(live.by_source.len(), 128);
    }
}
