//! The command line: what can be said. One file a noun says what each of its commands asks the
//! server for; nothing here knows more of the server than its REST.

mod account;
mod address;
mod audit;
mod boot;
mod boot_entry;
mod client;
mod connect;
mod console;
mod credentials;
mod describe;
mod error;
mod export;
mod firmware;
mod group;
mod image;
mod image_file;
mod image_version;
mod interrupt;
mod job;
mod lab;
mod lease;
mod listing;
mod loader;
mod local;
mod network;
mod question;
mod render;
mod reservation;
mod scope;
mod secrets;
mod session;
mod setting;
mod snapshot;
mod storage;
mod system;
mod token;
mod user;
mod watch;

pub use error::exit;
pub use local::SOCKET_NAME;

use clap::{Args, Parser, Subcommand, ValueEnum};
use connect::Server;
use console::Console;
use error::CliError;
use std::{path::PathBuf, process::ExitCode};
use types::{BootNetworkView, SystemInfoView};

#[derive(Parser)]
#[command(
    name = "nsboot",
    about = "Boots computers without disks over the network.",
    version,
    after_help = "Exit codes: 0 done, 1 failed, 2 not understood, 3 not signed in or not allowed, \
                  4 not found, 5 in conflict, 6 no server answers, 7 partly failed, 130 interrupted."
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
    #[command(flatten)]
    pub reach: Reach,
    #[command(flatten)]
    pub manner: Manner,
}

/// How a command finds the running server. Without `--server` and `--token` it uses the socket
/// that `serve` keeps in its data directory, which only its owner may open.
#[derive(Args, Clone)]
#[command(next_help_heading = "Options of every command")]
pub struct Reach {
    /// Address of the server [default: the local socket, else http://127.0.0.1:3000]
    #[arg(long, global = true, env = "NSBOOT_SERVER", value_name = "URL")]
    pub server: Option<String>,
    /// API token or access token for --server [default: the sign-in of `nsboot login`]
    #[arg(long, global = true, env = "NSBOOT_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// Data directory of the server on this box [default: /var/lib/nsboot, else ./data]
    #[arg(long, global = true, env = "NSBOOT_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
}

/// How a command goes about it.
#[derive(Args, Clone)]
#[command(next_help_heading = "Options of every command")]
pub struct Manner {
    /// How to print what is found
    #[arg(short, long, global = true, value_enum, default_value = "table")]
    pub output: Output,
    /// Ask nothing; needed to remove a computer or several things when stdin is no terminal
    #[arg(short, long, global = true)]
    pub yes: bool,
    /// Say what a change would send, and send nothing
    #[arg(long, global = true)]
    pub dry_run: bool,
    /// Wait until the job that a command begins is over
    #[arg(long, global = true)]
    pub wait: bool,
    /// No remarks and no progress on stderr; errors stay
    #[arg(short, long, global = true)]
    pub quiet: bool,
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
    Image(image::ImageCommand),
    /// Computers that boot from us
    #[command(subcommand)]
    Client(client::ClientCommand),
    /// What computers' disks held
    #[command(subcommand)]
    Snapshot(snapshot::SnapshotCommand),
    /// What computers may boot
    #[command(subcommand)]
    BootEntry(boot_entry::BootEntryCommand),
    /// Computers that share settings
    #[command(subcommand)]
    Group(group::GroupCommand),
    /// How each kind of firmware boots
    #[command(subcommand)]
    Firmware(firmware::FirmwareCommand),
    /// Boots, hop by hop
    #[command(subcommand)]
    Boot(boot::BootCommand),
    /// First programs that firmware runs, in sets
    #[command(subcommand)]
    Loader(loader::LoaderCommand),
    /// Disks that are offered, and the sessions on them
    #[command(subcommand)]
    Export(export::ExportCommand),
    /// What computers wrote
    #[command(subcommand)]
    Overlay(storage::OverlayCommand),
    /// Space in the data folder
    #[command(subcommand)]
    Storage(storage::StorageCommand),
    /// Addresses handed out
    #[command(subcommand)]
    Lease(lease::LeaseCommand),
    /// What is handed out on each subnet
    #[command(subcommand)]
    Scope(scope::ScopeCommand),
    /// Addresses that are one computer's for good
    #[command(subcommand)]
    Reservation(reservation::ReservationCommand),
    /// Networks that computers boot on
    #[command(subcommand)]
    Network(network::NetworkCommand),
    /// Virtual computers on this box
    #[command(subcommand)]
    Lab(lab::LabCommand),
    /// Long work
    #[command(subcommand)]
    Job(job::JobCommand),
    /// Accounts
    #[command(subcommand)]
    User(user::UserCommand),
    /// Sign-ins
    #[command(subcommand)]
    Session(session::SessionCommand),
    /// API tokens
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Settings, their history and undo
    #[command(subcommand, alias = "settings")]
    Setting(setting::SettingCommand),
    /// Who changed what
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Keys that secrets in the database are sealed with
    #[command(subcommand)]
    Secrets(secrets::SecretsCommand),
    /// Long-lived tasks of the server
    #[command(subcommand)]
    Task(system::TaskCommand),
    /// The server's log
    #[command(subcommand)]
    Log(system::LogCommand),
    /// Sign in at a server; later commands with the same --server use it
    Login {
        /// Name of the account [default: asks]
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
    },
    /// Sign out where `login` signed in
    Logout,
    /// Say as whom the server sees you
    Whoami,
    /// Say how the server is
    Status,
    /// Say which version this is
    Version,
    /// Print the description of the REST API (OpenAPI 3.1)
    Openapi,
    /// Print completions for a shell, e.g. `nsboot completion bash > /etc/bash_completion.d/nsboot`
    Completion { shell: clap_complete::Shell },
    /// Write the manual pages into a folder, e.g. /usr/local/share/man/man1
    Man {
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
    },
}

#[derive(Args)]
pub struct ServeArgs {
    /// Configuration file [default: nsboot.toml in the data directory, else /etc/nsboot/nsboot.toml]
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

/// Runs a command that talks to a running server. Data goes to stdout, the rest to stderr.
pub fn run(command: Command, reach: &Reach, manner: &Manner) -> ExitCode {
    interrupt::arm();
    error::told(dispatch(command, reach, manner))
}

fn dispatch(command: Command, reach: &Reach, manner: &Manner) -> Result<(), CliError> {
    let server = match command {
        // There is nobody to sign in at the local socket.
        Command::Login { .. } | Command::Logout => Server::remote(reach),
        _ => Server::new(reach),
    };
    let console = Console::new(server, manner);
    match command {
        Command::Image(c) => image::run(c, &console),
        Command::Client(c) => client::run(c, &console),
        Command::Snapshot(c) => snapshot::run(c, &console),
        Command::BootEntry(c) => boot_entry::run(c, &console),
        Command::Firmware(c) => firmware::run(c, &console),
        Command::Group(c) => group::run(c, &console),
        Command::Boot(c) => boot::run(c, &console),
        Command::Export(c) => export::run(c, &console),
        Command::Overlay(c) => storage::overlay(c, &console),
        Command::Storage(c) => storage::storage(c, &console),
        Command::Lease(c) => lease::run(c, &console),
        Command::Scope(c) => scope::run(c, &console),
        Command::Reservation(c) => reservation::run(c, &console),
        Command::Loader(c) => loader::run(c, &console),
        Command::Network(c) => network::run(c, &console),
        Command::Lab(c) => lab::run(c, &console),
        Command::Job(c) => job::run(c, &console),
        Command::User(c) => user::run(c, &console),
        Command::Session(c) => session::run(c, &console),
        Command::Token(c) => token::run(c, &console),
        Command::Setting(c) => setting::run(c, &console),
        Command::Audit(c) => audit::run(c, &console),
        Command::Secrets(c) => secrets::run(c, &console),
        Command::Task(c) => system::task(c, &console),
        Command::Log(c) => system::log(c, &console),
        Command::Login { user } => account::login(user, &console),
        Command::Logout => account::logout(&console),
        Command::Whoami => account::whoami(&console),
        Command::Status => {
            let info: SystemInfoView = console.server.get("/api/v1/system/info")?;
            let networks: Vec<BootNetworkView> = console.all("/api/v1/networks")?;
            console.print(&info, || render::status(&info, &networks))
        }
        Command::Version => describe::version(&console),
        Command::Openapi => describe::openapi(&console),
        Command::Completion { shell } => describe::completion(shell, &console),
        Command::Man { folder } => describe::man(&folder, &console),
        // `main` starts the server itself.
        Command::Serve(_) => Ok(()),
    }
}
