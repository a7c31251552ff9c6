//! One boot as a row of hops.

use crate::{BootId, ClientId, MacAddr, Timestamp};
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

/// The stations of a boot, in order. The rail on the page draws one segment for each.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Hop {
    /// The first packet of this boot was seen (a DHCPDISCOVER).
    Link,
    /// An address is being agreed; done when the first ACK has left.
    Dhcp,
    /// The firmware fetches the first program; skipped when the firmware is iPXE itself.
    Loader,
    /// iPXE asks for and gets its script.
    Ipxe,
    /// The disk: login to the target by the firmware and the first reads.
    Disk,
    /// The operating system's kernel runs: its own initiator logs in.
    Kernel,
    /// Userland reported ready.
    Login,
}

impl Hop {
    /// Every hop in the order of the rail.
    pub const ALL: [Hop; 7] = [
        Hop::Link,
        Hop::Dhcp,
        Hop::Loader,
        Hop::Ipxe,
        Hop::Disk,
        Hop::Kernel,
        Hop::Login,
    ];
}

/// How far a hop is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum HopState {
    /// Not reached.
    Pending,
    /// Running now.
    Now,
    /// Ended well.
    Done,
    /// This boot did not need it.
    Skipped,
    /// The boot stopped here.
    Failed,
}

/// One hop of one boot.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct HopView {
    pub hop: Hop,
    pub state: HopState,
    /// When the hop before it ended; for the first one, when its first sign was seen.
    pub started_at: Option<Timestamp>,
    /// When it was done or failed.
    pub finished_at: Option<Timestamp>,
}

/// Where a boot stands as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum BootState {
    /// On its way.
    Booting,
    /// Userland reported ready.
    Ready,
    /// No sign of progress for longer than the current hop may take, or refused.
    Stopped,
    /// A newer boot of the same computer began before this one was ready.
    Superseded,
    /// It went on to something that is not ours, such as its local disk: no more is seen of it.
    HandedOver,
}

/// Why a boot stopped: what happened, and what the admin can do.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Cause {
    /// Stable code such as `no_image`.
    pub code: String,
    pub title: String,
    pub hint: String,
}

/// What the booted system measured and posted to `/b/ready`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct ReadyFacts {
    pub hostname: Option<String>,
    pub kernel: Option<String>,
    /// Link speed of the boot interface, megabits per second.
    pub link_mbps: Option<u32>,
    /// Sequential read of the boot disk, bytes per second.
    pub disk_read_bytes_per_second: Option<u64>,
    /// Write and sync of the boot disk, bytes per second.
    pub disk_write_bytes_per_second: Option<u64>,
    /// Where the root file system is, e.g. `/dev/sda1 ext4 rw`.
    pub root: Option<String>,
    pub memory_bytes: Option<u64>,
    /// Seconds since the kernel started.
    pub uptime_seconds: Option<f64>,
}

/// One thing that was seen during a boot, as the timeline keeps it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct BootNote {
    pub at: Timestamp,
    pub hop: Hop,
    /// Plain words, e.g. `ACK 10.77.0.100`.
    pub text: String,
}

/// One boot of one client, as page, REST and WebSocket show it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct BootView {
    pub id: BootId,
    /// None while the computer is only discovered.
    pub client_id: Option<ClientId>,
    pub mac: MacAddr,
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>, format = Ipv4))]
    pub address: Option<Ipv4Addr>,
    pub state: BootState,
    pub started_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    /// Always seven, in the order of [`Hop::ALL`].
    pub hops: Vec<HopView>,
    pub cause: Option<Cause>,
    pub facts: Option<ReadyFacts>,
    pub notes: Vec<BootNote>,
}

impl BootView {
    /// Whether it is of that client, and not of one that had its MAC address before.
    pub fn is_of(&self, client: ClientId) -> bool {
        self.client_id.is_none_or(|id| id == client)
    }

    /// The hop that is running, or that the boot ended at.
    pub fn current(&self) -> Option<&HopView> {
        self.hops
            .iter()
            .rev()
            .find(|h| matches!(h.state, HopState::Now | HopState::Failed | HopState::Done))
    }
}
