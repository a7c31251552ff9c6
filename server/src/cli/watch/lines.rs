//! `ls --watch` of the other nouns: what is there, then each change as it comes, one below the other.

use super::{
    super::{CliError, Output, console::Console, render},
    Watch, lines_of, on_this_thread, show,
};
use render::{Columns, Row};
use std::collections::{HashMap, HashSet};
use types::{
    AuditView, BootEntryView, BootNetworkView, BootView, ClientView, Event, FirmwareView,
    GroupView, ImageView, JobView, LeaseView, MacAddr, ReservationView, ScopeView, ServerFrame,
    Snapshot, Subject, Topic, Topics,
};

/// What is watched: a topic, or one noun of a topic that has several.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Noun {
    Of(Topic),
    Scopes,
    Reservations,
    LoaderSets,
}

impl From<Topic> for Noun {
    fn from(topic: Topic) -> Self {
        Noun::Of(topic)
    }
}

impl Noun {
    fn topic(self) -> Topic {
        match self {
            Noun::Of(topic) => topic,
            Noun::Scopes => Topic::Networks,
            Noun::Reservations => Topic::Leases,
            Noun::LoaderSets => Topic::Loaders,
        }
    }

    fn is_about(self, event: &Event) -> bool {
        match self {
            Noun::Of(_) | Noun::LoaderSets => true,
            Noun::Scopes => matches!(event.subject(), Subject::Scope(_)),
            Noun::Reservations => matches!(event.subject(), Subject::Reservation(_)),
        }
    }
}

/// Prints what is there of this noun and then each change, until the command is stopped or nobody
/// reads it.
///
/// # Errors
/// When no server answers at first, it refuses, or the output can't be written.
pub fn run(noun: impl Into<Noun>, console: &Console) -> Result<(), CliError> {
    on_this_thread(follow(noun.into(), console))
}

async fn follow(noun: Noun, console: &Console) -> Result<(), CliError> {
    let topics: Topics = noun.topic().name().parse().unwrap_or_default();
    let mut watch = Watch::open(&console.server, topics).await?;
    let mut known = Known::new(noun.topic());
    let mut columns = None;
    loop {
        let mut told = known.take(watch.next().await?);
        told.retain(|t| noun.is_about(&t.event));
        let text = match console.output() {
            Output::Table => rows(noun, &told, &mut columns),
            output => lines_of(output, &changes(&told)),
        };
        if !show(&text)? {
            return Ok(());
        }
    }
}

/// A change, and for the end of something what it was.
struct Told {
    event: Event,
    was: Option<Event>,
}

fn changes(told: &[Told]) -> Vec<Event> {
    told.iter().map(|t| t.event.clone()).collect()
}

/// Rows below those before, in the same columns; the head above the first ones.
fn rows(noun: Noun, told: &[Told], columns: &mut Option<Columns>) -> String {
    let rows: Vec<_> = told.iter().filter_map(|t| row(noun, t)).collect();
    let (mut fitted, first) = match columns.take() {
        Some(columns) => (columns, false),
        None => (Columns::under(head(noun)), true),
    };
    rows.iter().for_each(|row| fitted.fit(row));
    let lines: String = rows.iter().map(|row| fitted.line(row)).collect();
    let text = match first {
        true => fitted.line(head(noun)) + &lines,
        false => lines,
    };
    *columns = Some(fitted);
    render::harmless(&text)
}

fn head(noun: Noun) -> &'static [&'static str] {
    let topic = match noun {
        Noun::Of(topic) => topic,
        Noun::Scopes => return ScopeView::HEAD,
        Noun::Reservations => return ReservationView::HEAD,
        Noun::LoaderSets => return &["NAME", "STATE"],
    };
    match topic {
        Topic::Clients => ClientView::HEAD,
        Topic::Images => ImageView::HEAD,
        Topic::BootEntries => BootEntryView::HEAD,
        Topic::Groups => GroupView::HEAD,
        Topic::Firmware => FirmwareView::HEAD,
        Topic::Leases => LeaseView::HEAD,
        Topic::Networks => BootNetworkView::HEAD,
        Topic::Boots => BootView::HEAD,
        Topic::Jobs => JobView::HEAD,
        Topic::Audit => AuditView::HEAD,
        Topic::Settings | Topic::Loaders | Topic::Storage => &[],
    }
}

fn row(noun: Noun, told: &Told) -> Option<Vec<String>> {
    let cells = |event: &Event| match event {
        Event::ClientChanged { client } => Some(client.cells()),
        Event::ImageChanged { image } => Some(image.cells()),
        Event::BootEntryChanged { entry } => Some(entry.cells()),
        Event::GroupChanged { group } => Some(group.cells()),
        Event::FirmwareChanged { firmware } => Some(firmware.cells()),
        Event::LeaseChanged { lease } => Some(lease.cells()),
        // Beside networks and leases they have no columns of their own; with -o json they are told, too.
        Event::ScopeChanged { scope } if noun == Noun::Scopes => Some(scope.cells()),
        Event::ReservationChanged { reservation } if noun == Noun::Reservations => {
            Some(reservation.cells())
        }
        Event::LoadersChanged { set, .. } if noun == Noun::LoaderSets => {
            let state = if keeps(event) { "there" } else { "removed" };
            Some(vec![set.clone(), state.into()])
        }
        Event::NetworkChanged { network } => Some(network.cells()),
        Event::BootChanged { boot } => Some(boot.cells()),
        Event::JobChanged { job } => Some(job.cells()),
        Event::AuditAdded { entry } => Some(entry.cells()),
        _ => None,
    };
    cells(&told.event).or_else(|| {
        let mut gone = cells(told.was.as_ref()?)?;
        // How it is stands last in these tables.
        *gone.last_mut()? = "removed".into();
        Some(gone)
    })
}

/// What is told of: of the boots of a computer the newest.
#[derive(PartialEq, Eq, Hash)]
enum Thing {
    Boots(MacAddr),
    One(Subject),
}

impl Thing {
    fn of(event: &Event) -> Thing {
        match event {
            Event::BootChanged { boot } => Thing::Boots(boot.mac),
            other => Thing::One(other.subject()),
        }
    }
}

/// What was told of each thing that is there, so that it is told once.
struct Known {
    topic: Topic,
    things: HashMap<Thing, Event>,
}

impl Known {
    fn new(topic: Topic) -> Known {
        Known {
            topic,
            things: HashMap::new(),
        }
    }

    /// Takes a frame in and gives what it changed.
    fn take(&mut self, frame: ServerFrame) -> Vec<Told> {
        match frame {
            ServerFrame::Resumed { .. } => Vec::new(),
            ServerFrame::Delta { event, .. } => self.apply(*event).into_iter().collect(),
            ServerFrame::Snapshot { snapshot, .. } => {
                let now = state(self.topic, *snapshot);
                let mut told = self.gone(&now);
                told.extend(now.into_iter().filter_map(|event| self.apply(event)));
                told
            }
        }
    }

    /// Forgets what is not there any more. A job that is over is in no snapshot, and not removed.
    fn gone(&mut self, now: &[Event]) -> Vec<Told> {
        let there: HashSet<Thing> = now.iter().map(Thing::of).collect();
        let gone = self.things.extract_if(|thing, _| !there.contains(thing));
        let told = gone.filter_map(|(_, was)| {
            let event = match &was {
                Event::ImageChanged { image } => Event::ImageRemoved { id: image.id },
                Event::BootEntryChanged { entry } => Event::BootEntryRemoved { id: entry.id },
                Event::GroupChanged { group } => Event::GroupRemoved { id: group.id },
                Event::FirmwareChanged { firmware } => Event::FirmwareRemoved { id: firmware.id },
                Event::NetworkChanged { network } => Event::NetworkRemoved {
                    interface: network.interface.clone(),
                    namespace: network.namespace.clone(),
                },
                Event::LeaseChanged { lease } => Event::LeaseRemoved {
                    scope: lease.scope.clone(),
                    address: lease.address,
                },
                Event::ReservationChanged { reservation } => {
                    Event::ReservationRemoved { id: reservation.id }
                }
                Event::ScopeChanged { scope } => Event::ScopeRemoved {
                    name: scope.name.clone(),
                },
                Event::LoadersChanged { set, .. } => Event::LoadersChanged {
                    set: set.clone(),
                    sets: now.iter().filter_map(set_of).collect(),
                },
                _ => return None,
            };
            let was = Some(was);
            Some(Told { event, was })
        });
        told.collect()
    }

    /// None when it was told already.
    fn apply(&mut self, event: Event) -> Option<Told> {
        let thing = Thing::of(&event);
        let was = match keeps(&event) {
            true => self.things.insert(thing, event.clone()),
            false => self.things.remove(&thing),
        };
        let told = !was.as_ref().is_some_and(|was| same(was, &event));
        told.then_some(Told { event, was })
    }
}

/// The loader set that came, or is there.
fn set_of(event: &Event) -> Option<String> {
    match event {
        Event::LoadersChanged { set, .. } if keeps(event) => Some(set.clone()),
        _ => None,
    }
}

/// Whether nothing is new. A set never changes: which others there are beside it is their news.
fn same(was: &Event, now: &Event) -> bool {
    match (set_of(was), set_of(now)) {
        (Some(was), Some(now)) => was == now,
        _ => was == now,
    }
}

/// Whether more may come of it. What is over is not kept: a watch may go on for weeks.
fn keeps(event: &Event) -> bool {
    match event {
        Event::ClientRemoved { .. }
        | Event::ImageRemoved { .. }
        | Event::BootEntryRemoved { .. }
        | Event::GroupRemoved { .. }
        | Event::FirmwareRemoved { .. }
        | Event::LeaseRemoved { .. }
        | Event::ReservationRemoved { .. }
        | Event::ScopeRemoved { .. }
        | Event::ExportRemoved { .. }
        | Event::NetworkRemoved { .. } => false,
        Event::JobChanged { job } => !job.state.is_over(),
        Event::LoadersChanged { set, sets } => sets.contains(set),
        Event::AuditAdded { .. } | Event::SettingsChanged { .. } => false,
        Event::ClientChanged { .. }
        | Event::ImageChanged { .. }
        | Event::BootEntryChanged { .. }
        | Event::GroupChanged { .. }
        | Event::FirmwareChanged { .. }
        | Event::LeaseChanged { .. }
        | Event::ReservationChanged { .. }
        | Event::ScopeChanged { .. }
        | Event::BootChanged { .. }
        | Event::ExportChanged { .. }
        | Event::StorageChanged { .. }
        | Event::NetworkChanged { .. } => true,
    }
}

/// What a snapshot has of a topic, as if each had changed just now.
fn state(topic: Topic, s: Snapshot) -> Vec<Event> {
    fn each<T>(all: Vec<T>, event: impl Fn(T) -> Event) -> Vec<Event> {
        all.into_iter().map(event).collect()
    }
    match topic {
        Topic::Clients => each(s.clients, |client| Event::ClientChanged {
            client: Box::new(client),
        }),
        Topic::Images => each(s.images, |image| Event::ImageChanged { image }),
        Topic::BootEntries => each(s.boot_entries, |entry| Event::BootEntryChanged { entry }),
        Topic::Groups => each(s.groups, |group| Event::GroupChanged { group }),
        Topic::Firmware => each(s.firmware, |firmware| Event::FirmwareChanged { firmware }),
        Topic::Leases => {
            let mut all = each(s.leases, |lease| Event::LeaseChanged { lease });
            all.extend(each(s.reservations, |reservation| {
                Event::ReservationChanged { reservation }
            }));
            all
        }
        Topic::Networks => {
            let mut all = each(s.networks, |network| Event::NetworkChanged { network });
            all.extend(each(s.scopes, |scope| Event::ScopeChanged { scope }));
            all
        }
        Topic::Boots => each(s.boots, |boot| Event::BootChanged { boot }),
        Topic::Jobs => each(s.jobs, |job| Event::JobChanged { job }),
        Topic::Loaders => {
            let sets = &s.loader_sets;
            let there = |set: &String| Event::LoadersChanged {
                set: set.clone(),
                sets: sets.clone(),
            };
            sets.iter().map(there).collect()
        }
        // The state of these is read by REST.
        Topic::Audit | Topic::Settings | Topic::Storage => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn frame(lists: Value) -> ServerFrame {
        let mut snapshot = json!({
            "page_build": "", "clients": [], "images": [], "leases": [], "networks": [],
            "boots": [], "jobs": [],
        });
        for (name, list) in lists.as_object().expect("lists") {
            snapshot[name] = list.clone();
        }
        let topics: Vec<_> = Topic::ALL.iter().map(|t| t.name()).collect();
        let frame = json!({"kind": "snapshot", "run": "r", "seq": 1, "topics": topics, "snapshot": snapshot});
        serde_json::from_value(frame).expect("a snapshot")
    }

    fn delta(event: Value) -> ServerFrame {
        let frame = json!({"kind": "delta", "seq": 2, "event": event});
        serde_json::from_value(frame).expect("a change")
    }

    fn lease(last: u8, state: &str) -> Value {
        json!({
            "address": format!("10.77.0.{last}"), "mac": format!("52:54:00:00:00:{last:02x}"),
            "scope": "br0", "interface": "br0", "is_reserved": false, "state": state, "hostname": null, "client_id": null,
            "client_name": "pc\u{1b}[2J", "starts_at": "2026-11-21T07:00:00Z", "ends_at": "2026-11-21T08:00:00Z",
        })
    }

    fn boot(id: u128, state: &str) -> Value {
        json!({
            "id": uuid::Uuid::from_u128(id), "mac": "52:54:00:00:00:07", "address": null,
            "client_id": null, "state": state, "started_at": "2026-11-21T07:00:00Z", "ended_at": null,
            "hops": [], "notes": [], "cause": null, "facts": null,
        })
    }

    fn image(name: &str) -> Value {
        json!({
            "id": uuid::Uuid::from_u128(name.len() as u128), "name": name, "state": "ready",
            "size_bytes": 1, "allocated_bytes": 1, "sha256": null, "received_bytes": 1,
            "created_at": "2026-11-21T07:00:00Z", "client_count": 0, "data_client_count": 0, "error": null, "revision": 1,
            "versions": [], "previous": null, "superclient_id": null, "superclient_name": null, "is_private": false,
        })
    }

    /// The text of each frame in turn.
    fn told(topic: Topic, frames: Vec<ServerFrame>) -> Vec<String> {
        let (mut known, mut columns) = (Known::new(topic), None);
        let text = |f| rows(topic.into(), &known.take(f), &mut columns);
        frames.into_iter().map(text).collect()
    }

    #[test]
    fn the_head_comes_once_and_what_was_told_is_not_told_again() {
        let changed = |l| delta(json!({"type": "lease_changed", "lease": l}));
        let texts = told(
            Topic::Leases,
            vec![
                frame(json!({"leases": [lease(5, "active")]})),
                changed(lease(5, "active")),
                changed(lease(5, "released")),
                frame(json!({"leases": [lease(5, "released"), lease(6, "active")]})),
            ],
        );
        assert!(texts[0].starts_with("ADDRESS ") && texts[0].contains("\n10.77.0.5 "));
        assert_eq!(texts[0].lines().count(), 2);
        assert!(!texts[0].contains('\u{1b}'), "names steer no terminal");
        assert_eq!(texts[1], "");
        assert!(texts[2].starts_with("10.77.0.5 ") && texts[2].contains("released"));
        assert!(texts[3].starts_with("10.77.0.6 "), "{}", texts[3]);
        assert_eq!(texts[3].lines().count(), 1);
    }

    #[test]
    fn what_is_removed_is_told_also_when_it_went_unseen() {
        let mut known = Known::new(Topic::Images);
        let mut columns = None;
        let mut take = |f| {
            let told = known.take(f);
            (
                rows(Topic::Images.into(), &told, &mut columns),
                changes(&told),
            )
        };
        take(frame(
            json!({"images": [image("a"), image("bb"), image("ccc")]}),
        ));
        let id = uuid::Uuid::from_u128(1);
        let (text, events) = take(delta(json!({"type": "image_removed", "id": id})));
        assert!(
            text.starts_with("a ") && text.ends_with("removed\n"),
            "{text}"
        );
        assert!(matches!(events[..], [Event::ImageRemoved { .. }]));
        let (text, events) = take(frame(json!({"images": [image("bb")]})));
        assert!(
            text.starts_with("ccc ") && text.ends_with("removed\n"),
            "{text}"
        );
        assert!(matches!(events[..], [Event::ImageRemoved { .. }]));
    }

    #[test]
    fn loader_sets_come_and_go_and_each_is_told_once() {
        let (mut known, mut columns) = (Known::new(Topic::Loaders), None);
        let mut take = |f| rows(Noun::LoaderSets, &known.take(f), &mut columns);
        let changed = |set: &str, sets: &[&str]| {
            delta(json!({"type": "loaders_changed", "set": set, "sets": sets}))
        };
        let there = take(frame(json!({"loader_sets": ["debian"]})));
        assert!(there.ends_with("debian  there\n"), "{there:?}");
        let came = take(changed("ipxe-2", &["debian", "ipxe-2"]));
        assert!(
            came.starts_with("ipxe-2") && came.ends_with("there\n"),
            "{came:?}"
        );
        assert_eq!(
            take(frame(json!({"loader_sets": ["debian", "ipxe-2"]}))),
            ""
        );
        let went = take(changed("ipxe-2", &["debian"]));
        assert!(
            went.starts_with("ipxe-2") && went.ends_with("removed\n"),
            "{went:?}"
        );
        let unseen = take(frame(json!({"loader_sets": []})));
        assert!(
            unseen.starts_with("debian") && unseen.ends_with("removed\n"),
            "{unseen:?}"
        );
    }

    #[test]
    fn of_the_boots_of_a_computer_the_newest_is_kept() {
        let mut known = Known::new(Topic::Boots);
        let mut take = |f| known.take(f).len();
        let changed = |b| delta(json!({"type": "boot_changed", "boot": b}));
        assert_eq!(take(frame(json!({"boots": [boot(1, "ready")]}))), 1);
        assert_eq!(take(changed(boot(2, "booting"))), 1);
        assert_eq!(take(frame(json!({"boots": [boot(2, "booting")]}))), 0);
        assert_eq!(take(frame(json!({"boots": [boot(2, "ready")]}))), 1);
        assert_eq!(known.things.len(), 1);
    }
}
