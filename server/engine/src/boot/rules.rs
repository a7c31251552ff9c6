//! Which rule decides what a client boots: one-shot > client > group > setting for all > built-in.
//! Pure: what each says comes in, the choice with the whole chain goes out.

use std::sync::Arc;
use store::{BootEntryRecord, ClientRecord, GroupRecord};
use types::{BootEntryId, Explanation, LoaderKind, RuleLevel, RuleStep};

/// What one rule says.
struct Rule<T> {
    level: RuleLevel,
    said: Said<T>,
}

enum Said<T> {
    Nothing,
    Value(T),
    /// Something that there is not, by the name it was called; the next rule holds.
    Unknown(String),
}

impl<T> Rule<T> {
    fn new(level: RuleLevel, value: Option<T>) -> Self {
        let said = value.map_or(Said::Nothing, Said::Value);
        Rule { level, said }
    }
}

/// The settings for all clients.
pub(super) struct Global {
    /// A boot entry's name, or nothing.
    pub boot_entry: String,
    /// A loader set's name, or nothing.
    pub loader_set: String,
    pub loader: Option<LoaderKind>,
}

/// The iPXE build that its firmware is to have, and whether an administrator said so.
pub(super) type FirmwareLoader = Option<(LoaderKind, bool)>;

/// What a client boots, and why.
#[derive(Clone, Debug)]
pub struct Choice {
    pub entry: Arc<BootEntryRecord>,
    pub entry_why: Explanation,
    /// None for the built-in set.
    pub loader_set: Option<String>,
    pub loader_set_why: Explanation,
    /// None for the usual one, [`LoaderKind::Snponly`].
    pub loader: Option<LoaderKind>,
    pub loader_why: Explanation,
}

/// Looks up boot entries.
pub(super) trait Entries {
    fn get(&self, id: BootEntryId) -> Option<Arc<BootEntryRecord>>;
    fn find(&self, name: &str) -> Option<Arc<BootEntryRecord>>;
}

/// Decides for one client. `one_shot` is the one that holds for this boot, `has_set` says whether there is a
/// loader set of that name. None only when there is no built-in entry.
pub(super) fn choose(
    client: &ClientRecord,
    group: Option<&GroupRecord>,
    global: &Global,
    one_shot: Option<BootEntryId>,
    firmware: FirmwareLoader,
    entries: &dyn Entries,
    has_set: &dyn Fn(&str) -> bool,
) -> Option<Choice> {
    let by_id = |level, id: Option<BootEntryId>| Rule {
        level,
        said: match id {
            None => Said::Nothing,
            Some(id) => entries
                .get(id)
                .map_or_else(|| Said::Unknown(id.to_string()), Said::Value),
        },
    };
    let by_name = match global.boot_entry.as_str() {
        "" => Said::Nothing,
        name => entries
            .find(name)
            .map_or_else(|| Said::Unknown(name.into()), Said::Value),
    };
    let rules = vec![
        by_id(RuleLevel::OneShot, one_shot),
        by_id(RuleLevel::Client, client.boot_entry_id),
        by_id(RuleLevel::Group, group.and_then(|g| g.boot_entry_id)),
        Rule {
            level: RuleLevel::Global,
            said: by_name,
        },
        by_id(RuleLevel::BuiltIn, Some(BootEntryId::IMAGE)),
    ];
    let (entry, entry_why) = first(rules, "", |e| e.name.clone());
    let set = |level, name: Option<String>| Rule {
        level,
        said: match name {
            None => Said::Nothing,
            Some(name) if has_set(&name) => Said::Value(name),
            Some(name) => Said::Unknown(name),
        },
    };
    let for_all = (!global.loader_set.is_empty()).then(|| global.loader_set.clone());
    let rules = vec![
        set(RuleLevel::Client, client.loader_set.clone()),
        set(RuleLevel::Group, group.and_then(|g| g.loader_set.clone())),
        set(RuleLevel::Global, for_all),
    ];
    let nobody = "nobody chose; the set debian, of this box's packages";
    let (loader_set, loader_set_why) = first(rules, nobody, String::clone);
    let mut rules = vec![
        Rule::new(RuleLevel::Client, client.loader),
        Rule::new(RuleLevel::Group, group.and_then(|g| g.loader)),
        Rule::new(RuleLevel::Global, global.loader),
    ];
    let nobody = "nobody chose; snponly, which is undionly on a BIOS";
    if let Some((kind, is_pinned)) = firmware {
        // What was only learned holds where nobody chose.
        let place = if is_pinned { 1 } else { rules.len() };
        rules.insert(place, Rule::new(RuleLevel::Firmware, Some(kind)));
    }
    let (loader, loader_why) = first(rules, nobody, LoaderKind::to_string);
    Some(Choice {
        entry: entry?,
        entry_why,
        loader_set,
        loader_set_why,
        loader,
        loader_why,
    })
}

/// The first rule that says something that there is, and every rule with its reason; `nobody` is told when none
/// does.
fn first<T: Clone>(
    rules: Vec<Rule<T>>,
    nobody: &str,
    shown: impl Fn(&T) -> String,
) -> (Option<T>, Explanation) {
    let mut chosen: Option<(T, RuleLevel)> = None;
    let mut steps = Vec::with_capacity(rules.len() + 1);
    for Rule { level, said } in rules {
        let (value, decides, why) = match (&chosen, said) {
            (_, Said::Nothing) => (None, false, "says nothing".to_string()),
            (Some((_, by)), Said::Value(v)) => (
                Some(shown(&v)),
                false,
                format!("{} goes before it", word(*by)),
            ),
            (_, Said::Unknown(name)) => (
                Some(name),
                false,
                "there is none of that name any more; the next choice holds".into(),
            ),
            (None, Said::Value(v)) => {
                let name = shown(&v);
                chosen = Some((v, level));
                (Some(name), true, decided(level).into())
            }
        };
        steps.push(RuleStep {
            level,
            value,
            decides,
            why,
        });
    }
    if chosen.is_none() {
        steps.push(RuleStep {
            level: RuleLevel::BuiltIn,
            value: None,
            decides: true,
            why: nobody.into(),
        });
    }
    let (value, from) = match &chosen {
        Some((value, from)) => (shown(value), *from),
        None => (String::new(), RuleLevel::BuiltIn),
    };
    let explanation = Explanation { value, from, steps };
    (chosen.map(|(value, _)| value), explanation)
}

fn decided(level: RuleLevel) -> &'static str {
    match level {
        RuleLevel::OneShot => "holds for one boot and goes before all others",
        RuleLevel::Client => "is the computer's own",
        RuleLevel::Group => "is what its group says",
        RuleLevel::Global => "is the setting for all computers",
        RuleLevel::BuiltIn => "holds when nobody chose",
        RuleLevel::Firmware => "is what its firmware boots with, on the page Firmware",
    }
}

/// A rule in plain words.
fn word(level: RuleLevel) -> &'static str {
    match level {
        RuleLevel::OneShot => "the entry for the next boot",
        RuleLevel::Client => "the computer's own",
        RuleLevel::Group => "its group's",
        RuleLevel::Global => "the setting for all",
        RuleLevel::BuiltIn => "the built-in one",
        RuleLevel::Firmware => "its firmware's",
    }
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
