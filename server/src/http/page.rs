//! Lists in pages: `?limit&cursor`.

use super::problem::{ApiError, ApiResult, bad_query};
use serde::Deserialize;
use std::str::FromStr;
use types::ListView;
use utoipa::IntoParams;

const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 500;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// Items on one page, 1 to 500; 100 when it is not given.
    #[param(minimum = 1, maximum = 500)]
    pub limit: Option<usize>,
    /// The `next` of the page before.
    pub cursor: Option<String>,
}

impl PageQuery {
    /// One page of `items`. `key` is unique per item and orders the list; the cursor holds the key
    /// of the last item shown, so items that come and go meanwhile neither repeat nor hide others.
    ///
    /// # Errors
    /// The limit is out of range or the cursor is not one of ours.
    pub fn page<T>(self, mut items: Vec<T>, key: impl Fn(&T) -> String) -> ApiResult<ListView<T>> {
        let limit = self.limit()?;
        items.sort_by_cached_key(&key);
        let start = match self.cursor {
            None => 0,
            Some(c) => {
                let after = decode(&c).ok_or_else(bad_cursor)?;
                items.partition_point(|i| key(i) <= after)
            }
        };
        let mut items: Vec<T> = items.into_iter().skip(start).take(limit + 1).collect();
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(|i| encode(&key(i)));
        Ok(ListView { items, next })
    }

    /// One page of a list that is read from its end: `read` gives up to so many items before that
    /// key, the newest first.
    ///
    /// # Errors
    /// The limit is out of range, the cursor is not one of ours, or why `read` failed.
    pub fn newest<T, K: ToString + FromStr>(
        self,
        read: impl FnOnce(Option<K>, usize) -> engine::Result<Vec<T>>,
        key: impl Fn(&T) -> K,
    ) -> ApiResult<ListView<T>> {
        let limit = self.limit()?;
        let before = match self.cursor {
            None => None,
            Some(c) => {
                let key = decode(&c).and_then(|text| text.parse().ok());
                Some(key.ok_or_else(bad_cursor)?)
            }
        };
        let mut items = read(before, limit + 1)?;
        let more = items.len() > limit;
        items.truncate(limit);
        let last = items.last().filter(|_| more);
        let next = last.map(|i| encode(&key(i).to_string()));
        Ok(ListView { items, next })
    }

    fn limit(&self) -> ApiResult<usize> {
        let limit = self.limit.unwrap_or(DEFAULT_LIMIT);
        match (1..=MAX_LIMIT).contains(&limit) {
            true => Ok(limit),
            false => Err(bad_query(format!(
                "limit: it is a number from 1 to {MAX_LIMIT}"
            ))),
        }
    }
}

fn bad_cursor() -> ApiError {
    bad_query("cursor: use the `next` of the page before, unchanged")
}

/// Hex, so that a cursor needs no escaping and nobody is tempted to read it.
fn encode(key: &str) -> String {
    key.bytes().map(|b| format!("{b:02x}")).collect()
}

fn decode(cursor: &str) -> Option<String> {
    let digits: Option<Vec<u8>> = cursor
        .chars()
        .map(|c| c.to_digit(16).map(|d| d as u8))
        .collect();
    let digits = digits.filter(|d| !d.is_empty() && d.len() % 2 == 0)?;
    String::from_utf8(digits.chunks(2).map(|p| p[0] * 16 + p[1]).collect()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_cover_a_list_once_and_in_order() {
        let all: Vec<u32> = (0..23).rev().collect();
        let key = |n: &u32| format!("ä{n:04}");
        let mut seen = Vec::new();
        let mut cursor = None;
        loop {
            let query = PageQuery {
                limit: Some(5),
                cursor,
            };
            let page = query.page(all.clone(), key).unwrap();
            seen.extend(page.items);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, (0..23).collect::<Vec<_>>());
    }

    #[test]
    fn limits_and_cursors_of_others_are_refused() {
        for (limit, cursor) in [
            (Some(0), None),
            (Some(501), None),
            (None, Some("xyz")),
            (None, Some("a")),
            (None, Some("")),
            (None, Some("ff")),
        ] {
            let query = PageQuery {
                limit,
                cursor: cursor.map(Into::into),
            };
            let e = query.page(vec![1], |n| n.to_string()).unwrap_err();
            assert_eq!(e.0.code, "NSB-HTTP-400", "{limit:?} {cursor:?}");
        }
    }
}
