//! Names of files as machines ask for them, and of sets.

use std::path::{Component, Path};

/// Longer names are nobody's.
const MAX_NAME: usize = 512;

/// The name as a relative path of plain components; None when it can't be one. Backslashes, leading
/// and doubled slashes and a trailing 0xFF are how some firmware writes it.
pub(super) fn clean(asked: &[u8]) -> Option<String> {
    let asked = asked.strip_suffix(&[0xff]).unwrap_or(asked);
    if asked.len() > MAX_NAME {
        return None;
    }
    let text = std::str::from_utf8(asked).ok()?.replace('\\', "/");
    if text.chars().any(char::is_control) {
        return None;
    }
    let parts: Vec<&str> = text.split('/').filter(|p| !p.is_empty()).collect();
    let plain = parts.iter().all(|p| {
        let mut c = Path::new(p).components();
        matches!((c.next(), c.next()), (Some(Component::Normal(_)), None))
    });
    // What begins with a dot is ours: an upload under way.
    let shown = parts.first().is_some_and(|p| !p.starts_with('.'));
    (plain && shown).then(|| parts.join("/"))
}

/// Whether a set may be called so: `^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`: safe as a folder, in a URL and in a DHCP option.
pub(crate) fn check_set_name(name: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    let message = if name.is_empty() || name.len() > 64 {
        "a loader set's name has 1 to 64 characters"
    } else if !name.chars().all(fits) {
        "a loader set's name has letters a-z, digits, dots, hyphens and underscores only, like ipxe-2.0.0"
    } else if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        "a loader set's name begins with a letter or a digit"
    } else {
        return Ok(());
    };
    Err(message.into())
}
