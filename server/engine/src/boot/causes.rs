//! Why a boot stopped, in plain words with what to do; and how long each hop may take.

use types::{Cause, Hop, MacAddr};

fn cause(code: &str, title: impl Into<String>, hint: impl Into<String>) -> Cause {
    Cause {
        code: code.into(),
        title: title.into(),
        hint: hint.into(),
    }
}

/// A computer that nobody adopted asked for its script.
pub fn not_adopted(mac: MacAddr) -> Cause {
    cause(
        "not_adopted",
        format!(
            "{mac} is not one of our computers yet. Its code is {}",
            mac.code()
        ),
        "Adopt it on Floor and give it an image; it tries again by itself.",
    )
}

/// A computer that was retired asked for its script.
pub fn retired(name: &str) -> Cause {
    cause(
        "retired",
        format!("{name} is retired and boots nothing"),
        "Adopt it again on Floor if it is in use; it tries again by itself.",
    )
}

/// Its boot entry can't be started by the loader that asks.
pub fn needs_ipxe(entry: &str) -> Cause {
    cause(
        "needs_ipxe",
        format!(
            "The boot entry {entry} needs iPXE, and this computer came by Secure Boot with GRUB"
        ),
        "Give it a kernel entry with files of the folder loaders, or a loader set with a signed iPXE; it tries again by itself.",
    )
}

/// A file that its boot entry names is not there.
pub fn file_missing(entry: &str, file: &str) -> Cause {
    cause(
        "file_missing",
        format!("The boot entry {entry} needs the file {file}, which is not in the folder loaders"),
        "Put it into the folder loaders of the data directory, or correct the boot entry. It tries again by itself.",
    )
}

/// No loader here runs on this machine.
pub fn no_loader(arch: Option<u16>) -> Cause {
    let name = match arch.unwrap_or(0) {
        0 => "BIOS",
        6 | 15 => "32-bit UEFI",
        7..=9 | 16 => "64-bit UEFI",
        10 | 18 => "32-bit ARM",
        11 | 19 => "64-bit ARM",
        25..=30 => "RISC-V",
        37..=40 => "LoongArch",
        _ => "its processor",
    };
    cause(
        "no_loader",
        format!("There is no loader for {name} here"),
        "Upload a loader set that has one, on the page Loaders or with `nsboot loader add`.",
    )
}

/// It took another server's address, and nothing of us after that.
pub fn other_server(server: std::net::Ipv4Addr) -> Cause {
    cause(
        "other_dhcp_server",
        format!("It took its address from another DHCP server, {server}"),
        "Turn that server off for this network, or set this boot network's mode to proxy.",
    )
}

/// It has an address of another server, as it should, and nothing asked for a loader.
pub fn proxy_ignored(server: std::net::Ipv4Addr) -> Cause {
    cause(
        "proxy_ignored",
        format!("It took its address from {server}, but did not heed our boot information"),
        "Look whether that server sends boot options of its own (next-server, file name, option 60) and remove them; check a firewall on UDP ports 4011 and 69.",
    )
}

/// Boot information was offered, and no address by anyone.
pub fn no_dhcp_server() -> Cause {
    cause(
        "no_dhcp_server",
        "No DHCP server gave it an address",
        "In mode proxy another server hands out the addresses: turn that one on, or set the mode to full.",
    )
}

/// An adopted computer has nothing to boot from.
pub fn no_image(name: &str) -> Cause {
    cause(
        "no_image",
        format!("{name} has no image"),
        "Choose an image for it on Floor; it tries again by itself.",
    )
}

/// Its disk could not be prepared.
pub fn disk_unavailable(why: &str) -> Cause {
    cause(
        "disk_unavailable",
        format!("Its disk could not be prepared: {why}"),
        "Check the free space and the messages of the server, then restart the computer.",
    )
}

/// The boot entry opens the disk by NBD, which is not offered.
pub fn nbd_is_off(entry: &str) -> Cause {
    cause(
        "nbd_is_off",
        format!("The boot entry {entry} opens the disk by NBD, and NBD is off"),
        "Turn it on with `nsboot setting set nbd.enabled=true`, or choose another boot entry.",
    )
}

/// That its one-shot is used up could not be written down.
pub fn not_written(why: &str) -> Cause {
    cause(
        "not_written",
        format!("What it boots this once could not be written down: {why}"),
        "Check the free space and the messages of the server; it tries again by itself.",
    )
}

/// What its script told it to load began to come, and no more was seen.
pub fn fetch_stalled(file: &str) -> Cause {
    cause(
        "fetch_stalled",
        format!("It began to load {file} and did not get to its end"),
        "Restart it: files then come slower, which helps cards that choke on a fast server. Check its memory, too: it must hold what it loads.",
    )
}

/// A login to its disk was refused.
pub fn disk_refused(why: &str) -> Cause {
    cause(
        "disk_refused",
        format!("The disk refused the login: {why}"),
        "Restart the computer; if it happens again, remove and add it.",
    )
}

/// Seconds without a sign after which a boot that waits at this hop counts as stopped. Generous,
/// since an emulated computer is slow; a boot that goes on later is shown as going on.
pub fn patience_seconds(hop: Hop) -> i64 {
    match hop {
        Hop::Link | Hop::Dhcp | Hop::Ipxe => 30,
        Hop::Loader => 60,
        Hop::Disk | Hop::Kernel | Hop::Login => 180,
    }
}

/// The cause that a boot gets when nothing more was seen at this hop.
pub fn stalled(hop: Hop) -> Cause {
    match hop {
        Hop::Link | Hop::Dhcp => cause(
            "no_request",
            "An address was offered, but the computer did not take it",
            "Another DHCP server may have answered first, or a switch port wakes slowly. Look for a second server on this network; on the switch, turn on PortFast for this port.",
        ),
        Hop::Loader => cause(
            "loader_stalled",
            "The loader was asked for, but did not arrive whole, or did not start",
            "Check the cable and a firewall on UDP port 69. With Secure Boot on, choose the loader set debian-signed and start it by PXE, not by HTTP Boot. Update the firmware if it stays.",
        ),
        Hop::Ipxe => cause(
            "no_script",
            "It got an address, but never asked for its boot script",
            "Check the boot order of the computer and a firewall on TCP port 8080.",
        ),
        Hop::Disk => cause(
            "disk_stalled",
            "It got its script, but its disk did not start",
            "Check a firewall on TCP port 3260, and that the image boots by this firmware, BIOS or UEFI.",
        ),
        Hop::Kernel => cause(
            "kernel_stalled",
            "The boot loader ran, but no kernel logged in to the disk",
            "The image may lack an iSCSI initiator or the driver of this network card in its initramfs.",
        ),
        Hop::Login => cause(
            "no_report",
            "The kernel has its disk, but userland never reported ready",
            "Look at the screen of the computer. An image without the report shows no more than this.",
        ),
    }
}
