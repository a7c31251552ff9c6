//! How often a password or code may be tried. Pure: the time is an argument.

use std::{collections::HashMap, net::IpAddr};
use types::Timestamp;

/// Tries before one has to wait.
const FREE: u32 = 5;

/// Longest wait, seconds.
const LONGEST_SECONDS: u32 = 300;

/// Seconds without a try after which all is forgotten.
const FORGET_SECONDS: i64 = 900;

/// Entries kept; what was quiet longest goes first.
const MAX_ENTRIES: usize = 10_000;

/// Counts failed tries by account and address, so that nobody else's failures lock an account
/// and no one address can guess on.
#[derive(Default)]
pub(super) struct Throttle {
    entries: HashMap<(String, IpAddr), Entry>,
}

struct Entry {
    tries: u32,
    last: Timestamp,
}

impl Throttle {
    /// Counts a try, or says how many seconds it has to wait. A try counts as failed until
    /// [`Throttle::clear`]: many at once get no more tries than one after the other.
    pub fn begin(&mut self, account: &str, from: IpAddr, now: Timestamp) -> Result<(), u32> {
        self.make_room(now);
        let entry = self.entries.entry(key(account, from)).or_insert(Entry {
            tries: 0,
            last: now,
        });
        if entry.last.seconds_to(now) >= FORGET_SECONDS as f64 {
            entry.tries = 0;
        }
        let wait = wait_seconds(entry.tries);
        let left = f64::from(wait) - entry.last.seconds_to(now);
        if entry.tries >= FREE && left > 0.0 {
            return Err((left.ceil() as u32).clamp(1, LONGEST_SECONDS));
        }
        entry.tries = entry.tries.saturating_add(1);
        entry.last = now;
        Ok(())
    }

    /// The try was right: forget the failed ones.
    pub fn clear(&mut self, account: &str, from: IpAddr) {
        self.entries.remove(&key(account, from));
    }

    fn make_room(&mut self, now: Timestamp) {
        if self.entries.len() < MAX_ENTRIES {
            return;
        }
        self.entries
            .retain(|_, e| e.last.seconds_to(now) < FORGET_SECONDS as f64);
        // A flood from many addresses: drop the older half, so that this is not done each time.
        if self.entries.len() >= MAX_ENTRIES {
            let mut times: Vec<_> = self.entries.values().map(|e| e.last).collect();
            times.sort_unstable();
            let middle = times[times.len() / 2];
            self.entries.retain(|_, e| e.last > middle);
        }
    }
}

/// 1, 2, 4 … seconds after the free tries.
fn wait_seconds(tries: u32) -> u32 {
    match tries.checked_sub(FREE) {
        None => 0,
        Some(over) => 1u32
            .checked_shl(over)
            .unwrap_or(LONGEST_SECONDS)
            .min(LONGEST_SECONDS),
    }
}

/// Whoever has one IPv6 address has its /64.
fn key(account: &str, from: IpAddr) -> (String, IpAddr) {
    let from = match from.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) & !u128::from(u64::MAX)).into()),
        v4 => v4,
    };
    // Longer names than any account has share one entry.
    let account: String = account.chars().take(64).collect();
    (account.to_lowercase(), from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(s: &str) -> IpAddr {
        s.parse().unwrap()
    }

    #[test]
    fn waiting_doubles_and_ends_with_success() {
        let mut t = Throttle::default();
        let mut now = Timestamp(0);
        for _ in 0..5 {
            assert_eq!(t.begin("Ada", ip("10.0.0.1"), now), Ok(()));
        }
        for wait in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
            assert_eq!(t.begin("ada", ip("10.0.0.1"), now), Err(wait));
            now = now.plus_seconds(i64::from(wait));
            assert_eq!(t.begin("ada", ip("::ffff:10.0.0.1"), now), Ok(()));
        }
        assert_eq!(
            t.begin("ada", ip("10.0.0.2"), now),
            Ok(()),
            "another address"
        );
        assert_eq!(
            t.begin("bob", ip("10.0.0.1"), now),
            Ok(()),
            "another account"
        );
        t.clear("ada", ip("10.0.0.1"));
        assert_eq!(t.begin("ada", ip("10.0.0.1"), now), Ok(()));
    }

    #[test]
    fn one_ipv6_network_is_one_address() {
        let mut t = Throttle::default();
        for i in 0..5 {
            let from = ip(&format!("2001:db8::{i}"));
            assert_eq!(t.begin("ada", from, Timestamp(0)), Ok(()));
        }
        assert!(t.begin("ada", ip("2001:db8::99"), Timestamp(0)).is_err());
        assert!(t.begin("ada", ip("2001:db8:0:1::1"), Timestamp(0)).is_ok());
    }

    #[test]
    fn a_flood_does_not_fill_the_memory() {
        let mut t = Throttle::default();
        for i in 0..50_000u32 {
            let from = IpAddr::V4(i.into());
            let _ = t.begin("ada", from, Timestamp(i64::from(i)));
        }
        assert!(t.entries.len() <= MAX_ENTRIES);
    }
}
