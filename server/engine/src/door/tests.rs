//! What holds at the door: roles, the last admin, tokens, and that refusals are written down.

use crate::{Actor, By, Caller, Engine, EngineConfig, Error, Identity, audit::AuditFilter, now};
use types::{
    ChangePasswordParams, CreateTokenParams, CreateUserParams, LoginParams, Role, UpdateUserParams,
    UserView, Way,
};

struct House {
    _dir: tempfile::TempDir,
    engine: Engine,
}

const PASSWORD: &str = "correct horse";

impl House {
    async fn new() -> House {
        let dir = tempfile::tempdir().unwrap();
        let engine = Engine::open(EngineConfig {
            data_dir: dir.path().into(),
            ..EngineConfig::default()
        });
        House {
            engine: engine.unwrap(),
            _dir: dir,
        }
    }

    async fn user(&self, name: &str, role: Role) -> UserView {
        let params = CreateUserParams {
            username: name.into(),
            password: PASSWORD.into(),
            role,
        };
        let made = self.engine.as_itself("test").create_user(params).await;
        made.unwrap()
    }

    async fn login(&self, name: &str, password: &str) -> Result<Caller, Error> {
        let by = By {
            agent: Some("Firefox".into()),
            ..By::unknown("", Some("192.0.2.1".parse().unwrap()), Way::Rest)
        };
        let params = LoginParams {
            username: name.into(),
            password: password.into(),
        };
        let tokens = self.engine.users().login(by, params).await?;
        let identity = self.engine.users().authenticate(&tokens.access_token)?;
        Ok(caller(identity))
    }

    async fn refusals(&self) -> Vec<String> {
        let filter = AuditFilter {
            result: Some("refused".into()),
            ..AuditFilter::default()
        };
        let itself = self.engine.as_itself("test");
        let found = itself.audit(filter, None, 99);
        found.await.unwrap().into_iter().map(|e| e.action).collect()
    }
}

fn caller(identity: Identity) -> Caller {
    Caller {
        by: By {
            actor: identity.actor.clone(),
            role: Some(identity.role),
            ..By::unknown("", None, Way::Rest)
        },
        identity,
    }
}

fn token(name: &str, role: Role) -> CreateTokenParams {
    CreateTokenParams {
        name: name.into(),
        role,
        expires_in_days: 1,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_opens_its_own_doors_and_those_below() {
    let house = House::new().await;
    let first = CreateUserParams {
        username: "vi".into(),
        password: PASSWORD.into(),
        role: Role::Viewer,
    };
    let refused = house.engine.as_itself("test").create_user(first).await;
    assert_eq!(
        refused.unwrap_err().code(),
        "NSB-USER-001",
        "nobody could become an administrator"
    );
    house.user("root", Role::Admin).await;
    for (role, may) in [
        (Role::Viewer, [true, false, false]),
        (Role::Operator, [true, true, false]),
        (Role::Admin, [true, true, true]),
    ] {
        house.user(role.word(), role).await;
        let who = house.login(role.word(), PASSWORD).await.unwrap();
        let e = &house.engine;
        let opens = [
            e.as_viewer(&who).is_ok(),
            e.as_operator(&who).is_ok(),
            e.as_admin(&who).is_ok(),
        ];
        assert_eq!(opens, may, "{role:?}");
    }
    // The queue is in order: with this entry those before it are there.
    house.user("flush", Role::Viewer).await;
    let refused = ["auth.role", "auth.role", "auth.role", "user.create"];
    assert_eq!(house.refusals().await, refused);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_admin_stays_one() {
    let house = House::new().await;
    let admin = house.engine.as_itself("test");
    let ada = house.user("ada", Role::Admin).await;
    let demote = |role| UpdateUserParams {
        role: Some(role),
        ..UpdateUserParams::default()
    };
    let e = admin.update_user("ada", None, demote(Role::Viewer)).await;
    assert_eq!(e.unwrap_err().code(), "NSB-USER-002");
    assert_eq!(
        admin.remove_user("ada", None).await.unwrap_err().code(),
        "NSB-USER-002"
    );
    house.user("bob", Role::Admin).await;
    // Both at once: one of them is first, and the other is the last then.
    let one = admin.remove_user("ada", None);
    let two = admin.update_user("bob", None, demote(Role::Operator));
    let (one, two) = tokio::join!(one, two);
    assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
    let admins = admin.users().into_iter().filter(|u| u.role == Role::Admin);
    assert_eq!(admins.count(), 1);
    let stale = admin.update_user("bob", Some(ada.revision + 7), demote(Role::Viewer));
    assert_eq!(stale.await.unwrap_err().code(), "NSB-USER-003");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_role_or_password_ends_sessions_at_once() {
    let house = House::new().await;
    house.user("root", Role::Admin).await;
    house.user("ada", Role::Operator).await;
    let admin = house.engine.as_itself("test");
    let users = house.engine.users();
    let who = house.login("ada", PASSWORD).await.unwrap();
    assert!(users.again(&who.identity).is_ok());
    let change = UpdateUserParams {
        role: Some(Role::Viewer),
        ..UpdateUserParams::default()
    };
    admin.update_user("ada", None, change).await.unwrap();
    assert!(users.again(&who.identity).is_err());

    // One's own password: this session stays, the others end.
    let (here, there) = (
        house.login("ada", PASSWORD).await.unwrap(),
        house.login("ada", PASSWORD).await.unwrap(),
    );
    let viewer = house.engine.as_viewer(&here).unwrap();
    assert_eq!(viewer.own_sessions().unwrap().len(), 2);
    assert_eq!(
        viewer.own_sessions().unwrap()[0].agent.as_deref(),
        Some("Firefox")
    );
    let change = |current: &str| ChangePasswordParams {
        current: current.into(),
        new: "another horse".into(),
    };
    let wrong = viewer.change_password(change("wrong horse")).await;
    assert!(matches!(
        wrong,
        Err(Error::Invalid {
            field: "current",
            ..
        })
    ));
    viewer.change_password(change(PASSWORD)).await.unwrap();
    assert!(users.again(&here.identity).is_ok() && users.again(&there.identity).is_err());
    assert!(house.login("ada", PASSWORD).await.is_err());
    assert!(house.login("ada", "another horse").await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_never_does_more_than_its_owner_and_ends() {
    let house = House::new().await;
    house.user("root", Role::Admin).await;
    house.user("ada", Role::Operator).await;
    let (users, admin) = (house.engine.users(), house.engine.as_itself("test"));
    let who = house.login("ada", PASSWORD).await.unwrap();
    let ada = house.engine.as_viewer(&who).unwrap();
    let above = ada
        .create_token(token("x", Role::Admin))
        .await
        .err()
        .unwrap();
    assert!(matches!(above, Error::Invalid { field: "role", .. }));
    let new = ada.create_token(token("ci", Role::Operator)).await.unwrap();
    let twice = ada
        .create_token(token("CI", Role::Viewer))
        .await
        .err()
        .unwrap();
    assert_eq!(twice.code(), "NSB-TOKEN-002");
    let by_token = users.authenticate(&new.secret).unwrap();
    assert_eq!(
        (by_token.role, by_token.actor.view().name.as_str()),
        (Role::Operator, "ada/ci")
    );
    for bad in [
        new.secret
            .trim_end_matches(char::is_alphanumeric)
            .to_string(),
        format!("{}x", new.secret),
        new.secret.replace("nsb_", "nsb__"),
        "nsb_".into(),
    ] {
        assert!(users.authenticate(&bad).is_err(), "{bad}");
    }
    // A token that leaked must not make its own successor.
    let leaked = house.engine.as_viewer(&caller(by_token.clone())).unwrap();
    let heir = leaked.create_token(token("heir", Role::Viewer)).await;
    assert_eq!(heir.err().unwrap().code(), "NSB-AUTH-002");
    let lower = UpdateUserParams {
        role: Some(Role::Viewer),
        ..UpdateUserParams::default()
    };
    admin.update_user("ada", None, lower).await.unwrap();
    assert_eq!(users.authenticate(&new.secret).unwrap().role, Role::Viewer);
    assert_eq!(users.again(&by_token).unwrap().role, Role::Viewer);
    admin.remove_user("ada", None).await.unwrap();
    assert!(users.authenticate(&new.secret).is_err());
    assert!(admin.tokens(None).unwrap().is_empty());
    for days in [0, 3651] {
        let params = CreateTokenParams {
            expires_in_days: days,
            ..token("y", Role::Viewer)
        };
        let e = admin.create_token_for("root", params).await.err().unwrap();
        assert!(matches!(
            e,
            Error::Invalid {
                field: "expires_in_days",
                ..
            }
        ));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_is_written_down_and_no_secret_is() {
    let house = House::new().await;
    house.user("ada", Role::Admin).await;
    assert!(house.login("ada", "wrong horse battery").await.is_err());
    let who = house.login("ada", PASSWORD).await.unwrap();
    let admin = house.engine.as_admin(&who).unwrap();
    let gone = admin.remove_client("no-such", None).await;
    assert_eq!(gone.unwrap_err().code(), "NSB-CLIENT-004");
    let weak = CreateUserParams {
        username: "eve".into(),
        password: "hunter2".into(),
        role: Role::Viewer,
    };
    assert!(admin.create_user(weak).await.is_err());
    let new = admin.create_token(token("ci", Role::Viewer)).await.unwrap();
    let log = admin.audit(AuditFilter::default(), None, 99).await.unwrap();
    let text = serde_json::to_string(&log).unwrap();
    for secret in [
        PASSWORD,
        "wrong horse battery",
        "hunter2",
        "argon2",
        &new.secret[36..],
    ] {
        assert!(!text.contains(secret), "{secret}");
    }
    assert_eq!(
        house.refusals().await,
        ["user.create", "client.remove", "auth.login"]
    );
    let by_ada = log.iter().find(|e| e.action == "token.create").unwrap();
    assert_eq!(by_ada.actor.name, "ada");
    assert!(matches!(who.by.actor, Actor::User { .. }) && by_ada.at <= now());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_actions_are_written_down_like_refused_changes() {
    let house = House::new().await;
    let itself = house.engine.as_itself("test");
    // A file where the lab's folder has to be: there can be no lab, also for root.
    std::fs::write(house._dir.path().join("lab"), "").unwrap();
    assert!(itself.lab_up().await.is_err());
    itself.lab_down().await.unwrap();
    assert!(itself.verify_image("no-such").await.is_err());
    assert!(itself.force_loader_once("no-such").await.is_err());
    let names = ["one".to_string(), "two".to_string()];
    let named = types::UpdateClientParams {
        name: Some("both".into()),
        ..Default::default()
    };
    assert!(itself.update_clients(&names, 2, named).await.is_err());
    assert!(itself.remove_clients(&names, 2).await.is_err());
    let wrong: Result<(String, fn()), _> = Err(Error::invalid(crate::Area::System, "level", "no"));
    assert!(itself.set_log_level("inof", wrong).await.is_err());
    // The queue is in order: with this entry those before it are there.
    house.user("flush", Role::Admin).await;
    assert_eq!(
        house.refusals().await,
        [
            "system.log_level",
            "client.remove_many",
            "client.update_many",
            "client.through_loader",
            "image.verify",
            "lab.up",
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_level_changes_after_its_entry_is_durable_and_never_without_one() {
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    };
    let disk = store::recorder::Recorder::new();
    let dir = tempfile::tempdir().unwrap();
    let config = EngineConfig {
        data_dir: dir.path().into(),
        ..EngineConfig::default()
    };
    let engine = Engine::open_on(config, disk.open().unwrap()).unwrap();
    let admin = engine.as_itself("test");
    let set = Arc::new(AtomicU32::new(0));
    let prepared = || {
        let set = set.clone();
        Ok(("info".to_string(), move || {
            set.fetch_add(1, SeqCst);
        }))
    };
    admin.set_log_level("debug", prepared()).await.unwrap();
    assert_eq!(set.load(SeqCst), 1);
    let entry = admin
        .audit(AuditFilter::default(), None, 1)
        .await
        .unwrap()
        .remove(0);
    assert_eq!(entry.before.unwrap()["level"], "info");
    assert_eq!(entry.after.unwrap()["level"], "debug");
    disk.break_at(disk.log().len(), nix::libc::EIO);
    assert!(admin.set_log_level("warn", prepared()).await.is_err());
    assert_eq!(set.load(SeqCst), 1, "no entry, no change");
}
