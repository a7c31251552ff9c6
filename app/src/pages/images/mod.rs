//! `/images`: the disks that computers boot from.

pub mod api;
#[cfg(feature = "hydrate")]
mod send;
mod upload;

use crate::{
    i18n::*,
    live::{ImageRow, Live},
    start::may,
    ui::{Problems, Shape, StateShape, format},
};
use api::RemoveImage;
use leptos::{form::ActionForm, prelude::*};
use leptos_meta::Title;
use types::{ImageState, ImageView, Role};
use upload::{Fetch, Upload};

/// The list and the upload.
#[component]
pub fn Images() -> impl IntoView {
    let i18n = use_i18n();
    let live = expect_context::<Live>();
    let total = move || {
        live.images.with(|rows| {
            let bytes = rows
                .iter()
                .map(|r| r.view.with(|i| i.allocated_bytes))
                .sum();
            (rows.len(), format::bytes(bytes))
        })
    };
    let sentence = move || {
        let (n, size) = total();
        tu_string!(i18n, images.sentence, n = n, size = size).to_string()
    };
    let rows = move || {
        let mut rows = live.images.get();
        rows.sort_by_cached_key(|r| r.view.with_untracked(|i| i.name.clone()));
        rows
    };
    view! {
        <Title text=tu_string!(i18n, images.title)/>
        <nav class="filter" aria-label=tu_string!(i18n, storage.views)>
            <ul>
                <li><a href="/images" aria-current="page">{t!(i18n, nav.images)}</a></li>
                <li><a href="/storage">{t!(i18n, storage.heading)}</a></li>
            </ul>
        </nav>
        <div class="head">
            <div>
                <h1>{t!(i18n, images.heading)}</h1>
                <p class="text-ink-2">{sentence}</p>
            </div>
        </div>
        <div class="panel livedata cards">
            <div class="ph"><h2 id="list">{t!(i18n, images.list)}</h2></div>
            <Show
                when=move || !live.images.with(Vec::is_empty)
                fallback=move || view! {
                    <div class="empty">
                        <p>{t!(i18n, images.empty)}</p>
                        <p class="mt-2"><code class="data">"nsboot image import disk.raw --name base"</code></p>
                    </div>
                }
            >
                <div class="tbox" tabindex="0" role="region" aria-labelledby="list">
                    <table class="t">
                        <thead>
                            <tr>
                                <th scope="col">{t!(i18n, floor.name)}</th>
                                <th scope="col">{t!(i18n, floor.state)}</th>
                                <th scope="col" class="num">{t!(i18n, images.size)}</th>
                                <th scope="col" class="num">{t!(i18n, images.allocated)}</th>
                                <th scope="col" class="num">{t!(i18n, images.clients)}</th>
                                <th scope="col">"SHA-256"</th>
                                <th scope="col"><span class="sr-only">{t!(i18n, images.actions)}</span></th>
                            </tr>
                        </thead>
                        <tbody>
                            <For each=rows key=|r| r.id let:row>
                                <Line row/>
                            </For>
                        </tbody>
                    </table>
                </div>
            </Show>
        </div>
        {may(Role::Operator).then(|| view! { <Upload/> })}
        {may(Role::Admin).then(|| view! { <Fetch/> })}
    }
    .into_any()
}

fn shape(state: ImageState) -> Shape {
    match state {
        ImageState::Importing => Shape::Busy,
        ImageState::Ready => Shape::Ok,
        ImageState::Failed => Shape::Fail,
    }
}

#[component]
fn Line(row: ImageRow) -> impl IntoView {
    let i18n = use_i18n();
    let image: Signal<ImageView> = Signal::from(row.view);
    let state = Signal::derive(move || image.with(|i| i.state));
    let word = move || {
        image.with(|i| match i.state {
            ImageState::Importing => {
                let got = format::bytes(i.received_bytes);
                tu_string!(i18n, images.importing, got = got).to_string()
            }
            ImageState::Ready => tu_string!(i18n, state.ready).to_string(),
            ImageState::Failed => tu_string!(i18n, images.failed).to_string(),
        })
    };
    let exact = move |n: fn(&ImageView) -> u64| image.with(|i| format!("{} B", n(i)));
    view! {
        <tr data-image=move || image.with(|i| i.name.clone())>
            <th scope="row">
                <a class="link" href=move || image.with(|i| format!("/images/{}", i.id))>{move || image.with(|i| i.name.clone())}</a>
            </th>
            <td>
                <span class="st" data-s=move || shape(state.get()).key()>
                    <StateShape shape=Signal::derive(move || shape(state.get()))/>
                    {word}
                </span>
                {move || image.with(|i| i.error.clone()).map(|e| view! { <p class="meta">{e}</p> })}
            </td>
            <td class="num" data-label=tu_string!(i18n, images.size) title=move || exact(|i| i.size_bytes)>
                {move || image.with(|i| format::bytes(i.size_bytes))}
            </td>
            <td class="num" data-label=tu_string!(i18n, images.allocated) title=move || exact(|i| i.allocated_bytes)>
                {move || image.with(|i| format::bytes(i.allocated_bytes))}
            </td>
            <td class="num" data-label=tu_string!(i18n, images.clients)>{move || image.with(|i| i.client_count + i.data_client_count)}</td>
            <td class="data" data-label="SHA-256" title=move || image.with(|i| i.sha256.clone())>
                {move || image.with(|i| i.sha256.clone()).map_or("-".into(), |s| s.chars().take(12).collect::<String>())}
            </td>
            <td>{may(Role::Operator).then(|| view! { <Delete image/> })}</td>
        </tr>
    }
    .into_any()
}

/// Deleting, with a second step; the refusal is shown where it was asked.
#[component]
fn Delete(image: Signal<ImageView>) -> impl IntoView {
    let i18n = use_i18n();
    let action = ServerAction::<RemoveImage>::new();
    let value = action.value();
    let id = image.with_untracked(|i| i.id.to_string());
    let name = move || image.with(|i| i.name.clone());
    view! {
        <details class="pop my-1">
            <summary class="btn btn-danger" aria-label=move || tu_string!(i18n, images.delete_name, name = name()).to_string()>
                {t!(i18n, images.delete)}
            </summary>
            <div class="body grid gap-2">
                <ActionForm action>
                    <input type="hidden" name="id" value=id/>
                    <button class="btn btn-danger-solid">
                        {move || tu_string!(i18n, images.delete_button, name = name()).to_string()}
                    </button>
                </ActionForm>
                <Problems fault=Signal::derive(move || value.get().and_then(Result::err))/>
            </div>
        </details>
    }
    .into_any()
}
