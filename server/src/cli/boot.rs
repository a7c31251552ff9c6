//! `nsboot boot`: boots, hop by hop.

use super::{CliError, address::at, console::Console, listing::Listing, render, watch};
use clap::Subcommand;
use types::{BootView, Topic};

#[derive(Subcommand)]
pub enum BootCommand {
    /// List boots, the newest first
    Ls {
        /// Begin with the last one of each computer, go on and show each change; with -o json a line each
        #[arg(long, conflicts_with_all = ["filter", "sort", "client", "limit"])]
        watch: bool,
        #[command(flatten)]
        listing: Listing,
        /// Only those of this computer: name, id or MAC address
        #[arg(long)]
        client: Option<String>,
        /// At most so many
        #[arg(long, default_value = "100", value_name = "NUMBER")]
        limit: usize,
    },
    /// Show a boot with what was seen during it
    Show {
        /// Its id, as `boot ls` shows it
        boot: String,
    },
}

/// Runs a command about boots.
///
/// # Errors
/// As the server says.
pub fn run(command: BootCommand, console: &Console) -> Result<(), CliError> {
    match command {
        BootCommand::Ls { watch: true, .. } => watch::lines::run(Topic::Boots, console),
        BootCommand::Ls {
            listing,
            client,
            limit,
            ..
        } => {
            let path = match client {
                Some(client) => format!("{}/boots", at("clients", &client)),
                None => "/api/v1/boots".into(),
            };
            let boots: Vec<BootView> = console.some(&listing.of(&path), limit)?;
            console.print(&boots, || render::list(&boots))
        }
        BootCommand::Show { boot } => {
            let boot: BootView = console.server.get(&at("boots", &boot))?;
            console.print(&boot, || render::boot(&boot))
        }
    }
}
