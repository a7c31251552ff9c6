//! The plan under a clock of the test's own.

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn client(n: u128) -> ClientId {
    ClientId(uuid::Uuid::from_u128(n))
}

fn nightly() -> Schedule {
    Schedule::new(Every::Day, 3 * 60)
}

/// Of a computer that is off and has written.
fn written(n: u128) -> Disk {
    Disk {
        client: client(n),
        is_off: true,
        has_news: true,
        taken_at: None,
    }
}

fn runs(n: u128) -> Disk {
    Disk {
        is_off: false,
        has_news: false,
        ..written(n)
    }
}

/// The server at work: each look goes on with what the one before wrote down.
struct Server(Option<SnapshotsDueRecord>, Schedule);

impl Server {
    fn due(&mut self, now: &str, disks: &[Disk]) -> Vec<(u128, String)> {
        let now = at(now);
        let before = known(self.0.take(), self.1, now);
        let after = look(before, self.1, now, disks);
        let due = after.due.iter();
        let due = due.map(|(c, since)| (c.0.as_u128(), since.to_string()[..16].to_string()));
        let due = due.collect();
        self.0 = Some(after);
        due
    }
}

#[test]
fn moments_are_those_of_the_calendar() {
    let fridays = Schedule::new(Every::of("friday").unwrap(), 22 * 60 + 30);
    for (schedule, now, last, next) in [
        (
            nightly(),
            "2026-11-27T03:00:00Z",
            "2026-11-27T03:00:00Z",
            "2026-11-28T03:00:00Z",
        ),
        (
            nightly(),
            "2026-11-27T02:59:59Z",
            "2026-11-26T03:00:00Z",
            "2026-11-27T03:00:00Z",
        ),
        // The 27th is a Friday.
        (
            fridays,
            "2026-11-27T22:29:00Z",
            "2026-11-20T22:30:00Z",
            "2026-11-27T22:30:00Z",
        ),
        (
            fridays,
            "2026-11-28T00:00:00Z",
            "2026-11-27T22:30:00Z",
            "2026-12-04T22:30:00Z",
        ),
    ] {
        assert_eq!(schedule.last(at(now)), at(last), "{now}");
        assert_eq!(schedule.next(at(now)), at(next), "{now}");
    }
    assert_eq!(Every::of("daily"), Some(Every::Day));
    assert_eq!(Every::of("sunday"), Some(Every::Week(6)));
    assert_eq!(Every::of("weekly"), None);
}

#[test]
fn a_schedule_begins_with_its_next_moment_and_what_has_nothing_new_is_not_due() {
    let mut server = Server(None, nightly());
    assert!(server.due("2026-11-27T15:00:00Z", &[written(1)]).is_empty());
    let idle = Disk {
        has_news: false,
        ..written(2)
    };
    let due = server.due("2026-11-28T03:00:10Z", &[written(1), idle]);
    assert_eq!(due, [(1, "2026-11-28T03:00".into())]);
    // Another time of the day: what is due stays due, and nothing else is at once.
    server.1 = Schedule::new(Every::Day, 60);
    let due = server.due("2026-11-28T03:00:20Z", &[written(1), written(3)]);
    assert_eq!(due, [(1, "2026-11-28T03:00".into())]);
}

#[test]
fn one_that_runs_stays_due_until_it_is_off_and_was_taken() {
    let mut server = Server(None, nightly());
    server.due("2026-11-27T02:00:00Z", &[runs(1)]);
    for now in [
        "2026-11-27T03:00:10Z",
        "2026-11-27T09:00:00Z",
        "2026-11-28T04:00:00Z",
    ] {
        let due = server.due(now, &[runs(1)]);
        assert_eq!(
            due,
            [(1, "2026-11-27T03:00".into())],
            "{now}: since the first moment"
        );
    }
    let due = server.due("2026-11-28T10:00:00Z", &[written(1)]);
    assert_eq!(due.len(), 1);
    let taken = Disk {
        taken_at: Some(at("2026-11-28T10:01:00Z")),
        ..written(1)
    };
    assert!(server.due("2026-11-28T10:02:00Z", &[taken]).is_empty());
    // One that wrote nothing while it ran has nothing to take.
    server.due("2026-11-29T03:00:10Z", &[runs(1)]);
    let idle = Disk {
        has_news: false,
        ..written(1)
    };
    assert!(server.due("2026-11-29T04:00:00Z", &[idle]).is_empty());
    // One that keeps nothing any more, or is gone, is not waited for.
    server.due("2026-11-30T03:00:10Z", &[runs(1)]);
    assert!(server.due("2026-11-30T03:00:20Z", &[]).is_empty());
}

#[test]
fn a_restart_neither_doubles_nor_loses_one() {
    // It was down at the moment: made up for, once for all that were missed.
    let mut server = Server(None, nightly());
    server.due("2026-11-27T02:00:00Z", &[written(1)]);
    let due = server.due("2026-11-30T08:00:00Z", &[written(1)]);
    assert_eq!(due, [(1, "2026-11-30T03:00".into())]);
    // It stopped after the snapshot was there and before that was written down.
    let taken = Disk {
        taken_at: Some(at("2026-11-30T08:00:05Z")),
        ..written(1)
    };
    assert!(server.due("2026-11-30T08:05:00Z", &[taken]).is_empty());
    assert!(server.due("2026-11-30T23:00:00Z", &[taken]).is_empty());
    assert_eq!(server.due("2026-12-01T03:00:00Z", &[taken]).len(), 1);
}

#[test]
fn a_clock_that_was_set_back_doubles_nothing_and_puts_nothing_off() {
    let mut server = Server(None, nightly());
    server.due("2030-01-01T12:00:00Z", &[written(1)]);
    assert!(server.due("2026-11-27T12:00:00Z", &[written(1)]).is_empty());
    assert_eq!(server.due("2026-11-28T03:00:00Z", &[written(1)]).len(), 1);
    let taken = Disk {
        taken_at: Some(at("2026-11-28T03:00:30Z")),
        ..written(1)
    };
    assert!(server.due("2026-11-28T03:00:40Z", &[taken]).is_empty());
    assert!(server.due("2026-11-28T02:59:00Z", &[taken]).is_empty());
    assert!(server.due("2026-11-28T03:00:01Z", &[taken]).is_empty());
}

#[test]
fn the_newest_stay() {
    assert_eq!(surplus(&[1, 2, 3, 4, 5], 2), [1, 2, 3]);
    assert!(surplus(&[1, 2], 2).is_empty() && surplus(&[1], 7).is_empty());
}

#[test]
fn one_that_stays_is_told_once_and_again_when_it_stays_for_another_reason() {
    let staying = |all: &[(u32, &str)]| -> Staying {
        all.iter().map(|(n, why)| (*n, (*why).to_owned())).collect()
    };
    let first = staying(&[(4, "its disk builds on it")]);
    let told = |before: &Staying, now: &Staying| -> Vec<u32> {
        news(before, now).map(|(number, _)| number).collect()
    };
    assert_eq!(told(&Staying::new(), &first), [4]);
    assert_eq!(told(&first, &first), [0; 0], "the night after");
    let more = staying(&[(4, "its disk builds on it"), (6, "7 is made on it")]);
    assert_eq!(told(&first, &more), [6]);
    let other = staying(&[(4, "6 is made on it")]);
    assert_eq!(told(&more, &other), [4]);
    assert_eq!(told(&other, &Staying::new()), [0; 0]);
}
