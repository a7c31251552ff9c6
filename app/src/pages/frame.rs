//! The frame around every signed-in page: navigation, connection, account.

use super::{Place, activity::Drawer, navigation, settings::Banner};
use crate::{
    i18n::*,
    live::{Link, Live},
    start::Start,
    ui::{Shape, StateShape, format},
};
use leptos::prelude::*;
use leptos_router::{components::Outlet, hooks::use_location};
use types::Role;

/// The signed-in frame; without a session it shows nothing (the server has sent the visitor on).
#[component]
pub fn Frame() -> impl IntoView {
    let i18n = use_i18n();
    if expect_context::<Start>().me.is_none() {
        // Reached by a move inside the page, as after signing in: what it needs comes with a load.
        Effect::new(|| {
            let _ = window().location().reload();
        });
        return view! { <main id="main"></main> }.into_any();
    }
    let link = expect_context::<Live>().link;
    let stale = move || matches!(link.get(), Link::Lost(_)).then_some("");
    view! {
        <a class="skip btn" href="#main">{t!(i18n, nav.skip)}</a>
        <header class="top">
            <a class="brand" href="/floor">"nsboot"</a>
            <Navigation/>
            <div class="ms-auto flex items-center gap-4">
                <Connection/>
                <Drawer/>
                <Account/>
            </div>
        </header>
        <Banner/>
        <main id="main" class="page" tabindex="-1" data-stale=stale>
            <Outlet/>
        </main>
    }
    .into_any()
}

#[component]
fn Navigation() -> impl IntoView {
    let i18n = use_i18n();
    let path = use_location().pathname;
    let me = expect_context::<Start>().me;
    let role = me.map_or(Role::Viewer, |m| m.role);
    let item = move |(place, name): (Place, &'static str)| match place {
        Place::Page(href) => {
            let current = move || {
                let here = path.get();
                let beside = [("/", "/floor"), ("/storage", "/images")];
                let is_beside = beside.contains(&(here.as_str(), href));
                (here.starts_with(href) || is_beside).then_some("page")
            };
            view! { <li><a href=href aria-current=current>{name}</a></li> }.into_any()
        }
        Place::Later => view! {
            <li>
                <span class="later">{name}<small>{t!(i18n, nav.later)}</small></span>
            </li>
        }
        .into_any(),
    };
    view! {
        <nav class="mainnav" aria-label=tu_string!(i18n, nav.label)>
            <ul>{navigation(i18n, role).into_iter().map(item).collect_view()}</ul>
        </nav>
    }
    .into_any()
}

/// How the page hangs on the server, in words.
#[component]
fn Connection() -> impl IntoView {
    let i18n = use_i18n();
    let live = expect_context::<Live>();
    let shape = Signal::derive(move || match live.link.get() {
        Link::Connecting => Shape::Idle,
        Link::Live => Shape::Ok,
        Link::Lost(_) => Shape::Stale,
    });
    let words = move || match live.link.get() {
        Link::Connecting => tu_string!(i18n, link.connecting).to_string(),
        Link::Live => tu_string!(i18n, link.live).to_string(),
        Link::Lost(at) => {
            let age = format::age(at, live.now.get());
            tu_string!(i18n, link.lost, age = age).to_string()
        }
    };
    view! {
        <span class="conn st" data-s=move || shape.get().key() data-lost=move || matches!(live.link.get(), Link::Lost(_)).then_some("")>
            <StateShape shape/>
            <span>{words}</span>
        </span>
    }
    .into_any()
}

/// Who is signed in, the theme, the way out. Plain forms: they work before and without WASM.
#[component]
fn Account() -> impl IntoView {
    let i18n = use_i18n();
    let start = expect_context::<Start>();
    let name = start.me.map(|m| m.username).unwrap_or_default();
    let theme = |value: &'static str, text: &'static str| {
        let chosen = start.theme.as_deref().unwrap_or("system") == value;
        view! {
            <button name="theme" value=value aria-pressed=if chosen { "true" } else { "false" }>
                {text}{chosen.then_some(" ✓")}
            </button>
        }
    };
    view! {
        <details class="pop">
            <summary class="btn">{name.clone()}</summary>
            <div class="menu">
                <p class="who">{t!(i18n, account.signed_in, name = name)}</p>
                <a href="/account">{t!(i18n, account.own)}</a>
                <a href="/settings">{t!(i18n, settings.heading)}</a>
                <form method="post" action="/fn/theme">
                    {theme("light", tu_string!(i18n, account.light))}
                    {theme("dark", tu_string!(i18n, account.dark))}
                    {theme("system", tu_string!(i18n, account.system))}
                </form>
                <form method="post" action="/fn/logout">
                    <button>{t!(i18n, account.sign_out)}</button>
                </form>
            </div>
        </details>
    }
    .into_any()
}

/// No such page.
#[component]
pub fn Missing() -> impl IntoView {
    view! { <main id="main" class="page"><NotHere/></main> }.into_any()
}

/// What was asked for is not here; inside a page's frame or alone.
#[component]
pub fn NotHere() -> impl IntoView {
    let i18n = use_i18n();
    #[cfg(feature = "ssr")]
    crate::ssr::set_status(404);
    view! {
        <h1>{t!(i18n, missing.title)}</h1>
        <p><a class="link" href="/floor">{t!(i18n, missing.back)}</a></p>
    }
    .into_any()
}
