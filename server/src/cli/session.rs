//! `nsboot session`: sign-ins, one's own or as an admin those of others.

use super::{CliError, address::at, connect::Change, console::Console, render};
use clap::Subcommand;
use types::{EndedView, ListView, SessionId, SessionView};

#[derive(Subcommand)]
pub enum SessionCommand {
    /// List sign-ins, the newest first
    Ls {
        /// Those of this account instead of one's own; for admins
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
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
        SessionCommand::Ls { user: None } => list("/api/v1/auth/sessions", console),
        SessionCommand::Ls { user: Some(user) } => of_user(&user, console),
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
pub fn of_user(user: &str, console: &Console) -> Result<(), CliError> {
    list(&format!("{}/sessions", at("users", user)), console)
}

fn list(path: &str, console: &Console) -> Result<(), CliError> {
    let list: ListView<SessionView> = console.server.get(path)?;
    console.print(&list.items, || render::sessions(&list.items))
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
