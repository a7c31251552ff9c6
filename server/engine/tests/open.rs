//! The engine as a whole: opened, used, closed and opened again on the same folder.

use engine::{
    By, Engine, EngineConfig,
    boot::{Firmware, Signal, Who},
    counters::BootResult,
};
use std::path::Path;
use types::{
    BootState, Cause, ClientState, CreateClientParams, Hop, ImageState, LoginParams, MacAddr,
    OverlayMode, SettingValue, UpdateClientParams, UpdateSettingsParams,
};

const MAC: MacAddr = MacAddr([0x52, 0x54, 0, 0, 0, 1]);

fn config(dir: &Path) -> EngineConfig {
    EngineConfig {
        data_dir: dir.to_path_buf(),
        admin_password: Some("correct horse".into()),
        ..EngineConfig::default()
    }
}

fn login() -> LoginParams {
    LoginParams {
        username: "admin".into(),
        password: "correct horse".into(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_there_when_it_is_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::open(config(dir.path())).unwrap();
    let bytes = vec![0xabu8; 64 * 1024];
    let mut import = engine
        .as_itself("test")
        .begin_import(engine::images::NewImport::new("disk", None))
        .await
        .unwrap();
    import.write(bytes.into()).await.unwrap();
    let image = import.finish().await.unwrap();
    let client = engine
        .as_itself("test")
        .create_client(CreateClientParams {
            image: Some("disk".into()),
            mode: OverlayMode::Keep,
            ..CreateClientParams::new("pc-1", MAC)
        })
        .await
        .unwrap();
    let seen = MacAddr([0x52, 0x54, 0, 0, 0, 2]);
    engine.clients().discovered(seen).await.unwrap();
    let adopt = SettingValue::Text("adopt".into());
    let params = UpdateSettingsParams {
        values: [("clients.unknown".to_string(), Some(adopt))].into(),
        confirm_within_seconds: None,
    };
    let admin = engine.as_itself("test");
    admin.update_settings(None, params).await.unwrap();
    drop(admin);
    let here = By::unknown("", None, types::Way::Rest);
    let token = engine.users().login(here, login()).await.unwrap();
    drop(engine);

    // Nothing of the first keeps the database open.
    let engine = Engine::open(config(dir.path())).unwrap();
    let image_now = engine.images().find("disk").unwrap();
    assert_eq!(
        (image_now.id, image_now.state),
        (image.id, ImageState::Ready)
    );
    let client_now = engine.clients().require("pc-1").unwrap();
    assert_eq!(
        (client_now.id, client_now.image_id),
        (client.id, Some(image.id))
    );
    let seen = engine.clients().find_mac(seen).unwrap();
    assert_eq!(seen.state, ClientState::Discovered);
    let unknown = engine.settings().values().unknown_clients;
    assert_eq!(unknown, engine::UnknownClients::Adopt);
    let who = engine.users().authenticate(&token.access_token).unwrap();
    assert_eq!(who.actor.view().name, "admin");
    assert!(!engine.users().needs_setup());
}

/// Writes other bytes over every place of the closed database that holds `what`.
fn damage(dir: &Path, what: &[u8]) {
    let file = dir.join("nsboot.redb");
    let mut bytes = std::fs::read(&file).unwrap();
    let places: Vec<usize> = (0..bytes.len() - what.len())
        .filter(|&at| bytes[at..].starts_with(what))
        .collect();
    assert!(!places.is_empty(), "it is not in the database");
    for at in places {
        bytes[at] ^= 0x20;
    }
    std::fs::write(&file, bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_row_is_left_out_and_stands_in_nobodys_way() {
    let params = |name: &str, n| CreateClientParams {
        mode: OverlayMode::Keep,
        ..CreateClientParams::new(name, MacAddr([0x52, 0x54, 0, 0, 0, n]))
    };
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::open(config(dir.path())).unwrap();
    let itself = engine.as_itself("test");
    itself
        .create_client(params("to-be-damaged", 1))
        .await
        .unwrap();
    let whole = itself.create_client(params("pc-2", 2)).await.unwrap();
    drop((engine, itself));
    damage(dir.path(), b"to-be-damaged");

    let engine = Engine::open(config(dir.path())).unwrap();
    let clients = engine.clients();
    let names: Vec<_> = clients.list().into_iter().map(|c| c.name).collect();
    assert_eq!(names, ["pc-2"]);
    let itself = engine.as_itself("test");
    itself.create_client(params("pc-3", 3)).await.unwrap();
    let seen = MacAddr([0x52, 0x54, 0, 0, 0, 4]);
    clients.discovered(seen).await.unwrap();
    let rename = UpdateClientParams {
        name: Some("pc-two".into()),
        ..UpdateClientParams::default()
    };
    let whole = whole.id.to_string();
    itself.update_client(&whole, None, rename).await.unwrap();
}

#[tokio::test]
async fn a_folder_in_use_or_unusable_is_said_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let _engine = Engine::open(config(dir.path())).unwrap();
    let e = Engine::open(config(dir.path())).err().unwrap().to_string();
    assert!(e.contains("in use by another process"), "{e}");
    let file = dir.path().join("file");
    std::fs::write(&file, b"x").unwrap();
    let e = Engine::open(config(&file)).err().unwrap().to_string();
    assert!(e.contains("making the folder") && e.contains("file"), "{e}");
}

#[tokio::test]
async fn what_was_seen_waits_until_it_is_folded() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::open(config(dir.path())).unwrap();
    let boots = engine.boots();
    let firmware = Firmware::BiosPxe;
    boots.signal(Who::Mac(MAC), engine::now(), Signal::Discover { firmware });
    assert!(boots.newest(MAC).is_none());
    // Told to end at once, it still takes in what was there.
    boots.fold(std::future::ready(())).await;
    assert_eq!(boots.newest(MAC).unwrap().state, BootState::Booting);
    assert_eq!(
        (boots.in_progress(), boots.history(MAC).await.unwrap().len()),
        (1, 1)
    );
    // And whoever folds next goes on.
    let cause = Cause {
        code: "no_image".into(),
        title: "It has no image".into(),
        hint: "Give it one".into(),
    };
    let hop = Hop::Disk;
    boots.signal(Who::Mac(MAC), engine::now(), Signal::Refused { hop, cause });
    boots.fold(std::future::ready(())).await;
    assert_eq!(boots.newest(MAC).unwrap().state, BootState::Stopped);
    assert_eq!(boots.in_progress(), 0);
    let counted = engine.counters().boots.ended(BootResult::Stopped, hop);
    assert_eq!(counted.get(), 1);
}

#[tokio::test]
async fn a_computer_that_was_removed_and_is_added_again_begins_without_a_boot() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::open(config(dir.path())).unwrap();
    let me = engine.as_itself("test");
    let boots = engine.boots();
    let discover = async || {
        let firmware = Firmware::BiosPxe;
        boots.signal(Who::Mac(MAC), engine::now(), Signal::Discover { firmware });
        boots.fold(std::future::ready(())).await;
    };
    let add = || me.create_client(CreateClientParams::new("pc-1", MAC));
    let first = add().await.unwrap().id;
    discover().await;
    let before = me.client("pc-1").unwrap().last_boot.unwrap();
    assert_eq!(before.client_id, Some(first));
    let cause = Cause {
        code: "no_image".into(),
        title: "It has no image".into(),
        hint: "Give it one".into(),
    };
    let hop = Hop::Disk;
    boots.signal(Who::Mac(MAC), engine::now(), Signal::Refused { hop, cause });
    boots.fold(std::future::ready(())).await;

    me.remove_client("pc-1", None).await.unwrap();
    add().await.unwrap();
    assert_eq!(me.client("pc-1").unwrap().last_boot, None);
    assert!(me.client_boots("pc-1").await.unwrap().is_empty());
    let all = me.boots().await.unwrap();
    assert_eq!(all[0].id, before.id, "it stays in the history of all");

    discover().await;
    let now = me.client("pc-1").unwrap().last_boot.unwrap();
    assert_ne!((now.id, now.client_id), (before.id, before.client_id));
    let own = me.client_boots("pc-1").await.unwrap();
    assert_eq!(own.iter().map(|b| b.id).collect::<Vec<_>>(), [now.id]);
}
