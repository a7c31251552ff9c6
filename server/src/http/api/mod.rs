//! REST, `/api/v1`: one file a noun, each a thin adapter on the engine.

pub mod auth;
pub mod boots;
pub mod clients;
pub mod images;
pub mod lab;
pub mod leases;
pub mod networks;
pub mod system;
