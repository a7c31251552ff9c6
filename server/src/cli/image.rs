//! `nsboot image`: disks that clients boot from.

use super::{
    CliError,
    address::{Query, at},
    connect::Change,
    console::Console,
    image_version::{self, VersionCommand},
    job,
    listing::Listing,
    render, watch,
};
use clap::Subcommand;
use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};
use types::{ImageView, JobUnit, Topic};

#[derive(Subcommand)]
pub enum ImageCommand {
    /// Upload a raw disk
    Import {
        /// A raw disk, e.g. what `qemu-img convert -O raw` writes
        file: PathBuf,
        /// Letters, digits, hyphens, dots; computers are given it by this name
        #[arg(long)]
        name: String,
        /// SHA-256 of the disk in hex; an upload that differs is refused
        #[arg(long, value_name = "HEX")]
        sha256: Option<String>,
    },
    /// List images
    Ls {
        /// Go on and show each change; with -o json a line each
        #[arg(long, conflicts_with_all = ["filter", "sort"])]
        watch: bool,
        #[command(flatten)]
        listing: Listing,
    },
    /// Show an image
    Show {
        /// Name or id
        image: String,
    },
    /// Remove images that no client uses
    Rm {
        /// Names or ids
        #[arg(required = true, value_name = "IMAGE")]
        images: Vec<String>,
    },
    /// Read the files of an image's versions again and compare them with their checksums, as a job
    Verify {
        /// Name or id
        image: String,
    },
    #[command(flatten)]
    Version(VersionCommand),
}

/// Runs a command about images.
///
/// # Errors
/// As the server says; when the disk can't be read.
pub fn run(command: ImageCommand, console: &Console) -> Result<(), CliError> {
    match command {
        ImageCommand::Import { file, name, sha256 } => import(&file, name, sha256, console),
        ImageCommand::Ls { watch: true, .. } => watch::lines::run(Topic::Images, console),
        ImageCommand::Ls { listing, .. } => {
            let images: Vec<ImageView> = console.all(&listing.of("/api/v1/images"))?;
            console.print(&images, || render::list(&images))
        }
        ImageCommand::Show { image } => {
            let image: ImageView = console.server.get(&at("images", &image))?;
            console.print(&image, || render::image(&image))
        }
        ImageCommand::Rm { images } => console.remove(("image", "images"), &images, |image| {
            Change::new("DELETE", at("images", image))
        }),
        ImageCommand::Verify { image } => {
            let path = format!("{}/actions/verify", at("images", &image));
            job::begin(Change::new("POST", path), console)
        }
        ImageCommand::Version(command) => image_version::run(command, console),
    }
}

fn import(
    file: &Path,
    name: String,
    sha256: Option<String>,
    console: &Console,
) -> Result<(), CliError> {
    let (handle, len) = open(file, "Name a raw disk image that you may read.")?;
    let bar_name = name.clone();
    let path = Query::of("/api/v1/images")
        .with("name", Some(name))
        .with("sha256", sha256)
        .path();
    if console.is_dry() {
        let body = format!("(the {len} bytes of {})", file.display());
        return console.tell(&Change::new("POST", path).body(&body)?);
    }
    let bar = console.progress(JobUnit::Bytes, Some(len));
    bar.set_message(bar_name);
    let image: ImageView = console
        .server
        .upload(&path, bar.wrap_read(handle), len)
        .inspect(|_| bar.finish_and_clear())?;
    console.print(&image, || render::list(std::slice::from_ref(&image)))
}

/// Opens a file to upload and tells its length.
///
/// # Errors
/// When it can't be read or is no regular file; `hint` says what would be right.
pub fn open(file: &Path, hint: &'static str) -> Result<(File, u64), CliError> {
    let failed = |why: io::Error| CliError::Local {
        what: format!("could not read {}", file.display()),
        why: why.to_string(),
        code: "NSB-CLI-005",
        hint,
    };
    let handle = File::open(file).map_err(failed)?;
    let meta = handle.metadata().map_err(failed)?;
    if !meta.is_file() {
        return Err(failed(io::Error::other("it is not a regular file")));
    }
    Ok((handle, meta.len()))
}
