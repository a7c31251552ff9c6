//! The interfaces of the box, so that one more can become a boot network.

use super::{api, mode};
use crate::{i18n::*, live::Live, start::may, ui::Problems};
use leptos::prelude::*;
use types::{InterfaceView, Role};

/// All of them; read anew when a boot network comes or goes.
#[component]
pub fn Interfaces() -> impl IntoView {
    let i18n = use_i18n();
    let live = expect_context::<Live>();
    let served = Memo::new(move |_| {
        let place = |n: &types::BootNetworkView| (n.interface.clone(), n.mode);
        live.networks
            .with(|all| all.iter().map(place).collect::<Vec<_>>())
    });
    let loaded = Resource::new_blocking(move || served.get(), |_| api::interfaces());
    view! {
        <div class="panel cards">
            <div class="ph"><h2 id="interfaces">{t!(i18n, network.interfaces)}</h2></div>
            {may(Role::Admin).then(|| view! {
                <p class="px-4 pb-3 text-ink-2">
                    <a class="link" href="/settings">{t!(i18n, network.interfaces_text)}</a>
                </p>
            })}
            <Transition>
                {move || Suspend::new(async move {
                    match loaded.await {
                        Ok(all) => view! { <Table all/> }.into_any(),
                        Err(fault) => {
                            let fault = Signal::stored(Some(fault));
                            view! { <Problems fault/> }.into_any()
                        }
                    }
                })}
            </Transition>
        </div>
    }
    .into_any()
}

#[component]
fn Table(all: Vec<InterfaceView>) -> impl IntoView {
    let i18n = use_i18n();
    let rows = all
        .into_iter()
        .map(|i| {
            let link = match (i.is_up, i.has_link) {
                (false, _) => tu_string!(i18n, network.switched_off),
                (true, false) => tu_string!(i18n, network.no_link),
                (true, true) => tu_string!(i18n, network.link_up),
            };
            let addresses = match i.addresses.is_empty() {
                true => "-".to_string(),
                false => i.addresses.join(", "),
            };
            view! {
                <tr data-interface=i.name.clone()>
                    <th scope="row" class="data">{i.name.clone()}</th>
                    <td class="data" data-label=tu_string!(i18n, network.addresses)>{addresses}</td>
                    <td class="data" data-label=tu_string!(i18n, floor.mac)>{i.mac.map_or("-".into(), |m| m.to_string())}</td>
                    <td data-label=tu_string!(i18n, network.link)>{link}</td>
                    <td data-label=tu_string!(i18n, network.mode)>{mode(i18n, i.mode)}</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <div class="tbox" tabindex="0" role="region" aria-labelledby="interfaces">
        <table class="t">
            <thead>
                <tr>
                    <th scope="col">{t!(i18n, network.interface)}</th>
                    <th scope="col">{t!(i18n, network.addresses)}</th>
                    <th scope="col">{t!(i18n, floor.mac)}</th>
                    <th scope="col">{t!(i18n, network.link)}</th>
                    <th scope="col">{t!(i18n, network.mode)}</th>
                </tr>
            </thead>
            <tbody>{rows}</tbody>
        </table>
        </div>
    }
    .into_any()
}
