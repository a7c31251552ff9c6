//! The file `nsboot.toml`: TOML with places, flattened into a layer of raw values.

use super::{BOOT_KEYS, ConfigError, Layer, Origin, Raw, SCALARS, unknown};
use std::{collections::BTreeMap, path::Path};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// Reads the text of a file.
///
/// # Errors
/// Not TOML, or a value of the wrong TOML type.
pub(super) fn layer(path: &Path, text: &str) -> Result<Layer, ConfigError> {
    let place = |span: std::ops::Range<usize>| Origin::File {
        path: path.into(),
        line: line_of(text, span.start),
    };
    let root = DeTable::parse(text).map_err(|e| ConfigError::Syntax {
        path: path.into(),
        line: line_of(text, e.span().map_or(0, |s| s.start)),
        why: e.message().replace('\n', ", "),
    })?;
    let mut layer = Layer::default();
    for (table_name, value) in root.get_ref() {
        let origin = place(table_name.span());
        match (table_name.get_ref().as_ref(), value.get_ref()) {
            ("boot", DeValue::Array(tables)) => {
                for table in tables {
                    let at = place(table.span());
                    let DeValue::Table(keys) = table.get_ref() else {
                        return Err(wrong_type(at, "boot", table, "a table [[boot]]"));
                    };
                    let keys = boot_table(keys, &place, &mut layer.warnings)?;
                    layer.boot.push((at, keys));
                }
            }
            ("boot", _) => {
                return Err(wrong_type(
                    origin,
                    "boot",
                    value,
                    "a list of tables, written [[boot]]",
                ));
            }
            (name, DeValue::Table(keys)) => {
                for (key, value) in keys {
                    let full = format!("{name}.{}", key.get_ref());
                    let origin = place(key.span());
                    if SCALARS.contains(&full.as_str()) {
                        let raw = scalar(&full, value, origin)?;
                        layer.scalars.insert(full, raw);
                    } else {
                        layer.warnings.push(unknown(&origin, &full, SCALARS));
                    }
                }
            }
            (name, _) if SCALARS.iter().any(|k| k.split('.').next() == Some(name)) => {
                return Err(wrong_type(
                    origin,
                    name,
                    value,
                    &format!("a table, written [{name}]"),
                ));
            }
            (name, _) => layer.warnings.push(unknown(&origin, name, SCALARS)),
        }
    }
    Ok(layer)
}

fn boot_table(
    keys: &DeTable<'_>,
    place: &dyn Fn(std::ops::Range<usize>) -> Origin,
    warnings: &mut Vec<String>,
) -> Result<BTreeMap<String, Raw>, ConfigError> {
    let mut out = BTreeMap::new();
    for (key, value) in keys {
        let origin = place(key.span());
        let name = key.get_ref().as_ref();
        if BOOT_KEYS.contains(&name) {
            out.insert(
                name.to_string(),
                scalar(&format!("boot.{name}"), value, origin)?,
            );
        } else {
            warnings.push(unknown(&origin, name, BOOT_KEYS));
        }
    }
    Ok(out)
}

fn scalar(key: &str, value: &Spanned<DeValue<'_>>, origin: Origin) -> Result<Raw, ConfigError> {
    let text = match value.get_ref() {
        DeValue::String(s) => s.to_string(),
        DeValue::Boolean(b) => b.to_string(),
        DeValue::Integer(n) => n.as_str().to_string(),
        _ => return Err(wrong_type(origin, key, value, "one value in quotes")),
    };
    Ok(Raw { text, origin })
}

fn wrong_type(origin: Origin, key: &str, value: &Spanned<DeValue<'_>>, want: &str) -> ConfigError {
    ConfigError::Value {
        origin,
        key: key.into(),
        text: value.get_ref().type_str().into(),
        why: format!("it has to be {want}"),
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes()
        .iter()
        .take(offset)
        .filter(|b| **b == b'\n')
        .count()
        + 1
}
