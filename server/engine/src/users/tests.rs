//! What holds for accounts and sessions, seen from outside.

use super::*;
use types::SetupParams;

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

struct Box_ {
    dir: tempfile::TempDir,
}

impl Box_ {
    fn new() -> Self {
        Box_ {
            dir: tempfile::tempdir().unwrap(),
        }
    }
    fn open(&self, admin: Option<&str>) -> Result<Users> {
        let store = Store::open(&self.dir.path().join("nsboot.redb"))?;
        let store = Arc::new(store);
        let audit = Audit::new(store.clone(), crate::EventBus::default());
        Users::open(store, audit, &self.dir.path().join("keys"), admin)
    }
}

fn login(name: &str, password: &str) -> LoginParams {
    LoginParams {
        username: name.into(),
        password: password.into(),
    }
}

fn setup(code: &str) -> SetupParams {
    SetupParams {
        code: code.into(),
        username: "ada".into(),
        password: "correct horse".into(),
    }
}

fn is_unauthorized<T>(r: Result<T>) -> bool {
    matches!(r, Err(Error::Unauthorized(_)))
}

#[tokio::test]
async fn the_first_account_is_made_once_by_the_code() {
    let b = Box_::new();
    let users = b.open(None).unwrap();
    let code = users.setup_code().unwrap();
    assert_eq!(code.len(), 14, "{code}");
    assert!(users.needs_setup());
    let wrong = users.setup(from(HERE), setup("AAAA-AAAA-AAAA")).await;
    assert!(matches!(wrong, Err(Error::Invalid { field: "code", .. })));
    let typed = code.to_lowercase().replace('-', " ");
    let token = users.setup(from(HERE), setup(&typed)).await.unwrap();
    let who = users.authenticate(&token.access_token).unwrap();
    assert_eq!(
        (who.actor.view().name.as_str(), who.role),
        ("ada", Role::Admin)
    );
    assert_eq!(users.setup_code(), None);
    let again = users.setup(from(HERE), setup(&code)).await;
    assert!(matches!(again, Err(Error::Conflict { .. })));
    drop(users);
    let users = b.open(Some("another password")).unwrap();
    assert_eq!(users.setup_code(), None);
    assert!(
        users.authenticate(&token.access_token).is_ok(),
        "sessions survive a restart"
    );
    assert!(
        users
            .login(from(HERE), login("ADA", "correct horse"))
            .await
            .is_ok()
    );
    assert!(is_unauthorized(
        users
            .login(from(HERE), login("admin", "another password"))
            .await
    ));
}

#[tokio::test]
async fn wrong_codes_have_to_wait() {
    let users = Box_::new().open(None).unwrap();
    for _ in 0..5 {
        assert!(matches!(
            users.setup(from(HERE), setup("x")).await,
            Err(Error::Invalid { .. })
        ));
    }
    assert!(matches!(
        users.setup(from(HERE), setup("x")).await,
        Err(Error::TooMany { .. })
    ));
}

#[tokio::test]
async fn bad_names_and_passwords_make_no_account() {
    let users = Box_::new().open(None).unwrap();
    let code = users.setup_code().unwrap();
    for name in ["", "a b", "-a", "é", "a/b", &"a".repeat(33)] {
        let e = users
            .setup(
                from(HERE),
                SetupParams {
                    username: name.into(),
                    ..setup(&code)
                },
            )
            .await;
        assert!(
            matches!(
                e,
                Err(Error::Invalid {
                    field: "username",
                    ..
                })
            ),
            "{name:?}"
        );
    }
    let e = users
        .setup(
            from(HERE),
            SetupParams {
                password: "short".into(),
                ..setup(&code)
            },
        )
        .await;
    assert!(matches!(
        e,
        Err(Error::Invalid {
            field: "password",
            ..
        })
    ));
    assert!(users.needs_setup());
    assert!(matches!(
        Box_::new().open(Some("short")),
        Err(Error::Invalid {
            field: "NSBOOT_ADMIN_PASSWORD",
            ..
        })
    ));
}

#[tokio::test]
async fn logins_are_checked_and_slowed_down() {
    let users = Box_::new().open(Some("correct horse")).unwrap();
    assert!(users.setup_code().is_none());
    assert!(
        users
            .login(from(HERE), login("Admin", "correct horse"))
            .await
            .is_ok()
    );
    for (name, password) in [
        ("admin", "wrong"),
        ("admin", ""),
        ("nobody", "correct horse"),
    ] {
        let e = users
            .login(from(HERE), login(name, password))
            .await
            .err()
            .unwrap();
        assert_eq!(e.code(), "NSB-AUTH-010");
        assert_eq!(e.to_string(), "the user name or the password is wrong");
    }
    for _ in 0..3 {
        assert!(is_unauthorized(
            users.login(from(HERE), login("admin", "wrong")).await
        ));
    }
    let slow = users
        .login(from(HERE), login("admin", "correct horse"))
        .await;
    assert!(matches!(slow, Err(Error::TooMany { .. })));
    let elsewhere: IpAddr = "10.0.0.9".parse().unwrap();
    assert!(
        users
            .login(from(elsewhere), login("admin", "correct horse"))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_refresh_token_works_once_and_its_reuse_ends_the_session() {
    let b = Box_::new();
    let users = b.open(Some("correct horse")).unwrap();
    let first = users
        .login(from(HERE), login("admin", "correct horse"))
        .await
        .unwrap();
    let other = users
        .login(from(HERE), login("admin", "correct horse"))
        .await
        .unwrap();
    let second = users.refresh(&first.refresh_token).await.unwrap();
    assert!(users.authenticate(&second.access_token).is_ok());
    let third = users.refresh(&second.refresh_token).await.unwrap();
    assert!(is_unauthorized(users.refresh(&first.refresh_token).await));
    assert!(is_unauthorized(users.authenticate(&third.access_token)));
    assert!(is_unauthorized(users.refresh(&third.refresh_token).await));
    assert!(
        users.authenticate(&other.access_token).is_ok(),
        "another session goes on"
    );
    drop(users);
    let users = b.open(None).unwrap();
    assert!(
        is_unauthorized(users.refresh(&third.refresh_token).await),
        "for good"
    );
    assert!(users.refresh(&other.refresh_token).await.is_ok());
}

#[tokio::test]
async fn of_two_refreshes_at_once_one_wins() {
    let users = Box_::new().open(Some("correct horse")).unwrap();
    let t = users
        .login(from(HERE), login("admin", "correct horse"))
        .await
        .unwrap();
    let (a, b) = tokio::join!(
        users.refresh(&t.refresh_token),
        users.refresh(&t.refresh_token)
    );
    assert_eq!(usize::from(a.is_ok()) + usize::from(b.is_ok()), 1);
}

#[tokio::test]
async fn the_two_kinds_of_token_do_not_stand_in_for_each_other() {
    let users = Box_::new().open(Some("correct horse")).unwrap();
    let t = users
        .login(from(HERE), login("admin", "correct horse"))
        .await
        .unwrap();
    assert!(is_unauthorized(users.authenticate(&t.refresh_token)));
    assert!(is_unauthorized(users.refresh(&t.access_token).await));
}

#[tokio::test]
async fn a_logout_ends_the_access_token_too() {
    let users = Box_::new().open(Some("correct horse")).unwrap();
    let t = users
        .login(from(HERE), login("admin", "correct horse"))
        .await
        .unwrap();
    let who = users.authenticate(&t.access_token).unwrap();
    assert_eq!(users.me(&who).username, "admin");
    users
        .logout(&from(HERE), who.session_id.unwrap())
        .await
        .unwrap();
    assert!(is_unauthorized(users.authenticate(&t.access_token)));
    assert!(is_unauthorized(users.refresh(&t.refresh_token).await));
    users
        .logout(&from(HERE), who.session_id.unwrap())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_user_has_a_bounded_number_of_sessions() {
    let users = Box_::new().open(Some("correct horse")).unwrap();
    let user = users
        .inner
        .live(|l| l.users.values().next().unwrap().clone());
    let first = users.open_session(&from(HERE), &user).await.unwrap();
    for _ in 0..50 {
        users.open_session(&from(HERE), &user).await.unwrap();
    }
    assert_eq!(users.inner.live(|l| l.sessions.len()), 50);
    assert!(is_unauthorized(users.authenticate(&first.access_token)));
}

#[tokio::test]
async fn a_browser_keeps_its_session_by_the_newest_refresh_token() {
    let users = Box_::new().open(Some("correct horse")).unwrap();
    let t = users
        .login(from(HERE), login("admin", "correct horse"))
        .await
        .unwrap();
    let who = users.resume(&t.refresh_token).unwrap();
    assert_eq!(
        who,
        users.resume(&t.refresh_token).unwrap(),
        "many requests at once"
    );
    assert_eq!(who, users.authenticate(&t.access_token).unwrap());
    assert!(is_unauthorized(users.resume(&t.access_token)));
    let next = users.refresh(&t.refresh_token).await.unwrap();
    assert!(is_unauthorized(users.resume(&t.refresh_token)));
    let session = who.session_id.unwrap();
    assert!(users.resume(&next.refresh_token).is_ok() && users.session_lives(session));
    // Whoever holds a long answer is woken, and finds the role of this moment.
    let mut changes = users.changes();
    assert_eq!(users.again(&who).unwrap().role, Role::Admin);
    users.inner.change_live(|l| {
        l.users.get_mut(&who.user_id.unwrap()).unwrap().role = Role::Viewer;
    });
    assert!(changes.has_changed().unwrap());
    assert_eq!(users.again(&who).unwrap().role, Role::Viewer);
    changes.mark_unchanged();
    users.logout(&from(HERE), session).await.unwrap();
    assert!(changes.has_changed().unwrap());
    assert!(is_unauthorized(users.resume(&next.refresh_token)));
    assert!(!users.session_lives(who.session_id.unwrap()));
}

fn from(address: IpAddr) -> By {
    By::unknown("test", Some(address), types::Way::Rest)
}
