//! The forms of an account, and the one for a new one.

use super::{
    Actions,
    api::{CreateUser, EndSessions, RemoveUser, SetPassword, UpdateUser},
};
use crate::{
    Fault,
    i18n::*,
    pages::account::forms::role_options,
    ui::{Field, Password, Problems, Select, times},
};
use leptos::{form::ActionForm, prelude::*};
use types::{UserId, UserView};

/// Makes an account.
#[component]
pub fn Add(action: ServerAction<CreateUser>) -> impl IntoView {
    let i18n = use_i18n();
    let value = action.value();
    // Drawn anew afterwards, so that neither name nor password stays in the fields.
    let fields = times(move || matches!(value.get(), Some(Ok(()))));
    let open = NodeRef::<leptos::html::Details>::new();
    Effect::new(move || {
        if let (Some(Ok(())), Some(details)) = (value.get(), open.get_untracked()) {
            details.set_open(false);
        }
    });
    view! {
        <details class="pop" node_ref=open>
            <summary class="btn">{t!(i18n, users.add)}</summary>
            <div class="body panel p-4 max-w-[26rem]">
                <ActionForm action attr:class="grid gap-4">
                    // By a key: the same elements would be kept, and with them what was typed.
                    <For each=move || [fields.get()] key=|n| *n let:_>
                        <Field label=tu_string!(i18n, door.username) id="add-username">
                            <input class="input" id="add-username" name="username" required autocomplete="off" autocapitalize="none"/>
                        </Field>
                        <Password id="add-password" name="password" label=tu_string!(i18n, door.password) autocomplete="new-password"
                            help=tu_string!(i18n, door.password_help)/>
                        <Field label=tu_string!(i18n, tokens.role) id="add-role" help=tu_string!(i18n, users.role_help)>
                            <Select id="add-role" name="role" options=role_options(i18n) selected="viewer"/>
                        </Field>
                    </For>
                    <Problems fault=Signal::derive(move || value.get().and_then(Result::err))/>
                    <div>
                        <button class="btn btn-primary" disabled=move || action.pending().get()>{t!(i18n, users.add_button)}</button>
                    </div>
                </ActionForm>
            </div>
        </details>
    }
    .into_any()
}

/// The refusal of an action that several accounts share, where this one was asked.
fn refused<A, T>(
    action: ServerAction<A>,
    whose: fn(&A) -> UserId,
    id: UserId,
) -> Signal<Option<Fault>>
where
    A: leptos::server_fn::ServerFn<Output = T, Error = Fault> + Clone + Send + Sync + 'static,
    T: Clone + Send + Sync + 'static,
{
    // The last one whose answer came: its input is kept, because an action forgets it then.
    let asked = RwSignal::new(None::<UserId>);
    Effect::new(move || {
        if let Some(now) = action.input().with(|i| i.as_ref().map(whose)) {
            asked.set(Some(now));
        }
    });
    Signal::derive(move || {
        let fault = action.value().get().and_then(Result::err);
        // Without scripts nobody knows which one it was: each says it.
        fault.filter(|_| asked.get().is_none_or(|asked| asked == id))
    })
}

/// Name and role.
#[component]
pub fn Change(user: UserView, actions: Actions) -> impl IntoView {
    let i18n = use_i18n();
    let action = actions.update;
    let (name_id, role_id) = (format!("name-{}", user.id), format!("role-{}", user.id));
    let fault = refused(action, |a: &UpdateUser| a.id, user.id);
    view! {
        <ActionForm action attr:class="grid gap-4 content-start">
            <input type="hidden" name="id" value=user.id.to_string()/>
            <input type="hidden" name="revision" value=user.revision.to_string()/>
            <Field label=tu_string!(i18n, door.username) id=name_id.clone()>
                <input class="input" id=name_id name="username" value=user.username required autocomplete="off" autocapitalize="none"/>
            </Field>
            <Field label=tu_string!(i18n, tokens.role) id=role_id.clone() help=tu_string!(i18n, users.role_help)>
                <Select id=role_id name="role" options=role_options(i18n) selected=user.role.word()/>
            </Field>
            <Problems fault/>
            <div><button class="btn btn-primary">{t!(i18n, computer.save)}</button></div>
        </ActionForm>
    }
    .into_any()
}

/// A new password for somebody who forgot theirs.
#[component]
pub fn NewPassword(id: UserId, actions: Actions) -> impl IntoView {
    let i18n = use_i18n();
    let action = actions.password;
    let fault = refused(action, |a: &SetPassword| a.id, id);
    view! {
        <ActionForm action attr:class="grid gap-4 content-start">
            <input type="hidden" name="id" value=id.to_string()/>
            <Password id=format!("password-{id}") name="password" label=tu_string!(i18n, account.new)
                autocomplete="new-password" help=tu_string!(i18n, users.password_help)/>
            <Problems fault/>
            <div><button class="btn">{t!(i18n, users.set_password)}</button></div>
        </ActionForm>
    }
    .into_any()
}

/// Ends all sign-ins of the account.
#[component]
pub fn EndAll(id: UserId, actions: Actions) -> impl IntoView {
    let i18n = use_i18n();
    let action = actions.end_all;
    let fault = refused(action, |a: &EndSessions| a.id, id);
    view! {
        <ActionForm action>
            <input type="hidden" name="id" value=id.to_string()/>
            <button class="btn">{t!(i18n, users.end_all)}</button>
        </ActionForm>
        <Problems fault/>
    }
    .into_any()
}

/// Removing, with a second step that says what is lost.
#[component]
pub fn Remove(user: UserView, actions: Actions) -> impl IntoView {
    let i18n = use_i18n();
    let action = actions.remove;
    let fault = refused(action, |a: &RemoveUser| a.id, user.id);
    let name = user.username;
    let what = tu_string!(
        i18n,
        users.remove_text,
        name = name.clone(),
        sessions = user.session_count,
        tokens = user.token_count
    )
    .to_string();
    view! {
        <details class="pop">
            <summary class="btn btn-danger">{t!(i18n, users.remove)}</summary>
            <div class="body panel grid gap-3 p-4 max-w-[26rem]">
                <p>{what}</p>
                <ActionForm action>
                    <input type="hidden" name="id" value=user.id.to_string()/>
                    <input type="hidden" name="revision" value=user.revision.to_string()/>
                    <button class="btn btn-danger-solid">
                        {tu_string!(i18n, users.remove_button, name = name).to_string()}
                    </button>
                </ActionForm>
                <Problems fault/>
            </div>
        </details>
    }
    .into_any()
}
