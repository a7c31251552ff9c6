//! Rotations: whole ones, and such as a crash or a full disk ends in the middle.

use super::*;
use crate::{
    Audit, By, EventBus, Images, Settings, Sources,
    storage::{EmbeddedStorage, StorageBackend},
};
use store::recorder::Recorder;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_leaves_one_new_key_and_every_secret() {
    let place = House::new();
    let engine = place.open();
    let before = add(&engine, 6).await;
    let old = fs::read_to_string(place.key_file()).unwrap();
    let old = old.lines().last().unwrap();
    let first = shown(&engine).keys[0].id.clone();
    // While computers come in: what they are given must be sealed with a key that stays.
    let admin = engine.as_itself("test");
    let (rotated, added) = tokio::join!(admin.rotate_secrets(), async {
        for n in 100..120 {
            admin.create_client(params(n)).await.unwrap();
        }
    });
    let () = added;
    rotated.unwrap();
    let all = secrets_of(engine.clients());
    assert_eq!(all[..6], before);
    let view = shown(&engine);
    assert_eq!(
        (view.keys.len(), view.keys[0].secrets, view.lost),
        (1, 26, 0)
    );
    assert_ne!(view.keys[0].id, first);
    assert!(
        actions(&engine)
            .await
            .contains(&"secrets.rotate".to_string())
    );
    // The handle holds the engine, too.
    drop((engine, admin));
    assert!(
        !fs::read_to_string(place.key_file())
            .unwrap()
            .contains(&old[..64])
    );
    assert_eq!(secrets_of(place.open().clients()), all);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_after_each_step_of_a_rotation_loses_nothing() {
    for steps in 0..4 {
        let place = House::new();
        let engine = place.open();
        let before = add(&engine, 4).await;
        let by = By::system("test");
        let (secrets, clients) = (engine.secrets().clone(), engine.clients().clone());
        let done = tokio::task::spawn_blocking(move || {
            if steps > 0 {
                secrets.add_key().unwrap();
            }
            if steps > 1 {
                clients.seal_anew(&by, "secrets.rotate").unwrap();
            }
            if steps > 2 {
                secrets.retire().unwrap();
            }
        });
        done.await.unwrap();
        drop(engine);
        // A half-written draft of the key file is nobody's.
        fs::write(place.key_file().with_extension("new"), "half").unwrap();
        let engine = place.open();
        assert_eq!(secrets_of(engine.clients()), before, "after step {steps}");
        let view = shown(&engine);
        assert_eq!(
            (view.keys.len(), view.keys[0].secrets),
            (1, 4),
            "the start ended it"
        );
        engine.as_itself("test").rotate_secrets().await.unwrap();
        assert_eq!(secrets_of(engine.clients()), before);
    }
}

/// Clients on a disk in memory, with their keys in a folder.
fn on_disk(disk: &Recorder, keys: &Path) -> Result<(Clients, Secrets)> {
    let store = Arc::new(disk.open()?);
    let events = EventBus::default();
    let audit = Audit::new(store.clone(), events.clone());
    let storage: Arc<dyn StorageBackend> = Arc::new(EmbeddedStorage::open(keys)?);
    let images = Images::open(store.clone(), events.clone(), audit.clone(), storage)?;
    let secrets = Secrets::open(keys, None)?;
    let settings = Settings::open(
        store.clone(),
        audit.clone(),
        events.clone(),
        Sources::default(),
    )?;
    let clients = Clients::open_alone(store, events, audit, images, settings, secrets.clone())?;
    Ok((clients, secrets))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn power_may_go_at_any_write_of_a_rotation() {
    let keys = tempfile::tempdir().unwrap();
    let disk = Recorder::new();
    let (clients, secrets) = on_disk(&disk, keys.path()).unwrap();
    for n in 0..30 {
        clients
            .create(&By::system("test"), params(n))
            .await
            .unwrap();
    }
    let before = secrets_of(&clients);
    let start = disk.log().len();
    let file = keys.path().join(FILE);
    let moved = clients.clone();
    // The key file as each step leaves it; the database at each write in between.
    let both = tokio::task::spawn_blocking(move || {
        secrets.add_key().unwrap();
        let both = fs::read(&file).unwrap();
        moved
            .seal_anew(&By::system("test"), "secrets.rotate")
            .unwrap();
        both
    });
    let both = both.await.unwrap();
    let log = disk.log();
    assert!(log.len() > start + 3);
    for ops in start..=log.len() {
        for kept in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            write_private(&folder.path().join(FILE), &both).unwrap();
            let crashed = Recorder::crash(&log, ops, |_, _| kept);
            let (clients, _) = on_disk(&crashed, folder.path()).unwrap();
            assert_eq!(
                secrets_of(&clients),
                before,
                "power went at {ops} of {}",
                log.len()
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_that_the_disk_refuses_changes_nothing_and_can_be_repeated() {
    let keys = tempfile::tempdir().unwrap();
    let disk = Recorder::new();
    let (clients, secrets) = on_disk(&disk, keys.path()).unwrap();
    for n in 0..5 {
        clients
            .create(&By::system("test"), params(n))
            .await
            .unwrap();
    }
    let before = secrets_of(&clients);
    disk.break_at(disk.log().len() + 1, nix::libc::EIO);
    let (moved, ring) = (clients.clone(), secrets.clone());
    let failed = tokio::task::spawn_blocking(move || rotate(&ring, &moved, &By::system("test")));
    assert!(failed.await.unwrap().is_err());
    assert_eq!(secrets_of(&clients), before);
    let file = fs::read(keys.path().join(FILE)).unwrap();
    assert_eq!(key::parse(&file, "").unwrap().len(), 2, "the old key stays");
    let log = disk.log();
    let crashed = Recorder::crash(&log, log.len(), |_, _| true);
    let (clients, secrets) = on_disk(&crashed, keys.path()).unwrap();
    assert_eq!(secrets_of(&clients), before);
    let again = clients.clone();
    let done = tokio::task::spawn_blocking(move || rotate(&secrets, &again, &By::system("test")));
    done.await.unwrap().unwrap();
    assert_eq!(secrets_of(&clients), before);
    let file = fs::read(keys.path().join(FILE)).unwrap();
    assert_eq!(key::parse(&file, "").unwrap().len(), 1);
}
