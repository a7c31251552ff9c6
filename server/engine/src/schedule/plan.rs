//! Which computers' snapshots are due, which of them wait, and which old ones go. The clock comes in, what is
//! due goes out; nothing else is known here.

use std::collections::BTreeMap;
use store::SnapshotsDueRecord;
use types::{ClientId, Timestamp};

const MINUTE_MICROS: i64 = 60_000_000;
const DAY_MINUTES: u32 = 24 * 60;

/// The moments of a schedule: one every so many minutes, in UTC.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Schedule {
    /// A day or a week.
    every_minutes: u32,
    /// From midnight, or from midnight before Thursday, which 1970 began with.
    at_minute: u32,
}

/// How often it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Every {
    /// Each day.
    Day,
    /// On one day of each week; 0 is Monday.
    Week(u8),
}

impl Every {
    /// What may stand in the setting, beside `off`.
    pub const WORDS: [&str; 8] = [
        "daily",
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
        "sunday",
    ];

    /// By its word.
    pub fn of(word: &str) -> Option<Every> {
        let at = Every::WORDS.iter().position(|w| *w == word)?;
        Some(match at.checked_sub(1) {
            None => Every::Day,
            Some(day) => Every::Week(day as u8),
        })
    }
}

impl Schedule {
    /// At that minute of the day, UTC.
    pub fn new(every: Every, minute_of_day: u32) -> Schedule {
        match every {
            Every::Day => Schedule {
                every_minutes: DAY_MINUTES,
                at_minute: minute_of_day,
            },
            Every::Week(day) => Schedule {
                every_minutes: 7 * DAY_MINUTES,
                at_minute: (u32::from(day) + 4) % 7 * DAY_MINUTES + minute_of_day,
            },
        }
    }

    /// Its newest moment that is not after `now`.
    pub fn last(self, now: Timestamp) -> Timestamp {
        let every = i64::from(self.every_minutes) * MINUTE_MICROS;
        let at = i64::from(self.at_minute) * MINUTE_MICROS;
        Timestamp((now.0 - at).div_euclid(every) * every + at)
    }

    /// Its first moment after `now`.
    pub fn next(self, now: Timestamp) -> Timestamp {
        self.last(now)
            .plus_seconds(i64::from(self.every_minutes) * 60)
    }
}

/// Old snapshots of a computer that stay though newer ones took their place, by their numbers: why.
pub(super) type Staying = BTreeMap<u32, String>;

/// What is new of these since `before`: one that stays for another reason than before is.
pub(super) fn news<'a>(
    before: &'a Staying,
    now: &'a Staying,
) -> impl Iterator<Item = (u32, &'a str)> {
    let is_new = |(number, why): &(&u32, &String)| before.get(*number) != Some(*why);
    now.iter().filter(is_new).map(|(n, why)| (*n, why.as_str()))
}

/// What is known of a disk that snapshots are taken of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Disk {
    pub client: ClientId,
    /// A snapshot of it can be taken now.
    pub is_off: bool,
    /// It holds what no snapshot has. Counts for one that is off: what runs may write at any time.
    pub has_news: bool,
    /// When the newest one was taken by schedule.
    pub taken_at: Option<Timestamp>,
}

/// Whether the disks have to be looked at: a moment has come, or some wait.
pub fn is_of_interest(known: &SnapshotsDueRecord, schedule: Schedule, now: Timestamp) -> bool {
    !known.due.is_empty() || schedule.last(now) > known.seen
}

/// What was known, for this schedule: another one begins with its next moment. A clock that was set back
/// must not put the next moment off for long.
pub fn known(
    kept: Option<SnapshotsDueRecord>,
    schedule: Schedule,
    now: Timestamp,
) -> SnapshotsDueRecord {
    let (every_minutes, at_minute) = (schedule.every_minutes, schedule.at_minute);
    let is_same =
        |k: &SnapshotsDueRecord| (k.every_minutes, k.at_minute) == (every_minutes, at_minute);
    let seen = match &kept {
        Some(kept) if is_same(kept) => kept.seen.min(now),
        _ => now,
    };
    SnapshotsDueRecord {
        every_minutes,
        at_minute,
        seen,
        due: kept.map_or_else(Vec::new, |k| k.due),
    }
}

/// What is due after a look: at each moment all disks that hold something new, or may by the time they are off.
/// One stays due until it was taken, or turns out to hold nothing new.
pub fn look(
    mut known: SnapshotsDueRecord,
    schedule: Schedule,
    now: Timestamp,
    disks: &[Disk],
) -> SnapshotsDueRecord {
    let moment = schedule.last(now);
    if moment > known.seen {
        known.seen = moment;
        for disk in disks {
            if !known.due.iter().any(|(client, _)| *client == disk.client) {
                known.due.push((disk.client, moment));
            }
        }
    }
    known.due.retain(|(client, since)| {
        let disk = disks.iter().find(|d| d.client == *client);
        disk.is_some_and(|d| (d.has_news || !d.is_off) && d.taken_at.is_none_or(|at| at < *since))
    });
    known
}

/// Of the snapshots taken by schedule, the oldest first, those that are more than are kept.
pub fn surplus<T>(taken: &[T], keep: usize) -> &[T] {
    &taken[..taken.len().saturating_sub(keep)]
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
