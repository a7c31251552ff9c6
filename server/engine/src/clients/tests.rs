//! What holds for clients, seen from outside.

use super::*;
use crate::{Next, Sources, storage::EmbeddedStorage};
use types::Event;

struct Floor {
    dir: tempfile::TempDir,
    store: Arc<Store>,
    events: EventBus,
    images: Images,
    clients: Clients,
}

fn settings(store: &Arc<Store>, events: &EventBus, unknown: &str) -> Settings {
    let audit = Audit::new(store.clone(), events.clone());
    let sources = Sources::of_env(&[("NSBOOT_CLIENTS__UNKNOWN", unknown)]);
    Settings::open(store.clone(), audit, events.clone(), sources).unwrap()
}

fn floor_with(unknown: &str) -> Floor {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(&dir.path().join("nsboot.redb")).unwrap());
    let events = EventBus::default();
    let storage = Arc::new(EmbeddedStorage::open(dir.path()).unwrap());
    let images = Images::open(
        store.clone(),
        events.clone(),
        Audit::new(store.clone(), events.clone()),
        storage,
    )
    .unwrap();
    let clients = Clients::open_alone(
        store.clone(),
        events.clone(),
        Audit::new(store.clone(), events.clone()),
        images.clone(),
        settings(&store, &events, unknown),
        Secrets::open(&dir.path().join("keys"), None).unwrap(),
    )
    .unwrap();
    Floor {
        dir,
        store,
        events,
        images,
        clients,
    }
}

fn floor() -> Floor {
    floor_with("discover")
}

fn mac(n: u8) -> MacAddr {
    MacAddr([0x52, 0x54, 0, 0, 0, n])
}

fn params(name: &str, n: u8) -> CreateClientParams {
    CreateClientParams::new(name, mac(n))
}

fn rename(name: &str) -> UpdateClientParams {
    UpdateClientParams {
        name: Some(name.into()),
        ..Default::default()
    }
}

async fn ready_image(f: &Floor, name: &str) -> ImageId {
    let mut w = f
        .images
        .begin_import(&by(), crate::images::NewImport::new(name, Some(512)))
        .await
        .unwrap();
    w.write(vec![1; 512].into()).await.unwrap();
    w.finish(|_, _| ()).await.unwrap().id
}

#[tokio::test]
async fn a_client_is_found_by_name_id_and_address_also_after_a_restart() {
    let f = floor();
    let image = ready_image(&f, "debian").await;
    let new = CreateClientParams {
        image: Some("Debian".into()),
        mode: OverlayMode::Keep,
        ..params("PC-1", 1)
    };
    let view = f.clients.create(&by(), new).await.unwrap();
    assert_eq!(
        (view.image_id, view.image_name.as_deref()),
        (Some(image), Some("debian"))
    );
    assert_eq!((view.state, view.revision), (ClientState::Adopted, 1));
    let again = Clients::open_alone(
        f.store.clone(),
        f.events.clone(),
        Audit::new(f.store.clone(), f.events.clone()),
        f.images.clone(),
        settings(&f.store, &f.events, "discover"),
        Secrets::open(&f.dir.path().join("keys"), None).unwrap(),
    )
    .unwrap();
    for clients in [&f.clients, &again] {
        for text in ["pc-1", &view.id.to_string(), "52-54-00-00-00-01"] {
            assert_eq!(clients.require(text).unwrap().id, view.id);
        }
        assert_eq!(clients.list(), std::slice::from_ref(&view));
        let e = clients.require("nobody").unwrap_err();
        assert_eq!(e.code(), "NSB-CLIENT-004");
    }
    let secret = again.disk_secret(&again.get(view.id).unwrap()).unwrap();
    let secret = secret.expose();
    assert!(secret.len() == 16 && secret.bytes().all(|b| b.is_ascii_alphanumeric()));
}

#[tokio::test]
async fn bad_names_addresses_and_images_change_nothing() {
    let f = floor();
    let long = "a".repeat(64);
    for name in [
        "",
        "-a",
        "a-",
        "a b",
        "a_b",
        "a.b",
        "é",
        "a\n",
        &long,
        "525400000001",
        "01934c5e-7b00-7000-8000-000000000001",
    ] {
        let e = f.clients.create(&by(), params(name, 1)).await.unwrap_err();
        assert!(
            matches!(e, Error::Invalid { field: "name", .. }),
            "{name:?}: {e}"
        );
        assert_eq!(e.problem().status, 422);
    }
    for bad in [[0; 6], [0xff; 6], [1, 0, 0x5e, 0, 0, 1]] {
        let p = CreateClientParams {
            mac: MacAddr(bad),
            ..params("a", 1)
        };
        let e = f.clients.create(&by(), p).await.unwrap_err();
        assert!(matches!(e, Error::Invalid { field: "mac", .. }));
    }
    let p = CreateClientParams {
        image: Some("none".into()),
        ..params("a", 1)
    };
    assert_eq!(
        f.clients.create(&by(), p).await.unwrap_err().code(),
        "NSB-IMAGE-004"
    );
    let w = f
        .images
        .begin_import(&by(), crate::images::NewImport::new("half", None))
        .await
        .unwrap();
    let p = CreateClientParams {
        image: Some("half".into()),
        ..params("a", 1)
    };
    assert_eq!(
        f.clients.create(&by(), p).await.unwrap_err().code(),
        "NSB-CLIENT-002"
    );
    drop(w);
    assert!(f.clients.list().is_empty());
}

#[tokio::test]
async fn a_name_and_an_address_are_taken_once() {
    let f = floor();
    f.clients.create(&by(), params("pc-1", 1)).await.unwrap();
    let two = f.clients.create(&by(), params("pc-2", 2)).await.unwrap();
    let same_name = f
        .clients
        .create(&by(), params("PC-1", 3))
        .await
        .unwrap_err();
    let same_mac = f
        .clients
        .create(&by(), params("pc-3", 1))
        .await
        .unwrap_err();
    let renamed = f
        .clients
        .update(&by(), two.id, None, rename("pc-1"))
        .await
        .unwrap_err();
    for e in [same_name, same_mac, renamed] {
        assert_eq!(
            (e.code().as_str(), e.problem().status),
            ("NSB-CLIENT-002", 409)
        );
        assert!(e.to_string().contains("pc-1"), "{e}");
    }
    assert_eq!(f.clients.list().len(), 2);
    f.clients
        .update(&by(), two.id, None, rename("PC-2"))
        .await
        .unwrap();
}

#[tokio::test]
async fn of_two_created_at_once_with_one_name_one_wins() {
    let f = floor();
    let by = by();
    let (a, b) = tokio::join!(
        f.clients.create(&by, params("pc", 1)),
        f.clients.create(&by, params("pc", 2))
    );
    assert_eq!(usize::from(a.is_ok()) + usize::from(b.is_ok()), 1);
}

#[tokio::test]
async fn a_change_needs_the_newest_revision_when_it_names_one() {
    let f = floor();
    let c = f.clients.create(&by(), params("pc", 1)).await.unwrap();
    let changed = f
        .clients
        .update(&by(), c.id, Some(1), rename("pd"))
        .await
        .unwrap();
    assert_eq!((changed.revision, changed.name.as_str()), (2, "pd"));
    let same = f
        .clients
        .update(&by(), c.id, Some(2), rename("pd"))
        .await
        .unwrap();
    assert_eq!(same.revision, 2, "nothing changed");
    let e = f
        .clients
        .update(&by(), c.id, Some(1), rename("pe"))
        .await
        .unwrap_err();
    assert!(matches!(e, Error::PreconditionFailed { current: 2, .. }));
    assert_eq!(e.problem().status, 412);
    let e = f.clients.remove(&by(), c.id, Some(1)).await.unwrap_err();
    assert!(matches!(e, Error::PreconditionFailed { .. }));
    let mut events = f.events.subscribe(types::Topics::default());
    let (seen, mark) = (Arc::new(OnceLock::new()), c.id);
    let flag = seen.clone();
    f.clients.on_removed(move |r| {
        let _ = flag.set(r.id);
    });
    f.clients.remove(&by(), c.id, Some(2)).await.unwrap();
    assert_eq!(seen.get(), Some(&mark));
    let Next::Changes(changes) = events.next().await else {
        panic!("one event is not too many");
    };
    assert!(matches!(changes[0].event(), Event::ClientRemoved { id } if *id == c.id));
    assert!(f.clients.find_mac(mac(1)).is_none());
    assert_eq!(
        f.clients
            .remove(&by(), c.id, None)
            .await
            .unwrap_err()
            .code(),
        "NSB-CLIENT-004"
    );
}

#[tokio::test]
async fn an_image_is_given_taken_away_and_checked() {
    let f = floor();
    ready_image(&f, "debian").await;
    let c = f.clients.create(&by(), params("pc", 1)).await.unwrap();
    let set = |image: &str| UpdateClientParams {
        image: Some(image.into()),
        ..Default::default()
    };
    let with = f
        .clients
        .update(&by(), c.id, None, set("debian"))
        .await
        .unwrap();
    assert_eq!(with.image_name.as_deref(), Some("debian"));
    assert!(
        f.clients
            .update(&by(), c.id, None, set("none"))
            .await
            .is_err()
    );
    let without = f.clients.update(&by(), c.id, None, set("")).await.unwrap();
    assert_eq!((without.image_id, without.revision), (None, 3));
}

#[tokio::test]
async fn an_unknown_computer_is_discovered_once_and_adopted_with_its_id() {
    let f = floor();
    let (a, b) = tokio::join!(f.clients.discovered(mac(7)), f.clients.discovered(mac(7)));
    let (a, b) = (a.unwrap(), b.unwrap());
    assert_eq!((a.id, a.state), (b.id, ClientState::Discovered));
    assert_eq!(a.name, "pc-525400000007");
    let adopted = f.clients.create(&by(), params("desk-7", 7)).await.unwrap();
    assert_eq!((adopted.id, adopted.state), (a.id, ClientState::Adopted));
    assert_eq!((adopted.created_at, adopted.revision), (a.created_at, 2));
    assert!(f.clients.discovered(MacAddr([0xff; 6])).await.is_err());
    let other = f.clients.discovered(mac(8)).await.unwrap();
    let adopt = |adopt| UpdateClientParams {
        adopt: Some(adopt),
        ..Default::default()
    };
    let v = f
        .clients
        .update(&by(), other.id, None, adopt(true))
        .await
        .unwrap();
    assert_eq!(v.state, ClientState::Adopted);
    assert!(
        f.clients
            .update(&by(), other.id, None, adopt(false))
            .await
            .is_err()
    );
    let open = floor_with("adopt");
    let c = open.clients.discovered(mac(9)).await.unwrap();
    assert_eq!(c.state, ClientState::Adopted);
}

#[tokio::test]
async fn a_flood_of_unknown_computers_is_bounded() {
    let f = floor();
    let flood: Vec<_> = (0..=MAX_DISCOVERED as u32 + 20)
        .map(|n| {
            let [a, b, c, d] = n.to_be_bytes();
            let clients = f.clients.clone();
            tokio::spawn(async move { clients.discovered(MacAddr([2, 0, a, b, c, d])).await })
        })
        .collect();
    let mut refused = 0;
    for one in flood {
        refused += usize::from(one.await.unwrap().is_err());
    }
    assert_eq!(f.clients.list().len(), MAX_DISCOVERED);
    assert_eq!(refused, 21);
    assert!(f.clients.create(&by(), params("known", 1)).await.is_ok());
}

fn by() -> By {
    By::system("test")
}
