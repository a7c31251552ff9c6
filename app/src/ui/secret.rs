//! A secret that is shown once, with a way to copy it.

use super::Field;
use crate::i18n::*;
use leptos::prelude::*;

/// The text in a field that can be selected, and *Copy*.
#[component]
pub fn Secret(
    #[prop(into)] id: String,
    #[prop(into)] label: String,
    value: String,
) -> impl IntoView {
    let i18n = use_i18n();
    let field = NodeRef::<leptos::html::Input>::new();
    let copied = RwSignal::new(false);
    let copy = move |_| {
        #[cfg(feature = "hydrate")]
        if let Some(field) = field.get_untracked() {
            copied.set(copy_from(&field));
        }
    };
    view! {
        <Field label id=id.clone()>
            <div class="flex gap-2">
                <input class="input data" id=id readonly value=value node_ref=field spellcheck="false" autocomplete="off"/>
                <button type="button" class="btn" style="min-height:2.5rem" on:click=copy>
                    {move || if copied.get() {
                        tu_string!(i18n, tokens.copied)
                    } else {
                        tu_string!(i18n, tokens.copy)
                    }}
                </button>
            </div>
        </Field>
    }
    .into_any()
}

/// By the old command: the clipboard of scripts is only there over HTTPS, and labs speak plain HTTP.
#[cfg(feature = "hydrate")]
fn copy_from(field: &web_sys::HtmlInputElement) -> bool {
    use wasm_bindgen::JsCast;
    field.select();
    let page = document().dyn_into::<web_sys::HtmlDocument>();
    page.is_ok_and(|d| d.exec_command("copy").unwrap_or(false))
}
