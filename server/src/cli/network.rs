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
    BootNetworkParams, BootNetworkView, DhcpMode, InterfaceView, SettingSource, SettingValue,
    SettingView, SettingsView, Topic, UpdateSettingsParams,
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
    /// Let computers boot over an interface, or serve it otherwise than now; what is not named stays
    Set {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        what: What,
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

impl Place {
    /// The setting of the network there.
    fn key(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("boot.{namespace}/{}", self.interface),
            None => format!("boot.{}", self.interface),
        }
    }
}

#[derive(Args, Default)]
pub struct What {
    /// Who hands out addresses [default for a new one: full]
    #[arg(long, value_enum)]
    mode: Option<ModeArg>,
    /// What is handed out, e.g. 10.77.0.100-10.77.0.199; needed in mode full, empty takes it away
    #[arg(long, value_name = "FIRST-LAST")]
    range: Option<String>,
    /// The way to other networks, told to the computers; empty takes it away
    #[arg(long, value_name = "ADDRESS")]
    router: Option<String>,
    /// Name servers, told to the computers; empty takes them away
    #[arg(long, value_name = "ADDRESS,...")]
    dns: Option<String>,
}

impl What {
    /// `old` with what was named.
    fn on(self, old: BootNetworkParams) -> BootNetworkParams {
        let named = |new: Option<String>, old: Option<String>| match new {
            Some(text) => Some(text).filter(|t| !t.is_empty()),
            None => old,
        };
        BootNetworkParams {
            mode: self.mode.map_or(old.mode, DhcpMode::from),
            range: named(self.range, old.range),
            router: named(self.router, old.router),
            dns: named(self.dns, old.dns),
        }
    }
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

impl From<ModeArg> for DhcpMode {
    fn from(mode: ModeArg) -> Self {
        match mode {
            ModeArg::Full => DhcpMode::Full,
            ModeArg::Proxy => DhcpMode::Proxy,
            ModeArg::Off => DhcpMode::Off,
        }
    }
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
        NetworkCommand::Set { place, what, trial } => {
            let settings: SettingsView = console.server.get("/api/v1/settings")?;
            let network = what.on(saved(&settings, &place.key()));
            let value = Some(SettingValue::Boot(network));
            // What stays was read just now: somebody else's change since then must not be undone.
            send(&place, value, Some(settings.revision), trial, console)
        }
        NetworkCommand::Rm { place, trial } => send(&place, None, None, trial, console),
    }
}

/// The network as it is saved; else as it holds, or a new one.
fn saved(settings: &SettingsView, key: &str) -> BootNetworkParams {
    let known = settings.settings.iter().find(|s| s.key == key);
    match known.map(|s| s.saved.as_ref().unwrap_or(&s.value)) {
        Some(SettingValue::Boot(network)) => network.clone(),
        _ => BootNetworkParams::default(),
    }
}

fn send(
    place: &Place,
    value: Option<SettingValue>,
    if_match: Option<u64>,
    trial: Trial,
    console: &Console,
) -> Result<(), CliError> {
    let params = UpdateSettingsParams {
        values: [(place.key(), value)].into(),
        confirm_within_seconds: trial.confirm_within,
    };
    let change = Change::new("PATCH", "/api/v1/settings").body(&params)?;
    let Some(settings) = made(change.if_match(if_match), console)? else {
        return Ok(());
    };
    let key = place.key();
    let is_hidden = |s: &&SettingView| s.key == key && s.source != SettingSource::Database;
    let hidden = settings.settings.iter().find(is_hidden);
    if let Some(above) = hidden {
        console.say(&format!(
            "This has no effect: {} goes before what is saved. Change it there and start NSBoot anew, or take it \
             out of there.",
            above.place
        ));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_named_stays_and_empty_takes_away() {
        let text = |t: &str| Some(t.to_string());
        let old = BootNetworkParams {
            mode: DhcpMode::Proxy,
            range: text("10.77.0.100-10.77.0.199"),
            router: text("10.77.0.254"),
            dns: text("9.9.9.9"),
        };
        assert_eq!(What::default().on(old.clone()), old);
        let what = What {
            dns: text("1.1.1.1"),
            router: text(""),
            ..What::default()
        };
        let new = BootNetworkParams {
            router: None,
            dns: text("1.1.1.1"),
            ..old.clone()
        };
        assert_eq!(what.on(old.clone()), new);
        let full = What {
            mode: Some(ModeArg::Full),
            ..What::default()
        };
        assert_eq!(full.on(old).mode, DhcpMode::Full);
    }
}
