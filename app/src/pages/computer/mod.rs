//! `/floor/{id}`: one computer, its boot hop by hop, and its last boots.

pub mod api;
mod boots;
mod choice;
mod forms;
mod snapshots;

use super::frame::NotHere;
use crate::{
    i18n::*,
    live::Live,
    start::may,
    ui::{HopLabels, Rail, StateBadge, format, status},
};
use boots::Boots;
use choice::Choice;
use forms::{Edit, Remove};
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_params_map;
use snapshots::Snapshots;
use types::{ClientId, ClientView, Fill, Role};

/// The page of the computer in the address.
#[component]
pub fn Computer() -> impl IntoView {
    let live = expect_context::<Live>();
    let params = use_params_map();
    let id =
        Memo::new(move |_| params.with(|p| p.get("id").and_then(|id| id.parse::<ClientId>().ok())));
    // Tracks the list, so that a computer removed elsewhere leaves this page too.
    let view = Memo::new(move |_| {
        live.clients.track();
        id.get().filter(|id| live.client(*id).is_some())
    });
    move || match view.get().and_then(|id| live.client(id)) {
        Some(view) => view! { <Sheet view/> }.into_any(),
        None => view! { <NotHere/> }.into_any(),
    }
}

#[component]
fn Sheet(view: ArcRwSignal<ClientView>) -> impl IntoView {
    let i18n = use_i18n();
    let now = expect_context::<Live>().now;
    let client: Signal<ClientView> = Signal::from(view);
    let id = client.with_untracked(|c| c.id);
    let boot = Memo::new(move |_| client.with(|c| c.last_boot.clone()));
    let state = Memo::new(move |_| client.with(status));
    let name = move || client.with(|c| c.name.clone());
    view! {
        <Title text=move || tu_string!(i18n, computer.title, name = name()).to_string()/>
        <p class="-mb-3"><a class="link meta" href="/floor">{t!(i18n, nav.floor)}</a></p>
        <div class="head">
            <div class="flex flex-wrap items-center gap-4">
                <h1>{name}</h1>
                <span class="livedata"><StateBadge status=state/></span>
            </div>
            {may(Role::Operator).then(|| view! {
                <div class="actions">
                    <Edit client/>
                    <Remove client/>
                </div>
            })}
        </div>
        <section class="panel livedata grid gap-4 p-4" aria-labelledby="this-boot">
            <h2 id="this-boot">{t!(i18n, computer.this_boot)}</h2>
            <div>
                <Rail boot now big=true/>
                <HopLabels boot now/>
            </div>
            {move || boot.with(|b| b.as_ref().and_then(|b| b.cause.clone())).map(|c| view! {
                <div class="alert">
                    <strong>{c.title}</strong>
                    <p>{c.hint}</p>
                </div>
            })}
        </section>
        <section class="panel livedata p-4" aria-labelledby="facts">
            <h2 id="facts" class="mb-3">{t!(i18n, computer.facts)}</h2>
            <Facts client/>
        </section>
        <Choice client/>
        <Snapshots client/>
        <Boots id last=boot/>
    }
    .into_any()
}

/// Label and value, the value changing live; empty values show a dash.
fn fact(
    label: &'static str,
    value: impl Fn() -> Option<String> + Send + Sync + 'static,
) -> impl IntoView {
    view! {
        <div>
            <dt>{label}</dt>
            <dd>{move || value().filter(|v| !v.is_empty()).unwrap_or_else(|| "-".into())}</dd>
        </div>
    }
}

/// What it wrote to the disk that it starts from, and the most that it may.
fn changes(i18n: I18n, client: &ClientView) -> String {
    held(i18n, client.overlay_bytes, client.overlay_limit_bytes)
}

/// Its data disks in their order, each with what it wrote there.
fn data_disks(i18n: I18n, client: &ClientView) -> String {
    let disk = |d: &types::DataDiskView| {
        let held = held(i18n, d.overlay_bytes, d.overlay_limit_bytes);
        let name = d.image_name.clone();
        format!(
            "{} ({held})",
            name.unwrap_or_else(|| d.image_id.to_string())
        )
    };
    let all: Vec<_> = client.data_disks.iter().map(disk).collect();
    all.join(", ")
}

fn held(i18n: I18n, bytes: u64, limit_bytes: Option<u64>) -> String {
    let held = format::bytes(bytes);
    let Some(limit) = limit_bytes.map(format::bytes) else {
        return held;
    };
    let of = tu_string!(i18n, computer.overlay_of, held = held, limit = limit).to_string();
    match Fill::of(bytes, limit_bytes) {
        Fill::Room => of,
        Fill::Nearly => format!("{of}, {}", tu_string!(i18n, computer.nearly_full)),
        Fill::Full => format!("{of}, {}", tu_string!(i18n, computer.full)),
    }
}

#[component]
fn Facts(client: Signal<ClientView>) -> impl IntoView {
    let i18n = use_i18n();
    // What the booted system measured, of the boot that is shown.
    let measured = move || client.with(|c| c.last_boot.as_ref().and_then(|b| b.facts.clone()));
    let rate = |n: u64| format!("{}/s", format::bytes(n));
    let mode = move || {
        client.with(|c| match c.mode {
            types::OverlayMode::Reset => tu_string!(i18n, mode.reset).to_string(),
            types::OverlayMode::Keep => tu_string!(i18n, mode.keep).to_string(),
        })
    };
    view! {
        <dl class="facts">
            {fact(tu_string!(i18n, floor.mac), move || client.with(|c| Some(c.mac.to_string())))}
            {fact(tu_string!(i18n, floor.address), move || client.with(|c| c.address.map(|a| a.to_string())))}
            {fact(tu_string!(i18n, floor.image), move || client.with(|c| c.image_name.clone()))}
            {fact(tu_string!(i18n, mode.label), move || Some(mode()))}
            {fact(tu_string!(i18n, computer.overlay), move || client.with(|c| Some(changes(i18n, c))))}
            {fact(tu_string!(i18n, computer.data_disks), move || client.with(|c| Some(data_disks(i18n, c))))}
            {fact(tu_string!(i18n, computer.kind), move || client.with(|c| Some(if c.is_virtual {
                tu_string!(i18n, computer.is_virtual).to_string()
            } else {
                tu_string!(i18n, computer.is_real).to_string()
            })))}
            {fact(tu_string!(i18n, computer.kernel), move || measured().and_then(|f| f.kernel))}
            {fact(tu_string!(i18n, computer.root), move || measured().and_then(|f| f.root))}
            {fact(tu_string!(i18n, computer.link), move || measured().and_then(|f| f.link_mbps).map(|n| format!("{n} Mb/s")))}
            {fact(tu_string!(i18n, computer.read), move || measured().and_then(|f| f.disk_read_bytes_per_second).map(rate))}
            {fact(tu_string!(i18n, computer.write), move || measured().and_then(|f| f.disk_write_bytes_per_second).map(rate))}
            {fact(tu_string!(i18n, computer.memory), move || measured().and_then(|f| f.memory_bytes).map(format::bytes))}
        </dl>
    }
    .into_any()
}
