//! Images, their versions, and what computers wrote on each, with what it takes.

use super::{Actions, orphans::Remove};
use crate::{
    i18n::*,
    live::{ImageRow, Live},
    start::may,
    ui::{channel_word, format},
};
use leptos::prelude::*;
use types::{DiskId, ImageId, ImageView, OverlayMode, OverlayView, Role, VersionView};

#[component]
pub fn Tree(overlays: RwSignal<Vec<OverlayView>>, actions: Actions) -> impl IntoView {
    let i18n = use_i18n();
    let live = expect_context::<Live>();
    let rows = move || {
        let mut rows = live.images.get();
        rows.sort_by_cached_key(|r| r.view.with_untracked(|i| i.name.clone()));
        rows
    };
    view! {
        <section class="panel livedata" aria-labelledby="by-image">
            <div class="ph">
                <h2 id="by-image">{t!(i18n, storage.by_image)}</h2>
                <p class="meta">{t!(i18n, storage.by_image_help)}</p>
            </div>
            <Show
                when=move || !live.images.with(Vec::is_empty)
                fallback=move || view! {
                    <div class="empty">
                        <p>{t!(i18n, storage.no_images)}" "<a class="link" href="/images">{t!(i18n, storage.to_images)}</a></p>
                    </div>
                }
            >
                <ul class="tree">
                    <For each=rows key=|r| r.id let:row>
                        <Image row overlays actions/>
                    </For>
                </ul>
            </Show>
        </section>
    }
    .into_any()
}

#[component]
fn Image(row: ImageRow, overlays: RwSignal<Vec<OverlayView>>, actions: Actions) -> impl IntoView {
    let i18n = use_i18n();
    let image: Signal<ImageView> = Signal::from(row.view);
    let id = row.id;
    let written = Memo::new(move |_| {
        let of_it = |all: &Vec<OverlayView>| {
            let on_it = all.iter().filter(|o| o.image_id == Some(id));
            on_it.map(|o| o.bytes).sum::<u64>()
        };
        overlays.with(of_it)
    });
    let versions = move || {
        let mut all = image.with(|i| i.versions.clone());
        all.reverse();
        all
    };
    view! {
        <li data-image=move || image.with(|i| i.name.clone())>
            <div class="node">
                <a class="link font-semibold" href=format!("/images/{id}")>{move || image.with(|i| i.name.clone())}</a>
                <span class="meta">
                    {move || tu_string!(i18n, storage.computers, n = image.with(|i| i.client_count + i.data_client_count)).to_string()}
                </span>
                <span class="size">{move || format::bytes(image.with(|i| i.allocated_bytes) + written.get())}</span>
            </div>
            <ul>
                <For each=versions key=|v| (v.id, v.allocated_bytes, v.comment.clone(), v.channels.clone()) let:version>
                    <Version image=id version overlays actions/>
                </For>
            </ul>
        </li>
    }
    .into_any()
}

#[component]
fn Version(
    image: ImageId,
    version: VersionView,
    overlays: RwSignal<Vec<OverlayView>>,
    actions: Actions,
) -> impl IntoView {
    let i18n = use_i18n();
    let number = version.number;
    let on_it = Memo::new(move |_| {
        let is_on = |o: &OverlayView| {
            o.image_id == Some(image) && o.version == Some(number) && !o.is_orphan
        };
        let mut on_it: Vec<OverlayView> =
            overlays.with(|all| all.iter().filter(|o| is_on(o)).cloned().collect());
        on_it.sort_by(|a, b| a.client_name.cmp(&b.client_name));
        on_it
    });
    let ids = move || on_it.with(|all| all.iter().map(|o| o.id).collect::<Vec<_>>());
    let tags = version.channels.iter().map(|channel| {
        let word = channel_word(i18n, *channel);
        view! { <span class="tag">{word}</span> }
    });
    let comment = version.comment.clone();
    view! {
        <li data-version=number>
            <div class="node">
                <span>
                    {tu_string!(i18n, image.version, number = number).to_string()}
                    {tags.collect_view()}
                </span>
                <span class="meta">{comment}</span>
                <span class="size">{format::bytes(version.allocated_bytes)}</span>
            </div>
            <ul>
                <For each=ids key=|id| *id let:disk>
                    <Overlay disk on_it actions/>
                </For>
            </ul>
        </li>
    }
    .into_any()
}

#[component]
fn Overlay(disk: DiskId, on_it: Memo<Vec<OverlayView>>, actions: Actions) -> impl IntoView {
    let i18n = use_i18n();
    let live = expect_context::<Live>();
    let overlay = Memo::new(move |_| on_it.with(|all| all.iter().find(|o| o.id == disk).cloned()));
    let client = disk.client;
    let name = overlay.with_untracked(|o| o.as_ref().and_then(|o| o.client_name.clone()));
    let name = name.unwrap_or_default();
    let is_used = Memo::new(move |_| {
        let uses = |e: &types::ExportView| e.client_id == client && !e.sessions.is_empty();
        live.exports.with(|all| all.iter().any(uses))
    });
    let words = move || {
        let mode = overlay.with(|o| o.as_ref().and_then(|o| o.mode));
        let kept = match mode {
            Some(OverlayMode::Keep) => tu_string!(i18n, mode.keep),
            _ => tu_string!(i18n, mode.reset),
        };
        let kept = match disk.data {
            Some(_) => format!("{} · {kept}", tu_string!(i18n, storage.data_disk)),
            None => kept.to_string(),
        };
        match is_used.get() {
            true => format!("{kept} · {}", tu_string!(i18n, storage.in_use)),
            false => kept,
        }
    };
    let bytes = move || overlay.with(|o| o.as_ref().map_or(0, |o| o.bytes));
    let label = name.clone();
    let is_allowed = may(Role::Operator);
    let removable = move || is_allowed && !is_used.get();
    view! {
        <li data-overlay=name.clone()>
            <div class="node">
                <a class="link" href=format!("/floor/{client}")>{name.clone()}</a>
                <span class="meta">{words}</span>
                <Show when=removable>
                    <div class="act">
                        <Remove disk name=label.clone() class="link meta inline-flex items-center min-h-6" actions/>
                    </div>
                </Show>
                <span class="size">{move || format::bytes(bytes())}</span>
            </div>
        </li>
    }
    .into_any()
}
