//! A line of the audit log and what is known about it.

use super::words;
use crate::{
    i18n::*,
    ui::{Shape, StateShape, When},
};
use leptos::prelude::*;
use types::AuditView;

/// Letters of a hash, which takes a line of its own.
const HASH: usize = 64;

/// Who did what, in a sentence; facts when it is opened.
#[component]
pub fn EntryLine(entry: AuditView) -> impl IntoView {
    let i18n = use_i18n();
    let refused = words::is_refused(&entry);
    let (shape, word) = if refused {
        (Shape::Warn, tu_string!(i18n, activity.refused))
    } else {
        (Shape::Idle, tu_string!(i18n, activity.done))
    };
    let way = words::way(i18n, entry.way);
    let from = match &entry.address {
        Some(address) => format!("{way} · {address}"),
        None => way.to_string(),
    };
    let code =
        refused.then(|| view! { <span class="data">{format!(" · {}", entry.result)}</span> });
    let (number, at) = (entry.seq.to_string(), Some(entry.at));
    let sentence = words::sentence(i18n, &entry);
    view! {
        <li data-entry=number>
            <details>
                <summary>
                    <span class="st" data-s=shape.key()>
                        <StateShape shape=Signal::stored(shape)/>
                        {word}
                    </span>
                    <span class="what">
                        <span>{sentence}</span>
                        <span class="meta">{from}{code}</span>
                    </span>
                    <span class="meta when"><When at=Signal::stored(at)/></span>
                </summary>
                {inside(i18n, entry)}
            </details>
        </li>
    }
    .into_any()
}

fn inside(i18n: I18n, entry: AuditView) -> impl IntoView {
    let facts = words::difference(&entry).into_iter().map(|d| {
        let value = match (d.before, d.after) {
            (Some(before), Some(after)) => format!("{before} → {after}"),
            (before, after) => before.or(after).unwrap_or_default(),
        };
        view! { <div><dt>{d.name}</dt><dd>{value}</dd></div> }
    });
    let facts = facts.collect_view();
    let number = entry.seq.to_string();
    let known = [
        (
            tu_string!(i18n, activity.role),
            entry.role.map(|r| words::role(i18n, r).to_string()),
        ),
        (tu_string!(i18n, activity.number), Some(number)),
        (tu_string!(i18n, activity.action), Some(entry.action)),
        (tu_string!(i18n, activity.request), entry.request_id),
        (tu_string!(i18n, activity.result), Some(entry.result)),
        (
            tu_string!(i18n, activity.hash),
            Some(entry.hash).filter(|h| !h.is_empty()),
        ),
    ];
    let known = known.into_iter().filter_map(|(name, value)| {
        let value = value?;
        let is_hash = value.len() == HASH;
        Some(view! { <div><dt>{name}</dt><dd class="data" class:hash=is_hash>{value}</dd></div> })
    });
    view! {
        <div class="inside">
            <dl class="facts">{facts}{known.collect_view()}</dl>
        </div>
    }
}
