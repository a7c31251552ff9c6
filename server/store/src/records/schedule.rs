//! Which snapshots are due by schedule.

use crate::record::record;
use serde::{Deserialize, Serialize};
use types::{ClientId, Timestamp};

/// How far the schedule of snapshots has come. There is one, while there is a schedule.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SnapshotsDueRecord {
    /// The schedule that this is of: a moment every so many minutes.
    pub every_minutes: u32,
    /// Which minute of them, counted from 1970.
    pub at_minute: u32,
    /// The newest moment that was looked at.
    pub seen: Timestamp,
    /// The computers whose snapshot is due, and since when.
    pub due: Vec<(ClientId, Timestamp)>,
}
record!(SnapshotsDueRecord, kind 51, schema 1, table "snapshots_due", (), |_r| ());
