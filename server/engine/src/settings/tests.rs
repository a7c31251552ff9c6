//! Changes, undo and trials, on a database.

use super::*;
use crate::{Engine, EngineConfig, audit::AuditFilter};
use std::{
    collections::BTreeMap,
    sync::Mutex as StdMutex,
    time::{Duration, Instant},
};
use types::{BootNetworkParams, DhcpMode, SettingSource, SettingValue};

fn engine(dir: &std::path::Path, env: &[(&str, &str)]) -> Engine {
    Engine::open(EngineConfig {
        data_dir: dir.into(),
        sources: Sources::of_env(env),
        ..EngineConfig::default()
    })
    .unwrap()
}

fn text(value: &str) -> Option<SettingValue> {
    Some(SettingValue::Text(value.into()))
}

fn change(values: &[(&str, Option<SettingValue>)]) -> UpdateSettingsParams {
    let values = values.iter().map(|(k, v)| (k.to_string(), v.clone()));
    UpdateSettingsParams {
        values: values.collect(),
        confirm_within_seconds: None,
    }
}

fn network(range: &str) -> Option<SettingValue> {
    Some(SettingValue::Boot(BootNetworkParams {
        mode: DhcpMode::Full,
        range: Some(range.into()),
        ..BootNetworkParams::default()
    }))
}

fn view_of(view: &SettingsView, key: &str) -> SettingView {
    let found = view.settings.iter().find(|s| s.key == key);
    found.unwrap_or_else(|| panic!("{key}")).clone()
}

/// Writes down what it was asked to make so; refuses port 1, and ports that are gone.
#[derive(Default)]
struct World {
    made: StdMutex<Vec<Values>>,
    gone: StdMutex<Vec<u16>>,
}

impl World {
    fn make(&self, next: &Values) -> Result<()> {
        if next.listen.port() == 1 || self.gone.lock().unwrap().contains(&next.listen.port()) {
            return Err(Error::conflict(
                Area::Setting,
                format!("port {} is taken", next.listen.port()),
                "Another.",
            ));
        }
        self.made.lock().unwrap().push(next.clone());
        Ok(())
    }

    fn ports(&self) -> Vec<u16> {
        let made = self.made.lock().unwrap();
        made.iter().map(|v| v.listen.port()).collect()
    }
}

impl Apply for World {
    fn apply<'a>(&'a self, now: &'a Values, next: &'a Values) -> Applied<'a> {
        Box::pin(async move {
            // A page that stays where it is is not asked for again.
            match now.listen == next.listen {
                true => {
                    self.made.lock().unwrap().push(next.clone());
                    Ok(())
                }
                false => self.make(next),
            }
        })
    }

    fn go_back<'a>(&'a self, to: &'a Values, _: SocketAddr) -> Applied<'a> {
        Box::pin(async move { self.make(to) })
    }
}

async fn actions(engine: &Engine) -> Vec<(String, String)> {
    let admin = engine.as_itself("test");
    let all = admin
        .audit(AuditFilter::default(), None, 100)
        .await
        .unwrap();
    all.into_iter()
        .rev()
        .map(|e| (e.action, e.result))
        .collect()
}

#[tokio::test]
async fn what_is_saved_holds_unless_something_stands_above_it() {
    let dir = tempfile::tempdir().unwrap();
    let env = [("NSBOOT_LAB__ENABLED", "true")];
    let e = engine(dir.path(), &env);
    let admin = e.as_itself("test");
    let params = change(&[
        ("clients.unknown", text("adopt")),
        ("lab.enabled", text("false")),
    ]);
    let preview = admin.preview_settings(&params).await.unwrap();
    assert_eq!((preview.changes.len(), preview.revision), (2, 0));
    assert!(
        preview.effects[1].text.contains("NSBOOT_LAB__ENABLED"),
        "{preview:?}"
    );
    assert_eq!(
        admin.settings().await.revision,
        0,
        "a preview changes nothing"
    );
    let view = admin.update_settings(Some(0), params).await.unwrap();
    let unknown = view_of(&view, "clients.unknown");
    assert_eq!(
        (unknown.value, unknown.source, view.revision),
        (text("adopt").unwrap(), SettingSource::Database, 1)
    );
    let lab = view_of(&view, "lab.enabled");
    assert_eq!(
        (lab.value, lab.saved, lab.source),
        (text("true").unwrap(), text("false"), SettingSource::Env)
    );
    assert_eq!(
        e.settings().values().unknown_clients,
        crate::UnknownClients::Adopt
    );
    drop((admin, e));
    let again = engine(dir.path(), &[]);
    assert_eq!(
        again.settings().values().unknown_clients,
        crate::UnknownClients::Adopt
    );
    assert!(!again.settings().values().lab);
}

#[tokio::test]
async fn what_can_not_be_is_refused_and_nothing_is_changed() {
    let dir = tempfile::tempdir().unwrap();
    let e = engine(dir.path(), &[]);
    let admin = e.as_itself("test");
    let long = "x".repeat(5000);
    for (key, value, says) in [
        ("clients.unknwon", text("adopt"), "`clients.unknown`"),
        ("clients.unknown", text("maybe"), "one of discover, adopt"),
        (
            "clients.unknown",
            network("10.0.0.1-10.0.0.9"),
            "takes a text",
        ),
        ("http.listen", text("example"), "127.0.0.1:3000"),
        ("http.listen", text(&long), "at most"),
        (
            "http.allowed_origins",
            text("https://a.example/path"),
            "origin",
        ),
        ("http.allowed_origins", text("*"), "origin"),
        ("snapshots.every", text("weekly"), "a day such as monday"),
        ("snapshots.at", text("24:00"), "like 03:00"),
        ("snapshots.at", text("3:00"), "like 03:00"),
        ("snapshots.at", text("+3:-0"), "like 03:00"),
        ("snapshots.at", text("03:60"), "like 03:00"),
        ("snapshots.keep", text("0"), "from 1 to 100"),
        ("snapshots.keep", text("all"), "from 1 to 100"),
        ("boot.br0", text("full"), "boot network"),
        ("boot.br0", network("10.0.0.9-10.0.0.1"), "swap"),
        ("boot.", network("10.0.0.1-10.0.0.9"), "1 to 15"),
        ("boot.../../etc", network("10.0.0.1-10.0.0.9"), "name"),
        ("boot.-f", network("10.0.0.1-10.0.0.9"), "name"),
        ("boot.a/b/c", network("10.0.0.1-10.0.0.9"), "name"),
        ("", text("x"), "no setting"),
        ("boot. br0", network("10.0.0.1-10.0.0.9"), "without spaces"),
        ("clients.unknwon", None, "Did you mean"),
    ] {
        let good = ("clients.unknown", text("adopt"));
        for params in [
            change(&[(key, value.clone())]),
            change(&[good, (key, value.clone())]),
        ] {
            let e = admin.update_settings(None, params).await.unwrap_err();
            assert_eq!(e.code(), "NSB-SETTING-001", "{key}: {e}");
            assert!(e.to_string().contains(says), "{key}: {e}");
        }
    }
    assert_eq!(admin.settings().await.revision, 0);
    assert_eq!(admin.settings_history().await.unwrap(), []);
    let stale = admin.update_settings(Some(7), change(&[("lab.enabled", text("true"))]));
    assert_eq!(stale.await.unwrap_err().code(), "NSB-SETTING-003");
    let short = UpdateSettingsParams {
        confirm_within_seconds: Some(1),
        ..change(&[("http.listen", text("127.0.0.1:4000"))])
    };
    let e = admin.update_settings(None, short).await.unwrap_err();
    assert!(e.to_string().contains("between 10 and 600"), "{e}");
}

#[tokio::test]
async fn a_change_is_undone_once_and_not_over_a_later_one() {
    let dir = tempfile::tempdir().unwrap();
    let e = engine(dir.path(), &[]);
    let admin = e.as_itself("test");
    let set = |v: &str| admin.update_settings(None, change(&[("clients.unknown", text(v))]));
    set("adopt").await.unwrap();
    set("adopt").await.unwrap();
    assert_eq!(admin.settings().await.revision, 1, "no change, no revision");
    set("discover").await.unwrap();
    let late = admin.undo_settings(1).await.unwrap_err();
    assert!(late.to_string().contains("changed again"), "{late}");
    let view = admin.undo_settings(2).await.unwrap();
    assert_eq!(view_of(&view, "clients.unknown").saved, text("adopt"));
    assert_eq!(view.revision, 3);
    assert_eq!(
        admin.undo_settings(2).await.unwrap_err().code(),
        "NSB-SETTING-002"
    );
    let view = admin.undo_settings(1).await.unwrap();
    assert_eq!(view_of(&view, "clients.unknown").saved, None);
    let view = admin.undo_settings(4).await.unwrap();
    assert_eq!(
        view_of(&view, "clients.unknown").saved,
        text("adopt"),
        "undone, and done again"
    );
    assert_eq!(
        admin.undo_settings(99).await.unwrap_err().code(),
        "NSB-SETTING-004"
    );
    let history = admin.settings_history().await.unwrap();
    let states: Vec<_> = history
        .iter()
        .map(|r| (r.number, r.state, r.undoes))
        .collect();
    // There and back again by others: what the first made is not what holds.
    set("discover").await.unwrap();
    set("adopt").await.unwrap();
    let late = admin.undo_settings(5).await.unwrap_err();
    assert_eq!(late.code(), "NSB-SETTING-002", "{late}");
    assert_eq!(
        states,
        [
            (5, RevisionState::Applied, Some(4)),
            (4, RevisionState::Undone, Some(1)),
            (3, RevisionState::Applied, Some(2)),
            (2, RevisionState::Undone, None),
            (1, RevisionState::Undone, None),
        ]
    );
}

#[tokio::test]
async fn a_network_change_stays_only_when_a_new_connection_confirms_it() {
    let dir = tempfile::tempdir().unwrap();
    let e = engine(dir.path(), &[]);
    let world = Arc::new(World::default());
    e.settings().attach(world.clone());
    let admin = e.as_itself("test");
    let before = Instant::now();
    let params = change(&[("boot.br0", network("10.77.0.100-10.77.0.199"))]);
    let preview = admin.preview_settings(&params).await.unwrap();
    assert_eq!(preview.confirm_within_seconds, Some(120));
    let view = admin.update_settings(None, params).await.unwrap();
    assert_eq!(view.trial.map(|t| t.revision), Some(1));
    let other = change(&[("clients.unknown", text("adopt"))]);
    let meanwhile = admin.update_settings(None, other).await.unwrap_err();
    assert_eq!(meanwhile.code(), "NSB-SETTING-002");
    let old = admin.confirm_settings(1, before).await.unwrap_err();
    assert_eq!(old.code(), "NSB-SETTING-005", "{old}");
    let wrong = admin.confirm_settings(2, Instant::now()).await.unwrap_err();
    assert_eq!(wrong.code(), "NSB-SETTING-002");
    let view = admin.confirm_settings(1, Instant::now()).await.unwrap();
    assert_eq!(view.trial, None);
    assert_eq!(e.settings().values().boot.len(), 1);
    assert_eq!(
        admin.settings_revision(1).unwrap().state,
        RevisionState::Confirmed
    );
    assert_eq!(world.ports().len(), 1);
    drop((admin, e));
    let again = engine(dir.path(), &[]);
    assert_eq!(again.settings().values().boot[0].interface, "br0");
}

#[tokio::test(start_paused = true)]
async fn a_network_change_that_nobody_confirms_goes_back() {
    let dir = tempfile::tempdir().unwrap();
    let e = engine(dir.path(), &[]);
    let world = Arc::new(World::default());
    e.settings().attach(world.clone());
    let keeper = e.settings().clone();
    tokio::spawn(async move { keeper.end_trials().await });
    let admin = e.as_itself("test");
    let params = UpdateSettingsParams {
        confirm_within_seconds: Some(10),
        ..change(&[("http.listen", text("127.0.0.1:4000"))])
    };
    admin.update_settings(None, params).await.unwrap();
    let seen = Instant::now();
    while e.settings().trial().is_some() {
        assert!(seen.elapsed() < Duration::from_secs(60));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(world.ports(), [4000, 3000]);
    let revision = admin.settings_revision(1).unwrap();
    assert_eq!(revision.state, RevisionState::Reverted);
    assert!(revision.note.is_some_and(|n| n.contains("in time")));
    let ok = |a: &str| (a.to_string(), "ok".to_string());
    assert_eq!(
        actions(&e).await,
        [ok("setting.update"), ok("setting.revert")]
    );
    assert_eq!(
        admin.undo_settings(1).await.unwrap_err().code(),
        "NSB-SETTING-002"
    );
}

#[tokio::test]
async fn a_server_that_ends_in_a_trial_starts_with_what_was_before() {
    let dir = tempfile::tempdir().unwrap();
    let e = engine(dir.path(), &[]);
    let admin = e.as_itself("test");
    let first = change(&[("clients.unknown", text("adopt"))]);
    admin.update_settings(None, first).await.unwrap();
    let params = change(&[
        ("http.listen", text("127.0.0.1:4000")),
        ("clients.unknown", None),
    ]);
    admin.update_settings(None, params).await.unwrap();
    drop((admin, e));
    let e = engine(dir.path(), &[]);
    assert_eq!(e.settings().values().listen.port(), 3000);
    assert_eq!(
        e.settings().values().unknown_clients,
        crate::UnknownClients::Adopt
    );
    let admin = e.as_itself("test");
    let revision = admin.settings_revision(2).unwrap();
    assert_eq!(revision.state, RevisionState::Reverted);
    assert_eq!(actions(&e).await.last().unwrap().0, "setting.revert");
}

#[tokio::test]
async fn what_can_not_take_effect_is_taken_back_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let e = engine(dir.path(), &[]);
    e.settings().attach(Arc::new(World::default()));
    let admin = e.as_itself("test");
    let params = change(&[("http.listen", text("127.0.0.1:1"))]);
    let error = admin.update_settings(None, params).await.unwrap_err();
    assert!(error.to_string().contains("port 1 is taken"));
    let view = admin.settings().await;
    assert_eq!(view_of(&view, "http.listen").saved, None);
    assert_eq!(
        (view.trial, e.settings().values().listen.port()),
        (None, 3000)
    );
    let done: Vec<_> = actions(&e).await;
    assert_eq!(done[1], ("setting.revert".to_string(), "ok".to_string()));
}

#[tokio::test]
async fn a_row_that_nobody_understands_hinders_no_start() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("nsboot.redb")).unwrap();
    let rows = BTreeMap::from([
        ("future.setting", "x"),
        ("clients.unknown", "perhaps"),
        ("boot.br0", "{"),
    ]);
    for (key, value) in rows {
        let row = SettingRecord {
            key: key.into(),
            value: value.into(),
            updated_at: crate::now(),
        };
        store
            .write_wait::<_, Error, _>(move |tx| Ok(tx.put(&row)?))
            .unwrap();
    }
    drop(store);
    let e = engine(dir.path(), &[]);
    let view = e.as_itself("test").settings().await;
    assert_eq!(view.warnings.len(), 3, "{:?}", view.warnings);
    assert_eq!(
        view_of(&view, "clients.unknown").source,
        SettingSource::Default
    );
}

#[tokio::test]
async fn what_stands_above_can_not_be_taken_away() {
    let dir = tempfile::tempdir().unwrap();
    let e = engine(dir.path(), &[("NSBOOT_LAB__ENABLED", "true")]);
    let admin = e.as_itself("test");
    let remove = admin.update_settings(None, change(&[("lab.enabled", None)]));
    let error = remove.await.unwrap_err();
    assert!(error.to_string().contains("NSBOOT_LAB__ENABLED"), "{error}");
    let network = admin.update_settings(None, change(&[("boot.br7", None)]));
    assert_eq!(network.await.unwrap_err().code(), "NSB-NETWORK-004");
    let default = change(&[("clients.unknown", None)]);
    let view = admin.update_settings(None, default).await.unwrap();
    assert_eq!(view.revision, 0, "it is so already");
}

#[tokio::test]
async fn an_undo_that_goes_back_leaves_what_it_undid() {
    let dir = tempfile::tempdir().unwrap();
    let e = engine(dir.path(), &[]);
    let admin = e.as_itself("test");
    let params = change(&[("boot.br0", network("10.77.0.100-10.77.0.199"))]);
    admin.update_settings(None, params).await.unwrap();
    admin.confirm_settings(1, Instant::now()).await.unwrap();
    let state = |n| admin.settings_revision(n).unwrap().state;
    admin.undo_settings(1).await.unwrap();
    assert_eq!(
        (state(1), state(2)),
        (RevisionState::Confirmed, RevisionState::OnTrial)
    );
    // Taken back, as time would.
    admin.undo_settings(2).await.unwrap();
    assert_eq!(
        (state(1), state(2)),
        (RevisionState::Confirmed, RevisionState::Reverted)
    );
    admin.undo_settings(1).await.unwrap();
    admin.confirm_settings(3, Instant::now()).await.unwrap();
    assert_eq!(
        (state(1), state(3)),
        (RevisionState::Undone, RevisionState::Confirmed)
    );
    assert_eq!(e.settings().values().boot, []);
}

#[tokio::test(start_paused = true)]
async fn a_way_back_that_fails_is_tried_until_it_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let e = engine(dir.path(), &[]);
    let world = Arc::new(World::default());
    e.settings().attach(world.clone());
    let keeper = e.settings().clone();
    tokio::spawn(async move { keeper.end_trials().await });
    let admin = e.as_itself("test");
    let params = change(&[("http.listen", text("127.0.0.1:4000"))]);
    admin.update_settings(None, params).await.unwrap();
    world.gone.lock().unwrap().push(3000);
    admin.undo_settings(1).await.unwrap();
    assert_eq!(world.ports(), [4000], "it could not go back yet");
    world.gone.lock().unwrap().clear();
    // Of the wall's clock: that of the runtime runs ahead while the database writes.
    let begun = std::time::Instant::now();
    while world.ports() != [4000, 3000] {
        let ports = world.ports();
        let waited = begun.elapsed();
        assert!(waited < Duration::from_secs(30), "it is still at {ports:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_trial_ends_also_while_an_earlier_way_back_still_fails() {
    let dir = tempfile::tempdir().unwrap();
    let e = engine(dir.path(), &[]);
    let world = Arc::new(World::default());
    e.settings().attach(world.clone());
    let keeper = e.settings().clone();
    tokio::spawn(async move { keeper.end_trials().await });
    let admin = e.as_itself("test");
    let params = change(&[("http.listen", text("127.0.0.1:4000"))]);
    admin.update_settings(None, params).await.unwrap();
    world.gone.lock().unwrap().push(3000);
    admin.undo_settings(1).await.unwrap();
    let params = UpdateSettingsParams {
        confirm_within_seconds: Some(10),
        ..change(&[("boot.br0", network("10.0.0.100-10.0.0.199"))])
    };
    // The time is not real: it may be over by now.
    admin.update_settings(None, params).await.unwrap();
    let mut trial = e.settings().inner.trial.subscribe();
    let ended = trial.wait_for(Option::is_none);
    let ended = tokio::time::timeout(Duration::from_secs(60), ended).await;
    ended.expect("it goes back by itself").unwrap();
    assert_eq!(e.settings().values().boot, []);
    assert_eq!(
        admin.settings_revision(2).unwrap().state,
        RevisionState::Reverted
    );
}
