//! `/firmware`: how each kind of firmware boots, how that went, and what is pinned.

pub mod api;
mod forms;

use crate::{i18n::*, live::Live, start::may, ui::When};
use forms::{Forget, Pin, PinComputer, Unpin};
use leptos::prelude::*;
use leptos_meta::Title;
use types::{FirmwareView, Role};

/// The list of what is known of firmware.
#[component]
pub fn Firmware() -> impl IntoView {
    let i18n = use_i18n();
    let live = expect_context::<Live>();
    view! {
        <Title text=tu_string!(i18n, firmware.title)/>
        <div class="head">
            <div>
                <h1>{t!(i18n, firmware.heading)}</h1>
                <p class="text-ink-2 max-w-[70ch]">{t!(i18n, firmware.sentence)}</p>
            </div>
        </div>
        <section class="panel livedata" aria-labelledby="kinds">
            <div class="ph"><h2 id="kinds">{t!(i18n, firmware.kinds)}</h2></div>
            <Show
                when=move || !live.firmware.with(Vec::is_empty)
                fallback=move || view! { <p class="empty">{t!(i18n, firmware.none)}</p> }
            >
                <ul class="stream">
                    <For each=move || live.firmware.get() key=|f| (f.id, f.revision, f.worked, f.failed, f.quirks) let:kind>
                        <Line kind/>
                    </For>
                </ul>
            </Show>
        </section>
        {may(Role::Operator).then(|| view! { <PinComputer/> })}
    }
    .into_any()
}

/// Whom it is about, in words.
fn whom(kind: &FirmwareView) -> String {
    match (&kind.client_name, kind.client_id) {
        (Some(client), _) => client.clone(),
        (None, Some(id)) => id.to_string(),
        (None, None) => format!("{} {}", kind.oui, kind.vendor_class),
    }
}

#[component]
fn Line(kind: FirmwareView) -> impl IntoView {
    let i18n = use_i18n();
    let whom = whom(&kind);
    let way = match kind.quirks.is_usual() {
        true => tu_string!(i18n, firmware.usual).to_string(),
        false => kind.quirks.to_string(),
    };
    let counts = tu_string!(
        i18n,
        firmware.counts,
        worked = kind.worked,
        failed = kind.failed
    );
    let pinned = kind.pinned.then(|| {
        view! { <span class="tag">{t!(i18n, firmware.pinned)}</span> }
    });
    let newest = kind.last_worked_at.max(kind.last_failed_at);
    let head = view! {
        <span class="what">
            <span class="font-semibold data">{whom.clone()}</span>
            <span>{way}</span>
            {pinned}
            <span class="meta">{counts.to_string()}" "<When at=Signal::stored(newest)/></span>
        </span>
    };
    if !may(Role::Operator) {
        return view! { <li class="px-4 py-3" data-firmware=whom>{head}</li> }.into_any();
    }
    view! {
        <li data-firmware=whom>
            <details>
                <summary>{head}</summary>
                <div class="inside">
                    <Pin kind=kind.clone()/>
                    <div class="flex flex-wrap gap-2">
                        {(kind.pinned && kind.client_id.is_none()).then(|| view! { <Unpin kind=kind.clone()/> })}
                        <Forget kind/>
                    </div>
                </div>
            </details>
        </li>
    }
    .into_any()
}
