//! Filter and order of a list, by the fields that its items have in JSON. Pure.

use serde_json::Value;
use std::cmp::Ordering;

/// Fields that a list is ordered by: each is kept for each item while it is sorted.
const MAX_FIELDS: usize = 4;
/// Terms of a filter.
const MAX_TERMS: usize = 16;

/// Where an item stands in a list: its sort fields, then its key.
pub type Place = (Vec<Value>, String);

/// What fields have to be.
pub struct Filter(Vec<Term>);

struct Term {
    field: String,
    wanted: String,
    part: bool,
}

impl Filter {
    /// From `field:value,field:~part`.
    ///
    /// # Errors
    /// A term without a colon.
    pub fn parse(text: Option<&str>) -> Result<Filter, String> {
        let terms = text.unwrap_or("").split(',').filter(|t| !t.is_empty());
        let term = |t: &str| -> Result<Term, String> {
            let (field, wanted) = t.split_once(':').ok_or_else(|| {
                format!(
                    "filter: write a field and what it has to be, like state:adopted, not {t:?}"
                )
            })?;
            let part = wanted.strip_prefix('~');
            Ok(Term {
                field: field.to_string(),
                wanted: part.unwrap_or(wanted).to_lowercase(),
                part: part.is_some(),
            })
        };
        let terms: Vec<Term> = terms
            .take(MAX_TERMS + 1)
            .map(term)
            .collect::<Result<_, String>>()?;
        match terms.len() > MAX_TERMS {
            true => Err(format!("filter: at most {MAX_TERMS} terms")),
            false => Ok(Filter(terms)),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an item is wanted.
    ///
    /// # Errors
    /// It has no such field.
    pub fn takes(&self, item: &Value) -> Result<bool, String> {
        for term in &self.0 {
            let found = text(field("filter", item, &term.field)?);
            let holds = match term.part {
                true => found.contains(&term.wanted),
                false => found == term.wanted,
            };
            if !holds {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The fields to order by, and whether each is the other way round.
pub struct Sort(Vec<(String, bool)>);

impl Sort {
    /// From `field,-field`.
    ///
    /// # Errors
    /// A hyphen without a field.
    pub fn parse(text: Option<&str>) -> Result<Sort, String> {
        let fields = text.unwrap_or("").split(',').filter(|t| !t.is_empty());
        let field = |t: &str| match t.strip_prefix('-') {
            Some("") => Err("sort: a field has to follow the hyphen".to_string()),
            Some(field) => Ok((field.to_string(), true)),
            None => Ok((t.to_string(), false)),
        };
        let fields: Vec<_> = fields
            .take(MAX_FIELDS + 1)
            .map(field)
            .collect::<Result<_, String>>()?;
        match fields.len() > MAX_FIELDS {
            true => Err(format!("sort: at most {MAX_FIELDS} fields")),
            false => Ok(Sort(fields)),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Where an item with this key stands.
    ///
    /// # Errors
    /// It has no such field.
    pub fn of(&self, item: &Value, key: String) -> Result<Place, String> {
        let value = |(name, _): &(String, bool)| field("sort", item, name).cloned();
        let values: Result<Vec<_>, _> = self.0.iter().map(value).collect();
        Ok((values?, key))
    }

    /// As [`Sort::of`] when there is nothing to sort by.
    pub fn plain(&self, key: String) -> Place {
        (Vec::new(), key)
    }

    pub fn compare(&self, a: &Place, b: &Place) -> Ordering {
        let pairs = self.0.iter().zip(a.0.iter().zip(&b.0));
        let by_fields = pairs.map(|((_, down), (a, b))| match down {
            true => order(b, a),
            false => order(a, b),
        });
        by_fields
            .fold(Ordering::Equal, Ordering::then)
            .then_with(|| a.1.cmp(&b.1))
    }

    /// A place as text, for a cursor.
    pub fn text(&self, place: &Place) -> String {
        serde_json::json!([place.0, place.1]).to_string()
    }

    /// The place that a cursor's text holds; None when it is of another order.
    pub fn place(&self, text: &str) -> Option<Place> {
        let place: Place = serde_json::from_str(text).ok()?;
        (place.0.len() == self.0.len()).then_some(place)
    }
}

fn field<'a>(what: &str, item: &'a Value, name: &str) -> Result<&'a Value, String> {
    item.get(name).ok_or_else(|| {
        let known = item
            .as_object()
            .map(|o| o.keys().cloned().collect::<Vec<_>>());
        format!(
            "{what}: there is no field {name:?}; there are {}",
            known.unwrap_or_default().join(", ")
        )
    })
}

/// A value as one would write it; nothing for null.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(s) => s.to_lowercase(),
        other => other.to_string(),
    }
}

/// Nothing first, then what is false and true, numbers, texts; anything else counts as text.
fn order(a: &Value, b: &Value) -> Ordering {
    let rank = |v: &Value| match v {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Number(_) => 2,
        _ => 3,
    };
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => {
            let (x, y) = (x.as_f64().unwrap_or(0.0), y.as_f64().unwrap_or(0.0));
            x.total_cmp(&y)
        }
        (Value::Bool(x), Value::Bool(y)) => x.cmp(y),
        _ => rank(a).cmp(&rank(b)).then_with(|| text(a).cmp(&text(b))),
    }
}
