//! What a boot entry may hold. Its texts end up in boot scripts, where a line break would be a command.

use crate::{Area, Error, Result};
use store::BootEntryRecord;
use types::{BootEntryId, EntryKind};

/// The most initial RAM disks of one entry.
const MAX_INITRDS: usize = 8;
/// The longest name of a file or address, bytes.
const MAX_FILE: usize = 1000;
/// The longest command line, bytes: what the kernel takes on x86 (`COMMAND_LINE_SIZE`).
const MAX_COMMAND_LINE: usize = 2048;
/// The longest script, bytes.
const MAX_SCRIPT: usize = 16 << 10;

/// `^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`, and nothing that could be an id: for entries and groups.
pub(crate) fn name(area: Area, name: &str) -> Result<()> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    let message = if name.is_empty() || name.len() > 64 {
        "a name has 1 to 64 characters"
    } else if !name.chars().all(fits) {
        "a name has letters a-z, digits, dots, hyphens and underscores only, like row-1"
    } else if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        "a name begins with a letter or a digit"
    } else if name.parse::<BootEntryId>().is_ok() {
        "a name can't look like an id"
    } else {
        return Ok(());
    };
    Err(Error::invalid(area, "name", message))
}

/// Every rule for an entry that is to be kept.
pub(super) fn entry(entry: &BootEntryRecord) -> Result<()> {
    name(Area::BootEntry, &entry.name)?;
    match entry.kind {
        EntryKind::Kernel => kernel(entry),
        EntryKind::Script => script(entry),
        EntryKind::Image | EntryKind::Local => Err(invalid(
            "kind",
            "only entries of kind kernel and script can be made; image and local are always there",
        )),
    }
}

fn kernel(entry: &BootEntryRecord) -> Result<()> {
    if !entry.script.is_empty() {
        return Err(invalid("script", "a kernel entry has no script"));
    }
    file("kernel", &entry.kernel)?;
    if entry.initrds.len() > MAX_INITRDS {
        let message = format!("at most {MAX_INITRDS} initial RAM disks");
        return Err(invalid("initrds", message));
    }
    entry.initrds.iter().try_for_each(|f| file("initrds", f))?;
    command_line(&entry.command_line)
}

fn script(entry: &BootEntryRecord) -> Result<()> {
    let kernels = [
        (!entry.kernel.is_empty(), "kernel"),
        (!entry.initrds.is_empty(), "initrds"),
        (!entry.command_line.is_empty(), "command_line"),
        (entry.attach_disk, "attach_disk"),
    ];
    if let Some((_, field)) = kernels.into_iter().find(|(given, _)| *given) {
        return Err(invalid(field, "a script entry has nothing but its script"));
    }
    let text = &entry.script;
    let message = if text.trim().is_empty() {
        "a script is needed".to_string()
    } else if text.len() > MAX_SCRIPT {
        format!("a script has at most {MAX_SCRIPT} bytes")
    } else if text
        .chars()
        .any(|c| c.is_control() && !"\n\r\t".contains(c))
    {
        "a script holds no control characters but line breaks and tabs".to_string()
    } else {
        return Ok(());
    };
    Err(invalid("script", message))
}

/// A file below `/f/` of the boot plane, or an `http://` address.
fn file(field: &'static str, text: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._+~-".contains(c);
    let part = |p: &str| !p.is_empty() && p != "." && p != ".." && p.chars().all(plain);
    let in_url = |c: char| c.is_ascii_graphic() && !"\"'\\$|<>`{}#;".contains(c);
    let fits = match text.strip_prefix("http://") {
        Some(rest) => !rest.is_empty() && !rest.starts_with('/') && rest.chars().all(in_url),
        None => text.split('/').all(part),
    };
    match fits && text.len() <= MAX_FILE {
        true => Ok(()),
        false => Err(invalid(
            field,
            "name a file of the folder loaders like debian/vmlinuz, or an address that begins with http://",
        )),
    }
}

/// One line. As words of their own, `||`, `&&` and `#` are iPXE's and not the kernel's.
fn command_line(text: &str) -> Result<()> {
    let printable = |c: char| c == ' ' || c.is_ascii_graphic();
    let operator = |w: &str| w == "||" || w == "&&" || w.starts_with('#');
    let message = if text.len() > MAX_COMMAND_LINE {
        format!("a command line has at most {MAX_COMMAND_LINE} bytes")
    } else if !text.chars().all(printable) {
        "a command line is one line of printable ASCII characters".to_string()
    } else if text.split(' ').any(operator) {
        "a command line can't have ||, && or # at the beginning of a word".to_string()
    } else {
        return Ok(());
    };
    Err(invalid("command_line", message))
}

fn invalid(field: &'static str, message: impl Into<String>) -> Error {
    Error::invalid(Area::BootEntry, field, message)
}
