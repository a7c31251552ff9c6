//! What the WebSocket carries.

use crate::{
    AuditView, BootEntryId, BootEntryView, BootId, BootNetworkView, BootView, ClientId, ClientView,
    ExportView, FirmwareId, FirmwareView, GroupId, GroupView, ImageId, ImageView, JobId, JobView,
    LeaseView, ReservationId, ReservationView, ScopeView, StorageView, Topic, Topics, TrialView,
};
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

/// Something that changed. Each carries the whole new view, so that a client that missed one
/// is right again with the next.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    ClientChanged {
        /// Apart: it is much larger than what other events carry.
        client: Box<ClientView>,
    },
    ClientRemoved {
        id: ClientId,
    },
    BootChanged {
        boot: BootView,
    },
    ImageChanged {
        image: ImageView,
    },
    ImageRemoved {
        id: ImageId,
    },
    BootEntryChanged {
        entry: BootEntryView,
    },
    BootEntryRemoved {
        id: BootEntryId,
    },
    GroupChanged {
        group: GroupView,
    },
    GroupRemoved {
        id: GroupId,
    },
    FirmwareChanged {
        firmware: FirmwareView,
    },
    FirmwareRemoved {
        id: FirmwareId,
    },
    LeaseChanged {
        lease: LeaseView,
    },
    /// It was forgotten: its address may be given to any computer.
    LeaseRemoved {
        scope: String,
        #[cfg_attr(feature = "schema", schema(value_type = String, format = Ipv4))]
        address: Ipv4Addr,
    },
    ReservationChanged {
        reservation: ReservationView,
    },
    ReservationRemoved {
        id: ReservationId,
    },
    NetworkChanged {
        network: BootNetworkView,
    },
    ScopeChanged {
        scope: ScopeView,
    },
    ScopeRemoved {
        name: String,
    },
    /// It is not served any more.
    NetworkRemoved {
        interface: String,
        /// A named network namespace; None is the host's own.
        namespace: Option<String>,
    },
    /// Without its items and log lines: those are read when somebody looks.
    JobChanged {
        job: JobView,
    },
    /// A loader set came or went; they are read when somebody looks.
    LoadersChanged {
        /// Its name.
        set: String,
        /// The names of all that there are now.
        #[serde(default)]
        sets: Vec<String>,
    },
    /// Settings were changed, confirmed or went back; they are read when somebody looks.
    SettingsChanged {
        /// The number of the newest change.
        revision: u64,
        /// The network change that waits to be confirmed.
        trial: Option<TrialView>,
    },
    /// A disk is offered, or a session on it began or ended.
    ExportChanged {
        export: ExportView,
    },
    /// The disk of this computer is not offered any more.
    ExportRemoved {
        id: ClientId,
    },
    /// What is free, or takes space, has changed.
    StorageChanged {
        storage: StorageView,
    },
    /// For administrators.
    AuditAdded {
        entry: AuditView,
    },
}

/// The one thing that an event is about. Of two events with the same subject the newer says all.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Subject {
    Client(ClientId),
    Boot(BootId),
    Image(ImageId),
    BootEntry(BootEntryId),
    Group(GroupId),
    Firmware(FirmwareId),
    /// An address of a scope.
    Lease(Ipv4Addr, String),
    Reservation(ReservationId),
    /// By its name.
    Scope(String),
    /// An interface, in a network namespace when it is not the host's own.
    Network(String, Option<String>),
    Job(JobId),
    /// By its name.
    LoaderSet(String),
    /// All of them together.
    Settings,
    /// The disk of a computer, as it is offered.
    Export(ClientId),
    /// The file system of the data folder.
    Storage,
    /// By its number; each is its own.
    Audit(u64),
}

impl Event {
    /// Who gets it: the readers of this topic.
    pub fn topic(&self) -> Topic {
        match self {
            Event::ClientChanged { .. } | Event::ClientRemoved { .. } => Topic::Clients,
            Event::BootChanged { .. } => Topic::Boots,
            Event::ImageChanged { .. } | Event::ImageRemoved { .. } => Topic::Images,
            Event::BootEntryChanged { .. } | Event::BootEntryRemoved { .. } => Topic::BootEntries,
            Event::GroupChanged { .. } | Event::GroupRemoved { .. } => Topic::Groups,
            Event::FirmwareChanged { .. } | Event::FirmwareRemoved { .. } => Topic::Firmware,
            Event::LeaseChanged { .. }
            | Event::LeaseRemoved { .. }
            | Event::ReservationChanged { .. }
            | Event::ReservationRemoved { .. } => Topic::Leases,
            Event::NetworkChanged { .. }
            | Event::NetworkRemoved { .. }
            | Event::ScopeChanged { .. }
            | Event::ScopeRemoved { .. } => Topic::Networks,
            Event::JobChanged { .. } => Topic::Jobs,
            Event::LoadersChanged { .. } => Topic::Loaders,
            Event::SettingsChanged { .. } => Topic::Settings,
            Event::ExportChanged { .. }
            | Event::ExportRemoved { .. }
            | Event::StorageChanged { .. } => Topic::Storage,
            Event::AuditAdded { .. } => Topic::Audit,
        }
    }

    /// What it is about.
    pub fn subject(&self) -> Subject {
        match self {
            Event::ClientChanged { client } => Subject::Client(client.id),
            Event::ClientRemoved { id } => Subject::Client(*id),
            Event::BootChanged { boot } => Subject::Boot(boot.id),
            Event::ImageChanged { image } => Subject::Image(image.id),
            Event::ImageRemoved { id } => Subject::Image(*id),
            Event::BootEntryChanged { entry } => Subject::BootEntry(entry.id),
            Event::BootEntryRemoved { id } => Subject::BootEntry(*id),
            Event::GroupChanged { group } => Subject::Group(group.id),
            Event::GroupRemoved { id } => Subject::Group(*id),
            Event::FirmwareChanged { firmware } => Subject::Firmware(firmware.id),
            Event::FirmwareRemoved { id } => Subject::Firmware(*id),
            Event::LeaseChanged { lease } => Subject::Lease(lease.address, lease.scope.clone()),
            Event::LeaseRemoved { scope, address } => Subject::Lease(*address, scope.clone()),
            Event::ReservationChanged { reservation } => Subject::Reservation(reservation.id),
            Event::ReservationRemoved { id } => Subject::Reservation(*id),
            Event::ScopeChanged { scope } => Subject::Scope(scope.name.clone()),
            Event::ScopeRemoved { name } => Subject::Scope(name.clone()),
            Event::NetworkChanged { network } => {
                Subject::Network(network.interface.clone(), network.namespace.clone())
            }
            Event::NetworkRemoved {
                interface,
                namespace,
            } => Subject::Network(interface.clone(), namespace.clone()),
            Event::JobChanged { job } => Subject::Job(job.id),
            Event::LoadersChanged { set, .. } => Subject::LoaderSet(set.clone()),
            Event::SettingsChanged { .. } => Subject::Settings,
            Event::ExportChanged { export } => Subject::Export(export.client_id),
            Event::ExportRemoved { id } => Subject::Export(*id),
            Event::StorageChanged { .. } => Subject::Storage,
            Event::AuditAdded { entry } => Subject::Audit(entry.seq),
        }
    }
}

/// Everything the live pages show, as of one sequence number. The lists of topics that were not
/// asked for are empty.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Snapshot {
    /// Which build of the page the server holds; a page of another one has to be loaded anew.
    pub page_build: String,
    pub clients: Vec<ClientView>,
    pub images: Vec<ImageView>,
    #[serde(default)]
    pub boot_entries: Vec<BootEntryView>,
    #[serde(default)]
    pub groups: Vec<GroupView>,
    #[serde(default)]
    pub firmware: Vec<FirmwareView>,
    pub leases: Vec<LeaseView>,
    /// Of the topic `leases`.
    #[serde(default)]
    pub reservations: Vec<ReservationView>,
    pub networks: Vec<BootNetworkView>,
    /// Of the topic `networks`.
    #[serde(default)]
    pub scopes: Vec<ScopeView>,
    /// The names of the topic `loaders`; what is in a set is read when somebody looks.
    #[serde(default)]
    pub loader_sets: Vec<String>,
    /// The newest boot of each computer, for readers of `boots` without `clients`: in `clients`
    /// each computer has it.
    pub boots: Vec<BootView>,
    /// Those that are not over.
    pub jobs: Vec<JobView>,
    /// The network change that waits to be confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial: Option<TrialView>,
}

/// A frame from the server on `/api/v1/ws`, as JSON text. `docs/websocket.md` tells how they follow
/// each other.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ServerFrame {
    /// The whole state. Sent first, and again whenever the reader fell behind.
    Snapshot {
        run: String,
        seq: u64,
        topics: Topics,
        snapshot: Box<Snapshot>,
    },
    /// Sent first to a reader that came back in time: what it missed since `seq` follows.
    Resumed {
        run: String,
        seq: u64,
        topics: Topics,
    },
    /// One change; `seq` rises from frame to frame and may skip.
    Delta { seq: u64, event: Box<Event> },
}
