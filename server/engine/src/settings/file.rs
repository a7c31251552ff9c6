//! The file `nsboot.toml`: TOML with places, flattened into a layer of raw values.

use super::{
    catalog::{keys, known},
    network::BOOT_KEYS,
    sources::{ConfigError, Layer, Origin, Raw, unknown},
};
use std::{collections::BTreeMap, path::Path};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};
use types::SettingKind;

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
    let scalars = keys();
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
                    if scalars.contains(&full.as_str()) {
                        let raw = scalar(&full, value, origin)?;
                        layer.scalars.insert(full, raw);
                    } else {
                        layer.warnings.push(unknown(&origin, &full, &scalars));
                    }
                }
            }
            (name, _) if scalars.iter().any(|k| k.split('.').next() == Some(name)) => {
                return Err(wrong_type(
                    origin,
                    name,
                    value,
                    &format!("a table, written [{name}]"),
                ));
            }
            (name, _) => layer.warnings.push(unknown(&origin, name, &scalars)),
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
        DeValue::Array(items) if is_list(key) => list(key, items, &origin)?,
        _ => return Err(wrong_type(origin, key, value, "one value in quotes")),
    };
    Ok(Raw { text, origin })
}

/// Whether a key may hold several texts.
fn is_list(key: &str) -> bool {
    key == "boot.dns" || known(key).is_some_and(|k| (k.kind)() == SettingKind::List)
}

/// Several texts, as one with commas.
fn list(key: &str, items: &toml::de::DeArray<'_>, origin: &Origin) -> Result<String, ConfigError> {
    let text = |item: &Spanned<DeValue<'_>>| match item.get_ref() {
        DeValue::String(s) => Ok(s.to_string()),
        _ => Err(wrong_type(
            origin.clone(),
            key,
            item,
            "a list of texts in quotes",
        )),
    };
    let texts: Result<Vec<String>, _> = items.iter().map(text).collect();
    Ok(texts?.join(", "))
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
