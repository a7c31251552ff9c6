//! Leases: who has which address, with *keep this address* and *forget*.

use super::api::{ForgetLease, KeepLease};
use crate::{
    i18n::*,
    live::Live,
    start::may,
    ui::{Problems, Shape, StateShape, format},
};
use leptos::{form::ActionForm, prelude::*};
use types::{LeaseState, LeaseView, Role};

/// Every lease. One whose address rests is among them, and can be forgotten.
#[component]
pub fn Leases() -> impl IntoView {
    let i18n = use_i18n();
    let live = expect_context::<Live>();
    let keep = ServerAction::<KeepLease>::new();
    let forget = ServerAction::<ForgetLease>::new();
    let refused = move || {
        let kept = keep.value().get().and_then(Result::err);
        kept.or_else(|| forget.value().get().and_then(Result::err))
    };
    let line = move |lease: LeaseView| {
        let acts = may(Role::Operator).then(|| acts(i18n, &lease, keep, forget));
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
                <td class="data" data-label=tu_string!(i18n, network.scope)>{lease.scope}</td>
                <td class="num" data-label=tu_string!(i18n, lease.ends)>
                    <time datetime=lease.ends_at.to_string()>{format::clock(lease.ends_at)}" UTC"</time>
                </td>
                <td>{acts}</td>
            </tr>
        }
    };
    view! {
        <div class="panel livedata cards">
            <div class="ph"><h2 id="leases">{t!(i18n, network.leases)}</h2></div>
            <Problems fault=Signal::derive(refused)/>
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
                                <th scope="col">{t!(i18n, network.scope)}</th>
                                <th scope="col" class="num">{t!(i18n, lease.ends)}</th>
                                <th scope="col">{t!(i18n, lease.acts)}</th>
                            </tr>
                        </thead>
                        <tbody>
                            <For
                                each=move || live.leases.get()
                                key=|l| (l.address, l.scope.clone(), l.state, l.ends_at, l.client_name.clone(), l.is_reserved)
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

/// What may be done to a lease as it is.
fn acts(
    i18n: I18n,
    lease: &LeaseView,
    keep: ServerAction<KeepLease>,
    forget: ServerAction<ForgetLease>,
) -> AnyView {
    let (address, scope) = (lease.address.to_string(), lease.scope.clone());
    let keeps = (!lease.is_reserved && lease.state != LeaseState::Declined).then(|| {
        let label = tu_string!(i18n, lease.keep_name, address = address.clone()).to_string();
        let (address, scope) = (address.clone(), scope.clone());
        view! {
            <ActionForm action=keep>
                <Which address scope/>
                <button class="btn" aria-label=label>{t!(i18n, lease.keep)}</button>
            </ActionForm>
        }
    });
    let reserved = lease
        .is_reserved
        .then(|| view! { <span class="meta">{t!(i18n, lease.reserved)}</span> });
    let forgets = (lease.state != LeaseState::Active).then(|| {
        let label = tu_string!(i18n, lease.forget_name, address = address.clone()).to_string();
        view! {
            <ActionForm action=forget>
                <Which address scope/>
                <button class="btn" aria-label=label>{t!(i18n, lease.forget)}</button>
            </ActionForm>
        }
    });
    view! { <div class="flex flex-wrap items-center gap-2">{reserved}{keeps}{forgets}</div> }
        .into_any()
}

/// Which lease a form is about.
#[component]
fn Which(address: String, scope: String) -> impl IntoView {
    view! {
        <input type="hidden" name="address" value=address/>
        <input type="hidden" name="scope" value=scope/>
    }
}
