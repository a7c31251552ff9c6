//! `nsboot export`: the disks that are offered, and the sessions on them.

use super::{CliError, address::at, connect::Change, console::Console, listing::Listing, render};
use clap::Subcommand;
use types::ExportView;

#[derive(Subcommand)]
pub enum ExportCommand {
    /// List the disks that are offered
    Ls {
        #[command(flatten)]
        listing: Listing,
    },
    /// Show the disk of a computer
    Show {
        /// Name, id or Ethernet address
        client: String,
    },
    /// List live sessions on disks
    Sessions {
        /// On the disk of this computer only: name, id or Ethernet address
        client: Option<String>,
    },
    /// Cut a session off; its initiator may log in again at once
    Drop {
        /// Name, id or Ethernet address
        client: String,
        /// Its number, as `export sessions` shows it
        session: u64,
    },
}

/// Runs a command about exports.
///
/// # Errors
/// As the server says.
pub fn run(command: ExportCommand, console: &Console) -> Result<(), CliError> {
    match command {
        ExportCommand::Ls { listing } => {
            let exports: Vec<ExportView> = console.all(&listing.of("/api/v1/exports"))?;
            console.print(&exports, || render::list(&exports))
        }
        ExportCommand::Show { client } => {
            let export: ExportView = console.server.get(&at("exports", &client))?;
            console.print(&export, || render::export(&export))
        }
        ExportCommand::Sessions { client: None } => {
            let exports: Vec<ExportView> = console.all("/api/v1/exports")?;
            let sessions = render::sessions_of(&exports);
            console.print(&sessions, || render::list(&sessions))
        }
        ExportCommand::Sessions {
            client: Some(client),
        } => {
            let path = format!("{}/sessions", at("exports", &client));
            let sessions: Vec<types::DiskSessionView> = console.all(&path)?;
            console.print(&sessions, || render::list(&sessions))
        }
        ExportCommand::Drop { client, session } => {
            let path = format!("{}/sessions/{session}", at("exports", &client));
            if console.act(Change::new("DELETE", path))? {
                console.say("Told the session to end; its initiator may log in again.");
            }
            Ok(())
        }
    }
}
