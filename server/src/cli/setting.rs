//! `nsboot setting`: what holds and where it comes from, changes and their undoing.

use super::{CliError, connect::Change, console::Console, render};
use clap::{Args, Subcommand};
use std::collections::BTreeMap;
use types::{
    ConfirmSettingsParams, Problem, SettingSource, SettingValue, SettingView, SettingsPreviewView,
    SettingsRevisionView, SettingsView, UpdateSettingsParams,
};

const PATH: &str = "/api/v1/settings";

#[derive(Subcommand)]
pub enum SettingCommand {
    /// List settings with where each comes from
    Ls,
    /// Show one setting
    Show {
        /// Its key, e.g. clients.unknown
        key: String,
    },
    /// Change settings, all of these together
    Set {
        #[command(flatten)]
        values: Values,
        #[command(flatten)]
        trial: Trial,
        /// Only if no setting was changed since this revision, as `setting ls -o json` says it
        #[arg(long, value_name = "REVISION")]
        if_match: Option<u64>,
    },
    /// Take away what is saved, so that the default holds, or a boot network ends
    Unset {
        #[arg(required = true, value_name = "KEY")]
        keys: Vec<String>,
        #[command(flatten)]
        trial: Trial,
    },
    /// Say what a change would touch; nothing is changed
    Preview {
        #[command(flatten)]
        values: Values,
        #[command(flatten)]
        trial: Trial,
    },
    /// List the changes that were made, the newest first
    History,
    /// Show one change that was made
    Revision { number: u64 },
    /// Undo a change; one that waits to be confirmed goes back at once
    Undo { number: u64 },
    /// Keep a network change that waits to be confirmed
    Confirm { number: u64 },
}

#[derive(Args)]
pub struct Values {
    /// E.g. clients.unknown=adopt, or 'boot.br0={"mode":"full","range":"10.77.0.100-10.77.0.199"}'
    #[arg(required = true, value_name = "KEY=VALUE")]
    values: Vec<String>,
}

#[derive(Args, Clone, Copy)]
pub struct Trial {
    /// Seconds after which a network change goes back unless it is confirmed, 10 to 600 [default: 120]
    #[arg(long, value_name = "SECONDS")]
    pub confirm_within: Option<u32>,
}

/// Runs a command about settings.
///
/// # Errors
/// As the server says; when a value is not understood.
pub fn run(command: SettingCommand, console: &Console) -> Result<(), CliError> {
    match command {
        SettingCommand::Ls => {
            let view: SettingsView = console.server.get(PATH)?;
            for warning in &view.warnings {
                console.say(warning);
            }
            console.print(&view, || render::settings(&view))
        }
        SettingCommand::Show { key } => {
            let view: SettingsView = console.server.get(PATH)?;
            let found = view.settings.iter().find(|s| s.key == key);
            let setting: &SettingView = found.ok_or_else(|| absent(&key))?;
            console.print(setting, || render::setting(setting))
        }
        SettingCommand::Set {
            values,
            trial,
            if_match,
        } => {
            let params = params(&values, trial)?;
            let keys: Vec<_> = params.values.keys().cloned().collect();
            let change = Change::new("PATCH", PATH).body(&params)?;
            changed(change.if_match(if_match), &keys, console)
        }
        SettingCommand::Unset { keys, trial } => {
            let values = keys.iter().map(|key| (key.clone(), None)).collect();
            let change = Change::new("PATCH", PATH).body(&update(values, trial))?;
            changed(change, &keys, console)
        }
        SettingCommand::Preview { values, trial } => {
            let path = format!("{PATH}/actions/preview");
            let change = Change::new("POST", path).body(&params(&values, trial)?)?;
            let Some(preview) = console.change::<SettingsPreviewView>(change)? else {
                return Ok(());
            };
            console.print(&preview, || render::preview(&preview))
        }
        SettingCommand::History => {
            let history: Vec<SettingsRevisionView> = console.all(&format!("{PATH}/revisions"))?;
            console.print(&history, || render::history(&history))
        }
        SettingCommand::Revision { number } => {
            let path = format!("{PATH}/revisions/{number}");
            let revision: SettingsRevisionView = console.server.get(&path)?;
            console.print(&revision, || {
                render::history(std::slice::from_ref(&revision))
            })
        }
        SettingCommand::Undo { number } => {
            let path = format!("{PATH}/revisions/{number}/actions/undo");
            changed(Change::new("POST", path), &[], console)
        }
        SettingCommand::Confirm { number } => {
            let body = ConfirmSettingsParams { revision: number };
            let change = Change::new("POST", format!("{PATH}/actions/confirm")).body(&body)?;
            if console.act(change)? {
                console.say("The change stays.");
            }
            Ok(())
        }
    }
}

/// Makes a change and shows what holds then.
///
/// # Errors
/// As the server says.
fn changed(change: Change, keys: &[String], console: &Console) -> Result<(), CliError> {
    let Some(view) = made(change, console)? else {
        return Ok(());
    };
    tell_hidden(keys, &view, console);
    console.print(&view, || render::settings_now(&view))
}

/// Says what was saved and does not hold, since something stands above it.
fn tell_hidden(keys: &[String], view: &SettingsView, console: &Console) {
    let hidden = view.settings.iter().filter(|s| {
        let above = !matches!(s.source, SettingSource::Database | SettingSource::Default);
        above && s.saved.is_some() && keys.contains(&s.key)
    });
    for setting in hidden {
        console.say(&format!(
            "{} is saved and without effect: {} says what holds.",
            setting.key, setting.place
        ));
    }
}

fn absent(key: &str) -> CliError {
    CliError::Problem(Box::new(Problem::new(
        404,
        "NSB-SETTING-004",
        format!("there is no setting {key:?}"),
        "List them with `nsboot setting ls`.",
    )))
}

/// Makes a change and says what it waits for; None when it was only told.
///
/// # Errors
/// As the server says.
pub fn made(change: Change, console: &Console) -> Result<Option<SettingsView>, CliError> {
    let view = console.change::<SettingsView>(change)?;
    if let Some(trial) = view.as_ref().and_then(|v| v.trial.as_ref()) {
        console.say(&format!(
            "This may cut you off, so it goes back at {} unless you keep it: nsboot setting confirm {}",
            trial.ends_at, trial.revision
        ));
    }
    Ok(view)
}

fn params(values: &Values, trial: Trial) -> Result<UpdateSettingsParams, CliError> {
    let pairs: Result<BTreeMap<_, _>, _> = values.values.iter().map(|v| pair(v)).collect();
    Ok(update(pairs?, trial))
}

fn update(values: BTreeMap<String, Option<SettingValue>>, trial: Trial) -> UpdateSettingsParams {
    UpdateSettingsParams {
        values,
        confirm_within_seconds: trial.confirm_within,
    }
}

fn pair(text: &str) -> Result<(String, Option<SettingValue>), CliError> {
    let misread = |why: String, hint: &str| CliError::Usage {
        what: format!("{text:?} is no setting: {why}"),
        code: "NSB-CLI-020",
        hint: hint.into(),
    };
    let (key, value) = text.split_once('=').ok_or_else(|| {
        misread(
            "there is no =".into(),
            "Write KEY=VALUE, such as clients.unknown=adopt.",
        )
    })?;
    let value = match value.trim_start().starts_with('{') {
        true => SettingValue::Boot(serde_json::from_str(value).map_err(|e| {
            misread(
                e.to_string(),
                "Write a boot network as JSON with mode, range, router and dns.",
            )
        })?),
        false => SettingValue::Text(value.into()),
    };
    Ok((key.into(), Some(value)))
}
