//! The stream as data: jobs and entries of the audit log in one order. Pure but for its signals, of which
//! each job has one, so that its progress moves alone.

use super::{Place, api::Lines};
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

    fn key(&self) -> Key {
        match self {
            Item::Job(j) => Key::Job(j.id),
            Item::Entry(e) => Key::Entry(e.seq),
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

/// A page of the stream as it is shown, without holes: what lies between two of its lines is on it.
/// Copy: it holds handles.
#[derive(Clone, Copy)]
pub struct Page {
    /// The newest first.
    pub lines: RwSignal<Vec<Line>>,
    /// Whether there are older ones behind the last line.
    pub more: RwSignal<bool>,
    /// What the socket told last, each thing once: a read that comes now may be from before it.
    told: StoredValue<Vec<Item>>,
    /// The newest line of when changes may first have passed unseen, until what was missed is read.
    missed: StoredValue<Option<Option<Timestamp>>>,
}

impl Page {
    /// Nothing yet.
    pub fn new() -> Page {
        Page {
            lines: RwSignal::new(Vec::new()),
            more: RwSignal::new(false),
            told: StoredValue::new(Vec::new()),
            missed: StoredValue::new(None),
        }
    }

    /// Shows what was read of `place`, and what was told meanwhile.
    pub fn show(self, read: Lines, place: Place) {
        self.lines
            .set(read.items.into_iter().map(Line::new).collect());
        self.more.set(read.more);
        self.missed.set_value(None);
        let told = self.told.get_value();
        told.into_iter().for_each(|item| self.lay_over(item, place));
    }

    /// Takes what the socket told.
    pub fn tell(self, item: Item, place: Place) {
        self.told.update_value(|told| {
            told.retain(|t| t.key() != item.key());
            told.push(item.clone());
            if told.len() > MOST {
                told.remove(0);
            }
        });
        self.lay_over(item, place);
    }

    /// Changes may have passed unseen since the newest line. It stays so until [`Page::catch_up`]: a read that
    /// fails must not make a hole.
    pub fn behind(self) {
        let newest = self.lines.with_untracked(|all| all.first().map(Line::at));
        self.missed.update_value(|missed| {
            missed.get_or_insert(newest);
        });
    }

    /// Takes what was read after [`Page::behind`]. Where it does not reach back so far, there is a gap, and what
    /// lies behind that leaves the page.
    pub fn catch_up(self, read: Lines, place: Place) {
        let Some(newest) = self.missed.try_update_value(Option::take).flatten() else {
            return;
        };
        let oldest = read.items.last().map(Item::at);
        let gap = read.more && oldest > newest;
        if gap {
            self.lines
                .update(|all| all.retain(|l| Some(l.at()) >= oldest));
            // Until all is laid over, nothing lies behind the last line.
            self.more.set(false);
        }
        // The oldest first: each lands above the one before.
        let items = read.items.into_iter().rev();
        items.for_each(|item| self.lay_over(item, place));
        if gap {
            self.more.set(true);
        }
    }

    /// Lays something over the lines: a job that is there is changed in its place; what is new goes where
    /// its time belongs, when this page takes new ones.
    fn lay_over(self, item: Item, place: Place) {
        let key = item.key();
        let known = |all: &Vec<Line>| all.iter().find(|l| l.key() == key).cloned();
        match (self.lines.with_untracked(known), item) {
            (Some(Line::Job(signal)), Item::Job(job)) => {
                // What was read and what was told may overtake each other.
                let is_newer = signal.with_untracked(|old| old.revision < job.revision);
                if is_newer {
                    signal.set(job);
                }
            }
            (None, item) if place.is_newest() && place.show.takes(&item) => self.insert(item),
            _ => {}
        }
    }

    fn insert(self, item: Item) {
        let at = item.at();
        let (after, len) = self.lines.with_untracked(|all| {
            let after = all.iter().position(|l| l.at() <= at);
            (after.unwrap_or(all.len()), all.len())
        });
        // It belongs to an older page, as a job does that has run for long: here, "older ones" would begin
        // behind it, and what lies between would be on no page.
        if after == len && self.more.get_untracked() {
            return;
        }
        self.lines.update(|all| {
            all.insert(after, Line::new(item));
            all.truncate(MOST);
        });
        if len == MOST {
            self.more.set(true);
        }
    }

    /// Where the older ones begin: before the last job and the last entry that are shown; where none is
    /// shown, where this page began.
    pub fn older(self, place: Place) -> Place {
        self.lines.with(|all| {
            all.iter().fold(place, |before, line| match line.key() {
                Key::Job(id) => Place {
                    job: Some(id),
                    ..before
                },
                Key::Entry(seq) => Place {
                    entry: Some(seq),
                    ..before
                },
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::activity::Show;
    use types::{ActorKind, ActorView, JobState, JobUnit, TargetView, Way};

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

    fn entries(numbers: impl IntoIterator<Item = u64>) -> Vec<Item> {
        let numbers = numbers.into_iter();
        numbers.map(|seq| Item::Entry(entry(seq, "ok"))).collect()
    }

    /// Created when the entry of that number was written.
    fn job(number: u64) -> Item {
        Item::Job(JobView {
            id: format!("00000000-0000-0000-0000-{number:012}")
                .parse()
                .expect("id"),
            kind: "image.verify".into(),
            title: "Check".into(),
            state: JobState::Running,
            actor: entry(0, "ok").actor,
            created_at: entry(number, "ok").at,
            started_at: None,
            finished_at: None,
            unit: JobUnit::Items,
            done: 0,
            total: None,
            cancel_requested: false,
            items: Vec::new(),
            result: None,
            problem: None,
            log: Vec::new(),
            revision: 1,
        })
    }

    fn newest(show: Show) -> Place {
        Place {
            show,
            job: None,
            entry: None,
        }
    }

    const ALL: Show = Show::All;

    /// The newest page of the stream, with these entries of the log.
    fn page(numbers: impl IntoIterator<Item = u64>, more: bool) -> Page {
        let page = Page::new();
        let items = entries(numbers);
        page.show(Lines { items, more }, newest(ALL));
        page
    }

    /// The entries by their numbers; a job is 0.
    fn numbers(page: Page) -> Vec<u64> {
        let number = |l: &Line| match l.key() {
            Key::Entry(seq) => seq,
            Key::Job(_) => 0,
        };
        page.lines
            .with_untracked(|all| all.iter().map(number).collect())
    }

    #[test]
    fn what_is_told_lands_once_and_in_its_place() {
        Owner::new().with(|| {
            let page = page([5, 3], false);
            let tell = |seq, result, show| page.tell(Item::Entry(entry(seq, result)), newest(show));
            tell(6, "ok", Show::All);
            tell(4, "ok", Show::Changes);
            tell(4, "ok", Show::All);
            tell(7, "NSB-AUTH-401", Show::Changes);
            tell(8, "ok", Show::Refused);
            tell(9, "ok", Show::Jobs);
            assert_eq!(numbers(page), [6, 5, 4, 3]);
            tell(7, "NSB-AUTH-401", Show::Refused);
            assert_eq!(numbers(page), [7, 6, 5, 4, 3]);
            let older = Place {
                entry: Some(8),
                ..newest(ALL)
            };
            page.tell(Item::Entry(entry(9, "ok")), older);
            assert_eq!(numbers(page).first(), Some(&7));
        });
    }

    #[test]
    fn older_ones_begin_behind_the_last_of_each_kind() {
        Owner::new().with(|| {
            let Key::Job(id) = job(7).key() else {
                panic!("a job's key");
            };
            let of = |job, entry| Place {
                show: ALL,
                job,
                entry,
            };
            let shown = page([5, 3], true);
            assert_eq!(shown.older(of(Some(id), None)), of(Some(id), Some(3)));
            assert_eq!(Page::new().older(of(None, Some(2))), of(None, Some(2)));
        });
    }

    #[test]
    fn a_job_from_before_the_last_line_waits_for_its_page() {
        Owner::new().with(|| {
            let shown = page([9, 8], true);
            shown.tell(job(2), newest(ALL));
            assert_eq!(numbers(shown), [9, 8]);
            assert_eq!(shown.older(newest(ALL)).job, None, "nothing is skipped");
            let whole = page([9, 8], false);
            whole.tell(job(2), newest(ALL));
            assert_eq!(numbers(whole), [9, 8, 0], "there is no older page");
        });
    }

    #[test]
    fn lines_that_new_ones_push_off_the_page_are_older_ones() {
        Owner::new().with(|| {
            let most = MOST as u64;
            let shown = page((1..=most).rev(), false);
            shown.tell(Item::Entry(entry(most + 1, "ok")), newest(ALL));
            assert_eq!(numbers(shown), (2..=most + 1).rev().collect::<Vec<_>>());
            assert!(shown.more.get_untracked());
            shown.tell(Item::Entry(entry(1, "ok")), newest(ALL));
            assert_eq!(shown.older(newest(ALL)).entry, Some(2));
        });
    }

    #[test]
    fn after_a_lost_connection_no_hole_stays_in_the_page() {
        Owner::new().with(|| {
            let read = |numbers: std::ops::RangeInclusive<u64>| Lines {
                items: entries(numbers.rev()),
                more: true,
            };
            let catch_up = |shown: Page, lines| {
                shown.behind();
                shown.tell(Item::Entry(entry(61, "ok")), newest(ALL));
                // The first read failed, and there is a second one.
                shown.behind();
                shown.catch_up(lines, newest(ALL));
                numbers(shown)
            };
            // What was read reaches what was shown: both, and what was told meanwhile.
            let near = page((36..=40).rev(), false);
            assert_eq!(
                catch_up(near, read(40..=60)),
                (36..=61).rev().collect::<Vec<_>>()
            );
            assert!(!near.more.get_untracked());
            // It does not: what is between is on the older page.
            let far = page((36..=40).rev(), false);
            assert_eq!(
                catch_up(far, read(50..=60)),
                (50..=61).rev().collect::<Vec<_>>()
            );
            assert!(far.more.get_untracked());
            assert_eq!(far.older(newest(ALL)).entry, Some(50));
        });
    }

    #[test]
    fn what_is_told_while_a_page_is_read_is_not_lost() {
        Owner::new().with(|| {
            let shown = page([5, 4], true);
            shown.tell(Item::Entry(entry(6, "ok")), newest(ALL));
            shown.tell(Item::Entry(entry(7, "NSB-AUTH-401")), newest(ALL));
            // Read on the server before either of them.
            let items = entries([5, 4]);
            shown.show(Lines { items, more: true }, newest(Show::Changes));
            assert_eq!(numbers(shown), [6, 5, 4]);
        });
    }
}
