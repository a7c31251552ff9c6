//! Fields that the forms of entries, groups and computers share.

use crate::{
    i18n::*,
    live::Live,
    ui::{Field, Select},
};
use leptos::prelude::*;
use types::LoaderKind;

/// The boot entries to choose from, with `none` first; `(value, text)`.
pub fn entry_options(live: Live, none: &'static str) -> Signal<Vec<(String, String)>> {
    Signal::derive(move || {
        let none = (String::new(), none.to_string());
        let all = live.entries.get().into_iter();
        let all = all.map(|e| (e.id.to_string(), e.name));
        std::iter::once(none).chain(all).collect()
    })
}

/// The groups to choose from, with "no group" first; `(value, text)`.
pub fn group_options(live: Live, i18n: I18n) -> Signal<Vec<(String, String)>> {
    Signal::derive(move || {
        let none = (
            String::new(),
            tu_string!(i18n, bootpage.no_group).to_string(),
        );
        let all = live.groups.get().into_iter();
        let all = all.map(|g| (g.id.to_string(), g.name));
        std::iter::once(none).chain(all).collect()
    })
}

/// Loader set and loader, of a group or a computer.
#[component]
pub fn Loader(id: String, set: Option<String>, loader: Option<LoaderKind>) -> impl IntoView {
    let i18n = use_i18n();
    let (set_id, loader_id) = (format!("{id}-set"), format!("{id}-loader"));
    let options = Signal::derive(move || {
        let inherit = (
            String::new(),
            tu_string!(i18n, bootpage.inherit).to_string(),
        );
        let known = [LoaderKind::Snponly, LoaderKind::Ipxe];
        let known = known.map(|l| (l.word().to_string(), l.word().to_string()));
        std::iter::once(inherit).chain(known).collect::<Vec<_>>()
    });
    view! {
        <Field label=tu_string!(i18n, bootpage.loader_set) id=set_id.clone() help=tu_string!(i18n, bootpage.loader_set_help)>
            <input class="input" id=set_id name="loader_set" value=set.unwrap_or_default() autocomplete="off"/>
        </Field>
        <Field label=tu_string!(i18n, bootpage.loader) id=loader_id.clone()>
            <Select id=loader_id name="loader" options selected=loader.map(|l| l.word().to_string()).unwrap_or_default()/>
        </Field>
    }
    .into_any()
}
