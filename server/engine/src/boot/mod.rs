//! Boots: what a machine is told at each hop, and the timeline of what it did.

mod boots;
mod causes;
mod disks;
mod grub;
pub mod identity;
mod next;
mod rules;
pub mod script;
mod tally;
mod timeline;
#[cfg(test)]
mod timeline_tests;

pub use boots::Boots;
pub(crate) use boots::Needs;
pub use rules::Choice;
pub use script::Plane;

use std::net::Ipv4Addr;
use types::{Cause, Hop, MacAddr, ReadyFacts};

/// What is asking for an address, read from the options of its packet.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Firmware {
    /// Option 60 `PXEClient`, option 93 is 0 to 5 or absent.
    BiosPxe,
    /// Option 60 `PXEClient`, option 93 is 6 or more.
    UefiPxe,
    /// Option 60 `HTTPClient`.
    UefiHttp,
    /// Option 175 present, or user class `iPXE`.
    Ipxe,
    /// An operating system or anything else: gets an address and no boot information.
    Other,
}

/// The machine behind a DHCP packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Machine {
    pub mac: MacAddr,
    pub firmware: Firmware,
    /// Option 93, first entry.
    pub arch: Option<u16>,
    /// Option 97 without its type byte, unless all zeros.
    pub uuid: Option<[u8; 16]>,
}

/// What a DHCP answer tells the machine to load.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BootFile {
    /// Nothing: not a booting machine.
    None,
    /// A file of the TFTP root, e.g. `undionly.kpxe`.
    Loader(String),
    /// An HTTP address that iPXE fetches its script from.
    Script(String),
}

/// Something a daemon saw. Times are taken where the packet is, not where the signal is handled.
#[derive(Clone, PartialEq, Debug)]
pub enum Signal {
    /// DHCPDISCOVER with boot options; begins a boot unless one just began.
    Discover {
        firmware: Firmware,
    },
    Offer {
        address: Ipv4Addr,
    },
    /// DHCPACK has left.
    Ack {
        address: Ipv4Addr,
        firmware: Firmware,
    },
    /// A DHCPNAK has left, or nothing could be offered.
    NoAddress {
        cause: Cause,
    },
    /// The first packet or request for a loader file.
    LoaderAsked {
        file: String,
    },
    /// The whole loader file was acknowledged.
    LoaderDone {
        file: String,
        bytes: u64,
    },
    LoaderFailed {
        file: String,
        reason: String,
    },
    /// The iPXE script was asked for and served.
    Script,
    /// A script was served after which no more is seen: the computer goes on with this, in words.
    HandedOver {
        to: String,
    },
    /// A script that boots nothing was served, with the reason.
    Refused {
        hop: Hop,
        cause: Cause,
    },
    /// An initiator reached full feature phase. `isid` tells firmware and operating system apart.
    DiskLogin {
        isid: [u8; 6],
    },
    /// The first block was read in that session.
    DiskRead {
        isid: [u8; 6],
    },
    DiskRefused {
        cause: Cause,
    },
    Ready {
        facts: Box<ReadyFacts>,
    },
}

/// Who a signal is about: daemons know one of the two.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Who {
    Mac(MacAddr),
    /// The address of a live lease.
    Address(Ipv4Addr),
}
