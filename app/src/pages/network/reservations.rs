//! Reservations: a table with forms to add, change and remove.

use super::api::{CreateReservation, RemoveReservation, UpdateReservation};
use crate::{
    i18n::*,
    live::Live,
    start::may,
    ui::{Field, Problems, TextArea, times},
};
use leptos::{form::ActionForm, prelude::*};
use types::{DhcpOption, ReservationView, Role};

/// Options as the form has them: one a line.
pub(super) fn lines(options: &[DhcpOption]) -> String {
    let lines: Vec<String> = options.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// Every reservation.
#[component]
pub fn Reservations() -> impl IntoView {
    let i18n = use_i18n();
    let live = expect_context::<Live>();
    let line = move |r: ReservationView| {
        let name = match (r.client_id, r.client_name.clone()) {
            (Some(id), Some(name)) => {
                view! { <a class="plain" href=format!("/floor/{id}")>{name}</a> }.into_any()
            }
            _ => r.hostname.clone().unwrap_or_else(|| "-".into()).into_any(),
        };
        view! {
            <tr>
                <th scope="row" class="data">{r.address.to_string()}</th>
                <td>{name}</td>
                <td class="data" data-label=tu_string!(i18n, floor.mac)>{r.mac.to_string()}</td>
                <td class="data" data-label=tu_string!(i18n, network.scope)>{r.scope.clone()}</td>
                <td class="data" data-label=tu_string!(i18n, network.options)>{lines(&r.options)}</td>
                <td>{may(Role::Operator).then(|| view! { <Acts reservation=r/> })}</td>
            </tr>
        }
    };
    view! {
        <div class="panel livedata cards">
            <div class="ph"><h2 id="reservations">{t!(i18n, network.reservations)}</h2></div>
            <Show
                when=move || !live.reservations.with(Vec::is_empty)
                fallback=move || view! { <p class="empty">{t!(i18n, network.no_reservations)}</p> }
            >
                <div class="tbox" tabindex="0" role="region" aria-labelledby="reservations">
                    <table class="t">
                        <thead>
                            <tr>
                                <th scope="col">{t!(i18n, floor.address)}</th>
                                <th scope="col">{t!(i18n, lease.client)}</th>
                                <th scope="col">{t!(i18n, floor.mac)}</th>
                                <th scope="col">{t!(i18n, network.scope)}</th>
                                <th scope="col">{t!(i18n, network.options)}</th>
                                <th scope="col">{t!(i18n, lease.acts)}</th>
                            </tr>
                        </thead>
                        <tbody>
                            <For
                                each=move || live.reservations.get()
                                key=|r| (r.id, r.revision, r.client_name.clone())
                                children=line
                            />
                        </tbody>
                    </table>
                </div>
            </Show>
            {may(Role::Operator).then(|| view! { <div class="p-4 border-t border-line"><Add/></div> })}
        </div>
    }
    .into_any()
}

#[component]
fn Add() -> impl IntoView {
    let i18n = use_i18n();
    let action = ServerAction::<CreateReservation>::new();
    let value = action.value();
    let fields = times(move || matches!(value.get(), Some(Ok(()))));
    view! {
        <details class="pop">
            <summary class="btn">{t!(i18n, network.reserve)}</summary>
            <div class="body panel p-4 max-w-[26rem]">
                <ActionForm action attr:class="grid gap-4">
                    // By a key: the same elements would be kept, and with them what was typed.
                    <For each=move || [fields.get()] key=|n| *n let:_>
                        <Field label=tu_string!(i18n, floor.mac) id="reserve-mac">
                            <input class="input data" id="reserve-mac" name="mac" required autocomplete="off"/>
                        </Field>
                        <Field label=tu_string!(i18n, floor.address) id="reserve-address" help=tu_string!(i18n, network.reserve_help)>
                            <input class="input data" id="reserve-address" name="address" required autocomplete="off" aria-describedby="reserve-address-help"/>
                        </Field>
                        <Field label=tu_string!(i18n, network.hostname) id="reserve-name" help=tu_string!(i18n, network.hostname_help)>
                            <input class="input" id="reserve-name" name="hostname" autocomplete="off" aria-describedby="reserve-name-help"/>
                        </Field>
                    </For>
                    <Problems fault=Signal::derive(move || value.get().and_then(Result::err))/>
                    <div><button class="btn btn-primary">{t!(i18n, network.reserve_button)}</button></div>
                </ActionForm>
            </div>
        </details>
    }
    .into_any()
}

/// Changing and removing one.
#[component]
fn Acts(reservation: ReservationView) -> impl IntoView {
    let i18n = use_i18n();
    let change = ServerAction::<UpdateReservation>::new();
    let remove = ServerAction::<RemoveReservation>::new();
    let refused = move || {
        let changed = change.value().get().and_then(Result::err);
        changed.or_else(|| remove.value().get().and_then(Result::err))
    };
    let r = reservation;
    let (id, revision) = (r.id.to_string(), r.revision.to_string());
    let (address_id, name_id, options_id) =
        (format!("ra{id}"), format!("rn{id}"), format!("ro{id}"));
    let (address, hostname) = (r.address.to_string(), r.hostname.unwrap_or_default());
    let options = lines(&r.options);
    let edit = tu_string!(i18n, network.edit_name, name = address.clone()).to_string();
    let gone = tu_string!(i18n, network.unreserve, address = address.clone()).to_string();
    let gone_name = tu_string!(i18n, network.unreserve_name, address = address.clone());
    let gone_name = gone_name.to_string();
    let gone_id = id.clone();
    view! {
        <details class="pop">
            <summary class="btn" aria-label=edit>{t!(i18n, computer.edit)}</summary>
            <div class="body panel grid gap-4 p-4 max-w-[26rem]">
                <ActionForm action=change attr:class="grid gap-4">
                    <input type="hidden" name="id" value=id/>
                    <input type="hidden" name="revision" value=revision/>
                    <Field label=tu_string!(i18n, floor.address) id=address_id.clone()>
                        <input class="input data" id=address_id name="address" value=address required autocomplete="off"/>
                    </Field>
                    <Field label=tu_string!(i18n, network.hostname) id=name_id.clone()>
                        <input class="input" id=name_id name="hostname" value=hostname autocomplete="off"/>
                    </Field>
                    <Field label=tu_string!(i18n, network.options) id=options_id.clone() help=tu_string!(i18n, network.options_help)>
                        <TextArea id=options_id name="options" rows=3 value=options/>
                    </Field>
                    <div><button class="btn btn-primary">{t!(i18n, computer.save)}</button></div>
                </ActionForm>
                <details class="pop">
                    <summary class="btn btn-danger" aria-label=gone_name>{t!(i18n, network.unreserve_start)}</summary>
                    <div class="body">
                        <ActionForm action=remove>
                            <input type="hidden" name="id" value=gone_id/>
                            <button class="btn btn-danger-solid">{gone}</button>
                        </ActionForm>
                    </div>
                </details>
                <Problems fault=Signal::derive(refused)/>
            </div>
        </details>
    }
    .into_any()
}
