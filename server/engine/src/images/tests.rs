//! What holds for images, seen from outside.

use super::*;
use crate::{Clients, Next, Settings, Sources, storage::EmbeddedStorage};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use types::{CreateClientParams, ImageView, MacAddr};

struct Box_ {
    dir: tempfile::TempDir,
}

struct Parts {
    images: Images,
    clients: Clients,
    events: EventBus,
}

impl Box_ {
    fn new() -> Self {
        Box_ {
            dir: tempfile::tempdir().unwrap(),
        }
    }
    fn open(&self) -> Parts {
        let store = Arc::new(Store::open(&self.dir.path().join("nsboot.redb")).unwrap());
        let events = EventBus::default();
        let storage = Arc::new(EmbeddedStorage::open(self.dir.path()).unwrap());
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
            Settings::open(
                store.clone(),
                Audit::new(store.clone(), events.clone()),
                events.clone(),
                Sources::default(),
            )
            .unwrap(),
            crate::secrets::Secrets::open(&self.dir.path().join("keys"), None).unwrap(),
        )
        .unwrap();
        Parts {
            images,
            clients,
            events,
        }
    }
    /// Files of images, drafts included.
    fn files(&self) -> Vec<String> {
        let folder = self.dir.path().join("images");
        let entries = std::fs::read_dir(folder).unwrap();
        entries
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect()
    }
}

fn disk(len: usize) -> Bytes {
    let mut bytes = vec![0u8; len];
    bytes[0] = 0xeb;
    bytes[len - 1] = 7;
    bytes.into()
}

async fn import(images: &Images, name: &str, bytes: Bytes) -> Result<ImageView> {
    let mut writer = images
        .begin_import(&by(), NewImport::new(name, Some(bytes.len() as u64)))
        .await?;
    for chunk in bytes.chunks(300_000) {
        writer.write(Bytes::copy_from_slice(chunk)).await?;
    }
    writer.finish(|_, _| ()).await
}

fn client(image: &str) -> CreateClientParams {
    CreateClientParams {
        image: Some(image.into()),
        ..CreateClientParams::new("pc-1", MacAddr([2, 0, 0, 0, 0, 1]))
    }
}

#[tokio::test]
async fn an_import_is_hashed_sparse_and_there_after_a_restart() {
    let b = Box_::new();
    let p = b.open();
    let bytes = disk(5 << 20);
    let sum: [u8; 32] = Sha256::digest(&bytes).into();
    let mut writer = p
        .images
        .begin_import(
            &by(),
            NewImport {
                sha256: Some(sum),
                ..NewImport::new("debian-13", None)
            },
        )
        .await
        .unwrap();
    for chunk in bytes.chunks(70_001) {
        writer.write(Bytes::copy_from_slice(chunk)).await.unwrap();
    }
    assert!(p.images.find("debian-13").unwrap().state == ImageState::Importing);
    let view = writer.finish(|_, _| ()).await.unwrap();
    drop(writer);
    assert_eq!(view.state, ImageState::Ready);
    assert_eq!((view.size_bytes, view.received_bytes), (5 << 20, 5 << 20));
    assert!(view.allocated_bytes < 1 << 20, "{}", view.allocated_bytes);
    assert_eq!(parse_sha256(&view.sha256.clone().unwrap()).unwrap(), sum);
    drop(p);
    let p = b.open();
    let again = p.images.list();
    assert_eq!(again, std::slice::from_ref(&view));
    assert_eq!(p.images.find("DEBIAN-13").unwrap().id, view.id);
    assert_eq!(p.images.find(&view.id.to_string()).unwrap().id, view.id);
}

#[tokio::test]
async fn bad_files_are_refused_by_name_and_leave_nothing() {
    let b = Box_::new();
    let p = b.open();
    let mut gz = disk(4096).to_vec();
    gz[..2].copy_from_slice(&[0x1f, 0x8b]);
    let mut qcow2 = disk(1024).to_vec();
    qcow2[..4].copy_from_slice(b"QFI\xfb");
    for (bytes, why) in [
        (gz.clone(), "gzip"),
        (qcow2, "qcow2"),
        (vec![], "empty"),
        (vec![1; 511], "512-byte"),
        (vec![1; 513], "512-byte"),
        (b"\x1f\x8b".to_vec(), "gzip"),
    ] {
        let e = import(&p.images, "x", bytes.into()).await.unwrap_err();
        assert_eq!(e.code(), "NSB-IMAGE-001");
        assert!(e.to_string().contains(why), "{e}");
        assert!(p.images.list().is_empty());
    }
    // The length is not always said before.
    for (bytes, why) in [
        (vec![1; 511], "512-byte"),
        (gz, "gzip"),
        (b"BZh1".to_vec(), "bzip2"),
    ] {
        let mut w = p
            .images
            .begin_import(&by(), NewImport::new("x", None))
            .await
            .unwrap();
        let step = w.write(bytes.into()).await;
        let e = match step {
            Ok(()) => w.finish(|_, _| ()).await.unwrap_err(),
            Err(e) => e,
        };
        assert!(e.to_string().contains(why), "{e}");
    }
    for (said, sent, why) in [(1024, 512, "512 of 1024"), (512, 1024, "more than the 512")] {
        let mut w = p
            .images
            .begin_import(&by(), NewImport::new("x", Some(said)))
            .await
            .unwrap();
        let step = w.write(disk(sent)).await;
        let e = match step {
            Ok(()) => w.finish(|_, _| ()).await.unwrap_err(),
            Err(e) => e,
        };
        assert!(e.to_string().contains(why), "{e}");
    }
    let new = NewImport {
        sha256: Some([0; 32]),
        ..NewImport::new("x", Some(512))
    };
    let mut w = p.images.begin_import(&by(), new).await.unwrap();
    w.write(disk(512)).await.unwrap();
    let e = w.finish(|_, _| ()).await.unwrap_err();
    drop(w);
    assert!(matches!(
        e,
        Error::Invalid {
            field: "sha256",
            ..
        }
    ));
    assert!(p.images.list().is_empty());
    drop(p);
    assert!(b.open().images.list().is_empty());
}

#[tokio::test]
async fn bad_names_are_refused() {
    let b = Box_::new();
    let p = b.open();
    let long = "a".repeat(65);
    for name in [
        "",
        ".a",
        "-a",
        "a b",
        "a/b",
        "../x",
        "é",
        "a\0",
        long.as_str(),
        "01934c5e-7b00-7000-8000-000000000001",
    ] {
        let e = p
            .images
            .begin_import(&by(), NewImport::new(name, None))
            .await
            .err()
            .unwrap();
        assert!(
            matches!(e, Error::Invalid { field: "name", .. }),
            "{name:?}"
        );
    }
    for bad in ["", "xyz", &"g".repeat(64), &"é".repeat(32)] {
        assert!(parse_sha256(bad).is_err());
    }
}

#[tokio::test]
async fn a_name_is_taken_once_whatever_its_case() {
    let b = Box_::new();
    let p = b.open();
    import(&p.images, "debian", disk(512)).await.unwrap();
    let e = p
        .images
        .begin_import(&by(), NewImport::new("Debian", None))
        .await
        .err()
        .unwrap();
    assert_eq!(e.code(), "NSB-IMAGE-002");
    let running = p
        .images
        .begin_import(&by(), NewImport::new("other", None))
        .await
        .unwrap();
    let e = p
        .images
        .begin_import(&by(), NewImport::new("other", None))
        .await
        .err()
        .unwrap();
    assert_eq!(e.code(), "NSB-IMAGE-002");
    let e = p
        .images
        .remove(&by(), running.id(), None)
        .await
        .unwrap_err();
    assert_eq!(e.code(), "NSB-IMAGE-002");
}

#[tokio::test]
async fn an_upload_that_ends_early_is_failed_and_can_be_repeated() {
    let b = Box_::new();
    let p = b.open();
    let mut events = p.events.subscribe(types::Topics::default());
    let mut w = p
        .images
        .begin_import(&by(), NewImport::new("x", None))
        .await
        .unwrap();
    w.write(disk(4 << 20)).await.unwrap();
    drop(w);
    let failed = loop {
        let Next::Changes(changes) = events.next().await else {
            panic!("few events are not too many");
        };
        let failed = changes.iter().find_map(|c| match c.event() {
            Event::ImageChanged { image } if image.state == ImageState::Failed => Some(image),
            _ => None,
        });
        if let Some(image) = failed {
            break image.clone();
        }
    };
    assert!(failed.error.unwrap().contains("upload ended"));
    let again = import(&p.images, "x", disk(1024)).await.unwrap();
    assert_eq!(p.images.list(), [again]);
}

#[tokio::test]
async fn a_server_that_stops_in_an_import_says_so_at_its_next_start() {
    let b = Box_::new();
    let p = b.open();
    let mut w = p
        .images
        .begin_import(&by(), NewImport::new("x", Some(8 << 20)))
        .await
        .unwrap();
    w.write(disk(4 << 20)).await.unwrap();
    // As after a kill: nothing of the writer runs any more.
    std::mem::forget(w);
    let mut record: ImageRecord = (*p.images.find("x").unwrap()).clone();
    assert_eq!(record.state, ImageState::Importing);
    drop(p);
    let copy = Box_::new();
    record.revision = 1;
    let store = Store::open(&copy.dir.path().join("nsboot.redb")).unwrap();
    let put = record.clone();
    store
        .write_wait(move |tx| Ok::<_, Error>(tx.put(&put)?))
        .unwrap();
    drop(store);
    for _ in 0..2 {
        let p = copy.open();
        let view = &p.images.list()[0];
        assert_eq!((view.state, view.revision), (ImageState::Failed, 2));
        assert!(view.error.as_deref().unwrap().contains("upload it again"));
    }
    assert!(copy.files().is_empty());
}

#[tokio::test]
async fn an_image_in_use_can_not_be_removed() {
    let b = Box_::new();
    let p = b.open();
    let image = import(&p.images, "x", disk(512)).await.unwrap();
    let c = p.clients.create(&by(), client("x")).await.unwrap();
    assert_eq!(p.images.list()[0].client_count, 1);
    let e = p.images.remove(&by(), image.id, None).await.unwrap_err();
    assert_eq!(e.code(), "NSB-IMAGE-002");
    assert!(e.to_string().contains("pc-1"), "{e}");
    p.clients.remove(&by(), c.id, None).await.unwrap();
    let e = p.images.remove(&by(), image.id, Some(1)).await.unwrap_err();
    assert!(matches!(e, Error::PreconditionFailed { current: 2, .. }));
    p.images.remove(&by(), image.id, Some(2)).await.unwrap();
    let e = p.images.remove(&by(), image.id, None).await.unwrap_err();
    assert_eq!(e.code(), "NSB-IMAGE-004");
}

#[tokio::test]
async fn an_image_without_its_file_is_failed_until_the_file_is_back() {
    let b = Box_::new();
    let p = b.open();
    let before = import(&p.images, "x", disk(512)).await.unwrap().revision;
    drop(p);
    let (folder, away) = (b.dir.path().join("images"), b.dir.path().join("away"));
    std::fs::rename(&folder, &away).unwrap();
    let view = &b.open().images.list()[0];
    assert_eq!(view.state, ImageState::Failed);
    assert!(
        view.error
            .as_deref()
            .unwrap()
            .contains("not in the data folder")
    );
    // What the page shows of it is what the database knows: it can be removed.
    assert_eq!(view.revision, before);
    // A disk that was mounted late.
    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::rename(&away, &folder).unwrap();
    assert_eq!(b.open().images.list()[0].state, ImageState::Ready);
}

fn by() -> By {
    By::system("test")
}
