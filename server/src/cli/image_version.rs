//! `nsboot image`, what concerns versions: which one computers boot, and who makes the next one.

use super::{CliError, address::at, connect::Change, console::Console, job, render};
use clap::Subcommand;
use types::{
    ApplyParams, Channel, CloneParams, ImageView, MoveChannelParams, SuperclientParams,
    UpdateImageParams, UpdateVersionParams,
};

#[derive(Subcommand)]
pub enum VersionCommand {
    /// List the versions of an image, what each is for, and which channels are at it
    Versions {
        /// Name or id
        image: String,
    },
    /// Move a channel to a version; computers follow at their next boot
    Channel {
        /// Name or id
        image: String,
        /// production, test or maintenance
        channel: Channel,
        /// The number of a version, as `image versions` says it
        version: u32,
        /// Only if it is still at this revision, as `image show` says it
        #[arg(long, value_name = "REVISION")]
        if_match: Option<u64>,
    },
    /// Put production back to where it was before its last move; a second time, forward again
    Revert {
        /// Name or id
        image: String,
        /// Only if it is still at this revision, as `image show` says it
        #[arg(long, value_name = "REVISION")]
        if_match: Option<u64>,
    },
    /// Choose the computer that changes an image, or end that: from its next boot on it keeps what it writes
    #[command(override_usage = "nsboot image superclient <IMAGE> <CLIENT|--end>",
        group(clap::ArgGroup::new("who").required(true).args(["client", "end"])))]
    Superclient {
        /// Name or id
        image: String,
        /// A computer that boots it: name, id or MAC address
        client: Option<String>,
        /// Nobody changes it any more
        #[arg(long)]
        end: bool,
        /// Only if it is still at this revision, as `image show` says it
        #[arg(long, value_name = "REVISION")]
        if_match: Option<u64>,
    },
    /// Make the next version of what the superclient wrote, as a job; it has to be off
    Apply {
        /// Name or id
        image: String,
        /// What the version is for
        #[arg(long, default_value = "")]
        comment: String,
    },
    /// Say what a version is for
    Describe {
        /// Name or id
        image: String,
        /// Its number
        version: u32,
        /// One line
        comment: String,
    },
    /// Make a version one that is made on no other, as a job, so that those below it can be removed
    Flatten {
        /// Name or id
        image: String,
        /// Its number
        version: u32,
    },
    /// Make an image of a version, as a job
    Clone {
        /// Name or id
        image: String,
        /// Its number
        version: u32,
        /// The new image's name
        #[arg(long)]
        name: String,
    },
    /// Give an image another name, or say whose it is
    #[command(group(clap::ArgGroup::new("change").required(true).multiple(true)))]
    Set {
        /// Name or id
        image: String,
        /// A new name
        #[arg(long, group = "change")]
        name: Option<String>,
        /// Of one computer, which keeps what it writes
        #[arg(long, group = "change", conflicts_with = "shared")]
        private: bool,
        /// For any number of computers
        #[arg(long, group = "change")]
        shared: bool,
        /// Only if it is still at this revision, as `image show` says it
        #[arg(long, value_name = "REVISION")]
        if_match: Option<u64>,
    },
    /// Remove a version that nothing needs
    RmVersion {
        /// Name or id
        image: String,
        /// Its number
        version: u32,
        /// Only if it is still at this revision, as `image show` says it
        #[arg(long, value_name = "REVISION")]
        if_match: Option<u64>,
    },
}

/// Runs a command about versions.
///
/// # Errors
/// As the server says.
pub fn run(command: VersionCommand, console: &Console) -> Result<(), CliError> {
    match command {
        VersionCommand::Versions { image } => {
            let image: ImageView = console.server.get(&at("images", &image))?;
            console.print(&image.versions, || render::list(&image.versions))
        }
        VersionCommand::Channel {
            image,
            channel,
            version,
            if_match,
        } => {
            let path = format!("{}/channels/{channel}", at("images", &image));
            let change = Change::new("PUT", path).body(&MoveChannelParams { version })?;
            show(change.if_match(if_match), console)
        }
        VersionCommand::Revert { image, if_match } => {
            let path = format!("{}/actions/revert", at("images", &image));
            show(Change::new("POST", path).if_match(if_match), console)
        }
        VersionCommand::Superclient {
            image,
            client,
            if_match,
            ..
        } => {
            let path = format!("{}/superclient", at("images", &image));
            let change = match client {
                Some(client) => Change::new("PUT", path).body(&SuperclientParams { client })?,
                None => Change::new("DELETE", path),
            };
            show(change.if_match(if_match), console)
        }
        VersionCommand::Apply { image, comment } => {
            let path = format!("{}/actions/apply", at("images", &image));
            let change = Change::new("POST", path).body(&ApplyParams { comment })?;
            job::begin(change, console)
        }
        VersionCommand::Describe {
            image,
            version,
            comment,
        } => {
            let change = Change::new("PATCH", of(&image, version));
            show(change.body(&UpdateVersionParams { comment })?, console)
        }
        VersionCommand::Flatten { image, version } => {
            let path = format!("{}/actions/flatten", of(&image, version));
            job::begin(Change::new("POST", path), console)
        }
        VersionCommand::Clone {
            image,
            version,
            name,
        } => {
            let path = format!("{}/actions/clone", of(&image, version));
            let change = Change::new("POST", path).body(&CloneParams { name })?;
            job::begin(change, console)
        }
        VersionCommand::Set {
            image,
            name,
            private,
            shared,
            if_match,
        } => {
            let params = UpdateImageParams {
                name,
                private: (private || shared).then_some(private),
            };
            let change = Change::new("PATCH", at("images", &image)).body(&params)?;
            match console.change::<ImageView>(change.if_match(if_match))? {
                None => Ok(()),
                Some(image) => console.print(&image, || render::list(std::slice::from_ref(&image))),
            }
        }
        VersionCommand::RmVersion {
            image,
            version,
            if_match,
        } => {
            let change = Change::new("DELETE", of(&image, version));
            show(change.if_match(if_match), console)
        }
    }
}

fn of(image: &str, version: u32) -> String {
    format!("{}/versions/{version}", at("images", image))
}

fn show(change: Change, console: &Console) -> Result<(), CliError> {
    match console.change::<ImageView>(change)? {
        None => Ok(()),
        Some(image) => console.print(&image, || render::list(&image.versions)),
    }
}
