//! What takes the space: one bar and, in words, each of its parts.

use crate::{i18n::*, ui::format};
use leptos::prelude::*;
use types::{Forecast, StorageView};

/// When it will be full, as a sentence.
pub(super) fn forecast(i18n: I18n, forecast: Forecast) -> String {
    match forecast {
        Forecast::Unknown => tu_string!(i18n, storage.unknown).to_string(),
        Forecast::Steady => tu_string!(i18n, storage.steady).to_string(),
        Forecast::Full {
            days: 0,
            daily_bytes,
        } => {
            let daily = format::bytes(daily_bytes);
            tu_string!(i18n, storage.full_today, daily = daily).to_string()
        }
        Forecast::Full { days, daily_bytes } => {
            let daily = format::bytes(daily_bytes);
            tu_string!(i18n, storage.full, n = days, daily = daily).to_string()
        }
    }
}

/// Its name in the style, and in words, and what it takes.
type Part = (&'static str, &'static str, u64);

fn parts(i18n: I18n, s: &StorageView) -> [Part; 7] {
    [
        ("images", tu_string!(i18n, storage.images), s.images_bytes),
        (
            "versions",
            tu_string!(i18n, storage.versions),
            s.versions_bytes,
        ),
        (
            "overlays",
            tu_string!(i18n, storage.overlays),
            s.overlays_bytes,
        ),
        (
            "loaders",
            tu_string!(i18n, storage.loaders),
            s.loaders_bytes,
        ),
        (
            "database",
            tu_string!(i18n, storage.database),
            s.database_bytes,
        ),
        ("other", tu_string!(i18n, storage.other), s.other_bytes),
        ("free", tu_string!(i18n, storage.free_part), s.free_bytes),
    ]
}

#[component]
pub fn Space(storage: Memo<StorageView>) -> impl IntoView {
    let i18n = use_i18n();
    let bar = move || {
        let all = storage.get();
        let total = all.total_bytes.max(1) as f64;
        let width = move |bytes: u64| format!("width:{:.3}%", bytes as f64 * 100.0 / total);
        let taken = parts(i18n, &all).into_iter();
        let taken = taken.filter(|(by, _, bytes)| *by != "free" && *bytes > 0);
        taken
            .map(|(by, _, bytes)| view! { <i data-by=by style=width(bytes)></i> })
            .collect_view()
    };
    let lines = move || {
        let all = storage.get();
        parts(i18n, &all)
            .into_iter()
            .map(|(by, name, bytes)| {
                view! {
                    <div data-part=by>
                        <dt><i class="swatch" data-by=by aria-hidden="true"></i>{name}</dt>
                        <dd title=format!("{bytes} B")>{format::bytes(bytes)}</dd>
                    </div>
                }
            })
            .collect_view()
    };
    view! {
        <section class="panel livedata p-4 grid gap-4" aria-labelledby="space">
            <h2 id="space">{t!(i18n, storage.space)}</h2>
            // The list below says the same in words.
            <div class="space" aria-hidden="true">{bar}</div>
            <dl class="facts parts">{lines}</dl>
        </section>
    }
    .into_any()
}
