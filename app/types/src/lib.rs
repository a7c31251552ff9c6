//! The one crate of types that browser, server and command line share.
//! It holds no logic beyond parsing and printing, and imports nothing of ours.

mod audit;
mod auth;
mod boot;
mod client;
mod entry;
mod event;
mod firmware;
mod group;
mod id;
mod image;
mod job;
mod loader;
mod mac;
mod network;
mod page;
mod problem;
mod scope;
mod secrets;
mod setting;
mod system;
mod time;
mod topic;

pub use audit::*;
pub use auth::*;
pub use boot::*;
pub use client::*;
pub use entry::*;
pub use event::*;
pub use firmware::*;
pub use group::*;
pub use id::*;
pub use image::*;
pub use job::*;
pub use loader::*;
pub use mac::*;
pub use network::*;
pub use page::*;
pub use problem::*;
pub use scope::*;
pub use secrets::*;
pub use setting::*;
pub use system::*;
pub use time::*;
pub use topic::*;
