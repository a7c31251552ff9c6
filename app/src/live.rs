//! What the pages show, kept true by one WebSocket: events become signals, one for each computer
//! and image, so that only the row that changed is drawn again.

use crate::start::Start;
use leptos::prelude::*;
use types::{
    AuditView, BootEntryView, BootNetworkView, BootView, ClientId, ClientView, Event, ExportView,
    FirmwareView, GroupView, ImageId, ImageView, JobId, JobView, LeaseView, ReservationView,
    ScopeView, ServerFrame, Snapshot, StorageView, Timestamp, TrialView,
};

#[cfg(feature = "hydrate")]
mod socket;

/// One thing of a list with a signal of its own.
#[derive(Clone)]
pub struct Row<K, V: Send + Sync + 'static> {
    pub id: K,
    pub view: ArcRwSignal<V>,
}

/// A computer in the list.
pub type ClientRow = Row<ClientId, ClientView>;
/// An image in the list.
pub type ImageRow = Row<ImageId, ImageView>;
/// A job in the drawer.
pub type JobRow = Row<JobId, JobView>;

/// How the page hangs on the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(not(feature = "hydrate"), allow(dead_code))]
pub enum Link {
    /// Not open yet; what is shown came with the page.
    Connecting,
    Live,
    /// Lost at this moment of the server's clock.
    Lost(Timestamp),
}

/// The live state of all pages. Copy: it holds handles.
#[derive(Clone, Copy)]
pub struct Live {
    pub clients: RwSignal<Vec<ClientRow>>,
    pub images: RwSignal<Vec<ImageRow>>,
    pub entries: RwSignal<Vec<BootEntryView>>,
    pub groups: RwSignal<Vec<GroupView>>,
    pub firmware: RwSignal<Vec<FirmwareView>>,
    pub leases: RwSignal<Vec<LeaseView>>,
    pub reservations: RwSignal<Vec<ReservationView>>,
    pub networks: RwSignal<Vec<BootNetworkView>>,
    pub scopes: RwSignal<Vec<ScopeView>>,
    /// The newest change of any boot, for pages that show one.
    pub boot: RwSignal<Option<BootView>>,
    /// The jobs that are not over.
    pub running: RwSignal<Vec<JobRow>>,
    /// The newest change of any job, for pages that show jobs.
    pub job: RwSignal<Option<JobView>>,
    /// The newest entry of the audit log; only administrators are sent any.
    pub entry: RwSignal<Option<AuditView>>,
    /// The number of the newest change of settings, when there was one since the page was opened.
    pub settings: RwSignal<Option<u64>>,
    /// The loader set that came or went last, when one did since the page was opened.
    pub loaders: RwSignal<Option<String>>,
    /// The names of the loader sets.
    pub sets: RwSignal<Vec<String>>,
    /// The disks that are offered; whole once the page that shows them has read them.
    pub exports: RwSignal<Vec<ExportView>>,
    /// Space, once it was read or told.
    pub storage: RwSignal<Option<StorageView>>,
    /// The network change that waits to be confirmed.
    pub trial: RwSignal<Option<TrialView>>,
    pub link: RwSignal<Link>,
    /// How many snapshots came over the socket: before each, changes may have passed unseen.
    pub snapshots: RwSignal<u32>,
    /// The build that this page is of.
    #[cfg_attr(not(feature = "hydrate"), allow(dead_code))]
    build: StoredValue<Option<String>>,
    /// The server's clock, to the second while the page is open.
    pub now: RwSignal<Timestamp>,
}

impl Live {
    /// From what came with the page. Nothing in it may change before the page is hydrated, or what is
    /// drawn and what is held would differ: the browser calls [`Live::open`] then.
    pub fn new(start: &Start) -> Live {
        let live = Live {
            clients: RwSignal::new(Vec::new()),
            images: RwSignal::new(Vec::new()),
            entries: RwSignal::new(Vec::new()),
            groups: RwSignal::new(Vec::new()),
            firmware: RwSignal::new(Vec::new()),
            leases: RwSignal::new(Vec::new()),
            reservations: RwSignal::new(Vec::new()),
            networks: RwSignal::new(Vec::new()),
            scopes: RwSignal::new(Vec::new()),
            boot: RwSignal::new(None),
            running: RwSignal::new(Vec::new()),
            job: RwSignal::new(None),
            loaders: RwSignal::new(None),
            sets: RwSignal::new(Vec::new()),
            entry: RwSignal::new(None),
            settings: RwSignal::new(None),
            exports: RwSignal::new(Vec::new()),
            storage: RwSignal::new(None),
            trial: RwSignal::new(None),
            link: RwSignal::new(Link::Connecting),
            snapshots: RwSignal::new(0),
            build: StoredValue::new(start.snapshot.as_ref().map(|s| s.page_build.clone())),
            now: RwSignal::new(start.now),
        };
        if let Some(snapshot) = &start.snapshot {
            live.load(snapshot.clone());
        }
        live
    }

    /// Opens the socket and lets the clock run.
    #[cfg(feature = "hydrate")]
    pub fn open(self, topics: types::Topics) {
        socket::open(self, topics);
    }

    /// The signal of one computer.
    pub fn client(&self, id: ClientId) -> Option<ArcRwSignal<ClientView>> {
        self.clients
            .with(|rows| rows.iter().find(|r| r.id == id).map(|r| r.view.clone()))
    }

    /// Whether an image has that name; case does not matter. One whose import failed gives way.
    #[cfg(feature = "hydrate")]
    pub fn image_named(&self, name: &str) -> bool {
        let same = |r: &ImageRow| {
            let name = name.trim();
            r.view.with_untracked(|i| {
                i.state != types::ImageState::Failed && i.name.eq_ignore_ascii_case(name)
            })
        };
        self.images.with_untracked(|rows| rows.iter().any(same))
    }

    /// Takes a frame from the server.
    #[cfg_attr(not(feature = "hydrate"), allow(dead_code))]
    pub fn take(&self, frame: ServerFrame) {
        match frame {
            ServerFrame::Snapshot { snapshot, .. } => {
                self.load(*snapshot);
                self.snapshots.update(|n| *n = n.wrapping_add(1));
            }
            // Nothing was missed: what changed meanwhile follows.
            ServerFrame::Resumed { .. } => {}
            ServerFrame::Delta { event, .. } => self.apply(*event),
        }
    }

    fn load(&self, snapshot: Snapshot) {
        // The server was replaced: its lazy pages do not fit to what this one has loaded.
        #[cfg(feature = "hydrate")]
        if self
            .build
            .get_value()
            .is_some_and(|b| b != snapshot.page_build)
        {
            socket::load_anew(*self);
        }
        merge(self.clients, snapshot.clients, |c| c.id);
        merge(self.images, snapshot.images, |i| i.id);
        merge(self.running, snapshot.jobs, |j| j.id);
        self.entries.set(snapshot.boot_entries);
        self.groups.set(snapshot.groups);
        self.firmware.set(snapshot.firmware);
        self.leases.set(snapshot.leases);
        self.reservations.set(snapshot.reservations);
        self.networks.set(snapshot.networks);
        self.scopes.set(snapshot.scopes);
        self.sets.set(snapshot.loader_sets);
        self.trial.set(snapshot.trial);
    }

    fn apply(&self, event: Event) {
        match event {
            Event::ClientChanged { client } => upsert(self.clients, client.id, *client),
            Event::ClientRemoved { id } => self.clients.update(|rows| rows.retain(|r| r.id != id)),
            Event::BootChanged { boot } => self.boot_changed(boot),
            Event::ImageChanged { image } => upsert(self.images, image.id, image),
            Event::ImageRemoved { id } => self.images.update(|rows| rows.retain(|r| r.id != id)),
            Event::BootEntryChanged { entry } => put(self.entries, entry, |e| e.id),
            Event::BootEntryRemoved { id } => self.entries.update(|all| all.retain(|e| e.id != id)),
            Event::GroupChanged { group } => put(self.groups, group, |g| g.id),
            Event::FirmwareChanged { firmware } => put(self.firmware, firmware, |f| f.id),
            Event::FirmwareRemoved { id } => self.firmware.update(|all| all.retain(|f| f.id != id)),
            Event::GroupRemoved { id } => self.groups.update(|all| all.retain(|g| g.id != id)),
            Event::LeaseChanged { lease } => {
                put(self.leases, lease, |l| (l.address, l.scope.clone()))
            }
            Event::LeaseRemoved { scope, address } => self.leases.update(|all| {
                all.retain(|l| l.address != address || l.scope != scope);
            }),
            Event::ReservationChanged { reservation } => {
                put(self.reservations, reservation, |r| r.id);
            }
            Event::ReservationRemoved { id } => {
                self.reservations.update(|all| all.retain(|r| r.id != id));
            }
            Event::ScopeChanged { scope } => put(self.scopes, scope, |s| s.name.clone()),
            Event::ScopeRemoved { name } => {
                self.scopes.update(|all| all.retain(|s| s.name != name));
            }
            Event::JobChanged { job } => self.job_changed(job),
            Event::SettingsChanged { revision, trial } => {
                self.settings.set(Some(revision));
                self.trial.set(trial);
            }
            Event::LoadersChanged { set, sets } => {
                self.sets.set(sets);
                self.loaders.set(Some(set));
            }
            Event::ExportChanged { export } => put(self.exports, export, |e| e.client_id),
            Event::ExportRemoved { id } => {
                self.exports.update(|all| all.retain(|e| e.client_id != id));
            }
            Event::StorageChanged { storage } => self.storage.set(Some(storage)),
            Event::AuditAdded { entry } => self.entry.set(Some(entry)),
            Event::NetworkRemoved {
                interface,
                namespace,
            } => self.networks.update(|all| {
                all.retain(|n| n.interface != interface || n.namespace != namespace);
            }),
            Event::NetworkChanged { network } => put(self.networks, network, |n| {
                (n.interface.clone(), n.namespace.clone())
            }),
        }
    }

    /// A job that is over leaves the drawer.
    fn job_changed(&self, job: JobView) {
        if job.state.is_over() {
            let gone = |r: &JobRow| r.id == job.id;
            if self.running.with_untracked(|rows| rows.iter().any(gone)) {
                self.running.update(|rows| rows.retain(|r| !gone(r)));
            }
        } else {
            upsert(self.running, job.id, job.clone());
        }
        self.job.set(Some(job));
    }

    /// A boot belongs to the computer with its MAC; an older boot than the one shown is not news.
    fn boot_changed(&self, boot: BootView) {
        let row = self.clients.with_untracked(|rows| {
            rows.iter()
                .find(|r| r.view.with_untracked(|c| c.mac == boot.mac))
                .map(|r| r.view.clone())
        });
        if let Some(view) = row {
            view.maybe_update(|c| c.take_boot(boot.clone()));
        }
        self.boot.set(Some(boot));
    }
}

/// Puts a view into the place of its older one, or at the end.
fn put<K: PartialEq, V: Send + Sync + 'static>(all: RwSignal<Vec<V>>, new: V, id: fn(&V) -> K) {
    all.update(|all| match all.iter_mut().find(|old| id(old) == id(&new)) {
        Some(old) => *old = new,
        None => all.push(new),
    });
}

/// Makes the rows those of `views` in their order; the signal of a row that stays is kept, and
/// told only when something in it changed.
fn merge<K, V>(rows: RwSignal<Vec<Row<K, V>>>, views: Vec<V>, id: impl Fn(&V) -> K)
where
    K: Copy + PartialEq + Send + Sync + 'static,
    V: PartialEq + Clone + Send + Sync + 'static,
{
    let old = rows.get_untracked();
    let new: Vec<Row<K, V>> = views
        .into_iter()
        .map(|view| {
            let id = id(&view);
            match old.iter().find(|r| r.id == id) {
                Some(row) => {
                    set_if_changed(&row.view, view);
                    row.clone()
                }
                None => Row {
                    id,
                    view: ArcRwSignal::new(view),
                },
            }
        })
        .collect();
    let same = old.len() == new.len() && old.iter().zip(&new).all(|(a, b)| a.id == b.id);
    if !same {
        rows.set(new);
    }
}

fn upsert<K, V>(rows: RwSignal<Vec<Row<K, V>>>, id: K, view: V)
where
    K: Copy + PartialEq + Send + Sync + 'static,
    V: PartialEq + Clone + Send + Sync + 'static,
{
    let known = rows.with_untracked(|all| all.iter().find(|r| r.id == id).map(|r| r.view.clone()));
    match known {
        Some(signal) => set_if_changed(&signal, view),
        None => rows.update(|all| {
            all.push(Row {
                id,
                view: ArcRwSignal::new(view),
            })
        }),
    }
}

fn set_if_changed<V: PartialEq + Send + Sync + 'static>(signal: &ArcRwSignal<V>, view: V) {
    if signal.with_untracked(|old| *old != view) {
        signal.set(view);
    }
}
