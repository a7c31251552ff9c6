//! Settings of the server: flag > environment > file > database > default.
//!
//! Every value is read as text with the place it came from, so that a bad one is named by file
//! and line, variable or flag; parsing into types happens once, after the layers are merged.

mod file;
#[cfg(test)]
mod tests;

use engine::{BootNetworkConfig, UnknownClients, network::LEASE_SECONDS};
use std::{
    collections::BTreeMap,
    fmt,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    str::FromStr,
};
use types::{AddressRange, DhcpMode};

/// Where `serve` keeps everything unless told otherwise.
pub const DEFAULT_DATA_DIR: &str = "/var/lib/nsboot";
/// The page, REST and WebSocket listen here unless told otherwise.
pub const DEFAULT_LISTEN: &str = "0.0.0.0:3000";

/// The settings outside `[[boot]]`, by their path in the file. Tables are dotted.
const SCALARS: &[&str] = &["http.listen", "clients.unknown", "lab.enabled"];
/// The settings of one `[[boot]]`.
const BOOT_KEYS: &[&str] = &["interface", "namespace", "mode", "range", "router", "dns"];

/// All settings, checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    pub data_dir: PathBuf,
    pub listen: SocketAddr,
    /// One for each `[[boot]]`.
    pub boot: Vec<BootNetworkConfig>,
    pub unknown_clients: UnknownClients,
    /// Whether the virtual lab is brought up with the server.
    pub lab: bool,
}

/// Where a value was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Origin {
    Flag(&'static str),
    Env(String),
    File { path: PathBuf, line: usize },
    Database,
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Flag(name) => write!(f, "flag {name}"),
            Origin::Env(name) => write!(f, "environment variable {name}"),
            Origin::File { path, line } => write!(f, "{}:{line}", path.display()),
            Origin::Database => f.write_str("the settings saved on the page"),
            Origin::Default => f.write_str("the built-in default"),
        }
    }
}

/// A value as written, with its place.
#[derive(Clone, Debug)]
pub(crate) struct Raw {
    text: String,
    origin: Origin,
}

/// One layer of settings by key; `boot` tables apart.
#[derive(Default, Debug)]
pub(crate) struct Layer {
    scalars: BTreeMap<String, Raw>,
    /// The file's `[[boot]]` tables: place of the table, then its keys.
    boot: Vec<(Origin, BTreeMap<String, Raw>)>,
    /// What was not understood and left out.
    warnings: Vec<String>,
}

/// Why the settings can't be used. Exit code 2: the admin has to change something.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error(
        "{origin}: `{key}` can't be {text:?}: {why} [NSB-CONFIG-001]. Correct that value and start again."
    )]
    Value {
        origin: Origin,
        key: String,
        text: String,
        why: String,
    },
    #[error("{}:{line}: not valid TOML: {why} [NSB-CONFIG-002]. Correct that line and start again.", .path.display())]
    Syntax {
        path: PathBuf,
        line: usize,
        why: String,
    },
    #[error("{origin}: `{key}` is missing: {why} [NSB-CONFIG-003]. Add it and start again.")]
    Missing {
        origin: Origin,
        key: &'static str,
        why: &'static str,
    },
    #[error("could not read {}: {source} [NSB-CONFIG-004]. Name an existing file with --config, or leave the flag out.", .path.display())]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
}

/// The flags of `serve` that are settings.
#[derive(Default, Debug)]
pub struct Flags {
    pub config: Option<PathBuf>,
    pub data_dir: Option<PathBuf>,
    pub listen: Option<String>,
    pub lab: bool,
}

/// Settings kept in the database, as text by key; what the page saved.
pub type Saved = BTreeMap<String, String>;

/// Settings merged up to the file, before the database is open.
#[derive(Debug)]
pub struct Sources {
    pub data_dir: PathBuf,
    layers: Vec<Layer>,
    pub warnings: Vec<String>,
}

impl Sources {
    /// Reads flags, environment and file. `env` holds the process's variables.
    ///
    /// # Errors
    /// The file can't be read or is not TOML; a value has the wrong TOML type.
    pub fn gather(
        flags: &Flags,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Sources, ConfigError> {
        let env: BTreeMap<String, String> = env.into_iter().collect();
        let data_dir = flags
            .data_dir
            .clone()
            .or_else(|| env.get("NSBOOT_DATA").map(PathBuf::from))
            .unwrap_or_else(|| DEFAULT_DATA_DIR.into());
        let file = match flags
            .config
            .clone()
            .or_else(|| env.get("NSBOOT_CONFIG").map(PathBuf::from))
        {
            Some(path) => Some(path),
            None => [
                data_dir.join("nsboot.toml"),
                "/etc/nsboot/nsboot.toml".into(),
            ]
            .into_iter()
            .find(|p| p.exists()),
        };
        let mut layers = vec![flag_layer(flags), env_layer(&env)];
        if let Some(path) = file {
            layers.push(read_file(&path)?);
        }
        let warnings = layers
            .iter_mut()
            .flat_map(|l| l.warnings.drain(..))
            .collect();
        Ok(Sources {
            data_dir,
            layers,
            warnings,
        })
    }

    /// The final settings, with what the database holds below the file.
    ///
    /// # Errors
    /// A value that does not parse, or that contradicts another, with its place.
    pub fn resolve(&self, saved: &Saved) -> Result<Config, ConfigError> {
        let saved = Layer {
            scalars: saved
                .iter()
                .map(|(k, v)| {
                    (
                        k.clone(),
                        Raw {
                            text: v.clone(),
                            origin: Origin::Database,
                        },
                    )
                })
                .collect(),
            ..Layer::default()
        };
        let layers = &self.layers;
        let find = |key: &str| {
            let mut all = layers.iter().chain([&saved]);
            all.find_map(|l| l.scalars.get(key))
        };
        let default = Raw {
            text: DEFAULT_LISTEN.into(),
            origin: Origin::Default,
        };
        let mut boot = Vec::new();
        for (origin, table) in layers.iter().flat_map(|l| &l.boot) {
            boot.push(boot_config(origin, table)?);
        }
        refuse_twice(layers, &boot)?;
        Ok(Config {
            data_dir: self.data_dir.clone(),
            listen: parse(
                "http.listen",
                find("http.listen").unwrap_or(&default),
                |s| {
                    SocketAddr::from_str(s)
                        .map_err(|_| "write address and port like 127.0.0.1:3000".into())
                },
            )?,
            boot,
            unknown_clients: match find("clients.unknown") {
                None => UnknownClients::default(),
                Some(raw) => parse("clients.unknown", raw, |s| match s {
                    "discover" => Ok(UnknownClients::Discover),
                    "adopt" => Ok(UnknownClients::Adopt),
                    _ => Err("it is one of discover, adopt".into()),
                })?,
            },
            lab: match find("lab.enabled") {
                None => false,
                Some(raw) => parse("lab.enabled", raw, |s| {
                    s.parse().map_err(|_| "it is true or false".into())
                })?,
            },
        })
    }
}

fn flag_layer(flags: &Flags) -> Layer {
    let mut layer = Layer::default();
    if let Some(text) = &flags.listen {
        let raw = Raw {
            text: text.clone(),
            origin: Origin::Flag("--listen"),
        };
        layer.scalars.insert("http.listen".into(), raw);
    }
    if flags.lab {
        let raw = Raw {
            text: "true".into(),
            origin: Origin::Flag("--lab"),
        };
        layer.scalars.insert("lab.enabled".into(), raw);
    }
    layer
}

/// Variables `NSBOOT_<TABLE>__<KEY>`. Those without `__` belong to others (`NSBOOT_DATA`, secrets).
fn env_layer(env: &BTreeMap<String, String>) -> Layer {
    let mut layer = Layer::default();
    for (name, text) in env {
        let Some(path) = name.strip_prefix("NSBOOT_").filter(|p| p.contains("__")) else {
            continue;
        };
        let key = path.to_lowercase().replace("__", ".");
        if SCALARS.contains(&key.as_str()) {
            let raw = Raw {
                text: text.clone(),
                origin: Origin::Env(name.clone()),
            };
            layer.scalars.insert(key, raw);
        } else {
            layer
                .warnings
                .push(unknown(&Origin::Env(name.clone()), &key, SCALARS));
        }
    }
    layer
}

fn read_file(path: &Path) -> Result<Layer, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
        path: path.into(),
        source,
    })?;
    file::layer(path, &text)
}

fn boot_config(
    origin: &Origin,
    table: &BTreeMap<String, Raw>,
) -> Result<BootNetworkConfig, ConfigError> {
    let name = |key: &'static str| -> Result<Option<String>, ConfigError> {
        table
            .get(key)
            .map(|raw| parse(&format!("boot.{key}"), raw, device_name))
            .transpose()
    };
    let interface = name("interface")?.ok_or_else(|| ConfigError::Missing {
        origin: origin.clone(),
        key: "boot.interface",
        why: "each [[boot]] names the interface that computers boot over",
    })?;
    let mode = match table.get("mode") {
        None => DhcpMode::Full,
        Some(raw) => parse("boot.mode", raw, |s| match s {
            "full" => Ok(DhcpMode::Full),
            "proxy" => Err("proxy DHCP comes with the next version; use full or off".into()),
            "off" => Ok(DhcpMode::Off),
            _ => Err("it is one of full, proxy, off".into()),
        })?,
    };
    let range = table
        .get("range")
        .map(|raw| parse("boot.range", raw, address_range))
        .transpose()?;
    if mode == DhcpMode::Full && range.is_none() {
        return Err(ConfigError::Missing {
            origin: origin.clone(),
            key: "boot.range",
            why: "in mode full the server needs the addresses it may hand out, such as \
                  range = \"10.77.0.100-10.77.0.199\"",
        });
    }
    let router = table
        .get("router")
        .map(|raw| parse("boot.router", raw, host_address))
        .transpose()?;
    let dns = match table.get("dns") {
        None => Vec::new(),
        Some(raw) => parse("boot.dns", raw, |s| {
            s.split(',').map(host_address).collect()
        })?,
    };
    Ok(BootNetworkConfig {
        interface,
        namespace: name("namespace")?,
        mode,
        range,
        router,
        dns,
        lease_seconds: LEASE_SECONDS,
        is_lab: false,
    })
}

/// Two planes on one interface would answer each packet twice.
fn refuse_twice(layers: &[Layer], boot: &[BootNetworkConfig]) -> Result<(), ConfigError> {
    let tables: Vec<_> = layers.iter().flat_map(|l| &l.boot).collect();
    for (i, one) in boot.iter().enumerate() {
        let same =
            |b: &BootNetworkConfig| b.interface == one.interface && b.namespace == one.namespace;
        if boot[..i].iter().any(same) {
            return Err(ConfigError::Value {
                origin: tables[i].0.clone(),
                key: "boot.interface".into(),
                text: one.interface.clone(),
                why: "an earlier [[boot]] has this interface already".into(),
            });
        }
    }
    Ok(())
}

fn parse<T>(
    key: &str,
    raw: &Raw,
    read: impl FnOnce(&str) -> Result<T, String>,
) -> Result<T, ConfigError> {
    read(raw.text.trim()).map_err(|why| ConfigError::Value {
        origin: raw.origin.clone(),
        key: key.into(),
        text: raw.text.clone(),
        why,
    })
}

/// Interface and namespace names: what the kernel and `ip netns` take, and nothing that leaves
/// `/run/netns` as a path.
fn device_name(s: &str) -> Result<String, String> {
    let fine = |c: char| c.is_ascii_alphanumeric() || "-_.@:".contains(c);
    if s.is_empty() || s.len() > 15 || s.starts_with(['.', '-']) || !s.chars().all(fine) {
        return Err(
            "a name has 1 to 15 letters, digits or -_.@: and starts with neither dot nor hyphen"
                .into(),
        );
    }
    Ok(s.into())
}

/// The address of one other computer.
fn host_address(s: &str) -> Result<Ipv4Addr, String> {
    Ipv4Addr::from_str(s.trim())
        .ok()
        .filter(|a| {
            !(a.is_unspecified() || a.is_loopback() || a.is_multicast() || a.is_broadcast())
        })
        .ok_or_else(|| "write the address of a computer like 10.77.0.254".into())
}

fn address_range(s: &str) -> Result<AddressRange, String> {
    let wrong = || "write first and last address like 10.77.0.100-10.77.0.199".to_string();
    let (first, last) = s.split_once('-').ok_or_else(wrong)?;
    let ip = |s: &str| Ipv4Addr::from_str(s.trim()).map_err(|_| wrong());
    let range = AddressRange {
        first: ip(first)?,
        last: ip(last)?,
    };
    if range.first > range.last {
        return Err("the first address is above the last; swap them".into());
    }
    if range.first.is_unspecified() || range.first.is_loopback() || range.last.is_multicast() {
        return Err("these are not addresses that a computer can have".into());
    }
    Ok(range)
}

/// The warning about a key that nothing reads, with the nearest one that exists.
fn unknown(origin: &Origin, key: &str, known: &[&str]) -> String {
    let nearest = known
        .iter()
        .map(|k| (distance(key, k), *k))
        .min()
        .filter(|(d, k)| *d <= k.len().div_ceil(2));
    let hint = match nearest {
        Some((_, k)) => format!("Did you mean `{k}`?"),
        None => format!("Known are: {}.", known.join(", ")),
    };
    format!("{origin}: unknown setting `{key}` is ignored [NSB-CONFIG-005]. {hint}")
}

/// Levenshtein distance, for the suggestion only.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let change = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}
