//! Snapshots of a computer's disk: taken while it is off, gone back to, removed, or made an image of.

use super::api::{RemoveSnapshot, RestoreSnapshot, TakeSnapshot};
use crate::{
    i18n::*,
    live::{ImageRow, Live},
    pages::image::CloneForm,
    start::may,
    ui::{Field, Problems, When, format},
};
use leptos::{form::ActionForm, prelude::*};
use types::{
    ClientId, ClientView, ImageId, NextSnapshotView, OverlayMode, Role, SnapshotWait, VersionView,
};

/// The snapshots of this computer, the newest first. Not shown for one that keeps nothing and has none.
#[component]
pub fn Snapshots(client: Signal<ClientView>) -> impl IntoView {
    let live = expect_context::<Live>();
    let id = client.with_untracked(|c| c.id);
    let all = Memo::new(move |_| {
        let of_image = |row: &ImageRow| {
            row.view.with(|image| {
                let its = image.versions.iter().filter(|v| v.snapshot_of == Some(id));
                its.map(|v| (image.id, v.clone())).collect::<Vec<_>>()
            })
        };
        let rows = live.images.get();
        let mut all: Vec<_> = rows.iter().flat_map(of_image).collect();
        all.sort_by_key(|(_, v)| std::cmp::Reverse(v.id));
        all
    });
    let keeps = Memo::new(move |_| {
        let (mode, image) = client.with(|c| (c.mode, c.image_id));
        let rows = live.images.get();
        let image = rows.iter().find(|row| Some(row.id) == image);
        mode == OverlayMode::Keep || image.is_some_and(|row| row.view.with(|i| i.is_private))
    });
    let next = Memo::new(move |_| client.with(|c| c.next_snapshot));
    move || (keeps.get() || !all.with(Vec::is_empty)).then(|| view! { <List id all keeps next/> })
}

#[component]
fn List(
    id: ClientId,
    all: Memo<Vec<(ImageId, VersionView)>>,
    keeps: Memo<bool>,
    next: Memo<Option<NextSnapshotView>>,
) -> impl IntoView {
    let i18n = use_i18n();
    view! {
        <section class="panel livedata" aria-labelledby="snapshots">
            <div class="ph"><h2 id="snapshots">{t!(i18n, snapshots.heading)}</h2></div>
            <div class="p-4 grid gap-3">
                <p class="text-ink-2 max-w-[70ch]">{t!(i18n, snapshots.sentence)}</p>
                {move || next.get().map(|next| view! { <p id="next-snapshot">{due(i18n, next)}</p> })}
                {move || (may(Role::Operator) && keeps.get()).then(|| view! { <Take id/> })}
            </div>
            <ul class="stream">
                <For each=move || all.get() key=|(_, v)| (v.id, v.comment.clone()) let((image, version))>
                    <Line image version/>
                </For>
            </ul>
        </section>
    }
    .into_any()
}

/// When the schedule takes the next one, or why one that is due waits.
fn due(i18n: I18n, next: NextSnapshotView) -> String {
    let at = format::clock(next.at);
    match next.waits {
        None => tu_string!(i18n, snapshots.next, at = at).to_string(),
        Some(SnapshotWait::Running) => {
            tu_string!(i18n, snapshots.waits_running, at = at).to_string()
        }
        Some(SnapshotWait::Turn) => tu_string!(i18n, snapshots.waits_turn, at = at).to_string(),
        Some(SnapshotWait::Failed) => tu_string!(i18n, snapshots.waits_failed, at = at).to_string(),
    }
}

#[component]
fn Take(id: ClientId) -> impl IntoView {
    let i18n = use_i18n();
    let action = ServerAction::<TakeSnapshot>::new();
    let value = action.value();
    let begun = move || value.get().is_some_and(|done| done.is_ok());
    view! {
        <ActionForm action attr:class="grid gap-2 max-w-[40rem]">
            <input type="hidden" name="client" value=id.to_string()/>
            <Field label=tu_string!(i18n, image.comment) id="snapshot-comment" help=tu_string!(i18n, snapshots.comment_help)>
                <input class="input" id="snapshot-comment" name="comment" maxlength="200" autocomplete="off"/>
            </Field>
            <div><button class="btn">{t!(i18n, snapshots.take)}</button></div>
            <p class="meta" role="status">
                {move || begun().then(|| view! { <a class="link" href="/activity">{t!(i18n, snapshots.taking)}</a> })}
            </p>
            <Problems fault=Signal::derive(move || value.get().and_then(Result::err))/>
        </ActionForm>
    }
    .into_any()
}

#[component]
fn Line(image: ImageId, version: VersionView) -> impl IntoView {
    let i18n = use_i18n();
    let title = match version.comment.is_empty() {
        true => tu_string!(i18n, image.version, number = version.number).to_string(),
        false => version.comment.clone(),
    };
    let author = match version.is_scheduled {
        true => tu_string!(i18n, snapshots.by_schedule).to_string(),
        false => version.author.clone(),
    };
    let head = view! {
        <span class="what">
            <span class="font-semibold">{title}</span>
            <span class="meta">
                {format::bytes(version.allocated_bytes)}" · "{author}" "
                <When at=Signal::stored(Some(version.created_at))/>
            </span>
        </span>
    };
    if !may(Role::Operator) {
        return view! { <li class="px-4 py-3">{head}</li> }.into_any();
    }
    view! {
        <li>
            <details>
                <summary>{head}</summary>
                <div class="inside">
                    <CloneForm image number=version.number/>
                    <div class="flex flex-wrap gap-2">
                        <Restore version=version.clone()/>
                        <Remove version/>
                    </div>
                </div>
            </details>
        </li>
    }
    .into_any()
}

/// Going back, with a second step that says what is lost.
#[component]
fn Restore(version: VersionView) -> impl IntoView {
    let i18n = use_i18n();
    let action = ServerAction::<RestoreSnapshot>::new();
    let value = action.value();
    view! {
        <details class="pop">
            <summary class="btn">{t!(i18n, snapshots.restore)}</summary>
            <div class="body panel grid gap-2 p-4 w-[22rem] max-w-[calc(100vw-2.5rem)]">
                <p>{t!(i18n, snapshots.restore_help)}</p>
                <ActionForm action>
                    <input type="hidden" name="snapshot" value=version.id.to_string()/>
                    <button class="btn btn-danger-solid">{t!(i18n, snapshots.restore_button)}</button>
                </ActionForm>
                <Problems fault=Signal::derive(move || value.get().and_then(Result::err))/>
            </div>
        </details>
    }
    .into_any()
}

/// Removing, with a second step that says what it frees.
#[component]
fn Remove(version: VersionView) -> impl IntoView {
    let i18n = use_i18n();
    let action = ServerAction::<RemoveSnapshot>::new();
    let value = action.value();
    let size = format::bytes(version.allocated_bytes);
    view! {
        <details class="pop">
            <summary class="btn btn-danger">{t!(i18n, images.delete)}</summary>
            <div class="body panel grid gap-2 p-4 w-[22rem] max-w-[calc(100vw-2.5rem)]">
                <p>{tu_string!(i18n, snapshots.remove_help, size = size).to_string()}</p>
                <ActionForm action>
                    <input type="hidden" name="snapshot" value=version.id.to_string()/>
                    <button class="btn btn-danger-solid">{t!(i18n, snapshots.remove_button)}</button>
                </ActionForm>
                <Problems fault=Signal::derive(move || value.get().and_then(Result::err))/>
            </div>
        </details>
    }
    .into_any()
}
