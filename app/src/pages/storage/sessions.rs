//! Who uses which disk, live.

use super::Actions;
use crate::{
    i18n::*,
    live::Live,
    start::may,
    ui::{When, format},
};
use leptos::{form::ActionForm, prelude::*};
use types::{ClientId, DiskSessionView, ExportView, Role};

/// A session with the disk that it is on.
type Row = (ExportView, DiskSessionView);

#[component]
pub fn Sessions(actions: Actions) -> impl IntoView {
    let i18n = use_i18n();
    let live = expect_context::<Live>();
    let rows = Memo::new(move |_| {
        let of = |e: &ExportView| {
            let sessions = e.sessions.iter().cloned();
            sessions.map(|s| (e.clone(), s)).collect::<Vec<Row>>()
        };
        let mut rows: Vec<Row> = live.exports.with(|all| all.iter().flat_map(of).collect());
        rows.sort_by(|a, b| (&a.0.client_name, a.1.id).cmp(&(&b.0.client_name, b.1.id)));
        rows
    });
    let sentence = move || {
        let disks = live.exports.with(Vec::len);
        let sessions = rows.with(Vec::len);
        tu_string!(i18n, storage.offered, disks = disks, n = sessions).to_string()
    };
    view! {
        // The table is the landmark: two of one name would be one too many.
        <div class="panel livedata cards">
            <div class="ph">
                <h2 id="sessions">{t!(i18n, storage.sessions)}</h2>
                <p class="meta">{sentence}</p>
            </div>
            <Show
                when=move || !rows.with(Vec::is_empty)
                fallback=move || view! {
                    <div class="empty">
                        <p>{t!(i18n, storage.no_sessions)}" "<a class="link" href="/floor">{t!(i18n, storage.to_floor)}</a></p>
                    </div>
                }
            >
                <div class="tbox" tabindex="0" role="region" aria-labelledby="sessions">
                    <table class="t">
                        <thead>
                            <tr>
                                <th scope="col">{t!(i18n, storage.computer)}</th>
                                <th scope="col">{t!(i18n, storage.disk)}</th>
                                <th scope="col">{t!(i18n, storage.protocol)}</th>
                                <th scope="col">{t!(i18n, storage.from)}</th>
                                <th scope="col" class="num">{t!(i18n, storage.since)}</th>
                                <th scope="col" class="num">{t!(i18n, storage.read)}</th>
                                <th scope="col" class="num">{t!(i18n, storage.written)}</th>
                                <th scope="col"><span class="sr-only">{t!(i18n, images.actions)}</span></th>
                            </tr>
                        </thead>
                        <tbody>
                            <For each=move || rows.get() key=|(_, s)| s.id let:row>
                                <Line row=(row.0.client_id, row.1) actions/>
                            </For>
                        </tbody>
                    </table>
                </div>
            </Show>
        </div>
    }
    .into_any()
}

#[component]
fn Line(row: (ClientId, DiskSessionView), actions: Actions) -> impl IntoView {
    let i18n = use_i18n();
    let live = expect_context::<Live>();
    let (client, session) = row;
    // What the row says of the disk changes while the session lives.
    let export = Memo::new(move |_| {
        live.exports
            .with(|all| all.iter().find(|e| e.client_id == client).cloned())
    });
    let of = move |text: fn(&ExportView) -> String| {
        move || export.with(|e| e.as_ref().map(text).unwrap_or_default())
    };
    let name = of(name_of);
    let disk = of(|e| match (&e.image_name, e.version) {
        (Some(image), Some(version)) => format!("{image} · {version}"),
        _ => "-".into(),
    });
    let id = session.id;
    view! {
        <tr data-session=id.to_string()>
            <th scope="row"><a class="link" href=format!("/floor/{client}")>{name}</a></th>
            <td data-label=tu_string!(i18n, storage.disk)>{disk}</td>
            <td data-label=tu_string!(i18n, storage.protocol)>{session.protocol.name()}</td>
            <td class="data" data-label=tu_string!(i18n, storage.from)>{session.peer.clone()}</td>
            <td class="num" data-label=tu_string!(i18n, storage.since)><When at=Signal::stored(Some(session.since))/></td>
            <td class="num" data-label=tu_string!(i18n, storage.read)>{of(|e| format::bytes(e.read_bytes))}</td>
            <td class="num" data-label=tu_string!(i18n, storage.written)>{of(|e| format::bytes(e.written_bytes))}</td>
            <td class="end">{may(Role::Operator).then(|| view! { <Cut client session=id export actions/> })}</td>
        </tr>
    }
    .into_any()
}

/// Whose disk it is.
fn name_of(export: &ExportView) -> String {
    let id = || export.client_id.to_string();
    export.client_name.clone().unwrap_or_else(id)
}

/// Cutting it off, with a second step that says what becomes of it.
#[component]
fn Cut(
    client: ClientId,
    session: u64,
    export: Memo<Option<ExportView>>,
    actions: Actions,
) -> impl IntoView {
    let i18n = use_i18n();
    let label = move || {
        let name = export.with(|e| e.as_ref().map(name_of).unwrap_or_default());
        tu_string!(i18n, storage.drop_name, name = name).to_string()
    };
    view! {
        <details class="pop my-1">
            <summary class="btn btn-danger" aria-label=label>{t!(i18n, storage.drop)}</summary>
            <div class="body grid gap-2 max-w-[min(22rem,calc(100vw-4.5rem))]">
                <p>{t!(i18n, storage.drop_help)}</p>
                <ActionForm action=actions.drop>
                    <input type="hidden" name="client" value=client.to_string()/>
                    <input type="hidden" name="session" value=session.to_string()/>
                    <button class="btn btn-danger-solid">{t!(i18n, storage.drop_button)}</button>
                </ActionForm>
            </div>
        </details>
    }
    .into_any()
}
