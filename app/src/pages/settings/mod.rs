//! `/settings`: what holds, where it comes from, what was changed, and undoing it.

pub mod api;
mod history;
mod network;
mod preview;
mod rows;
mod trial;
mod words;

pub use trial::Banner;

use crate::{
    i18n::*,
    live::Live,
    start::may,
    ui::{Problems, When},
};
use api::{All, ChangeSettings, PreviewSettings, UndoSettings};
use history::History;
use leptos::prelude::*;
use leptos_meta::Title;
use network::Networks;
use preview::Preview;
use rows::Rows;
use types::{Role, SettingView};

/// What the forms of the page share.
#[derive(Clone, Copy)]
pub struct Actions {
    preview: ServerAction<PreviewSettings>,
    change: ServerAction<ChangeSettings>,
    undo: ServerAction<UndoSettings>,
}

/// The page.
#[component]
pub fn Settings() -> impl IntoView {
    let i18n = use_i18n();
    let live = expect_context::<Live>();
    let actions = Actions {
        preview: ServerAction::new(),
        change: ServerAction::new(),
        undo: ServerAction::new(),
    };
    // Read anew after what was done here, and after what others did.
    let changes = move || {
        let here = (actions.change.version().get(), actions.undo.version().get());
        // The first snapshot is of what the page came with.
        let missed = live.snapshots.get().saturating_sub(1);
        (here, live.settings.get(), live.trial.get(), missed)
    };
    let loaded = Resource::new_blocking(changes, |_| api::settings());
    view! {
        <Title text=tu_string!(i18n, settings.title)/>
        <div>
            <h1>{t!(i18n, settings.heading)}</h1>
            <p class="text-ink-2 max-w-[70ch]">{t!(i18n, settings.sentence)}</p>
        </div>
        <Preview actions/>
        <Transition>
            {move || Suspend::new(async move {
                match loaded.await {
                    Ok(all) => view! { <Whole all actions/> }.into_any(),
                    Err(fault) => {
                        let fault = Signal::stored(Some(fault));
                        view! { <Problems fault/> }.into_any()
                    }
                }
            })}
        </Transition>
    }
    .into_any()
}

#[component]
fn Whole(all: All, actions: Actions) -> impl IntoView {
    let i18n = use_i18n();
    let (networks, plain): (Vec<_>, Vec<_>) = all
        .view
        .settings
        .into_iter()
        .partition(|s| s.key.starts_with("boot."));
    let group = |table: &'static [&'static str]| -> Vec<SettingView> {
        let of = |s: &&SettingView| table.iter().any(|t| s.key.starts_with(t));
        plain.iter().filter(of).cloned().collect()
    };
    let (warnings, revision) = (all.view.warnings, all.view.revision);
    view! {
        {(!warnings.is_empty()).then(|| view! {
            <section class="panel p-4 grid gap-1" aria-label=tu_string!(i18n, settings.warnings)>
                <h2>{t!(i18n, settings.warnings)}</h2>
                <ul class="notes-list">{warnings.into_iter().map(|w| view! { <li>{w}</li> }).collect_view()}</ul>
            </section>
        })}
        <Rows heading=tu_string!(i18n, settings.http) id="http" settings=group(&["http."]) revision actions/>
        <Rows heading=tu_string!(i18n, settings.computers) id="computers" settings=group(&["clients.", "dhcp.", "nbd.", "lab."]) revision actions/>
        <Rows heading=tu_string!(i18n, settings.disks) id="disks" settings=group(&["disks.", "snapshots.", "storage."]) revision actions/>
        <Networks networks revision actions/>
        <History changes=all.history actions may_undo=may(Role::Admin)/>
    }
    .into_any()
}
