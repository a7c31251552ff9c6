//! `nsboot client`: the computers that boot from us.

use super::{
    CliError, address::at, connect::Change, console::Console, job, listing::Listing, render, watch,
};
use clap::{Args, Subcommand, ValueEnum};
use types::{
    BootChoiceView, BootNetworkView, ClientView, CreateClientParams, MacAddr, OverlayMode,
    RemoveClientsParams, SnapshotView, UpdateClientParams, UpdateClientsParams,
};

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
        /// Name or id of the image of a data disk beside it; again for each further one
        #[arg(long = "data-disk", value_name = "IMAGE")]
        data_disks: Vec<String>,
        /// What becomes of its changes at the next boot
        #[arg(long, value_enum, default_value = "reset")]
        mode: ModeArg,
        /// Name or id of a group
        #[arg(long)]
        group: Option<String>,
        /// What it boots: name or id of a boot entry
        #[arg(long, value_name = "ENTRY")]
        boot_entry: Option<String>,
        /// The loader set
        #[arg(long, value_name = "NAME")]
        loader_set: Option<String>,
        /// Which iPXE build of that set: snponly or ipxe
        #[arg(long, value_name = "LOADER")]
        loader: Option<String>,
    },
    /// List computers
    Ls {
        /// Go on and show each change; a line of JSON each when the output is no terminal
        #[arg(long, conflicts_with_all = ["filter", "sort"])]
        watch: bool,
        #[command(flatten)]
        listing: Listing,
    },
    /// Show a computer
    Show {
        /// Name, id or MAC address
        client: String,
    },
    /// Change a computer, or several alike as a job
    #[command(group(clap::ArgGroup::new("change").required(true).multiple(true)))]
    Set {
        #[command(flatten)]
        which: Which,
        /// A new host name
        #[arg(long, group = "change")]
        name: Option<String>,
        /// Name or id; empty takes the image away
        #[arg(long, group = "change")]
        image: Option<String>,
        /// Name or id of the image of a data disk; again for each further one. These are all that it has then
        #[arg(long = "data-disk", group = "change", value_name = "IMAGE")]
        data_disks: Vec<String>,
        /// Take its data disks away, and what it wrote there
        #[arg(long, group = "change", conflicts_with = "data_disks")]
        no_data_disks: bool,
        /// What becomes of its changes at the next boot
        #[arg(long, value_enum, group = "change")]
        mode: Option<ModeArg>,
        /// Name or id of a group; empty takes it out of its group
        #[arg(long, group = "change")]
        group: Option<String>,
        /// What it boots: name or id of a boot entry; empty leaves it to its group
        #[arg(long, group = "change", value_name = "ENTRY")]
        boot_entry: Option<String>,
        /// The loader set; empty leaves it to its group
        #[arg(long, group = "change", value_name = "NAME")]
        loader_set: Option<String>,
        /// Which iPXE build of that set: snponly or ipxe; empty leaves it to its group
        #[arg(long, group = "change", value_name = "LOADER")]
        loader: Option<String>,
        /// The most that it may write to its disk, such as 20G; 0 leaves it to the setting for all
        #[arg(long, group = "change", value_name = "SIZE", value_parser = types::size::parse_bytes)]
        quota: Option<u64>,
    },
    /// What it boots the next time, and only then
    Next {
        /// Name, id or MAC address
        client: String,
        /// Name or id of a boot entry
        #[arg(required_unless_present = "clear")]
        entry: Option<String>,
        /// Take it back
        #[arg(long, conflicts_with = "entry")]
        clear: bool,
    },
    /// Say what it boots next, and by which rule
    Explain {
        /// Name, id or MAC address
        client: String,
    },
    /// Keep a computer for its history only: it boots nothing; several as a job
    Retire {
        #[command(flatten)]
        which: Which,
    },
    /// Adopt a discovered or retired computer, or several as a job
    Adopt {
        #[command(flatten)]
        which: Which,
        /// A new host name
        #[arg(long)]
        name: Option<String>,
        /// Name or id of the image that it boots
        #[arg(long)]
        image: Option<String>,
        /// What becomes of its changes at the next boot
        #[arg(long, value_enum)]
        mode: Option<ModeArg>,
    },
    /// Remove a computer with what it wrote and its snapshots, or several as a job
    Rm {
        #[command(flatten)]
        which: Which,
    },
    /// Say how its last boot went, and why it stopped
    Why {
        /// Name, id or MAC address
        client: String,
    },
    /// Begin a computer's disks anew while it is off: what it wrote is gone
    Discard {
        /// Name, id or MAC address
        client: String,
    },
    /// At its next boot fetch our loader once, past an iPXE in its ROM that is too old
    ThroughLoader {
        /// Name, id or MAC address
        client: String,
    },
}

/// The computers that are meant.
#[derive(Args)]
pub struct Which {
    /// Names, ids or MAC addresses
    #[arg(required = true, value_name = "CLIENT")]
    clients: Vec<String>,
    /// Only if it is still at this revision, as `client show` says it
    #[arg(long, value_name = "REVISION")]
    if_match: Option<u64>,
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

/// Runs a command about computers.
///
/// # Errors
/// As the server says.
pub fn run(command: ClientCommand, console: &Console) -> Result<(), CliError> {
    match command {
        ClientCommand::Add {
            mac,
            name,
            image,
            data_disks,
            mode,
            group,
            boot_entry,
            loader_set,
            loader,
        } => {
            let params = CreateClientParams {
                name,
                mac,
                image,
                data_disks,
                mode: mode.into(),
                group,
                boot_entry,
                loader_set,
                loader,
            };
            show(
                Change::new("POST", "/api/v1/clients").body(&params)?,
                console,
            )
        }
        ClientCommand::Ls { watch: true, .. } => {
            watch::clients::run(&console.server, console.output())
        }
        ClientCommand::Ls { listing, .. } => {
            let clients: Vec<ClientView> = console.all(&listing.of("/api/v1/clients"))?;
            console.print(&clients, || render::list(&clients))
        }
        ClientCommand::Show { client } => {
            let client: ClientView = console.server.get(&at("clients", &client))?;
            let choice = choice(&client, console)?;
            console.print(&client, || render::client(&client, &choice))
        }
        ClientCommand::Set {
            which,
            name,
            image,
            data_disks,
            no_data_disks,
            mode,
            group,
            boot_entry,
            loader_set,
            loader,
            quota,
        } => {
            let change = UpdateClientParams {
                data_disks: (no_data_disks || !data_disks.is_empty()).then_some(data_disks),
                quota_bytes: quota,
                group,
                boot_entry,
                loader_set,
                loader,
                ..change(name, image, mode, None)
            };
            update(which, change, console)
        }
        ClientCommand::Next { client, entry, .. } => {
            let change = UpdateClientParams {
                one_shot: Some(entry.unwrap_or_default()),
                ..UpdateClientParams::default()
            };
            let change = Change::new("PATCH", at("clients", &client)).body(&change)?;
            show(change, console)
        }
        ClientCommand::Explain { client } => {
            let path = format!("{}/boot-choice", at("clients", &client));
            let choice: BootChoiceView = console.server.get(&path)?;
            console.print(&choice, || render::choice(&choice))
        }
        ClientCommand::Retire { which } => {
            let change = UpdateClientParams {
                retire: Some(true),
                ..UpdateClientParams::default()
            };
            update(which, change, console)
        }
        ClientCommand::Adopt {
            which,
            name,
            image,
            mode,
        } => update(which, change(name, image, mode, Some(true)), console),
        ClientCommand::Rm { which } => remove(which, console),
        ClientCommand::Why { client } => {
            let client: ClientView = console.server.get(&at("clients", &client))?;
            let networks: Vec<BootNetworkView> = console.all("/api/v1/networks")?;
            let choice = choice(&client, console)?;
            console.print(&client, || render::why(&client, &networks, &choice))
        }
        ClientCommand::Discard { client } => {
            console.confirm(&format!("Discard what {client} wrote?"))?;
            let path = format!("{}/actions/discard", at("clients", &client));
            match console.change::<ClientView>(Change::new("POST", path))? {
                None => Ok(()),
                Some(client) => {
                    console.print(&client, || render::list(std::slice::from_ref(&client)))
                }
            }
        }
        ClientCommand::ThroughLoader { client } => {
            let path = format!("{}/actions/through-loader", at("clients", &client));
            if console.act(Change::new("POST", path))? {
                console.say(&format!(
                    "At its next boot {client} fetches our loader, once."
                ));
            }
            Ok(())
        }
    }
}

/// What a computer boots next.
fn choice(client: &ClientView, console: &Console) -> Result<BootChoiceView, CliError> {
    let path = format!("{}/boot-choice", at("clients", &client.id.to_string()));
    console.server.get(&path)
}

fn change(
    name: Option<String>,
    image: Option<String>,
    mode: Option<ModeArg>,
    adopt: Option<bool>,
) -> UpdateClientParams {
    UpdateClientParams {
        name,
        image,
        mode: mode.map(Into::into),
        adopt,
        ..UpdateClientParams::default()
    }
}

fn show(change: Change, console: &Console) -> Result<(), CliError> {
    match console.change::<ClientView>(change)? {
        None => Ok(()),
        Some(client) => console.print(&client, || render::list(std::slice::from_ref(&client))),
    }
}

fn update(which: Which, change: UpdateClientParams, console: &Console) -> Result<(), CliError> {
    let several = match which.clients.as_slice() {
        [client] => {
            let one = Change::new("PATCH", at("clients", client)).body(&change)?;
            return show(one.if_match(which.if_match), console);
        }
        several => several,
    };
    one_revision_each(&which)?;
    if change.name.is_some() {
        return Err(CliError::Usage {
            what: format!("{} computers can't have one name", several.len()),
            code: "NSB-CLI-015",
            hint: "Give --name with one computer at a time.".into(),
        });
    }
    let params = UpdateClientsParams {
        expected_count: count(several),
        ids: which.clients,
        change,
    };
    job::begin(
        Change::new("POST", "/api/v1/clients/actions/update").body(&params)?,
        console,
    )
}

fn remove(which: Which, console: &Console) -> Result<(), CliError> {
    if let [client] = which.clients.as_slice() {
        console.confirm_after(|| what_goes(client, console))?;
        let one = Change::new("DELETE", at("clients", client)).if_match(which.if_match);
        if console.act(one)? {
            console.say(&format!(
                "Removed the computer {client}, what it wrote and its snapshots."
            ));
        }
        return Ok(());
    }
    one_revision_each(&which)?;
    let expected_count = count(&which.clients);
    console.confirm(&format!(
        "Remove {expected_count} computers, what they wrote and their snapshots?"
    ))?;
    let params = RemoveClientsParams {
        ids: which.clients,
        expected_count,
    };
    job::begin(
        Change::new("POST", "/api/v1/clients/actions/remove").body(&params)?,
        console,
    )
}

/// The question before a computer is removed: what is lost with it.
fn what_goes(client: &str, console: &Console) -> Result<String, CliError> {
    let client: ClientView = console.server.get(&at("clients", client))?;
    let snapshots: Vec<SnapshotView> = console.all("/api/v1/snapshots")?;
    let its = snapshots.iter().filter(|s| s.client_id == client.id);
    Ok(render::removal(&client, its.count()))
}

/// A computer named twice, by name and by address, makes the server refuse: then the user means
/// other computers than they think.
fn count(clients: &[String]) -> u32 {
    u32::try_from(clients.len()).unwrap_or(u32::MAX)
}

fn one_revision_each(which: &Which) -> Result<(), CliError> {
    match which.if_match {
        None => Ok(()),
        Some(_) => Err(CliError::Usage {
            what: "several computers have several revisions".into(),
            code: "NSB-CLI-016",
            hint: "Give --if-match with one computer at a time.".into(),
        }),
    }
}
