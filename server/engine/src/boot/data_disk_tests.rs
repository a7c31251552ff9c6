//! Data disks: given to many computers, fresh or kept, changed by a superclient, and gone with their list.

use super::evening::{Evening, conflict, evening, import};
use crate::{
    Error,
    boot::identity,
    export::{BlockDevice, Export, SessionGuard, SessionInfo, Via},
};
use std::time::Duration;
use types::{
    Channel, CreateClientParams, DiskId, JobState, MacAddr, OverlayMode, OverlayView, Timestamp,
    UpdateClientParams, UpdateImageParams,
};

/// The evening with two more images: `pack` all 5 and `tools` all 7.
async fn with_packs() -> Evening {
    let e = evening().await;
    import(&e.me, "pack", vec![5; 128 * 1024]).await;
    import(&e.me, "tools", vec![7; 96 * 1024]).await;
    e
}

fn list(images: &[&str]) -> UpdateClientParams {
    UpdateClientParams {
        data_disks: Some(images.iter().map(|name| (*name).to_owned()).collect()),
        ..UpdateClientParams::default()
    }
}

fn mode(mode: OverlayMode) -> UpdateClientParams {
    UpdateClientParams {
        mode: Some(mode),
        ..UpdateClientParams::default()
    }
}

async fn set(e: &Evening, name: &str, change: UpdateClientParams) {
    e.me.update_client(name, None, change).await.unwrap();
}

fn first(device: &dyn BlockDevice) -> u8 {
    let mut sector = [0; 512];
    device.read_at(0, &mut sector).unwrap();
    sector[0]
}

/// The first byte of each data disk, by its number.
fn data_of(export: &Export) -> Vec<(u16, u8)> {
    let disks = export.data.iter();
    disks.map(|d| (d.lun, first(d.device.as_ref()))).collect()
}

fn write(export: &Export, at: usize, byte: u8) {
    let device = &export.data[at].device;
    device.write_at(0, &[byte; 4096]).unwrap();
    device.flush().unwrap();
}

async fn overlays(e: &Evening) -> Vec<OverlayView> {
    let all = e.engine.boots().overlays().await.unwrap();
    all.into_iter().filter(|o| o.is_data).collect()
}

fn disk(e: &Evening, client: &str, image: &str) -> DiskId {
    DiskId::data(e.id(client), e.me.image(image).unwrap().id)
}

/// Whether its files are there, after what removes them had its turn.
async fn has_files(e: &Evening, disk: DiskId) -> bool {
    drop(e.engine.boots().inner.disks.turn(disk.client).await);
    e.engine.storage().overlays().unwrap().contains(&disk)
}

fn session(e: &Evening, name: &str) -> SessionGuard {
    let info = SessionInfo {
        id: 0,
        target: identity::target(e.id(name)),
        initiator: identity::initiator(e.id(name)),
        via: Via::Iscsi { isid: [1; 6] },
        peer: ([127, 0, 0, 1], 1).into(),
        since: Timestamp(0),
    };
    let entered = e
        .engine
        .exports()
        .register(info, Box::new(|| ()), Duration::ZERO);
    entered.expect("it is offered")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_computers_have_one_data_disk_each_with_what_it_wrote_until_its_next_boot() {
    let e = with_packs().await;
    for name in ["pc-1", "pc-3"] {
        set(&e, name, list(&["pack", "tools"])).await;
    }
    let (one, other) = (e.boot_with_all("pc-1").await, e.boot_with_all("pc-3").await);
    assert_eq!(data_of(&one), [(1, 5), (2, 7)]);
    assert_eq!(one.data[0].device.size_bytes(), 128 * 1024);
    write(&one, 0, 9);
    assert_eq!(data_of(&one), [(1, 9), (2, 7)]);
    assert_eq!(
        (data_of(&other), first(one.device.as_ref())),
        (vec![(1, 5), (2, 7)], 1)
    );
    let shown = e.me.client("pc-1").unwrap();
    let held: Vec<_> = shown.data_disks.iter().map(|d| d.overlay_bytes).collect();
    assert_eq!((held, shown.overlay_bytes), (vec![4096, 0], 0));
    assert_eq!(
        data_of(&e.boot_with_all("pc-1").await),
        [(1, 5), (2, 7)],
        "fresh"
    );

    // Kept, when its computer keeps.
    set(&e, "pc-1", mode(OverlayMode::Keep)).await;
    write(&e.boot_with_all("pc-1").await, 1, 9);
    assert_eq!(data_of(&e.boot_with_all("pc-1").await), [(1, 5), (2, 9)]);
    // Another order, and what was written is where it was.
    let before = e.boot_with_all("pc-1").await;
    set(&e, "pc-1", list(&["tools", "pack"])).await;
    let after = e.boot_with_all("pc-1").await;
    assert_eq!(data_of(&after), [(1, 9), (2, 5)]);
    assert_eq!(
        (&after.data[0].serial, after.data[0].naa),
        (&before.data[1].serial, before.data[1].naa)
    );
    let serials = [
        &after.serial,
        &after.data[0].serial,
        &after.data[1].serial,
        &other.data[0].serial,
    ];
    let apart: std::collections::BTreeSet<_> = serials.into_iter().collect();
    assert_eq!(apart.len(), 4);
    // All of it is begun anew when that is asked for.
    e.me.discard_changes("pc-1").await.unwrap();
    assert_eq!(data_of(&e.boot_with_all("pc-1").await), [(1, 7), (2, 5)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_data_disk_follows_the_channel_of_its_computer_and_its_superclient_changes_it() {
    let e = with_packs().await;
    for name in ["pc-1", "pc-2", "pc-3"] {
        set(&e, name, list(&["pack"])).await;
    }
    conflict(
        e.me.appoint_superclient("tools", None, "pc-1").await,
        "does not boot \"tools\"",
    );
    e.me.appoint_superclient("pack", None, "pc-1")
        .await
        .unwrap();
    for given in [list(&[]), list(&["tools"])] {
        conflict(
            e.me.update_client("pc-1", None, given).await,
            "is the superclient of \"pack\"",
        );
    }
    write(&e.boot_with_all("pc-1").await, 0, 6);
    let again = e.boot_with_all("pc-1").await;
    assert_eq!(
        (data_of(&again), first(again.device.as_ref())),
        (vec![(1, 6)], 1),
        "kept"
    );
    again.device.write_at(0, &[9; 512]).unwrap();
    let job = e.me.apply_changes("pack", "May").await.unwrap();
    let job = e.over(&job).await;
    assert_eq!(job.state, JobState::Succeeded, "{job:?}");
    // The row in channel test has it first; the image that they start from is untouched.
    let moved = e.me.move_channel("pack", None, Channel::Test, 2);
    moved.await.unwrap();
    let mut found = Vec::new();
    for name in ["pc-1", "pc-2", "pc-3"] {
        let export = e.boot_with_all(name).await;
        found.push((first(export.device.as_ref()), data_of(&export)[0].1));
    }
    assert_eq!(found, [(1, 6), (1, 6), (1, 5)]);
    let running = e.boot_with_all("pc-3").await;
    let moved = e.me.move_channel("pack", None, Channel::Production, 2);
    moved.await.unwrap();
    assert_eq!(data_of(&running), [(1, 5)], "until its next boot");
    conflict(
        e.me.remove_version("pack", None, 1).await,
        "version 2 is made on",
    );
    assert_eq!(data_of(&e.boot_with_all("pc-3").await), [(1, 6)]);
    e.me.dismiss_superclient("pack", None).await.unwrap();
    assert_eq!(e.at(Channel::Test), 1, "the other image's own");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_taken_off_the_list_goes_at_once_or_when_its_computer_starts_anew() {
    let e = with_packs().await;
    set(&e, "pc-1", list(&["pack", "tools"])).await;
    set(&e, "pc-1", mode(OverlayMode::Keep)).await;
    let running = e.boot_with_all("pc-1").await;
    write(&running, 0, 9);
    write(&running, 1, 9);
    let guard = session(&e, "pc-1");
    set(&e, "pc-1", list(&["tools"])).await;
    let (pack, tools) = (disk(&e, "pc-1", "pack"), disk(&e, "pc-1", "tools"));
    assert!(has_files(&e, pack).await, "nothing is pulled from under it");
    assert!(overlays(&e).await.iter().all(|o| !o.is_orphan));
    conflict(
        e.me.remove_image("pack", None).await,
        "the disk of \"pc-1\" still builds on",
    );
    // The server starts anew: the guest finds the same disks under the same numbers.
    let disks = e.engine.boots().inner.disks.clone();
    e.engine.exports().withdraw(&identity::target(e.id("pc-1")));
    disks.offer_existing();
    let offered = e
        .engine
        .exports()
        .offered(&identity::target(e.id("pc-1")))
        .unwrap();
    assert_eq!(data_of(&offered), [(1, 9), (2, 9)]);
    drop(guard);
    assert_eq!(
        data_of(&e.boot_with_all("pc-1").await),
        [(1, 9)],
        "its tools, kept"
    );
    assert!(!has_files(&e, pack).await);
    e.me.remove_image("pack", None).await.unwrap();

    // It is off: at once.
    set(&e, "pc-1", list(&[])).await;
    assert!(!has_files(&e, tools).await);
    assert!(overlays(&e).await.is_empty());

    // A computer that is removed takes all of them along.
    set(&e, "pc-3", list(&["tools"])).await;
    e.boot_with_all("pc-3").await;
    let tools = disk(&e, "pc-3", "tools");
    assert_eq!(overlays(&e).await.len(), 1);
    e.me.remove_client("pc-3", None).await.unwrap();
    let gone = async {
        while e.engine.storage().overlays().unwrap().contains(&tools) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), gone)
        .await
        .expect("removed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_a_data_disk_is_refused_and_an_image_that_is_one_stays() {
    let e = with_packs().await;
    let refused = |name: &'static str, change| e.me.update_client(name, None, change);
    conflict(
        refused("pc-1", list(&["game"])).await,
        "as its image and as a data disk",
    );
    for (bad, rule) in [
        (vec!["pack", "PACK"], "name it once"),
        (vec!["pack"; 8], "at most 7 data disks, not 8"),
    ] {
        match refused("pc-1", list(&bad)).await {
            Err(Error::Invalid { field, message, .. }) => {
                assert_eq!(field, "data_disks");
                assert!(message.contains(rule), "{message}");
            }
            other => panic!("{other:?}"),
        }
    }
    let missing = refused("pc-1", list(&["nosuch"])).await;
    assert!(
        matches!(missing, Err(Error::NotFound { .. })),
        "{missing:?}"
    );

    let private = |on| UpdateImageParams {
        private: Some(on),
        ..UpdateImageParams::default()
    };
    for name in ["pc-1", "pc-3"] {
        set(&e, name, list(&["pack"])).await;
    }
    conflict(
        e.me.update_image("pack", None, private(true)).await,
        "2 computers have",
    );
    conflict(
        e.me.remove_image("pack", None).await,
        "\"pack\" is a data disk of 2 computers, \"pc-1\" among them",
    );
    set(&e, "pc-3", list(&[])).await;
    e.me.update_image("pack", None, private(true))
        .await
        .unwrap();
    conflict(
        refused("pc-3", list(&["pack"])).await,
        "is private, and \"pc-1\" has it",
    );
    // A private one is kept in mode reset, too; the disk that it starts from is not.
    let export = e.boot_with_all("pc-1").await;
    write(&export, 0, 9);
    export.device.write_at(0, &[9; 512]).unwrap();
    let again = e.boot_with_all("pc-1").await;
    assert_eq!(
        (data_of(&again), first(again.device.as_ref())),
        (vec![(1, 9)], 1)
    );
    let shown = e.me.image("pack").unwrap();
    assert_eq!((shown.client_count, shown.data_client_count), (0, 1));

    // New computers can have them at once.
    let new = CreateClientParams {
        image: Some("game".into()),
        data_disks: vec!["tools".into()],
        ..CreateClientParams::new("pc-4", MacAddr([2, 0, 0, 0, 0, 4]))
    };
    let made = e.me.create_client(new).await.unwrap();
    assert_eq!(made.data_disks[0].image_name.as_deref(), Some("tools"));
    assert_eq!(data_of(&e.boot_with_all("pc-4").await), [(1, 7)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_overlay_of_a_data_disk_is_removed_by_its_id_and_has_the_limit_of_its_computer() {
    let e = with_packs().await;
    set(&e, "pc-1", list(&["pack"])).await;
    let quota = UpdateClientParams {
        quota_bytes: Some(64 << 20),
        ..mode(OverlayMode::Keep)
    };
    set(&e, "pc-1", quota).await;
    let export = e.boot_with_all("pc-1").await;
    write(&export, 0, 9);
    let shown = e.me.client("pc-1").unwrap();
    assert_eq!(shown.data_disks[0].overlay_limit_bytes, Some(64 << 20));
    e.engine
        .storage()
        .set_quota(disk(&e, "pc-1", "pack"), Some(4096));
    let full = export.data[0].device.write_at(8192, &[1; 4096]);
    assert_eq!(full.unwrap_err().kind(), std::io::ErrorKind::QuotaExceeded);
    export.device.write_at(0, &[8; 512]).unwrap();
    let id = overlays(&e).await[0].id;
    e.me.remove_overlay(&id.to_string()).await.unwrap();
    let export = e.boot_with_all("pc-1").await;
    assert_eq!(
        (first(export.device.as_ref()), data_of(&export)),
        (8, vec![(1, 5)])
    );
}
