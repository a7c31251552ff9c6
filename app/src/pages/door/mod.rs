//! The two pages outside: the first account and signing in.

use crate::{
    Fault,
    api::{Login as LoginAction, Setup as SetupAction},
    i18n::*,
    ui::{Field, Password, Problems},
};
use leptos::{form::ActionForm, prelude::*};
use leptos_meta::Title;

/// The value as an error, for [`Problems`].
fn fault<T: Clone + Send + Sync + 'static>(
    value: impl Fn() -> Option<Result<T, Fault>> + Send + Sync + 'static,
) -> Signal<Option<Fault>> {
    Signal::derive(move || value().and_then(Result::err))
}

/// `/login`
#[component]
pub fn Login() -> impl IntoView {
    let i18n = use_i18n();
    let action = ServerAction::<LoginAction>::new();
    let value = action.value();
    view! {
        <Title text=tu_string!(i18n, door.login_title)/>
        <main id="main" class="door">
            <p class="brand">"nsboot"</p>
            <h1>{t!(i18n, door.sign_in)}</h1>
            <ActionForm action attr:class="grid gap-4">
                <Field label=tu_string!(i18n, door.username) id="username">
                    <input class="input" id="username" name="username" required autocomplete="username" autocapitalize="none" value="admin"/>
                </Field>
                <Password id="password" name="password" label=tu_string!(i18n, door.password) autocomplete="current-password"/>
                <Problems fault=fault(move || value.get())/>
                <button class="btn btn-primary" style="min-height:2.75rem" disabled=move || action.pending().get()>
                    {t!(i18n, door.sign_in)}
                </button>
            </ActionForm>
        </main>
    }
    .into_any()
}

/// `/setup`: the first account. The link that the server prints carries the code in its fragment,
/// which no server or proxy log ever sees.
#[component]
pub fn Setup() -> impl IntoView {
    let i18n = use_i18n();
    let action = ServerAction::<SetupAction>::new();
    let value = action.value();
    let code = RwSignal::new(String::new());
    Effect::new(move || {
        let hash = window().location().hash().unwrap_or_default();
        let given = hash.trim_start_matches('#');
        let given = given.strip_prefix("code=").unwrap_or(given);
        if !given.is_empty() {
            code.set(given.to_owned());
        }
    });
    view! {
        <Title text=tu_string!(i18n, door.setup_title)/>
        <main id="main" class="door">
            <p class="brand">"nsboot"</p>
            <div class="grid gap-2">
                <h1>{t!(i18n, door.welcome)}</h1>
                <p class="text-ink-2">{t!(i18n, door.welcome_text)}</p>
            </div>
            <ActionForm action attr:class="grid gap-4">
                <Field label=tu_string!(i18n, door.code) id="code" help=tu_string!(i18n, door.code_help)>
                    <input class="input data" id="code" name="code" required autocomplete="one-time-code" prop:value=code
                        on:input:target=move |e| code.set(e.target().value())/>
                </Field>
                <Field label=tu_string!(i18n, door.username) id="username">
                    <input class="input" id="username" name="username" required autocomplete="username" autocapitalize="none" value="admin"/>
                </Field>
                <Password id="password" name="password" label=tu_string!(i18n, door.password) autocomplete="new-password"
                    help=tu_string!(i18n, door.password_help)/>
                <Problems fault=fault(move || value.get())/>
                <button class="btn btn-primary" style="min-height:2.75rem" disabled=move || action.pending().get()>
                    {t!(i18n, door.create)}
                </button>
            </ActionForm>
        </main>
    }
    .into_any()
}
