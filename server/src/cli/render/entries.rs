//! Boot entries, groups, and why a computer boots what it boots.

use super::{Row, fields, or_dash, scope::options};
use types::{
    BootChoiceView, BootEntryView, ClientState, EntryKind, Explanation, GroupView, RuleLevel,
};

impl Row for BootEntryView {
    const HEAD: &'static [&'static str] = &["NAME", "KIND", "STARTS"];

    fn cells(&self) -> Vec<String> {
        let starts = match self.missing.as_slice() {
            [] => starts(self),
            missing => format!("{} (missing: {})", starts(self), missing.join(", ")),
        };
        vec![self.name.clone(), kind(self.kind).into(), starts]
    }
}

fn kind(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Image => "image",
        EntryKind::Local => "local",
        EntryKind::Kernel => "kernel",
        EntryKind::Script => "script",
    }
}

fn starts(e: &BootEntryView) -> String {
    match e.kind {
        EntryKind::Image => "the computer's own image".into(),
        EntryKind::Local => "the disk in the computer".into(),
        EntryKind::Kernel if e.attach_disk => format!("{}, with its network disk", e.kernel),
        EntryKind::Kernel => e.kernel.clone(),
        EntryKind::Script => format!("{} lines of iPXE", e.script.lines().count()),
    }
}

/// One boot entry.
pub fn boot_entry(e: &BootEntryView) -> String {
    let mut facts = vec![
        ("name", e.name.clone()),
        ("id", e.id.to_string()),
        ("kind", kind(e.kind).into()),
        ("starts", starts(e)),
    ];
    if e.kind == EntryKind::Kernel {
        facts.push(("initrds", e.initrds.join(" ")));
        if !e.missing.is_empty() {
            let missing = e.missing.join(" ");
            facts.push(("missing", format!("{missing} (in the folder loaders)")));
        }
        facts.push(("command line", e.command_line.clone()));
    }
    if !e.built_in {
        facts.push(("created", e.created_at.to_string()));
        facts.push(("revision", e.revision.to_string()));
    }
    let script = match e.script.as_str() {
        "" => String::new(),
        script => format!("\n{}\n", script.trim_end()),
    };
    fields(&facts) + &script
}

impl Row for GroupView {
    const HEAD: &'static [&'static str] = &[
        "NAME",
        "BOOT ENTRY",
        "LOADER SET",
        "LOADER",
        "CHANNEL",
        "COMPUTERS",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.name.clone(),
            or_dash(self.boot_entry_name.as_deref()),
            or_dash(self.loader_set.as_deref()),
            or_dash(self.loader),
            self.channel.to_string(),
            self.client_count.to_string(),
        ]
    }
}

/// One group.
pub fn group(g: &GroupView) -> String {
    fields(&[
        ("name", g.name.clone()),
        ("id", g.id.to_string()),
        ("boot entry", or_dash(g.boot_entry_name.as_deref())),
        ("loader set", or_dash(g.loader_set.as_deref())),
        ("loader", or_dash(g.loader)),
        ("channel", g.channel.to_string()),
        ("options", options(&g.options)),
        ("computers", g.client_count.to_string()),
        ("created", g.created_at.to_string()),
        ("revision", g.revision.to_string()),
    ])
}

/// What a computer boots next, and the chain of rules that says so.
pub fn choice(c: &BootChoiceView) -> String {
    let state = match c.state {
        ClientState::Discovered => " (discovered)",
        ClientState::Adopted => "",
        ClientState::Retired => " (retired)",
    };
    format!("{}{state}: {}\n", c.client_name, c.outcome)
        + &chain("boot entry", &c.entry)
        + &fields(&[
            ("image", or_dash(c.image_name.as_deref())),
            ("version", or_dash(c.version)),
            ("channel", or_dash(c.channel)),
        ])
        + &chain("loader set", &c.loader_set)
        + &chain("loader", &c.loader)
}

fn chain(what: &str, e: &Explanation) -> String {
    let value = match e.value.as_str() {
        "" => "(the usual one)",
        value => value,
    };
    let mut out = format!("{what}: {value}\n");
    for step in &e.steps {
        let mark = if step.decides { '▶' } else { ' ' };
        let said = step.value.as_deref().unwrap_or("-");
        out += &format!(
            "  {mark} {:<9} {said:<16} {}\n",
            level(step.level),
            step.why
        );
    }
    out
}

fn level(level: RuleLevel) -> &'static str {
    match level {
        RuleLevel::OneShot => "next boot",
        RuleLevel::Client => "computer",
        RuleLevel::Group => "group",
        RuleLevel::Global => "all",
        RuleLevel::BuiltIn => "built in",
        RuleLevel::Firmware => "firmware",
    }
}
