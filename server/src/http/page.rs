//! Lists in pages: `?limit&cursor&filter&sort`.

mod order;

use super::problem::{ApiError, ApiResult, bad_query};
use serde::{Deserialize, Serialize};
use std::str::FromStr;
use types::ListView;
use utoipa::IntoParams;
use uuid::Uuid;

const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 500;

/// For lists of things with fields.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Items on one page, 1 to 500; 100 when it is not given.
    #[param(minimum = 1, maximum = 500)]
    pub limit: Option<usize>,
    /// The `next` of the page before, with the same filter and order.
    pub cursor: Option<String>,
    /// Fields and what they have to be, e.g. `state:adopted,image_name:debian-13`; `name:~pc` takes
    /// every name with `pc` in it. All of them must hold. Case does not matter.
    pub filter: Option<String>,
    /// Fields to order by, e.g. `name` or `-created_at,name`; `-` is the other way round.
    pub sort: Option<String>,
}

impl ListQuery {
    /// Whether the list is asked for as it is.
    pub fn is_plain(&self) -> bool {
        let none = |text: &Option<String>| text.as_deref().unwrap_or("").is_empty();
        none(&self.filter) && none(&self.sort)
    }

    /// One page of `items`. `key` is unique per item and orders the list where `sort` does not; the
    /// cursor holds where the page ended, so items that come and go meanwhile neither repeat nor
    /// hide others.
    ///
    /// # Errors
    /// The limit is out of range, the cursor is not one of ours, or a field is not one of the items'.
    pub fn page<T: Serialize>(
        self,
        items: Vec<T>,
        key: impl Fn(&T) -> String,
    ) -> ApiResult<ListView<T>> {
        let limit = limit(self.limit)?;
        let filter = order::Filter::parse(self.filter.as_deref()).map_err(bad_query)?;
        let sort = order::Sort::parse(self.sort.as_deref()).map_err(bad_query)?;
        let after = match self.cursor {
            None => None,
            Some(c) => Some(
                decode(&c)
                    .and_then(|t| sort.place(&t))
                    .ok_or_else(bad_cursor)?,
            ),
        };
        let mut placed = Vec::with_capacity(items.len());
        for item in items {
            let key = key(&item);
            // Most lists are asked for as they are: then nothing has to be looked into.
            let place = match filter.is_empty() && sort.is_empty() {
                true => sort.plain(key),
                false => {
                    let fields = serde_json::to_value(&item).map_err(unreadable)?;
                    if !filter.takes(&fields).map_err(bad_query)? {
                        continue;
                    }
                    sort.of(&fields, key).map_err(bad_query)?
                }
            };
            if after
                .as_ref()
                .is_none_or(|a| sort.compare(&place, a).is_gt())
            {
                placed.push((place, item));
            }
        }
        placed.sort_by(|(a, _), (b, _)| sort.compare(a, b));
        let more = placed.len() > limit;
        placed.truncate(limit);
        let last = placed.last().filter(|_| more);
        let next = last.map(|(place, _)| encode(&sort.text(place)));
        let items = placed.into_iter().map(|(_, item)| item).collect();
        Ok(ListView { items, next })
    }
}

fn unreadable(e: serde_json::Error) -> ApiError {
    engine::Error::Internal(format!("a list can't be written: {e}")).into()
}

fn limit(asked: Option<usize>) -> ApiResult<usize> {
    let limit = asked.unwrap_or(DEFAULT_LIMIT);
    match (1..=MAX_LIMIT).contains(&limit) {
        true => Ok(limit),
        false => Err(bad_query(format!(
            "limit: it is a number from 1 to {MAX_LIMIT}"
        ))),
    }
}

/// One page of a list that is read from its end: `read` gives up to so many items before that key, the
/// newest first.
///
/// # Errors
/// The limit is out of range, the cursor is not one of ours, or why `read` failed.
pub async fn newest<T, K: ToString + FromStr>(
    asked: Option<usize>,
    cursor: Option<String>,
    read: impl AsyncFnOnce(Option<K>, usize) -> engine::Result<Vec<T>>,
    key: impl Fn(&T) -> K,
) -> ApiResult<ListView<T>> {
    let limit = limit(asked)?;
    let before = match cursor {
        None => None,
        Some(c) => {
            let key = decode(&c).and_then(|text| text.parse().ok());
            Some(key.ok_or_else(bad_cursor)?)
        }
    };
    let mut items = read(before, limit + 1).await?;
    let more = items.len() > limit;
    items.truncate(limit);
    let last = items.last().filter(|_| more);
    let next = last.map(|i| encode(&key(i).to_string()));
    Ok(ListView { items, next })
}

/// A key that puts the newest first: ids rise with time, and a list is in the order of its keys.
pub fn newest_first(id: Uuid) -> String {
    format!("{:032x}", u128::MAX - id.as_u128())
}

fn bad_cursor() -> ApiError {
    bad_query("cursor: use the `next` of the page before, unchanged")
}

/// Hex, so that a cursor needs no escaping and nobody is tempted to read it.
fn encode(key: &str) -> String {
    types::hex(key.as_bytes())
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

    #[derive(Clone, Serialize, PartialEq, Debug)]
    struct Thing {
        name: String,
        size: u32,
        state: Option<&'static str>,
    }

    fn things(n: u32) -> Vec<Thing> {
        let thing = |i: u32| Thing {
            name: format!("ä{i:04}"),
            size: i / 5,
            state: i.is_multiple_of(3).then_some("Ready"),
        };
        (0..n).rev().map(thing).collect()
    }

    fn query(limit: Option<usize>, cursor: Option<&str>, filter: &str, sort: &str) -> ListQuery {
        let some = |s: &str| Some(s.to_string()).filter(|s| !s.is_empty());
        ListQuery {
            limit,
            cursor: cursor.map(Into::into),
            filter: some(filter),
            sort: some(sort),
        }
    }

    /// Every page of a list.
    fn all(filter: &str, sort: &str) -> Vec<String> {
        let (mut seen, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let page = query(Some(5), cursor.as_deref(), filter, sort)
                .page(things(23), |t| t.name.clone())
                .unwrap();
            seen.extend(page.items.into_iter().map(|t| t.name));
            cursor = page.next;
            if cursor.is_none() {
                return seen;
            }
        }
    }

    #[test]
    fn pages_cover_a_list_once_and_in_order() {
        let mut names: Vec<String> = things(23).into_iter().map(|t| t.name).collect();
        names.reverse();
        assert_eq!(all("", ""), names);
        let mut sorted = things(23);
        sorted.sort_by_key(|t| (std::cmp::Reverse(t.size), t.name.clone()));
        let sorted: Vec<_> = sorted.into_iter().map(|t| t.name).collect();
        assert_eq!(all("", "-size"), sorted);
        names.reverse();
        assert_eq!(all("", "-name"), names);
    }

    #[test]
    fn a_filter_takes_what_all_its_terms_take() {
        assert_eq!(all("state:ready", "").len(), 8);
        assert_eq!(all("state:ready,size:0", ""), ["ä0000", "ä0003"]);
        assert_eq!(all("name:~Ä001", "").len(), 10);
        assert_eq!(all("state:", "").len(), 15, "nothing in it");
    }

    #[test]
    fn limits_cursors_and_fields_that_are_none_are_refused() {
        for bad in [
            query(Some(0), None, "", ""),
            query(Some(501), None, "", ""),
            query(None, Some("xyz"), "", ""),
            query(None, Some("a"), "", ""),
            query(None, Some(""), "", ""),
            query(None, Some("ff"), "", ""),
            query(None, Some(&encode("[1]")), "", ""),
            query(None, Some(&encode("[\"x\"]")), "", "size"),
            query(None, None, "nme:x", ""),
            query(None, None, "name", ""),
            query(None, None, "", "sise"),
            query(None, None, "", "-"),
            query(None, None, "", "size,name,state,size,name"),
            query(None, None, &"size:1,".repeat(17), ""),
        ] {
            let e = bad.page(things(2), |t| t.name.clone()).unwrap_err();
            assert_eq!(e.0.code, "NSB-HTTP-400");
        }
    }

    #[tokio::test]
    async fn a_list_read_from_its_end_goes_on_where_a_page_ended() {
        let read = async |before: Option<u32>, n: usize| {
            Ok((0..before.unwrap_or(7)).rev().take(n).collect::<Vec<_>>())
        };
        let page = async |cursor| newest(Some(4), cursor, read, |n| *n).await;
        let first = page(None).await.unwrap();
        assert_eq!(first.items, [6, 5, 4, 3]);
        let rest = page(first.next).await.unwrap();
        assert_eq!((rest.items, rest.next), (vec![2, 1, 0], None));
        let bad = page(Some(encode("x"))).await;
        assert_eq!(bad.unwrap_err().0.code, "NSB-HTTP-400");
    }
}
