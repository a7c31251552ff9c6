//! `/network`: the boot interfaces, what is handed out on each subnet, reservations and leases.

pub(super) mod api;
mod interfaces;
mod leases;
mod reservations;
mod scopes;

use crate::{
    i18n::*,
    live::Live,
    ui::{Shape, StateShape},
};
use interfaces::Interfaces;
use leases::Leases;
use leptos::prelude::*;
use leptos_meta::Title;
use reservations::Reservations;
use scopes::Scopes;
use types::{BootNetworkView, DhcpMode};

/// Interfaces and leases.
#[component]
pub fn Network() -> impl IntoView {
    let i18n = use_i18n();
    let live = expect_context::<Live>();
    let sentence = move || {
        let (n, active) = live
            .networks
            .with(|all| (all.len(), all.iter().map(|n| n.leases_active).sum::<u32>()));
        tu_string!(i18n, network.sentence, n = n, active = active).to_string()
    };
    let key =
        |n: &BootNetworkView| format!("{}/{}", n.namespace.as_deref().unwrap_or(""), n.interface);
    let keys = Memo::new(move |_| {
        live.networks
            .with(|all| all.iter().map(key).collect::<Vec<_>>())
    });
    let find = move |k: String| {
        Memo::new(move |_| {
            live.networks
                .with(|all| all.iter().find(|n| key(n) == k).cloned())
        })
    };
    view! {
        <Title text=tu_string!(i18n, network.title)/>
        <div>
            <h1>{t!(i18n, network.heading)}</h1>
            <p class="text-ink-2">{sentence}</p>
        </div>
        <Show
            when=move || !keys.with(Vec::is_empty)
            fallback=move || view! { <p class="panel p-4 text-ink-2">{t!(i18n, network.empty)}</p> }
        >
            <For each=move || keys.get() key=|k| k.clone() let:k>
                <Interface network=find(k)/>
            </For>
        </Show>
        <Scopes/>
        <Reservations/>
        <Leases/>
        <Interfaces/>
    }
    .into_any()
}

fn mode(i18n: I18n, mode: DhcpMode) -> &'static str {
    match mode {
        DhcpMode::Full => tu_string!(i18n, network.full),
        DhcpMode::Proxy => tu_string!(i18n, network.proxy),
        DhcpMode::Off => tu_string!(i18n, network.off),
    }
}

#[component]
fn Interface(network: Memo<Option<BootNetworkView>>) -> impl IntoView {
    let i18n = use_i18n();
    move || {
        let n = network.get()?;
        let shape = if n.error.is_some() {
            Shape::Fail
        } else {
            Shape::Ok
        };
        let address = n
            .address
            .map_or("-".into(), |a| format!("{a}/{}", n.prefix_len));
        let mut pairs = vec![
            (
                tu_string!(i18n, network.mode),
                mode(i18n, n.mode).to_string(),
            ),
            (tu_string!(i18n, network.address), address),
            (
                tu_string!(i18n, network.namespace),
                n.namespace
                    .clone()
                    .unwrap_or_else(|| tu_string!(i18n, network.host).into()),
            ),
        ];
        // In the other modes addresses come from somebody else.
        if n.mode == DhcpMode::Full {
            let used = format!("{} / {}", n.leases_active, n.leases_total);
            pairs.push((tu_string!(i18n, network.active), used));
        } else {
            let other = tu_string!(i18n, network.other_server).to_string();
            pairs.push((tu_string!(i18n, network.addresses), other));
        }
        let others: Vec<String> = n
            .other_servers
            .iter()
            .map(|other| other.address.to_string())
            .collect();
        if !others.is_empty() {
            pairs.push((tu_string!(i18n, network.other_servers), others.join(", ")));
        }
        let facts = pairs
            .into_iter()
            .map(|(k, v)| view! { <div><dt>{k}</dt><dd>{v}</dd></div> })
            .collect_view();
        Some(view! {
            <section class="panel livedata grid gap-4 p-4" aria-label=n.interface.clone()>
                <div class="flex flex-wrap items-center gap-3">
                    <h2 class="data">{n.interface.clone()}</h2>
                    <span class="st" data-s=shape.key()>
                        <StateShape shape=Signal::stored(shape)/>
                        {if n.error.is_some() { t!(i18n, network.stopped).into_any() } else { t!(i18n, network.running).into_any() }}
                    </span>
                    {n.is_lab.then(|| view! { <span class="meta">{t!(i18n, network.lab)}</span> })}
                </div>
                {n.error.clone().map(|e| view! { <p class="alert">{e}</p> })}
                <dl class="facts">{facts}</dl>
            </section>
        })
    }
}
