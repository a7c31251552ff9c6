//! The server as other programs meet it: a real process, real HTTP, its own data directory.

mod api;
mod arguments;
mod auth;
mod bad_inputs;
mod cli;
mod data_disks;
mod description;
mod headers;
mod idempotency;
mod imports;
mod live;
mod operations;
mod page;
mod raw_html;
mod roles;
mod secrets;
mod server;
mod settings;
mod stop;
mod storage;
mod tricks;
mod unit;
mod uploads;
mod watch;
mod ways;
