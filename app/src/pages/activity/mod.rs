//! `/activity`: jobs and, for administrators, the audit log, in one stream with the newest first.

pub mod api;
mod drawer;
mod entries;
mod jobs;
pub(super) mod stream;
pub(super) mod words;

pub use drawer::Drawer;

use crate::{
    i18n::*,
    live::Live,
    start::{Start, may},
    ui::Problems,
};
use api::{Lines, VerifyAudit};
use entries::EntryLine;
use jobs::JobLine;
use leptos::{form::ActionForm, prelude::*, task::spawn_local};
use leptos_meta::Title;
use leptos_router::{hooks::use_query_map, params::ParamsMap};
use stream::{Item, Line, Page};
use types::{JobId, Role};

/// What of the stream is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Show {
    All,
    Jobs,
    Changes,
    Refused,
}

impl Show {
    /// From the word in the address; below administrators there are only jobs.
    pub fn read(word: &str, role: Role) -> Show {
        match word {
            _ if role < Role::Admin => Show::Jobs,
            "jobs" => Show::Jobs,
            "changes" => Show::Changes,
            "refused" => Show::Refused,
            _ => Show::All,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Show::All => "all",
            Show::Jobs => "jobs",
            Show::Changes => "changes",
            Show::Refused => "refused",
        }
    }

    #[cfg(feature = "ssr")]
    fn has_jobs(self) -> bool {
        matches!(self, Show::All | Show::Jobs)
    }

    /// None for no entries; else the result that the log is filtered for.
    #[cfg(feature = "ssr")]
    fn entries(self) -> Option<Option<&'static str>> {
        match self {
            Show::All => Some(None),
            Show::Jobs => None,
            Show::Changes => Some(Some("ok")),
            Show::Refused => Some(Some("refused")),
        }
    }

    /// Whether something new belongs here.
    fn takes(self, item: &Item) -> bool {
        match (self, item) {
            (Show::All, _) => true,
            (Show::Jobs, Item::Job(_)) => true,
            (Show::Changes, Item::Entry(e)) => !words::is_refused(e),
            (Show::Refused, Item::Entry(e)) => words::is_refused(e),
            _ => false,
        }
    }
}

/// Where in the stream the page is: all of it stands in the address.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(in crate::pages) struct Place {
    show: Show,
    job: Option<JobId>,
    entry: Option<u64>,
}

impl Place {
    fn read(query: &ParamsMap, role: Role) -> Place {
        Place {
            show: Show::read(&query.get("show").unwrap_or_default(), role),
            job: query.get("job").and_then(|t| t.parse().ok()),
            entry: query.get("entry").and_then(|t| t.parse().ok()),
        }
    }

    fn is_newest(self) -> bool {
        self.job.is_none() && self.entry.is_none()
    }

    fn href(self) -> String {
        let job = self.job.map(|id| format!("&job={id}")).unwrap_or_default();
        let entry = self
            .entry
            .map(|n| format!("&entry={n}"))
            .unwrap_or_default();
        format!("/activity?show={}{job}{entry}", self.show.word())
    }
}

/// The page.
#[component]
pub fn Activity() -> impl IntoView {
    let i18n = use_i18n();
    let me = expect_context::<Start>().me;
    let role = me.map_or(Role::Viewer, |m| m.role);
    let query = use_query_map();
    let place = Memo::new(move |_| query.with(|q| Place::read(q, role)));
    view! {
        <Title text=tu_string!(i18n, activity.title)/>
        <div class="head">
            <div>
                <h1>{t!(i18n, activity.heading)}</h1>
                <p class="text-ink-2 max-w-[70ch]">
                    {if may(Role::Admin) {
                        tu_string!(i18n, activity.sentence_admin)
                    } else {
                        tu_string!(i18n, activity.sentence)
                    }}
                </p>
            </div>
            {may(Role::Admin).then(|| view! { <LogActions/> })}
        </div>
        {may(Role::Admin).then(|| view! { <Filter place/> })}
        <Stream place/>
    }
    .into_any()
}

/// *Check the log* and *Export*.
#[component]
fn LogActions() -> impl IntoView {
    let i18n = use_i18n();
    let action = ServerAction::<VerifyAudit>::new();
    let value = action.value();
    view! {
        <div class="grid gap-2 justify-items-end">
            <div class="actions">
                <ActionForm action>
                    <button class="btn" disabled=move || action.pending().get()>{t!(i18n, activity.check)}</button>
                </ActionForm>
                // Not a page of ours: the router is to leave it to the browser.
                <a class="btn" href="/api/v1/audit/export" download="nsboot-audit.jsonl" rel="external">
                    {t!(i18n, activity.export)}
                </a>
            </div>
            <Problems fault=Signal::derive(move || value.get().and_then(Result::err))/>
        </div>
    }
    .into_any()
}

#[component]
fn Filter(place: Memo<Place>) -> impl IntoView {
    let i18n = use_i18n();
    let choice = move |show: Show, text: &'static str| {
        let current = move || (place.get().show == show).then_some("page");
        let href = Place {
            show,
            job: None,
            entry: None,
        };
        view! { <li><a href=href.href() aria-current=current>{text}</a></li> }
    };
    view! {
        <nav class="filter" aria-label=tu_string!(i18n, activity.filter)>
            <ul>
                {choice(Show::All, tu_string!(i18n, activity.all))}
                {choice(Show::Jobs, tu_string!(i18n, activity.jobs))}
                {choice(Show::Changes, tu_string!(i18n, activity.changes))}
                {choice(Show::Refused, tu_string!(i18n, activity.refused))}
            </ul>
        </nav>
    }
    .into_any()
}

async fn read(place: Place) -> Result<Lines, crate::Fault> {
    api::activity(place.show.word().into(), place.job, place.entry).await
}

/// The lines; what comes over the socket is laid over what came with the page.
#[component]
fn Stream(place: Memo<Place>) -> impl IntoView {
    let i18n = use_i18n();
    let live = expect_context::<Live>();
    let loaded = Resource::new_blocking(move || place.get(), read);
    let page = Page::new();
    let tell = move |item| page.tell(item, place.get_untracked());
    Effect::new(move || live.job.get().into_iter().for_each(|j| tell(Item::Job(j))));
    Effect::new(move || {
        let entry = live.entry.get();
        entry.into_iter().for_each(|e| tell(Item::Entry(e)));
    });
    // Before a snapshot changes may have passed unseen.
    Effect::new(move |known: Option<u32>| {
        let n = live.snapshots.get();
        if known.is_some_and(|k| k != n) {
            if loaded.with_untracked(|l| matches!(l, Some(Err(_)))) {
                loaded.refetch();
            } else {
                // Not by the resource: it would draw the list anew and close what was opened in it.
                spawn_local(read_again(page, place));
            }
        }
        n
    });
    view! {
        <section class="panel livedata" aria-label=tu_string!(i18n, activity.heading)>
            <Transition>
                {move || Suspend::new(async move {
                    match loaded.await {
                        Ok(found) => {
                            page.show(found, place.get_untracked());
                            view! { <List page place/> }.into_any()
                        }
                        Err(fault) => {
                            let fault = Signal::stored(Some(fault));
                            view! { <div class="p-4"><Problems fault/></div> }.into_any()
                        }
                    }
                })}
            </Transition>
        </section>
    }
    .into_any()
}

async fn read_again(page: Page, place: Memo<Place>) {
    let asked = place.get_untracked();
    page.behind();
    // A failure says nothing new: what is shown stays, and the header tells.
    let Ok(found) = read(asked).await else { return };
    // The visitor may have gone elsewhere meanwhile.
    if place.try_get_untracked() == Some(asked) {
        page.catch_up(found, asked);
    }
}

#[component]
fn List(page: Page, place: Memo<Place>) -> impl IntoView {
    let i18n = use_i18n();
    let row = |line: Line| match line {
        Line::Job(job) => view! { <JobLine job=Signal::from(job)/> }.into_any(),
        Line::Entry(entry) => view! { <EntryLine entry=*entry/> }.into_any(),
    };
    let older = move || page.older(place.get()).href();
    let newest = move || {
        let here = place.get();
        Place {
            job: None,
            entry: None,
            ..here
        }
    };
    view! {
        <Show
            when=move || !page.lines.with(Vec::is_empty)
            fallback=move || view! { <p class="empty">{t!(i18n, activity.empty)}</p> }
        >
            <ul class="stream">
                <For each=move || page.lines.get() key=Line::key children=row/>
            </ul>
        </Show>
        <div class="flex flex-wrap gap-2 p-4 empty:hidden">
            {move || (!place.get().is_newest()).then(|| view! {
                <a class="btn" href=newest().href()>{t!(i18n, activity.newest)}</a>
            })}
            {move || page.more.get().then(|| view! { <a class="btn" href=older>{t!(i18n, activity.older)}</a> })}
        </div>
    }
    .into_any()
}
