//! What else becomes of an image: flattened, named, private, snapshots and clones of it, and quotas.

use super::evening::{conflict, evening, move_to};
use crate::{
    By, Error,
    audit::Change,
    images::ImageClone,
    jobs::{NewJob, Work},
};
use bytes::Bytes;
use types::{
    Channel, CreateClientParams, ImageView, JobState, JobUnit, MacAddr, OverlayMode,
    TakeSnapshotParams, UpdateClientParams, UpdateImageParams, VersionId,
};

fn second_of(image: &ImageView) -> VersionId {
    image.versions[1].id
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
    let mode = e.me.client("pc-1").unwrap().mode;
    assert_eq!(mode, OverlayMode::Keep, "it goes on keeping its disk");
    assert_eq!((e.finds("pc-1").await, e.finds("pc-2").await), (8, 1));
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
    e.engine
        .storage()
        .set_quota(e.id("pc-1").into(), Some(4096));
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

    // A stop of the server between the image and the end of its job: it is begun again, and is done.
    let again = ImageClone {
        image: e.image().id,
        version: second_of(&e.image()),
        name: "exam".into(),
        to: exam.id,
    };
    let new = NewJob {
        work: Work::VerifyImage { image: exam.id },
        title: "again".into(),
        unit: JobUnit::Bytes,
        total: None,
        items: Vec::new(),
        change: Change::act("image.clone", "image", exam.id, "exam"),
    };
    let by = By::system("test");
    let job = e.engine.jobs().attend(&by, new).await.unwrap();
    let done = e.engine.images().make_clone(&by, again, &job).await;
    assert_eq!(done.unwrap().unwrap().id, exam.id);
    assert_eq!(e.finds("pc-3").await, 5);

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
