//! What holds for secrets at rest: where they can be read and where not, and that none is lost when a
//! key goes, comes, is another one, or when power goes in the middle of a rotation.

mod rotation;

use super::{key, *};
use crate::{Clients, Engine, EngineConfig, audit::AuditFilter};
use serde::{Deserialize, Serialize};
use std::{fs, os::unix::fs::PermissionsExt};
use store::{ClientRecord, Store};
use types::{
    ClientId, ClientState, CreateClientParams, ImageId, MacAddr, OverlayMode, SecretsView,
    Timestamp,
};

/// A server's folder, and what a test does to it while no server runs.
struct House {
    dir: tempfile::TempDir,
    credentials: Option<tempfile::TempDir>,
}

impl House {
    fn new() -> House {
        House {
            dir: tempfile::tempdir().unwrap(),
            credentials: None,
        }
    }

    fn try_open(&self) -> Result<Engine> {
        Engine::open(EngineConfig {
            data_dir: self.dir.path().into(),
            credentials_dir: self.credentials.as_ref().map(|c| c.path().into()),
            ..EngineConfig::default()
        })
    }

    fn open(&self) -> Engine {
        self.try_open().unwrap()
    }

    fn key_file(&self) -> PathBuf {
        self.dir.path().join("keys/secrets.key")
    }

    fn database(&self) -> Vec<u8> {
        fs::read(self.dir.path().join("nsboot.redb")).unwrap()
    }

    fn give_credential(&mut self, text: &str) {
        let folder = self
            .credentials
            .get_or_insert_with(|| tempfile::tempdir().unwrap());
        fs::write(folder.path().join(CREDENTIAL), text).unwrap();
    }
}

fn params(n: u8) -> CreateClientParams {
    CreateClientParams::new(format!("pc-{n}"), MacAddr([0x52, 0x54, 0, 0, 0, n]))
}

async fn add(engine: &Engine, count: u8) -> Vec<(ClientId, String)> {
    for n in 0..count {
        let admin = engine.as_itself("test");
        admin.create_client(params(n)).await.unwrap();
    }
    secrets_of(engine.clients())
}

fn secrets_of(clients: &Clients) -> Vec<(ClientId, String)> {
    let all = clients.list().into_iter().map(|v| {
        let record = clients.get(v.id).unwrap();
        let secret = clients.disk_secret(&record).unwrap();
        (v.id, secret.expose().to_string())
    });
    all.collect()
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|w| w == text.as_bytes())
}

fn shown(engine: &Engine) -> SecretsView {
    engine.as_itself("test").secrets()
}

async fn actions(engine: &Engine) -> Vec<String> {
    let entries = engine
        .as_itself("test")
        .audit(AuditFilter::default(), None, 99)
        .await;
    entries.unwrap().into_iter().map(|e| e.action).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_is_the_same_after_a_restart_and_nowhere_in_the_file() {
    let place = House::new();
    let engine = place.open();
    let secrets = add(&engine, 5).await;
    let said = format!("{:?}", engine.clients().get(secrets[0].0));
    let events = format!("{:?}", engine.clients().list());
    let audit = engine
        .as_itself("test")
        .audit(AuditFilter::default(), None, 99)
        .await;
    let audit = format!("{audit:?}");
    drop(engine);
    let engine = place.open();
    assert_eq!(secrets_of(engine.clients()), secrets);
    let view = serde_json::to_string(&shown(&engine)).unwrap();
    drop(engine);
    let (file, keys) = (place.database(), fs::read(place.key_file()).unwrap());
    for (_, secret) in &secrets {
        for text in [&said, &events, &audit, &view] {
            assert!(!text.contains(secret), "{text}");
        }
        assert!(!holds(&file, secret) && !holds(&keys, secret));
    }
    let key = &key::parse(&keys, "").unwrap()[0];
    assert!(!file.windows(32).any(|w| w == &key.bytes[..]));
    let mode = fs::metadata(place.key_file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_of_the_first_format_is_sealed_and_written_anew() {
    let place = House::new();
    let before = old_database(&place, 40).await;
    assert!(before.iter().all(|(_, s)| holds(&place.database(), s)));
    let engine = place.open();
    assert_eq!(secrets_of(engine.clients()), before);
    let keys = shown(&engine).keys;
    assert_eq!((keys.len(), keys[0].secrets), (1, 40));
    assert_eq!(actions(&engine).await[0], "secrets.seal");
    let file = place.database();
    for (id, secret) in &before {
        assert!(!holds(&file, secret), "{id}: still in the file");
    }
    assert!(
        !place
            .dir
            .path()
            .join("keys/database-held-plain-secrets")
            .exists()
    );
    // Nothing is left to do: the next start writes nothing.
    let entries = actions(&engine).await.len();
    drop(engine);
    let engine = place.open();
    assert_eq!(actions(&engine).await.len(), entries);
    assert_eq!(secrets_of(engine.clients()), before);
}

/// A client as the first version stored it.
#[derive(Clone, Serialize, Deserialize)]
struct Client1 {
    id: ClientId,
    name: String,
    mac: MacAddr,
    state: ClientState,
    image_id: Option<ImageId>,
    mode: OverlayMode,
    is_virtual: bool,
    chap_secret: String,
    created_at: Timestamp,
    revision: u64,
}

impl Record for Client1 {
    const KIND: u8 = ClientRecord::KIND;
    const SCHEMA: u16 = 1;
    const TABLE: &'static str = ClientRecord::TABLE;
    type Key = ClientId;
    fn key(&self) -> ClientId {
        self.id
    }
}

/// A database with so many rows of the first version, and the secrets in them.
async fn old_database(place: &House, count: u8) -> Vec<(ClientId, String)> {
    let store = Store::open(&place.dir.path().join("nsboot.redb")).unwrap();
    let rows: Vec<Client1> = (0..count)
        .map(|n| Client1 {
            id: ClientId(uuid::Uuid::now_v7()),
            name: params(n).name,
            mac: params(n).mac,
            state: ClientState::Adopted,
            image_id: None,
            mode: OverlayMode::Keep,
            is_virtual: false,
            chap_secret: crate::random_text(16).unwrap(),
            created_at: crate::now(),
            revision: 1,
        })
        .collect();
    let secrets = rows.iter().map(|r| (r.id, r.chap_secret.clone())).collect();
    let write =
        store.write::<_, store::Error, _>(move |tx| rows.iter().try_for_each(|r| tx.put(r)));
    write.await.unwrap();
    secrets
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sealed_secret_opens_in_its_own_row_only() {
    let place = House::new();
    let engine = place.open();
    add(&engine, 2).await;
    let ids: Vec<_> = engine.clients().list().iter().map(|v| v.id).collect();
    let [one, two] = [0, 1].map(|i| engine.clients().get(ids[i]).unwrap());
    let moved = ClientRecord {
        chap_secret: two.chap_secret.clone(),
        ..(*one).clone()
    };
    assert_eq!(engine.clients().disk_secret(&moved), Err(Unopened::Altered));
    let StoredSecret::Sealed(sealed) = &one.chap_secret else {
        panic!("not sealed");
    };
    // Neither does one with any other bit in it, nor a piece of it.
    for at in 0..sealed.bytes().len() {
        let mut bytes = sealed.bytes().to_vec();
        bytes[at] ^= 1;
        let bent = StoredSecret::Sealed(store::Sealed::new(bytes));
        let cut = StoredSecret::Sealed(store::Sealed::new(sealed.bytes()[..at].to_vec()));
        for chap_secret in [bent, cut] {
            let record = ClientRecord {
                chap_secret,
                ..(*one).clone()
            };
            assert!(engine.clients().disk_secret(&record).is_err(), "byte {at}");
        }
    }
    let other = Slot::<ClientRecord> {
        row: &ids[0],
        field: "other",
    };
    let opened = engine.secrets().reveal(other, &one.chap_secret);
    assert_eq!(opened, Err(Unopened::Altered));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_key_costs_new_secrets_and_no_boot_and_may_come_back() {
    let place = House::new();
    let engine = place.open();
    let before = add(&engine, 3).await;
    drop(engine);
    let away = place.dir.path().join("old.key");
    fs::rename(place.key_file(), &away).unwrap();

    let engine = place.open();
    let view = shown(&engine);
    assert_eq!((view.lost, view.keys[0].secrets), (3, 0));
    let first = engine.clients().get(before[0].0).unwrap();
    assert!(matches!(
        engine.clients().disk_secret(&first),
        Err(Unopened::NoKey(_))
    ));
    let new = engine.clients().disk_secret_or_new(&first).await.unwrap();
    assert_ne!(new.expose(), before[0].1);
    assert_eq!(actions(&engine).await[0], "client.new_secret");
    let now = engine.clients().get(before[0].0).unwrap();
    assert_eq!(now.revision, first.revision, "its view is the same");
    // Asking twice makes one; an older copy of the row is no reason for another.
    let again = engine.clients().disk_secret_or_new(&first).await.unwrap();
    assert_eq!(again, new);
    assert_eq!(shown(&engine).lost, 2);
    drop(engine);

    // The old key comes back beside the new one.
    let both = [fs::read(place.key_file()).unwrap(), fs::read(away).unwrap()].concat();
    write_private(&place.key_file(), &both).unwrap();
    let engine = place.open();
    let found = secrets_of(engine.clients());
    assert_eq!(found[0].1, new.expose());
    assert_eq!(found[1..], before[1..]);
    let view = shown(&engine);
    assert_eq!((view.lost, view.keys.len()), (0, 2));
    assert_eq!((view.keys[0].secrets, view.keys[1].secrets), (3, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_key_file_is_refused_and_left_as_it_is() {
    let place = House::new();
    drop(place.open());
    let good = fs::read(place.key_file()).unwrap();
    let text = String::from_utf8(good.clone()).unwrap();
    let line = text.lines().last().unwrap();
    for mode in [0o644, 0o640, 0o604, 0o660, 0o601] {
        fs::set_permissions(place.key_file(), fs::Permissions::from_mode(mode)).unwrap();
        let e = place.try_open().err().unwrap();
        assert_eq!(e.code(), "NSB-SECRET-005");
        assert!(e.to_string().contains("secrets.key") && e.problem().hint.contains("chmod 600"));
    }
    fs::set_permissions(place.key_file(), fs::Permissions::from_mode(0o600)).unwrap();
    let bad = [
        String::new(),
        "# only words\n".into(),
        line[1..].into(),
        line.replace(|c: char| c.is_ascii_hexdigit(), "g"),
        format!("{line} secret-word"),
        format!("{} made=yesterday", &line[..64]),
        format!("{line}\n{}", &line[..63]),
    ];
    for text in bad {
        fs::write(place.key_file(), &text).unwrap();
        let e = place.try_open().err().unwrap();
        assert_eq!(e.code(), "NSB-SECRET-005", "{text}");
        let said = format!("{e} {:?} {}", e, e.problem());
        assert!(
            !said.contains(&line[1..60]) && !said.contains("secret-word"),
            "{said}"
        );
        assert_eq!(fs::read_to_string(place.key_file()).unwrap(), text);
    }
    fs::write(place.key_file(), [0xff; 32]).unwrap();
    assert!(place.try_open().is_err());
    // So is that of the sessions.
    fs::write(place.key_file(), good).unwrap();
    let session = place.dir.path().join("keys/session.key");
    fs::set_permissions(&session, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(place.try_open().err().unwrap().code(), "NSB-SECRET-005");
    fs::set_permissions(&session, fs::Permissions::from_mode(0o600)).unwrap();
    place.open();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_is_used_instead_and_rotated_by_systemd() {
    let mut place = House::new();
    let engine = place.open();
    let before = add(&engine, 2).await;
    drop(engine);
    let (old, new) = ("ab".repeat(32), "cd".repeat(32));
    place.give_credential(&old);
    let engine = place.open();
    let view = shown(&engine);
    let places: Vec<_> = view.keys.iter().map(|k| (k.place, k.secrets)).collect();
    assert_eq!(places, [(KeyPlace::Credential, 2), (KeyPlace::File, 0)]);
    let e = engine.as_itself("test").rotate_secrets().await.unwrap_err();
    assert_eq!(e.code(), "NSB-SECRET-002");
    // Changes are in order: after this one nothing of the refusal holds the database.
    let flush = engine.as_itself("test");
    let same = Ok(("info".to_string(), || ()));
    flush.set_log_level("info", same).await.unwrap();
    drop((engine, flush));
    // What it sealed needs the key file no more.
    fs::remove_file(place.key_file()).unwrap();
    place.give_credential(&format!("{new}\n{old}\n"));
    let engine = place.open();
    assert_eq!(secrets_of(engine.clients()), before);
    drop(engine);
    place.give_credential(&new);
    let engine = place.open();
    assert_eq!(secrets_of(engine.clients()), before);
    let view = shown(&engine);
    assert_eq!((view.keys.len(), view.keys[0].secrets), (1, 2));
    assert!(!place.key_file().exists());
    drop(engine);
    place.give_credential("not a key");
    let e = place.try_open().err().unwrap();
    assert!(e.to_string().contains("credential nsboot-secrets"), "{e}");
}
