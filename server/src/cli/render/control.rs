//! Accounts, sign-ins, tokens, jobs, the audit log and the keys of secrets.

use super::{Row, bytes, fields, or_dash, table};
use types::{
    ActorView, ApiTokenView, AuditView, JobState, JobUnit, JobView, KeyPlace, MeView, Role,
    SecretsView, SessionView, TaskState, TaskView, UserView, Way,
};

/// Oneself.
pub fn me(me: &MeView) -> String {
    fields(&[
        ("name", me.username.clone()),
        ("role", me.role.word().into()),
        ("id", or_dash(me.id)),
        ("session", or_dash(me.session_id)),
        ("until", me.expires_at.to_string()),
    ])
}

pub fn users(users: &[UserView]) -> String {
    let rows = users.iter().map(|u| {
        vec![
            u.username.clone(),
            u.role.word().into(),
            u.session_count.to_string(),
            u.token_count.to_string(),
            u.created_at.to_string(),
        ]
    });
    let head = ["NAME", "ROLE", "SESSIONS", "TOKENS", "CREATED"];
    table(&head, rows.collect())
}

/// One account.
pub fn user(u: &UserView) -> String {
    fields(&[
        ("name", u.username.clone()),
        ("id", u.id.to_string()),
        ("role", u.role.word().into()),
        ("sessions", u.session_count.to_string()),
        ("tokens", u.token_count.to_string()),
        ("created", u.created_at.to_string()),
        ("revision", u.revision.to_string()),
    ])
}

pub fn sessions(sessions: &[SessionView]) -> String {
    let rows = sessions.iter().map(|s| {
        let this = if s.is_current { "this one" } else { "" };
        vec![
            s.id.to_string(),
            s.username.clone(),
            s.created_at.to_string(),
            s.expires_at.to_string(),
            or_dash(s.address.as_deref()),
            or_dash(s.agent.as_deref()),
            this.into(),
        ]
    });
    let head = ["ID", "NAME", "SINCE", "UNTIL", "ADDRESS", "PROGRAM", ""];
    table(&head, rows.collect())
}

pub fn tokens(tokens: &[ApiTokenView]) -> String {
    let rows = tokens.iter().map(|t| {
        vec![
            t.name.clone(),
            t.username.clone(),
            t.role.word().into(),
            t.created_at.to_string(),
            t.expires_at.to_string(),
            t.id.to_string(),
        ]
    });
    let head = ["NAME", "OF", "ROLE", "CREATED", "EXPIRES", "ID"];
    table(&head, rows.collect())
}

pub fn tasks(tasks: &[TaskView]) -> String {
    let rows = tasks.iter().map(|t| {
        let state = match t.state {
            TaskState::Running => "runs",
            TaskState::Restarting => "starts again",
            TaskState::Stopped => "stopped",
        };
        vec![
            t.name.clone(),
            state.into(),
            t.since.to_string(),
            t.restarts.to_string(),
            or_dash(t.last_error.as_deref()),
        ]
    });
    let head = ["NAME", "STATE", "SINCE", "RESTARTS", "LAST ERROR"];
    table(&head, rows.collect())
}

/// The keys of secrets, the one that seals first.
pub fn secrets(view: &SecretsView) -> String {
    let rows = view.keys.iter().map(|k| {
        let place = match k.place {
            KeyPlace::File => "file",
            KeyPlace::Credential => "systemd",
        };
        vec![
            k.id.clone(),
            if k.current { "seals" } else { "opens" }.into(),
            k.secrets.to_string(),
            or_dash(k.made_at),
            place.into(),
            k.path.clone(),
        ]
    });
    let head = ["KEY", "USE", "SECRETS", "MADE", "KEPT BY", "PATH"];
    let mut out = table(&head, rows.collect());
    if view.lost > 0 {
        out += &format!(
            "{} secrets can't be opened: their key is not here. Each is made anew when its computer boots.\n",
            view.lost
        );
    }
    out
}

impl Row for AuditView {
    const HEAD: &'static [&'static str] = &[
        "NUMBER", "AT", "WHO", "WAY", "FROM", "ACTION", "WHAT", "RESULT",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.seq.to_string(),
            self.at.to_string(),
            actor(&self.actor, self.role),
            way(self.way).into(),
            or_dash(self.address.as_deref()),
            self.action.clone(),
            self.target.name.clone(),
            self.result.clone(),
        ]
    }
}

fn actor(actor: &ActorView, role: Option<Role>) -> String {
    match role {
        Some(role) => format!("{} ({})", actor.name, role.word()),
        None => actor.name.clone(),
    }
}

fn way(way: Way) -> &'static str {
    match way {
        Way::Page => "page",
        Way::Rest => "rest",
        Way::Cli => "cli",
        Way::System => "system",
    }
}

impl Row for JobView {
    const HEAD: &'static [&'static str] = &["ID", "BEGAN", "BY", "WHAT", "DONE", "STATE"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            self.created_at.to_string(),
            self.actor.name.clone(),
            self.title.clone(),
            done(self),
            job_state(self.state).into(),
        ]
    }
}

/// One job with what became of each thing, and its log.
pub fn job(j: &JobView) -> String {
    let mut facts = vec![
        ("id", j.id.to_string()),
        ("what", j.title.clone()),
        ("state", job_state(j.state).into()),
        ("by", j.actor.name.clone()),
        ("began", or_dash(j.started_at)),
        ("ended", or_dash(j.finished_at)),
        ("done", done(j)),
    ];
    if let Some(result) = &j.result {
        facts.push(("result", result.to_string()));
    }
    if let Some(problem) = &j.problem {
        facts.push(("problem", problem.to_string()));
    }
    let mut out = fields(&facts);
    if !j.items.is_empty() {
        let rows = j.items.iter().map(|i| {
            let why = i.problem.as_ref().map(ToString::to_string);
            vec![
                i.name.clone(),
                job_state(i.state).into(),
                why.unwrap_or_default(),
            ]
        });
        out += "\n";
        out += &table(&["NAME", "STATE", "WHY"], rows.collect());
    }
    if !j.log.is_empty() {
        out += "\n";
    }
    for line in &j.log {
        out += &format!("{}  {}\n", line.at, line.text);
    }
    out
}

fn done(j: &JobView) -> String {
    let number = |n: u64| match j.unit {
        JobUnit::Bytes => bytes(n),
        JobUnit::Items => n.to_string(),
    };
    match j.total {
        Some(total) => format!("{} of {}", number(j.done), number(total)),
        None => number(j.done),
    }
}

fn job_state(state: JobState) -> &'static str {
    match state {
        JobState::Queued => "waits",
        JobState::Running => "runs",
        JobState::Succeeded => "succeeded",
        JobState::PartlyFailed => "partly failed",
        JobState::Failed => "failed",
        JobState::Cancelled => "cancelled",
    }
}
