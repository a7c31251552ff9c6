//! Where settings come from: flag > environment > file > database > default.
//!
//! Every value is read as text with the place it came from, so that a bad one is named by file
//! and line, variable or flag; parsing into types happens once, after the layers are merged.

use super::{
    catalog::{CATALOG, Values, keys, known},
    file,
    network::{self, BOOT_PREFIX},
};
use crate::BootNetworkConfig;
use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};
use types::{BootNetworkParams, SettingSource};

/// Where `serve` keeps everything unless told otherwise.
pub const DEFAULT_DATA_DIR: &str = "/var/lib/nsboot";

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
            Origin::Database => f.write_str("the saved settings"),
            Origin::Default => f.write_str("the built-in default"),
        }
    }
}

impl Origin {
    /// The layer, without the place in it.
    pub fn source(&self) -> SettingSource {
        match self {
            Origin::Flag(_) => SettingSource::Flag,
            Origin::Env(_) => SettingSource::Env,
            Origin::File { .. } => SettingSource::File,
            Origin::Database => SettingSource::Database,
            Origin::Default => SettingSource::Default,
        }
    }
}

/// A value as written, with its place.
#[derive(Clone, Debug)]
pub(super) struct Raw {
    pub text: String,
    pub origin: Origin,
}

impl Raw {
    pub fn new(text: &str, origin: Origin) -> Raw {
        Raw {
            text: text.into(),
            origin,
        }
    }
}

/// One layer of settings by key; `boot` tables apart.
#[derive(Clone, Default, Debug)]
pub(super) struct Layer {
    pub scalars: BTreeMap<String, Raw>,
    /// The `[[boot]]` tables: place of the table, then its keys.
    pub boot: Vec<(Origin, BTreeMap<String, Raw>)>,
    /// What was not understood and left out.
    pub warnings: Vec<String>,
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
    #[error("there is no setting `{key}` [NSB-CONFIG-005]. {hint}")]
    Unknown { key: String, hint: String },
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

/// Settings kept in the database, as text by key; a boot network's text is JSON.
pub(super) type Saved = BTreeMap<String, String>;

/// What flags, environment and file say.
#[derive(Clone, Default, Debug)]
pub struct Sources {
    layers: Vec<Layer>,
    /// What is in them and not understood.
    pub warnings: Vec<String>,
}

/// All layers as one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Resolved {
    pub values: Values,
    /// Text and place of each setting outside the boot networks.
    pub texts: BTreeMap<&'static str, (String, Origin)>,
    /// Place of each boot network, by its key.
    pub networks: BTreeMap<String, Origin>,
}

impl Sources {
    /// Reads flags, environment and file; also which folder the data is in. `env` holds the
    /// process's variables.
    ///
    /// # Errors
    /// The file can't be read or is not TOML; a value that does not parse, or has the wrong type.
    pub fn gather(
        flags: &Flags,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> Result<(PathBuf, Sources), ConfigError> {
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
        let sources = Sources { layers, warnings };
        // A bad value that another hides now would only show when that other goes.
        for (key, raw) in sources.layers.iter().flat_map(|l| &l.scalars) {
            if let Some(known) = known(key) {
                parse(key, raw, |text| (known.read)(&mut Values::default(), text))?;
            }
        }
        sources.resolve(&Saved::new())?;
        Ok((data_dir, sources))
    }

    /// As if these variables were all there is.
    #[cfg(test)]
    pub(crate) fn of_env(env: &[(&str, &str)]) -> Sources {
        let env = env.iter().map(|(k, v)| (k.to_string(), v.to_string()));
        Sources {
            layers: vec![env_layer(&env.collect())],
            warnings: Vec::new(),
        }
    }

    /// What holds, with what the database has below the file.
    ///
    /// # Errors
    /// A value that does not parse, or that contradicts another, with its place.
    pub(super) fn resolve(&self, saved: &Saved) -> Result<Resolved, ConfigError> {
        let mut values = Values::default();
        let mut texts = BTreeMap::new();
        for known in CATALOG {
            let given = self.layers.iter().find_map(|l| l.scalars.get(known.key));
            let raw = match (given, saved.get(known.key)) {
                (Some(raw), _) => raw.clone(),
                (None, Some(text)) => Raw::new(text, Origin::Database),
                (None, None) => Raw::new(known.default, Origin::Default),
            };
            parse(known.key, &raw, |text| (known.read)(&mut values, text))?;
            texts.insert(known.key, (raw.text, raw.origin));
        }
        let mut networks = BTreeMap::new();
        for (origin, table) in self.layers.iter().flat_map(|l| &l.boot) {
            let network = network::config(origin, table)?;
            let key = format!("{BOOT_PREFIX}{}", network.scope());
            if networks.insert(key, origin.clone()).is_some() {
                return Err(twice(origin, &network));
            }
            values.boot.push(network);
        }
        for (key, text) in saved.iter().filter(|(k, _)| k.starts_with(BOOT_PREFIX)) {
            let network = saved_network(key, text)?;
            if !networks.contains_key(key) {
                networks.insert(key.clone(), Origin::Database);
                values.boot.push(network);
            }
        }
        Ok(Resolved {
            values,
            texts,
            networks,
        })
    }
}

/// Checks what the database has, or shall have, under a key, whatever stands above it.
///
/// # Errors
/// The key is not known, or the text does not parse.
pub(super) fn check_saved(key: &str, text: &str) -> Result<(), ConfigError> {
    if key.starts_with(BOOT_PREFIX) {
        return saved_network(key, text).map(drop);
    }
    let raw = Raw::new(text, Origin::Database);
    match known(key) {
        Some(known) => parse(key, &raw, |text| (known.read)(&mut Values::default(), text)),
        None => Err(unknown_key(key)),
    }
}

/// A key that there is none of, with the nearest one that there is.
pub(super) fn unknown_key(key: &str) -> ConfigError {
    ConfigError::Unknown {
        key: key.into(),
        hint: suggestion(key, &keys()),
    }
}

fn saved_network(key: &str, text: &str) -> Result<BootNetworkConfig, ConfigError> {
    let params: BootNetworkParams = serde_json::from_str(text)
        .map_err(|e| bad_row(key, text, format!("it is not a boot network: {e}")))?;
    let table = network::table(key, &params)
        .ok_or_else(|| bad_row(key, text, "the key names no interface".into()))?;
    let network = network::config(&Origin::Database, &table).map_err(|e| match e {
        ConfigError::Value {
            key: part,
            text,
            why,
            ..
        } => bad_row(
            &format!("{key}.{}", part.trim_start_matches(BOOT_PREFIX)),
            &text,
            why,
        ),
        ConfigError::Missing { why, .. } => bad_row(key, text, why.into()),
        other => other,
    })?;
    // One network has one key, or it could be there twice.
    match key.strip_prefix(BOOT_PREFIX) == Some(network.scope().as_str()) {
        true => Ok(network),
        false => Err(bad_row(
            key,
            text,
            "write the name of the interface without spaces".into(),
        )),
    }
}

fn bad_row(key: &str, text: &str, why: String) -> ConfigError {
    ConfigError::Value {
        origin: Origin::Database,
        key: key.into(),
        text: text.into(),
        why,
    }
}

/// Two planes on one interface would answer each packet twice.
fn twice(origin: &Origin, network: &BootNetworkConfig) -> ConfigError {
    ConfigError::Value {
        origin: origin.clone(),
        key: "boot.interface".into(),
        text: network.interface.clone(),
        why: "an earlier [[boot]] has this interface already".into(),
    }
}

fn flag_layer(flags: &Flags) -> Layer {
    let mut layer = Layer::default();
    if let Some(text) = &flags.listen {
        let raw = Raw::new(text, Origin::Flag("--listen"));
        layer.scalars.insert("http.listen".into(), raw);
    }
    if flags.lab {
        let raw = Raw::new("true", Origin::Flag("--lab"));
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
        let origin = Origin::Env(name.clone());
        if known(&key).is_some() {
            layer.scalars.insert(key, Raw::new(text, origin));
        } else {
            layer.warnings.push(unknown(&origin, &key, &keys()));
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

/// Reads a text; an error names its place.
pub(super) fn parse<T>(
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

/// The warning about a key that nothing reads, with the nearest one that exists.
pub(super) fn unknown(origin: &Origin, key: &str, known: &[&str]) -> String {
    let hint = suggestion(key, known);
    format!("{origin}: unknown setting `{key}` is ignored [NSB-CONFIG-005]. {hint}")
}

/// The nearest key that exists, as a question, or all of them.
fn suggestion(key: &str, known: &[&str]) -> String {
    let nearest = known
        .iter()
        .map(|k| (distance(key, k), *k))
        .min()
        .filter(|(d, k)| *d <= k.len().div_ceil(2));
    match nearest {
        Some((_, k)) => format!("Did you mean `{k}`?"),
        None => format!("Known are: {}.", known.join(", ")),
    }
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
