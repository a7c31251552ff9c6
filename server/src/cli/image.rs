//! `nsboot image`: disks that clients boot from.

use super::{
    CliError,
    address::at,
    connect::Change,
    console::Console,
    image_file,
    image_version::{self, VersionCommand},
    job,
    listing::Listing,
    render, watch,
};
use clap::Subcommand;
use std::{fs::File, io, path::Path};
use types::{ImageView, Topic};

#[derive(Subcommand)]
pub enum ImageCommand {
    /// Make an image of a file, over as many connections as it takes
    Import(image_file::Import),
    /// Write a version of an image to a file
    Export(image_file::Export),
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
        ImageCommand::Import(import) => image_file::import(import, console),
        ImageCommand::Export(export) => image_file::export(&export, console),
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
