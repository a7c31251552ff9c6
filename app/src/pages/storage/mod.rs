//! `/storage`: what takes space and for how long it will do, who uses which disk, and what is nobody's.

pub mod api;
mod orphans;
mod sessions;
mod space;
mod tree;

use crate::{
    i18n::*,
    live::Live,
    ui::{Problems, format},
};
use api::{DropSession, RemoveOverlay, Whole};
use leptos::prelude::*;
use leptos_meta::Title;
use orphans::Orphans;
use sessions::Sessions;
use space::{Space, forecast};
use tree::Tree;
use types::{OverlayView, StorageView};

/// What the forms of the page share: a refusal is shown once, above.
#[derive(Clone, Copy)]
struct Actions {
    drop: ServerAction<DropSession>,
    remove: ServerAction<RemoveOverlay>,
}

/// The page.
#[component]
pub fn Storage() -> impl IntoView {
    let i18n = use_i18n();
    let loaded = Resource::new_blocking(|| (), |()| api::read_storage());
    view! {
        <Title text=tu_string!(i18n, storage.title)/>
        <Transition>
            {move || Suspend::new(async move {
                match loaded.await {
                    Ok(whole) => view! { <Sheet whole/> }.into_any(),
                    Err(fault) => {
                        let fault = Signal::stored(Some(fault));
                        view! { <h1>{t!(i18n, storage.heading)}</h1> <Problems fault/> }.into_any()
                    }
                }
            })}
        </Transition>
    }
    .into_any()
}

/// Drawn once: what changes is in signals, so that nothing that is open closes.
#[component]
fn Sheet(whole: Whole) -> impl IntoView {
    let live = expect_context::<Live>();
    let actions = Actions {
        drop: ServerAction::new(),
        remove: ServerAction::new(),
    };
    let overlays = RwSignal::new(whole.overlays);
    live.exports.set(whole.exports);
    live.storage.set(Some(whole.storage));
    keep_true(live, actions, overlays);
    let storage = Memo::new(move |_| live.storage.get().unwrap_or(whole.storage));
    let refused = move || {
        let dropped = actions.drop.value().get().and_then(Result::err);
        dropped.or_else(|| actions.remove.value().get().and_then(Result::err))
    };
    view! {
        <Head storage/>
        <Problems fault=Signal::derive(refused)/>
        <Space storage/>
        <Orphans overlays actions/>
        <Sessions actions/>
        <Tree overlays actions/>
    }
    .into_any()
}

/// Reads anew what no event carries: overlays whenever space has changed, and all of it after changes may
/// have passed unseen.
fn keep_true(live: Live, actions: Actions, overlays: RwSignal<Vec<OverlayView>>) {
    let again = Action::new(|(): &()| api::read_storage());
    let measured = Memo::new(move |_| live.storage.with(|s| s.map(|s| s.overlays_bytes)));
    let done = move || (actions.drop.version().get(), actions.remove.version().get());
    Effect::new(move |before: Option<()>| {
        let _seen = (live.snapshots.get(), measured.get(), done());
        if before.is_some() {
            again.dispatch(());
        }
    });
    Effect::new(move |_| {
        if let Some(Ok(whole)) = again.value().get() {
            overlays.set(whole.overlays);
            live.exports.set(whole.exports);
            live.storage.set(Some(whole.storage));
        }
    });
}

#[component]
fn Head(storage: Memo<StorageView>) -> impl IntoView {
    let i18n = use_i18n();
    let heading = move || {
        let free = storage.with(|s| format::bytes(s.free_bytes));
        tu_string!(i18n, storage.free, free = free).to_string()
    };
    let sentence = move || {
        storage.with(|s| {
            let (all, percent) = (format::bytes(s.total_bytes), s.free_percent());
            let words = forecast(i18n, s.forecast);
            tu_string!(
                i18n,
                storage.sentence,
                all = all,
                percent = percent,
                forecast = words
            )
            .to_string()
        })
    };
    let is_low = Memo::new(move |_| storage.with(|s| s.is_low.then_some(s.warn_free_percent)));
    view! {
        <nav class="filter" aria-label=tu_string!(i18n, storage.views)>
            <ul>
                <li><a href="/images">{t!(i18n, nav.images)}</a></li>
                <li><a href="/storage" aria-current="page">{t!(i18n, storage.heading)}</a></li>
            </ul>
        </nav>
        <div class="head">
            <div>
                <h1 class="livedata">{heading}</h1>
                <p class="text-ink-2 livedata" id="forecast">{sentence}</p>
            </div>
        </div>
        {move || is_low.get().map(|percent| view! {
            <div class="alert" role="status">
                <strong>{t!(i18n, storage.low)}</strong>
                <p>{tu_string!(i18n, storage.low_help, percent = percent).to_string()}</p>
            </div>
        })}
    }
    .into_any()
}
