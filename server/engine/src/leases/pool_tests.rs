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
fn range(first: u8, last: u8) -> AddressRange {
    AddressRange {
        first: ip(first),
        last: ip(last),
    }
}
fn shape(ranges: &[AddressRange]) -> Shape {
    Shape {
        subnet: Subnet::of(ip(0), 24),
        ranges: ranges.to_vec(),
        excluded: vec![range(1, 1)],
        reserved: Vec::new(),
        probe: false,
    }
}
fn pool(first: u8, last: u8) -> Pool {
    Pool::new(shape(&[range(first, last)]))
}
/// With 10.77.0.N reserved for each of these.
fn reserving(first: u8, last: u8, reserved: &[(u32, u8)]) -> Pool {
    Pool::new(Shape {
        reserved: reserved.iter().map(|(n, a)| (mac(*n), ip(*a))).collect(),
        ..shape(&[range(first, last)])
    })
}
fn grant(p: &mut Pool, n: u32, address: Ipv4Addr, seconds: u32, now: Timestamp) -> Lease {
    match p.claim(&asker(n), address, seconds, true, now) {
        Claim::Granted { lease, .. } => lease,
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
        Claim::Granted { .. }
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
        decision: 0,
    };
    assert!(p.restore(lease(1, 100, LeaseState::Active, 60)));
    let outside = Lease {
        address: Ipv4Addr::new(10, 78, 0, 100),
        ..lease(2, 100, LeaseState::Active, 60)
    };
    assert!(!p.restore(outside));
    assert!(!p.restore(lease(2, 100, LeaseState::Active, 60)), "twice");
    assert!(!p.restore(lease(1, 101, LeaseState::Active, 50)), "older");
    assert_eq!(p.lease(ip(101)), None);
    assert!(p.restore(lease(1, 102, LeaseState::Active, 90)), "newer");
    assert!(p.restore(lease(3, 103, LeaseState::Declined, 90)));
    // It moved from an address whose lease was a long one.
    let moved = Lease {
        starts_at: T0.plus_seconds(5),
        ..lease(4, 105, LeaseState::Active, 30)
    };
    assert!(p.restore(moved));
    assert!(!p.restore(lease(4, 106, LeaseState::Active, 86_400)));
    assert_eq!(p.address_of(mac(4), T0), Some(ip(105)));
    assert_eq!(p.address_of(mac(1), T0), Some(ip(102)));
    assert_eq!(p.owner(ip(100), T0), None);
    assert_eq!(p.offer(mac(1), None, T0), Some(ip(102)));
    assert_eq!(p.offer(mac(3), None, T0), Some(ip(100)));
    assert_eq!(p.offer(mac(5), Some(ip(103)), T0), Some(ip(101)));
}

#[test]
fn the_last_address_of_all_does_not_overflow() {
    let last = Ipv4Addr::BROADCAST;
    let mut p = Pool::new(Shape {
        subnet: Subnet::of(last, 24),
        ..shape(&[AddressRange {
            first: Ipv4Addr::new(255, 255, 255, 254),
            last,
        }])
    });
    assert!(p.offer(mac(1), None, T0).is_some());
    assert!(p.offer(mac(2), None, T0).is_some());
    assert_eq!(p.offer(mac(3), None, T0), None);
}

#[test]
fn sixty_five_thousand_leases_fit() {
    let first = Ipv4Addr::new(10, 1, 0, 0);
    let mut p = Pool::new(Shape {
        subnet: Subnet::of(first, 16),
        ..shape(&[AddressRange {
            first,
            last: Ipv4Addr::new(10, 1, 255, 255),
        }])
    });
    for n in 0..65_536 {
        let address = p.offer(mac(n), None, T0).expect("room");
        grant(&mut p, n, address, 60, T0);
    }
    assert_eq!(p.offer(mac(70_000), None, T0), None);
    assert_eq!(p.leases().filter(|l| l.is_active(T0)).count(), 65_536);
    assert!(p.offer(mac(70_000), None, T0.plus_seconds(60)).is_some());
}

#[test]
fn ranges_are_given_one_after_the_other_without_what_is_excluded() {
    let mut p = Pool::new(Shape {
        excluded: vec![range(101, 101), range(150, 160)],
        ..shape(&[range(150, 161), range(100, 102)])
    });
    assert_eq!(p.size(), 3);
    let given: Vec<_> = (0..4).map(|n| p.offer(mac(n), None, T0)).collect();
    let want = [Some(ip(100)), Some(ip(102)), Some(ip(161)), None];
    assert_eq!(given, want);
    assert_eq!(p.claim(&asker(9), ip(155), 60, true, T0), Claim::Unknown);
}

#[test]
fn a_reserved_address_is_its_computers_alone_also_outside_the_ranges() {
    let mut p = reserving(100, 101, &[(7, 100), (8, 50)]);
    assert_eq!(p.size(), 3);
    assert_eq!(p.offer(mac(1), Some(ip(100)), T0), Some(ip(101)));
    assert_eq!(p.offer(mac(2), Some(ip(50)), T0), None);
    assert_eq!(p.claim(&asker(1), ip(50), 60, true, T0), Claim::Elsewhere);
    assert_eq!(p.claim(&asker(2), ip(50), 60, true, T0), Claim::Taken);
    assert_eq!(p.offer(mac(7), Some(ip(101)), T0), Some(ip(100)));
    // It reboots with its address: the reservation is our record of it.
    assert!(matches!(
        p.claim(&asker(8), ip(50), 60, false, T0),
        Claim::Granted { .. }
    ));
    let late = T0.plus_seconds(7 * 86_400);
    assert_eq!(p.offer(mac(3), None, late), Some(ip(101)), "nobody else's");
    assert_eq!(p.offer(mac(8), None, late), Some(ip(50)));
    // Another address than the one that we know it by.
    assert_eq!(
        p.claim(&asker(7), ip(99), 60, false, late),
        Claim::Elsewhere
    );
}

#[test]
fn a_computer_moves_to_the_address_that_is_reserved_for_it() {
    let mut p = pool(100, 110);
    grant(&mut p, 1, ip(100), 600, T0);
    p.reshape(Shape {
        reserved: vec![(mac(1), ip(50))],
        ..shape(&[range(100, 110)])
    });
    assert_eq!(p.owner(ip(100), T0), Some(mac(1)), "it lives on");
    assert_eq!(p.claim(&asker(1), ip(100), 600, true, T0), Claim::Elsewhere);
    assert_eq!(p.offer(mac(1), None, T0), Some(ip(50)));
    // Anybody can have sent that DISCOVER.
    assert_eq!(p.owner(ip(100), T0), Some(mac(1)), "it lives on");
    assert_eq!(p.address_of(mac(1), T0), Some(ip(100)));
    assert_eq!(p.offer(mac(1), None, T0), Some(ip(50)), "the same again");
    assert_eq!(p.offer(mac(2), Some(ip(100)), T0), Some(ip(101)));
    let claim = p.claim(&asker(1), ip(50), 600, false, T0);
    let Claim::Granted {
        lease,
        left: Some(left),
    } = claim
    else {
        panic!("{claim:?}");
    };
    assert_eq!((lease.address, left.address), (ip(50), ip(100)));
    assert_eq!((left.state, left.ends_at), (LeaseState::Released, T0));
    assert_eq!(p.address_of(mac(1), T0), Some(ip(50)));
    assert_eq!(p.owner(ip(100), T0), None, "what it left is free");
    assert_eq!(p.offer(mac(3), Some(ip(100)), T0), Some(ip(100)));
}

#[test]
fn an_offered_move_can_lapse_or_be_turned_down() {
    let moving = || {
        let mut p = pool(100, 100);
        grant(&mut p, 1, ip(100), 600, T0);
        p.reshape(shape(&[range(101, 101)]));
        assert_eq!(p.offer(mac(1), None, T0), Some(ip(101)));
        assert_eq!(p.offer(mac(2), None, T0), None, "it is held");
        p
    };
    let mut p = moving();
    let later = T0.plus_seconds(OFFER_SECONDS);
    assert_eq!(p.offer(mac(2), None, later), Some(ip(101)));
    assert_eq!(
        p.claim(&asker(1), ip(101), 60, true, later),
        Claim::Elsewhere
    );
    let mut p = moving();
    p.forget_offer(mac(1), T0);
    assert_eq!(p.offer(mac(2), None, T0), Some(ip(101)));
    let mut p = moving();
    assert!(p.decline(mac(1), ip(101), T0).is_some());
    assert_eq!(p.offer(mac(1), None, T0), None, "it rests");
    assert_eq!(p.address_of(mac(1), T0), Some(ip(100)));
}

#[test]
fn while_another_has_the_reserved_address_its_computer_gets_a_usual_one() {
    let mut p = pool(100, 110);
    grant(&mut p, 1, ip(105), 600, T0);
    p.reshape(Shape {
        reserved: vec![(mac(2), ip(105))],
        ..shape(&[range(100, 110)])
    });
    assert_eq!(p.offer(mac(2), None, T0), Some(ip(100)));
    grant(&mut p, 2, ip(100), 600, T0);
    assert_eq!(p.claim(&asker(1), ip(105), 600, true, T0), Claim::Elsewhere);
    assert_eq!(p.offer(mac(1), None, T0), Some(ip(101)));
    grant(&mut p, 1, ip(101), 600, T0); // it makes room
    assert_eq!(p.claim(&asker(2), ip(100), 600, true, T0), Claim::Elsewhere);
    assert_eq!(p.offer(mac(2), None, T0), Some(ip(105)));
}

#[test]
fn a_lease_outside_the_new_ranges_lives_on_and_is_not_renewed() {
    let mut p = pool(100, 110);
    grant(&mut p, 1, ip(100), 600, T0);
    p.reshape(shape(&[range(200, 201)]));
    let later = T0.plus_seconds(300);
    assert_eq!(p.owner(ip(100), later), Some(mac(1)));
    assert_eq!(
        p.claim(&asker(1), ip(100), 600, true, later),
        Claim::Elsewhere
    );
    assert_eq!(p.offer(mac(1), None, later), Some(ip(200)));
    assert_eq!(p.offer(mac(2), None, later), Some(ip(201)));
    assert_eq!(p.offer(mac(3), None, T0.plus_seconds(9999)), Some(ip(200)));
    // A lease is kept over a restart with the narrower ranges, too.
    let mut p = pool(200, 201);
    let lease = Lease {
        address: ip(100),
        mac: mac(1),
        client_id: vec![],
        hostname: None,
        state: LeaseState::Active,
        starts_at: T0,
        ends_at: T0.plus_seconds(600),
        decision: 0,
    };
    assert!(p.restore(lease));
    assert_eq!(p.owner(ip(100), later), Some(mac(1)));
}

#[test]
fn what_is_forgotten_can_be_given_again() {
    let mut p = pool(100, 100);
    grant(&mut p, 1, ip(100), 60, T0);
    assert_eq!(p.forget(ip(100), T0), None, "it lives");
    p.decline(mac(1), ip(100), T0).expect("its own");
    assert_eq!(p.offer(mac(2), None, T0), None, "it rests");
    let forgotten = p.forget(ip(100), T0).expect("it rests");
    assert_eq!(forgotten.state, LeaseState::Declined);
    assert_eq!(p.forget(ip(100), T0), None, "once");
    assert_eq!(p.leases().count(), 0);
    assert_eq!(p.offer(mac(2), None, T0), Some(ip(100)));
}

#[test]
fn addresses_are_looked_for_before_they_are_given_first() {
    let mut p = reserving(100, 104, &[(7, 101)]);
    assert_eq!(p.to_probe(3, T0), [ip(100), ip(102), ip(103)]);
    assert_eq!(p.probed(ip(100), Found::Nobody, T0), None);
    assert_eq!(p.to_probe(3, T0), [ip(102), ip(103)], "not again");
    let lease = p
        .probed(ip(102), Found::User(mac(99)), T0)
        .expect("it rests");
    assert_eq!((lease.mac, lease.state), (mac(99), LeaseState::Declined));
    assert_eq!(lease.ends_at, T0.plus_seconds(QUARANTINE_SECONDS));
    assert_eq!(p.offer(mac(1), None, T0), Some(ip(100)));
    assert_eq!(p.offer(mac(2), Some(ip(102)), T0), Some(ip(103)));
    assert_eq!(p.offer(mac(3), None, T0), Some(ip(104)));
    assert_eq!(p.offer(mac(4), None, T0), None);
    // An answer that comes too late, from whom it was given to meanwhile.
    assert_eq!(p.probed(ip(103), Found::User(mac(2)), T0), None);
    grant(&mut p, 1, ip(100), 90, T0);
    let late = T0.plus_seconds(QUARANTINE_SECONDS);
    assert_eq!(
        p.to_probe(1, late),
        [ip(103)],
        "the one that is free for longest"
    );
    // Its last holder still sits there with it: nobody else gets it, and it keeps it.
    assert_eq!(p.probed(ip(100), Found::User(mac(1)), late), None);
    assert_eq!(p.last_holder(ip(100)), Some(mac(1)));
    assert_eq!(p.offer(mac(5), Some(ip(100)), late), Some(ip(103)));
    assert_eq!(p.offer(mac(1), None, late), Some(ip(100)));
}

#[test]
fn a_wish_is_granted_once_it_was_looked_for() {
    let mut p = Pool::new(Shape {
        probe: true,
        ..shape(&[range(100, 199)])
    });
    assert_eq!(p.to_probe(1, T0), [ip(100)]);
    assert_eq!(p.offer(mac(1), Some(ip(150)), T0), Some(ip(100)));
    assert_eq!(p.to_probe(2, T0), [ip(101), ip(102), ip(150)]);
    assert_eq!(p.probed(ip(150), Found::Nobody, T0), None);
    assert_eq!(p.offer(mac(2), Some(ip(150)), T0), Some(ip(150)));
    // Its own from before needs no look; nor does it when it is asked for by its name.
    grant(&mut p, 2, ip(150), 60, T0);
    let late = T0.plus_seconds(9999);
    assert_eq!(p.offer(mac(2), Some(ip(150)), late), Some(ip(150)));
    // Somebody sits there.
    p.to_probe(0, late);
    assert_eq!(p.offer(mac(3), Some(ip(160)), late), Some(ip(101)));
    assert!(p.to_probe(0, late).contains(&ip(160)));
    assert!(p.probed(ip(160), Found::User(mac(99)), late).is_some());
    assert_eq!(p.offer(mac(4), Some(ip(160)), late), Some(ip(102)));
    assert!(p.to_probe(0, late).is_empty(), "no wish for what rests");
    for n in 0..200 {
        p.offer(mac(1000 + n), Some(ip(120 + n as u8 % 80)), late);
    }
    assert!(p.to_probe(0, late).len() <= 16, "made-up wishes");
}

#[test]
fn who_wished_gets_it_after_the_look_though_another_was_offered_meanwhile() {
    let mut p = Pool::new(Shape {
        probe: true,
        ..shape(&[range(100, 199)])
    });
    p.to_probe(0, T0);
    assert_eq!(p.offer(mac(1), Some(ip(150)), T0), Some(ip(100)));
    assert_eq!(p.offer(mac(1), Some(ip(150)), T0), Some(ip(100)), "not yet");
    assert_eq!(p.probed(ip(150), Found::Nobody, T0), None);
    assert_eq!(p.offer(mac(1), Some(ip(150)), T0), Some(ip(150)));
    assert_eq!(p.offer(mac(1), Some(ip(150)), T0), Some(ip(150)), "again");
    assert_eq!(p.offer(mac(2), Some(ip(100)), T0), Some(ip(101)));
    // A lease goes before a wish.
    grant(&mut p, 1, ip(150), 60, T0);
    assert_eq!(p.probed(ip(160), Found::Nobody, T0), None);
    assert_eq!(p.offer(mac(1), Some(ip(160)), T0), Some(ip(150)));
}

#[test]
fn where_nobody_looks_a_wish_waits_for_nothing() {
    let mut p = Pool::new(Shape {
        probe: true,
        ..shape(&[range(100, 199)])
    });
    assert_eq!(p.offer(mac(1), Some(ip(150)), T0), Some(ip(150)));
    p.to_probe(0, T0);
    assert_eq!(p.offer(mac(2), Some(ip(160)), T0), Some(ip(100)));
    // Its interface went away.
    let late = T0.plus_seconds(OFFER_SECONDS);
    assert_eq!(p.offer(mac(3), Some(ip(170)), late), Some(ip(170)));
}

#[test]
fn what_a_move_left_is_no_lease_that_is_missed_at_the_next_start() {
    let mut p = pool(100, 199);
    grant(&mut p, 1, ip(150), 600, T0);
    p.release(mac(1), ip(150), T0).expect("its own");
    let left = p.lease(ip(150)).cloned().expect("known");
    let now = T0.plus_seconds(5);
    let newer = grant(&mut p, 1, ip(101), 600, now);
    for both in [[&newer, &left], [&left, &newer]] {
        let mut again = pool(100, 199);
        assert!(both.into_iter().all(|l| again.restore(l.clone())));
        assert_eq!(again.leases().count(), 1);
        assert_eq!(again.address_of(mac(1), now), Some(ip(101)));
    }
    // One that lived is missed.
    let lived = Lease {
        state: LeaseState::Active,
        ..left
    };
    let mut again = pool(100, 199);
    assert!(again.restore(newer) && !again.restore(lived));
}

#[test]
fn behind_a_router_whoever_answers_keeps_an_address() {
    let mut p = pool(100, 102);
    let found = p.probed(ip(100), Found::Somebody, T0).expect("it rests");
    assert_eq!(
        (found.mac, found.state),
        (MacAddr([0; 6]), LeaseState::Declined)
    );
    assert_eq!(p.offer(mac(1), None, T0), Some(ip(101)));
    grant(&mut p, 1, ip(101), 60, T0);
    let late = T0.plus_seconds(120);
    // Its lease ended, and it never renews: it still sits there.
    assert_eq!(p.probed(ip(101), Found::Somebody, late), None);
    assert_eq!(p.offer(mac(2), Some(ip(101)), late), Some(ip(102)));
    assert_eq!(p.offer(mac(1), None, late), Some(ip(101)));
    // What rested is no better known the second time.
    let late = T0.plus_seconds(QUARANTINE_SECONDS);
    assert!(p.probed(ip(100), Found::Somebody, late).is_some());
}

#[test]
fn of_two_decisions_the_later_is_to_be_stored() {
    let mut p = pool(100, 100);
    let first = grant(&mut p, 1, ip(100), 600, T0);
    assert_eq!(p.newest(first.clone()), Some(first.clone()));
    let released = p.release(mac(1), ip(100), T0).expect("its own");
    assert_eq!(p.newest(first.clone()), Some(released.clone()));
    assert_eq!(p.newest(released.clone()), Some(released.clone()));
    // Offered to another one: nothing is known of it any more, and what came later is stored.
    assert_eq!(p.offer(mac(2), None, T0), Some(ip(100)));
    assert_eq!(p.newest(first), None);
    assert_eq!(p.newest(released.clone()), Some(released));
}

/// No two computers ever hold one address, and nothing but its computer's own word or the end of its
/// time takes a lease away, whatever happens in whatever order, changes of ranges and reservations
/// among it.
#[test]
fn a_long_random_life_gives_no_address_twice_and_loses_no_lease() {
    // What the computers were told, as they would know it: the addresses that are theirs, until when.
    let mut told: HashMap<Ipv4Addr, (MacAddr, Timestamp)> = HashMap::new();
    let mut p = pool(100, 107);
    let mut now = T0;
    let mut seed = 0x5eed_u64;
    let mut below = |n: u64| {
        seed ^= seed >> 12;
        seed ^= seed << 25;
        seed ^= seed >> 27;
        (seed.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % n
    };
    let mut reserved: Vec<(MacAddr, Ipv4Addr)> = Vec::new();
    for _ in 0..100_000 {
        let n = below(20) as u32;
        let address = ip(98 + below(12) as u8);
        now = now.plus_seconds(below(20) as i64);
        match below(64) {
            0 => {
                let first = 98 + below(8) as u8;
                let mut excluded = vec![range(1, 1)];
                excluded.extend((below(2) == 0).then_some(range(103, 104)));
                if !reserved.iter().any(|(m, a)| *m == mac(n) || *a == address) {
                    reserved.push((mac(n), address));
                }
                reserved.truncate(below(5) as usize);
                p.reshape(Shape {
                    excluded,
                    reserved: reserved.clone(),
                    probe: below(2) == 0,
                    ..shape(&[range(first, first + 3), range(106, 109)])
                });
            }
            1 => {
                p.forget(address, now);
            }
            2 | 3 => {
                let user = [Found::Nobody, Found::User(mac(n)), Found::Somebody][below(3) as usize];
                for address in p.to_probe(2, now) {
                    p.probed(address, user, now);
                }
            }
            4..24 => {
                let offered = p.offer(mac(n), (below(2) == 0).then_some(address), now);
                if let Some(address) = offered {
                    let whose = reserved.iter().find(|(_, a)| *a == address);
                    assert!(whose.is_none_or(|(m, _)| *m == mac(n)), "reserved");
                    assert!(p.owner(address, now).is_none_or(|o| o == mac(n)), "taken");
                }
            }
            24..44 => {
                let before = p.owner(address, now);
                let claim = p.claim(&asker(n), address, 100, below(2) == 0, now);
                if let Claim::Granted { lease, left } = claim {
                    if let Some(left) = left {
                        assert_ne!(left.address, address);
                        assert_eq!((left.mac, left.ends_at), (mac(n), now));
                        let had = told.remove(&left.address);
                        assert!(had.is_some_and(|(m, end)| m == mac(n) && end > now));
                    }
                    told.insert(address, (mac(n), lease.ends_at));
                    assert!(before.is_none_or(|owner| owner == mac(n)), "stolen");
                    let whose = reserved.iter().find(|(_, a)| *a == address);
                    assert!(whose.is_none_or(|(m, _)| *m == mac(n)), "reserved");
                    assert_eq!(lease.address, address);
                    assert_eq!(p.owner(address, now), Some(mac(n)));
                }
            }
            44..54 => {
                let is_its_own = told.get(&address).is_some_and(|(m, _)| *m == mac(n));
                if p.release(mac(n), address, now).is_some() {
                    assert!(is_its_own, "released by another");
                    told.remove(&address);
                }
            }
            _ => {
                let owner = p.owner(address, now);
                if p.decline(mac(n), address, now).is_some() {
                    assert!(owner.is_none_or(|o| o == mac(n)), "declined by another");
                    told.remove(&address);
                }
            }
        }
        for address in (90..=119).map(ip) {
            let lives = told.get(&address).filter(|(_, end)| *end > now);
            let whose = lives.map(|(m, _)| *m);
            assert_eq!(p.owner(address, now), whose, "{address}");
            let known = whose.and_then(|m| p.address_of(m, now));
            assert_eq!(known, whose.map(|_| address), "found by its computer");
        }
        for (mac, address) in p.by_mac.iter().chain(&p.moves) {
            assert_eq!(p.slots.get(address).map(|s| s.mac), Some(*mac));
        }
        let active: Vec<&Lease> = p.leases().filter(|l| l.is_active(now)).collect();
        let owners: HashSet<MacAddr> = active.iter().map(|l| l.mac).collect();
        assert_eq!(owners.len(), active.len(), "two addresses for one computer");
        let open = p.slots.keys().filter(|a| p.is_open(**a));
        assert_eq!(p.by_end.len(), open.count());
    }
}
