//! `nsboot client ls --watch`: the list kept true by the server's frames, and how each change is
//! printed. On a terminal the table is drawn anew; otherwise each change is a line of its own.

use super::{
    super::{CliError, Output, connect::Server, render},
    Watch, lines_of, on_this_thread, show,
};
use std::{
    io::{self, IsTerminal},
    time::Duration,
};
use tokio::time::{Instant, timeout_at};
use types::{ClientView, Event, ServerFrame, Topics};

/// A boot brings many changes a second, and eyes are slow.
const REDRAW: Duration = Duration::from_millis(100);
/// To the upper left corner, then clear what is below.
const HOME: &str = "\x1b[H\x1b[J";

/// How changes are printed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    /// The whole table, over the one before it.
    Screen,
    /// Each change as one line of JSON.
    Lines,
    /// Each change as a YAML document.
    Documents,
}

/// Prints the computers and then each change, until the command is stopped or nobody reads it.
///
/// # Errors
/// When no server answers at first, it refuses, or the output can't be written.
pub fn run(server: &Server, out: Output) -> Result<(), CliError> {
    let style = match out {
        Output::Table if io::stdout().is_terminal() => Style::Screen,
        Output::Table | Output::Json => Style::Lines,
        Output::Yaml => Style::Documents,
    };
    on_this_thread(follow(server, style))
}

async fn follow(server: &Server, style: Style) -> Result<(), CliError> {
    let topics: Topics = "clients,boots".parse().unwrap_or_default();
    let mut watch = Watch::open(server, topics).await?;
    let mut list = List::default();
    // When what was taken in has to be on the screen.
    let mut due: Option<Instant> = None;
    loop {
        let frame = match due {
            None => Some(watch.next().await?),
            Some(at) => timeout_at(at, watch.next()).await.ok().transpose()?,
        };
        let changes = frame.map(|f| list.take(f)).unwrap_or_default();
        let written = match style {
            Style::Screen => {
                let first = !list.drawn;
                if first || !changes.is_empty() {
                    due = due.or_else(|| Some(Instant::now() + REDRAW));
                }
                match due {
                    Some(at) if first || at <= Instant::now() => {
                        due = None;
                        list.drawn = true;
                        show(&format!("{HOME}{}\n", render::list(&list.rows).trim_end()))
                    }
                    _ => Ok(true),
                }
            }
            Style::Lines => show(&lines_of(Output::Json, &changes)),
            Style::Documents => show(&lines_of(Output::Yaml, &changes)),
        };
        if !written? {
            return Ok(());
        }
    }
}

/// The computers as of the last frame.
#[derive(Default)]
struct List {
    rows: Vec<ClientView>,
    drawn: bool,
}

impl List {
    /// Takes a frame in and gives what it changed; a change of a boot is one of its computer.
    fn take(&mut self, frame: ServerFrame) -> Vec<Event> {
        match frame {
            ServerFrame::Snapshot { snapshot, .. } => self.replace(snapshot.clients),
            ServerFrame::Resumed { .. } => Vec::new(),
            ServerFrame::Delta { event, .. } => self.apply(*event).into_iter().collect(),
        }
    }

    /// What differs from what was known: all of it at first, what was missed later.
    fn replace(&mut self, clients: Vec<ClientView>) -> Vec<Event> {
        let gone = |old: &&ClientView| clients.iter().all(|c| c.id != old.id);
        let mut changes: Vec<Event> = self
            .rows
            .iter()
            .filter(gone)
            .map(|c| Event::ClientRemoved { id: c.id })
            .collect();
        let new = clients.iter().filter(|c| !self.rows.contains(c));
        changes.extend(new.map(changed));
        self.rows = clients;
        changes
    }

    fn apply(&mut self, event: Event) -> Option<Event> {
        match event {
            Event::ClientChanged { client } => {
                match self.rows.iter_mut().find(|r| r.id == client.id) {
                    Some(row) if *row == *client => return None,
                    Some(row) => row.clone_from(&client),
                    None => self.rows.push((*client).clone()),
                }
                Some(Event::ClientChanged { client })
            }
            Event::ClientRemoved { id } => {
                let before = self.rows.len();
                self.rows.retain(|r| r.id != id);
                (self.rows.len() < before).then_some(Event::ClientRemoved { id })
            }
            Event::BootChanged { boot } => {
                let row = self.rows.iter_mut().find(|r| r.mac == boot.mac)?;
                row.take_boot(boot).then(|| changed(row))
            }
            _ => None,
        }
    }
}

fn changed(client: &ClientView) -> Event {
    Event::ClientChanged {
        client: Box::new(client.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::{ClientId, ClientState, MacAddr, OverlayMode, Snapshot, Timestamp};

    fn client(n: u8, name: &str) -> ClientView {
        ClientView {
            id: ClientId(uuid::Uuid::from_u128(u128::from(n))),
            name: name.into(),
            mac: MacAddr([2, 0, 0, 0, 0, n]),
            state: ClientState::Adopted,
            image_id: None,
            image_name: None,
            mode: OverlayMode::Reset,
            group_id: None,
            group_name: None,
            boot_entry_id: None,
            boot_entry_name: None,
            one_shot_id: None,
            one_shot_name: None,
            loader_set: None,
            loader: None,
            is_virtual: false,
            address: None,
            overlay_bytes: 0,
            quota_bytes: None,
            overlay_limit_bytes: None,
            data_disks: Vec::new(),
            disk_in_use: false,
            next_snapshot: None,
            created_at: Timestamp(0),
            revision: 1,
            last_boot: None,
        }
    }

    fn snapshot(clients: Vec<ClientView>) -> ServerFrame {
        ServerFrame::Snapshot {
            run: "r".into(),
            seq: 1,
            topics: Topics::default(),
            snapshot: Box::new(Snapshot {
                page_build: String::new(),
                clients,
                images: vec![],
                boot_entries: vec![],
                groups: vec![],
                firmware: vec![],
                leases: vec![],
                scopes: vec![],
                loader_sets: vec![],
                reservations: vec![],
                networks: vec![],
                boots: vec![],
                jobs: Vec::new(),
                trial: None,
            }),
        }
    }

    fn delta(event: Event) -> ServerFrame {
        ServerFrame::Delta {
            seq: 2,
            event: Box::new(event),
        }
    }

    fn told(changes: &[Event]) -> Vec<String> {
        let one = |e: &Event| match e {
            Event::ClientChanged { client } => client.name.clone(),
            Event::ClientRemoved { id } => format!("-{}", id.0.as_u128()),
            other => panic!("{other:?}"),
        };
        changes.iter().map(one).collect()
    }

    #[test]
    fn only_what_changed_is_told_also_by_a_second_snapshot() {
        let mut list = List::default();
        let first = vec![client(1, "a"), client(2, "b")];
        assert_eq!(told(&list.take(snapshot(first.clone()))), ["a", "b"]);
        assert!(list.take(snapshot(first)).is_empty());
        let renamed = changed(&client(2, "c"));
        assert_eq!(told(&list.take(delta(renamed.clone()))), ["c"]);
        assert!(list.take(delta(renamed)).is_empty(), "told already");
        let missed = vec![client(2, "c"), client(3, "d")];
        assert_eq!(told(&list.take(snapshot(missed))), ["-1", "d"]);
        let id = ClientId(uuid::Uuid::from_u128(3));
        assert_eq!(told(&list.take(delta(Event::ClientRemoved { id }))), ["-3"]);
        assert_eq!(told(&[changed(&list.rows[0])]), ["c"]);
    }

    #[test]
    fn a_line_is_one_change() {
        let events = [
            changed(&client(1, "a")),
            Event::ClientRemoved {
                id: ClientId(uuid::Uuid::nil()),
            },
        ];
        let text = lines_of(Output::Json, &events);
        let read: Result<Vec<Event>, _> = text.lines().map(serde_json::from_str).collect();
        assert_eq!(read.ok().as_deref(), Some(events.as_slice()));
        assert!(lines_of(Output::Yaml, &events).starts_with("---\nclient:\n"));
    }
}
