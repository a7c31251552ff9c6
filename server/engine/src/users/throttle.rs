//! How often a password or code may be tried. Pure: the time is an argument.

use std::{collections::HashMap, hash::Hash, net::IpAddr};
use types::Timestamp;

/// Tries of one account before one has to wait.
const FREE: u32 = 5;

/// Longest wait, seconds.
const LONGEST_SECONDS: u32 = 300;

/// Seconds without a try after which all is forgotten.
const FORGET_SECONDS: i64 = 900;

/// Failed tries that one address has, whatever the accounts: each costs a password hash, and those who
/// sign in at other addresses shall not wait for it.
const FREE_OF_ADDRESS: u32 = 30;

/// Seconds after which an address has one of these back.
const BACK_SECONDS: u32 = 2;

/// Entries of a kind that are kept; what was quiet longest goes first.
const MAX_ENTRIES: usize = 10_000;

/// Counts failed tries by account and address, so that nobody else's failures lock an account
/// and no one address can guess on, and by address alone.
#[derive(Default)]
pub(super) struct Throttle {
    pairs: HashMap<(String, IpAddr), Entry>,
    addresses: HashMap<IpAddr, Entry>,
}

struct Entry {
    tries: u32,
    last: Timestamp,
}

impl Throttle {
    /// Counts a try, or says how many seconds it has to wait. A try counts as failed until
    /// [`Throttle::clear`]: many at once get no more tries than one after the other.
    pub fn begin(&mut self, account: &str, from: IpAddr, now: Timestamp) -> Result<(), u32> {
        make_room(&mut self.pairs, now);
        make_room(&mut self.addresses, now);
        let from = network(from);
        let none = || Entry {
            tries: 0,
            last: now,
        };
        let all = self.addresses.entry(from).or_insert_with(none);
        let back = all.last.seconds_to(now).max(0.0) as u32 / BACK_SECONDS;
        if back > 0 {
            all.tries = all.tries.saturating_sub(back);
            all.last = now;
        }
        if all.tries >= FREE_OF_ADDRESS {
            return Err(BACK_SECONDS);
        }
        let pair = self.pairs.entry(key(account, from)).or_insert_with(none);
        if pair.last.seconds_to(now) >= FORGET_SECONDS as f64 {
            pair.tries = 0;
        }
        let wait = wait_seconds(pair.tries);
        let left = f64::from(wait) - pair.last.seconds_to(now);
        if pair.tries >= FREE && left > 0.0 {
            return Err((left.ceil() as u32).clamp(1, LONGEST_SECONDS));
        }
        pair.tries = pair.tries.saturating_add(1);
        pair.last = now;
        all.tries = all.tries.saturating_add(1);
        Ok(())
    }

    /// The try was right: forget the failed ones of the account. Those of the address stay: who has one
    /// account must not guess at others for ever.
    pub fn clear(&mut self, account: &str, from: IpAddr) {
        let from = network(from);
        self.pairs.remove(&key(account, from));
        if let Some(all) = self.addresses.get_mut(&from) {
            all.tries = all.tries.saturating_sub(1);
        }
    }
}

fn make_room<K: Hash + Eq>(entries: &mut HashMap<K, Entry>, now: Timestamp) {
    if entries.len() < MAX_ENTRIES {
        return;
    }
    entries.retain(|_, e| e.last.seconds_to(now) < FORGET_SECONDS as f64);
    // A flood from many addresses: drop the older half, so that this is not done each time.
    if entries.len() >= MAX_ENTRIES {
        let mut times: Vec<_> = entries.values().map(|e| e.last).collect();
        times.sort_unstable();
        let middle = times[times.len() / 2];
        entries.retain(|_, e| e.last > middle);
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
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) & !u128::from(u64::MAX)).into()),
        v4 => v4,
    }
}

fn key(account: &str, from: IpAddr) -> (String, IpAddr) {
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
        assert!(t.pairs.len() <= MAX_ENTRIES && t.addresses.len() <= MAX_ENTRIES);
    }

    #[test]
    fn one_address_guesses_at_no_more_accounts_than_a_few_a_minute() {
        let mut t = Throttle::default();
        let (guesser, other) = (ip("10.0.0.1"), ip("10.0.0.2"));
        let hour = (0..3_600_000).step_by(50);
        let tried = hour
            .map(|ms| Timestamp(ms * 1000))
            .filter(|now| t.begin(&format!("user{}", now.0), guesser, *now).is_ok())
            .count();
        assert!((1800..1900).contains(&tried), "{tried} in an hour");
        let now = Timestamp(3_600_000_000);
        assert!(t.begin("ada", other, now).is_ok());

        // Who signs in well, however often, has all of it left; and being right once is no licence.
        for _ in 0..1000 {
            assert_eq!(t.begin("ada", other, now), Ok(()));
            t.clear("ada", other);
        }
        let guesses = (0..100).filter(|n| {
            let good = t.begin(&format!("user{n}"), other, now).is_ok();
            let own = t.begin("ada", other, now);
            own.is_ok().then(|| t.clear("ada", other));
            good
        });
        assert_eq!(guesses.count() as u32, FREE_OF_ADDRESS - 1);
    }
}
