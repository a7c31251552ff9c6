//! The boot networks among the settings: what is served, and a form for one more.

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
use types::{BootNetworkParams, DhcpMode, Role, SettingValue, SettingView};

/// Them, each with its form when it can be changed.
#[component]
pub fn Networks(networks: Vec<SettingView>, revision: u64, actions: Actions) -> impl IntoView {
    let i18n = use_i18n();
    let none = networks.is_empty();
    let lines = networks
        .into_iter()
        .map(|network| view! { <Line network revision actions/> })
        .collect_view();
    view! {
        <section class="panel" aria-labelledby="networks">
            <div class="ph"><h2 id="networks">{t!(i18n, settings.networks)}</h2></div>
            <p class="px-4 pb-3 text-ink-2 max-w-[70ch]">{t!(i18n, settings.networks_text)}</p>
            {match none {
                true => view! { <p class="empty">{t!(i18n, settings.no_networks)}</p> }.into_any(),
                false => view! { <ul class="stream border-t border-line">{lines}</ul> }.into_any(),
            }}
            {may(Role::Admin).then(|| view! {
                <div class="p-4 border-t border-line">
                    <details class="pop">
                        <summary class="btn">{t!(i18n, settings.add_network)}</summary>
                        <div class="body panel p-4 max-w-[40rem]">
                            <Form scope=None network=BootNetworkParams::default() revision actions/>
                        </div>
                    </details>
                </div>
            })}
        </section>
    }
    .into_any()
}

#[component]
fn Line(network: SettingView, revision: u64, actions: Actions) -> impl IntoView {
    let i18n = use_i18n();
    let SettingValue::Boot(params) = network.value.clone() else {
        return ().into_any();
    };
    let scope = network.key.trim_start_matches("boot.").to_string();
    let source = words::source(i18n, &network);
    let own = may(Role::Admin) && !words::is_fixed(&network);
    let key = network.key.clone();
    let remove = move |_| {
        actions.preview.dispatch(PreviewSettings {
            wanted: Wanted {
                remove: Some(key.clone()),
                ..Wanted::default()
            },
        });
    };
    let (mark, heading) = (scope.clone(), scope.clone());
    view! {
        <li data-network=mark>
            <details>
                <summary>
                    <span class="role data">{heading}</span>
                    <span class="what"><span>{words::boot(&params)}</span></span>
                    <span class="meta when">{source}</span>
                </summary>
                <div class="inside">
                    {match own {
                        true => view! {
                            <Form scope=Some(scope) network=params revision actions/>
                            <div><button type="button" class="btn btn-danger needs-wasm" on:click=remove>{t!(i18n, settings.stop_network)}</button></div>
                        }.into_any(),
                        false => view! { <p class="text-ink-2">{t!(i18n, settings.fixed_network)}</p> }.into_any(),
                    }}
                </div>
            </details>
        </li>
    }
    .into_any()
}

/// The fields of a network; interface and namespace of one that is there can't be changed.
#[component]
fn Form(
    scope: Option<String>,
    network: BootNetworkParams,
    revision: u64,
    actions: Actions,
) -> impl IntoView {
    let i18n = use_i18n();
    let action = actions.preview;
    let (namespace, interface) = match scope
        .as_deref()
        .map(|s| s.split_once('/').unwrap_or(("", s)))
    {
        Some((namespace, interface)) => (namespace.to_string(), interface.to_string()),
        None => (String::new(), String::new()),
    };
    let known = scope.is_some();
    let of = scope.unwrap_or_else(|| "new".into());
    let [
        interface_id,
        namespace_id,
        mode_id,
        range_id,
        router_id,
        dns_id,
    ] = ["interface", "namespace", "mode", "range", "router", "dns"].map(|f| format!("{f}-{of}"));
    let place = match known {
        true => view! {
            <input type="hidden" name="wanted[network][interface]" value=interface/>
            <input type="hidden" name="wanted[network][namespace]" value=namespace/>
        }
        .into_any(),
        false => view! {
            <Field label=tu_string!(i18n, network.interface) id=interface_id.clone() help=tu_string!(i18n, settings.interface_help)>
                <input class="input data" id=interface_id.clone() name="wanted[network][interface]" required maxlength="15" autocomplete="off" spellcheck="false" autocapitalize="none"/>
            </Field>
            <Field label=tu_string!(i18n, network.namespace) id=namespace_id.clone() help=tu_string!(i18n, settings.namespace_help)>
                <input class="input data" id=namespace_id.clone() name="wanted[network][namespace]" maxlength="15" autocomplete="off" spellcheck="false" autocapitalize="none"/>
            </Field>
        }
        .into_any(),
    };
    let modes = Signal::stored(vec![
        (
            "full".to_string(),
            tu_string!(i18n, network.full).to_string(),
        ),
        (
            "proxy".to_string(),
            tu_string!(i18n, network.proxy).to_string(),
        ),
        ("off".to_string(), tu_string!(i18n, network.off).to_string()),
    ]);
    let mode = match network.mode {
        DhcpMode::Off => "off",
        DhcpMode::Proxy => "proxy",
        DhcpMode::Full => "full",
    };
    view! {
        <ActionForm action attr:class="grid gap-4 sm:grid-cols-2 max-w-[40rem]">
            <input type="hidden" name="revision" value=revision.to_string()/>
            {place}
            <Field label=tu_string!(i18n, network.mode) id=mode_id.clone()>
                <Select id=mode_id.clone() name="wanted[network][mode]" options=modes selected=mode/>
            </Field>
            <Field label=tu_string!(i18n, network.range) id=range_id.clone() help=tu_string!(i18n, settings.range_help)>
                <input class="input data" id=range_id.clone() name="wanted[network][range]" value=network.range autocomplete="off" spellcheck="false"/>
            </Field>
            <Field label=tu_string!(i18n, settings.router) id=router_id.clone() help=tu_string!(i18n, settings.router_help)>
                <input class="input data" id=router_id.clone() name="wanted[network][router]" value=network.router autocomplete="off" spellcheck="false"/>
            </Field>
            <Field label=tu_string!(i18n, settings.dns) id=dns_id.clone() help=tu_string!(i18n, settings.dns_help)>
                <input class="input data" id=dns_id.clone() name="wanted[network][dns]" value=network.dns autocomplete="off" spellcheck="false"/>
            </Field>
            <div class="sm:col-span-2">
                <button class="btn btn-primary needs-wasm" disabled=move || action.pending().get()>{t!(i18n, settings.preview)}</button>
                <noscript><button class="btn btn-primary" formaction="/fn/settings/change">{t!(i18n, computer.save)}</button></noscript>
            </div>
        </ActionForm>
    }
    .into_any()
}
