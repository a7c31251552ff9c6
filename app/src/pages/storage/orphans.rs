//! Overlays that no computer has any more, or that are on no version that is there; nothing is shown while there are none.

use super::Actions;
use crate::{i18n::*, start::may, ui::format};
use leptos::{form::ActionForm, prelude::*};
use types::{DiskId, OverlayView, Role};

#[component]
pub fn Orphans(overlays: RwSignal<Vec<OverlayView>>, actions: Actions) -> impl IntoView {
    let i18n = use_i18n();
    let orphans = Memo::new(move |_| {
        let all = overlays.get().into_iter();
        all.filter(|o| o.is_orphan || o.image_id.is_none())
            .collect::<Vec<_>>()
    });
    view! {
        <Show when=move || !orphans.with(Vec::is_empty)>
            <section class="panel livedata" aria-labelledby="orphans">
                <div class="ph">
                    <h2 id="orphans">{t!(i18n, storage.orphans)}</h2>
                    <p class="meta">{t!(i18n, storage.orphans_help)}</p>
                </div>
                <ul class="stream border-t border-line">
                    <For each=move || orphans.get() key=|o| o.id let:orphan>
                        <li class="px-4 py-3" data-orphan=orphan.id.to_string()>
                            <span class="what">
                                <span class="data">{name_of(&orphan)}</span>
                                <span class="meta">{was_on(i18n, &orphan)}" · "{format::bytes(orphan.bytes)}</span>
                            </span>
                            {may(Role::Operator).then(|| view! {
                                <div>
                                    <Remove
                                        disk=orphan.id
                                        name=name_of(&orphan)
                                        class="btn btn-danger"
                                        actions
                                    />
                                </div>
                            })}
                        </li>
                    </For>
                </ul>
            </section>
        </Show>
    }
    .into_any()
}

fn was_on(i18n: I18n, overlay: &OverlayView) -> String {
    match (&overlay.image_name, overlay.version) {
        (Some(image), Some(version)) => format!("{image} · {version}"),
        _ => tu_string!(i18n, storage.no_version).to_string(),
    }
}

/// Removing an overlay, with a second step.
#[component]
pub fn Remove(
    disk: DiskId,
    name: String,
    /// How the first step looks.
    class: &'static str,
    actions: Actions,
) -> impl IntoView {
    let i18n = use_i18n();
    let label = tu_string!(i18n, storage.remove_name, name = name).to_string();
    view! {
        <details class="pop">
            <summary class=class aria-label=label>{t!(i18n, images.delete)}</summary>
            <div class="body grid gap-2 max-w-[min(22rem,calc(100vw-4.5rem))]">
                <p>{t!(i18n, storage.remove_help)}</p>
                <ActionForm action=actions.remove>
                    <input type="hidden" name="disk" value=disk.to_string()/>
                    <button class="btn btn-danger-solid">{t!(i18n, storage.remove_button)}</button>
                </ActionForm>
            </div>
        </details>
    }
    .into_any()
}

fn name_of(orphan: &OverlayView) -> String {
    let name = orphan.client_name.clone();
    name.unwrap_or_else(|| orphan.id.to_string())
}
