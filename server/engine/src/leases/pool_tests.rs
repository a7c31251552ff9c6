//! The pool against a few stories and a long random life.

use super::*;
use std::collections::HashSet;

const T0: Timestamp = Timestamp(1_800_000_000_000_000);

fn ip(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, 0, last)
}
fn mac(n: u32) -> MacAddr {
    let [a, b, c, d] = n.to_be_bytes();
    MacAddr([2, 0, a, b, c, d])
}
fn asker(n: u32) -> Asker {
    Asker {
        mac: mac(n),
        client_id: vec![],
        hostname: None,
    }
}
fn pool(first: u8, last: u8) -> Pool {
    let range = AddressRange {
        first: ip(first),
        last: ip(last),
    };
    Pool::new(range, &[ip(1)])
}
fn grant(p: &mut Pool, n: u32, address: Ipv4Addr, seconds: u32, now: Timestamp) -> Lease {
    match p.claim(&asker(n), address, seconds, true, now) {
        Claim::Granted(lease) => lease,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_computer_keeps_its_address_and_others_get_others() {
    let mut p = pool(100, 102);
    assert_eq!(p.size(), 3);
    for n in 0..3u8 {
        assert_eq!(p.offer(mac(n.into()), None, T0), Some(ip(100 + n)));
    }
    assert_eq!(
        p.offer(mac(0), Some(ip(102)), T0),
        Some(ip(100)),
        "its own first"
    );
    assert_eq!(p.offer(mac(9), None, T0), None, "all are held");
    let later = T0.plus_seconds(OFFER_SECONDS);
    assert_eq!(
        p.offer(mac(9), None, later),
        Some(ip(100)),
        "the oldest offer lapsed"
    );
    assert_eq!(p.offer(mac(0), None, later), Some(ip(101)));
}

#[test]
fn our_own_address_is_never_given() {
    let mut p = pool(0, 2);
    assert_eq!(p.size(), 2);
    assert_eq!(p.offer(mac(1), Some(ip(1)), T0), Some(ip(0)));
    assert_eq!(p.offer(mac(2), None, T0), Some(ip(2)));
    assert_eq!(p.claim(&asker(3), ip(1), 60, true, T0), Claim::Unknown);
}

#[test]
fn a_free_wish_is_granted() {
    let mut p = pool(100, 199);
    assert_eq!(p.offer(mac(1), Some(ip(150)), T0), Some(ip(150)));
    assert_eq!(
        p.offer(mac(2), Some(ip(150)), T0),
        Some(ip(100)),
        "held for another"
    );
    assert_eq!(p.offer(mac(3), Some(ip(250)), T0), Some(ip(101)), "outside");
}

#[test]
fn claims() {
    let mut p = pool(100, 199);
    assert_eq!(p.claim(&asker(1), ip(100), 60, false, T0), Claim::Unknown);
    assert_eq!(p.claim(&asker(1), ip(99), 60, true, T0), Claim::Unknown);
    let lease = grant(&mut p, 1, ip(100), 60, T0);
    assert_eq!((lease.starts_at, lease.ends_at), (T0, T0.plus_seconds(60)));
    assert_eq!(p.claim(&asker(2), ip(100), 60, true, T0), Claim::Taken);
    assert_eq!(p.claim(&asker(1), ip(101), 60, true, T0), Claim::Elsewhere);
    // Expired but still nobody else's.
    let later = T0.plus_seconds(600);
    assert_eq!(p.owner(ip(100), later), None);
    assert!(matches!(
        p.claim(&asker(1), ip(100), 60, false, later),
        Claim::Granted(_)
    ));
    assert_eq!(p.owner(ip(100), later), Some(mac(1)));
    assert_eq!(p.address_of(mac(1), later), Some(ip(100)));
}

#[test]
fn a_released_address_is_free_but_preferred() {
    let mut p = pool(100, 101);
    grant(&mut p, 1, ip(100), 60, T0);
    assert_eq!(p.release(mac(2), ip(100), T0), None, "not its own");
    let lease = p.release(mac(1), ip(100), T0).expect("its own");
    assert_eq!((lease.state, lease.ends_at), (LeaseState::Released, T0));
    assert_eq!(p.release(mac(1), ip(100), T0), None, "once");
    assert_eq!(p.offer(mac(1), None, T0), Some(ip(100)));
    let later = T0.plus_seconds(61);
    assert_eq!(
        p.offer(mac(2), None, later),
        Some(ip(101)),
        "unused ones first"
    );
    assert_eq!(p.offer(mac(3), None, later), Some(ip(100)));
}

#[test]
fn an_address_is_its_last_holders_until_it_is_anothers() {
    let mut p = pool(100, 100);
    grant(&mut p, 1, ip(100), 60, T0);
    let late = T0.plus_seconds(3600);
    assert_eq!(p.owner(ip(100), late), None);
    assert_eq!(p.last_holder(ip(100)), Some(mac(1)));
    assert_eq!(p.last_holder(ip(101)), None);
    // Given to another one, even before that one has it: it is nobody's.
    assert_eq!(p.offer(mac(2), None, late), Some(ip(100)));
    assert_eq!(p.last_holder(ip(100)), None);
    grant(&mut p, 2, ip(100), 60, late);
    assert_eq!(p.last_holder(ip(100)), Some(mac(2)));
    p.release(mac(2), ip(100), late).expect("its own");
    assert_eq!(p.last_holder(ip(100)), None, "handed back");
}

#[test]
fn a_declined_address_rests() {
    let mut p = pool(100, 101);
    grant(&mut p, 1, ip(100), 60, T0);
    assert_eq!(p.decline(mac(2), ip(100), T0), None, "not its own");
    let lease = p.decline(mac(1), ip(100), T0).expect("its own");
    assert_eq!(lease.state, LeaseState::Declined);
    assert_eq!(p.owner(ip(100), T0), None);
    assert_eq!(p.offer(mac(1), Some(ip(100)), T0), Some(ip(101)));
    assert_eq!(p.offer(mac(2), None, T0), None);
    let later = T0.plus_seconds(QUARANTINE_SECONDS);
    grant(&mut p, 1, ip(101), 60, later);
    assert_eq!(p.offer(mac(2), None, later), Some(ip(100)));
}

#[test]
fn another_servers_client_frees_our_offer() {
    let mut p = pool(100, 100);
    p.offer(mac(1), None, T0);
    assert_eq!(p.offer(mac(2), None, T0), None);
    p.forget_offer(mac(1), T0);
    assert_eq!(p.offer(mac(2), None, T0), Some(ip(100)));
    grant(&mut p, 2, ip(100), 60, T0);
    p.forget_offer(mac(2), T0);
    assert_eq!(p.owner(ip(100), T0), Some(mac(2)), "a lease is no offer");
}

#[test]
fn stored_leases_come_back() {
    let mut p = pool(100, 110);
    let lease = |n: u32, last: u8, state, ends: i64| Lease {
        address: ip(last),
        mac: mac(n),
        client_id: vec![],
        hostname: None,
        state,
        starts_at: T0,
        ends_at: T0.plus_seconds(ends),
    };
    assert!(p.restore(lease(1, 100, LeaseState::Active, 60)));
    assert!(!p.restore(lease(2, 50, LeaseState::Active, 60)), "outside");
    assert!(!p.restore(lease(2, 100, LeaseState::Active, 60)), "twice");
    assert!(!p.restore(lease(1, 101, LeaseState::Released, 0)), "older");
    assert!(p.restore(lease(1, 102, LeaseState::Active, 90)), "newer");
    assert!(p.restore(lease(3, 103, LeaseState::Declined, 90)));
    assert_eq!(p.address_of(mac(1), T0), Some(ip(102)));
    assert_eq!(p.owner(ip(100), T0), None);
    assert_eq!(p.offer(mac(1), None, T0), Some(ip(102)));
    assert_eq!(p.offer(mac(3), None, T0), Some(ip(100)));
    assert_eq!(p.offer(mac(4), Some(ip(103)), T0), Some(ip(101)));
}

#[test]
fn the_last_address_of_all_does_not_overflow() {
    let range = AddressRange {
        first: Ipv4Addr::new(255, 255, 255, 254),
        last: Ipv4Addr::BROADCAST,
    };
    let mut p = Pool::new(range, &[]);
    assert!(p.offer(mac(1), None, T0).is_some());
    assert!(p.offer(mac(2), None, T0).is_some());
    assert_eq!(p.offer(mac(3), None, T0), None);
}

#[test]
fn sixty_five_thousand_leases_fit() {
    let range = AddressRange {
        first: Ipv4Addr::new(10, 1, 0, 0),
        last: Ipv4Addr::new(10, 1, 255, 255),
    };
    let mut p = Pool::new(range, &[]);
    for n in 0..65_536 {
        let address = p.offer(mac(n), None, T0).expect("room");
        grant(&mut p, n, address, 60, T0);
    }
    assert_eq!(p.offer(mac(70_000), None, T0), None);
    assert_eq!(p.leases().filter(|l| l.is_active(T0)).count(), 65_536);
    assert!(p.offer(mac(70_000), None, T0.plus_seconds(60)).is_some());
}

/// No two computers ever hold one address, whatever happens in whatever order.
#[test]
fn a_long_random_life_gives_no_address_twice() {
    let mut p = pool(100, 107);
    let mut now = T0;
    let mut seed = 0x5eed_u64;
    let mut below = |n: u64| {
        seed ^= seed >> 12;
        seed ^= seed << 25;
        seed ^= seed >> 27;
        (seed.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % n
    };
    for _ in 0..100_000 {
        let n = below(20) as u32;
        let address = ip(98 + below(12) as u8);
        now = now.plus_seconds(below(20) as i64);
        match below(6) {
            0 | 1 => {
                p.offer(mac(n), (below(2) == 0).then_some(address), now);
            }
            2 | 3 => {
                let before = p.owner(address, now);
                if let Claim::Granted(lease) = p.claim(&asker(n), address, 100, below(2) == 0, now)
                {
                    assert!(before.is_none_or(|owner| owner == mac(n)), "stolen");
                    assert_eq!(lease.address, address);
                    assert_eq!(p.owner(address, now), Some(mac(n)));
                }
            }
            4 => {
                p.release(mac(n), address, now);
            }
            _ => {
                p.decline(mac(n), address, now);
            }
        }
        let active: Vec<&Lease> = p.leases().filter(|l| l.is_active(now)).collect();
        let owners: HashSet<MacAddr> = active.iter().map(|l| l.mac).collect();
        assert_eq!(owners.len(), active.len(), "two addresses for one computer");
        assert_eq!(p.by_end.len(), p.slots.len());
    }
}
