//! Settings in plain words.

use crate::i18n::*;
use types::{BootNetworkParams, DhcpMode, RevisionState, SettingSource, SettingValue, SettingView};

use crate::ui::Shape;

/// The name of a setting on the page; its key when the page is older than the server.
pub fn name(i18n: I18n, key: &str) -> String {
    match key {
        "http.listen" => tu_string!(i18n, settings.listen).to_string(),
        "http.allowed_origins" => tu_string!(i18n, settings.origins).to_string(),
        "clients.unknown" => tu_string!(i18n, settings.unknown).to_string(),
        "clients.boot_entry" => tu_string!(i18n, settings.boot_entry).to_string(),
        "clients.loader_set" => tu_string!(i18n, settings.loader_set).to_string(),
        "clients.loader" => tu_string!(i18n, settings.loader).to_string(),
        "dhcp.echo_client_id" => tu_string!(i18n, settings.echo_client_id).to_string(),
        "storage.warn_free_percent" => tu_string!(i18n, settings.warn_free).to_string(),
        "disks.overlay_quota" => tu_string!(i18n, settings.overlay_quota).to_string(),
        "snapshots.every" => tu_string!(i18n, settings.snapshots_every).to_string(),
        "snapshots.at" => tu_string!(i18n, settings.snapshots_at).to_string(),
        "snapshots.keep" => tu_string!(i18n, settings.snapshots_keep).to_string(),
        "nbd.enabled" => tu_string!(i18n, settings.nbd).to_string(),
        "lab.enabled" => tu_string!(i18n, settings.lab).to_string(),
        other => match other.strip_prefix("boot.") {
            Some(scope) => {
                tu_string!(i18n, settings.boot_of, scope = scope.to_string()).to_string()
            }
            None => other.to_string(),
        },
    }
}

/// A choice in words.
pub fn choice(i18n: I18n, option: &str) -> String {
    match option {
        "discover" => tu_string!(i18n, settings.discover).to_string(),
        "adopt" => tu_string!(i18n, settings.adopt).to_string(),
        "auto" => tu_string!(i18n, settings.auto).to_string(),
        "off" => tu_string!(i18n, settings.no).to_string(),
        "daily" => tu_string!(i18n, settings.daily).to_string(),
        "monday" => tu_string!(i18n, settings.monday).to_string(),
        "tuesday" => tu_string!(i18n, settings.tuesday).to_string(),
        "wednesday" => tu_string!(i18n, settings.wednesday).to_string(),
        "thursday" => tu_string!(i18n, settings.thursday).to_string(),
        "friday" => tu_string!(i18n, settings.friday).to_string(),
        "saturday" => tu_string!(i18n, settings.saturday).to_string(),
        "sunday" => tu_string!(i18n, settings.sunday).to_string(),
        "true" => tu_string!(i18n, settings.yes).to_string(),
        "false" => tu_string!(i18n, settings.no).to_string(),
        other => other.to_string(),
    }
}

/// Where a value comes from.
pub fn source(i18n: I18n, setting: &SettingView) -> String {
    match setting.source {
        SettingSource::Default => tu_string!(i18n, settings.from_default).to_string(),
        SettingSource::Database => tu_string!(i18n, settings.from_here).to_string(),
        SettingSource::Flag | SettingSource::Env | SettingSource::File => {
            tu_string!(i18n, settings.from, place = setting.place.clone()).to_string()
        }
    }
}

/// Whether something above the database says what holds.
pub fn is_fixed(setting: &SettingView) -> bool {
    matches!(
        setting.source,
        SettingSource::Flag | SettingSource::Env | SettingSource::File
    )
}

/// A value as a text.
pub fn value(i18n: I18n, value: Option<&SettingValue>) -> String {
    match value {
        None => tu_string!(i18n, settings.nothing).to_string(),
        Some(SettingValue::Text(text)) if text.is_empty() => {
            tu_string!(i18n, settings.none).to_string()
        }
        Some(SettingValue::Text(text)) => text.clone(),
        Some(SettingValue::Boot(network)) => boot(network),
    }
}

/// A boot network in a line.
pub fn boot(network: &BootNetworkParams) -> String {
    let mode = match network.mode {
        DhcpMode::Full => "full",
        DhcpMode::Proxy => "proxy",
        DhcpMode::Off => "off",
    };
    let parts = [&network.range, &network.router, &network.dns];
    let given = parts.into_iter().flatten().cloned();
    std::iter::once(mode.to_string())
        .chain(given)
        .collect::<Vec<_>>()
        .join(" · ")
}

/// What became of a change.
pub fn state(i18n: I18n, state: RevisionState) -> (Shape, &'static str) {
    match state {
        RevisionState::Applied => (Shape::Ok, tu_string!(i18n, settings.applied)),
        RevisionState::OnTrial => (Shape::Busy, tu_string!(i18n, settings.on_trial)),
        RevisionState::Confirmed => (Shape::Ok, tu_string!(i18n, settings.confirmed)),
        RevisionState::Reverted => (Shape::Warn, tu_string!(i18n, settings.reverted)),
        RevisionState::Undone => (Shape::Idle, tu_string!(i18n, settings.undone)),
    }
}
