//! `nsboot group`: computers that share settings.

use super::{
    CliError, address::at, connect::Change, console::Console, listing::Listing, render, watch,
};
use clap::{Args, Subcommand};
use types::{Channel, CreateGroupParams, DhcpOption, GroupView, Topic, UpdateGroupParams};

#[derive(Subcommand)]
pub enum GroupCommand {
    /// List groups
    Ls {
        /// Go on and show each change; with -o json a line each
        #[arg(long, conflicts_with_all = ["filter", "sort"])]
        watch: bool,
        #[command(flatten)]
        listing: Listing,
    },
    /// Show a group
    Show {
        /// Name or id
        group: String,
    },
    /// Make a group
    Add {
        /// Letters, digits, hyphens, dots
        name: String,
        #[command(flatten)]
        shared: Shared,
    },
    /// Change a group
    #[command(group(clap::ArgGroup::new("change").required(true).multiple(true)
        .args(["name", "boot_entry", "loader_set", "loader", "channel", "options", "no_options"])))]
    Set {
        /// Name or id
        group: String,
        /// A new name
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        shared: Shared,
        /// Only if it is still at this revision, as `group show` says it
        #[arg(long, value_name = "REVISION")]
        if_match: Option<u64>,
    },
    /// Remove groups that nobody is in
    Rm {
        /// Names or ids
        #[arg(required = true, value_name = "GROUP")]
        groups: Vec<String>,
        /// Only if it is still at this revision, as `group show` says it
        #[arg(long, value_name = "REVISION")]
        if_match: Option<u64>,
    },
}

/// What its computers share; an empty text leaves it to the setting for all.
#[derive(Args)]
pub struct Shared {
    /// What its computers boot: name or id of a boot entry
    #[arg(long, value_name = "ENTRY")]
    boot_entry: Option<String>,
    /// The loader set of its computers
    #[arg(long, value_name = "NAME")]
    loader_set: Option<String>,
    /// Which iPXE build of that set: snponly or ipxe
    #[arg(long, value_name = "LOADER")]
    loader: Option<String>,
    /// Which versions of their images its computers boot: production, test or maintenance
    #[arg(long)]
    channel: Option<Channel>,
    /// A DHCP option of its computers, e.g. 42:addresses:10.0.0.3; kinds: text, addresses, u8, u16, u32, hex
    #[arg(long = "option", value_name = "CODE:KIND:VALUE")]
    options: Vec<DhcpOption>,
    /// None of these options any more
    #[arg(long, conflicts_with = "options")]
    no_options: bool,
}

impl Shared {
    fn options(&self) -> Option<Vec<DhcpOption>> {
        let named = self.no_options || !self.options.is_empty();
        named.then(|| self.options.clone())
    }
}

/// Runs a command about groups.
///
/// # Errors
/// As the server says.
pub fn run(command: GroupCommand, console: &Console) -> Result<(), CliError> {
    match command {
        GroupCommand::Ls { watch: true, .. } => watch::lines::run(Topic::Groups, console),
        GroupCommand::Ls { listing, .. } => {
            let all: Vec<GroupView> = console.all(&listing.of("/api/v1/groups"))?;
            console.print(&all, || render::list(&all))
        }
        GroupCommand::Show { group } => {
            let group: GroupView = console.server.get(&at("groups", &group))?;
            console.print(&group, || render::group(&group))
        }
        GroupCommand::Add { name, shared } => {
            let params = CreateGroupParams {
                name,
                options: shared.options().unwrap_or_default(),
                boot_entry: shared.boot_entry,
                loader_set: shared.loader_set,
                loader: shared.loader,
                channel: shared.channel.unwrap_or_default(),
            };
            show(
                Change::new("POST", "/api/v1/groups").body(&params)?,
                console,
            )
        }
        GroupCommand::Set {
            group,
            name,
            shared,
            if_match,
        } => {
            let params = UpdateGroupParams {
                name,
                options: shared.options(),
                boot_entry: shared.boot_entry,
                loader_set: shared.loader_set,
                loader: shared.loader,
                channel: shared.channel,
            };
            let change = Change::new("PATCH", at("groups", &group)).body(&params)?;
            show(change.if_match(if_match), console)
        }
        GroupCommand::Rm { groups, if_match } => {
            let one = |group: &str| Change::new("DELETE", at("groups", group)).if_match(if_match);
            console.remove(("group", "groups"), &groups, one)
        }
    }
}

fn show(change: Change, console: &Console) -> Result<(), CliError> {
    match console.change::<GroupView>(change)? {
        None => Ok(()),
        Some(group) => console.print(&group, || render::list(std::slice::from_ref(&group))),
    }
}
