//! Boots: what a machine is told at each hop, and the timeline of what it did.

mod boots;
mod causes;
#[cfg(test)]
mod chain_tests;
mod choice;
#[cfg(test)]
mod data_disk_tests;
mod disks;
mod drift;
pub(crate) mod evening;
mod fold;
mod forms;
mod fullness;
mod grub;
pub mod identity;
#[cfg(test)]
mod image_tests;
mod next;
mod offers;
mod overlays;
mod recognise;
mod rules;
pub mod script;
mod snapshots;
mod starts;
mod superclient;
#[cfg(test)]
mod superclient_tests;
mod tally;
mod tickets;
mod timeline;
#[cfg(test)]
mod timeline_tests;

pub use boots::Boots;
pub(crate) use boots::Needs;
pub use forms::{Form, choices, form};
pub use rules::Choice;
pub use script::Plane;

use crate::{
    export::Via,
    firmware::{Failed, Failure},
};
use std::{net::Ipv4Addr, time::Duration};
use types::{Cause, Hop, MacAddr, Quirks, ReadyFacts};

/// What is asking for an address, read from the options of its packet.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Firmware {
    /// Option 60 `PXEClient`, option 93 is 0 to 5 or absent.
    BiosPxe,
    /// Option 60 `PXEClient`, option 93 is 6 or more.
    UefiPxe,
    /// Option 60 `HTTPClient`.
    UefiHttp,
    /// Option 60 `PXEClient` from an Ethernet address of a Raspberry Pi, which calls itself a BIOS.
    RaspberryPi,
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
    /// What its iPXE can do, by the feature bits in option 175.
    pub ipxe: Features,
    /// Option 60, readable characters only. With the Ethernet prefix it tells one firmware from another.
    pub vendor_class: String,
    /// It asks for offers.
    pub is_discover: bool,
}

/// What iPXE says of itself in option 175 (<https://ipxe.org/howto/dhcpd>). All false without it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Features {
    /// Sub-option 0x13: it can fetch our script.
    pub http: bool,
    /// Sub-option 0x11: it can start our disks.
    pub iscsi: bool,
}

impl Features {
    /// Whether it can do all that our scripts ask for. Cards and hypervisors bring old ones that can't.
    pub fn suffice(self) -> bool {
        self.http && self.iscsi
    }
}

/// What a DHCP answer tells the machine to load.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BootFile {
    /// Nothing: not a booting machine, or none that we have a loader for.
    None,
    /// A file of the TFTP root, e.g. `undionly.kpxe`.
    Loader(String),
    /// An HTTP address: of the loader for UEFI HTTP Boot, of the script for iPXE.
    Url(String),
}

/// What a machine is told, and in which form.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Advice {
    pub file: BootFile,
    pub form: Form,
    /// How long an OFFER is held back.
    pub delay: Duration,
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
    /// Boot information has left beside the offer of another server.
    ProxyOffer,
    /// It takes an address from another server (a REQUEST with that server's identifier).
    TookOther {
        server: Ipv4Addr,
        address: Ipv4Addr,
        firmware: Firmware,
    },
    /// It asked on port 4011 what to load, and was told this file.
    BootServer {
        file: String,
    },
    /// There is nothing that this kind of machine could load.
    NoLoader {
        cause: Cause,
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
        /// Set where its firmware may be to blame.
        blame: Option<Failure>,
    },
    /// It is answered in another way than usual.
    Way {
        quirks: Quirks,
        pinned: bool,
    },
    /// The way that its firmware was given failed.
    WayFailed {
        failed: Failed,
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
    /// A session on its disk began. `via` tells firmware and operating system apart.
    DiskLogin {
        via: Via,
    },
    /// The first block was read in that session.
    DiskRead {
        via: Via,
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
