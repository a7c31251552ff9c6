//! Every page, component and server function of NSBoot; compiles to WASM (`hydrate`) and natively
//! (`ssr`). `shell` is the document, `App` what is in it; `pages` is the list of pages.

// Views are types nested as deep as the page.
#![recursion_limit = "512"]

mod api;
mod fault;
mod live;
mod pages;
mod scripts;
#[cfg(feature = "ssr")]
pub mod ssr;
mod start;
mod ui;

/// Made by the build script from `locales/*.json`: a missing key does not compile.
// Generated code: its shape is not ours.
#[allow(dead_code, unused_imports, missing_docs, clippy::all)]
mod i18n {
    include!(concat!(env!("OUT_DIR"), "/i18n.rs"));
    pub use i18n::*;

    /// The handle that the text macros take.
    pub type I18n = leptos_i18n::I18nContext<Locale>;
}

pub use fault::Fault;
pub use pages::App;

use leptos::prelude::*;
use leptos_meta::MetaTags;

/// The text of `Leptos.toml`: the run-time options, so that a bare binary starts with no file and
/// no environment. `leptos::config::get_config_from_str` reads it.
pub const LEPTOS_TOML: &str = include_str!("../../Leptos.toml");

/// The HTML document around [`App`].
pub fn shell(options: LeptosOptions) -> impl IntoView {
    let theme = start::theme_of_request();
    #[cfg(feature = "ssr")]
    ssr::content_security_policy();
    view! {
        <!DOCTYPE html>
        <html lang="en" data-theme=theme>
            <head>
                <meta charset="utf-8"/>
                <meta name="viewport" content="width=device-width, initial-scale=1"/>
                <meta name="color-scheme" content="light dark"/>
                <link rel="icon" href="/favicon.svg" type="image/svg+xml"/>
                <link
                    rel="preload"
                    href="/fonts/atkinson-hyperlegible-next-latin-wght-normal.woff2"
                    r#as="font"
                    r#type="font/woff2"
                    crossorigin="anonymous"
                />
                <link
                    rel="stylesheet"
                    id="leptos"
                    href=format!("/{}/{}.css", options.site_pkg_dir, options.output_name)
                />
                <AutoReload options=options.clone()/>
                <scripts::Scripts options/>
                <MetaTags/>
            </head>
            <body>
                <App/>
            </body>
        </html>
    }
}

#[cfg(all(test, feature = "ssr"))]
mod tests {
    /// cargo-leptos reads only Cargo.toml, the server only Leptos.toml: they must say the same.
    #[test]
    fn run_time_options_agree_with_the_build() {
        let build = include_str!("../../Cargo.toml");
        let (_, build) = build
            .split_once("[[workspace.metadata.leptos]]")
            .expect("the build's block");
        for line in crate::LEPTOS_TOML.lines().filter(|l| l.contains('=')) {
            if !line.starts_with("env ") {
                assert!(
                    build.lines().any(|b| b == line),
                    "not in Cargo.toml: {line}"
                );
            }
        }
    }
}
