//! Settings of one group: a form with a field each, and where each value comes from.

use super::{
    Actions,
    api::{PreviewSettings, Wanted},
    words,
};
use crate::{
    i18n::*,
    start::may,
    ui::{Field, Select},
};
use leptos::{form::ActionForm, prelude::*};
use types::{Applies, Role, SettingKind, SettingValue, SettingView};

/// A group.
#[component]
pub fn Rows(
    heading: &'static str,
    id: &'static str,
    settings: Vec<SettingView>,
    /// Of what is shown: without scripts the form says by it what it was filled on.
    revision: u64,
    actions: Actions,
) -> impl IntoView {
    let i18n = use_i18n();
    let changeable = may(Role::Admin) && settings.iter().any(|s| !words::is_fixed(s));
    let fields = settings
        .into_iter()
        .map(|setting| view! { <Row setting actions/> })
        .collect_view();
    let action = actions.preview;
    view! {
        <section class="panel" aria-labelledby=id>
            <div class="ph"><h2 id=id>{heading}</h2></div>
            <ActionForm action attr:class="settings">
                <input type="hidden" name="revision" value=revision.to_string()/>
                {fields}
                {changeable.then(|| view! {
                    <div class="row-end">
                        <button class="btn btn-primary needs-wasm" disabled=move || action.pending().get()>{t!(i18n, settings.preview)}</button>
                        <noscript><button class="btn btn-primary" formaction="/fn/settings/change">{t!(i18n, computer.save)}</button></noscript>
                    </div>
                })}
            </ActionForm>
        </section>
    }
    .into_any()
}

#[component]
fn Row(setting: SettingView, actions: Actions) -> impl IntoView {
    let i18n = use_i18n();
    let fixed = words::is_fixed(&setting) || !may(Role::Admin);
    let id = setting.key.replace('.', "-");
    let source = words::source(i18n, &setting);
    let hidden = setting.saved.as_ref().filter(|_| words::is_fixed(&setting));
    let hidden = hidden.map(|saved| {
        let saved = words::value(i18n, Some(saved));
        tu_string!(i18n, settings.hidden, saved = saved).to_string()
    });
    let later = (setting.applies == Applies::AtNextStart)
        .then(|| view! { <span class="tag">{t!(i18n, settings.next_start)}</span> });
    let key = setting.key.clone();
    let resettable = may(Role::Admin) && setting.saved.is_some();
    let reset = move |_| {
        actions.preview.dispatch(PreviewSettings {
            wanted: Wanted {
                remove: Some(key.clone()),
                ..Wanted::default()
            },
        });
    };
    let control = control(i18n, &setting, id.clone(), fixed);
    let (mark, shown) = (setting.key.clone(), setting.key.clone());
    let name = words::name(i18n, &setting.key);
    let to_default = tu_string!(i18n, settings.reset_name, name = name.clone()).to_string();
    view! {
        <div class="setting" data-key=mark>
            <Field label=name id=id help=setting.about>
                {control}
            </Field>
            <div class="from">
                <p class="meta"><code class="data">{shown}</code>{later}</p>
                <p class="meta">{source}</p>
                {hidden.map(|h| view! { <p class="meta">{h}</p> })}
                {resettable.then(|| view! {
                    <button type="button" class="btn needs-wasm" aria-label=to_default on:click=reset>{t!(i18n, settings.reset)}</button>
                })}
            </div>
        </div>
    }
    .into_any()
}

fn control(i18n: I18n, setting: &SettingView, id: String, fixed: bool) -> AnyView {
    let SettingValue::Text(value) = setting.value.clone() else {
        return ().into_any();
    };
    let name = format!("wanted[values][{}]", setting.key);
    let options = match &setting.kind {
        SettingKind::Choice { options } => options.clone(),
        SettingKind::Switch => vec!["false".into(), "true".into()],
        SettingKind::Text | SettingKind::List | SettingKind::Boot => {
            return view! {
                <input class="input data" id=id name=name value=value disabled=fixed autocomplete="off" spellcheck="false"/>
            }
            .into_any();
        }
    };
    let named = options.into_iter().map(|o| {
        let text = words::choice(i18n, &o);
        (o, text)
    });
    let options = Signal::stored(named.collect::<Vec<_>>());
    match fixed {
        true => {
            view! { <input class="input" id=id value=words::choice(i18n, &value) disabled=true/> }
                .into_any()
        }
        false => view! { <Select id name options selected=value/> }.into_any(),
    }
}
