//! The banner of a network change that waits to be confirmed, on every page.

use super::api::{ConfirmSettings, UndoSettings};
use crate::{i18n::*, live::Live, start::may, ui::Problems};
use leptos::{form::ActionForm, prelude::*};
use types::{Role, TrialView};

/// Counts down; *Keep* and *Take back* for administrators.
#[component]
pub fn Banner() -> impl IntoView {
    let i18n = use_i18n();
    let live = expect_context::<Live>();
    let keep = ServerAction::<ConfirmSettings>::new();
    let back = ServerAction::<UndoSettings>::new();
    again_when_too_old(keep);
    let trial = Memo::new(move |_| live.trial.get());
    // Only once the page lives: the server does not know by what address it was asked.
    let elsewhere = RwSignal::new(None::<String>);
    Effect::new(move || elsewhere.set(trial.get().as_ref().and_then(place)));
    // What was refused of an earlier change says nothing about this one.
    Effect::watch(
        move || trial.with(|t| t.as_ref().map(|t| t.revision)),
        move |_, _, _| {
            keep.value().set(None);
            back.value().set(None);
        },
        false,
    );
    let fault = Signal::derive(move || {
        let of = |v: Option<Result<(), crate::Fault>>| v.and_then(Result::err);
        of(keep.value().get()).or(of(back.value().get()))
    });
    let left = move |t: &TrialView| {
        let seconds = live.now.get().seconds_to(t.ends_at).max(0.0);
        format!("{}:{:02}", (seconds / 60.0) as u32, seconds as u32 % 60)
    };
    view! {
        {move || trial.get().map(|t| {
            let (kept, taken) = (t.revision.to_string(), t.revision.to_string());
            let shown = t.clone();
            view! {
                <section class="trial" role="alert" aria-label=tu_string!(i18n, settings.trial)>
                    <p>
                        <strong>{t!(i18n, settings.trial)}</strong> " "
                        {t!(i18n, settings.trial_text)} " "
                        <span class="data" aria-live="off">{move || left(&shown)}</span>
                    </p>
                    {move || elsewhere.get().map(|address| view! {
                        <p>{t!(i18n, settings.moved)} " " <a class="link data" href=address.clone() rel="external">{address.clone()}</a></p>
                    })}
                    {may(Role::Admin).then(|| view! {
                        <div class="actions">
                            <ActionForm action=keep>
                                <input type="hidden" name="number" value=kept/>
                                <button class="btn btn-primary" disabled=move || keep.pending().get()>{t!(i18n, settings.keep)}</button>
                            </ActionForm>
                            <ActionForm action=back>
                                <input type="hidden" name="number" value=taken/>
                                <button class="btn" disabled=move || back.pending().get()>{t!(i18n, settings.take_back)}</button>
                            </ActionForm>
                        </div>
                    })}
                    <Problems fault/>
                </section>
            }
        })}
    }
    .into_any()
}

/// A browser may have asked by a connection from before the change, which proves nothing and is closed
/// with the answer: the next one is another.
fn again_when_too_old(keep: ServerAction<ConfirmSettings>) {
    const TRIES: u32 = 8;
    let asked = StoredValue::new(None::<u64>);
    let tries = StoredValue::new(0);
    Effect::new(move || {
        if let Some(input) = keep.input().get() {
            asked.set_value(Some(input.number));
        }
    });
    Effect::new(move || {
        let too_old = |f: &crate::Fault| f.0.code == "NSB-SETTING-005";
        let refused = keep.value().get().and_then(Result::err);
        match (refused, asked.get_value()) {
            (Some(fault), Some(number)) if too_old(&fault) && tries.get_value() < TRIES => {
                tries.update_value(|n| *n += 1);
                keep.dispatch(ConfirmSettings { number });
            }
            _ => tries.set_value(0),
        }
    });
}

/// Where the page is now, when the change moved it and this one came from elsewhere. One that came over
/// TLS has a proxy before it, of which we know nothing.
fn place(trial: &TrialView) -> Option<String> {
    #[cfg(feature = "hydrate")]
    {
        let here = window().location();
        if !trial.moved || here.protocol().ok()? != "http:" {
            return None;
        }
        let (host, port) = (here.hostname().ok()?, here.port().ok()?);
        let port = if port.is_empty() { "80".into() } else { port };
        let listen: std::net::SocketAddr = trial.listen.parse().ok()?;
        let there = match listen.ip() {
            ip if ip.is_unspecified() => host.clone(),
            std::net::IpAddr::V6(ip) => format!("[{ip}]"),
            ip => ip.to_string(),
        };
        // A name may be that of any address: only the port tells then.
        let is_name = host.parse::<std::net::IpAddr>().is_err() && !host.starts_with('[');
        let moved = listen.port().to_string() != port || (!is_name && there != host);
        let there = if is_name && !listen.ip().is_loopback() {
            host
        } else {
            there
        };
        moved.then(|| format!("http://{there}:{}/settings", listen.port()))
    }
    #[cfg(not(feature = "hydrate"))]
    {
        let _ = trial;
        None
    }
}
