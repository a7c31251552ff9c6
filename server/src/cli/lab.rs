//! `nsboot lab`: virtual computers on the server's box.

use super::{CliError, address::Query, connect::Change, console::Console, render};
use clap::{Subcommand, ValueEnum};
use types::{ClientView, LabBootParams, LabFirmware, LabView};

#[derive(Subcommand)]
pub enum LabCommand {
    /// Make the lab's network and serve it
    Up,
    /// Start a virtual computer; makes the lab's network when it is not there
    Boot {
        /// What it starts with this time
        #[arg(long, value_enum, default_value = "bios")]
        firmware: Firmware,
        /// Its name; a new one is registered, a known one boots again
        #[arg(long)]
        name: Option<String>,
    },
    /// Switch all virtual computers off, or the named one
    Down {
        #[arg(long)]
        name: Option<String>,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub enum Firmware {
    Bios,
    Uefi,
}

impl From<Firmware> for LabFirmware {
    fn from(firmware: Firmware) -> LabFirmware {
        match firmware {
            Firmware::Bios => LabFirmware::Bios,
            Firmware::Uefi => LabFirmware::Uefi,
        }
    }
}

/// Runs a command about the lab.
///
/// # Errors
/// As the server says.
pub fn run(command: LabCommand, console: &Console) -> Result<(), CliError> {
    match command {
        LabCommand::Up => lab(Change::new("POST", "/api/v1/lab/actions/up"), console),
        LabCommand::Boot { firmware, name } => {
            let firmware = firmware.into();
            let body = LabBootParams { name, firmware };
            let change = Change::new("POST", "/api/v1/lab/actions/boot");
            match console.change::<ClientView>(change.body(&body)?)? {
                None => Ok(()),
                Some(client) => {
                    console.print(&client, || render::list(std::slice::from_ref(&client)))
                }
            }
        }
        LabCommand::Down { name } => {
            let path = Query::of("/api/v1/lab/actions/down").with("name", name);
            lab(Change::new("POST", path.path()), console)
        }
    }
}

fn lab(change: Change, console: &Console) -> Result<(), CliError> {
    match console.change::<LabView>(change)? {
        None => Ok(()),
        Some(lab) => console.print(&lab, || format!("lab  {}", render::lab(&lab))),
    }
}
