//! The versions of an image, the newest first, each with what may be done to it.

use super::{
    CloneForm,
    api::{Describe, Flatten, MoveChannel, RemoveVersion},
    numbered,
};
use crate::{
    i18n::*,
    start::may,
    ui::{Field, Problems, When, channel_word, format},
};
use leptos::{form::ActionForm, prelude::*};
use types::{Channel, ExportFormat, ImageId, ImageView, Role, VersionView};

#[component]
pub fn Versions(image: Signal<ImageView>) -> impl IntoView {
    let i18n = use_i18n();
    let id = image.with_untracked(|i| i.id);
    let versions = move || {
        let mut all = image.with(|i| i.versions.clone());
        all.reverse();
        all
    };
    view! {
        <section class="panel livedata" aria-labelledby="versions">
            <div class="ph"><h2 id="versions">{t!(i18n, image.versions)}</h2></div>
            <ul class="stream">
                <For each=versions key=|v| (v.id, v.comment.clone(), v.channels.clone(), v.parent) let:version>
                    <Line id version/>
                </For>
            </ul>
        </section>
    }
    .into_any()
}

#[component]
fn Line(id: ImageId, version: VersionView) -> impl IntoView {
    let i18n = use_i18n();
    let number = version.number;
    let on = version
        .parent
        .map(|parent| tu_string!(i18n, image.made_on, parent = parent).to_string());
    let size = format::bytes(version.allocated_bytes);
    let tags = version.channels.iter().map(|channel| {
        let word = channel_word(i18n, *channel);
        view! { <span class="tag">{word}</span> }
    });
    let snapshot = version.snapshot_of.map(|id| {
        let name = version
            .snapshot_of_name
            .clone()
            .unwrap_or_else(|| id.to_string());
        let text = tu_string!(i18n, image.snapshot_of, name = name).to_string();
        view! { <span class="tag">{text}</span> }
    });
    let head = view! {
        <span class="what">
            <span class="font-semibold">{numbered(i18n, number, &version.comment)}</span>
            <span class="flex flex-wrap -ms-2">{tags.collect_view()}{snapshot}</span>
            <span class="meta">
                {on.map(|on| format!("{on} · "))}{size}" · "{version.author.clone()}" "
                <When at=Signal::stored(Some(version.created_at))/>
            </span>
        </span>
    };
    if !may(Role::Operator) {
        return view! { <li class="px-4 py-3" data-version=number>{head}</li> }.into_any();
    }
    view! {
        <li data-version=number>
            <details>
                <summary>{head}</summary>
                <div class="inside">
                    {version.snapshot_of.is_none().then(|| view! { <Move id version=version.clone()/> })}
                    <Comment id version=version.clone()/>
                    <CloneForm image=id number/>
                    {version.parent.is_some().then(|| view! { <Flat id number/> })}
                    <Downloads id number/>
                    <Remove id version/>
                </div>
            </details>
        </li>
    }
    .into_any()
}

/// Puts a channel on this version.
#[component]
fn Move(id: ImageId, version: VersionView) -> impl IntoView {
    let i18n = use_i18n();
    let action = ServerAction::<MoveChannel>::new();
    let value = action.value();
    let is_elsewhere = |channel: &Channel| !version.channels.contains(channel);
    let elsewhere: Vec<Channel> = Channel::ALL.into_iter().filter(is_elsewhere).collect();
    let buttons = elsewhere.into_iter().map(move |channel| {
        let word = channel_word(i18n, channel);
        let text = tu_string!(i18n, image.to_channel, channel = word).to_string();
        view! { <button class="btn" name="channel" value=channel.as_str()>{text}</button> }
    });
    view! {
        <ActionForm action attr:class="grid gap-2">
            <input type="hidden" name="id" value=id.to_string()/>
            <input type="hidden" name="version" value=version.number.to_string()/>
            <div class="flex flex-wrap gap-2">{buttons.collect_view()}</div>
            <p class="meta">{t!(i18n, image.at_next_boot)}</p>
            <Problems fault=Signal::derive(move || value.get().and_then(Result::err))/>
        </ActionForm>
    }
    .into_any()
}

#[component]
fn Comment(id: ImageId, version: VersionView) -> impl IntoView {
    let i18n = use_i18n();
    let action = ServerAction::<Describe>::new();
    let value = action.value();
    let field = format!("comment-{}", version.number);
    view! {
        <ActionForm action attr:class="grid gap-2 max-w-[40rem]">
            <input type="hidden" name="id" value=id.to_string()/>
            <input type="hidden" name="version" value=version.number.to_string()/>
            <Field label=tu_string!(i18n, image.comment) id=field.clone()>
                <input class="input" id=field name="comment" value=version.comment maxlength="200" autocomplete="off"/>
            </Field>
            <Problems fault=Signal::derive(move || value.get().and_then(Result::err))/>
            <div><button class="btn">{t!(i18n, computer.save)}</button></div>
        </ActionForm>
    }
    .into_any()
}

/// Making it one that is made on no other.
#[component]
fn Flat(id: ImageId, number: u32) -> impl IntoView {
    let i18n = use_i18n();
    let action = ServerAction::<Flatten>::new();
    let value = action.value();
    view! {
        <ActionForm action attr:class="grid gap-2">
            <input type="hidden" name="id" value=id.to_string()/>
            <input type="hidden" name="version" value=number.to_string()/>
            <div><button class="btn">{t!(i18n, image.flatten)}</button></div>
            <p class="meta">{t!(i18n, image.flatten_help)}</p>
            <Problems fault=Signal::derive(move || value.get().and_then(Result::err))/>
        </ActionForm>
    }
    .into_any()
}

/// The version as a file.
#[component]
fn Downloads(id: ImageId, number: u32) -> impl IntoView {
    let i18n = use_i18n();
    let links = ExportFormat::ALL.map(|format| {
        let format = format.as_str();
        let to = format!("/api/v1/images/{id}/content?format={format}&version={number}");
        let text = tu_string!(i18n, image.download, number = number, format = format).to_string();
        // Not a page of ours: the browser saves it.
        view! { <a class="btn" href=to download="" rel="external">{text}</a> }
    });
    view! { <div class="flex flex-wrap gap-2">{links.collect_view()}</div> }.into_any()
}

/// Removing, with a second step; the refusal says what needs it.
#[component]
fn Remove(id: ImageId, version: VersionView) -> impl IntoView {
    let i18n = use_i18n();
    let action = ServerAction::<RemoveVersion>::new();
    let value = action.value();
    let number = version.number;
    let label = tu_string!(i18n, image.remove_version, number = number).to_string();
    view! {
        <details class="pop my-1">
            <summary class="btn btn-danger" aria-label=label.clone()>{t!(i18n, images.delete)}</summary>
            <div class="body grid gap-2">
                <ActionForm action>
                    <input type="hidden" name="id" value=id.to_string()/>
                    <input type="hidden" name="version" value=number.to_string()/>
                    <button class="btn btn-danger-solid">{label}</button>
                </ActionForm>
                <Problems fault=Signal::derive(move || value.get().and_then(Result::err))/>
            </div>
        </details>
    }
    .into_any()
}
