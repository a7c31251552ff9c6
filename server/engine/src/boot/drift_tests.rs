use super::{Action::*, *};
use crate::{Engine, EngineConfig};
use types::{CreateClientParams, MacAddr, OverlayMode, VersionId};
use uuid::Uuid;

#[test]
fn each_state_has_its_action() {
    let adopted = Some(ClientState::Adopted);
    let retired = Some(ClientState::Retired);
    // client, offered, used, files, holds
    let table = [
        (None, true, false, true, true, Some(Withdraw)),
        (None, true, true, false, false, Some(Withdraw)),
        (None, false, false, true, true, None),
        (retired, true, false, true, true, Some(Withdraw)),
        (retired, true, true, true, true, None),
        (retired, false, false, true, true, None),
        (adopted, true, false, true, true, None),
        (adopted, true, true, true, false, None),
        (adopted, true, false, false, true, Some(Forget)),
        (adopted, true, false, false, false, Some(Forget)),
        (adopted, true, true, false, true, Some(Tell)),
        (adopted, false, false, false, true, Some(Forget)),
        (adopted, false, false, false, false, None),
        (adopted, false, false, true, true, Some(Offer)),
        (adopted, false, false, true, false, None),
    ];
    for (client, is_offered, is_used, has_files, holds, action) in table {
        let found = Found {
            client,
            is_offered,
            is_used,
            has_files,
            holds,
        };
        assert_eq!(wanted(found), action, "{found:?}");
    }
}

/// Whatever it is, what is done once is enough.
#[test]
fn an_action_leads_to_a_state_without_one() {
    let states = [
        None,
        Some(ClientState::Adopted),
        Some(ClientState::Discovered),
        Some(ClientState::Retired),
    ];
    for client in states {
        for bits in 0..16u8 {
            let bit = |n: u8| bits >> n & 1 == 1;
            let found = Found {
                client,
                is_offered: bit(0),
                is_used: bit(0) && bit(1),
                has_files: bit(2),
                holds: bit(3),
            };
            let after = match wanted(found) {
                Some(Offer) => Found {
                    is_offered: true,
                    ..found
                },
                Some(Withdraw) => Found {
                    is_offered: false,
                    is_used: false,
                    ..found
                },
                Some(Forget) => Found {
                    is_offered: false,
                    is_used: false,
                    has_files: false,
                    holds: false,
                    ..found
                },
                Some(Tell) | None => continue,
            };
            assert_eq!(wanted(after), None, "{found:?}");
        }
    }
}

struct Fixture {
    engine: Engine,
    disks: Disks,
    dir: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Fixture {
        let dir = tempfile::tempdir().unwrap();
        let engine = Engine::open(EngineConfig {
            data_dir: dir.path().into(),
            ..EngineConfig::default()
        })
        .unwrap();
        let disks = engine.boots().inner.disks.clone();
        Fixture { engine, disks, dir }
    }

    /// A computer with an overlay that is offered and has something written.
    async fn computer(&self) -> ClientId {
        let new = CreateClientParams {
            mode: OverlayMode::Keep,
            ..CreateClientParams::new("pc-1", MacAddr([2, 0, 0, 0, 0, 1]))
        };
        let id = self
            .engine
            .as_itself("test")
            .create_client(new)
            .await
            .unwrap()
            .id;
        let version = VersionId(Uuid::now_v7());
        let mut sink = self.disks.storage.begin_import(version).unwrap();
        sink.write(&[7; 8192]).unwrap();
        sink.finish().unwrap();
        self.disks
            .storage
            .ensure_overlay(id.into(), version)
            .unwrap();
        self.disks.offer_existing();
        let export = self.disks.exports.offered(&identity::target(id)).unwrap();
        export.device.write_at(0, &[1; 4096]).unwrap();
        export.device.flush().unwrap();
        id
    }

    fn is_offered(&self, id: ClientId) -> bool {
        self.disks.exports.offered(&identity::target(id)).is_some()
    }

    fn mend(&self) -> Told {
        self.disks.mend(&Told::new()).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_left_withdrawn_is_offered_again_and_what_was_begun_anew_is_not() {
    let f = Fixture::new();
    let id = f.computer().await;
    f.disks.exports.withdraw(&identity::target(id));
    let client = f.disks.clients.get(id).unwrap();
    let turn = f.disks.turn_now(&client).unwrap();
    assert!(f.mend().is_empty() && !f.is_offered(id), "a job is at it");
    drop(turn);
    assert!(f.mend().is_empty() && f.is_offered(id));
    // As a discard does.
    let on = f.disks.storage.overlay_version(id.into()).unwrap().unwrap();
    f.disks.exports.withdraw(&identity::target(id));
    f.disks.storage.reset_overlay(id.into(), on).unwrap();
    assert!(
        f.mend().is_empty() && !f.is_offered(id),
        "until its next boot"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_a_hand_took_away_are_not_offered() {
    let f = Fixture::new();
    let id = f.computer().await;
    for entry in std::fs::read_dir(f.dir.path().join("overlays")).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    assert!(f.mend().is_empty() && !f.is_offered(id));
    assert_eq!(f.disks.storage.overlay_bytes(id.into()), 0);
    assert!(
        f.disks.storage.is_untouched(id.into()).unwrap(),
        "the next boot begins anew"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_nobodys_is_withdrawn_and_its_files_stay() {
    let f = Fixture::new();
    let id = f.computer().await;
    let export = f.disks.exports.offered(&identity::target(id)).unwrap();
    // As if its removal had come between.
    let gone = ClientId(Uuid::now_v7());
    f.disks.exports.publish(crate::export::Export {
        target: identity::target(gone),
        ..export
    });
    let map = |id: ClientId| f.dir.path().join("overlays").join(format!("{id}.map"));
    std::fs::copy(map(id), map(gone)).unwrap();
    assert!(f.mend().is_empty());
    assert!(!f.is_offered(gone) && f.is_offered(id));
    assert!(map(gone).exists(), "somebody may miss it");
    let listed = f.engine.boots().overlays().await.unwrap();
    let orphans: Vec<_> = listed
        .iter()
        .filter(|o| o.is_orphan)
        .map(|o| o.client_id)
        .collect();
    assert_eq!(orphans, [gone]);
}
