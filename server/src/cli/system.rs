//! `nsboot task` and `nsboot log`: the server's own long-lived tasks, and what its log tells.

use super::{CliError, connect::Change, console::Console, listing::Listing, render};
use clap::Subcommand;
use types::{LogLevelView, TaskView};

const LEVEL: &str = "/api/v1/system/log-level";

#[derive(Subcommand)]
pub enum TaskCommand {
    /// List tasks: what runs, what failed and why
    Ls {
        #[command(flatten)]
        listing: Listing,
    },
}

#[derive(Subcommand)]
pub enum LogCommand {
    /// Say what the log tells, or change it until the server ends
    Level {
        /// E.g. `info`, or `engine=debug,info`
        level: Option<String>,
    },
}

/// Runs a command about tasks.
///
/// # Errors
/// As the server says.
pub fn task(command: TaskCommand, console: &Console) -> Result<(), CliError> {
    let TaskCommand::Ls { listing } = command;
    let tasks: Vec<TaskView> = console.all(&listing.of("/api/v1/system/tasks"))?;
    console.print(&tasks, || render::tasks(&tasks))
}

/// Runs a command about the log.
///
/// # Errors
/// As the server says.
pub fn log(command: LogCommand, console: &Console) -> Result<(), CliError> {
    let LogCommand::Level { level } = command;
    let now = match level {
        None => Some(console.server.get(LEVEL)?),
        Some(level) => console.change(Change::new("PUT", LEVEL).body(&LogLevelView { level })?)?,
    };
    match now {
        None => Ok(()),
        Some(now) => console.print::<LogLevelView>(&now, || now.level.clone()),
    }
}
