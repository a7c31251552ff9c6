//! Entries of the audit log and jobs in plain words.

use crate::i18n::*;
use serde_json::Value;
use types::{ActorKind, ActorView, AuditView, JobState, Role, Way};

/// `result` of an entry that was done.
const OK: &str = "ok";

/// Whether it was refused.
pub fn is_refused(entry: &AuditView) -> bool {
    entry.result != OK
}

/// Who it was.
pub fn actor(i18n: I18n, actor: &ActorView) -> String {
    let name = actor.name.clone();
    match actor.kind {
        ActorKind::User => name,
        ActorKind::Token => {
            let (owner, token) = match actor.name.split_once('/') {
                Some((owner, token)) => (owner.to_string(), token.to_string()),
                None => (name.clone(), name),
            };
            tu_string!(i18n, actor.token, token = token, owner = owner).to_string()
        }
        ActorKind::Local => tu_string!(i18n, actor.local).to_string(),
        ActorKind::System => "NSBoot".to_string(),
        ActorKind::Unknown if name.is_empty() => tu_string!(i18n, actor.somebody).to_string(),
        ActorKind::Unknown => tu_string!(i18n, actor.somebody_as, name = name).to_string(),
    }
}

/// The way by which they came.
pub fn way(i18n: I18n, way: Way) -> &'static str {
    match way {
        Way::Page => tu_string!(i18n, way.page),
        Way::Rest => tu_string!(i18n, way.rest),
        Way::Cli => tu_string!(i18n, way.cli),
        Way::System => tu_string!(i18n, way.system),
    }
}

/// A role's name.
pub fn role(i18n: I18n, role: Role) -> &'static str {
    match role {
        Role::Viewer => tu_string!(i18n, role.viewer),
        Role::Operator => tu_string!(i18n, role.operator),
        Role::Admin => tu_string!(i18n, role.admin),
    }
}

/// How a job is.
pub fn job_state(i18n: I18n, state: JobState) -> &'static str {
    match state {
        JobState::Queued => tu_string!(i18n, job.queued),
        JobState::Running => tu_string!(i18n, job.running),
        JobState::Succeeded => tu_string!(i18n, job.succeeded),
        JobState::PartlyFailed => tu_string!(i18n, job.partly_failed),
        JobState::Failed => tu_string!(i18n, job.failed),
        JobState::Cancelled => tu_string!(i18n, job.cancelled),
    }
}

/// `admin changed the computer pc-07: mode keep → reset`.
pub fn sentence(i18n: I18n, entry: &AuditView) -> String {
    let who = actor(i18n, &entry.actor);
    if is_refused(entry) {
        return format!("{who} {}", tried(i18n, entry));
    }
    let what = did(i18n, entry);
    let changes: Vec<String> = difference(entry)
        .into_iter()
        .filter(|d| d.before.is_some() && d.after.is_some())
        .map(|d| d.to_string())
        .collect();
    if changes.is_empty() {
        format!("{who} {what}")
    } else {
        format!("{who} {what}: {}", changes.join(", "))
    }
}

fn did(i18n: I18n, entry: &AuditView) -> String {
    let name = entry.target.name.clone();
    match entry.action.as_str() {
        "client.create" => tu_string!(i18n, did.client_create, name = name).to_string(),
        "client.update" => tu_string!(i18n, did.client_update, name = name).to_string(),
        "client.remove" => tu_string!(i18n, did.client_remove, name = name).to_string(),
        "client.new_secret" => tu_string!(i18n, did.client_new_secret, name = name).to_string(),
        "client.through_loader" => tu_string!(i18n, did.client_loader, name = name).to_string(),
        "client.one_shot" => tu_string!(i18n, did.client_one_shot, name = name).to_string(),
        "client.update_many" | "client.remove_many" => {
            tu_string!(i18n, did.began, name = name).to_string()
        }
        "audit.verify" => tu_string!(i18n, did.audit_verify).to_string(),
        "secrets.rotate" => tu_string!(i18n, did.secrets_rotate).to_string(),
        "secrets.seal" => tu_string!(i18n, did.secrets_seal).to_string(),
        "job.cancel" => tu_string!(i18n, did.job_cancel, name = name).to_string(),
        "lab.up" => tu_string!(i18n, did.lab_up).to_string(),
        "lab.down" => tu_string!(i18n, did.lab_down).to_string(),
        "lab.boot" => tu_string!(i18n, did.lab_boot, name = name).to_string(),
        "lab.power_off" => tu_string!(i18n, did.lab_power_off, name = name).to_string(),
        "boot_entry.create" => tu_string!(i18n, did.entry_create, name = name).to_string(),
        "boot_entry.update" => tu_string!(i18n, did.entry_update, name = name).to_string(),
        "boot_entry.remove" => tu_string!(i18n, did.entry_remove, name = name).to_string(),
        "firmware.create" => tu_string!(i18n, did.firmware_create, name = name).to_string(),
        "firmware.update" => tu_string!(i18n, did.firmware_update, name = name).to_string(),
        "firmware.remove" => tu_string!(i18n, did.firmware_remove, name = name).to_string(),
        "loader.add" => tu_string!(i18n, did.loader_add, name = name).to_string(),
        "loader.remove" => tu_string!(i18n, did.loader_remove, name = name).to_string(),
        "group.create" => tu_string!(i18n, did.group_create, name = name).to_string(),
        "group.update" => tu_string!(i18n, did.group_update, name = name).to_string(),
        "group.remove" => tu_string!(i18n, did.group_remove, name = name).to_string(),
        _ => did_with_images(i18n, entry),
    }
}

fn did_with_images(i18n: I18n, entry: &AuditView) -> String {
    let name = entry.target.name.clone();
    match entry.action.as_str() {
        "image.import" => tu_string!(i18n, did.image_import, name = name).to_string(),
        "image.remove" => tu_string!(i18n, did.image_remove, name = name).to_string(),
        "image.verify" => tu_string!(i18n, did.image_verify, name = name).to_string(),
        "image.apply" => tu_string!(i18n, did.image_apply, name = name).to_string(),
        "image.channel" => tu_string!(i18n, did.image_channel, name = name).to_string(),
        "image.revert" => tu_string!(i18n, did.image_revert, name = name).to_string(),
        "image.describe" => tu_string!(i18n, did.image_describe, name = name).to_string(),
        "image.remove_version" => {
            tu_string!(i18n, did.image_remove_version, name = name).to_string()
        }
        "image.update" => tu_string!(i18n, did.image_update, name = name).to_string(),
        "image.clone" => tu_string!(i18n, did.image_clone, name = name).to_string(),
        "client.snapshot" => tu_string!(i18n, did.client_snapshot, name = name).to_string(),
        "client.restore" => tu_string!(i18n, did.client_restore, name = name).to_string(),
        "image.flatten" => tu_string!(i18n, did.image_flatten, name = name).to_string(),
        "image.superclient" => tu_string!(i18n, did.image_superclient, name = name).to_string(),
        "client.discard" => tu_string!(i18n, did.client_discard, name = name).to_string(),
        "overlay.remove" => tu_string!(i18n, did.overlay_remove, name = name).to_string(),
        "export.drop" => tu_string!(i18n, did.export_drop, name = name).to_string(),
        _ => did_with_addresses(i18n, entry),
    }
}

fn did_with_addresses(i18n: I18n, entry: &AuditView) -> String {
    let name = entry.target.name.clone();
    match entry.action.as_str() {
        "scope.create" => tu_string!(i18n, did.scope_create, name = name).to_string(),
        "scope.update" => tu_string!(i18n, did.scope_update, name = name).to_string(),
        "scope.remove" => tu_string!(i18n, did.scope_remove, name = name).to_string(),
        "reservation.create" | "lease.keep" => {
            tu_string!(i18n, did.reserved, name = name).to_string()
        }
        "reservation.update" => tu_string!(i18n, did.reservation_update, name = name).to_string(),
        "reservation.remove" => tu_string!(i18n, did.unreserved, name = name).to_string(),
        "lease.forget" => tu_string!(i18n, did.lease_forget, name = name).to_string(),
        _ => did_with_people(i18n, entry),
    }
}

fn did_with_people(i18n: I18n, entry: &AuditView) -> String {
    let name = entry.target.name.clone();
    match entry.action.as_str() {
        "auth.login" => tu_string!(i18n, did.login).to_string(),
        "auth.logout" => tu_string!(i18n, did.logout).to_string(),
        "session.end" => tu_string!(i18n, did.session_end, name = name).to_string(),
        "session.end_all" => tu_string!(i18n, did.session_end_all, name = name).to_string(),
        "session.stolen" => tu_string!(i18n, did.session_stolen).to_string(),
        "token.create" => tu_string!(i18n, did.token_create, name = name).to_string(),
        "token.remove" => tu_string!(i18n, did.token_remove, name = name).to_string(),
        "setting.update" => tu_string!(i18n, did.setting_update, name = name).to_string(),
        "setting.undo" => tu_string!(i18n, did.setting_undo, name = name).to_string(),
        "setting.revert" => tu_string!(i18n, did.setting_revert, name = name).to_string(),
        "setting.confirm" => tu_string!(i18n, did.setting_confirm, name = name).to_string(),
        "user.create" => tu_string!(i18n, did.user_create, name = name).to_string(),
        "user.update" => tu_string!(i18n, did.user_update, name = name).to_string(),
        "user.remove" => tu_string!(i18n, did.user_remove, name = name).to_string(),
        "user.password" => tu_string!(i18n, did.user_password, name = name).to_string(),
        action => {
            let action = action.to_string();
            tu_string!(i18n, did.other, action = action, name = name).to_string()
        }
    }
}

/// What a refused entry was about.
fn tried(i18n: I18n, entry: &AuditView) -> String {
    let name = entry.target.name.clone();
    match entry.action.as_str() {
        "auth.login" => tu_string!(i18n, tried.login, name = name).to_string(),
        "auth.role" => {
            let least = name.parse().map(|r| role(i18n, r).to_string());
            let role = least.unwrap_or(name);
            tu_string!(i18n, tried.role, role = role).to_string()
        }
        "client.create" => tu_string!(i18n, tried.client_create, name = name).to_string(),
        "client.update" => tu_string!(i18n, tried.client_update, name = name).to_string(),
        "client.remove" => tu_string!(i18n, tried.client_remove, name = name).to_string(),
        "image.import" => tu_string!(i18n, tried.image_import, name = name).to_string(),
        "image.remove" => tu_string!(i18n, tried.image_remove, name = name).to_string(),
        "user.create" => tu_string!(i18n, tried.user_create, name = name).to_string(),
        "user.update" => tu_string!(i18n, tried.user_update, name = name).to_string(),
        "user.remove" => tu_string!(i18n, tried.user_remove, name = name).to_string(),
        "user.password" => tu_string!(i18n, tried.user_password, name = name).to_string(),
        "token.create" => tu_string!(i18n, tried.token_create, name = name).to_string(),
        _ => tried_with_boots(i18n, entry),
    }
}

/// The same of what computers boot, and of their addresses.
fn tried_with_boots(i18n: I18n, entry: &AuditView) -> String {
    let name = entry.target.name.clone();
    match entry.action.as_str() {
        "boot_entry.create" => tu_string!(i18n, tried.entry_create, name = name).to_string(),
        "boot_entry.update" => tu_string!(i18n, tried.entry_update, name = name).to_string(),
        "boot_entry.remove" => tu_string!(i18n, tried.entry_remove, name = name).to_string(),
        "group.create" => tu_string!(i18n, tried.group_create, name = name).to_string(),
        "group.update" => tu_string!(i18n, tried.group_update, name = name).to_string(),
        "group.remove" => tu_string!(i18n, tried.group_remove, name = name).to_string(),
        "loader.add" => tu_string!(i18n, tried.loader_add, name = name).to_string(),
        "loader.remove" => tu_string!(i18n, tried.loader_remove, name = name).to_string(),
        "scope.create" => tu_string!(i18n, tried.scope_create, name = name).to_string(),
        "scope.update" => tu_string!(i18n, tried.scope_update, name = name).to_string(),
        "scope.remove" => tu_string!(i18n, tried.scope_remove, name = name).to_string(),
        "reservation.create" | "lease.keep" => {
            tu_string!(i18n, tried.reserve, name = name).to_string()
        }
        "reservation.update" => tu_string!(i18n, tried.reservation_update, name = name).to_string(),
        "reservation.remove" => tu_string!(i18n, tried.unreserve, name = name).to_string(),
        "lease.forget" => tu_string!(i18n, tried.lease_forget, name = name).to_string(),
        "overlay.remove" => tu_string!(i18n, tried.overlay_remove, name = name).to_string(),
        "export.drop" => tu_string!(i18n, tried.export_drop, name = name).to_string(),
        action => {
            let action = action.to_string();
            tu_string!(i18n, tried.other, action = action, name = name).to_string()
        }
    }
}

/// A fact that differs.
#[derive(Clone, PartialEq, Debug)]
pub struct Difference {
    /// The fact's name.
    pub name: String,
    /// None when it was not there before.
    pub before: Option<String>,
    /// None when it is gone.
    pub after: Option<String>,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = |v: &Option<String>| v.clone().unwrap_or_else(|| "-".into());
        let (before, after) = (text(&self.before), text(&self.after));
        if self.before.is_some() && self.after.is_some() {
            write!(f, "{} {before} → {after}", self.name)
        } else {
            write!(
                f,
                "{} {}",
                self.name,
                if self.after.is_some() { after } else { before }
            )
        }
    }
}

/// What an entry changed, fact by fact. Ids are left out where the name stands beside them.
pub fn difference(entry: &AuditView) -> Vec<Difference> {
    let fact = |of: &Option<Value>, key: &str| of.as_ref().and_then(|v| v.get(key)).map(plain);
    // A fact that only one of two sets names came or went: nothing stood or stands there.
    let both = entry.before.is_some() && entry.after.is_some();
    let nothing = || both.then(|| "-".to_string());
    let mut keys: Vec<&String> = [&entry.before, &entry.after]
        .into_iter()
        .filter_map(|side| side.as_ref().and_then(Value::as_object))
        .flat_map(|facts| facts.keys())
        .collect();
    keys.sort();
    keys.dedup();
    let named = keys.clone();
    let is_shown = |key: &&String| match key.strip_suffix("_id") {
        Some(name) => !named.iter().any(|k| *k == name),
        None => true,
    };
    keys.into_iter()
        .filter(is_shown)
        .map(|key| Difference {
            name: key.replace('_', " "),
            before: fact(&entry.before, key).or_else(nothing),
            after: fact(&entry.after, key).or_else(nothing),
        })
        .collect()
}

/// A value as people read it.
pub fn plain(value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::String(s) if s.is_empty() => "-".into(),
        Value::String(s) => s.clone(),
        Value::Array(all) => all.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use types::{TargetView, Timestamp};

    fn shown(before: Option<Value>, after: Option<Value>) -> Vec<String> {
        let entry = AuditView {
            seq: 1,
            at: Timestamp(0),
            actor: ActorView {
                kind: ActorKind::Local,
                id: None,
                name: "local".into(),
            },
            role: None,
            way: Way::Cli,
            address: None,
            request_id: None,
            action: "client.update".into(),
            target: TargetView::default(),
            before,
            after,
            result: OK.into(),
            hash: String::new(),
        };
        difference(&entry).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn differences_read_as_before_and_after() {
        assert_eq!(
            shown(
                Some(json!({ "mode": "keep", "image": null, "image_id": null })),
                Some(json!({ "mode": "reset", "image": "base", "image_id": "0190" })),
            ),
            ["image - → base", "mode keep → reset"]
        );
        // A password is named as changed, with nothing before.
        assert_eq!(
            shown(Some(json!({})), Some(json!({ "password": "changed" }))),
            ["password - → changed"]
        );
        assert_eq!(
            shown(None, Some(json!({ "computers": ["a", "b"] }))),
            ["computers a, b"]
        );
        assert_eq!(shown(None, None), Vec::<String>::new());
    }
}
