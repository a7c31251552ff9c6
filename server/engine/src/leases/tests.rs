//! Leases over a real database file.

use super::*;
use crate::{Engine, EngineConfig, Next};
use std::path::Path;
use types::LeaseState;

const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 9]);

fn range() -> AddressRange {
    AddressRange {
        first: Ipv4Addr::new(10, 77, 0, 100),
        last: Ipv4Addr::new(10, 77, 0, 199),
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
        Claim::Granted(lease) => lease,
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
            .open_scope("br0", "br0", range(), &[])
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
        // A record that can't be read and one outside the range cost nobody else anything.
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
        .open_scope("br0", "br0", range(), &[])
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
    let one = leases
        .open_scope("br1", "br1", range(), &[])
        .expect("valid");
    let lease = claim(&one, MAC, 150);
    one.commit(vec![lease]).await.expect("durable");
    let ten = leases
        .open_scope("br10", "br10", range(), &[])
        .expect("valid");
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
            "br0",
            AddressRange {
                first: last,
                last: first,
            },
            &[],
        )
        .err()
        .expect("refused");
    assert!(error.to_string().contains("lower address first"), "{error}");
}
