//! One's own password, and new API tokens.

use super::api::{ChangePassword, CreateToken};
use crate::{
    i18n::*,
    pages::activity::words,
    start::may,
    ui::{Field, Password, Problems, Secret, Select, times},
};
use leptos::{form::ActionForm, prelude::*};
use types::{NewTokenView, Role};

/// The roles up to one's own, the lowest first; `(value, text)`.
pub fn role_options(i18n: I18n) -> Signal<Vec<(String, String)>> {
    let all = [Role::Viewer, Role::Operator, Role::Admin];
    let mine = all.into_iter().filter(|r| may(*r));
    let named = mine.map(|r| (r.word().to_string(), words::role(i18n, r).to_string()));
    Signal::stored(named.collect())
}

/// Changes one's own password.
#[component]
pub fn OwnPassword(action: ServerAction<ChangePassword>) -> impl IntoView {
    let i18n = use_i18n();
    let value = action.value();
    let done = move || matches!(value.get(), Some(Ok(())));
    // Drawn anew after a change, so that no password stays in the fields.
    let fields = times(done);
    view! {
        <section class="panel" aria-labelledby="password-of-mine">
            <div class="ph"><h2 id="password-of-mine">{t!(i18n, account.password)}</h2></div>
            <ActionForm action attr:class="grid gap-4 px-4 pb-4 max-w-[26rem]">
                // By a key: the same elements would be kept, and with them what was typed.
                <For each=move || [fields.get()] key=|n| *n let:_>
                    <Password id="current" name="current" label=tu_string!(i18n, account.current) autocomplete="current-password"/>
                    <Password id="new" name="new" label=tu_string!(i18n, account.new) autocomplete="new-password"
                        help=tu_string!(i18n, door.password_help)/>
                </For>
                <Problems fault=Signal::derive(move || value.get().and_then(Result::err))/>
                <p class="meta" role="status">{move || done().then(|| tu_string!(i18n, account.changed))}</p>
                <div><button class="btn" disabled=move || action.pending().get()>{t!(i18n, account.change)}</button></div>
            </ActionForm>
        </section>
    }
    .into_any()
}

/// Makes an API token and shows its secret, once.
#[component]
pub fn MakeToken(action: ServerAction<CreateToken>) -> impl IntoView {
    let i18n = use_i18n();
    let value = action.value();
    // A form that is posted without scripts leads back to this page, and nobody would see the secret.
    let ready = RwSignal::new(false);
    Effect::new(move || ready.set(true));
    let made = move || value.get().and_then(Result::ok);
    let open = NodeRef::<leptos::html::Details>::new();
    Effect::new(move || {
        if let (Some(Ok(_)), Some(details)) = (value.get(), open.get_untracked()) {
            details.set_open(false);
        }
    });
    view! {
        <div class="grid gap-4 p-4 border-t border-line">
            <div role="status" class="empty:hidden">{move || made().map(|made| view! { <Made made/> })}</div>
            <details class="pop" node_ref=open>
                <summary class="btn">{t!(i18n, tokens.make)}</summary>
                <div class="body panel p-4 w-[26rem] max-w-[calc(100vw-2.5rem)]">
                    <ActionForm action attr:class="grid gap-4">
                        <Field label=tu_string!(i18n, floor.name) id="token-name" help=tu_string!(i18n, tokens.name_help)>
                            <input class="input" id="token-name" name="name" required maxlength="64" autocomplete="off"/>
                        </Field>
                        <Field label=tu_string!(i18n, tokens.role) id="token-role" help=tu_string!(i18n, tokens.role_help)>
                            <Select id="token-role" name="role" options=role_options(i18n) selected="viewer"/>
                        </Field>
                        <Field label=tu_string!(i18n, tokens.days) id="token-days">
                            <input class="input" id="token-days" name="days" type="number" min="1" max="3650" value="90" required/>
                        </Field>
                        <Problems fault=Signal::derive(move || value.get().and_then(Result::err))/>
                        <div>
                            <button class="btn btn-primary needs-wasm" disabled=move || !ready.get() || action.pending().get()>
                                {t!(i18n, tokens.make_button)}
                            </button>
                        </div>
                    </ActionForm>
                </div>
            </details>
        </div>
    }
    .into_any()
}

#[component]
fn Made(made: NewTokenView) -> impl IntoView {
    let i18n = use_i18n();
    view! {
        <div class="made">
            <p class="font-semibold">{t!(i18n, tokens.made, name = made.token.name)}</p>
            <p class="meta">{t!(i18n, tokens.once)}</p>
            <Secret id="secret" label=tu_string!(i18n, tokens.secret) value=made.secret/>
        </div>
    }
    .into_any()
}
