//! Names of files as machines ask for them, and of sets.

use std::path::{Component, Path};

/// Longer names are nobody's.
pub(super) const MAX_NAME: usize = 512;

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

/// Whether a loader asks for it and goes on without: GRUB its lists, fonts and texts in other languages, and
/// its configuration by every part of an address; shim what revokes and adds keys; iPXE its own script.
/// That such a file is not there is no cause of anything.
pub fn is_optional(asked: &str) -> bool {
    let name = asked.rsplit(['/', '\\']).next().unwrap_or(asked);
    let (stem, end) = name.rsplit_once('.').unwrap_or((name, ""));
    match end {
        "lst" | "mo" | "gmo" | "pf2" => true,
        "efi" => stem.starts_with("revocations") || stem.starts_with("shim_certificate"),
        _ => name.starts_with("grub.cfg-") || name == "autoexec.ipxe",
    }
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

#[cfg(test)]
mod tests {
    use super::is_optional;

    #[test]
    fn what_loaders_ask_for_and_do_without() {
        for name in [
            "revocations.efi",
            "revocations_sbat.efi",
            "debian-signed/revocations_sku.efi",
            "shim_certificate_0.efi",
            "/grub/x86_64-efi/command.lst",
            "grub/x86_64-efi/fs.lst",
            "/grub/grub.cfg-01-52-54-00-12-34-56",
            "/grub/grub.cfg-C0A8",
            "/grub/locale/de.mo",
            "\\autoexec.ipxe",
        ] {
            assert!(is_optional(name), "{name}");
        }
        for name in [
            "grubx64.efi",
            "shimx64.efi",
            "undionly.kpxe",
            "grub/grub.cfg",
            "vmlinuz",
            "list",
            "",
        ] {
            assert!(!is_optional(name), "{name}");
        }
    }
}
