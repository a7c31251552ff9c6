//! Files that hold keys: for their owner's eyes only, and never half written.

use crate::{Area, Error, Result};
use std::{
    fs::{File, OpenOptions},
    io::{ErrorKind, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
};
use zeroize::Zeroizing;

/// Largest file of keys, bytes: hundreds of them.
const MAX_BYTES: u64 = 64 * 1024;

/// What a file of keys holds; None when there is none.
///
/// # Errors
/// [`Error::Unavailable`] when others may read it too, or it is no file of ours; [`Error::Io`].
pub(crate) fn read_private(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Error::io(about("opening", path))(e)),
    };
    let meta = file.metadata().map_err(Error::io(about("reading", path)))?;
    let path_text = path.display();
    let (mode, owner) = (meta.mode() & 0o7777, meta.uid());
    let own = [0, nix::unistd::geteuid().as_raw()].contains(&owner);
    if !meta.is_file() {
        return Err(Error::unavailable(
            Area::Secret,
            format!("the key file {path_text} is no file"),
            "Move it away: what belongs there is a file of NSBoot.",
        ));
    }
    if mode & 0o077 != 0 || !own {
        return Err(Error::unavailable(
            Area::Secret,
            format!(
                "the key file {path_text} may be read by others (mode {mode:04o}, user {owner})"
            ),
            format!(
                "Run `chown {} {path_text} && chmod 600 {path_text}` and start again; when somebody \
                 may have read it, also run `nsboot secrets rotate`.",
                nix::unistd::geteuid()
            ),
        ));
    }
    read_all(&mut file, path).map(Some)
}

/// What a credential holds that systemd gave; None when it gave none of this name. Who may read it is
/// systemd's business: it grants that by ACL, which looks like a right of the group.
///
/// # Errors
/// [`Error::Io`].
pub(crate) fn read_credential(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>> {
    match File::open(path) {
        Ok(mut file) => read_all(&mut file, path).map(Some),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::io(about("opening", path))(e)),
    }
}

fn read_all(file: &mut File, path: &Path) -> Result<Zeroizing<Vec<u8>>> {
    // Of its full size at once: a buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_BYTES as usize));
    file.take(MAX_BYTES)
        .read_to_end(&mut bytes)
        .map_err(Error::io(about("reading", path)))?;
    Ok(bytes)
}

/// Puts a file of keys in the place of the one there, or makes it; durable when this returns. After a
/// crash in between there is the old one or the new one, whole.
///
/// # Errors
/// [`Error::Io`]; the old one stays.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    let draft = path.with_extension("new");
    write(&draft, bytes)
        .and_then(|()| std::fs::rename(&draft, path))
        .and_then(|()| sync_folder(path))
        .map_err(Error::io(about("writing", path)))
}

/// Removes a file of keys, durably; none is no error.
///
/// # Errors
/// [`Error::Io`].
pub(super) fn remove_private(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        outcome => outcome,
    }
    .and_then(|()| sync_folder(path))
    .map_err(Error::io(about("removing", path)))
}

/// A name is durable once its folder is.
fn sync_folder(path: &Path) -> std::io::Result<()> {
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

fn write(draft: &Path, bytes: &[u8]) -> std::io::Result<()> {
    // A crash may have left one, and its rights are what they are.
    match std::fs::remove_file(draft) {
        Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(draft)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn about(what: &str, path: &Path) -> String {
    format!("{what} the key file {}", path.display())
}
