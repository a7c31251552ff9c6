//! Leases over a real database file.

use super::*;
use crate::{By, Engine, EngineConfig, Next};
use serde_json::json;
use std::path::Path;
use types::{
    AddressRange, CreateReservationParams, CreateScopeParams, Event, LeaseState, ScopeView,
    UpdateReservationParams, UpdateScopeParams,
};

const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 9]);

fn range() -> AddressRange {
    AddressRange {
        first: Ipv4Addr::new(10, 77, 0, 100),
        last: Ipv4Addr::new(10, 77, 0, 199),
    }
}

/// The own scope of br0, which is 10.77.0.1/24.
fn own(range: AddressRange) -> OwnNetwork {
    OwnNetwork {
        interface: "br0".into(),
        server: Ipv4Addr::new(10, 77, 0, 1),
        prefix_len: 24,
        range,
        router: Some(Ipv4Addr::new(10, 77, 0, 254)),
        dns: Vec::new(),
        lease_seconds: 3600,
    }
}

fn open(folder: &Path) -> Engine {
    Engine::open(EngineConfig {
        data_dir: folder.to_owned(),
        ..EngineConfig::default()
    })
    .expect("a fresh folder")
}

fn claim(scope: &Scope, mac: MacAddr, last: u8) -> Lease {
    let asker = Asker {
        mac,
        client_id: vec![1, 2],
        hostname: Some("pc".into()),
    };
    let address = Ipv4Addr::new(10, 77, 0, last);
    match scope.with_pool(|p| p.claim(&asker, address, 3600, true, now())) {
        Claim::Granted { lease, .. } => lease,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_committed_lease_is_there_after_a_restart() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    {
        let engine = open(folder.path());
        let scope = engine
            .leases()
            .open_scope("br0", own(range()))
            .expect("a valid range");
        let lease = claim(&scope, MAC, 150);
        let mut events = engine.events().subscribe(types::Topics::default());
        scope.commit(vec![lease.clone()]).await.expect("durable");
        scope.announce(&[lease]);
        let Next::Changes(changes) = events.next().await else {
            panic!("one event is not too many");
        };
        let event = changes[0].event();
        assert!(matches!(event, Event::LeaseChanged { lease } if lease.mac == MAC));
        // A record that can't be read and one outside the subnet cost nobody else anything.
        let outside = Lease {
            address: Ipv4Addr::new(10, 9, 9, 9),
            ..claim(&scope, MacAddr([2, 0, 0, 0, 0, 10]), 151)
        };
        scope.commit(vec![outside]).await.expect("durable");
    }
    let engine = open(folder.path());
    let leases = engine.leases();
    assert_eq!(leases.list(), vec![]);
    let scope = leases
        .open_scope("br0", own(range()))
        .expect("a valid range");
    assert_eq!(leases.address_of(MAC), Some(Ipv4Addr::new(10, 77, 0, 150)));
    assert_eq!(
        leases.address_owner(Ipv4Addr::new(10, 77, 0, 150)),
        Some(MAC)
    );
    let list = leases.list();
    assert_eq!(list.len(), 1, "{list:?}");
    assert_eq!(list[0].state, LeaseState::Active);
    assert_eq!(list[0].hostname.as_deref(), Some("pc"));
    assert_eq!(scope.usage(), (1, 100));
    leases.close_scope("br0");
    assert_eq!(leases.address_of(MAC), None);
}

#[tokio::test]
async fn scopes_do_not_mix() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let engine = open(folder.path());
    let leases = engine.leases();
    let one = leases.open_scope("br1", own(range())).expect("valid");
    let lease = claim(&one, MAC, 150);
    one.commit(vec![lease]).await.expect("durable");
    let ten = leases.open_scope("br10", own(range())).expect("valid");
    assert_eq!(ten.list(), vec![]);
    assert_eq!(leases.list().len(), 1);
}

#[tokio::test]
async fn a_range_upside_down_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let AddressRange { first, last } = range();
    let error = open(folder.path())
        .leases()
        .open_scope(
            "br0",
            own(AddressRange {
                first: last,
                last: first,
            }),
        )
        .err()
        .expect("refused");
    assert!(error.to_string().contains("lower address first"), "{error}");
}

fn text(e: Error) -> String {
    format!("{} {e}", e.code())
}

fn by() -> &'static By {
    static BY: std::sync::LazyLock<By> = std::sync::LazyLock::new(|| By::system("test"));
    &BY
}

fn reserve(mac: MacAddr, last: u8) -> CreateReservationParams {
    CreateReservationParams {
        mac,
        address: Ipv4Addr::new(10, 77, 0, last),
        scope: None,
        hostname: None,
        options: Vec::new(),
    }
}

#[tokio::test]
async fn an_edit_holds_at_once_and_drops_no_lease() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let engine = open(folder.path());
    let leases = engine.leases();
    let scope = leases.open_scope("br0", own(range())).expect("valid");
    let lease = claim(&scope, MAC, 150);
    scope.commit(vec![lease]).await.expect("durable");
    let change = UpdateScopeParams {
        ranges: Some(vec!["10.77.0.20-10.77.0.29".parse().expect("a range")]),
        exclusions: Some(vec!["10.77.0.100-10.77.0.199".parse().expect("a range")]),
        domain: Some("lab.example".into()),
        lease_seconds: Some(600),
        options: Some(vec!["42:addresses:10.77.0.3".parse().expect("an option")]),
        ..UpdateScopeParams::default()
    };
    let view = leases.update_scope(by(), "br0", Some(0), change.clone());
    let view = view.await.expect("changed");
    assert_eq!((view.revision, view.is_own), (1, true));
    assert_eq!(view.ranges.len(), 2, "with that of the setting");
    assert_eq!(scope.usage(), (1, 10));
    assert_eq!(leases.address_of(MAC), Some(Ipv4Addr::new(10, 77, 0, 150)));
    let plan = scope.decide(|_, plan| plan.clone());
    assert_eq!(
        (plan.lease_seconds, plan.domain.as_deref()),
        (600, Some("lab.example"))
    );
    assert_eq!(plan.options_for(MAC, &[]), [(42, vec![10, 77, 0, 3])]);
    assert_eq!(view.own_lease_seconds, Some(600));
    let offer = |n| {
        let mac = MacAddr([2, 0, 0, 0, 1, n]);
        scope.with_pool(|p| p.offer(mac, None, now()))
    };
    assert_eq!(offer(1), Some(Ipv4Addr::new(10, 77, 0, 20)));

    // The same again changes nothing; what was read before is too old.
    let again = UpdateScopeParams {
        ranges: Some(view.ranges.clone()),
        ..change
    };
    let same = leases.update_scope(by(), "br0", Some(1), again.clone());
    assert_eq!(same.await.expect("the same"), view);
    let stale = leases.update_scope(by(), "br0", Some(0), again).await;
    assert!(text(stale.expect_err("stale")).starts_with("NSB-SCOPE-003"));

    // After a restart it is as it was set.
    drop((scope, engine));
    let engine = open(folder.path());
    let scope = engine
        .leases()
        .open_scope("br0", own(range()))
        .expect("valid");
    assert_eq!(scope.usage(), (1, 10));
    let mut reopened = engine.leases().scope_view("br0").expect("there");
    reopened.leases_active = view.leases_active;
    assert_eq!(
        reopened,
        ScopeView {
            leases_active: 1,
            ..view
        }
    );
}

#[tokio::test]
async fn a_settings_field_is_not_a_scopes_and_what_can_not_be_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let engine = open(folder.path());
    let leases = engine.leases();
    leases.open_scope("br0", own(range())).expect("valid");
    let change = |json| serde_json::from_value::<UpdateScopeParams>(json).expect("parameters");
    for (params, says) in [
        (json!({"router": "10.77.0.2"}), "setting boot.br0"),
        (json!({"dns": ["10.77.0.2"]}), "setting boot.br0"),
        (
            json!({"ranges": [{"first": "10.78.0.1", "last": "10.78.0.9"}]}),
            "not inside 10.77.0.0/24",
        ),
        (
            json!({"exclusions": [{"first": "10.77.0.9", "last": "10.77.0.1"}]}),
            "swap them",
        ),
        (
            json!({"ranges": [{"first": "10.77.0.150", "last": "10.77.0.210"}]}),
            "of the boot network's setting",
        ),
        (
            json!({"ranges": [{"first": "10.77.0.20", "last": "10.77.0.29"}, {"first": "10.77.0.29", "last": "10.77.0.30"}]}),
            "write them as one",
        ),
        (json!({"domain": "a b"}), "write a domain"),
        (json!({"lease_seconds": 59}), "a lease lasts from 60"),
        (
            json!({"options": [{"code": 66, "kind": "text", "value": "x"}]}),
            "option 66 can't be set here",
        ),
    ] {
        let refused = leases.update_scope(by(), "br0", None, change(params)).await;
        let said = text(refused.expect_err(says));
        assert!(
            said.starts_with("NSB-SCOPE-001") && said.contains(says),
            "{said}"
        );
    }
    assert_eq!(leases.scope_view("br0").expect("there").revision, 0);
    let removed = leases.remove_scope(by(), "br0", None).await;
    assert!(text(removed.expect_err("own")).starts_with("NSB-SCOPE-002"));
    let gone = leases
        .update_scope(by(), "br9", None, UpdateScopeParams::default())
        .await;
    assert!(text(gone.expect_err("none")).starts_with("NSB-SCOPE-004"));
}

fn relayed(name: &str, subnet: &str) -> CreateScopeParams {
    let params = json!({"name": name, "subnet": subnet});
    serde_json::from_value(params).expect("parameters")
}

#[tokio::test]
async fn a_relayed_subnets_scope_is_served_until_it_is_removed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let relay = Ipv4Addr::new(10, 20, 0, 1);
    {
        let engine = open(folder.path());
        let leases = engine.leases();
        leases.open_scope("br0", own(range())).expect("valid");
        let params = CreateScopeParams {
            ranges: vec!["10.20.0.50-10.20.0.59".parse().expect("a range")],
            router: Some(relay),
            ..relayed("room-2", "10.20.0.0/24")
        };
        let view = leases
            .create_scope(by(), params.clone())
            .await
            .expect("made");
        assert_eq!(
            (view.revision, view.is_own, view.leases_total),
            (1, false, 10)
        );
        for (params, code) in [
            (params, "NSB-SCOPE-002"),
            (relayed("br0", "10.30.0.0/24"), "NSB-SCOPE-002"),
            (relayed("room-3", "10.20.0.128/25"), "NSB-SCOPE-002"),
            (relayed("room-3", "10.0.0.0/8"), "NSB-SCOPE-002"),
            (relayed("lab1/br0", "10.30.0.0/24"), "NSB-SCOPE-001"),
            (relayed("room-3", "10.30.0.0/31"), "NSB-SCOPE-001"),
            (relayed("room-3", "224.0.0.0/8"), "NSB-SCOPE-001"),
        ] {
            let refused = leases.create_scope(by(), params.clone()).await;
            let said = text(refused.expect_err("refused"));
            assert!(said.starts_with(code), "{params:?}: {said}");
        }
        let scope = leases.relayed_scope(relay).expect("served");
        assert!(leases.relayed_scope(Ipv4Addr::new(10, 77, 0, 9)).is_none());
        let address = scope.with_pool(|p| p.offer(MAC, None, now()));
        assert_eq!(address, Some(Ipv4Addr::new(10, 20, 0, 50)));
    }
    let engine = open(folder.path());
    let leases = engine.leases();
    assert!(
        leases.relayed_scope(relay).is_some(),
        "after a restart, too"
    );
    let params = CreateReservationParams {
        address: Ipv4Addr::new(10, 20, 0, 7),
        ..reserve(MAC, 7)
    };
    let made = leases.create_reservation(by(), params).await.expect("made");
    assert_eq!(made.scope, "room-2");
    let used = leases.remove_scope(by(), "room-2", None).await;
    assert!(text(used.expect_err("used")).contains("1 reservations"));
    leases
        .remove_reservation(by(), "10.20.0.7", None)
        .await
        .expect("removed");
    leases
        .remove_scope(by(), "room-2", Some(1))
        .await
        .expect("removed");
    assert!(leases.relayed_scope(relay).is_none() && leases.list_scopes().is_empty());
}

#[tokio::test]
async fn reservations_are_refused_where_another_would_be_hurt() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let engine = open(folder.path());
    let leases = engine.leases();
    let scope = leases.open_scope("br0", own(range())).expect("valid");
    let other = MacAddr([2, 0, 0, 0, 0, 10]);
    claim(&scope, other, 150);
    leases
        .create_reservation(by(), reserve(MAC, 20))
        .await
        .expect("made");
    let third = MacAddr([2, 0, 0, 0, 0, 11]);
    for (params, says) in [
        (
            reserve(third, 1),
            "NSB-RESERVATION-002 10.77.0.1 is this server's own",
        ),
        (
            reserve(third, 254),
            "NSB-RESERVATION-002 10.77.0.254 is the router's",
        ),
        (reserve(third, 0), "NSB-RESERVATION-001"),
        (reserve(third, 255), "NSB-RESERVATION-001"),
        (
            reserve(third, 150),
            "NSB-RESERVATION-002 10.77.0.150 is leased to 02:00:00:00:00:0a",
        ),
        (
            reserve(third, 20),
            "NSB-RESERVATION-002 10.77.0.20 is reserved for",
        ),
        (
            reserve(MAC, 21),
            "NSB-RESERVATION-002 02:00:00:00:00:09 has a reservation",
        ),
        (
            reserve(MacAddr([1, 0, 0, 0, 0, 1]), 21),
            "NSB-RESERVATION-001",
        ),
        (
            CreateReservationParams {
                address: Ipv4Addr::new(10, 9, 0, 1),
                ..reserve(third, 1)
            },
            "in the subnet of no scope",
        ),
        (
            CreateReservationParams {
                scope: Some("br9".into()),
                ..reserve(third, 21)
            },
            "NSB-SCOPE-004",
        ),
        (
            CreateReservationParams {
                hostname: Some("a b".into()),
                ..reserve(third, 21)
            },
            "NSB-RESERVATION-001",
        ),
    ] {
        let refused = leases.create_reservation(by(), params.clone()).await;
        let said = text(refused.expect_err(says));
        assert!(said.contains(says), "{params:?}: {said}");
    }
    assert_eq!(leases.list_reservations().len(), 1);
    let change = UpdateReservationParams {
        address: Some(Ipv4Addr::new(10, 77, 0, 22)),
        hostname: Some("pc-9".into()),
        ..UpdateReservationParams::default()
    };
    let changed = leases.update_reservation(by(), "02:00:00:00:00:09", Some(1), change.clone());
    let changed = changed.await.expect("changed");
    assert_eq!(
        (changed.revision, changed.hostname.as_deref()),
        (2, Some("pc-9"))
    );
    let stale = leases
        .update_reservation(by(), &changed.id.to_string(), Some(1), change)
        .await;
    assert!(text(stale.expect_err("stale")).starts_with("NSB-RESERVATION-003"));
    assert_eq!(
        scope.with_pool(|p| p.offer(MAC, None, now())),
        Some(changed.address)
    );
}

#[tokio::test]
async fn a_lease_is_kept_for_good_or_forgotten() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let engine = open(folder.path());
    let leases = engine.leases();
    let scope = leases.open_scope("br0", own(range())).expect("valid");
    let lease = claim(&scope, MAC, 150);
    scope.commit(vec![lease]).await.expect("durable");
    let (kept, is_new) = leases
        .keep_lease(by(), "10.77.0.150", None)
        .await
        .expect("kept");
    assert_eq!((kept.mac, kept.scope.as_str()), (MAC, "br0"));
    assert!(is_new);
    let shown = leases.lease_view("10.77.0.150", None).expect("there");
    assert!(shown.mac == MAC && shown.is_reserved);
    assert!(leases.lease_view("10.77.0.151", None).is_err());
    let again = leases.keep_lease(by(), "10.77.0.150", Some("br0")).await;
    let (again, is_new) = again.expect("kept already");
    assert!(again.id == kept.id && !is_new, "nothing was made");
    assert!(leases.list()[0].is_reserved);
    let lives = leases.forget_lease(by(), "10.77.0.150", None).await;
    assert!(text(lives.expect_err("it lives")).starts_with("NSB-LEASE-002"));
    for nothing in ["10.77.0.151", "x", "10.77.0.150/24"] {
        let missing = leases.forget_lease(by(), nothing, None).await;
        assert!(text(missing.expect_err("none")).starts_with("NSB-LEASE-004"));
    }
    let rests = scope.with_pool(|p| p.decline(MAC, Ipv4Addr::new(10, 77, 0, 150), now()));
    scope
        .commit(vec![rests.expect("its own")])
        .await
        .expect("durable");
    let resting = leases.keep_lease(by(), "10.77.0.150", None).await;
    assert!(text(resting.expect_err("it rests")).starts_with("NSB-LEASE-002"));
    leases
        .forget_lease(by(), "10.77.0.150", None)
        .await
        .expect("forgotten");
    assert!(leases.list().is_empty());
    drop((scope, engine));
    let engine = open(folder.path());
    let scope = engine
        .leases()
        .open_scope("br0", own(range()))
        .expect("valid");
    assert!(engine.leases().list().is_empty(), "also on disk");
    let offered = scope.with_pool(|p| p.offer(MAC, None, now()));
    assert_eq!(
        offered,
        Some(Ipv4Addr::new(10, 77, 0, 150)),
        "the reservation stays"
    );
}

#[tokio::test]
async fn a_lease_that_was_given_anew_is_not_forgotten() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let engine = open(folder.path());
    let leases = engine.leases();
    let scope = leases.open_scope("br0", own(range())).expect("valid");
    let address = Ipv4Addr::new(10, 77, 0, 150);
    claim(&scope, MAC, 150);
    let ended = scope.with_pool(|p| p.release(MAC, address, now()));
    scope
        .commit(vec![ended.expect("its own")])
        .await
        .expect("durable");
    // It is looked at while it is ended; before the turn of that change it is given anew and stored.
    let (go_on, gate) = std::sync::mpsc::channel::<()>();
    let giver = scope.clone();
    let given = leases.inner.store.write(move |tx| {
        gate.recv().expect("the test goes on");
        giver.put(tx, claim(&giver, MAC, 150))
    });
    {
        let mut forgotten = std::pin::pin!(leases.forget_lease(by(), "10.77.0.150", None));
        tokio::select! {
            biased;
            _ = &mut forgotten => panic!("it waits for its turn"),
            () = std::future::ready(()) => {}
        }
        go_on.send(()).expect("it waits");
        let refused = forgotten.await.expect_err("it lives");
        assert!(text(refused).starts_with("NSB-LEASE-002"));
    }
    given.await.expect("durable");
    drop((scope, engine));
    let engine = open(folder.path());
    let scope = engine.leases().open_scope("br0", own(range()));
    let owner = scope.expect("valid").with_pool(|p| p.owner(address, now()));
    assert_eq!(owner, Some(MAC));
}

#[tokio::test]
async fn the_later_of_two_decisions_is_stored_whichever_comes_to_the_disk_last() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let address = Ipv4Addr::new(10, 77, 0, 150);
    {
        let engine = open(folder.path());
        let scope = engine.leases().open_scope("br0", own(range()));
        let scope = scope.expect("valid");
        let given = claim(&scope, MAC, 150);
        let released = scope.with_pool(|p| p.release(MAC, address, now()));
        // Two loops: the one that decided first is the slower one.
        let (first, second) = (released.expect("its own"), given);
        scope.commit(vec![first]).await.expect("durable");
        let late = engine
            .leases()
            .commit(vec![(scope.clone(), second.clone())]);
        late.await.expect("durable");
        // The page hears of what is stored.
        let mut events = engine.events().subscribe(types::Topics::default());
        scope.announce(&[second]);
        let Next::Changes(changes) = events.next().await else {
            panic!("one event is not too many");
        };
        let Event::LeaseChanged { lease } = changes[0].event() else {
            panic!("{:?}", changes[0].event());
        };
        assert_eq!(lease.state, LeaseState::Released);
    }
    let engine = open(folder.path());
    engine
        .leases()
        .open_scope("br0", own(range()))
        .expect("valid");
    let stored = engine.leases().list();
    assert_eq!(stored[0].state, LeaseState::Released, "{stored:?}");
}

#[tokio::test]
async fn a_network_that_comes_up_beside_a_relayed_scope_of_its_subnet_says_so() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let engine = open(folder.path());
    let leases = engine.leases();
    // Made while br0 was down.
    leases
        .create_scope(by(), relayed("room-2", "10.77.0.0/16"))
        .await
        .expect("made");
    let refused = leases
        .open_scope("br0", own(range()))
        .err()
        .expect("refused");
    let problem = refused.problem();
    assert!(
        text(refused).contains("of the scope \"room-2\""),
        "{problem:?}"
    );
    assert!(problem.hint.starts_with("Remove that scope"), "{problem:?}");
    assert!(leases.scope("br0").is_none());
    leases
        .remove_scope(by(), "room-2", None)
        .await
        .expect("removed");
    leases.open_scope("br0", own(range())).expect("apart");
}
