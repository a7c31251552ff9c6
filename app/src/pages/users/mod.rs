//! `/users`: the accounts, for administrators.

pub mod api;
mod forms;

use super::{
    account::{
        Faults,
        api::{EndSession, RemoveToken},
        lists::{Sessions, Tokens},
    },
    activity::words,
};
use crate::{
    i18n::*,
    start::{Start, may},
    ui::{Problems, When},
};
use api::{CreateUser, EndSessions, Person, RemoveUser, SetPassword, UpdateUser};
use forms::{Add, Change, EndAll, NewPassword, Remove};
use leptos::prelude::*;
use leptos_meta::Title;
use types::{ApiTokenView, Role, SessionView, UserId, UserView};

/// What the forms of all accounts share.
#[derive(Clone, Copy)]
pub struct Actions {
    update: ServerAction<UpdateUser>,
    password: ServerAction<SetPassword>,
    remove: ServerAction<RemoveUser>,
    end_all: ServerAction<EndSessions>,
    end: ServerAction<EndSession>,
    remove_token: ServerAction<RemoveToken>,
}

impl Actions {
    fn new() -> Actions {
        Actions {
            update: ServerAction::new(),
            password: ServerAction::new(),
            remove: ServerAction::new(),
            end_all: ServerAction::new(),
            end: ServerAction::new(),
            remove_token: ServerAction::new(),
        }
    }

    /// How many changes were made: the list is read again after each. Not after one that was
    /// refused, because what was typed is to stay.
    fn done(self) -> Memo<u32> {
        let good = move || {
            let ok = |v: Option<Result<(), crate::Fault>>| matches!(v, Some(Ok(())));
            [
                (self.update.version().get(), ok(self.update.value().get())),
                (
                    self.password.version().get(),
                    ok(self.password.value().get()),
                ),
                (self.remove.version().get(), ok(self.remove.value().get())),
                (self.end_all.version().get(), ok(self.end_all.value().get())),
                (self.end.version().get(), ok(self.end.value().get())),
                (
                    self.remove_token.version().get(),
                    ok(self.remove_token.value().get()),
                ),
            ]
        };
        let before = StoredValue::new([0; 6]);
        Memo::new(move |n: Option<&u32>| {
            let now = good();
            let was = before.get_value();
            before.set_value(now.map(|(version, _)| version));
            let new = now.iter().zip(was).filter(|((v, ok), was)| *ok && v != was);
            n.copied().unwrap_or_default() + u32::try_from(new.count()).unwrap_or(1)
        })
    }
}

/// The page, or why it is not shown.
#[component]
pub fn Users() -> impl IntoView {
    let i18n = use_i18n();
    if may(Role::Admin) {
        return view! { <Title text=tu_string!(i18n, users.title)/><List/> }.into_any();
    }
    #[cfg(feature = "ssr")]
    crate::ssr::set_status(403);
    let me = expect_context::<Start>().me;
    let role = me.map_or(Role::Viewer, |m| m.role);
    view! {
        <Title text=tu_string!(i18n, users.title)/>
        <h1>{t!(i18n, users.not_yours)}</h1>
        <p class="text-ink-2 max-w-[70ch]">
            {tu_string!(i18n, users.not_yours_text, role = words::role(i18n, role)).to_string()}
        </p>
        <p><a class="link" href="/floor">{t!(i18n, missing.back)}</a></p>
    }
    .into_any()
}

#[component]
fn List() -> impl IntoView {
    let i18n = use_i18n();
    let create = ServerAction::<CreateUser>::new();
    let actions = Actions::new();
    let done = actions.done();
    let loaded = Resource::new_blocking(
        move || (create.version().get(), done.get()),
        |_| api::people(),
    );
    // Which account is open stays so when the list is read again.
    let open = RwSignal::new(None);
    view! {
        <div class="head">
            <div>
                <h1>{t!(i18n, users.heading)}</h1>
                <p class="text-ink-2 max-w-[70ch]">{t!(i18n, users.sentence)}</p>
            </div>
        </div>
        <section class="panel livedata" aria-label=tu_string!(i18n, users.heading)>
            <Transition>
                {move || Suspend::new(async move {
                    match loaded.await {
                        Ok(people) => {
                            let line = |person| view! { <Line person actions open/> };
                            view! { <ul class="stream">{people.into_iter().map(line).collect_view()}</ul> }.into_any()
                        }
                        Err(fault) => {
                            let fault = Signal::stored(Some(fault));
                            view! { <div class="p-4"><Problems fault/></div> }.into_any()
                        }
                    }
                })}
            </Transition>
            <Faults value=Signal::derive(move || actions.end.value().get())/>
            <Faults value=Signal::derive(move || actions.remove_token.value().get())/>
        </section>
        <Add action=create/>
    }
    .into_any()
}

/// One account; its forms when it is opened.
#[component]
fn Line(person: Person, actions: Actions, open: RwSignal<Option<UserId>>) -> impl IntoView {
    let i18n = use_i18n();
    let Person {
        user,
        sessions,
        tokens,
    } = person;
    let id = user.id;
    let details = NodeRef::<leptos::html::Details>::new();
    let toggled = move |_| {
        if details.get_untracked().is_some_and(|d| d.open()) {
            open.set(Some(id));
        } else if open.get_untracked() == Some(id) {
            open.set(None);
        }
    };
    let is_me = expect_context::<Start>()
        .me
        .is_some_and(|m| m.id == Some(id));
    let counts = tu_string!(
        i18n,
        users.counts,
        sessions = user.session_count,
        tokens = user.token_count
    )
    .to_string();
    let (name, mark) = (user.username.clone(), user.username.clone());
    let (role, made) = (words::role(i18n, user.role), Some(user.created_at));
    view! {
        <li data-user=mark>
            <details node_ref=details on:toggle=toggled open=open.get_untracked() == Some(id)>
                <summary>
                    <span class="role">{role}</span>
                    <span class="what">
                        <span class="font-semibold">
                            {name}
                            {is_me.then(|| view! { <span class="tag">{t!(i18n, users.you)}</span> })}
                        </span>
                        <span class="meta">{counts}</span>
                    </span>
                    <span class="meta when">{t!(i18n, users.made)}" "<When at=Signal::stored(made)/></span>
                </summary>
                {inside(i18n, user, sessions, tokens, actions)}
            </details>
        </li>
    }
    .into_any()
}

/// The forms of an account, its sign-ins and its tokens.
fn inside(
    i18n: I18n,
    user: UserView,
    sessions: Vec<SessionView>,
    tokens: Vec<ApiTokenView>,
    actions: Actions,
) -> impl IntoView {
    let id = user.id;
    let (sessions_id, tokens_id) = (format!("sessions-{id}"), format!("tokens-{id}"));
    view! {
        <div class="inside">
            <div class="grid gap-6 sm:grid-cols-2 max-w-[56rem]">
                <Change user=user.clone() actions/>
                <NewPassword id actions/>
            </div>
            <div class="cards sub">
                <div class="ph">
                    <h2 class="text-md" id=sessions_id.clone()>{t!(i18n, sessions.heading)}</h2>
                    {(!sessions.is_empty()).then(|| view! { <EndAll id actions/> })}
                </div>
                <Sessions sessions action=actions.end id=sessions_id/>
            </div>
            <div class="cards sub">
                <div class="ph"><h2 class="text-md" id=tokens_id.clone()>{t!(i18n, tokens.heading)}</h2></div>
                <Tokens tokens action=actions.remove_token id=tokens_id/>
            </div>
            <Remove user actions/>
        </div>
    }
}
