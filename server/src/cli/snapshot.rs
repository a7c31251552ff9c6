//! `nsboot snapshot`: what computers' disks held.

use super::{
    CliError, address::at, connect::Change, console::Console, job, listing::Listing, render,
};
use clap::Subcommand;
use types::{ClientView, CloneParams, SnapshotView, TakeSnapshotParams};

#[derive(Subcommand)]
pub enum SnapshotCommand {
    /// List snapshots, the newest first
    Ls {
        #[command(flatten)]
        listing: Listing,
    },
    /// Show a snapshot
    Show {
        /// Its id
        snapshot: String,
    },
    /// Take a snapshot of what a computer keeps, as a job; it has to be off
    Take {
        /// Name, id or MAC address
        client: String,
        /// What it is for
        #[arg(long, default_value = "")]
        comment: String,
    },
    /// Put a computer's disk back to a snapshot; it has to be off, and what it wrote since is gone
    Restore {
        /// The snapshot's id
        snapshot: String,
    },
    /// Make an image of a snapshot, as a job
    Clone {
        /// The snapshot's id
        snapshot: String,
        /// The new image's name
        #[arg(long)]
        name: String,
    },
    /// Remove snapshots that no disk builds on
    Rm {
        /// Their ids
        #[arg(required = true, value_name = "SNAPSHOT")]
        snapshots: Vec<String>,
    },
}

/// Runs a command about snapshots.
///
/// # Errors
/// As the server says.
pub fn run(command: SnapshotCommand, console: &Console) -> Result<(), CliError> {
    match command {
        SnapshotCommand::Ls { listing } => {
            let all: Vec<SnapshotView> = console.all(&listing.of("/api/v1/snapshots"))?;
            console.print(&all, || render::list(&all))
        }
        SnapshotCommand::Show { snapshot } => {
            let one: SnapshotView = console.server.get(&at("snapshots", &snapshot))?;
            console.print(&one, || render::snapshot(&one))
        }
        SnapshotCommand::Take { client, comment } => {
            let params = TakeSnapshotParams { client, comment };
            job::begin(
                Change::new("POST", "/api/v1/snapshots").body(&params)?,
                console,
            )
        }
        SnapshotCommand::Restore { snapshot } => {
            console.confirm("Put the disk back? What its computer wrote since is gone.")?;
            let path = format!("{}/actions/restore", at("snapshots", &snapshot));
            match console.change::<ClientView>(Change::new("POST", path))? {
                None => Ok(()),
                Some(client) => {
                    console.print(&client, || render::list(std::slice::from_ref(&client)))
                }
            }
        }
        SnapshotCommand::Clone { snapshot, name } => {
            let path = format!("{}/actions/clone", at("snapshots", &snapshot));
            let change = Change::new("POST", path).body(&CloneParams { name })?;
            job::begin(change, console)
        }
        SnapshotCommand::Rm { snapshots } => {
            console.remove(("snapshot", "snapshots"), &snapshots, |snapshot| {
                Change::new("DELETE", at("snapshots", snapshot))
            })
        }
    }
}
