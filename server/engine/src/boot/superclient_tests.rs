//! The life of an image: changed by its superclient, tried by one row, promoted, and taken back.

use super::evening::{conflict, evening, move_to};
use crate::boot::identity;
use types::{Channel, ImageState, JobState, OverlayMode, UpdateClientParams};

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
        e.engine.storage().overlay_bytes(e.id("pc-1").into()),
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
    for (name, channel, version, says) in [
        ("pc-1", Channel::Production, 2, "version 2 (production)"),
        (
            "pc-2",
            Channel::Maintenance,
            2,
            "version 2 and what its superclient",
        ),
        (
            "pc-3",
            Channel::Production,
            1,
            "version 1 and what this computer",
        ),
    ] {
        let choice = e.me.boot_choice(name).await.unwrap();
        assert_eq!(
            (choice.channel, choice.version),
            (Some(channel), Some(version)),
            "{name}"
        );
        assert!(choice.outcome.contains(says), "{}", choice.outcome);
    }
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
async fn an_image_whose_files_are_gone_gives_up_its_superclient_and_can_be_removed() {
    let e = evening().await;
    e.me.appoint_superclient("game", None, "pc-1")
        .await
        .unwrap();
    e.writes("pc-1", 2).await;
    let files = |data: &std::path::Path, away: bool| {
        let (here, there) = (data.join("images"), data.join("away"));
        // The start made an empty folder where there was none.
        let (from, to) = if away { (here, there) } else { (there, here) };
        _ = std::fs::remove_dir(&to);
        std::fs::rename(from, to).unwrap();
    };
    let e = e.restart(|data| files(data, true));
    assert_eq!(e.image().state, ImageState::Failed);
    conflict(e.me.remove_image("game", None).await, "has a superclient");
    conflict(
        e.me.dismiss_superclient("game", None).await,
        "can't be seen without the files",
    );
    e.me.discard_changes("pc-1").await.unwrap();
    let image = e.me.dismiss_superclient("game", None).await.unwrap();
    assert_eq!(image.superclient_id, None);
    assert_eq!(image.state, ImageState::Failed, "as long as they are gone");
    conflict(
        e.me.appoint_superclient("game", None, "pc-1").await,
        "is not ready",
    );

    let e = e.restart(|data| files(data, false));
    assert_eq!(e.image().state, ImageState::Ready);
    assert_eq!(e.finds("pc-1").await, 1, "begun anew");

    let e = e.restart(|data| files(data, true));
    for name in ["pc-1", "pc-2", "pc-3"] {
        let none = UpdateClientParams {
            image: Some(String::new()),
            ..UpdateClientParams::default()
        };
        e.me.update_client(name, None, none).await.unwrap();
    }
    conflict(
        e.me.remove_image("game", None).await,
        "the disk of \"pc-1\" still builds on",
    );
    e.me.remove_client("pc-1", None).await.unwrap();
    e.me.remove_image("game", None).await.unwrap();
}
