//! Settings and their history.

use super::{fields, or_dash, table};
use types::{
    Applies, BootNetworkParams, DhcpMode, RevisionState, SettingSource, SettingValue, SettingView,
    SettingsPreviewView, SettingsRevisionView, SettingsView,
};

/// All of them, with the change that waits to be confirmed.
pub fn settings(view: &SettingsView) -> String {
    let mut text = settings_now(view);
    if let Some(trial) = &view.trial {
        text += &format!(
            "\nChange {} goes back at {} unless it is confirmed: nsboot setting confirm {}\n",
            trial.revision, trial.ends_at, trial.revision
        );
    }
    text
}

/// What holds.
pub fn settings_now(view: &SettingsView) -> String {
    let row = |s: &SettingView| vec![s.key.clone(), value(Some(&s.value)), from(s)];
    let rows = view.settings.iter().map(row).collect();
    table(&["KEY", "VALUE", "FROM"], rows)
}

/// Where it comes from, and what is saved beside it in vain.
fn from(s: &SettingView) -> String {
    let above = !matches!(s.source, SettingSource::Database | SettingSource::Default);
    match s.saved.as_ref().filter(|_| above) {
        Some(saved) => format!(
            "{} (saved and without effect: {})",
            s.place,
            value(Some(saved))
        ),
        None => s.place.clone(),
    }
}

/// One setting.
pub fn setting(s: &SettingView) -> String {
    let applies = match s.applies {
        Applies::AtOnce => "at once",
        Applies::AtNextStart => "at the next start",
    };
    fields(&[
        ("key", s.key.clone()),
        ("about", s.about.clone()),
        ("value", value(Some(&s.value))),
        ("from", s.place.clone()),
        ("saved", value(s.saved.as_ref())),
        ("default", or_dash(s.default.as_deref())),
        ("applies", applies.into()),
    ])
}

/// What a change would do.
pub fn preview(preview: &SettingsPreviewView) -> String {
    if preview.changes.is_empty() {
        return "It is so already; nothing would change.".into();
    }
    let mut text = String::new();
    for change in &preview.changes {
        text += &format!(
            "{}: {} -> {}\n",
            change.key,
            value(change.before.as_ref()),
            value(change.after.as_ref())
        );
        for effect in preview.effects.iter().filter(|e| e.key == change.key) {
            text += &format!("  {}\n", effect.text);
            if !effect.computers.is_empty() {
                text += &format!("  Computers: {}\n", effect.computers.join(", "));
            }
        }
    }
    if let Some(seconds) = preview.confirm_within_seconds {
        text += &format!("It goes back after {seconds} s unless it is confirmed.\n");
    }
    text
}

/// Changes that were made.
pub fn history(revisions: &[SettingsRevisionView]) -> String {
    let rows = revisions.iter().map(|r| {
        let state = match r.state {
            RevisionState::Applied => "holds",
            RevisionState::OnTrial => "waits to be confirmed",
            RevisionState::Confirmed => "confirmed",
            RevisionState::Reverted => "went back",
            RevisionState::Undone => "undone",
        };
        let what = r.changes.iter().map(|c| {
            format!(
                "{}: {} -> {}",
                c.key,
                value(c.before.as_ref()),
                value(c.after.as_ref())
            )
        });
        vec![
            r.number.to_string(),
            r.at.to_string(),
            r.actor.name.clone(),
            what.collect::<Vec<_>>().join("; "),
            state.into(),
            or_dash(r.note.as_deref()),
        ]
    });
    let head = ["NUMBER", "AT", "WHO", "WHAT", "STATE", "NOTE"];
    table(&head, rows.collect())
}

fn value(value: Option<&SettingValue>) -> String {
    match value {
        None => "nothing".into(),
        Some(SettingValue::Text(text)) if text.is_empty() => "none".into(),
        Some(SettingValue::Text(text)) => text.clone(),
        Some(SettingValue::Boot(network)) => boot(network),
    }
}

fn boot(network: &BootNetworkParams) -> String {
    let mode = match network.mode {
        DhcpMode::Full => "full",
        DhcpMode::Proxy => "proxy",
        DhcpMode::Off => "off",
    };
    let parts = [
        ("range", &network.range),
        ("router", &network.router),
        ("dns", &network.dns),
    ];
    let given = parts
        .iter()
        .filter_map(|(name, text)| Some(format!(" {name} {}", text.as_ref()?)));
    format!("{mode}{}", given.collect::<String>())
}
