//! Snapshots by schedule, on real disks, under a clock of the test's own.

use super::*;
use crate::{
    boot::{
        evening::{Evening, evening},
        identity,
    },
    export::{SessionGuard, SessionInfo, Via},
};
use types::{AuditView, OverlayMode, TakeSnapshotParams, UpdateClientParams, UpdateSettingsParams};

const DAY: i64 = 86_400;

/// Two computers of the evening keep their disks, and snapshots are taken each day.
async fn scheduled(keep: &str) -> Evening {
    let e = evening().await;
    for name in ["pc-1", "pc-3"] {
        let keep = UpdateClientParams {
            mode: Some(OverlayMode::Keep),
            ..UpdateClientParams::default()
        };
        e.me.update_client(name, None, keep).await.unwrap();
    }
    set(
        &e,
        &[("snapshots.every", "daily"), ("snapshots.keep", keep)],
    )
    .await;
    e
}

async fn set(e: &Evening, values: &[(&str, &str)]) {
    let values = values.iter();
    let params = UpdateSettingsParams {
        values: values
            .map(|(k, v)| {
                (
                    k.to_string(),
                    Some(types::SettingValue::Text(v.to_string())),
                )
            })
            .collect(),
        confirm_within_seconds: None,
    };
    e.me.update_settings(None, params).await.unwrap();
}

impl Evening {
    async fn round(&self, at: Timestamp) {
        let schedule = self.engine.schedule();
        schedule.round(&self.engine, || at).await.unwrap();
    }

    fn next(&self, name: &str) -> Option<NextSnapshotView> {
        self.me.client(name).unwrap().next_snapshot
    }

    /// The snapshots of this computer, the oldest first: number, and whether the schedule took it.
    fn taken(&self, name: &str) -> Vec<(u32, bool)> {
        let taken = self.engine.images().snapshots_of(self.id(name));
        taken.iter().map(|v| (v.number, v.is_scheduled)).collect()
    }

    /// As [`Evening::writes`], once the clock of the file system, which is some milliseconds behind, is past now:
    /// a real computer takes longer to start.
    async fn writes_later(&self, name: &str, byte: u8) {
        let (file, start) = (self.dir.path().join("clock"), std::time::SystemTime::now());
        loop {
            std::fs::write(&file, "x").unwrap();
            if std::fs::metadata(&file).unwrap().modified().unwrap() > start {
                break;
            }
            tokio::task::yield_now().await;
        }
        self.writes(name, byte).await;
    }

    /// The computer runs until this is dropped.
    fn runs(&self, name: &str) -> SessionGuard {
        let info = SessionInfo {
            id: 0,
            target: identity::target(self.id(name)),
            initiator: identity::initiator(self.id(name)),
            via: Via::Iscsi { isid: [0; 6] },
            peer: "10.77.0.9:1000".parse().unwrap(),
            since: now(),
        };
        let exports = self.engine.exports();
        let session = exports.register(info, Box::new(|| {}), Duration::ZERO);
        session.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_runs_is_taken_when_it_is_off_and_a_restart_neither_doubles_nor_loses_it() {
    let e = scheduled("7").await;
    let moment = e
        .engine
        .settings()
        .with(|v| v.snapshots())
        .unwrap()
        .last(now());
    e.round(moment.plus_seconds(-DAY)).await;
    let next = e.next("pc-1").unwrap();
    assert_eq!((next.at, next.waits), (moment, None));
    assert_eq!(e.next("pc-2"), None, "it keeps nothing");

    e.writes("pc-1", 5).await;
    let session = e.runs("pc-1");
    e.round(now()).await;
    assert!(e.taken("pc-1").is_empty());
    let waits = |why| {
        Some(NextSnapshotView {
            at: moment,
            waits: Some(why),
        })
    };
    assert_eq!(e.next("pc-1"), waits(SnapshotWait::Running));
    assert_eq!(e.next("pc-3").unwrap().waits, None, "it has nothing new");
    drop(session);

    // What is due is written down: another start of the server knows of it.
    let again = SnapshotSchedule::new(e.engine.clients().clone());
    again.round(&e.engine, now).await.unwrap();
    assert_eq!(e.taken("pc-1"), [(2, true)]);
    let snapshot = e.me.snapshots().remove(0);
    assert_eq!(
        (snapshot.author.as_str(), snapshot.is_scheduled),
        ("schedule", true)
    );
    let log: Vec<AuditView> = e.me.audit(Default::default(), None, 100).await.unwrap();
    let by_schedule = log.iter().filter(|a| a.actor.name == "schedule");
    assert!(
        by_schedule.clone().any(|a| a.action == "client.snapshot"),
        "{log:?}"
    );

    // It stopped before it could write down that this one is there.
    let due = SnapshotsDueRecord {
        due: vec![(e.id("pc-1"), moment)],
        ..e.engine
            .store()
            .read(|tx| tx.get::<SnapshotsDueRecord>(&()))
            .unwrap()
            .unwrap()
    };
    let write = move |tx: &mut store::Tx<'_>| Ok::<_, Error>(tx.put(&due)?);
    e.engine.store().write(write).await.unwrap();
    e.round(now()).await;
    assert_eq!(e.taken("pc-1").len(), 1);
    assert_eq!(e.next("pc-1").unwrap().at, moment.plus_seconds(DAY));
    // At the next moment it has nothing new: it was off since.
    e.round(moment.plus_seconds(DAY)).await;
    assert_eq!(e.taken("pc-1").len(), 1);
    // Nothing is taken and nothing goes once it is off.
    e.writes("pc-1", 6).await;
    set(&e, &[("snapshots.every", "off")]).await;
    e.round(moment.plus_seconds(2 * DAY)).await;
    assert_eq!((e.taken("pc-1").len(), e.next("pc-1")), (1, None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_oldest_that_it_took_go_and_nothing_that_is_needed_or_somebody_took() {
    let e = scheduled("2").await;
    let moment = e
        .engine
        .settings()
        .with(|v| v.snapshots())
        .unwrap()
        .last(now());
    e.round(moment.plus_seconds(-DAY)).await;
    let mut days = 0;
    let mut night = async |byte: u8| {
        e.writes_later("pc-1", byte).await;
        days += 1;
        e.round(moment.plus_seconds(days * DAY)).await;
    };
    night(5).await;
    e.writes_later("pc-1", 6).await;
    let by_hand = TakeSnapshotParams {
        client: "pc-1".into(),
        comment: "mine".into(),
    };
    let job = e.me.take_snapshot(by_hand).await.unwrap();
    assert_eq!(e.over(&job).await.state, JobState::Succeeded);
    night(7).await;
    assert_eq!(e.taken("pc-1"), [(2, true), (3, false), (4, true)]);
    night(8).await;
    assert_eq!(e.taken("pc-1"), [(3, false), (4, true), (5, true)]);

    // Its disk is put back to the older one, and builds on it from now on.
    let of = |number| {
        let all = e.me.snapshots();
        all.iter()
            .find(|s| s.number == number)
            .unwrap()
            .id
            .to_string()
    };
    e.me.restore_snapshot(&of(4)).await.unwrap();
    night(9).await;
    night(10).await;
    let numbers: Vec<_> = e.taken("pc-1").iter().map(|t| t.0).collect();
    assert_eq!(numbers, [3, 4, 6, 7], "6 and 7 are made on 4, and 5 went");
    let staying = lock(&e.engine.schedule().inner.staying)[&e.id("pc-1")].clone();
    let staying: Vec<_> = staying.into_keys().collect();
    assert_eq!(staying, [4], "as the log says, and not again");
    assert_eq!(e.finds("pc-1").await, 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_failed_is_tried_again_after_a_while() {
    let e = scheduled("7").await;
    let moment = e
        .engine
        .settings()
        .with(|v| v.snapshots())
        .unwrap()
        .last(now());
    e.round(moment.plus_seconds(-DAY)).await;
    e.writes("pc-1", 5).await;
    e.writes("pc-3", 6).await;
    // Nothing can be made in the folder of the images, as if it were full.
    let (images, away) = (e.dir.path().join("images"), e.dir.path().join("away"));
    std::fs::rename(&images, &away).unwrap();
    let first = now();
    for _ in 0..2 {
        e.round(first).await;
    }
    let failed = e
        .engine
        .jobs()
        .list(types::Role::Admin, None, 100)
        .await
        .unwrap();
    let failed = failed.iter().filter(|j| j.state == JobState::Failed);
    assert_eq!(failed.count(), 2, "each was tried once");
    for name in ["pc-1", "pc-3"] {
        assert_eq!(e.next(name).unwrap().waits, Some(SnapshotWait::Failed));
    }
    std::fs::rename(&away, &images).unwrap();
    e.round(first.plus_seconds(AGAIN)).await;
    assert_eq!((e.taken("pc-1").len(), e.taken("pc-3").len()), (1, 1));
}
