//! How many refusals are written down, so that nobody fills the disk with them, and none hides those of
//! others. Pure: the time is an argument.

use super::By;
use crate::users::network;
use std::collections::HashMap;
use types::Timestamp;

/// Of one account, or of one address that is not signed in, in a minute.
pub(super) const OF_ONE: u32 = 30;
/// Of all together, in a minute.
pub(super) const OF_ALL: u32 = 240;

/// Counts those of this minute.
#[derive(Default)]
pub(super) struct Refusals {
    since: Timestamp,
    all: u32,
    by_source: HashMap<String, u32>,
}

impl Refusals {
    /// Counts one; whether there is room for it.
    pub fn count(&mut self, by: &By, now: Timestamp) -> bool {
        if self.since.seconds_to(now).abs() >= 60.0 {
            *self = Refusals {
                since: now,
                ..Refusals::default()
            };
        }
        if self.all >= OF_ALL {
            return false;
        }
        // The names that a stranger gives are the stranger's choice.
        let address = || {
            by.address
                .map_or_else(String::new, |a| network(a).to_string())
        };
        let source = by.role.and(by.actor.view().id).unwrap_or_else(address);
        // Each new one is written down, so there are never more than of all together.
        let count = self.by_source.entry(source).or_default();
        if *count >= OF_ONE {
            return false;
        }
        *count += 1;
        self.all += 1;
        true
    }
}
