//! The rows of every table. Enums of `types` stand in them by the number of their variant, so new
//! variants go to the end; structs of `types` never stand in them, because those may grow.

mod audit;
mod auth;
mod boot;
mod client;
mod entry;
mod firmware;
mod group;
mod idempotency;
mod image;
mod job;
mod lease;
mod schedule;
mod scope;
mod secret;
mod setting;
mod storage;

pub use audit::{AuditHeadRecord, AuditRecord};
pub use auth::{SessionRecord, TokenRecord, UserRecord};
pub use boot::{BootRecord, CauseRecord, FactsRecord, HopRecord, NoteRecord};
pub use client::ClientRecord;
pub use entry::BootEntryRecord;
pub use firmware::{FirmwareKind, FirmwareRecord};
pub use group::GroupRecord;
pub use idempotency::{IdempotencyRecord, KeptAnswerRecord};
pub use image::{ImageRecord, StoredChannels, StoredVersion};
pub use job::{JobItemRecord, JobLineRecord, JobRecord};
pub use lease::LeaseRecord;
pub use schedule::SnapshotsDueRecord;
pub use scope::{OptionRecord, ReservationRecord, ScopeRecord};
pub use secret::{Sealed, Secret, StoredSecret};
pub use setting::{SettingChangeRecord, SettingRecord, SettingsRevisionRecord};
pub use storage::StorageSampleRecord;
