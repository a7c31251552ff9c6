//! The command line: what can be said, and what each command's failure means to a script.

mod commands;
mod connect;
mod render;
mod watch;

pub use connect::SOCKET_NAME;

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::{path::PathBuf, process::ExitCode};
use types::{MacAddr, OverlayMode, Problem};

/// Exit codes; part of the outside contract.
pub mod exit {
    pub const FAILED: u8 = 1;
    pub const USAGE: u8 = 2;
    pub const AUTH: u8 = 3;
    pub const NOT_FOUND: u8 = 4;
    pub const CONFLICT: u8 = 5;
    pub const UNREACHABLE: u8 = 6;
}

#[derive(Parser)]
#[command(
    name = "nsboot",
    about = "Boots computers without disks over the network.",
    version
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
    #[command(flatten)]
    pub reach: Reach,
}

/// How a command finds the running server. Without `--server` and `--token` it uses the socket
/// that `serve` keeps in its data directory, which only its owner may open.
#[derive(Args, Clone)]
pub struct Reach {
    /// Address of the server [default: the local socket, else http://127.0.0.1:3000]
    #[arg(long, global = true, env = "NSBOOT_SERVER", value_name = "URL")]
    pub server: Option<String>,
    /// Access token for --server, as /api/v1/auth/login answers it
    #[arg(long, global = true, env = "NSBOOT_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// Data directory of the server on this box [default: /var/lib/nsboot, else ./data]
    #[arg(long, global = true, env = "NSBOOT_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// How to print what is found
    #[arg(short, long, global = true, value_enum, default_value = "table")]
    pub output: Output,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    Table,
    Json,
    Yaml,
}

#[derive(Subcommand)]
pub enum Command {
    /// Run the server
    Serve(ServeArgs),
    /// Disks that clients boot from
    #[command(subcommand)]
    Image(ImageCommand),
    /// Computers that boot from us
    #[command(subcommand)]
    Client(ClientCommand),
    /// Addresses handed out
    #[command(subcommand)]
    Lease(LeaseCommand),
    /// Virtual computers on this box
    #[command(subcommand)]
    Lab(LabCommand),
    /// How the server is
    Status,
    /// The version of this program
    Version,
}

#[derive(Args)]
pub struct ServeArgs {
    /// Settings file [default: DIR/nsboot.toml, else /etc/nsboot/nsboot.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Address and port of page and REST, e.g. 127.0.0.1:3000
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
    /// Bring the virtual lab up
    #[arg(long)]
    pub lab: bool,
    /// Raw disk that new virtual computers boot, imported once as the image `self-test`
    #[arg(long, value_name = "FILE", requires = "lab")]
    pub lab_image: Option<PathBuf>,
}

#[derive(Subcommand)]
pub enum ImageCommand {
    /// Upload a raw disk
    Import {
        /// A raw disk, e.g. what `qemu-img convert -O raw` writes
        file: PathBuf,
        /// Letters, digits, hyphens, dots; computers are given it by this name
        #[arg(long)]
        name: String,
    },
    /// List images
    Ls,
    /// Remove an image that no client uses
    Rm { image: String },
}

#[derive(Subcommand)]
pub enum ClientCommand {
    /// Register a computer
    Add {
        /// Its Ethernet address, e.g. 52:54:00:12:34:56
        mac: MacAddr,
        /// Its host name: letters a-z, digits, hyphens
        #[arg(long)]
        name: String,
        /// Name or id of the image that it boots
        #[arg(long)]
        image: Option<String>,
        /// What becomes of its changes at the next boot
        #[arg(long, value_enum, default_value = "reset")]
        mode: ModeArg,
    },
    /// List computers
    Ls {
        /// Go on and show each change; a line of JSON each when the output is no terminal
        #[arg(long)]
        watch: bool,
    },
    /// Change a computer
    #[command(group(clap::ArgGroup::new("change").required(true).multiple(true)))]
    Set {
        /// Name, id or MAC address
        client: String,
        /// A new host name
        #[arg(long, group = "change")]
        name: Option<String>,
        /// Name or id; empty takes the image away
        #[arg(long, group = "change")]
        image: Option<String>,
        /// What becomes of its changes at the next boot
        #[arg(long, value_enum, group = "change")]
        mode: Option<ModeArg>,
    },
    /// Remove a computer and its changes
    Rm {
        /// Name, id or MAC address
        client: String,
    },
    /// Say how its last boot went, and why it stopped
    Why {
        /// Name, id or MAC address
        client: String,
    },
}

#[derive(Subcommand)]
pub enum LeaseCommand {
    /// List leases
    Ls,
}

#[derive(Subcommand)]
pub enum LabCommand {
    /// Make the lab's network and serve it
    Up,
    /// Start a virtual computer; makes the lab's network when it is not there
    Boot {
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
pub enum ModeArg {
    Reset,
    Keep,
}

impl From<ModeArg> for OverlayMode {
    fn from(m: ModeArg) -> Self {
        match m {
            ModeArg::Reset => OverlayMode::Reset,
            ModeArg::Keep => OverlayMode::Keep,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Firmware {
    Bios,
    Uefi,
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The server said no.
    #[error("{0}")]
    Problem(Box<Problem>),
    /// No server answered.
    #[error("{what} {at}: {why} [NSB-CLI-001]. {hint}")]
    Unreachable {
        what: &'static str,
        at: String,
        why: String,
        hint: &'static str,
    },
    /// The command can't be done as written.
    #[error("{what} [{code}]. {hint}")]
    Usage {
        what: String,
        code: &'static str,
        hint: String,
    },
    /// Something on this side: a file, the output.
    #[error("{what}: {why} [{code}]. {hint}")]
    Local {
        what: String,
        why: String,
        code: &'static str,
        hint: &'static str,
    },
}

impl CliError {
    /// The exit code of the contract.
    pub fn exit(&self) -> u8 {
        match self {
            CliError::Problem(p) => match p.status {
                401 | 403 => exit::AUTH,
                404 => exit::NOT_FOUND,
                409 | 412 => exit::CONFLICT,
                _ => exit::FAILED,
            },
            CliError::Unreachable { .. } => exit::UNREACHABLE,
            CliError::Usage { .. } => exit::USAGE,
            CliError::Local { .. } => exit::FAILED,
        }
    }
}

/// Runs a command that talks to a running server. Data goes to stdout, errors to stderr.
pub fn run(command: Command, reach: &Reach) -> ExitCode {
    match commands::run(command, reach) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("nsboot: {e}");
            ExitCode::from(e.exit())
        }
    }
}
