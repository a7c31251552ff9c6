//! `nsboot scope`: what is handed out on each subnet.

use super::{
    CliError,
    address::at,
    connect::Change,
    console::Console,
    listing::Listing,
    render,
    watch::{self, lines::Noun},
};
use clap::{Args, Subcommand};
use std::{net::Ipv4Addr, str::FromStr};
use types::{AddressRange, CreateScopeParams, DhcpOption, ScopeView, Subnet, UpdateScopeParams};

#[derive(Subcommand)]
pub enum ScopeCommand {
    /// List scopes and how full they are
    Ls {
        /// Go on and show each change; with -o json a line each
        #[arg(long, conflicts_with_all = ["filter", "sort"])]
        watch: bool,
        #[command(flatten)]
        listing: Listing,
    },
    /// Show a scope
    Show {
        /// Its name; of a boot network br0, or NAMESPACE/br0
        scope: String,
    },
    /// Serve a subnet behind relays
    Add {
        /// 1 to 32 letters, digits or -_.
        scope: String,
        /// The subnet that the relay's address is on, e.g. 10.20.0.0/24
        #[arg(long, value_name = "NETWORK/PREFIX")]
        subnet: Subnet,
        /// The way to other networks; it is in the subnet
        #[arg(long, value_name = "ADDRESS")]
        router: Option<Ipv4Addr>,
        /// Name servers
        #[arg(long, value_name = "ADDRESS,...", value_delimiter = ',')]
        dns: Vec<Ipv4Addr>,
        #[command(flatten)]
        what: What,
    },
    /// Change a scope; leases live on. Range, router and name servers of a boot network: `network set`
    Set {
        /// Its name
        scope: String,
        /// The way to other networks; empty takes it away
        #[arg(long, value_name = "ADDRESS")]
        router: Option<String>,
        /// Name servers; empty takes them away
        #[arg(long, value_name = "ADDRESS,...")]
        dns: Option<Several<Ipv4Addr>>,
        /// Look for addresses before they are first handed out
        #[arg(long, value_name = "BOOL")]
        probe: Option<bool>,
        #[command(flatten)]
        what: What,
        /// None of the further options any more
        #[arg(long, conflicts_with = "options")]
        no_options: bool,
        /// Only if it is still at this revision, as `scope show` says it
        #[arg(long, value_name = "REVISION")]
        if_match: Option<u64>,
    },
    /// Remove scopes of subnets behind relays
    Rm {
        /// Their names
        #[arg(required = true, value_name = "SCOPE")]
        scopes: Vec<String>,
        /// Only if it is still at this revision, as `scope show` says it
        #[arg(long, value_name = "REVISION")]
        if_match: Option<u64>,
    },
}

/// What a new scope and a changed one have alike. A list is replaced as a whole; empty takes it away.
#[derive(Args)]
pub struct What {
    /// What is handed out, with commas between several, e.g. 10.20.0.50-10.20.0.99,10.20.0.120
    #[arg(long, value_name = "FIRST-LAST,...")]
    ranges: Option<Several<AddressRange>>,
    /// What of it is not
    #[arg(long, value_name = "FIRST-LAST,...")]
    exclude: Option<Several<AddressRange>>,
    /// Domain of the computers
    #[arg(long, value_name = "DOMAIN")]
    domain: Option<String>,
    /// How long a lease lasts; 0 leaves it to the boot network, or to 3600
    #[arg(long, value_name = "SECONDS")]
    lease_seconds: Option<u32>,
    /// A further DHCP option, e.g. 42:addresses:10.0.0.3; kinds: text, addresses, u8, u16, u32, hex
    #[arg(long = "option", value_name = "CODE:KIND:VALUE")]
    options: Vec<DhcpOption>,
}

/// Several with commas between them; an empty text is none.
#[derive(Clone)]
pub struct Several<T>(Vec<T>);

impl<T: FromStr> FromStr for Several<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Self, T::Err> {
        let parts = text.split(',').map(str::trim).filter(|t| !t.is_empty());
        parts
            .map(T::from_str)
            .collect::<Result<_, _>>()
            .map(Several)
    }
}

fn all<T>(several: Option<Several<T>>) -> Option<Vec<T>> {
    several.map(|several| several.0)
}

/// Runs a command about scopes.
///
/// # Errors
/// As the server says.
pub fn run(command: ScopeCommand, console: &Console) -> Result<(), CliError> {
    match command {
        ScopeCommand::Ls { watch: true, .. } => watch::lines::run(Noun::Scopes, console),
        ScopeCommand::Ls { listing, .. } => {
            let scopes: Vec<ScopeView> = console.all(&listing.of("/api/v1/scopes"))?;
            console.print(&scopes, || render::list(&scopes))
        }
        ScopeCommand::Show { scope } => {
            let scope: ScopeView = console.server.get(&at("scopes", &scope))?;
            console.print(&scope, || render::scope(&scope))
        }
        ScopeCommand::Add {
            scope,
            subnet,
            router,
            dns,
            what,
        } => {
            let params = CreateScopeParams {
                name: scope,
                subnet,
                options: what.options,
                ranges: all(what.ranges).unwrap_or_default(),
                exclusions: all(what.exclude).unwrap_or_default(),
                router,
                dns,
                domain: what.domain,
                lease_seconds: what.lease_seconds,
            };
            show(
                Change::new("POST", "/api/v1/scopes").body(&params)?,
                console,
            )
        }
        ScopeCommand::Set {
            scope,
            router,
            dns,
            probe,
            what,
            no_options,
            if_match,
        } => {
            let named = no_options || !what.options.is_empty();
            let params = UpdateScopeParams {
                options: named.then_some(what.options),
                ranges: all(what.ranges),
                exclusions: all(what.exclude),
                router,
                dns: all(dns),
                domain: what.domain,
                lease_seconds: what.lease_seconds,
                probe,
            };
            let change = Change::new("PATCH", at("scopes", &scope)).body(&params)?;
            show(change.if_match(if_match), console)
        }
        ScopeCommand::Rm { scopes, if_match } => {
            let one = |scope: &str| Change::new("DELETE", at("scopes", scope)).if_match(if_match);
            console.remove(("scope", "scopes"), &scopes, one)
        }
    }
}

fn show(change: Change, console: &Console) -> Result<(), CliError> {
    match console.change::<ScopeView>(change)? {
        None => Ok(()),
        Some(scope) => console.print(&scope, || render::scope(&scope)),
    }
}
