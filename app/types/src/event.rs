//! What the WebSocket carries.

use crate::{
    AuditView, BootNetworkView, BootView, ClientId, ClientView, ImageId, ImageView, JobView,
    LeaseView,
};
use serde::{Deserialize, Serialize};

/// Something that changed. Each carries the whole new view, so that a client that missed one
/// is right again with the next.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    ClientChanged {
        client: ClientView,
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
    LeaseChanged {
        lease: LeaseView,
    },
    NetworkChanged {
        network: BootNetworkView,
    },
    /// Without its items and log lines: those are read when somebody looks.
    JobChanged {
        job: JobView,
    },
    /// For administrators.
    AuditAdded {
        entry: AuditView,
    },
}

/// Everything the live pages show, as of one sequence number.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Snapshot {
    /// Which build of the page the server holds; a page of another one has to be loaded anew.
    pub page_build: String,
    pub clients: Vec<ClientView>,
    pub images: Vec<ImageView>,
    pub leases: Vec<LeaseView>,
    pub networks: Vec<BootNetworkView>,
}

/// A frame from the server on `/api/v1/ws`, as JSON text.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ServerFrame {
    /// Sent first, and again whenever the reader fell behind.
    Snapshot { seq: u64, snapshot: Box<Snapshot> },
    /// One change; `seq` rises by one each time.
    Delta { seq: u64, event: Box<Event> },
}
