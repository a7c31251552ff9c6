//! Answers as people read them: tables, and one thing a line for each of its facts.

mod boot;
mod control;
mod entries;
mod firmware;
mod images;
mod loaders;
mod scope;
mod settings;
mod snapshots;
mod storage;

pub use boot::*;
pub use control::*;
pub use entries::*;
pub use firmware::*;
pub use images::*;
pub use loaders::*;
pub use scope::*;
pub use settings::*;
pub use snapshots::*;
pub use storage::*;

use serde_json::Value;

/// What is a row of its list, and of a list that goes on.
pub trait Row {
    const HEAD: &'static [&'static str];

    fn cells(&self) -> Vec<String>;
}

/// A list as a table.
pub fn list<T: Row>(items: &[T]) -> String {
    table(T::HEAD, items.iter().map(Row::cells).collect())
}

/// Rows under a head, columns as wide as their widest cell.
fn table(head: &[&str], rows: Vec<Vec<String>>) -> String {
    if rows.is_empty() {
        return "none".into();
    }
    let mut columns = Columns::under(head);
    rows.iter().for_each(|row| columns.fit(row));
    let lines = rows.iter().map(|row| columns.line(row));
    columns.line(head) + &lines.collect::<String>()
}

/// Columns as wide as the widest cell that they were fitted to.
pub struct Columns(Vec<usize>);

impl Columns {
    pub fn under(head: &[&str]) -> Columns {
        Columns(head.iter().map(|h| h.chars().count()).collect())
    }

    pub fn fit(&mut self, row: &[String]) {
        for (width, cell) in self.0.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }

    pub fn line(&self, cells: &[impl AsRef<str>]) -> String {
        let cells = cells.iter().zip(&self.0);
        let cells: Vec<_> = cells
            .map(|(c, w)| format!("{:<w$}", c.as_ref(), w = *w))
            .collect();
        cells.join("  ").trim_end().to_string() + "\n"
    }
}

/// Bytes in the largest binary unit that leaves at least 1.
fn bytes(n: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let step = (n.max(1).ilog2() / 10).min(4) as usize;
    match step {
        0 => format!("{n} B"),
        _ => format!(
            "{:.1} {}",
            n as f64 / (1u64 << (10 * step)) as f64,
            units[step]
        ),
    }
}

/// One thing: a fact a line, values under each other.
fn fields(facts: &[(&str, String)]) -> String {
    let width = facts.iter().map(|(name, _)| name.chars().count()).max();
    let width = width.unwrap_or(0);
    facts
        .iter()
        .map(|(name, value)| format!("{name:<width$}  {value}\n"))
        .collect()
}

fn yes_no(yes: bool) -> String {
    if yes { "yes" } else { "no" }.into()
}

/// What there is, or a dash.
fn or_dash<T: ToString>(value: Option<T>) -> String {
    value.map_or("-".into(), |v| v.to_string())
}

/// What comes from a network must not steer a terminal.
pub fn harmless(text: &str) -> String {
    let plain = |c: char| match c {
        '\n' => c,
        c if c.is_control() => '\u{fffd}',
        c => c,
    };
    text.chars().map(plain).collect()
}

/// JSON as block YAML. Strings are written as JSON strings, which YAML reads as they are.
pub fn yaml(value: &Value) -> String {
    let mut out = String::new();
    block(value, 0, &mut out);
    out
}

fn block(value: &Value, indent: usize, out: &mut String) {
    let pad = " ".repeat(indent);
    match value {
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                let mut inner = String::new();
                block(item, indent + 2, &mut inner);
                out.push_str(&format!("{pad}- {}", inner.trim_start()));
            }
        }
        Value::Object(map) if !map.is_empty() => {
            for (key, item) in map {
                let nested = matches!(item, Value::Array(a) if !a.is_empty())
                    || matches!(item, Value::Object(o) if !o.is_empty());
                if nested {
                    out.push_str(&format!("{pad}{key}:\n"));
                    block(item, indent + 2, out);
                } else {
                    out.push_str(&format!("{pad}{key}: {item}\n"));
                }
            }
        }
        leaf => out.push_str(&format!("{pad}{leaf}\n")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_well() {
        for (n, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (3 << 30, "3.0 GiB"),
        ] {
            assert_eq!(bytes(n), text);
        }
        assert_eq!(bytes(u64::MAX), "16777216.0 TiB");
    }

    #[test]
    fn yaml_nests_lists_and_maps() {
        let v = serde_json::json!({"a": [{"b": 1, "c": ["x: y"]}, 2], "e": [], "n": null});
        assert_eq!(
            yaml(&v),
            "a:\n  - b: 1\n    c:\n      - \"x: y\"\n  - 2\ne: []\nn: null\n"
        );
    }

    #[test]
    fn columns_line_up_and_an_empty_list_says_none() {
        assert_eq!(table(&["A", "BB"], vec![]), "none");
        let rows = vec![
            vec!["long".into(), "x".into()],
            vec!["é".into(), "y".into()],
        ];
        assert_eq!(table(&["A", "BB"], rows), "A     BB\nlong  x\né     y\n");
    }

    #[test]
    fn names_from_the_network_do_not_steer_the_terminal() {
        assert_eq!(
            harmless("a\x1b]0;x\x07\u{9b}2J\nb"),
            "a\u{fffd}]0;x\u{fffd}\u{fffd}2J\nb"
        );
    }
}
