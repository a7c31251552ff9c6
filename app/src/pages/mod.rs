//! THE list of pages: each one folder, one route and, when it has one, one place in the navigation.

mod account;
mod activity;
mod boot;
mod computer;
mod door;
mod firmware;
mod floor;
mod frame;
mod image;
mod images;
mod lazy;
mod loaders;
mod network;
mod settings;
mod storage;
mod users;

use crate::{i18n::*, live::Live, start::Start};
use frame::{Frame, Missing};
use lazy::{
    AccountPage, ActivityPage, BootPage, ComputerPage, FirmwarePage, FloorPage, ImagePage,
    ImagesPage, LoadersPage, NetworkPage, SettingsPage, StoragePage, UsersPage,
};
use leptos::prelude::*;
use leptos_meta::{Title, provide_meta_context};
use leptos_router::{
    Lazy,
    components::{ParentRoute, Route, Router, Routes},
    path,
};
use types::Role;

/// A place in the main navigation.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    Page(&'static str),
    /// Planned: shown, so that nobody looks for it elsewhere, and no link.
    Later,
}

/// The main navigation for somebody of that role, in its order.
pub(crate) fn navigation(i18n: I18n, role: Role) -> Vec<(Place, &'static str)> {
    let mut places = vec![
        (Place::Page("/floor"), tu_string!(i18n, nav.floor)),
        (Place::Page("/boot"), tu_string!(i18n, nav.boot)),
        (Place::Page("/images"), tu_string!(i18n, nav.images)),
        (Place::Page("/loaders"), tu_string!(i18n, nav.loaders)),
        (Place::Page("/firmware"), tu_string!(i18n, nav.firmware)),
        (Place::Later, tu_string!(i18n, nav.services)),
        (Place::Later, tu_string!(i18n, nav.builds)),
        (Place::Later, tu_string!(i18n, nav.nodes)),
        (Place::Page("/network"), tu_string!(i18n, nav.network)),
        (Place::Page("/activity"), tu_string!(i18n, nav.activity)),
    ];
    if role >= Role::Admin {
        places.push((Place::Page("/users"), tu_string!(i18n, nav.users)));
    }
    places
}

/// Everything inside `<body>`. In the browser `hydrated` turns true once the page is taken over.
#[component]
pub fn App(#[prop(optional)] hydrated: Option<ArcRwSignal<bool>>) -> impl IntoView {
    provide_meta_context();
    let start = Start::read();
    let live = Live::new(&start);
    provide_context(live);
    #[cfg(feature = "hydrate")]
    if let (Some(hydrated), Some(me)) = (hydrated, &start.me) {
        let topics = types::Topics::readable(me.role);
        Effect::new(move || {
            if hydrated.get() {
                live.open(topics);
            }
        });
    }
    #[cfg(not(feature = "hydrate"))]
    let _ = hydrated;
    provide_context(start);
    view! {
        <I18nContextProvider enable_cookie=false set_lang_attr_on_html=false set_dir_attr_on_html=false>
            <Title text="NSBoot"/>
            <Router>
                <Routes fallback=|| view! { <Missing/> }>
                    <Route path=path!("/login") view=door::Login/>
                    <Route path=path!("/setup") view=door::Setup/>
                    <ParentRoute path=path!("") view=Frame>
                        <Route path=path!("/") view={Lazy::<FloorPage>::new()}/>
                        <Route path=path!("/floor") view={Lazy::<FloorPage>::new()}/>
                        <Route path=path!("/floor/:id") view={Lazy::<ComputerPage>::new()}/>
                        <Route path=path!("/boot") view={Lazy::<BootPage>::new()}/>
                        <Route path=path!("/images") view={Lazy::<ImagesPage>::new()}/>
                        <Route path=path!("/images/:id") view={Lazy::<ImagePage>::new()}/>
                        <Route path=path!("/storage") view={Lazy::<StoragePage>::new()}/>
                        <Route path=path!("/loaders") view={Lazy::<LoadersPage>::new()}/>
                        <Route path=path!("/firmware") view={Lazy::<FirmwarePage>::new()}/>
                        <Route path=path!("/network") view={Lazy::<NetworkPage>::new()}/>
                        <Route path=path!("/activity") view={Lazy::<ActivityPage>::new()}/>
                        <Route path=path!("/users") view={Lazy::<UsersPage>::new()}/>
                        <Route path=path!("/settings") view={Lazy::<SettingsPage>::new()}/>
                        <Route path=path!("/account") view={Lazy::<AccountPage>::new()}/>
                    </ParentRoute>
                </Routes>
            </Router>
        </I18nContextProvider>
    }
    .into_any()
}
