//! Kinds of firmware and how each boots.

use crate::record::record;
use serde::{Deserialize, Serialize};
use types::{ClientId, FirmwareId, LoaderKind, OfferForm, Timestamp};

/// Whom a row is about.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum FirmwareKind {
    /// All computers whose Ethernet address begins so and whose firmware says this in option 60.
    Model {
        /// The first three bytes.
        oui: [u8; 3],
        /// Option 60.
        vendor_class: String,
    },
    /// One computer.
    Client(ClientId),
}

/// What was learned of a kind of firmware, or pinned.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FirmwareRecord {
    /// Its id.
    pub id: FirmwareId,
    /// Whom it is about; no two rows are about the same.
    pub kind: FirmwareKind,
    /// The form of DHCP answers; None for the usual.
    pub form: Option<OfferForm>,
    /// The iPXE build; None for the usual.
    pub loader: Option<LoaderKind>,
    /// The largest block of TFTP, bytes.
    pub block_size: Option<u16>,
    /// How long an OFFER is held back, milliseconds.
    pub delay_ms: Option<u16>,
    /// How fast files may leave, KiB/s.
    pub pace: Option<u32>,
    /// An administrator said so.
    pub pinned: bool,
    /// Boots that came to their script this way.
    pub worked: u32,
    /// Boots that stopped before it, this way.
    pub failed: u32,
    /// Those of them since one last worked.
    pub failed_since: u32,
    /// When one last worked.
    pub last_worked_at: Option<Timestamp>,
    /// When one last stopped.
    pub last_failed_at: Option<Timestamp>,
    /// Raised by one with each change by an administrator.
    pub revision: u64,
}
record!(FirmwareRecord, kind 19, schema 1, table "firmware", FirmwareId, |r| r.id);
