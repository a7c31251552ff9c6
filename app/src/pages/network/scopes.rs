//! Scopes: what is handed out on each subnet, how full it is, and forms to change it.

use super::{
    api::{CreateScope, RemoveScope, UpdateScope},
    reservations::lines,
};
use crate::{
    i18n::*,
    live::Live,
    start::may,
    ui::{Field, Problems, TextArea, format, times},
};
use leptos::{form::ActionForm, prelude::*};
use types::{LeaseState, Role, ScopeView};

fn listed<T: ToString>(all: &[T]) -> String {
    let texts: Vec<String> = all.iter().map(T::to_string).collect();
    texts.join(", ")
}

fn or_dash(text: String) -> String {
    match text.is_empty() {
        true => "-".into(),
        false => text,
    }
}

/// Every scope.
#[component]
pub fn Scopes() -> impl IntoView {
    let i18n = use_i18n();
    let live = expect_context::<Live>();
    view! {
        <section class="panel livedata" aria-labelledby="scopes">
            <div class="ph"><h2 id="scopes">{t!(i18n, network.scopes)}</h2></div>
            <p class="px-4 pb-3 text-ink-2 max-w-[70ch]">{t!(i18n, network.scopes_text)}</p>
            <Show
                when=move || !live.scopes.with(Vec::is_empty)
                fallback=move || view! { <p class="empty">{t!(i18n, network.no_scopes)}</p> }
            >
                <ul class="border-t border-line">
                    <For
                        each=move || live.scopes.get()
                        key=|s| (s.name.clone(), s.revision, s.subnet, s.ranges.clone(), s.router, s.dns.clone())
                        children=|s| view! { <Scope scope=s/> }
                    />
                </ul>
            </Show>
            {may(Role::Admin).then(|| view! { <div class="p-4 border-t border-line"><Add/></div> })}
        </section>
    }
    .into_any()
}

#[component]
fn Scope(scope: ScopeView) -> impl IntoView {
    let i18n = use_i18n();
    let live = expect_context::<Live>();
    let kind = match (scope.is_own, scope.subnet) {
        (true, Some(_)) => tu_string!(i18n, network.own_scope),
        (true, None) => tu_string!(i18n, network.not_served),
        (false, _) => tu_string!(i18n, network.relayed_scope),
    };
    let name = scope.name.clone();
    // Leases are live one by one; the count that came with the scope is of when it changed last.
    let used = Memo::new(move |_| {
        live.leases.with(|all| {
            let here = |l: &&types::LeaseView| l.scope == name && l.state == LeaseState::Active;
            all.iter().filter(here).count()
        })
    });
    let total = scope.leases_total;
    let pairs = [
        (
            tu_string!(i18n, network.subnet),
            scope.subnet.map_or("-".into(), |s| s.to_string()),
        ),
        (
            tu_string!(i18n, network.range),
            or_dash(listed(&scope.ranges)),
        ),
        (
            tu_string!(i18n, network.exclusions),
            or_dash(listed(&scope.exclusions)),
        ),
        (
            tu_string!(i18n, settings.router),
            scope.router.map_or("-".into(), |r| r.to_string()),
        ),
        (tu_string!(i18n, settings.dns), or_dash(listed(&scope.dns))),
        (
            tu_string!(i18n, network.domain),
            or_dash(scope.domain.clone().unwrap_or_default()),
        ),
        (
            tu_string!(i18n, network.lease_time),
            format::seconds(f64::from(scope.lease_seconds)),
        ),
        (
            tu_string!(i18n, network.options),
            or_dash(lines(&scope.options)),
        ),
    ];
    let facts = pairs
        .into_iter()
        .map(|(k, v)| view! { <div><dt>{k}</dt><dd>{v}</dd></div> })
        .collect_view();
    let label = tu_string!(i18n, network.usage_name, name = scope.name.clone()).to_string();
    view! {
        <li class="grid gap-3 px-4 py-3 border-t border-line">
            <div class="flex flex-wrap items-center gap-3">
                <h3 class="data">{scope.name.clone()}</h3>
                <span class="meta">{kind}</span>
                {may(Role::Admin).then(|| view! { <Edit scope=scope.clone()/> })}
            </div>
            <div class="progress">
                <progress aria-label=label max=total.max(1) value=move || used.get().to_string()></progress>
                <span class="meta">
                    {move || tu_string!(i18n, network.usage, used = used.get(), total = total).to_string()}
                </span>
            </div>
            <dl class="facts">{facts}</dl>
        </li>
    }
    .into_any()
}

/// The form of a scope; what is a setting of its boot network is not in it.
#[component]
fn Edit(scope: ScopeView) -> impl IntoView {
    let i18n = use_i18n();
    let change = ServerAction::<UpdateScope>::new();
    let remove = ServerAction::<RemoveScope>::new();
    let refused = move || {
        let changed = change.value().get().and_then(Result::err);
        changed.or_else(|| remove.value().get().and_then(Result::err))
    };
    let s = scope;
    let own = s.is_own.then(|| {
        view! {
            <p class="help">{t!(i18n, network.own_help)}</p>
        }
    });
    let probe = view! {
        <label class="flex items-center gap-2">
            <input type="checkbox" name="probe" checked=s.probe/>
            {t!(i18n, network.probe)}
        </label>
    };
    let router = s.router.map(|r| r.to_string()).unwrap_or_default();
    let dns = listed(&s.dns);
    let relayed = (!s.is_own).then(|| {
        view! {
            <Text of=s.name.clone() part="router" label=tu_string!(i18n, settings.router) value=router/>
            <Text of=s.name.clone() part="dns" label=tu_string!(i18n, settings.dns) value=dns/>
        }
    });
    let gone = (!s.is_own).then(|| view! { <Remove name=s.name.clone() action=remove/> });
    // The setting's own range is not said again here: it would stay when the setting changes.
    let served = usize::from(s.is_own && s.subnet.is_some());
    let ranges = listed(s.ranges.get(served..).unwrap_or_default());
    let ranges_label = match s.is_own {
        true => tu_string!(i18n, network.further_ranges),
        false => tu_string!(i18n, network.range),
    };
    let seconds = s.own_lease_seconds.map(|n| n.to_string());
    let seconds_help = tu_string!(i18n, network.lease_seconds_help, n = s.lease_seconds);
    let edit = tu_string!(i18n, network.edit_name, name = s.name.clone()).to_string();
    let fields = view! {
        <input type="hidden" name="name" value=s.name.clone()/>
        <input type="hidden" name="revision" value=s.revision.to_string()/>
        <Text of=s.name.clone() part="ranges" label=ranges_label value=ranges
            help=tu_string!(i18n, network.ranges_help)/>
        <Text of=s.name.clone() part="exclusions" label=tu_string!(i18n, network.exclusions) value=listed(&s.exclusions)/>
        {relayed}
        <Text of=s.name.clone() part="domain" label=tu_string!(i18n, network.domain) value=s.domain.clone().unwrap_or_default()/>
        <Text of=s.name.clone() part="seconds" label=tu_string!(i18n, network.lease_seconds) value=seconds.unwrap_or_default()
            help=seconds_help.to_string()/>
        <Options of=s.name.clone() value=lines(&s.options)/>
        {probe}
        {own}
    }
    .into_any();
    view! {
        <details class="pop">
            <summary class="btn" aria-label=edit>{t!(i18n, computer.edit)}</summary>
            <div class="body panel grid gap-4 p-4 max-w-[40rem]">
                <ActionForm action=change attr:class="grid gap-4">
                    {fields}
                    <div><button class="btn btn-primary">{t!(i18n, computer.save)}</button></div>
                </ActionForm>
                {gone}
                <Problems fault=Signal::derive(refused)/>
            </div>
        </details>
    }
    .into_any()
}

/// Removing, with a second step that says what it means.
#[component]
fn Remove(name: String, action: ServerAction<RemoveScope>) -> impl IntoView {
    let i18n = use_i18n();
    let label = tu_string!(i18n, network.remove_scope_name, name = name.clone()).to_string();
    let button = tu_string!(i18n, network.remove_scope, name = name.clone()).to_string();
    view! {
        <details class="pop">
            <summary class="btn btn-danger" aria-label=label>{t!(i18n, computer.remove)}</summary>
            <div class="body grid gap-2">
                <p>{t!(i18n, network.remove_scope_text)}</p>
                <ActionForm action>
                    <input type="hidden" name="name" value=name/>
                    <button class="btn btn-danger-solid">{button}</button>
                </ActionForm>
            </div>
        </details>
    }
    .into_any()
}

/// The id of a field of one scope's form.
fn id_of(scope: &str, part: &str) -> String {
    format!("scope-{part}-{}", scope.replace('/', "-"))
}

/// A field of one line.
#[component]
fn Text(
    /// The scope's name.
    of: String,
    part: &'static str,
    #[prop(into)] label: String,
    value: String,
    #[prop(optional, into)] help: String,
) -> impl IntoView {
    let id = id_of(&of, part);
    view! {
        <Field label id=id.clone() help>
            <input class="input data" id=id name=part value=value autocomplete="off"/>
        </Field>
    }
}

/// DHCP options, one a line.
#[component]
fn Options(of: String, value: String) -> impl IntoView {
    let i18n = use_i18n();
    let id = id_of(&of, "options");
    view! {
        <Field label=tu_string!(i18n, network.options) id=id.clone() help=tu_string!(i18n, network.options_help)>
            <TextArea id=id name="options" rows=3 value=value/>
        </Field>
    }
}

/// A subnet behind relays.
#[component]
fn Add() -> impl IntoView {
    let i18n = use_i18n();
    let action = ServerAction::<CreateScope>::new();
    let value = action.value();
    let fields = times(move || matches!(value.get(), Some(Ok(()))));
    view! {
        <details class="pop">
            <summary class="btn">{t!(i18n, network.add_scope)}</summary>
            <div class="body panel p-4 max-w-[26rem]">
                <ActionForm action attr:class="grid gap-4">
                    // By a key: the same elements would be kept, and with them what was typed.
                    <For each=move || [fields.get()] key=|n| *n let:_>
                        <Field label=tu_string!(i18n, floor.name) id="scope-name">
                            <input class="input data" id="scope-name" name="name" required autocomplete="off"/>
                        </Field>
                        <Field label=tu_string!(i18n, network.subnet) id="scope-subnet" help=tu_string!(i18n, network.subnet_help)>
                            <input class="input data" id="scope-subnet" name="subnet" required autocomplete="off" aria-describedby="scope-subnet-help"/>
                        </Field>
                        <Field label=tu_string!(i18n, network.range) id="scope-ranges" help=tu_string!(i18n, network.ranges_help)>
                            <input class="input data" id="scope-ranges" name="ranges" autocomplete="off" aria-describedby="scope-ranges-help"/>
                        </Field>
                        <Field label=tu_string!(i18n, settings.router) id="scope-router">
                            <input class="input data" id="scope-router" name="router" autocomplete="off"/>
                        </Field>
                        <Field label=tu_string!(i18n, settings.dns) id="scope-dns">
                            <input class="input data" id="scope-dns" name="dns" autocomplete="off"/>
                        </Field>
                    </For>
                    <Problems fault=Signal::derive(move || value.get().and_then(Result::err))/>
                    <div><button class="btn btn-primary">{t!(i18n, network.add_scope_button)}</button></div>
                </ActionForm>
            </div>
        </details>
    }
    .into_any()
}
