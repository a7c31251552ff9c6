//! The rows of every table. Enums of `types` stand in them by the number of their variant, so new
//! variants go to the end; structs of `types` never stand in them, because those may grow.

mod auth;
mod boot;
mod client;
mod image;
mod lease;
mod setting;

pub use auth::{SessionRecord, UserRecord};
pub use boot::{BootRecord, CauseRecord, FactsRecord, HopRecord, NoteRecord};
pub use client::ClientRecord;
pub use image::ImageRecord;
pub use lease::LeaseRecord;
pub use setting::SettingRecord;
