//! `nsboot lease`: addresses that were handed out.

use super::{
    CliError,
    address::{Query, at},
    connect::Change,
    console::Console,
    listing::Listing,
    render, reservation, watch,
};
use clap::Subcommand;
use types::{LeaseView, Topic};

#[derive(Subcommand)]
pub enum LeaseCommand {
    /// List leases
    Ls {
        /// Go on and show each change; with -o json a line each
        #[arg(long, conflicts_with_all = ["filter", "sort"])]
        watch: bool,
        #[command(flatten)]
        listing: Listing,
    },
    /// Show a lease
    Show {
        address: String,
        /// The scope, where several have the address
        #[arg(long, value_name = "NAME")]
        scope: Option<String>,
    },
    /// Let the computer that has this address keep it: reserve it
    Keep {
        address: String,
        /// The scope, where several have the address
        #[arg(long, value_name = "NAME")]
        scope: Option<String>,
    },
    /// Forget leases that have ended, or whose address rests because another uses it
    Forget {
        #[arg(required = true, value_name = "ADDRESS")]
        addresses: Vec<String>,
        /// The scope, where several have the address
        #[arg(long, value_name = "NAME")]
        scope: Option<String>,
    },
}

/// Runs a command about leases.
///
/// # Errors
/// As the server says.
pub fn run(command: LeaseCommand, console: &Console) -> Result<(), CliError> {
    match command {
        LeaseCommand::Ls { watch: true, .. } => watch::lines::run(Topic::Leases, console),
        LeaseCommand::Ls { listing, .. } => {
            let leases: Vec<LeaseView> = console.all(&listing.of("/api/v1/leases"))?;
            console.print(&leases, || render::list(&leases))
        }
        LeaseCommand::Show { address, scope } => {
            let path = Query::of(&at("leases", &address)).with("scope", scope);
            let lease: LeaseView = console.server.get(&path.path())?;
            console.print(&lease, || render::list(std::slice::from_ref(&lease)))
        }
        LeaseCommand::Keep { address, scope } => {
            let path = format!("{}/actions/keep", at("leases", &address));
            let path = Query::of(&path).with("scope", scope).path();
            reservation::show(Change::new("POST", path), console)
        }
        LeaseCommand::Forget { addresses, scope } => {
            let one = |address: &str| {
                let path = Query::of(&at("leases", address)).with("scope", scope.clone());
                Change::new("DELETE", path.path())
            };
            console.remove(("lease", "leases"), &addresses, one)
        }
    }
}
