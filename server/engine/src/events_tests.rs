//! Order, resumption, coalescing and the bound on what is kept.

use super::*;
use types::{BootNetworkView, DhcpMode, ImageId, Topic};

fn image(n: u128) -> Event {
    Event::ImageRemoved {
        id: ImageId(Uuid::from_u128(n)),
    }
}

fn network(interface: &str) -> Event {
    Event::NetworkChanged {
        network: BootNetworkView {
            interface: interface.into(),
            namespace: None,
            mode: DhcpMode::Off,
            address: None,
            prefix_len: 24,
            range: None,
            leases_active: 0,
            leases_total: 0,
            lease_seconds: 0,
            other_servers: vec![],
            error: None,
            is_lab: false,
        },
    }
}

fn place(bus: &EventBus, seq: u64) -> Position {
    Position {
        run: bus.run().into(),
        seq,
    }
}

async fn numbers(reader: &mut Reader) -> Option<Vec<u64>> {
    match reader.next().await {
        Next::Changes(changes) => Some(changes.iter().map(|c| c.seq()).collect()),
        Next::Lost => None,
    }
}

#[tokio::test]
async fn numbers_arrive_in_order_from_many_threads() {
    let bus = EventBus::default();
    let mut reader = bus.subscribe(Topics::default());
    let threads: Vec<_> = (0..4)
        .map(|t| {
            let bus = bus.clone();
            std::thread::spawn(move || {
                (0..500).for_each(|n| {
                    bus.publish(image(t * 500 + n));
                })
            })
        })
        .collect();
    let mut seen = Vec::new();
    while seen.len() < 2000 {
        seen.extend(numbers(&mut reader).await.expect("never that far behind"));
    }
    threads.into_iter().for_each(|t| t.join().unwrap());
    assert_eq!(seen, (1..=2000).collect::<Vec<_>>());
    assert_eq!(bus.seq(), 2000);
}

#[tokio::test]
async fn a_reader_gets_its_topics_and_the_newest_of_each_thing() {
    let bus = EventBus::default();
    let mut images = bus.subscribe("images".parse().unwrap());
    let mut all = bus.subscribe(Topics::default());
    for event in [
        image(1),
        network("br0"),
        image(2),
        image(1),
        network("br1"),
        image(1),
    ] {
        bus.publish(event);
    }
    assert_eq!(numbers(&mut images).await, Some(vec![3, 6]));
    assert_eq!(numbers(&mut all).await, Some(vec![2, 3, 5, 6]));
    // Nothing of its topics: it goes on waiting, and its place moves with the others'.
    bus.publish(network("br0"));
    tokio::select! {
        biased;
        _ = images.next() => panic!("a network is no image"),
        more = numbers(&mut all) => assert_eq!(more, Some(vec![7])),
    }
    assert_eq!(images.at(), 7);
    bus.publish(image(9));
    assert_eq!(numbers(&mut images).await, Some(vec![8]));
}

#[tokio::test]
async fn who_comes_back_in_time_finds_what_it_missed() {
    let bus = EventBus::default();
    for n in 0..10 {
        bus.publish(image(n));
    }
    let mut back = bus
        .resume(Topics::default(), &place(&bus, 7))
        .expect("kept");
    assert_eq!(numbers(&mut back).await, Some(vec![8, 9, 10]));
    let mut nothing_missed = bus
        .resume(Topics::default(), &place(&bus, 10))
        .expect("kept");
    bus.publish(image(1));
    assert_eq!(numbers(&mut nothing_missed).await, Some(vec![11]));
    // A number that has not come, and the same number of another run.
    assert!(bus.resume(Topics::default(), &place(&bus, 12)).is_none());
    let other = place(&EventBus::default(), 7);
    assert!(bus.resume(Topics::default(), &other).is_none());
    // As many as are kept, and one more.
    for n in 12..=KEPT as u128 {
        bus.publish(image(n));
    }
    assert!(bus.resume(Topics::default(), &place(&bus, 0)).is_some());
    bus.publish(image(1));
    assert!(bus.resume(Topics::default(), &place(&bus, 0)).is_none());
    assert!(bus.resume(Topics::default(), &place(&bus, 1)).is_some());
}

#[test]
fn old_events_are_let_go() {
    let (mut ring, start) = (Ring::default(), Instant::now());
    let mut push = |n: u128, at| {
        ring.push(image(n), (image(n).subject(), Role::Viewer), at);
        (0..n as u64)
            .filter(|seq| ring.since(*seq).is_some())
            .count()
    };
    assert_eq!(push(1, start), 1);
    assert_eq!(
        push(2, start + KEPT_FOR),
        2,
        "the first is just young enough"
    );
    let later = start + KEPT_FOR + Duration::from_secs(1);
    assert_eq!(
        push(3, later),
        2,
        "the first is gone: nobody goes on from 0"
    );
}

#[tokio::test]
async fn a_reader_that_takes_nothing_costs_nothing_and_is_told_that_it_is_lost() {
    let bus = EventBus::default();
    let mut slow = bus.subscribe(Topics::default());
    let mut good = bus.subscribe(Topics::default());
    for n in 1..=200_000u64 {
        bus.publish(image(u128::from(n)));
        assert_eq!(numbers(&mut good).await, Some(vec![n]));
    }
    assert_eq!(bus.ring(|r| r.kept.len()), KEPT);
    assert!(matches!(slow.next().await, Next::Lost));
    assert!(matches!(slow.next().await, Next::Lost), "until it skips");
    assert_eq!(slow.skip(), 200_000);
    bus.publish(image(1));
    assert_eq!(numbers(&mut slow).await, Some(vec![200_001]));
}

#[test]
fn an_event_is_written_once_for_all_readers() {
    let mut ring = Ring::default();
    ring.push(image(1), (image(1).subject(), Role::Viewer), Instant::now());
    let change = ring.kept.front().expect("kept");
    let (one, other) = (change.frame(), change.frame());
    assert_eq!(one.as_ptr(), other.as_ptr());
    let frame: ServerFrame = serde_json::from_slice(&one).expect("a frame");
    let expected = ServerFrame::Delta {
        seq: 1,
        event: Box::new(image(1)),
    };
    assert_eq!(frame, expected);
    assert_eq!(image(1).topic(), Topic::Images);
}
