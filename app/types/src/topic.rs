//! What a reader of the WebSocket asks for: topics, and the place where it left off.

use crate::{Role, ServerFrame};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// One line each: a new topic is a line here, and an arm in [`crate::Event::topic`].
macro_rules! topics {
    ($($(#[$doc:meta])* $name:ident $text:literal $role:ident $default:literal,)*) => {
        /// One kind of thing that events are about.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
        #[serde(rename_all = "snake_case")]
        pub enum Topic { $($(#[$doc])* $name,)* }

        impl Topic {
            /// Every topic, in the order in which they are written.
            pub const ALL: &[Topic] = &[$(Topic::$name,)*];

            /// As the address and the frames write it.
            pub fn name(self) -> &'static str {
                match self { $(Topic::$name => $text,)* }
            }

            /// The least role that may read it.
            pub fn role(self) -> Role {
                match self { $(Topic::$name => Role::$role,)* }
            }

            /// Whether a reader that names no topics gets it.
            pub fn is_default(self) -> bool {
                match self { $(Topic::$name => $default,)* }
            }
        }
    };
}

topics! {
    // topic, its name, the least role, whether it comes unasked
    Clients "clients" Viewer true,
    Images "images" Viewer true,
    BootEntries "boot_entries" Viewer true,
    Groups "groups" Viewer true,
    Leases "leases" Viewer true,
    Networks "networks" Viewer true,
    Boots "boots" Viewer true,
    Jobs "jobs" Viewer true,
    Settings "settings" Viewer true,
    Loaders "loaders" Viewer true,
    Firmware "firmware" Viewer true,
    Storage "storage" Viewer false,
    Audit "audit" Admin false,
}

/// The topics of one reader, at least one. Written `clients,boots`; in frames a list.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "Vec<Topic>", into = "Vec<Topic>")]
pub struct Topics(u32);

impl Topics {
    /// Whether `topic` is among them.
    pub fn has(self, topic: Topic) -> bool {
        self.0 & bit(topic) != 0
    }

    /// In the order of [`Topic::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Topic> {
        Topic::ALL.iter().copied().filter(move |t| self.has(*t))
    }

    /// All that this role may read.
    pub fn readable(role: Role) -> Topics {
        let may = Topic::ALL.iter().filter(|t| t.role() <= role);
        Topics(may.fold(0, |set, t| set | bit(*t)))
    }

    /// The least role that may read all of them.
    pub fn role(self) -> Role {
        self.iter().map(Topic::role).max().unwrap_or(Role::Viewer)
    }
}

fn bit(topic: Topic) -> u32 {
    1 << topic as u32
}

/// What a reader that names no topics gets: all that the page shows.
impl Default for Topics {
    fn default() -> Self {
        let unasked = Topic::ALL.iter().filter(|t| t.is_default());
        Topics(unasked.fold(0, |set, t| set | bit(*t)))
    }
}

/// The text or list names no topic, or one that is not known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnknownTopic(String);

impl fmt::Display for UnknownTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known: Vec<_> = Topic::ALL.iter().map(|t| t.name()).collect();
        let known = known.join(", ");
        match self.0.as_str() {
            "" => write!(f, "no topic is named; there are {known}"),
            unknown => write!(f, "there is no topic {unknown:?}; there are {known}"),
        }
    }
}
impl std::error::Error for UnknownTopic {}

impl TryFrom<Vec<Topic>> for Topics {
    type Error = UnknownTopic;
    fn try_from(list: Vec<Topic>) -> Result<Self, UnknownTopic> {
        match list.iter().fold(0, |set, t| set | bit(*t)) {
            0 => Err(UnknownTopic(String::new())),
            set => Ok(Topics(set)),
        }
    }
}

impl From<Topics> for Vec<Topic> {
    fn from(topics: Topics) -> Self {
        topics.iter().collect()
    }
}

impl FromStr for Topics {
    type Err = UnknownTopic;
    fn from_str(s: &str) -> Result<Self, UnknownTopic> {
        let named = |name: &str| {
            let topic = Topic::ALL.iter().find(|t| t.name() == name);
            topic.copied().ok_or_else(|| UnknownTopic(name.into()))
        };
        let list: Result<Vec<_>, _> = s.split(',').map(|name| named(name.trim())).collect();
        Topics::try_from(list?)
    }
}

impl fmt::Display for Topics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.iter().map(Topic::name).collect();
        f.write_str(&names.join(","))
    }
}

/// How far a reader has come, in which run of the server. Written `RUN-SEQ`, the value of `since`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Position {
    /// Of one run of the server; another run counts from the start again.
    pub run: String,
    /// The last number that was seen.
    pub seq: u64,
}

impl Position {
    /// Where a reader at `before` is once it took `frame`.
    pub fn after(before: Option<Position>, frame: &ServerFrame) -> Option<Position> {
        match frame {
            ServerFrame::Snapshot { run, seq, .. } | ServerFrame::Resumed { run, seq, .. } => {
                Some(Position {
                    run: run.clone(),
                    seq: *seq,
                })
            }
            ServerFrame::Delta { seq, .. } => before.map(|p| Position { seq: *seq, ..p }),
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.run, self.seq)
    }
}

/// Not `RUN-SEQ`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PositionParseError;

impl fmt::Display for PositionParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a place to resume from; write it as RUN-SEQ")
    }
}
impl std::error::Error for PositionParseError {}

impl FromStr for Position {
    type Err = PositionParseError;
    fn from_str(s: &str) -> Result<Self, PositionParseError> {
        let (run, seq) = s.rsplit_once('-').ok_or(PositionParseError)?;
        let seq = seq.parse().map_err(|_| PositionParseError)?;
        match run.is_empty() {
            true => Err(PositionParseError),
            false => Ok(Position {
                run: run.into(),
                seq,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_read_as_they_are_written() {
        let some: Topics = "boots, clients,boots".parse().expect("known");
        assert_eq!(some.to_string(), "clients,boots");
        assert!(some.has(Topic::Boots) && !some.has(Topic::Images));
        let text = serde_json::to_string(&some).expect("JSON");
        assert_eq!(text, r#"["clients","boots"]"#);
        assert_eq!(serde_json::from_str::<Topics>(&text).ok(), Some(some));
        for topic in Topic::ALL {
            let one: Topics = topic.name().parse().expect("known");
            assert_eq!(one.iter().collect::<Vec<_>>(), [*topic]);
            let name = serde_json::to_value(topic).expect("JSON");
            assert_eq!(name, topic.name(), "the address and the frames agree");
        }
        for (bad, says) in [
            ("", "no topic is named"),
            ("clients,", "no topic is named"),
            (
                "clients,cats",
                "no topic \"cats\"; there are clients, images",
            ),
        ] {
            let error = bad.parse::<Topics>().expect_err(bad).to_string();
            assert!(error.contains(says), "{error}");
        }
        assert!(serde_json::from_str::<Topics>("[]").is_err());
    }

    #[test]
    fn whoever_names_nothing_gets_only_what_every_viewer_may_see() {
        assert_eq!(Topics::default().role(), Role::Viewer);
    }

    #[test]
    fn places_are_read_as_they_are_written() {
        let place = Position {
            run: "0a-b".into(),
            seq: 17,
        };
        assert_eq!(place.to_string(), "0a-b-17");
        assert_eq!("0a-b-17".parse(), Ok(place));
        for bad in ["", "-", "-1", "a-", "a-b", "17", "a-18446744073709551616"] {
            assert!(bad.parse::<Position>().is_err(), "{bad}");
        }
    }
}
