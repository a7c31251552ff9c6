//! What starts the WASM. Ours instead of `leptos::hydration::HydrationScripts`, which writes the
//! CSP nonce into `crossorigin`, where pages and extensions can read it, and says nothing when the
//! download fails.

use leptos::{nonce::use_nonce, prelude::*};

/// Preloads and starts the browser's part of the page.
#[component]
pub fn Scripts(options: LeptosOptions) -> impl IntoView {
    let pkg = options.site_pkg_dir.clone();
    let name = options.output_name.clone();
    // As cargo-leptos names what wasm-bindgen calls `…_bg.wasm`.
    let wasm = format!("/{pkg}/{name}.wasm");
    let js = format!("/{pkg}/{name}.js");
    let script = format!(
        "import({js:?}).then(m=>m.default({{module_or_path:{wasm:?}}}).then(()=>m.hydrate()))\
         .catch(e=>{{document.documentElement.dataset.failed=String(e);console.error(e)}})"
    );
    view! {
        <link rel="modulepreload" href=js/>
        <link rel="preload" href=wasm r#as="fetch" r#type="application/wasm" crossorigin="anonymous"/>
        <script type="module" nonce=use_nonce()>
            {script}
        </script>
    }
    .into_any()
}
