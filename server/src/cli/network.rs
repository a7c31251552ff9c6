//! `nsboot network`: the networks that computers boot on. They are settings named `boot.SCOPE`.

use super::{
    CliError,
    connect::Change,
    console::Console,
    listing::Listing,
    render,
    setting::{Trial, made},
    watch,
};
use clap::{Args, Subcommand, ValueEnum};
use std::{
    thread,
    time::{Duration, Instant},
};
use types::{
    BootNetworkParams, BootNetworkView, DhcpMode, InterfaceView, SettingValue, Topic,
    UpdateSettingsParams,
};

/// How long a network may take to run or to fail, before it is shown as it is.
const SETTLES: Duration = Duration::from_secs(3);
/// How often it is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(100);

#[derive(Subcommand)]
pub enum NetworkCommand {
    /// List boot networks and how they are
    Ls {
        /// Go on and show each change; with -o json a line each
        #[arg(long, conflicts_with_all = ["filter", "sort"])]
        watch: bool,
        #[command(flatten)]
        listing: Listing,
    },
    /// List the box's interfaces: what could be served, and how it is
    Interfaces {
        #[command(flatten)]
        listing: Listing,
    },
    /// Let computers boot over an interface, or serve it otherwise than now
    Set {
        #[command(flatten)]
        place: Place,
        /// Who hands out addresses
        #[arg(long, value_enum, default_value = "full")]
        mode: ModeArg,
        /// What is handed out in mode full, e.g. 10.77.0.100-10.77.0.199
        #[arg(long, value_name = "FIRST-LAST", required_if_eq("mode", "full"))]
        range: Option<String>,
        /// The way to other networks, told to the computers
        #[arg(long, value_name = "ADDRESS")]
        router: Option<String>,
        /// Name servers, told to the computers
        #[arg(long, value_name = "ADDRESS,...")]
        dns: Option<String>,
        #[command(flatten)]
        trial: Trial,
    },
    /// Serve an interface no more
    Rm {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        trial: Trial,
    },
}

#[derive(Args)]
pub struct Place {
    /// The interface, e.g. br0
    interface: String,
    /// The network namespace that it is in
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum ModeArg {
    /// We do
    Full,
    /// Another server, e.g. the router; we add what to boot
    Proxy,
    /// Another server, which also tells what to boot; we give files and disks
    Off,
}

/// Runs a command about boot networks.
///
/// # Errors
/// As the server says.
pub fn run(command: NetworkCommand, console: &Console) -> Result<(), CliError> {
    match command {
        NetworkCommand::Ls { watch: true, .. } => watch::lines::run(Topic::Networks, console),
        NetworkCommand::Ls { listing, .. } => {
            let networks: Vec<BootNetworkView> = console.all(&listing.of("/api/v1/networks"))?;
            console.print(&networks, || render::list(&networks))
        }
        NetworkCommand::Interfaces { listing } => {
            let all: Vec<InterfaceView> = console.all(&listing.of("/api/v1/interfaces"))?;
            console.print(&all, || render::list(&all))
        }
        NetworkCommand::Set {
            place,
            mode,
            range,
            router,
            dns,
            trial,
        } => {
            let mode = match mode {
                ModeArg::Full => DhcpMode::Full,
                ModeArg::Proxy => DhcpMode::Proxy,
                ModeArg::Off => DhcpMode::Off,
            };
            let network = BootNetworkParams {
                mode,
                range,
                router,
                dns,
            };
            send(&place, Some(SettingValue::Boot(network)), trial, console)
        }
        NetworkCommand::Rm { place, trial } => send(&place, None, trial, console),
    }
}

fn send(
    place: &Place,
    value: Option<SettingValue>,
    trial: Trial,
    console: &Console,
) -> Result<(), CliError> {
    let scope = match &place.namespace {
        Some(namespace) => format!("{namespace}/{}", place.interface),
        None => place.interface.clone(),
    };
    let params = UpdateSettingsParams {
        values: [(format!("boot.{scope}"), value)].into(),
        confirm_within_seconds: trial.confirm_within,
    };
    let change = Change::new("PATCH", "/api/v1/settings").body(&params)?;
    if made(change, console)?.is_none() {
        return Ok(());
    }
    let networks = settled(console)?;
    console.print(&networks, || render::list(&networks))
}

/// How the networks are, once each runs or has said why not: an interface that is not there shows so.
fn settled(console: &Console) -> Result<Vec<BootNetworkView>, CliError> {
    let asked = Instant::now();
    loop {
        let networks: Vec<BootNetworkView> = console.all("/api/v1/networks")?;
        let known = |n: &BootNetworkView| n.address.is_some() || n.error.is_some();
        if networks.iter().all(known) || asked.elapsed() > SETTLES {
            return Ok(networks);
        }
        thread::sleep(LOOK);
    }
}
