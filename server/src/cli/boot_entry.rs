//! `nsboot boot-entry`: what computers may boot.

use super::{
    CliError, address::at, connect::Change, console::Console, listing::Listing, render, watch,
};
use clap::{Args, Subcommand, ValueEnum};
use std::path::{Path, PathBuf};
use types::{BootEntryView, CreateBootEntryParams, EntryKind, Topic, UpdateBootEntryParams};

#[derive(Subcommand)]
pub enum BootEntryCommand {
    /// List boot entries
    Ls {
        /// Go on and show each change; with -o json a line each
        #[arg(long, conflicts_with_all = ["filter", "sort"])]
        watch: bool,
        #[command(flatten)]
        listing: Listing,
    },
    /// Show a boot entry
    Show {
        /// Name or id
        entry: String,
    },
    /// Make a boot entry
    Add {
        /// Letters, digits, hyphens, dots; computers are given it by this name
        name: String,
        #[arg(long, value_enum)]
        kind: KindArg,
        #[command(flatten)]
        content: Content,
    },
    /// Change a boot entry
    #[command(group(clap::ArgGroup::new("change").required(true).multiple(true)
        .args(["name", "kernel", "initrds", "command_line", "attach_disk", "no_disk", "no_initrd", "script"])))]
    Set {
        /// Name or id
        entry: String,
        /// A new name
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        content: Content,
        /// Don't attach the computer's network disk any more
        #[arg(long, conflicts_with = "attach_disk")]
        no_disk: bool,
        /// No initial RAM disk any more
        #[arg(long, conflicts_with = "initrds")]
        no_initrd: bool,
        /// Only if it is still at this revision, as `boot-entry show` says it
        #[arg(long, value_name = "REVISION")]
        if_match: Option<u64>,
    },
    /// Remove boot entries that nothing names
    Rm {
        /// Names or ids
        #[arg(required = true, value_name = "ENTRY")]
        entries: Vec<String>,
        /// Only if it is still at this revision, as `boot-entry show` says it
        #[arg(long, value_name = "REVISION")]
        if_match: Option<u64>,
    },
}

/// What an entry starts.
#[derive(Args)]
pub struct Content {
    /// A kernel: a file of the folder loaders, or an http:// address
    #[arg(long, value_name = "FILE")]
    kernel: Option<String>,
    /// An initial RAM disk, as the kernel; can be given several times
    #[arg(long = "initrd", value_name = "FILE")]
    initrds: Vec<String>,
    /// The kernel's command line; iPXE fills in ${net0/mac:hexhyp} and the like
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    command_line: Option<String>,
    /// Attach the computer's network disk, so that the kernel finds it in the iBFT
    #[arg(long)]
    attach_disk: bool,
    /// A file with an iPXE script
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum KindArg {
    Kernel,
    Script,
}

impl From<KindArg> for EntryKind {
    fn from(kind: KindArg) -> Self {
        match kind {
            KindArg::Kernel => EntryKind::Kernel,
            KindArg::Script => EntryKind::Script,
        }
    }
}

/// Runs a command about boot entries.
///
/// # Errors
/// As the server says; when a script can't be read.
pub fn run(command: BootEntryCommand, console: &Console) -> Result<(), CliError> {
    match command {
        BootEntryCommand::Ls { watch: true, .. } => watch::lines::run(Topic::BootEntries, console),
        BootEntryCommand::Ls { listing, .. } => {
            let all: Vec<BootEntryView> = console.all(&listing.of("/api/v1/boot-entries"))?;
            console.print(&all, || render::list(&all))
        }
        BootEntryCommand::Show { entry } => {
            let entry: BootEntryView = console.server.get(&at("boot-entries", &entry))?;
            console.print(&entry, || render::boot_entry(&entry))
        }
        BootEntryCommand::Add {
            name,
            kind,
            content,
        } => {
            let params = CreateBootEntryParams {
                name,
                kind: kind.into(),
                script: content
                    .script
                    .as_deref()
                    .map(read)
                    .transpose()?
                    .unwrap_or_default(),
                kernel: content.kernel.unwrap_or_default(),
                initrds: content.initrds,
                command_line: content.command_line.unwrap_or_default(),
                attach_disk: content.attach_disk,
            };
            show(
                Change::new("POST", "/api/v1/boot-entries").body(&params)?,
                console,
            )
        }
        BootEntryCommand::Set {
            entry,
            name,
            content,
            no_disk,
            no_initrd,
            if_match,
        } => {
            let initrds = no_initrd || !content.initrds.is_empty();
            let params = UpdateBootEntryParams {
                name,
                script: content.script.as_deref().map(read).transpose()?,
                kernel: content.kernel,
                initrds: initrds.then_some(content.initrds),
                command_line: content.command_line,
                attach_disk: (content.attach_disk || no_disk).then_some(content.attach_disk),
            };
            let change = Change::new("PATCH", at("boot-entries", &entry)).body(&params)?;
            show(change.if_match(if_match), console)
        }
        BootEntryCommand::Rm { entries, if_match } => {
            console.remove(("boot entry", "boot entries"), &entries, |entry| {
                Change::new("DELETE", at("boot-entries", entry)).if_match(if_match)
            })
        }
    }
}

fn show(change: Change, console: &Console) -> Result<(), CliError> {
    match console.change::<BootEntryView>(change)? {
        None => Ok(()),
        Some(entry) => console.print(&entry, || render::list(std::slice::from_ref(&entry))),
    }
}

fn read(file: &Path) -> Result<String, CliError> {
    std::fs::read_to_string(file).map_err(|why| CliError::Local {
        what: format!("could not read {}", file.display()),
        why: why.to_string(),
        code: "NSB-CLI-005",
        hint: "Name a text file that you may read.",
    })
}
