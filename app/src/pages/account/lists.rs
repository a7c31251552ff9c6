//! Sign-ins and API tokens as tables: one's own on the account page, anybody's on the users page.

use super::{
    agent,
    api::{EndSession, RemoveToken},
};
use crate::{
    i18n::*,
    pages::activity::words,
    ui::{When, format},
};
use leptos::{form::ActionForm, prelude::*};
use types::{ApiTokenView, SessionView};

/// Sign-ins, each with *End*. `id` is that of the heading above.
#[component]
pub fn Sessions(
    sessions: Vec<SessionView>,
    action: ServerAction<EndSession>,
    #[prop(into)] id: String,
) -> impl IntoView {
    let i18n = use_i18n();
    if sessions.is_empty() {
        return view! { <p class="empty">{t!(i18n, sessions.none)}</p> }.into_any();
    }
    let row = move |s: SessionView| {
        let what = agent::words(i18n, s.agent.as_deref());
        let name = tu_string!(i18n, sessions.end_name, what = what.clone()).to_string();
        let own = s.is_current;
        view! {
            <tr data-session=s.id.to_string()>
                <th scope="row" title=s.agent>
                    {what}
                    {own.then(|| view! { <span class="tag">{t!(i18n, sessions.this)}</span> })}
                </th>
                <td class="data" data-label=tu_string!(i18n, sessions.address)>
                    {s.address.unwrap_or_else(|| "-".into())}
                </td>
                <td class="num" data-label=tu_string!(i18n, sessions.since)><When at=Signal::stored(Some(s.created_at))/></td>
                <td class="end">
                    {(!own).then(|| view! {
                        <ActionForm action>
                            <input type="hidden" name="id" value=s.id.to_string()/>
                            <button class="btn" aria-label=name>{t!(i18n, sessions.end)}</button>
                        </ActionForm>
                    })}
                </td>
            </tr>
        }
    };
    view! {
        <div class="tbox" tabindex="0" role="region" aria-labelledby=id>
            <table class="t">
                <thead>
                    <tr>
                        <th scope="col">{t!(i18n, sessions.what)}</th>
                        <th scope="col">{t!(i18n, sessions.address)}</th>
                        <th scope="col" class="num">{t!(i18n, sessions.since)}</th>
                        <th scope="col"><span class="sr-only">{t!(i18n, images.actions)}</span></th>
                    </tr>
                </thead>
                <tbody>{sessions.into_iter().map(row).collect_view()}</tbody>
            </table>
        </div>
    }
    .into_any()
}

/// API tokens, each with *Remove*, which asks a second time.
#[component]
pub fn Tokens(
    tokens: Vec<ApiTokenView>,
    action: ServerAction<RemoveToken>,
    #[prop(into)] id: String,
) -> impl IntoView {
    let i18n = use_i18n();
    if tokens.is_empty() {
        return view! { <p class="empty">{t!(i18n, tokens.none)}</p> }.into_any();
    }
    let row = move |t: ApiTokenView| {
        let named = tu_string!(i18n, tokens.remove_name, name = t.name.clone()).to_string();
        let sure = tu_string!(i18n, tokens.remove_button, name = t.name.clone()).to_string();
        let (name, mark) = (t.name.clone(), t.name);
        view! {
            <tr data-token=mark>
                <th scope="row">{name}</th>
                <td data-label=tu_string!(i18n, tokens.role)>{words::role(i18n, t.role)}</td>
                <td class="num" data-label=tu_string!(i18n, tokens.expires)>
                    <time datetime=t.expires_at.to_string() title=format!("{} UTC", format::clock(t.expires_at))>
                        {format::day(t.expires_at)}
                    </time>
                </td>
                <td class="end">
                    <details class="pop my-1">
                        <summary class="btn btn-danger" aria-label=named>{t!(i18n, tokens.remove)}</summary>
                        <div class="body grid gap-2 justify-items-end">
                            <p class="meta">{t!(i18n, tokens.remove_text)}</p>
                            <ActionForm action>
                                <input type="hidden" name="id" value=t.id.to_string()/>
                                <button class="btn btn-danger-solid">{sure}</button>
                            </ActionForm>
                        </div>
                    </details>
                </td>
            </tr>
        }
    };
    view! {
        <div class="tbox" tabindex="0" role="region" aria-labelledby=id>
            <table class="t">
                <thead>
                    <tr>
                        <th scope="col">{t!(i18n, floor.name)}</th>
                        <th scope="col">{t!(i18n, tokens.role)}</th>
                        <th scope="col" class="num">{t!(i18n, tokens.expires)}</th>
                        <th scope="col"><span class="sr-only">{t!(i18n, images.actions)}</span></th>
                    </tr>
                </thead>
                <tbody>{tokens.into_iter().map(row).collect_view()}</tbody>
            </table>
        </div>
    }
    .into_any()
}
