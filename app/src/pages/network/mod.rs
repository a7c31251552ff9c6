//! `/network`: the boot interfaces, their scope and their leases.

use crate::{
    i18n::*,
    live::Live,
    ui::{Shape, StateShape, format},
};
use leptos::prelude::*;
use leptos_meta::Title;
use types::{BootNetworkView, DhcpMode, LeaseState, LeaseView};

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
        <Leases/>
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
        let range = n
            .range
            .map_or("-".into(), |r| format!("{} - {}", r.first, r.last));
        let address = n
            .address
            .map_or("-".into(), |a| format!("{a}/{}", n.prefix_len));
        let pairs = [
            (
                tu_string!(i18n, network.mode),
                mode(i18n, n.mode).to_string(),
            ),
            (tu_string!(i18n, network.address), address),
            (tu_string!(i18n, network.range), range),
            (
                tu_string!(i18n, network.lease_time),
                format::seconds(f64::from(n.lease_seconds)),
            ),
            (
                tu_string!(i18n, network.active),
                format!("{} / {}", n.leases_active, n.leases_total),
            ),
            (
                tu_string!(i18n, network.namespace),
                n.namespace
                    .clone()
                    .unwrap_or_else(|| tu_string!(i18n, network.host).into()),
            ),
        ];
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

#[component]
fn Leases() -> impl IntoView {
    let i18n = use_i18n();
    let live = expect_context::<Live>();
    let line = move |lease: LeaseView| {
        let state = match lease.state {
            LeaseState::Active => tu_string!(i18n, lease.active),
            LeaseState::Expired => tu_string!(i18n, lease.expired),
            LeaseState::Released => tu_string!(i18n, lease.released),
            LeaseState::Declined => tu_string!(i18n, lease.declined),
        };
        let shape = match lease.state {
            LeaseState::Active => Shape::Ok,
            LeaseState::Declined => Shape::Warn,
            _ => Shape::Idle,
        };
        let name = match (lease.client_id, lease.client_name) {
            (Some(id), Some(name)) => {
                view! { <a class="plain" href=format!("/floor/{id}")>{name}</a> }.into_any()
            }
            _ => lease.hostname.unwrap_or_else(|| "-".into()).into_any(),
        };
        view! {
            <tr>
                <th scope="row" class="data">{lease.address.to_string()}</th>
                <td>
                    <span class="st" data-s=shape.key()><StateShape shape=Signal::stored(shape)/>{state}</span>
                </td>
                <td>{name}</td>
                <td class="data" data-label=tu_string!(i18n, floor.mac)>{lease.mac.to_string()}</td>
                <td class="data" data-label=tu_string!(i18n, network.interface)>{lease.interface}</td>
                <td class="num" data-label=tu_string!(i18n, lease.ends)>
                    <time datetime=lease.ends_at.to_string()>{format::clock(lease.ends_at)}" UTC"</time>
                </td>
            </tr>
        }
    };
    view! {
        <div class="panel livedata cards">
            <div class="ph"><h2 id="leases">{t!(i18n, network.leases)}</h2></div>
            <Show
                when=move || !live.leases.with(Vec::is_empty)
                fallback=move || view! { <p class="empty">{t!(i18n, network.no_leases)}</p> }
            >
                <div class="tbox" tabindex="0" role="region" aria-labelledby="leases">
                    <table class="t">
                        <thead>
                            <tr>
                                <th scope="col">{t!(i18n, floor.address)}</th>
                                <th scope="col">{t!(i18n, floor.state)}</th>
                                <th scope="col">{t!(i18n, lease.client)}</th>
                                <th scope="col">{t!(i18n, floor.mac)}</th>
                                <th scope="col">{t!(i18n, network.interface)}</th>
                                <th scope="col" class="num">{t!(i18n, lease.ends)}</th>
                            </tr>
                        </thead>
                        <tbody>
                            <For
                                each=move || live.leases.get()
                                key=|l| (l.address, l.interface.clone(), l.state, l.ends_at, l.client_name.clone())
                                children=line
                            />
                        </tbody>
                    </table>
                </div>
            </Show>
        </div>
    }
    .into_any()
}
