//! What a guest was told is written, and no flush has made durable yet. When only this process ends, the kernel
//! still has the data, and the guest, which goes on, will not write it again: the next process has to know of it.
//!
//! It is a journal as the map is, beside it, and never synced. Its name holds the boot of this box: after a power
//! cut nobody can say which parts of it or of the data arrived, and so it is thrown away.

use super::{
    map::{Header, Map},
    states::Change,
};
use crate::storage::files::Files;
use std::{io, sync::Arc};

/// Records that it may have before it is folded: 4 MiB. Guests that never flush would fill the disk with it.
pub const LONG: u64 = (4 << 20) / 24;

/// The journal of one open overlay.
pub struct Live {
    /// The folder and the journal's name. None once the overlay was replaced or can't be vouched for.
    home: Option<(Arc<dyn Files>, String)>,
    header: Header,
    /// Made with the first change.
    journal: Option<Map>,
    /// Records at which it is long, and at which it counts as that now.
    long: u64,
    long_at: u64,
}

impl Live {
    /// Opens what the last process left, with its changes in order of their blocks. One that is not whole in its
    /// head holds nothing that a guest was told of.
    pub fn open(
        files: Arc<dyn Files>,
        name: String,
        header: Header,
        long: u64,
    ) -> io::Result<(Live, Vec<Change>)> {
        let left = match files.open(&name) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            Err(e) => return Err(e),
            Ok(file) => match Map::open(file) {
                Ok((of, states, journal)) if of == header => Some((states.changes(), journal)),
                Ok(_) => None,
                Err(e) if e.kind() == io::ErrorKind::InvalidData => None,
                Err(e) => return Err(e),
            },
        };
        let (changes, journal) = left.unzip();
        let live = Live {
            home: Some((files, name)),
            header,
            journal,
            long,
            long_at: long,
        };
        Ok((live, changes.unwrap_or_default()))
    }

    /// Notes a change before the guest hears that it was made.
    pub fn note(&mut self, change: Change) -> io::Result<()> {
        let Some((files, name)) = &self.home else {
            return Ok(());
        };
        let journal = match &mut self.journal {
            Some(journal) => journal,
            None => {
                let file = files.create(name)?;
                self.journal.insert(Map::draft(file, self.header, &[])?)
            }
        };
        journal.append(&[change])
    }

    /// Whether it has grown so long that a flush is to empty it, though no guest asked for one.
    pub fn is_long(&self) -> bool {
        self.records() >= self.long_at
    }

    fn records(&self) -> u64 {
        self.journal.as_ref().map_or(0, Map::records)
    }

    /// A flush has taken into the map, durably, all that was noted but these changes, which were made meanwhile.
    pub fn keep(&mut self, left: &[Change]) {
        let kept = match left {
            [] => self.journal.as_mut().map_or(Ok(()), Map::clear),
            _ if self.is_long() => self.replace(left),
            // What is noted twice is as true as once.
            _ => return,
        };
        // What stays after a failure is older than all that is noted later, and true as long.
        if let Err(error) = kept {
            tracing::warn!(%error, "the journal of an overlay could not be made shorter");
        }
        self.not_before_twice();
    }

    /// However it went, it is not tried again with every write.
    pub fn not_before_twice(&mut self) {
        self.long_at = self.long.max(self.records().saturating_mul(2));
    }

    /// Takes its own place by a rename: whenever this process ends, one of both is there whole.
    fn replace(&mut self, changes: &[Change]) -> io::Result<()> {
        if let Some((files, name)) = &self.home {
            let temporary = format!("{name}.new");
            let journal = Map::draft(files.create(&temporary)?, self.header, changes)?;
            files.rename(&temporary, name)?;
            self.journal = Some(journal);
        }
        Ok(())
    }

    /// The overlay has lost its place in the folder: nothing is noted any more.
    pub fn retire(&mut self) {
        self.home = None;
        self.journal = None;
    }

    /// What was noted can't be vouched for any more.
    pub fn forget(&mut self) {
        if let Some((files, name)) = &self.home
            && let Err(error) = files.remove(name)
        {
            tracing::error!(file = %name, %error, "what was not flushed could not be thrown away");
        }
        self.retire();
    }
}
