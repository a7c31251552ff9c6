//! `/loaders`: the sets of first programs that computers run; `?set=NAME` shows the files of one.

pub mod api;
mod files;
mod upload;

use crate::{
    i18n::*,
    live::Live,
    start::may,
    ui::{Problems, format},
};
use api::{AllSets, ChooseSet, RemoveSet};
use files::{Files, platform};
use leptos::{form::ActionForm, prelude::*};
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;
use types::{LoaderChoiceView, LoaderSetView, LoaderSource, Role};
use upload::Upload;

/// What the forms of the page share.
#[derive(Clone, Copy)]
struct Actions {
    choose: ServerAction<ChooseSet>,
    remove: ServerAction<RemoveSet>,
}

/// The list, the files of one set, and the upload.
#[component]
pub fn Loaders() -> impl IntoView {
    let i18n = use_i18n();
    let live = expect_context::<Live>();
    let actions = Actions {
        choose: ServerAction::new(),
        remove: ServerAction::new(),
    };
    let query = use_query_map();
    let shown = Memo::new(move |_| query.with(|q| q.get("set").unwrap_or_default()));
    // Read anew after what was done here, and after what others did.
    let changes = move || {
        let here = (
            actions.choose.version().get(),
            actions.remove.version().get(),
        );
        // The first snapshot is of what the page came with.
        let missed = live.snapshots.get().saturating_sub(1);
        let told = (live.loaders.get(), live.settings.get());
        (here, told, missed, shown.get())
    };
    let loaded = Resource::new_blocking(changes, |(_, _, _, shown)| api::sets(shown));
    let refused = move || {
        let chosen = actions.choose.value().get().and_then(Result::err);
        chosen.or_else(|| actions.remove.value().get().and_then(Result::err))
    };
    view! {
        <Title text=tu_string!(i18n, loaders.title)/>
        <div class="head">
            <div>
                <h1>{t!(i18n, loaders.heading)}</h1>
                <p class="text-ink-2 max-w-[70ch]">{t!(i18n, loaders.sentence)}</p>
            </div>
        </div>
        <Problems fault=Signal::derive(refused)/>
        <Transition>
            {move || Suspend::new(async move {
                match loaded.await {
                    Ok(sets) => view! { <Whole sets actions/> }.into_any(),
                    Err(fault) => {
                        let fault = Signal::stored(Some(fault));
                        view! { <Problems fault/> }.into_any()
                    }
                }
            })}
        </Transition>
        {may(Role::Admin).then(|| view! { <Upload/> })}
    }
    .into_any()
}

#[component]
fn Whole(sets: AllSets, actions: Actions) -> impl IntoView {
    let i18n = use_i18n();
    let empty = sets.all.is_empty();
    let lines = sets
        .all
        .into_iter()
        .map(|set| view! { <Line set actions/> })
        .collect_view();
    view! {
        <div class="panel cards">
            <div class="ph"><h2 id="list">{t!(i18n, loaders.list)}</h2></div>
            {empty.then(|| view! { <div class="empty"><p>{t!(i18n, loaders.nothing)}</p></div> })}
            <div class="tbox" tabindex="0" role="region" aria-labelledby="list">
                <table class="t">
                    <thead>
                        <tr>
                            <th scope="col">{t!(i18n, floor.name)}</th>
                            <th scope="col">{t!(i18n, loaders.source)}</th>
                            <th scope="col">{t!(i18n, loaders.for_whom)}</th>
                            <th scope="col">{t!(i18n, loaders.signed)}</th>
                            <th scope="col" class="num">{t!(i18n, loaders.files)}</th>
                            <th scope="col" class="num">{t!(i18n, loaders.size)}</th>
                            <th scope="col"><span class="sr-only">{t!(i18n, images.actions)}</span></th>
                        </tr>
                    </thead>
                    <tbody>{lines}</tbody>
                </table>
            </div>
        </div>
        {sets.shown.map(|set| view! { <Files set/> })}
    }
    .into_any()
}

#[component]
fn Line(set: LoaderSetView, actions: Actions) -> impl IntoView {
    let i18n = use_i18n();
    let names = |only: fn(&LoaderChoiceView) -> bool| {
        let mut all: Vec<_> = set.gives.iter().filter(|g| only(g)).collect();
        all.dedup_by_key(|g| g.platform);
        match all.is_empty() {
            true => "-".to_string(),
            false => {
                let names: Vec<_> = all.iter().map(|g| platform(i18n, g.platform)).collect();
                names.join(", ")
            }
        }
    };
    let (all, signed) = (names(|_| true), names(|g| g.signed));
    let source = match set.source {
        LoaderSource::BuiltIn => tu_string!(i18n, loaders.built_in),
        LoaderSource::Uploaded => tu_string!(i18n, loaders.uploaded),
    };
    let removable = set.source == LoaderSource::Uploaded && may(Role::Admin);
    let choosable = !set.is_default && may(Role::Admin);
    let (name, to_choose, to_remove) = (set.name.clone(), set.name.clone(), set.name.clone());
    view! {
        <tr data-set=set.name.clone()>
            <th scope="row">
                <a class="link" href=format!("/loaders?set={name}")>{name.clone()}</a>
                {set.is_default.then(|| view! { <p class="meta">{t!(i18n, loaders.is_default)}</p> })}
            </th>
            <td data-label=tu_string!(i18n, loaders.source)>{source}</td>
            <td data-label=tu_string!(i18n, loaders.for_whom)>{all}</td>
            <td data-label=tu_string!(i18n, loaders.signed)>{signed}</td>
            <td class="num" data-label=tu_string!(i18n, loaders.files)>{set.file_count}</td>
            <td class="num" data-label=tu_string!(i18n, loaders.size) title=format!("{} B", set.size_bytes)>
                {format::bytes(set.size_bytes)}
            </td>
            <td class="end">
                {choosable.then(|| view! { <Choose name=to_choose action=actions.choose/> })}
                {removable.then(|| view! { <Remove name=to_remove action=actions.remove/> })}
            </td>
        </tr>
    }
    .into_any()
}

/// Making it the default, with a second step that says for whom that counts.
#[component]
fn Choose(name: String, action: ServerAction<ChooseSet>) -> impl IntoView {
    let i18n = use_i18n();
    let label = tu_string!(i18n, loaders.choose_name, name = name.clone()).to_string();
    let button = tu_string!(i18n, loaders.choose_button, name = name.clone()).to_string();
    view! {
        <details class="pop my-1">
            <summary class="btn" aria-label=label>{t!(i18n, loaders.choose)}</summary>
            <div class="body grid gap-2">
                <p>{t!(i18n, loaders.choose_text)}</p>
                <ActionForm action>
                    <input type="hidden" name="name" value=name/>
                    <button class="btn btn-primary">{button}</button>
                </ActionForm>
            </div>
        </details>
    }
    .into_any()
}

/// Removing, with a second step.
#[component]
fn Remove(name: String, action: ServerAction<RemoveSet>) -> impl IntoView {
    let i18n = use_i18n();
    let label = tu_string!(i18n, images.delete_name, name = name.clone()).to_string();
    let button = tu_string!(i18n, images.delete_button, name = name.clone()).to_string();
    view! {
        <details class="pop my-1">
            <summary class="btn btn-danger" aria-label=label>{t!(i18n, images.delete)}</summary>
            <div class="body grid gap-2">
                <ActionForm action>
                    <input type="hidden" name="name" value=name/>
                    <button class="btn btn-danger-solid">{button}</button>
                </ActionForm>
            </div>
        </details>
    }
    .into_any()
}
