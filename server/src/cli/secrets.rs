//! `nsboot secrets`: the keys that secrets in the database are sealed with.

use super::{CliError, connect::Change, console::Console, render};
use clap::Subcommand;
use types::SecretsView;

const SECRETS: &str = "/api/v1/secrets";

#[derive(Subcommand)]
pub enum SecretsCommand {
    /// Say which keys there are, where they are kept, and how many secrets each seals
    Show,
    /// Make a new key, seal every secret with it, and forget the old one
    Rotate,
}

/// Runs a command about the keys of secrets.
///
/// # Errors
/// As the server says.
pub fn run(command: SecretsCommand, console: &Console) -> Result<(), CliError> {
    let now = match command {
        SecretsCommand::Show => Some(console.server.get::<SecretsView>(SECRETS)?),
        SecretsCommand::Rotate => {
            console.change(Change::new("POST", format!("{SECRETS}/actions/rotate")))?
        }
    };
    match now {
        None => Ok(()),
        Some(now) => console.print(&now, || render::secrets(&now)),
    }
}
