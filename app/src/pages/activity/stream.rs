//! The stream as data: jobs and entries of the audit log in one order. Pure but for the signal that
//! each job has, so that its progress moves alone.

use super::Show;
use leptos::prelude::*;
use serde::{Deserialize, Serialize};
use types::{AuditView, JobId, JobView, Timestamp};

/// Lines that stay on the page while new ones come in; older ones are a link away.
pub const MOST: usize = 200;

/// One thing in the stream.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Item {
    Job(JobView),
    Entry(AuditView),
}

impl Item {
    /// Its place in the stream.
    pub fn at(&self) -> Timestamp {
        match self {
            Item::Job(j) => j.created_at,
            Item::Entry(e) => e.at,
        }
    }
}

/// What tells lines apart.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Key {
    Job(JobId),
    Entry(u64),
}

/// A line as drawn.
#[derive(Clone)]
pub enum Line {
    Job(ArcRwSignal<JobView>),
    Entry(Box<AuditView>),
}

impl Line {
    fn new(item: Item) -> Line {
        match item {
            Item::Job(job) => Line::Job(ArcRwSignal::new(job)),
            Item::Entry(entry) => Line::Entry(Box::new(entry)),
        }
    }

    pub fn key(&self) -> Key {
        match self {
            Line::Job(job) => Key::Job(job.with_untracked(|j| j.id)),
            Line::Entry(entry) => Key::Entry(entry.seq),
        }
    }

    fn at(&self) -> Timestamp {
        match self {
            Line::Job(job) => job.with_untracked(|j| j.created_at),
            Line::Entry(entry) => entry.at,
        }
    }
}

/// The lines of a page of the stream.
pub fn lines(items: Vec<Item>) -> Vec<Line> {
    items.into_iter().map(Line::new).collect()
}

/// Where the older ones begin: before the last job and the last entry that are shown; where none is
/// shown, where this page began.
pub fn older(shown: &[Line], began: (Option<JobId>, Option<u64>)) -> (Option<JobId>, Option<u64>) {
    shown
        .iter()
        .fold(began, |(job, entry), line| match line.key() {
            Key::Job(id) => (Some(id), entry),
            Key::Entry(seq) => (job, Some(seq)),
        })
}

/// Lays what the socket told over the lines: a job that is there is changed in its place; what is new
/// goes where its time belongs, when this page takes new ones.
pub fn lay_over(all: RwSignal<Vec<Line>>, item: Item, show: Show, takes_new: bool) {
    let key = match &item {
        Item::Job(j) => Key::Job(j.id),
        Item::Entry(e) => Key::Entry(e.seq),
    };
    let known = all.with_untracked(|all| all.iter().find(|l| l.key() == key).cloned());
    match (known, item) {
        (Some(Line::Job(signal)), Item::Job(job)) => {
            // What was read and what was told may overtake each other.
            let is_newer = signal.with_untracked(|old| old.revision < job.revision);
            if is_newer {
                signal.set(job);
            }
        }
        (None, item) if takes_new && show.takes(&item) => all.update(|all| {
            let at = item.at();
            let place = all.iter().position(|l| l.at() <= at).unwrap_or(all.len());
            all.insert(place, Line::new(item));
            all.truncate(MOST);
        }),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::{ActorKind, ActorView, TargetView, Way};

    fn entry(seq: u64, result: &str) -> AuditView {
        AuditView {
            seq,
            at: Timestamp(i64::try_from(seq).expect("small") * 1_000_000),
            actor: ActorView {
                kind: ActorKind::System,
                id: None,
                name: "test".into(),
            },
            role: None,
            way: Way::System,
            address: None,
            request_id: None,
            action: "lab.up".into(),
            target: TargetView::default(),
            before: None,
            after: None,
            result: result.into(),
            hash: String::new(),
        }
    }

    fn numbers(all: RwSignal<Vec<Line>>) -> Vec<u64> {
        let number = |l: &Line| match l.key() {
            Key::Entry(seq) => seq,
            Key::Job(_) => 0,
        };
        all.with_untracked(|all| all.iter().map(number).collect())
    }

    #[test]
    fn what_is_told_lands_once_and_in_its_place() {
        Owner::new().with(|| {
            let all = RwSignal::new(lines(vec![
                Item::Entry(entry(5, "ok")),
                Item::Entry(entry(3, "ok")),
            ]));
            let tell =
                |seq, result, show| lay_over(all, Item::Entry(entry(seq, result)), show, true);
            tell(6, "ok", Show::All);
            tell(4, "ok", Show::Changes);
            tell(4, "ok", Show::All);
            tell(7, "NSB-AUTH-401", Show::Changes);
            tell(8, "ok", Show::Refused);
            tell(9, "ok", Show::Jobs);
            assert_eq!(numbers(all), [6, 5, 4, 3]);
            tell(7, "NSB-AUTH-401", Show::Refused);
            assert_eq!(numbers(all), [7, 6, 5, 4, 3]);
            lay_over(all, Item::Entry(entry(9, "ok")), Show::All, false);
            assert_eq!(numbers(all).first(), Some(&7));
        });
    }

    #[test]
    fn older_ones_begin_behind_the_last_of_each_kind() {
        let shown = lines(vec![
            Item::Entry(entry(5, "ok")),
            Item::Entry(entry(3, "ok")),
        ]);
        let job: JobId = "00000000-0000-0000-0000-000000000001".parse().expect("id");
        assert_eq!(older(&shown, (Some(job), None)), (Some(job), Some(3)));
        assert_eq!(older(&[], (None, Some(2))), (None, Some(2)));
    }
}
