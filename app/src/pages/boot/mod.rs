//! `/boot`: what computers may boot, and the groups that say it for several.

pub mod api;
mod entries;
pub mod fields;
mod groups;

use crate::{i18n::*, start::may};
use entries::{AddEntry, Entries};
use groups::{AddGroup, Groups};
use leptos::prelude::*;
use leptos_meta::Title;
use types::Role;

/// Boot entries and groups.
#[component]
pub fn Boot() -> impl IntoView {
    let i18n = use_i18n();
    view! {
        <Title text=tu_string!(i18n, bootpage.title)/>
        <div class="head">
            <div>
                <h1>{t!(i18n, bootpage.heading)}</h1>
                <p class="text-ink-2 max-w-[70ch]">{t!(i18n, bootpage.sentence)}</p>
            </div>
        </div>
        <Entries/>
        {may(Role::Operator).then(|| view! { <AddEntry/> })}
        <Groups/>
        {may(Role::Operator).then(|| view! { <AddGroup/> })}
    }
    .into_any()
}
