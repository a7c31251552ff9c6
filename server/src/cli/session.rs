//! `nsboot session`: sign-ins, one's own or as an admin those of others.

use super::{CliError, address::at, connect::Change, console::Console, listing::Listing, render};
use clap::Subcommand;
use types::{EndedView, SessionId, SessionView};

#[derive(Subcommand)]
pub enum SessionCommand {
    /// List sign-ins, the newest first
    Ls {
        /// Those of this account instead of one's own; for admins
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
        #[command(flatten)]
        listing: Listing,
    },
    /// End sign-ins
    #[command(group(clap::ArgGroup::new("which").required(true)))]
    Rm {
        /// Their ids, as `session ls` shows them
        #[arg(group = "which", value_name = "SESSION")]
        sessions: Vec<SessionId>,
        /// All of one's own but this one
        #[arg(long, group = "which", conflicts_with = "user")]
        others: bool,
        /// They are this account's; for admins
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
    },
}

/// Runs a command about sign-ins.
///
/// # Errors
/// As the server says.
pub fn run(command: SessionCommand, console: &Console) -> Result<(), CliError> {
    match command {
        SessionCommand::Ls { user, listing } => match user {
            None => list("/api/v1/auth/sessions", listing, console),
            Some(user) => of_user(&user, listing, console),
        },
        SessionCommand::Rm { others: true, .. } => {
            end_all(Change::new("DELETE", "/api/v1/auth/sessions"), console)
        }
        SessionCommand::Rm { sessions, user, .. } => {
            let noun = match user {
                None => "auth/sessions",
                Some(_) => "sessions",
            };
            let ids: Vec<String> = sessions.iter().map(SessionId::to_string).collect();
            console.remove(("session", "sessions"), &ids, |id| {
                Change::new("DELETE", at(noun, id))
            })
        }
    }
}

/// The sign-ins of an account.
///
/// # Errors
/// As the server says.
pub fn of_user(user: &str, listing: Listing, console: &Console) -> Result<(), CliError> {
    let path = format!("{}/sessions", at("users", user));
    list(&path, listing, console)
}

fn list(path: &str, listing: Listing, console: &Console) -> Result<(), CliError> {
    let sessions: Vec<SessionView> = console.all(&listing.of(path))?;
    console.print(&sessions, || render::sessions(&sessions))
}

/// Ends several sign-ins at once and says how many there were.
///
/// # Errors
/// As the server says.
pub fn end_all(change: Change, console: &Console) -> Result<(), CliError> {
    match console.change::<EndedView>(change)? {
        None => Ok(()),
        Some(ended) => console.print(&ended, || format!("{} ended", ended.ended)),
    }
}
