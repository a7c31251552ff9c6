//! The table of computers.

use crate::{
    i18n::*,
    live::{ClientRow, Live},
    ui::{Rail, StateBadge, When, format, status},
};
use leptos::prelude::*;
use types::{BootState, ClientState};

/// All adopted computers, a row each; a row draws only its own changes.
#[component]
pub fn Table() -> impl IntoView {
    let i18n = use_i18n();
    let live = expect_context::<Live>();
    let rows = move || {
        let mut rows = live.clients.get();
        rows.retain(|r| r.view.with(|c| c.state == ClientState::Adopted));
        rows.sort_by_cached_key(|r| r.view.with_untracked(|c| c.name.clone()));
        rows
    };
    let empty = move || rows().is_empty();
    view! {
        <div class="panel livedata cards">
            <div class="ph"><h2 id="computers">{t!(i18n, floor.computers)}</h2></div>
            <Show
                when=move || !empty()
                fallback=move || view! {
                    <div class="empty">
                        <p>{t!(i18n, floor.empty)}</p>
                        <p class="mt-2"><code class="data">"nsboot client add 52:54:00:12:34:56 --name pc1"</code></p>
                    </div>
                }
            >
                <div class="tbox" tabindex="0" role="region" aria-labelledby="computers">
                    <table class="t">
                        <thead>
                            <tr>
                                <th scope="col">{t!(i18n, floor.name)}</th>
                                <th scope="col">{t!(i18n, floor.state)}</th>
                                <th scope="col">{t!(i18n, floor.boot)}</th>
                                <th scope="col" class="num">{t!(i18n, floor.took)}</th>
                                <th scope="col">{t!(i18n, floor.image)}</th>
                                <th scope="col">{t!(i18n, floor.address)}</th>
                                <th scope="col">{t!(i18n, floor.mac)}</th>
                                <th scope="col" class="num">{t!(i18n, floor.since)}</th>
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
    }
    .into_any()
}

#[component]
fn Line(row: ClientRow) -> impl IntoView {
    let i18n = use_i18n();
    let now = expect_context::<Live>().now;
    let client: Signal<types::ClientView> = Signal::from(row.view);
    let boot = Memo::new(move |_| client.with(|c| c.last_boot.clone()));
    let state = Memo::new(move |_| client.with(status));
    // A running boot counts; one that ended stands still and does not listen to the clock.
    let took = move || {
        boot.with(|b| {
            let b = b.as_ref()?;
            let end = match b.state {
                BootState::Booting => now.get(),
                _ => b.ended_at?,
            };
            Some(format::seconds(b.started_at.seconds_to(end)))
        })
    };
    let since = Signal::derive(move || {
        boot.with(|b| b.as_ref().map(|b| b.ended_at.unwrap_or(b.started_at)))
    });
    view! {
        <tr data-client=move || client.with(|c| c.name.clone())>
            <th scope="row">
                <a class="plain" href=format!("/floor/{}", row.id)>{move || client.with(|c| c.name.clone())}</a>
            </th>
            <td><StateBadge status=state/></td>
            <td class="railcell"><Rail boot now/></td>
            <td class="num" data-label=tu_string!(i18n, floor.took)>{move || took().unwrap_or_else(|| "-".into())}</td>
            <td data-label=tu_string!(i18n, floor.image)>
                {move || client.with(|c| c.image_name.clone()).unwrap_or_else(|| tu_string!(i18n, floor.no_image).into())}
            </td>
            <td class="data" data-label=tu_string!(i18n, floor.address)>
                {move || client.with(|c| c.address).map_or("-".into(), |a| a.to_string())}
            </td>
            <td class="data" data-label=tu_string!(i18n, floor.mac)>{move || client.with(|c| c.mac.to_string())}</td>
            <td class="num" data-label=tu_string!(i18n, floor.since)>{move || since.get().is_none().then_some("-")}<When at=since/></td>
        </tr>
    }
    .into_any()
}
