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

/// The loader sets to choose from, with "as all" first; `(value, text)`. `chosen` is among them also when it is
/// gone: a form that was opened for something else must not change it.
fn set_options(live: Live, i18n: I18n, chosen: String) -> Signal<Vec<(String, String)>> {
    Signal::derive(move || {
        let sets = live.sets.get();
        let inherit = tu_string!(i18n, bootpage.inherit).to_string();
        let gone = (!chosen.is_empty() && !sets.contains(&chosen)).then(|| {
            let text = tu_string!(i18n, bootpage.set_gone, name = chosen.clone()).to_string();
            (chosen.clone(), text)
        });
        let sets = sets.into_iter().map(|name| (name.clone(), name));
        let first = std::iter::once((String::new(), inherit));
        first.chain(sets).chain(gone).collect()
    })
}

/// Loader set and loader, of a group or a computer.
#[component]
pub fn Loader(id: String, set: Option<String>, loader: Option<LoaderKind>) -> impl IntoView {
    let i18n = use_i18n();
    let live = expect_context::<Live>();
    let (set_id, loader_id) = (format!("{id}-set"), format!("{id}-loader"));
    let set = set.unwrap_or_default();
    let sets = set_options(live, i18n, set.clone());
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
        <Field label=tu_string!(i18n, bootpage.loader_set) id=set_id.clone()>
            <Select id=set_id name="loader_set" options=sets selected=set/>
        </Field>
        <Field label=tu_string!(i18n, bootpage.loader) id=loader_id.clone()>
            <Select id=loader_id name="loader" options selected=loader.map(|l| l.word().to_string()).unwrap_or_default()/>
        </Field>
    }
    .into_any()
}
