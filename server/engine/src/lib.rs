//! What NSBoot does. No sockets, no HTTP, no Leptos: daemons, REST and pages are adapters on this.

pub mod audit;
mod blocking;
pub mod boot;
pub mod capacity;
pub mod clients;
pub mod counters;
pub mod door;
pub mod entries;
mod error;
mod events;
pub mod export;
mod fetch;
pub mod firmware;
pub mod groups;
pub mod idempotency;
pub mod images;
mod interfaces;
pub mod jobs;
pub mod lab;
pub mod leases;
pub mod loaders;
pub mod network;
pub mod os;
pub mod schedule;
pub mod secrets;
pub mod settings;
pub mod storage;
mod uploads;
pub mod users;

pub use audit::{Actor, Audit, By};
pub use boot::Boots;
pub use capacity::Capacity;
pub use clients::{Clients, UnknownClients};
pub use counters::Counters;
pub use door::{Admin, Caller, Operator, Viewer};
pub use entries::BootEntries;
pub use error::{Area, Error, Result};
pub use events::{Change, EventBus, Next, Reader};
pub use fetch::tls;
pub use firmware::Firmwares;
pub use groups::Groups;
pub use idempotency::Idempotency;
pub use images::Images;
pub use jobs::Jobs;
pub use lab::Lab;
pub use leases::Leases;
pub use loaders::Loaders;
pub use network::{BootNetworkConfig, Networks};
pub use schedule::SnapshotSchedule;
pub use settings::{Settings, Sources};
pub use storage::{EmbeddedStorage, StorageBackend};
/// Rows as the look-ups give them.
pub use store::{BootEntryRecord, BootRecord, ClientRecord, GroupRecord, ImageRecord, LeaseRecord};
pub use uploads::Sending;
pub use users::{Identity, Users};

use std::{
    path::PathBuf,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};
use store::{Read, Store};
use types::Timestamp;
use uploads::Uploads;

/// What the engine is opened with.
#[derive(Clone, Default)] // no Debug: it holds a password
pub struct EngineConfig {
    /// Holds the database, images, loaders and keys.
    pub data_dir: PathBuf,
    /// Makes the first admin, named `admin`, when there is no user yet.
    pub admin_password: Option<String>,
    /// What flags, environment and file say; what is saved in the database completes it.
    pub sources: settings::Sources,
    /// Where systemd put the credentials of the service (`CREDENTIALS_DIRECTORY`).
    pub credentials_dir: Option<PathBuf>,
}

/// Everything that NSBoot knows and does. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    parts: Arc<Parts>,
}

/// Parts in the order they are made; a part gets only those above it.
struct Parts {
    config: EngineConfig,
    store: Arc<Store>,
    events: EventBus,
    counters: Arc<Counters>,
    audit: Audit,
    settings: Settings,
    secrets: secrets::Secrets,
    jobs: Jobs,
    users: Users,
    idempotency: Idempotency,
    networks: Networks,
    images: Images,
    entries: BootEntries,
    groups: Groups,
    clients: Clients,
    leases: Leases,
    storage: Arc<dyn StorageBackend>,
    loaders: Loaders,
    firmware: Firmwares,
    exports: export::Exports,
    boots: Boots,
    capacity: Capacity,
    schedule: SnapshotSchedule,
    uploads: Uploads,
    lab: Lab,
}

impl Engine {
    /// Opens the data folder, makes it when it is not there. Call it inside a tokio runtime. What
    /// daemons see becomes timelines only while [`Boots::fold`] runs.
    ///
    /// # Errors
    /// When the folder or the database in it can't be opened; the text says why and what to do.
    pub fn open(config: EngineConfig) -> Result<Engine> {
        make_private_dir(&config.data_dir)?;
        let store = Store::open(&config.data_dir.join("nsboot.redb"))?;
        Engine::open_on(config, store)
    }

    /// As [`Engine::open`] on a store that the caller opened: how tests put a recorder below it.
    ///
    /// # Errors
    /// As [`Engine::open`].
    pub fn open_on(config: EngineConfig, store: Store) -> Result<Engine> {
        let store = Arc::new(store);
        let events = EventBus::default();
        let counters = Arc::<Counters>::default();
        let audit = Audit::new(store.clone(), events.clone());
        audit.tell_end()?;
        let settings = Settings::open(
            store.clone(),
            audit.clone(),
            events.clone(),
            config.sources.clone(),
        )?;
        let keys = config.data_dir.join("keys");
        let secrets = secrets::Secrets::open(&keys, config.credentials_dir.as_deref())?;
        let jobs = Jobs::new(
            store.clone(),
            events.clone(),
            audit.clone(),
            counters.clone(),
        );
        let users = Users::open(
            store.clone(),
            audit.clone(),
            &keys,
            config.admin_password.as_deref(),
        )?;
        let idempotency = Idempotency::open(store.clone(), &config.data_dir.join("keys"))?;
        let networks = Networks::new(events.clone());
        let storage: Arc<dyn StorageBackend> = Arc::new(EmbeddedStorage::open(&config.data_dir)?);
        let images = Images::open(
            store.clone(),
            events.clone(),
            audit.clone(),
            storage.clone(),
        )?;
        let entries = BootEntries::open(
            store.clone(),
            events.clone(),
            audit.clone(),
            settings.clone(),
        )?;
        let groups = Groups::open(
            store.clone(),
            events.clone(),
            audit.clone(),
            entries.clone(),
        )?;
        let clients = Clients::open(clients::Needs {
            store: store.clone(),
            events: events.clone(),
            audit: audit.clone(),
            images: images.clone(),
            entries: entries.clone(),
            groups: groups.clone(),
            settings: settings.clone(),
            secrets: secrets.clone(),
        })?;
        secrets::settle(&secrets, &clients, &store, &keys)?;
        let leases = Leases::open(
            store.clone(),
            events.clone(),
            audit.clone(),
            clients.clone(),
        )?;
        let loaders = Loaders::open(&config.data_dir, settings.clone())?;
        entries.look_at_files(&loaders);
        let firmware = Firmwares::open(
            store.clone(),
            events.clone(),
            audit.clone(),
            clients.clone(),
        )?;
        let exports = export::Exports::counting(counters.clone());
        let boots = Boots::open(boot::Needs {
            store: store.clone(),
            events: events.clone(),
            settings: settings.clone(),
            entries: entries.clone(),
            groups: groups.clone(),
            audit: audit.clone(),
            clients: clients.clone(),
            images: images.clone(),
            leases: leases.clone(),
            loaders: loaders.clone(),
            firmware: firmware.clone(),
            storage: storage.clone(),
            exports: exports.clone(),
            counters: counters.clone(),
        })?;
        let capacity = Capacity::open(
            store.clone(),
            events.clone(),
            settings.clone(),
            &config.data_dir,
        )?;
        let schedule = SnapshotSchedule::new(clients.clone());
        let lab = Lab::new(
            &config.data_dir,
            settings.with(|v| v.lab),
            clients.clone(),
            images.clone(),
        );
        let engine = Engine {
            parts: Arc::new(Parts {
                config,
                store,
                events,
                counters,
                audit,
                settings,
                secrets,
                jobs,
                users,
                idempotency,
                networks,
                images,
                entries,
                groups,
                clients,
                leases,
                storage,
                loaders,
                firmware,
                exports,
                boots,
                capacity,
                schedule,
                uploads: Uploads::default(),
                lab,
            }),
        };
        jobs::resume(&engine)?;
        Ok(engine)
    }

    /// What it was opened with.
    pub fn config(&self) -> &EngineConfig {
        &self.parts.config
    }
    pub(crate) fn store(&self) -> &Arc<Store> {
        &self.parts.store
    }
    /// Whether the database answers.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn is_readable(&self) -> Result<()> {
        let absent = String::new();
        self.store()
            .read(|tx| tx.get::<store::SettingRecord>(&absent))
            .map(drop)
            .map_err(|e: store::Error| e.into())
    }
    /// What changed, live.
    pub fn events(&self) -> &EventBus {
        &self.parts.events
    }
    /// What is counted for `/metrics`.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.parts.counters
    }
    /// What was set, and what holds.
    pub fn settings(&self) -> &Settings {
        &self.parts.settings
    }
    /// What was changed, and by whom.
    pub(crate) fn audit(&self) -> &Audit {
        &self.parts.audit
    }
    /// The keys that secrets are sealed with.
    pub(crate) fn secrets(&self) -> &secrets::Secrets {
        &self.parts.secrets
    }
    /// Long work.
    pub fn jobs(&self) -> &Jobs {
        &self.parts.jobs
    }
    /// Accounts and sessions.
    pub fn users(&self) -> &Users {
        &self.parts.users
    }
    /// Changes that were asked for under a key.
    pub fn idempotency(&self) -> &Idempotency {
        &self.parts.idempotency
    }
    /// The boot networks and how they are.
    pub fn networks(&self) -> &Networks {
        &self.parts.networks
    }
    /// The disks that clients boot from.
    pub fn images(&self) -> &Images {
        &self.parts.images
    }
    /// What clients may boot.
    pub fn entries(&self) -> &BootEntries {
        &self.parts.entries
    }
    /// Clients that share settings.
    pub fn groups(&self) -> &Groups {
        &self.parts.groups
    }
    /// The computers that boot from us.
    pub fn clients(&self) -> &Clients {
        &self.parts.clients
    }
    /// Which address belongs to which computer.
    pub fn leases(&self) -> &Leases {
        &self.parts.leases
    }
    /// Where images and overlays live.
    pub fn storage(&self) -> &Arc<dyn StorageBackend> {
        &self.parts.storage
    }
    /// The files that firmware loads.
    pub fn loaders(&self) -> &Loaders {
        &self.parts.loaders
    }
    /// How each kind of firmware boots.
    pub fn firmware(&self) -> &Firmwares {
        &self.parts.firmware
    }
    /// The disks that are offered, and who uses them.
    pub fn exports(&self) -> &export::Exports {
        &self.parts.exports
    }
    /// What each computer is told to boot, and how its boots went.
    pub fn boots(&self) -> &Boots {
        &self.parts.boots
    }
    /// How full the file system of the data folder is.
    pub fn capacity(&self) -> &Capacity {
        &self.parts.capacity
    }
    /// The snapshots that are taken by themselves.
    pub fn schedule(&self) -> &SnapshotSchedule {
        &self.parts.schedule
    }
    /// Files that come in pieces.
    pub(crate) fn uploads(&self) -> &Uploads {
        &self.parts.uploads
    }
    /// Virtual computers on this box.
    pub fn lab(&self) -> &Lab {
        &self.parts.lab
    }
}

/// Now, as the engine counts time.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Timestamp(since.map_or(0, |d| i64::try_from(d.as_micros()).unwrap_or(i64::MAX)))
}

/// So many letters and digits from the system's random source.
pub(crate) fn random_text(len: usize) -> Result<String> {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut out = String::with_capacity(len);
    let mut bytes = [0u8; 64];
    while out.len() < len {
        random_bytes(&mut bytes)?;
        // 248 is the largest multiple of 62 in a byte: more would make some letters likelier.
        let picks = bytes.iter().filter(|&&b| b < 248);
        out.extend(
            picks
                .map(|&b| LETTERS[usize::from(b) % 62] as char)
                .take(len - out.len()),
        );
    }
    Ok(out)
}

/// Fills `out` from the system's random source.
pub(crate) fn random_bytes(out: &mut [u8]) -> Result<()> {
    getrandom::fill(out)
        .map_err(|e| Error::Internal(format!("the system's random source failed: {e}")))
}

/// Makes a folder that only its owner may enter.
pub(crate) fn make_private_dir(path: &std::path::Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(Error::io(format!("making the folder {}", path.display())))
}
