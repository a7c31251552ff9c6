//! What is being tried with each computer now: kept in memory, since it is worth nothing later.

use super::ladder::{self, Failure, Means};
use crate::boot::Firmware;
use std::collections::HashMap;
use store::FirmwareKind;
use types::{MacAddr, Quirks, Timestamp};

/// Computers that are remembered; beyond, the ones that were silent the longest are forgotten.
const MAX: usize = 4096;
/// An iPXE that asks within so many seconds after its firmware was brought by it.
const CHAIN_SECONDS: f64 = 180.0;
/// PXE waits four seconds for offers before it asks again (PXE 2.1 section 3.1); what comes sooner is a
/// copy of the same question.
const ASKS_AGAIN_SECONDS: f64 = 2.5;
/// Offers that a machine may leave unanswered before it is answered otherwise.
const UNHEEDED: u32 = 2;

/// How one computer boots now.
struct Trial {
    kind: FirmwareKind,
    means: Means,
    /// None: as its firmware is known to boot.
    own: Option<Quirks>,
    /// The way that was last given out.
    given: Quirks,
    /// The newest way was given out. One that was not can't have failed.
    used: bool,
    /// DISCOVERs since something followed an offer, and when the last one came.
    unheeded: u32,
    discovered_at: Option<Timestamp>,
    seen_at: Timestamp,
}

impl Trial {
    /// Whether a DISCOVER at that moment is the last one once more.
    fn is_copy(&self, at: Timestamp) -> bool {
        self.discovered_at
            .is_some_and(|then| then.seconds_to(at) < ASKS_AGAIN_SECONDS)
    }
}

/// Firmware of one computer that is told apart: PXE, HTTP Boot, an iPXE of its card, one to spare.
const FIRMWARE: usize = 4;

#[derive(Default)]
pub(super) struct Trials {
    /// Of each computer a trial for each firmware that it came with, the newest last.
    all: HashMap<MacAddr, Vec<Trial>>,
}

impl Trials {
    fn newest(&self, mac: MacAddr) -> Option<&Trial> {
        self.all.get(&mac)?.last()
    }

    fn newest_mut(&mut self, mac: MacAddr) -> Option<&mut Trial> {
        self.all.get_mut(&mac)?.last_mut()
    }

    /// Whether it is the iPXE that a computer's firmware was sent for: the same boot goes on.
    pub fn is_chained(&self, mac: MacAddr, firmware: Firmware, at: Timestamp) -> bool {
        let is_recent = |t: &Trial| {
            t.means.firmware != Firmware::Ipxe && t.seen_at.seconds_to(at) <= CHAIN_SECONDS
        };
        firmware == Firmware::Ipxe && self.newest(mac).is_some_and(is_recent)
    }

    /// The way of a computer of that kind that asks now; `known` is how that kind boots.
    pub fn begin(
        &mut self,
        mac: MacAddr,
        kind: FirmwareKind,
        means: Means,
        known: Quirks,
        at: Timestamp,
    ) -> Quirks {
        self.make_room(mac);
        let trials = self.all.entry(mac).or_default();
        let is_same = |t: &Trial| t.kind == kind && t.means.firmware == means.firmware;
        let trial = match trials.iter().position(is_same) {
            Some(place) => trials.remove(place),
            None => Trial {
                kind,
                means,
                own: None,
                given: known,
                used: true,
                unheeded: 0,
                discovered_at: None,
                seen_at: at,
            },
        };
        let given = trial.own.unwrap_or(known);
        if trials.len() >= FIRMWARE {
            trials.remove(0);
        }
        trials.push(Trial {
            means,
            given,
            used: true,
            seen_at: at,
            ..trial
        });
        given
    }

    /// The way that a computer goes now; `known` tells how its kind boots.
    pub fn current(&self, mac: MacAddr, known: impl FnOnce(&FirmwareKind) -> Quirks) -> Quirks {
        let trial = self.newest(mac);
        trial.map_or_else(Quirks::default, |t| t.own.unwrap_or_else(|| known(&t.kind)))
    }

    /// The way that it last went.
    pub fn given(&self, mac: MacAddr) -> Option<Quirks> {
        self.newest(mac).map(|t| t.given)
    }

    /// Whether it asks for a script once its loader runs. A Raspberry Pi starts from its files alone.
    pub fn asks_for_a_script(&self, mac: MacAddr) -> bool {
        let trial = self.newest(mac);
        trial.is_some_and(|t| t.means.firmware != Firmware::RaspberryPi)
    }

    /// Its kind of firmware.
    pub fn kind(&self, mac: MacAddr) -> Option<&FirmwareKind> {
        self.newest(mac).map(|t| &t.kind)
    }

    /// Whether this firmware of it asks for offers again because it left those before unanswered.
    pub fn asks_again(&self, mac: MacAddr, firmware: Firmware, at: Timestamp) -> bool {
        let trial = self.newest(mac).filter(|t| t.means.firmware == firmware);
        trial.is_some_and(|t| t.unheeded >= UNHEEDED && !t.is_copy(at))
    }

    /// It asks for offers.
    pub fn discovered(&mut self, mac: MacAddr, at: Timestamp) {
        // iPXE asks again every second while it waits for a proxy.
        let trial = self.newest_mut(mac);
        if let Some(t) = trial.filter(|t| t.means.firmware != Firmware::Ipxe && !t.is_copy(at)) {
            t.discovered_at = Some(at);
            t.unheeded += 1;
        }
    }

    /// It went on after an offer.
    pub fn heeded(&mut self, mac: MacAddr) {
        if let Some(trial) = self.newest_mut(mac) {
            trial.unheeded = 0;
        }
    }

    /// The way failed; the next one, unless that has not been given out yet.
    pub fn failed(
        &mut self,
        mac: MacAddr,
        failure: Failure,
        known: impl FnOnce(&FirmwareKind) -> Quirks,
    ) -> Option<Quirks> {
        let trial = self.newest_mut(mac).filter(|t| t.used)?;
        let tried = trial.own.unwrap_or_else(|| known(&trial.kind));
        let next = ladder::next(tried, failure, trial.means);
        trial.own = Some(next);
        trial.used = false;
        trial.unheeded = 0;
        Some(next)
    }

    /// A file goes out to it in that way.
    pub fn used(&mut self, mac: MacAddr, way: Quirks) {
        if let Some(trial) = self.newest_mut(mac) {
            trial.used = true;
            trial.given = way;
        }
    }

    /// What was tried with these computers is forgotten: they go as their kind does.
    pub fn forget(&mut self, is_one: impl Fn(MacAddr, &FirmwareKind) -> bool) {
        for (mac, trials) in &mut self.all {
            let ones = trials.iter_mut().filter(|t| is_one(*mac, &t.kind));
            ones.for_each(|t| t.own = None);
        }
    }

    fn make_room(&mut self, mac: MacAddr) {
        if self.all.len() < MAX || self.all.contains_key(&mac) {
            return;
        }
        let seen = |trials: &Vec<Trial>| trials.last().map(|t| t.seen_at);
        let oldest = self.all.iter().min_by_key(|(_, trials)| seen(trials));
        if let Some(mac) = oldest.map(|(mac, _)| *mac) {
            self.all.remove(&mac);
        }
    }
}

#[cfg(test)]
#[path = "trials_tests.rs"]
mod tests;
