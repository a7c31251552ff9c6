//! Hydrates `app` in the browser; nothing else.

use leptos::{mount::hydrate_from_async, prelude::*};
use wasm_bindgen::prelude::wasm_bindgen;

/// Called by the page's script once the WASM is there.
#[wasm_bindgen]
pub fn hydrate() {
    console_error_panic_hook::set_once();
    wasm_bindgen_futures::spawn_local(async {
        let hydrated = ArcRwSignal::new(false);
        let told = hydrated.clone();
        // Waits for the shown page's own WASM, too.
        hydrate_from_async(document().body().expect("a page has a body"), move || {
            view! { <app::App hydrated=told/> }
        })
        .await
        .forget();
        hydrated.set(true);
        // Tests and style wait for this: from here on buttons that need WASM work.
        if let Some(html) = document().document_element() {
            let _ = html.set_attribute("data-hydrated", "");
        }
    });
}
