//! The last boots of one computer, each with its hops and what was seen.

use super::api;
use crate::{
    Fault,
    i18n::*,
    live::Live,
    ui::{HopLabels, Problems, Rail, Shape, StateShape, When, format, hop_name},
};
use leptos::{prelude::*, task::spawn_local};
use types::{BootState, BootView, ClientId};

/// The list; what comes over the socket is laid over what came with the page. `last` is the newest
/// boot that the socket told of.
#[component]
pub fn Boots(id: ClientId, last: Memo<Option<BootView>>) -> impl IntoView {
    let i18n = use_i18n();
    let live = expect_context::<Live>();
    let loaded = Resource::new_blocking(move || id, api::boots);
    let all = RwSignal::new(Vec::<BootView>::new());
    let mac = live.client(id).map(|c| c.with_untracked(|c| c.mac));
    Effect::new(move || {
        let is_its = |b: &BootView| Some(b.mac) == mac && b.is_of(id);
        let Some(boot) = live.boot.get().filter(is_its) else {
            return;
        };
        all.update(|all| lay_over(all, boot));
    });
    // Before a snapshot boots may have begun and ended unseen: while the connection was away, while
    // the page fell behind, or before it was hydrated.
    Effect::new(move |known: Option<u32>| {
        let n = live.snapshots.get();
        if known.is_some_and(|k| k != n) {
            if loaded.with_untracked(|l| matches!(l, Some(Err(_)))) {
                loaded.refetch();
            } else {
                // Not by the resource: it would draw the list anew and close what was opened in it.
                spawn_local(read_again(id, all, last));
            }
        }
        n
    });
    view! {
        <section class="panel livedata" aria-labelledby="boots">
            <div class="ph"><h2 id="boots">{t!(i18n, computer.boots)}</h2></div>
            <Suspense>
                {move || Suspend::new(async move {
                    match loaded.await {
                        Ok(boots) => {
                            all.set(boots);
                            view! { <List all/> }.into_any()
                        }
                        Err(fault) => {
                            let fault = Signal::stored(Some::<Fault>(fault));
                            view! { <div class="p-4"><Problems fault/></div> }.into_any()
                        }
                    }
                })}
            </Suspense>
        </section>
    }
    .into_any()
}

/// Reads the list behind what is shown. The visitor may have left the page meanwhile.
async fn read_again(id: ClientId, all: RwSignal<Vec<BootView>>, last: Memo<Option<BootView>>) {
    // A failure says nothing new: what is shown stays, and the header tells of a lost connection.
    let Ok(mut boots) = api::boots(id).await else {
        return;
    };
    // The socket may have told more while the answer was on its way.
    if let Some(Some(boot)) = last.try_get_untracked() {
        lay_over(&mut boots, boot);
    }
    all.try_set(boots);
}

/// The boot takes the place of its older view, or the first place.
fn lay_over(all: &mut Vec<BootView>, boot: BootView) {
    match all.iter_mut().find(|b| b.id == boot.id) {
        Some(old) => *old = boot,
        None => all.insert(0, boot),
    }
}

#[component]
fn List(all: RwSignal<Vec<BootView>>) -> impl IntoView {
    let i18n = use_i18n();
    let ids = Memo::new(move |_| all.with(|all| all.iter().map(|b| b.id).collect::<Vec<_>>()));
    let boot_of =
        move |id| Memo::new(move |_| all.with(|all| all.iter().find(|b| b.id == id).cloned()));
    view! {
        <Show
            when=move || !ids.with(Vec::is_empty)
            fallback=move || view! { <p class="empty">{t!(i18n, computer.no_boots)}</p> }
        >
            <ul>
                <For each=move || ids.get() key=|id| *id let:id>
                    <Entry boot=boot_of(id)/>
                </For>
            </ul>
        </Show>
    }
    .into_any()
}

fn shape(state: BootState) -> Shape {
    match state {
        BootState::Booting => Shape::Busy,
        BootState::Ready => Shape::Ok,
        BootState::Stopped => Shape::Fail,
        BootState::Superseded | BootState::HandedOver => Shape::Idle,
    }
}

#[component]
fn Entry(boot: Memo<Option<BootView>>) -> impl IntoView {
    let i18n = use_i18n();
    let now = expect_context::<Live>().now;
    let state = Signal::derive(move || {
        boot.with(|b| b.as_ref().map_or(BootState::Superseded, |b| b.state))
    });
    let word = move || match state.get() {
        BootState::Booting => tu_string!(i18n, boot.booting),
        BootState::Ready => tu_string!(i18n, state.ready),
        BootState::Stopped => tu_string!(i18n, boot.stopped),
        BootState::Superseded => tu_string!(i18n, boot.superseded),
        BootState::HandedOver => tu_string!(i18n, state.handed_over),
    };
    let took = move || {
        boot.with(|b| {
            let b = b.as_ref()?;
            Some(format::seconds(b.started_at.seconds_to(b.ended_at?)))
        })
    };
    let started = Signal::derive(move || boot.with(|b| b.as_ref().map(|b| b.started_at)));
    view! {
        <li class="border-t border-line px-4 py-3">
            <details>
                <summary class="grid gap-2 min-h-[2rem]">
                    <span class="flex flex-wrap items-center gap-x-4 gap-y-1">
                        <span class="st" data-s=move || shape(state.get()).key()>
                            <StateShape shape=Signal::derive(move || shape(state.get()))/>
                            {word}
                        </span>
                        <span class="data">{took}</span>
                        <span class="meta ms-auto"><When at=started/></span>
                    </span>
                    <Rail boot now/>
                    <HopLabels boot now/>
                </summary>
                <Notes boot/>
            </details>
        </li>
    }
    .into_any()
}

/// What was seen, with seconds since the first packet.
#[component]
fn Notes(boot: Memo<Option<BootView>>) -> impl IntoView {
    let i18n = use_i18n();
    let lines = move || {
        boot.get().map(|b| {
            let start = b.started_at;
            b.notes
                .into_iter()
                .map(|n| {
                    view! {
                        <li>
                            <span class="data">{format!("+{:.3} s", start.seconds_to(n.at))}</span>
                            <span class="hop">{hop_name(i18n, n.hop)}</span>
                            <span>{n.text}</span>
                        </li>
                    }
                })
                .collect_view()
        })
    };
    view! { <ol class="notes mt-3">{lines}</ol> }
}
