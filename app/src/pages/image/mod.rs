//! `/images/{id}`: one image, its versions, which of them computers boot, and who makes the next one.

pub mod api;
mod clone;
mod edit;
mod superclient;
mod versions;

use super::frame::NotHere;
use crate::{
    i18n::*,
    live::Live,
    start::may,
    ui::{Problems, channel_word, format},
};
use api::Revert;
pub use clone::CloneForm;
use edit::Edit;
use leptos::{form::ActionForm, prelude::*};
use leptos_meta::Title;
use leptos_router::hooks::use_params_map;
use superclient::Superclient;
use types::{Channel, ImageId, ImageView, Role};
use versions::Versions;

/// The page of the image in the address.
#[component]
pub fn Image() -> impl IntoView {
    let live = expect_context::<Live>();
    let params = use_params_map();
    let id =
        Memo::new(move |_| params.with(|p| p.get("id").and_then(|id| id.parse::<ImageId>().ok())));
    // Tracks the list, so that an image removed elsewhere leaves this page too.
    let found = Memo::new(move |_| {
        let id = id.get()?;
        let is_there = live.images.with(|all| all.iter().any(|row| row.id == id));
        is_there.then_some(id)
    });
    let view = move |id| {
        let rows = live.images.get_untracked();
        rows.into_iter()
            .find(|row| row.id == id)
            .map(|row| row.view)
    };
    move || match found.get().and_then(view) {
        Some(view) => view! { <Sheet image=Signal::from(view)/> }.into_any(),
        None => view! { <NotHere/> }.into_any(),
    }
}

#[component]
fn Sheet(image: Signal<ImageView>) -> impl IntoView {
    let i18n = use_i18n();
    let name = move || image.with(|i| i.name.clone());
    let sentence = move || {
        image.with(|i| {
            let (size, allocated) = (
                format::bytes(i.size_bytes),
                format::bytes(i.allocated_bytes),
            );
            let n = i.client_count;
            tu_string!(
                i18n,
                image.sentence,
                size = size,
                allocated = allocated,
                n = n
            )
            .to_string()
        })
    };
    view! {
        <Title text=move || tu_string!(i18n, image.title, name = name()).to_string()/>
        <p class="-mb-3"><a class="link meta" href="/images">{t!(i18n, nav.images)}</a></p>
        <div class="head">
            <div>
                <h1>{name}</h1>
                <p class="text-ink-2">{sentence}</p>
                {move || Some(image.with(|i| i.data_client_count)).filter(|n| *n > 0).map(|n| view! {
                    <p class="text-ink-2">{tu_string!(i18n, image.as_data_disk, n = n).to_string()}</p>
                })}
                {move || image.with(|i| i.is_private).then(|| view! {
                    <p class="text-ink-2">{t!(i18n, image.is_private)}</p>
                })}
            </div>
            {may(Role::Operator).then(|| view! { <Edit image/> })}
        </div>
        <section class="panel livedata p-4 grid gap-4" aria-labelledby="channels">
            <h2 id="channels">{t!(i18n, image.channels)}</h2>
            <dl class="facts">
                {Channel::ALL.map(|channel| view! {
                    <div data-channel=channel.as_str()>
                        <dt>{channel_word(i18n, channel)}</dt>
                        <dd>{move || image.with(|i| version_of(i18n, i, channel))}</dd>
                        <dd class="meta">{channel_help(i18n, channel)}</dd>
                    </div>
                })}
            </dl>
            {may(Role::Operator).then(|| view! { <Back image/> })}
        </section>
        <Superclient image/>
        <Versions image/>
    }
    .into_any()
}

/// Production's way back.
#[component]
fn Back(image: Signal<ImageView>) -> impl IntoView {
    let i18n = use_i18n();
    let action = ServerAction::<Revert>::new();
    let value = action.value();
    let previous = Memo::new(move |_| image.with(|i| i.previous));
    move || {
        previous.get().map(|version| view! {
            <ActionForm action>
                <input type="hidden" name="id" value=move || image.with(|i| i.id.to_string())/>
                <input type="hidden" name="revision" value=move || image.with(|i| i.revision.to_string())/>
                <button class="btn">{tu_string!(i18n, image.revert, version = version).to_string()}</button>
                <Problems fault=Signal::derive(move || value.get().and_then(Result::err))/>
            </ActionForm>
        })
    }
}

/// The number of the version that a channel is at, with what it is for.
fn version_of(i18n: I18n, image: &ImageView, channel: Channel) -> String {
    let version = image
        .versions
        .iter()
        .find(|v| v.channels.contains(&channel));
    version.map_or_else(|| "-".into(), |v| numbered(i18n, v.number, &v.comment))
}

fn numbered(i18n: I18n, number: u32, comment: &str) -> String {
    let version = tu_string!(i18n, image.version, number = number).to_string();
    match comment.is_empty() {
        true => version,
        false => format!("{version} · {comment}"),
    }
}

fn channel_help(i18n: I18n, channel: Channel) -> &'static str {
    match channel {
        Channel::Production => tu_string!(i18n, image.production_help),
        Channel::Test => tu_string!(i18n, image.test_help),
        Channel::Maintenance => tu_string!(i18n, image.maintenance_help),
    }
}
