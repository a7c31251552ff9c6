//! The settings there are: one entry each, and one field of [`Values`]. A boot network is a setting,
//! too, named `boot.SCOPE`; what it is made of is in `network`.

use crate::{
    BootNetworkConfig, UnknownClients,
    schedule::{Every, Schedule},
};
use std::{
    net::{Ipv4Addr, SocketAddr},
    str::FromStr,
};
use types::{Applies, LoaderKind, SettingKind};

/// What holds, checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Values {
    /// Where page, REST and WebSocket are.
    pub listen: SocketAddr,
    /// Origins of other sites whose scripts may use the REST API, by token.
    pub allowed_origins: Vec<String>,
    /// What becomes of a computer that we don't know.
    pub unknown_clients: UnknownClients,
    /// The name of the boot entry of clients that say nothing themselves; empty for `image`.
    pub boot_entry: String,
    /// The loader set of clients that say nothing themselves; empty for the built-in one.
    pub loader_set: String,
    /// The iPXE build of that set; None for the usual one, snponly.
    pub loader: Option<LoaderKind>,
    /// Whether DHCP answers repeat option 61.
    pub echo_client_id: bool,
    /// Whether disks are offered by NBD, too.
    pub nbd: bool,
    /// The most that a client's overlay may hold, bytes; None is no limit.
    pub overlay_quota: Option<u64>,
    /// On which days snapshots of disks that are kept are taken by themselves; None: on none.
    pub snapshots_every: Option<Every>,
    /// At which minute of those days, UTC.
    pub snapshots_at: u32,
    /// How many of those snapshots each computer keeps.
    pub snapshots_keep: usize,
    /// Below how much free space it warns, per cent of the file system.
    pub warn_free_percent: u8,
    /// Whether the virtual lab is brought up with the server.
    pub lab: bool,
    /// The boot networks; the lab's own comes on top.
    pub boot: Vec<BootNetworkConfig>,
}

impl Default for Values {
    fn default() -> Self {
        Values {
            listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 3000)),
            allowed_origins: Vec::new(),
            unknown_clients: UnknownClients::default(),
            boot_entry: String::new(),
            loader_set: String::new(),
            loader: None,
            echo_client_id: true,
            nbd: false,
            overlay_quota: None,
            snapshots_every: None,
            snapshots_at: 3 * 60,
            snapshots_keep: 7,
            warn_free_percent: 10,
            lab: false,
            boot: Vec::new(),
        }
    }
}

impl Values {
    /// When snapshots are taken by themselves; None: they are not.
    pub fn snapshots(&self) -> Option<Schedule> {
        let every = self.snapshots_every?;
        Some(Schedule::new(every, self.snapshots_at))
    }
}

/// A setting outside the boot networks.
pub(super) struct Known {
    /// Dotted, as in the file.
    pub key: &'static str,
    pub default: &'static str,
    /// What it does, in a sentence.
    pub about: &'static str,
    pub kind: fn() -> SettingKind,
    pub applies: Applies,
    /// Whether a wrong value can cut the page off.
    pub on_trial: bool,
    /// Reads the text into its field, or says what would be right.
    pub read: fn(&mut Values, &str) -> Result<(), String>,
}

/// Every setting outside the boot networks.
pub(super) const CATALOG: &[Known] = &[
    Known {
        key: "http.listen",
        default: "0.0.0.0:3000",
        about: "Address and port of page, REST and WebSocket; 0.0.0.0 is every address of this box.",
        kind: || SettingKind::Text,
        applies: Applies::AtOnce,
        on_trial: true,
        read: |values, text| {
            values.listen = SocketAddr::from_str(text)
                .map_err(|_| "write address and port like 127.0.0.1:3000")?;
            Ok(())
        },
    },
    Known {
        key: "http.allowed_origins",
        default: "",
        about: "Other sites whose pages may use the REST API with a token, such as https://wiki.lab.example.",
        kind: || SettingKind::List,
        applies: Applies::AtOnce,
        on_trial: false,
        read: |values, text| {
            values.allowed_origins = parts(text).map(origin).collect::<Result<_, _>>()?;
            Ok(())
        },
    },
    Known {
        key: "clients.unknown",
        default: "discover",
        about: "What becomes of a computer that boots and is not known: discover shows it until somebody \
                adopts it, adopt lets it boot at once.",
        kind: || SettingKind::Choice {
            options: vec!["discover".into(), "adopt".into()],
        },
        applies: Applies::AtOnce,
        on_trial: false,
        read: |values, text| {
            values.unknown_clients = match text {
                "discover" => UnknownClients::Discover,
                "adopt" => UnknownClients::Adopt,
                _ => return Err("it is one of discover, adopt".into()),
            };
            Ok(())
        },
    },
    Known {
        key: "clients.boot_entry",
        default: "",
        about: "The boot entry of computers for which neither they nor their group say one; empty is their \
                own image.",
        kind: || SettingKind::Text,
        applies: Applies::AtOnce,
        on_trial: false,
        read: |values, text| {
            values.boot_entry = name(text)?;
            Ok(())
        },
    },
    Known {
        key: "clients.loader_set",
        default: "",
        about: "The loader set of computers for which neither they nor their group say one; empty is the \
                one that is built in.",
        kind: || SettingKind::Text,
        applies: Applies::AtOnce,
        on_trial: false,
        read: |values, text| {
            values.loader_set = name(text)?;
            Ok(())
        },
    },
    Known {
        key: "clients.loader",
        default: "auto",
        about: "Which iPXE build of the loader set computers get: snponly uses the firmware's driver of \
                the network card (undionly on a BIOS), ipxe brings its own, auto is snponly today.",
        kind: || SettingKind::Choice {
            options: vec!["auto".into(), "snponly".into(), "ipxe".into()],
        },
        applies: Applies::AtOnce,
        on_trial: false,
        read: |values, text| {
            values.loader = match text {
                "auto" => None,
                text => Some(
                    text.parse()
                        .map_err(|_| "it is one of auto, snponly, ipxe")?,
                ),
            };
            Ok(())
        },
    },
    Known {
        key: "dhcp.echo_client_id",
        default: "true",
        about: "Whether DHCP answers repeat the client's identifier (option 61), as RFC 6842 wants it; a few \
                old clients take no answer that does.",
        kind: || SettingKind::Switch,
        applies: Applies::AtOnce,
        on_trial: false,
        read: |values, text| {
            values.echo_client_id = text.parse().map_err(|_| "it is true or false")?;
            Ok(())
        },
    },
    Known {
        key: "nbd.enabled",
        default: "false",
        about: "Whether computers may open their disks by NBD, too (TCP port 10809 of the boot networks); it has no \
                login, so a disk is guarded by its computer's address alone.",
        kind: || SettingKind::Switch,
        applies: Applies::AtOnce,
        on_trial: false,
        read: |values, text| {
            values.nbd = text.parse().map_err(|_| "it is true or false")?;
            Ok(())
        },
    },
    Known {
        key: "disks.overlay_quota",
        default: "",
        about: "The most that a computer may write to its disk, such as 20G, unless something is said for that \
                computer; empty is no limit. A full disk refuses what is new, and nothing on it is lost.",
        kind: || SettingKind::Text,
        applies: Applies::AtOnce,
        on_trial: false,
        read: |values, text| {
            values.overlay_quota = match text {
                "" => None,
                text => Some(quota(types::size::parse_bytes(text)?)?),
            };
            Ok(())
        },
    },
    Known {
        key: "snapshots.every",
        default: "off",
        about: "On which days snapshots of the disks that computers keep are taken by themselves: daily, on one day \
                of the week, or off. A computer that runs then is taken when it is off the next time.",
        kind: || {
            let off = std::iter::once("off");
            SettingKind::Choice {
                options: off.chain(Every::WORDS).map(String::from).collect(),
            }
        },
        applies: Applies::AtOnce,
        on_trial: false,
        read: |values, text| {
            values.snapshots_every = match text {
                "off" => None,
                text => Some(Every::of(text).ok_or("it is off, daily, or a day such as monday")?),
            };
            Ok(())
        },
    },
    Known {
        key: "snapshots.at",
        default: "03:00",
        about: "At which time of those days, in UTC, such as 03:00.",
        kind: || SettingKind::Text,
        applies: Applies::AtOnce,
        on_trial: false,
        read: |values, text| {
            values.snapshots_at =
                minute_of_day(text).ok_or("write hours and minutes like 03:00 or 22:30")?;
            Ok(())
        },
    },
    Known {
        key: "snapshots.keep",
        default: "7",
        about: "How many of the snapshots that were taken by themselves each computer keeps; when one more is \
                taken, the oldest go. Those that somebody took stay.",
        kind: || SettingKind::Text,
        applies: Applies::AtOnce,
        on_trial: false,
        read: |values, text| {
            let keep = text.parse().ok().filter(|keep| (1..=100).contains(keep));
            values.snapshots_keep = keep.ok_or("it is a whole number from 1 to 100")?;
            Ok(())
        },
    },
    Known {
        key: "storage.warn_free_percent",
        default: "10",
        about: "NSBoot warns when less than so many per cent of the file system of its data folder are free; \
                0 never warns.",
        kind: || SettingKind::Text,
        applies: Applies::AtOnce,
        on_trial: false,
        read: |values, text| {
            let percent = text.parse().ok().filter(|percent| *percent <= 99);
            values.warn_free_percent = percent.ok_or("it is a whole number from 0 to 99")?;
            Ok(())
        },
    },
    Known {
        key: "lab.enabled",
        default: "false",
        about: "Whether the network of virtual computers is brought up when the server starts.",
        kind: || SettingKind::Switch,
        applies: Applies::AtNextStart,
        on_trial: false,
        read: |values, text| {
            values.lab = text.parse().map_err(|_| "it is true or false")?;
            Ok(())
        },
    },
];

/// The entry of a key.
pub(super) fn known(key: &str) -> Option<&'static Known> {
    CATALOG.iter().find(|k| k.key == key)
}

/// The keys, for warnings and suggestions.
pub(super) fn keys() -> Vec<&'static str> {
    CATALOG.iter().map(|k| k.key).collect()
}

/// The name of a boot entry or a loader set, or nothing.
fn name(text: &str) -> Result<String, String> {
    match text.is_empty() || crate::entries::check_name(crate::Area::Setting, text).is_ok() {
        true => Ok(text.to_string()),
        false => Err("it is a name of letters a-z, digits, dots, hyphens and underscores".into()),
    }
}

/// A quota that a system can start with: less is a slip of a unit.
pub(crate) fn quota(bytes: u64) -> Result<u64, String> {
    match bytes >= 64 << 20 {
        true => Ok(bytes),
        false => Err("a disk may hold at least 64M; write an amount like 20G".into()),
    }
}

/// The minute of the day that a time such as 03:00 is.
fn minute_of_day(text: &str) -> Option<u32> {
    let (hours, minutes) = text.split_once(':')?;
    let part = |text: &str, below: u32| {
        let is_digits = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
        let number: Option<u32> = text.parse().ok();
        number.filter(|number| is_digits && *number < below)
    };
    Some(part(hours, 24)? * 60 + part(minutes, 60)?)
}

/// The texts between commas.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|p| !p.is_empty())
}

/// An origin as browsers send it (RFC 6454 section 6.1): scheme, host, port, and nothing after.
fn origin(text: &str) -> Result<String, String> {
    let wrong = || {
        format!(
            "{text:?} is not an origin; write scheme and host like https://wiki.lab.example, without a path"
        )
    };
    let uri: http::Uri = text.parse().map_err(|_| wrong())?;
    let scheme = uri.scheme_str().filter(|s| matches!(*s, "http" | "https"));
    let authority = uri.authority().filter(|a| !a.as_str().contains('@'));
    let bare = uri.path_and_query().is_none_or(|p| p.as_str() == "/") && !text.ends_with('/');
    match (scheme, authority) {
        (Some(scheme), Some(authority)) if bare => {
            Ok(format!("{scheme}://{}", authority.as_str().to_lowercase()))
        }
        _ => Err(wrong()),
    }
}
