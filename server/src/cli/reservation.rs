//! `nsboot reservation`: which computer has which address for good.

use super::{
    CliError,
    address::at,
    connect::Change,
    console::Console,
    listing::Listing,
    render,
    watch::{self, lines::Noun},
};
use clap::Subcommand;
use std::net::Ipv4Addr;
use types::{
    CreateReservationParams, DhcpOption, MacAddr, ReservationView, UpdateReservationParams,
};

#[derive(Subcommand)]
pub enum ReservationCommand {
    /// List reservations
    Ls {
        /// Go on and show each change; with -o json a line each
        #[arg(long, conflicts_with_all = ["filter", "sort"])]
        watch: bool,
        #[command(flatten)]
        listing: Listing,
    },
    /// Show a reservation
    Show {
        /// Id, MAC address or address
        reservation: String,
    },
    /// Reserve an address for a computer
    Add {
        /// The computer's Ethernet address, e.g. 52:54:00:12:34:56
        mac: MacAddr,
        /// An address of the scope's subnet, inside or outside its ranges
        address: Ipv4Addr,
        /// The scope, where several have the address
        #[arg(long, value_name = "NAME")]
        scope: Option<String>,
        /// What the computer is told that it is called
        #[arg(long, value_name = "NAME")]
        hostname: Option<String>,
        /// A DHCP option for it alone, e.g. 26:u16:1400; kinds: text, addresses, u8, u16, u32, hex
        #[arg(long = "option", value_name = "CODE:KIND:VALUE")]
        options: Vec<DhcpOption>,
    },
    /// Change a reservation
    #[command(group(clap::ArgGroup::new("change").required(true).multiple(true)))]
    Set {
        /// Id, MAC address or address
        reservation: String,
        /// Another address
        #[arg(long, group = "change")]
        address: Option<Ipv4Addr>,
        /// What the computer is told that it is called; empty takes it away
        #[arg(long, group = "change", value_name = "NAME")]
        hostname: Option<String>,
        /// DHCP options for it alone, in place of those that it has
        #[arg(long = "option", group = "change", value_name = "CODE:KIND:VALUE")]
        options: Vec<DhcpOption>,
        /// None of its options any more
        #[arg(long, group = "change", conflicts_with = "options")]
        no_options: bool,
        /// Only if it is still at this revision, as `reservation show` says it
        #[arg(long, value_name = "REVISION")]
        if_match: Option<u64>,
    },
    /// Remove reservations
    Rm {
        /// Ids, MAC addresses or addresses
        #[arg(required = true, value_name = "RESERVATION")]
        reservations: Vec<String>,
        /// Only if it is still at this revision, as `reservation show` says it
        #[arg(long, value_name = "REVISION")]
        if_match: Option<u64>,
    },
}

/// Runs a command about reservations.
///
/// # Errors
/// As the server says.
pub fn run(command: ReservationCommand, console: &Console) -> Result<(), CliError> {
    match command {
        ReservationCommand::Ls { watch: true, .. } => {
            watch::lines::run(Noun::Reservations, console)
        }
        ReservationCommand::Ls { listing, .. } => {
            let all: Vec<ReservationView> = console.all(&listing.of("/api/v1/reservations"))?;
            console.print(&all, || render::list(&all))
        }
        ReservationCommand::Show { reservation } => {
            let one: ReservationView = console.server.get(&at("reservations", &reservation))?;
            console.print(&one, || render::reservation(&one))
        }
        ReservationCommand::Add {
            mac,
            address,
            scope,
            hostname,
            options,
        } => {
            let params = CreateReservationParams {
                mac,
                address,
                scope,
                hostname,
                options,
            };
            let change = Change::new("POST", "/api/v1/reservations").body(&params)?;
            show(change, console)
        }
        ReservationCommand::Set {
            reservation,
            address,
            hostname,
            options,
            no_options,
            if_match,
        } => {
            let named = no_options || !options.is_empty();
            let params = UpdateReservationParams {
                address,
                hostname,
                options: named.then_some(options),
            };
            let change = Change::new("PATCH", at("reservations", &reservation)).body(&params)?;
            show(change.if_match(if_match), console)
        }
        ReservationCommand::Rm {
            reservations,
            if_match,
        } => {
            let one = |r: &str| Change::new("DELETE", at("reservations", r)).if_match(if_match);
            console.remove(("reservation", "reservations"), &reservations, one)
        }
    }
}

/// Makes a change whose answer is a reservation, and shows that.
///
/// # Errors
/// As the server says.
pub fn show(change: Change, console: &Console) -> Result<(), CliError> {
    match console.change::<ReservationView>(change)? {
        None => Ok(()),
        Some(one) => console.print(&one, || render::reservation(&one)),
    }
}
