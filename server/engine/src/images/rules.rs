//! What an image may be called and how long it may be.

use super::formats::{MAX_DISK, bad, too_large};
use crate::{Area, Error, Result, storage::SECTOR};
use store::ImageRecord;
use types::{ImageId, ImageState};

/// `^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`: safe as a file name, in a URL and in a shell.
pub(super) fn name(name: &str) -> Result<()> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    let message = if name.is_empty() || name.len() > 64 {
        "an image's name has 1 to 64 characters"
    } else if !name.chars().all(fits) {
        "an image's name has letters a-z, digits, dots, hyphens and underscores only, like debian-13"
    } else if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        "an image's name begins with a letter or a digit"
    } else if name.parse::<ImageId>().is_ok() {
        "an image's name can't look like an id"
    } else {
        return Ok(());
    };
    Err(Error::invalid(Area::Image, "name", message))
}

pub(super) fn taken(by: &ImageRecord) -> Error {
    Error::conflict(
        Area::Image,
        format!("there is an image {:?} already", by.name),
        "Choose another name, or remove that image first.",
    )
}

/// An image that is whole and here.
///
/// # Errors
/// [`Error::Conflict`] for another.
pub(crate) fn require_ready(image: &ImageRecord) -> Result<()> {
    match image.state {
        ImageState::Ready => Ok(()),
        ImageState::Importing | ImageState::Failed => Err(Error::conflict(
            Area::Image,
            format!("{:?} is not ready", image.name),
            "Wait until its import is done, or import it again.",
        )),
    }
}

/// Of a file that is to come.
pub(super) fn file_length(len: u64) -> Result<()> {
    match len {
        0 => Err(bad("the file is empty")),
        n if n > MAX_DISK => Err(too_large()),
        _ => Ok(()),
    }
}

/// Of a raw disk.
pub(super) fn length(len: u64) -> Result<()> {
    let message = if len == 0 {
        "the file is empty".to_string()
    } else if !len.is_multiple_of(SECTOR) {
        format!("a raw disk is a whole number of 512-byte sectors; this file has {len} bytes")
    } else {
        return Ok(());
    };
    Err(Error::invalid(Area::Image, "file", message))
}

pub(super) fn wrong_length(expected: Option<u64>, received: u64) -> Error {
    let expected = expected.unwrap_or(0);
    let message = match received < expected {
        true => format!("{received} of {expected} bytes arrived; send the file again"),
        false => format!("more than the {expected} bytes arrived that were said; send it again"),
    };
    Error::invalid(Area::Image, "file", message)
}

/// A SHA-256 as 64 hex digits.
///
/// # Errors
/// [`Error::Invalid`] for anything else.
pub fn parse_sha256(text: &str) -> Result<[u8; 32]> {
    let bad = || {
        Error::invalid(
            Area::Image,
            "sha256",
            "a SHA-256 is 64 hex digits, as sha256sum prints it",
        )
    };
    if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(bad());
    }
    let mut out = [0u8; 32];
    for (i, byte) in out.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).map_err(|_| bad())?;
    }
    Ok(out)
}
