//! What changed, to everyone who listens: the WebSocket and the lab.

use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::broadcast;
use types::Event;

/// Events that a slow reader may lag behind before it has to take a snapshot.
const BACKLOG: usize = 4096;

/// Hands out events in one order. Cheap to clone.
#[derive(Clone)]
pub struct EventBus {
    sender: broadcast::Sender<(u64, Arc<Event>)>,
    seq: Arc<Mutex<u64>>,
}

impl Default for EventBus {
    fn default() -> Self {
        EventBus {
            sender: broadcast::channel(BACKLOG).0,
            seq: Arc::default(),
        }
    }
}

impl EventBus {
    /// Sends an event to all who listen and gives its number. Never blocks on a reader.
    pub fn publish(&self, event: Event) -> u64 {
        // Held over the send, so that the numbers arrive in order.
        let mut seq = self.seq.lock().unwrap_or_else(PoisonError::into_inner);
        *seq += 1;
        // An error says that nobody listens.
        let _ = self.sender.send((*seq, Arc::new(event)));
        *seq
    }

    /// Every event from now on. A reader that lags more than the backlog gets `Lagged`: it takes
    /// a snapshot again.
    pub fn subscribe(&self) -> broadcast::Receiver<(u64, Arc<Event>)> {
        self.sender.subscribe()
    }

    /// Number of the last event. Subscribe first, then take `seq`, then a snapshot: events up to
    /// `seq` are in the snapshot.
    pub fn seq(&self) -> u64 {
        *self.seq.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::ImageId;

    #[tokio::test]
    async fn numbers_arrive_in_order_from_many_threads() {
        let bus = EventBus::default();
        let mut reader = bus.subscribe();
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let bus = bus.clone();
                std::thread::spawn(move || {
                    for _ in 0..500 {
                        bus.publish(Event::ImageRemoved {
                            id: ImageId(uuid::Uuid::nil()),
                        });
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|t| t.join().unwrap());
        for seq in 1..=2000 {
            assert_eq!(reader.recv().await.unwrap().0, seq);
        }
        assert_eq!(bus.seq(), 2000);
    }
}
