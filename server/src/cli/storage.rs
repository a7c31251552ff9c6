//! `nsboot storage` and `nsboot overlay`: what takes space, and what computers wrote.

use super::{CliError, address::at, connect::Change, console::Console, listing::Listing, render};
use clap::Subcommand;
use types::{OverlayView, StorageView};

#[derive(Subcommand)]
pub enum StorageCommand {
    /// Say how full the file system of the data folder is, and when it will be full
    Show,
}

#[derive(Subcommand)]
pub enum OverlayCommand {
    /// List what computers wrote, and what is left of computers that are not there any more
    Ls {
        #[command(flatten)]
        listing: Listing,
    },
    /// Remove what computers wrote, while they are off, or orphans
    Rm {
        /// Names, ids or Ethernet addresses; an orphan by its id
        #[arg(required = true, value_name = "CLIENT")]
        clients: Vec<String>,
    },
}

/// Runs a command about space.
///
/// # Errors
/// As the server says.
pub fn storage(command: StorageCommand, console: &Console) -> Result<(), CliError> {
    match command {
        StorageCommand::Show => {
            let storage: StorageView = console.server.get("/api/v1/storage")?;
            console.print(&storage, || render::storage(&storage))
        }
    }
}

/// Runs a command about overlays.
///
/// # Errors
/// As the server says.
pub fn overlay(command: OverlayCommand, console: &Console) -> Result<(), CliError> {
    match command {
        OverlayCommand::Ls { listing } => {
            let overlays: Vec<OverlayView> = console.all(&listing.of("/api/v1/overlays"))?;
            console.print(&overlays, || render::list(&overlays))
        }
        OverlayCommand::Rm { clients } => {
            let one = |client: &str| Change::new("DELETE", at("overlays", client));
            console.remove(("overlay of", "overlays"), &clients, one)
        }
    }
}
