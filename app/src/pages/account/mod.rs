//! `/account`: one's own name and role, password, sign-ins and API tokens.

mod agent;
pub mod api;
pub(super) mod forms;
pub(super) mod lists;

use crate::{i18n::*, start::Start, ui::Problems};
use api::{ChangePassword, CreateToken, EndOthers, EndSession, Own, RemoveToken};
use forms::{MakeToken, OwnPassword};
use leptos::{form::ActionForm, prelude::*};
use leptos_meta::Title;
use lists::{Sessions, Tokens};
use types::Role;

/// What a role may do, in a sentence.
pub fn role_sentence(i18n: I18n, role: Role) -> &'static str {
    match role {
        Role::Viewer => tu_string!(i18n, role.viewer_may),
        Role::Operator => tu_string!(i18n, role.operator_may),
        Role::Admin => tu_string!(i18n, role.admin_may),
    }
}

/// The page.
#[component]
pub fn Account() -> impl IntoView {
    let i18n = use_i18n();
    let me = expect_context::<Start>().me;
    let (name, role) = me.map_or((String::new(), Role::Viewer), |m| (m.username, m.role));
    let password = ServerAction::<ChangePassword>::new();
    let end = ServerAction::<EndSession>::new();
    let others = ServerAction::<EndOthers>::new();
    let create = ServerAction::<CreateToken>::new();
    let remove = ServerAction::<RemoveToken>::new();
    let changes = move || {
        let ended = (end.version().get(), others.version().get());
        let tokens = (create.version().get(), remove.version().get());
        (password.version().get(), ended, tokens)
    };
    let own = Resource::new_blocking(changes, |_| api::read_own());
    view! {
        <Title text=tu_string!(i18n, account.title)/>
        <div>
            <h1>{name}</h1>
            <p class="text-ink-2">{role_sentence(i18n, role)}</p>
        </div>
        <section class="panel cards">
            <div class="ph">
                <h2 id="sessions">{t!(i18n, sessions.heading)}</h2>
                <ActionForm action=others>
                    <button class="btn" disabled=move || others.pending().get()>{t!(i18n, sessions.end_others)}</button>
                </ActionForm>
            </div>
            <Of own draw=move |own: Own| view! { <Sessions sessions=own.sessions action=end id="sessions"/> }.into_any()/>
            <Faults value=Signal::derive(move || end.value().get().or(others.value().get()))/>
        </section>
        <section class="panel cards">
            <div class="ph"><h2 id="tokens">{t!(i18n, tokens.heading)}</h2></div>
            <p class="px-4 pb-3 text-ink-2 max-w-[70ch]">{t!(i18n, tokens.text)}</p>
            <Of own draw=move |own: Own| view! { <Tokens tokens=own.tokens action=remove id="tokens"/> }.into_any()/>
            <Faults value=Signal::derive(move || remove.value().get())/>
            <MakeToken action=create/>
        </section>
        <OwnPassword action=password/>
    }
    .into_any()
}

/// What was read, drawn; or why it was not.
#[component]
fn Of(
    own: Resource<Result<Own, crate::Fault>>,
    draw: impl Fn(Own) -> AnyView + Copy + Send + Sync + 'static,
) -> impl IntoView {
    view! {
        <Transition>
            {move || Suspend::new(async move {
                match own.await {
                    Ok(own) => draw(own),
                    Err(fault) => {
                        let fault = Signal::stored(Some(fault));
                        view! { <div class="p-4"><Problems fault/></div> }.into_any()
                    }
                }
            })}
        </Transition>
    }
    .into_any()
}

/// A refusal below a list.
#[component]
pub fn Faults(value: Signal<Option<Result<(), crate::Fault>>>) -> impl IntoView {
    let fault = Signal::derive(move || value.get().and_then(Result::err));
    view! {
        <Show when=move || fault.with(Option::is_some)>
            <div class="p-4"><Problems fault/></div>
        </Show>
    }
    .into_any()
}
