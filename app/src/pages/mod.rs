//! THE list of pages: each one folder, one route and, when it has one, one place in the navigation.

mod computer;
mod door;
mod floor;
mod frame;
mod images;
mod network;

use crate::{i18n::*, live::Live, start::Start};
use frame::{Frame, Missing};
use leptos::prelude::*;
use leptos_meta::{Title, provide_meta_context};
use leptos_router::{
    components::{ParentRoute, Route, Router, Routes},
    path,
};

/// A place in the main navigation.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    Page(&'static str),
    /// Planned: shown, so that nobody looks for it elsewhere, and no link.
    Later,
}

/// The main navigation, in its order.
pub(crate) fn navigation(i18n: I18n) -> [(Place, &'static str); 6] {
    [
        (Place::Page("/floor"), tu_string!(i18n, nav.floor)),
        (Place::Page("/images"), tu_string!(i18n, nav.images)),
        (Place::Later, tu_string!(i18n, nav.services)),
        (Place::Later, tu_string!(i18n, nav.builds)),
        (Place::Later, tu_string!(i18n, nav.nodes)),
        (Place::Page("/network"), tu_string!(i18n, nav.network)),
    ]
}

/// Everything inside `<body>`.
#[component]
pub fn App() -> impl IntoView {
    provide_meta_context();
    let start = Start::read();
    provide_context(Live::new(&start));
    provide_context(start);
    // Tests and style wait for this: from here on buttons that need WASM work.
    Effect::new(|| {
        if let Some(html) = document().document_element() {
            let _ = html.set_attribute("data-hydrated", "");
        }
    });
    view! {
        <I18nContextProvider enable_cookie=false set_lang_attr_on_html=false set_dir_attr_on_html=false>
            <Title text="NSBoot"/>
            <Router>
                <Routes fallback=|| view! { <Missing/> }>
                    <Route path=path!("/login") view=door::Login/>
                    <Route path=path!("/setup") view=door::Setup/>
                    <ParentRoute path=path!("") view=Frame>
                        <Route path=path!("/") view=floor::Floor/>
                        <Route path=path!("/floor") view=floor::Floor/>
                        <Route path=path!("/floor/:id") view=computer::Computer/>
                        <Route path=path!("/images") view=images::Images/>
                        <Route path=path!("/network") view=network::Network/>
                    </ParentRoute>
                </Routes>
            </Router>
        </I18nContextProvider>
    }
    .into_any()
}
