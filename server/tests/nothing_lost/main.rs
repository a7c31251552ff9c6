//! Nothing that was acknowledged is ever lost: the real server is killed with -9 under load, is away for a while, is
//! cut off, and has its disk filled up, while real sessions over a real network write numbered blocks.
//!
//! `NSBOOT_KILLS`, `NSBOOT_SESSIONS` and `NSBOOT_CUTS` make it long. Needs what `nbd_live` needs. A failing run names its seed.

#[path = "../support/cable.rs"]
#[allow(dead_code)] // shared with the test of NBD
mod cable;
mod full;
#[path = "../../daemons/examples/support/initiator.rs"]
mod initiator;
mod kills;
mod ledger;
mod power;
mod recovery;
#[path = "../it/server.rs"]
#[allow(dead_code)] // shared with the tests of the API
mod server;
mod stage;

use std::hash::{BuildHasher, RandomState};

/// A number of the environment, for long runs.
fn count(name: &str, usual: usize) -> usize {
    std::env::var(name).map_or(usual, |n| n.parse().expect("a number"))
}

/// New for each run, and told.
fn seed() -> u64 {
    let seed = RandomState::new().hash_one(0) | 1;
    println!("seed {seed}");
    seed
}
