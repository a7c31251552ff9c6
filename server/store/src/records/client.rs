//! Clients.

use crate::record::record;
use serde::{Deserialize, Serialize};
use types::{ClientId, ClientState, ImageId, MacAddr, OverlayMode, Timestamp};

/// A computer that boots from us, or that was seen asking.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ClientRecord {
    /// Its id.
    pub id: ClientId,
    /// Unique, a host name.
    pub name: String,
    /// Unique.
    pub mac: MacAddr,
    /// Whether it is ours yet.
    pub state: ClientState,
    /// What it boots.
    pub image_id: Option<ImageId>,
    /// What becomes of its overlay at each boot.
    pub mode: OverlayMode,
    /// A virtual computer of the lab.
    pub is_virtual: bool,
    /// The secret of its disk's CHAP login: 16 printable characters, made once.
    pub chap_secret: String,
    /// When the record was made.
    pub created_at: Timestamp,
    /// Raised by one with each change.
    pub revision: u64,
}
record!(ClientRecord, kind 1, schema 1, table "clients", ClientId, |r| r.id);
