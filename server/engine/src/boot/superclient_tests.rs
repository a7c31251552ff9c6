//! The life of an image: changed by its superclient, tried by one row, promoted, and taken back.

use crate::{Admin, Engine, EngineConfig, Error, boot::identity, export::BlockDevice};
use bytes::Bytes;
use std::sync::Arc;
use types::{
    Channel, ClientId, CreateClientParams, CreateGroupParams, ImageView, JobState, JobView,
    MacAddr, OverlayMode, TakeSnapshotParams, Topics, UpdateClientParams, UpdateImageParams,
};

struct Evening {
    engine: Engine,
    me: Admin,
    dir: tempfile::TempDir,
}

async fn evening() -> Evening {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::open(EngineConfig {
        data_dir: dir.path().into(),
        ..EngineConfig::default()
    });
    let engine = engine.unwrap();
    let me = engine.as_itself("test");
    let mut import = me
        .begin_import(crate::images::NewImport::new("game", None))
        .await
        .unwrap();
    import.write(Bytes::from(vec![1; 64 * 1024])).await.unwrap();
    import.finish().await.unwrap();
    let row = CreateGroupParams {
        name: "row-1".into(),
        channel: Channel::Test,
        ..CreateGroupParams::default()
    };
    me.create_group(row).await.unwrap();
    let evening = Evening { engine, me, dir };
    for (name, n, group) in [
        ("pc-1", 1, None),
        ("pc-2", 2, Some("row-1")),
        ("pc-3", 3, None),
    ] {
        let new = CreateClientParams {
            image: Some("game".into()),
            group: group.map(String::from),
            ..CreateClientParams::new(name, MacAddr([2, 0, 0, 0, 0, n]))
        };
        evening.me.create_client(new).await.unwrap();
    }
    evening
}

impl Evening {
    /// What a boot gives this computer.
    async fn boot(&self, name: &str) -> Arc<dyn BlockDevice> {
        let client = self.engine.clients().require(name).unwrap();
        let disks = self.engine.boots().inner.disks.clone();
        let export = disks.prepare(&client).await.unwrap();
        export.expect("it has an image").device
    }

    /// The first byte of the disk that a boot gives it.
    async fn finds(&self, name: &str) -> u8 {
        let mut first = [0; 512];
        self.boot(name).await.read_at(0, &mut first).unwrap();
        first[0]
    }

    /// The superclient starts, writes this all over its first blocks and is switched off.
    async fn writes(&self, name: &str, byte: u8) {
        let device = self.boot(name).await;
        device.write_at(0, &[byte; 8192]).unwrap();
        device.flush().unwrap();
    }

    async fn apply(&self, comment: &str) -> JobView {
        let job = self.me.apply_changes("game", comment).await.unwrap();
        self.over(&job).await
    }

    async fn over(&self, job: &JobView) -> JobView {
        let mut events = self.engine.events().subscribe(Topics::default());
        loop {
            let now = self.me.job(&job.id.to_string()).unwrap();
            if now.state.is_over() {
                return now;
            }
            events.next().await;
        }
    }

    fn image(&self) -> ImageView {
        self.me.image("game").unwrap()
    }

    fn at(&self, channel: Channel) -> u32 {
        let image = self.image();
        let mut all = image.versions.iter();
        all.find(|v| v.channels.contains(&channel)).unwrap().number
    }

    fn id(&self, name: &str) -> ClientId {
        self.engine.clients().require(name).unwrap().id
    }
}

fn conflict<T: std::fmt::Debug>(result: Result<T, Error>, says: &str) {
    match result {
        Err(Error::Conflict { .. }) => {
            let text = result.unwrap_err().to_string();
            assert!(text.contains(says), "{text}");
        }
        other => panic!("{other:?}, not a conflict that says {says:?}"),
    }
}

async fn move_to(e: &Evening, channel: Channel, version: u32) {
    let moved = e.me.move_channel("game", None, channel, version);
    moved.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_evening_from_maintenance_to_production_and_back() {
    let e = evening().await;
    conflict(e.me.apply_changes("game", "").await, "no superclient");
    e.me.appoint_superclient("game", None, "pc-1")
        .await
        .unwrap();
    conflict(e.me.apply_changes("game", "").await, "has written nothing");
    conflict(
        e.me.appoint_superclient("game", None, "pc-3").await,
        "has a superclient already",
    );
    e.writes("pc-1", 2).await;
    assert_eq!(
        e.finds("pc-1").await,
        2,
        "a boot keeps what it wrote, in mode reset, too"
    );
    let job = e.apply("  updates of May ").await;
    assert_eq!(job.state, JobState::Succeeded, "{job:?}");
    let image = e.image();
    let second = &image.versions[1];
    assert_eq!(
        (second.number, second.parent, second.comment.as_str()),
        (2, Some(1), "updates of May")
    );
    assert!(second.allocated_bytes > 0 && !second.author.is_empty());
    assert_eq!(
        Channel::ALL.map(|c| e.at(c)),
        [1, 1, 2],
        "production, test, maintenance"
    );
    assert_eq!(
        e.engine.storage().overlay_bytes(e.id("pc-1")),
        0,
        "begun anew"
    );

    // One row tries it.
    e.me.move_channel("game", None, Channel::Test, 2)
        .await
        .unwrap();
    assert_eq!(
        (
            e.finds("pc-1").await,
            e.finds("pc-2").await,
            e.finds("pc-3").await
        ),
        (2, 2, 1)
    );
    // A move pulls no disk from under a computer that runs.
    let running = e.boot("pc-3").await;
    e.me.move_channel("game", None, Channel::Production, 2)
        .await
        .unwrap();
    let mut first = [0; 512];
    running.read_at(0, &mut first).unwrap();
    assert_eq!(first[0], 1, "until its next boot");
    assert_eq!(e.finds("pc-3").await, 2);
    let back = e.me.revert_image("game", None).await.unwrap();
    assert_eq!(back.previous, Some(2));
    assert_eq!((e.at(Channel::Production), e.finds("pc-3").await), (1, 1));

    // A third one on the second; the second can't go then.
    e.writes("pc-1", 3).await;
    assert_eq!(e.apply("").await.state, JobState::Succeeded);
    assert_eq!(e.finds("pc-1").await, 3);
    e.me.move_channel("game", None, Channel::Test, 3)
        .await
        .unwrap();
    assert_eq!(e.finds("pc-2").await, 3);
    conflict(
        e.me.remove_version("game", None, 2).await,
        "version 3 is made on version 2",
    );
    conflict(
        e.me.remove_version("game", None, 1).await,
        "production of \"game\" is at version 1",
    );
    // Maintenance goes back: the superclient, which wrote nothing since, goes along, and the next version
    // is made on that one. The third is needed by nobody then, and goes.
    move_to(&e, Channel::Test, 2).await;
    move_to(&e, Channel::Maintenance, 2).await;
    conflict(
        e.me.remove_version("game", None, 3).await,
        "still builds on version 3",
    );
    assert_eq!((e.finds("pc-1").await, e.finds("pc-2").await), (2, 2));
    let third = e.image().versions[2].id;
    let removed = e.me.remove_version("game", None, 3).await.unwrap();
    assert_eq!(removed.versions.len(), 2);
    let gone = async {
        while e.engine.storage().has_version(third) {
            tokio::task::yield_now().await;
        }
    };
    let bound = std::time::Duration::from_secs(20);
    tokio::time::timeout(bound, gone)
        .await
        .expect("its files go");
    e.writes("pc-1", 6).await;
    assert_eq!(e.apply("").await.state, JobState::Succeeded);
    let image = e.image();
    let newest = image.versions.last().unwrap();
    assert_eq!(
        (newest.number, newest.parent),
        (4, Some(2)),
        "no number comes again"
    );
    conflict(e.me.remove_image("game", None).await, "has a superclient");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_written_before_is_no_version_and_changes_are_not_lost_unasked() {
    let e = evening().await;
    // Junk of an evening, on a computer that then becomes the superclient.
    e.writes("pc-1", 9).await;
    e.me.appoint_superclient("game", None, "pc-1")
        .await
        .unwrap();
    assert_eq!(e.finds("pc-1").await, 1);
    e.writes("pc-1", 5).await;
    let elsewhere = UpdateClientParams {
        image: Some(String::new()),
        ..UpdateClientParams::default()
    };
    conflict(
        e.me.update_client("pc-1", None, elsewhere).await,
        "is the superclient of",
    );
    conflict(
        e.me.dismiss_superclient("game", None).await,
        "changes that are in no version",
    );
    let client = e.me.discard_changes("pc-1").await.unwrap();
    assert_eq!(client.overlay_bytes, 0);
    assert_eq!(e.finds("pc-1").await, 1);
    e.me.dismiss_superclient("game", None).await.unwrap();
    assert_eq!(e.image().superclient_id, None);

    // One that keeps its changes keeps them, whatever production is at.
    let keep = UpdateClientParams {
        mode: Some(OverlayMode::Keep),
        ..UpdateClientParams::default()
    };
    e.me.update_client("pc-3", None, keep).await.unwrap();
    e.writes("pc-3", 7).await;
    conflict(
        e.me.appoint_superclient("game", None, "pc-3").await,
        "keeps what it wrote",
    );
    e.me.appoint_superclient("game", None, "pc-2")
        .await
        .unwrap();
    e.writes("pc-2", 4).await;
    assert_eq!(e.apply("").await.state, JobState::Succeeded);
    e.me.move_channel("game", None, Channel::Production, 2)
        .await
        .unwrap();
    assert_eq!((e.finds("pc-1").await, e.finds("pc-3").await), (4, 7));
    e.me.discard_changes("pc-3").await.unwrap();
    assert_eq!(e.finds("pc-3").await, 4);

    // Who changes an image is not removed or retired before that is ended.
    conflict(
        e.me.remove_client("pc-2", None).await,
        "is the superclient of",
    );
    let retire = UpdateClientParams {
        retire: Some(true),
        ..UpdateClientParams::default()
    };
    conflict(
        e.me.update_client("pc-2", None, retire).await,
        "is the superclient of",
    );
    e.me.dismiss_superclient("game", None).await.unwrap();
    e.me.remove_client("pc-2", None).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_computer_that_runs_is_not_touched() {
    let e = evening().await;
    e.me.appoint_superclient("game", None, "pc-1")
        .await
        .unwrap();
    e.writes("pc-1", 2).await;
    let exports = e.engine.exports().clone();
    let target = identity::target(e.id("pc-1"));
    let info = crate::export::SessionInfo {
        id: 0,
        target,
        initiator: identity::initiator(e.id("pc-1")),
        via: crate::export::Via::Iscsi { isid: [0; 6] },
        peer: "10.77.0.9:1000".parse().unwrap(),
        since: crate::now(),
    };
    let session = exports
        .register(info, Box::new(|| {}), std::time::Duration::ZERO)
        .unwrap();
    conflict(e.me.apply_changes("game", "").await, "runs from its disk");
    conflict(e.me.discard_changes("pc-1").await, "runs from its disk");
    conflict(
        e.me.dismiss_superclient("game", None).await,
        "runs from its disk",
    );
    drop(session);
    assert_eq!(e.apply("").await.state, JobState::Succeeded);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flattened_version_needs_none_below_and_damage_of_any_version_shows() {
    let e = evening().await;
    e.me.appoint_superclient("game", None, "pc-1")
        .await
        .unwrap();
    for byte in [2, 3] {
        e.writes("pc-1", byte).await;
        assert_eq!(e.apply("").await.state, JobState::Succeeded);
    }
    conflict(e.me.flatten_version("game", 1).await, "is made on no other");
    for channel in [Channel::Production, Channel::Test] {
        move_to(&e, channel, 3).await;
    }
    let running = e.boot("pc-3").await;
    let job = e.me.flatten_version("game", 2).await.unwrap();
    assert_eq!(e.over(&job).await.state, JobState::Succeeded);
    let image = e.image();
    let [first, second, third] = image.versions.as_slice() else {
        panic!("{:?}", image.versions);
    };
    assert_eq!((second.parent, third.parent), (None, Some(2)));
    assert!(second.sha256 != first.sha256 && third.sha256.is_some());
    e.me.remove_version("game", None, 1).await.unwrap();
    let mut byte = [0; 512];
    running.read_at(0, &mut byte).unwrap();
    assert_eq!((byte[0], e.finds("pc-3").await), (3, 3));
    assert_eq!(e.image().sha256, None, "what was imported is gone");

    let job = e.me.verify_image("game").await.unwrap();
    let good = e.over(&job).await;
    assert_eq!(good.state, JobState::Succeeded, "{good:?}");
    assert_eq!(good.result.unwrap()["versions"], 2);
    let data = e
        .dir
        .path()
        .join("images")
        .join(format!("{}.data", third.id));
    let file = std::fs::OpenOptions::new().write(true).open(data).unwrap();
    std::os::unix::fs::FileExt::write_at(&file, &[9], 4096).unwrap();
    let job = e.me.verify_image("game").await.unwrap();
    let bad = e.over(&job).await;
    assert_eq!(bad.state, JobState::Failed);
    let why = bad.problem.unwrap().title;
    assert!(why.contains("version 3"), "{why}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_has_another_name_and_its_computers_go_on() {
    let e = evening().await;
    let named = |name: &str| UpdateImageParams {
        name: Some(name.into()),
        ..UpdateImageParams::default()
    };
    let revision = e.image().revision;
    let image =
        e.me.update_image("game", Some(revision), named("games-2026"));
    assert_eq!(image.await.unwrap().name, "games-2026");
    let client = e.me.client("pc-1").unwrap();
    assert_eq!(client.image_name.as_deref(), Some("games-2026"));
    assert_eq!(e.finds("pc-1").await, 1);
    assert!(e.me.image("game").is_err());
    let mut import =
        e.me.begin_import(crate::images::NewImport::new("other", None))
            .await
            .unwrap();
    import.write(Bytes::from(vec![1; 4096])).await.unwrap();
    import.finish().await.unwrap();
    let taken = e.me.update_image("games-2026", None, named("OTHER"));
    conflict(taken.await, "there is an image \"other\" already");
    let own = e.me.update_image("other", None, named("Other"));
    assert_eq!(own.await.unwrap().name, "Other");
    let stale = e.me.update_image("games-2026", Some(revision), named("x"));
    assert!(matches!(stale.await, Err(Error::PreconditionFailed { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_private_image_has_one_computer_which_keeps_what_it_writes() {
    let e = evening().await;
    let private = |private| UpdateImageParams {
        private: Some(private),
        ..UpdateImageParams::default()
    };
    conflict(
        e.me.update_image("game", None, private(true)).await,
        "3 computers have \"game\", \"pc-1\" among them",
    );
    let image = |name: &str| UpdateClientParams {
        image: Some(name.into()),
        ..UpdateClientParams::default()
    };
    for other in ["pc-2", "pc-3"] {
        e.me.update_client(other, None, image("")).await.unwrap();
    }
    let image_now = e.me.update_image("game", None, private(true)).await;
    assert!(image_now.unwrap().is_private);
    conflict(
        e.me.update_client("pc-2", None, image("game")).await,
        "is private, and \"pc-1\" has it",
    );
    let new = CreateClientParams {
        image: Some("game".into()),
        ..CreateClientParams::new("pc-4", MacAddr([2, 0, 0, 0, 0, 4]))
    };
    conflict(e.me.create_client(new).await, "is private");
    // In mode reset it keeps what it writes all the same.
    e.writes("pc-1", 8).await;
    assert_eq!(e.finds("pc-1").await, 8);
    e.me.update_image("game", None, private(false))
        .await
        .unwrap();
    e.me.update_client("pc-2", None, image("game"))
        .await
        .unwrap();
    assert_eq!((e.finds("pc-1").await, e.finds("pc-2").await), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quota_holds_for_all_for_one_and_not_for_a_superclient() {
    let e = evening().await;
    let disks = e.engine.boots().inner.disks.clone();
    let limit = |name: &str| e.me.client(name).unwrap().overlay_limit_bytes;
    assert_eq!(limit("pc-1"), None);
    let quota = |bytes| UpdateClientParams {
        quota_bytes: Some(bytes),
        ..UpdateClientParams::default()
    };
    assert!(e.me.update_client("pc-1", None, quota(4096)).await.is_err());
    e.me.update_client("pc-1", None, quota(64 << 20))
        .await
        .unwrap();
    assert_eq!((limit("pc-1"), limit("pc-2")), (Some(64 << 20), None));
    // It holds from the next boot on, and at the next look for one that runs.
    let running = e.boot("pc-1").await;
    e.engine.storage().set_quota(e.id("pc-1"), Some(4096));
    running.write_at(0, &[1; 4096]).unwrap();
    let full = running.write_at(8192, &[1; 4096]).unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::QuotaExceeded);
    disks.look(&mut super::fullness::Fullness::default());
    running.write_at(8192, &[1; 4096]).unwrap();
    e.me.appoint_superclient("game", None, "pc-1")
        .await
        .unwrap();
    assert_eq!(limit("pc-1"), None, "what it writes becomes a version");
    e.me.dismiss_superclient("game", None).await.unwrap();
    e.me.update_client("pc-1", None, quota(0)).await.unwrap();
    assert_eq!(limit("pc-1"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_goes_back_to_its_snapshot_and_an_image_is_made_of_it() {
    let e = evening().await;
    let take = |comment: &str| TakeSnapshotParams {
        client: "pc-1".into(),
        comment: comment.into(),
    };
    conflict(
        e.me.take_snapshot(take("")).await,
        "begun anew at each boot",
    );
    let keep = UpdateClientParams {
        mode: Some(OverlayMode::Keep),
        ..UpdateClientParams::default()
    };
    e.me.update_client("pc-1", None, keep.clone())
        .await
        .unwrap();
    conflict(e.me.take_snapshot(take("")).await, "has written nothing");
    e.writes("pc-1", 5).await;
    let job = e.me.take_snapshot(take("before the exam")).await.unwrap();
    let taken = e.over(&job).await;
    assert_eq!(taken.state, JobState::Succeeded, "{taken:?}");
    assert_eq!(Channel::ALL.map(|c| e.at(c)), [1, 1, 1], "no channel moves");
    let snapshots = e.me.snapshots();
    let [first] = snapshots.as_slice() else {
        panic!("{snapshots:?}");
    };
    assert_eq!(
        (
            first.client_name.as_str(),
            first.comment.as_str(),
            first.number
        ),
        ("pc-1", "before the exam", 2)
    );
    assert!(first.allocated_bytes > 0);
    conflict(
        e.me.move_channel("game", None, Channel::Production, 2)
            .await,
        "is a snapshot of one computer's disk",
    );
    e.writes("pc-1", 6).await;
    let id = first.id.to_string();
    let client = e.me.restore_snapshot(&id).await.unwrap();
    assert_eq!(client.overlay_bytes, 0);
    // It stays there, though its disk holds nothing of its own, until it is discarded.
    assert_eq!((e.finds("pc-1").await, e.finds("pc-1").await), (5, 5));
    conflict(e.me.remove_snapshot(&id).await, "still builds on version 2");
    e.writes("pc-1", 7).await;
    let second = e.me.take_snapshot(take("")).await.unwrap();
    assert_eq!(e.over(&second).await.state, JobState::Succeeded);
    assert_eq!(e.image().versions[2].parent, Some(2));

    let named = e.me.clone_snapshot(&id, "exam").await.unwrap();
    let cloned = e.over(&named).await;
    assert_eq!(cloned.state, JobState::Succeeded, "{cloned:?}");
    conflict(e.me.clone_version("game", 1, "EXAM").await, "already");
    let exam = e.me.image("exam").unwrap();
    assert_eq!((exam.versions.len(), exam.size_bytes), (1, 64 * 1024));
    let image = UpdateClientParams {
        image: Some("exam".into()),
        ..UpdateClientParams::default()
    };
    e.me.update_client("pc-3", None, image).await.unwrap();
    assert_eq!(e.finds("pc-3").await, 5);
    let verified = e.me.verify_image("exam").await.unwrap();
    assert_eq!(e.over(&verified).await.state, JobState::Succeeded);

    e.me.discard_changes("pc-1").await.unwrap();
    assert_eq!(e.finds("pc-1").await, 1);
    conflict(e.me.remove_snapshot(&id).await, "is made on version 2");
    // They go with their computer.
    e.me.remove_client("pc-1", None).await.unwrap();
    let gone = async {
        while !e.me.snapshots().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    let bound = std::time::Duration::from_secs(20);
    tokio::time::timeout(bound, gone).await.expect("they go");
    assert_eq!(e.image().versions.len(), 1);
}
