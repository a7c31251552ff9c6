//! The registry without a network: who sees what, and who evicts whom.

use super::*;
use crate::export::{BlockDevice, DataDisk};
use std::{
    io,
    sync::atomic::{AtomicUsize, Ordering},
};

struct Nothing;

impl BlockDevice for Nothing {
    fn size_bytes(&self) -> u64 {
        512
    }
    fn read_only(&self) -> bool {
        true
    }
    fn read_at(&self, _: u64, buf: &mut [u8]) -> io::Result<()> {
        buf.fill(0);
        Ok(())
    }
    fn write_at(&self, _: u64, _: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::PermissionDenied.into())
    }
    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
    fn discard(&self, _: u64, _: u64) -> io::Result<()> {
        Ok(())
    }
    fn extents(&self, _: u64, len: u64) -> io::Result<Vec<(u64, bool)>> {
        Ok(vec![(len, false)])
    }
}

fn export(target: &str, initiator: Option<&str>) -> Export {
    Export {
        target: target.into(),
        lun: 0,
        serial: "S1".into(),
        naa: 0x3000_0000_0000_0001,
        device: Arc::new(Nothing),
        data: Vec::new(),
        chap: None,
        initiator: initiator.map(str::to_string),
    }
}

fn session(isid: u8) -> SessionInfo {
    SessionInfo {
        id: 0,
        target: "iqn.t".into(),
        initiator: "iqn.i".into(),
        via: Via::Iscsi { isid: [isid; 6] },
        peer: ([127, 0, 0, 1], 1).into(),
        since: Timestamp(0),
    }
}

#[test]
fn discovery_and_login_show_only_the_initiators_own_target() {
    let exports = Exports::new();
    exports.publish(export("iqn.a", Some("iqn.client-a")));
    exports.publish(export("iqn.b", Some("iqn.client-b")));
    assert_eq!(exports.list("iqn.client-a"), ["iqn.a"]);
    assert!(exports.list("iqn.stranger").is_empty());
    let refused = |target| exports.lookup(target, "iqn.client-a").err();
    assert_eq!(refused("iqn.a"), None);
    assert_eq!(refused("iqn.b"), Some(Refusal::NotAllowed));
    assert_eq!(refused("iqn.c"), Some(Refusal::NoSuchTarget));
}

#[test]
fn the_same_isid_waits_for_the_old_session_and_another_isid_does_not() {
    let exports = Exports::new();
    exports.publish(export("iqn.t", None));
    let closed = Arc::new(AtomicUsize::new(0));
    let seen = closed.clone();
    let close = Box::new(move || {
        seen.fetch_add(1, Ordering::SeqCst);
    });
    let long = Duration::from_secs(10);
    let firmware = exports.register(session(1), close, long).ok();
    let os = exports.register(session(2), Box::new(|| ()), long);
    assert!(os.is_ok_and(|g| g.info().id == 2));
    assert_eq!(closed.load(Ordering::SeqCst), 0);

    let busy = exports.register(session(1), Box::new(|| ()), Duration::ZERO);
    assert_eq!(busy.err(), Some(Refusal::Busy));
    assert_eq!(closed.load(Ordering::SeqCst), 1);

    let waiter = {
        let exports = exports.clone();
        std::thread::spawn(move || exports.register(session(1), Box::new(|| ()), long).is_ok())
    };
    drop(firmware);
    assert!(waiter.join().is_ok_and(|ok| ok));
    assert!(exports.drained("iqn.t", long));
}

#[test]
fn another_device_under_the_same_name_ends_the_sessions() {
    let exports = Exports::new();
    let first = export("iqn.t", None);
    exports.publish(first.clone());
    let closed = Arc::new(AtomicUsize::new(0));
    let seen = closed.clone();
    let close = Box::new(move || {
        seen.fetch_add(1, Ordering::SeqCst);
    });
    let guard = exports.register(session(1), close, Duration::ZERO);
    exports.publish(first);
    assert_eq!(closed.load(Ordering::SeqCst), 0, "the same device goes on");
    exports.publish(export("iqn.t", None));
    assert_eq!(closed.load(Ordering::SeqCst), 1);
    assert!(!exports.drained("iqn.t", Duration::ZERO));
    drop(guard);
    assert!(exports.withdraw("iqn.t") && !exports.withdraw("iqn.t"));
    let gone = exports.register(session(1), Box::new(|| ()), Duration::ZERO);
    assert_eq!(gone.err(), Some(Refusal::NoSuchTarget));
}

#[test]
fn what_sessions_do_is_counted_and_a_disk_offered_again_stays_the_same() {
    let counters = Arc::<Counters>::default();
    let exports = Exports::counting(counters.clone());
    let disk = export("iqn.t", None);
    exports.publish(disk.clone());
    let first = exports.lookup("iqn.t", "iqn.i").ok().unwrap().device;
    exports.publish(disk);
    let again = exports.lookup("iqn.t", "iqn.i").ok().unwrap().device;
    assert!(Arc::ptr_eq(&first, &again));
    first.read_at(0, &mut [0; 4096]).unwrap();
    // Refused, and timed all the same.
    assert!(again.write_at(0, &[0; 512]).is_err());
    first.flush().unwrap();
    again.flush().unwrap();
    let disks = &counters.disks;
    assert_eq!(
        (disks.read_bytes.get(), disks.written_bytes.get()),
        (4096, 0)
    );
    let count = |d: &crate::counters::Durations| d.buckets().iter().map(|(_, n)| n).sum::<u64>();
    assert_eq!(
        [&disks.read, &disks.write, &disks.flush].map(count),
        [1, 1, 2]
    );
}

#[test]
fn data_disks_count_with_their_target_and_other_ones_end_its_sessions() {
    let exports = Exports::new();
    let disk = |lun| DataDisk {
        lun,
        serial: format!("D{lun}"),
        naa: 0,
        device: Arc::new(Nothing),
    };
    let both = Export {
        data: vec![disk(1), disk(2)],
        ..export("iqn.t", None)
    };
    exports.publish(both.clone());
    let closed = Arc::new(AtomicUsize::new(0));
    let seen = closed.clone();
    let close = Box::new(move || {
        seen.fetch_add(1, Ordering::SeqCst);
    });
    let guard = exports.register(session(1), close, Duration::ZERO);
    let first = exports.offered("iqn.t").expect("it is offered");
    exports.publish(both.clone());
    let again = exports.offered("iqn.t").expect("it is offered");
    assert!(first.has_disks_of(&again), "the same devices go on");
    assert_eq!(again.luns().collect::<Vec<_>>(), [0, 1, 2]);
    let second = again.unit(2).expect("it is there");
    assert_eq!((second.lun, second.serial.as_str()), (2, "D2"));
    assert!(again.unit(3).is_none());
    again.device.read_at(0, &mut [0; 512]).expect("zeros");
    second.device.read_at(0, &mut [0; 1024]).expect("zeros");
    let offer = exports.offer("iqn.t").expect("it is offered");
    assert_eq!((offer.read_bytes, offer.written_bytes), (1536, 0));
    assert_eq!(closed.load(Ordering::SeqCst), 0);
    // One of them less: what runs there would go on with a disk that is not the client's.
    let one = Export {
        data: vec![disk(1)],
        ..both
    };
    exports.publish(one);
    assert_eq!(closed.load(Ordering::SeqCst), 1);
    drop(guard);
}

#[test]
fn connections_by_nbd_live_beside_each_other_and_beside_iscsi() {
    let exports = Exports::new();
    exports.publish(export("iqn.t", Some("iqn.i")));
    let nbd = || SessionInfo {
        initiator: "pc-1".into(),
        via: Via::Nbd,
        ..session(1)
    };
    let closed = Arc::new(AtomicUsize::new(0));
    let enter = |info| {
        let seen = closed.clone();
        let close = Box::new(move || {
            seen.fetch_add(1, Ordering::SeqCst);
        });
        exports.register(info, close, Duration::ZERO).ok()
    };
    let guards = [enter(nbd()), enter(session(1)), enter(nbd())];
    assert!(guards.iter().all(Option::is_some));
    assert_eq!(closed.load(Ordering::SeqCst), 0, "nobody is kicked out");
    assert!(!exports.withdraw_idle("iqn.t"), "any of them is a use");
    assert_eq!(exports.close_sessions("iqn.t"), 3);
    assert_eq!(closed.load(Ordering::SeqCst), 3);
    drop(guards);
    assert!(exports.drained("iqn.t", Duration::ZERO));
    // It belongs to an initiator, whom NBD does not know.
    assert!(exports.lookup("iqn.t", "pc-1").is_err());
    assert!(exports.offered("iqn.t").is_some() && exports.offered("iqn.x").is_none());
}

#[test]
fn how_long_nobody_used_a_disk_counts_from_its_offer_and_from_the_last_session() {
    let exports = Exports::new();
    assert_eq!(
        exports.idle_for("iqn.t"),
        Some(Duration::MAX),
        "never offered"
    );
    exports.publish(export("iqn.t", Some("iqn.i")));
    let offered = exports.idle_for("iqn.t").expect("nobody is there");
    assert!(offered < Duration::from_secs(60));
    let guard = exports.register(session(1), Box::new(|| {}), Duration::ZERO);
    let guard = guard.expect("it is offered");
    assert_eq!(exports.idle_for("iqn.t"), None);
    let begun = std::time::Instant::now();
    drop(guard);
    exports.withdraw("iqn.t");
    let left = exports.idle_for("iqn.t").expect("nobody is there");
    assert!(
        left <= begun.elapsed(),
        "from its end on, also when it is offered no more"
    );
}
