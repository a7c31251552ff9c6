//! What NSBoot does. No sockets, no HTTP, no Leptos: daemons, REST and pages are adapters on this.

pub mod boot;
pub mod export;
