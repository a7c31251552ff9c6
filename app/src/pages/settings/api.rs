//! What the settings page reads and does.

use crate::Fault;
use leptos::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
#[cfg(feature = "ssr")]
use types::{BootNetworkParams, DhcpMode, Problem, SettingValue, UpdateSettingsParams};
use types::{SettingsPreviewView, SettingsRevisionView, SettingsView};

/// Changes that the page lists.
#[cfg(feature = "ssr")]
const CHANGES: usize = 25;

/// All settings and the newest changes.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct All {
    pub view: SettingsView,
    pub history: Vec<SettingsRevisionView>,
}

/// A change as a form holds it.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Wanted {
    /// Text by key; what is so already is left alone.
    #[serde(default)]
    pub values: BTreeMap<String, String>,
    /// The key whose saved value is taken away.
    #[serde(default)]
    pub remove: Option<String>,
    /// A boot network to serve, new or otherwise than now.
    #[serde(default)]
    pub network: Option<Network>,
    /// Seconds in which a network change has to be confirmed.
    #[serde(default)]
    pub within: Option<u32>,
}

/// The fields of a boot network; empty ones are none.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Network {
    pub interface: String,
    pub namespace: String,
    pub mode: String,
    pub range: String,
    pub router: String,
    pub dns: String,
}

/// Reads them.
#[server(prefix = "/fn", endpoint = "settings/read")]
pub async fn settings() -> Result<All, Fault> {
    let viewer = crate::ssr::viewer()?;
    let mut history = viewer.settings_history().await?;
    history.truncate(CHANGES);
    Ok(All {
        view: viewer.settings().await,
        history,
    })
}

/// What a change would touch, with the change: of two that were asked for, either answer may come first.
#[server(prefix = "/fn", endpoint = "settings/preview")]
pub async fn preview_settings(wanted: Wanted) -> Result<(Wanted, SettingsPreviewView), Fault> {
    let admin = crate::ssr::admin()?;
    let params = params(&admin.settings().await, wanted.clone())?;
    Ok((wanted, admin.preview_settings(&params).await?))
}

/// Makes a change. `revision` is what the preview was made on.
#[server(prefix = "/fn", endpoint = "settings/change")]
pub async fn change_settings(wanted: Wanted, revision: Option<u64>) -> Result<(), Fault> {
    let admin = crate::ssr::admin()?;
    let params = params(&admin.settings().await, wanted)?;
    admin.update_settings(revision, params).await?;
    Ok(())
}

/// Undoes an earlier change, or takes back one that waits to be confirmed.
#[server(prefix = "/fn", endpoint = "settings/undo")]
pub async fn undo_settings(number: u64) -> Result<(), Fault> {
    let admin = crate::ssr::admin()?;
    admin.undo_settings(number).await?;
    Ok(())
}

/// Keeps a network change that waits to be confirmed.
#[server(prefix = "/fn", endpoint = "settings/confirm")]
pub async fn confirm_settings(number: u64) -> Result<(), Fault> {
    let admin = crate::ssr::admin()?;
    let connected = crate::ssr::connected_at()?;
    admin.confirm_settings(number, connected).await?;
    Ok(())
}

/// What differs from what is shown.
#[cfg(feature = "ssr")]
#[expect(
    clippy::result_large_err,
    reason = "a fault ends its request: boxing it would cost more than moving it once"
)]
fn params(now: &SettingsView, wanted: Wanted) -> Result<UpdateSettingsParams, Fault> {
    let mut values = BTreeMap::new();
    for (key, text) in wanted.values {
        let shown = now.settings.iter().find(|s| s.key == key);
        let text = SettingValue::Text(text.trim().into());
        if shown.is_none_or(|s| s.value != text) {
            values.insert(key, Some(text));
        }
    }
    if let Some(key) = wanted.remove {
        values.insert(key, None);
    }
    if let Some(network) = wanted.network {
        let (key, value) = written(network)?;
        values.insert(key, Some(value));
    }
    Ok(UpdateSettingsParams {
        values,
        confirm_within_seconds: wanted.within,
    })
}

#[cfg(feature = "ssr")]
#[expect(
    clippy::result_large_err,
    reason = "a fault ends its request: boxing it would cost more than moving it once"
)]
fn written(n: Network) -> Result<(String, SettingValue), Fault> {
    let given = |text: String| Some(text.trim().to_string()).filter(|t| !t.is_empty());
    let mode = match n.mode.as_str() {
        "off" => DhcpMode::Off,
        "full" | "" => DhcpMode::Full,
        _ => {
            return Err(Fault::from(Problem::new(
                400,
                "NSB-PAGE-001",
                "There is no such mode",
                "Reload the page and try again.",
            )));
        }
    };
    let key = match given(n.namespace) {
        Some(namespace) => format!("boot.{namespace}/{}", n.interface.trim()),
        None => format!("boot.{}", n.interface.trim()),
    };
    let params = BootNetworkParams {
        mode,
        range: given(n.range),
        router: given(n.router),
        dns: given(n.dns),
    };
    Ok((key, SettingValue::Boot(params)))
}
