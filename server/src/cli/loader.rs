//! `nsboot loader`: sets of the first programs that firmware runs.

use super::{
    CliError,
    address::{Query, at},
    connect::Change,
    console::Console,
    image::open,
    listing::Listing,
    render,
    watch::{self, lines::Noun},
};
use clap::Subcommand;
use std::path::{Path, PathBuf};
use types::{JobUnit, LoaderSetView};

#[derive(Subcommand)]
pub enum LoaderCommand {
    /// Upload a new loader set
    Add {
        /// A tar archive, plain or gzipped; one folder around everything is left out
        file: PathBuf,
        /// Its name with its version, e.g. ipxe-2.0.0: a set never changes
        #[arg(long)]
        name: String,
    },
    /// List loader sets
    Ls {
        /// Go on and show each change; with -o json a line each
        #[arg(long, conflicts_with_all = ["filter", "sort"])]
        watch: bool,
        #[command(flatten)]
        listing: Listing,
    },
    /// Show a loader set: its files, and which computers get which
    Show {
        /// Its name
        set: String,
    },
    /// Remove uploaded loader sets that nothing uses
    Rm {
        /// Names
        #[arg(required = true, value_name = "SET")]
        sets: Vec<String>,
    },
}

/// Runs a command about loader sets.
///
/// # Errors
/// As the server says; when the archive can't be read.
pub fn run(command: LoaderCommand, console: &Console) -> Result<(), CliError> {
    match command {
        LoaderCommand::Add { file, name } => add(&file, name, console),
        LoaderCommand::Ls { watch: true, .. } => watch::lines::run(Noun::LoaderSets, console),
        LoaderCommand::Ls { listing, .. } => {
            let sets: Vec<LoaderSetView> = console.all(&listing.of("/api/v1/loaders"))?;
            console.print(&sets, || render::list(&sets))
        }
        LoaderCommand::Show { set } => {
            let set: LoaderSetView = console.server.get(&at("loaders", &set))?;
            console.print(&set, || render::loader_set(&set))
        }
        LoaderCommand::Rm { sets } => console.remove(("loader set", "loader sets"), &sets, |set| {
            Change::new("DELETE", at("loaders", set))
        }),
    }
}

fn add(file: &Path, name: String, console: &Console) -> Result<(), CliError> {
    let (handle, len) = open(file, "Name a tar archive that you may read.")?;
    let bar_name = name.clone();
    let path = Query::of("/api/v1/loaders").with("name", Some(name)).path();
    if console.is_dry() {
        let body = format!("(the {len} bytes of {})", file.display());
        return console.tell(&Change::new("POST", path).body(&body)?);
    }
    let bar = console.progress(JobUnit::Bytes, Some(len));
    bar.set_message(bar_name);
    let set: LoaderSetView = console
        .server
        .upload(&path, bar.wrap_read(handle), len)
        .inspect(|_| bar.finish_and_clear())?;
    console.print(&set, || render::loader_set(&set))
}
