//! Seats: how many there may be of something at a time, in all and for one party.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The seats, by who has them. Cheap to clone.
#[derive(Clone)]
pub struct Seats<K: Hash + Eq> {
    room: Arc<Semaphore>,
    /// Whoever has none is not in it.
    taken: Arc<Mutex<HashMap<K, usize>>>,
    for_one: usize,
}

/// A seat that nobody has yet.
pub struct Free<K: Hash + Eq> {
    permit: OwnedSemaphorePermit,
    seats: Seats<K>,
}

/// Somebody's seat, until it is dropped.
pub struct Seat<K: Hash + Eq> {
    _permit: OwnedSemaphorePermit,
    seats: Seats<K>,
    whose: Option<K>,
}

impl<K: Hash + Eq + Clone> Seats<K> {
    /// So many in all, and for one party.
    pub fn new(in_all: usize, for_one: usize) -> Seats<K> {
        Seats {
            room: Arc::new(Semaphore::new(in_all)),
            taken: Arc::default(),
            for_one,
        }
    }

    /// Waits for a seat.
    pub async fn free(&self) -> Free<K> {
        let permit = self.room.clone().acquire_owned().await;
        self.with(permit.expect("nobody closes it"))
    }

    /// A seat, when there is one.
    pub fn free_now(&self) -> Option<Free<K>> {
        let permit = self.room.clone().try_acquire_owned().ok()?;
        Some(self.with(permit))
    }

    fn with(&self, permit: OwnedSemaphorePermit) -> Free<K> {
        Free {
            permit,
            seats: self.clone(),
        }
    }
}

impl<K: Hash + Eq> Seats<K> {
    fn taken<T>(&self, look: impl FnOnce(&mut HashMap<K, usize>) -> T) -> T {
        look(&mut self.taken.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<K: Hash + Eq + Clone> Free<K> {
    /// Gives it to a party; None when that one has as many as it may. Who is nobody in particular has
    /// no bound of its own.
    pub fn take(self, whose: Option<K>) -> Option<Seat<K>> {
        if let Some(party) = &whose {
            let for_one = self.seats.for_one;
            let may = self.seats.taken(|taken| {
                let count = taken.entry(party.clone()).or_default();
                let may = *count < for_one;
                *count += usize::from(may);
                may
            });
            if !may {
                return None;
            }
        }
        Some(Seat {
            _permit: self.permit,
            seats: self.seats,
            whose,
        })
    }
}

impl<K: Hash + Eq> Drop for Seat<K> {
    fn drop(&mut self) {
        let Some(party) = &self.whose else { return };
        self.seats.taken(|taken| {
            if let Some(count) = taken.get_mut(party) {
                *count -= 1;
                if *count == 0 {
                    taken.remove(party);
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_party_leaves_seats_to_others_and_gives_its_own_back() {
        let seats = Seats::new(3, 2);
        let first = seats.free().await.take(Some("one")).expect("a seat");
        let second = seats.free().await.take(Some("one")).expect("a seat");
        assert!(seats.free().await.take(Some("one")).is_none());
        let third = seats.free().await.take(Some("other")).expect("a seat");
        assert!(seats.free_now().is_none());
        drop(first);
        let again = seats.free().await.take(Some("one")).expect("a seat again");
        drop((second, third, again));
        assert_eq!(seats.room.available_permits(), 3);
        assert!(seats.taken(|t| t.is_empty()), "nobody is remembered");
    }
}
