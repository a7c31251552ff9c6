//! Whether the files that boot entries name are in the folder `loaders`. An entry may be made before its files are
//! put there, and somebody may take them away; so it is looked again and again, and told.

use super::BootEntries;
use crate::{Loaders, Result, blocking::blocking};
use std::{collections::HashMap, pin::pin, sync::PoisonError, time::Duration};
use store::BootEntryRecord;
use tokio::time::MissedTickBehavior;
use types::{BootEntryId, Event};

/// How often it is looked.
const LOOK: Duration = Duration::from_secs(10);

/// The files of entries that were not there at the last look.
pub(super) type Missing = HashMap<BootEntryId, Vec<String>>;

/// The files of an entry that are to come from us, and are not there. May wait for the disk.
pub(crate) fn missing(entry: &BootEntryRecord, loaders: &Loaders) -> Vec<String> {
    let files = std::iter::once(&entry.kernel).chain(&entry.initrds);
    let is_ours = |file: &&String| !file.is_empty() && !file.starts_with("http://");
    let is_missing = |file: &&String| loaders.find(file.as_bytes()).is_none();
    files.filter(is_ours).filter(is_missing).cloned().collect()
}

impl BootEntries {
    /// Looks for the files again and again, until `stop`.
    pub async fn watch_files(&self, loaders: &Loaders, stop: impl Future<Output = ()> + Send) {
        let mut tick = tokio::time::interval(LOOK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut stop = pin!(stop);
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                () = &mut stop => return,
            }
            if let Err(error) = self.look_for_files(loaders).await {
                tracing::warn!(%error, "could not look for the files of boot entries");
            }
        }
    }

    /// Looks for the files of all entries now.
    ///
    /// # Errors
    /// When the work broke off.
    pub(crate) async fn look_for_files(&self, loaders: &Loaders) -> Result<()> {
        let (entries, loaders) = (self.clone(), loaders.clone());
        blocking(move || {
            entries.look_at_files(&loaders);
            Ok(())
        })
        .await
    }

    /// The same on a thread that may wait. What changed is told.
    pub(crate) fn look_at_files(&self, loaders: &Loaders) {
        let records: Vec<_> = self.inner.cached(|all| all.values().cloned().collect());
        let missing = |r: &BootEntryRecord| Some(missing(r, loaders)).filter(|m| !m.is_empty());
        let now: Missing = records
            .iter()
            .filter_map(|r| Some((r.id, missing(r)?)))
            .collect();
        let before = {
            let known = self.inner.missing.write();
            let mut known = known.unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *known, now.clone())
        };
        for record in &records {
            if before.get(&record.id) == now.get(&record.id) {
                continue;
            }
            if let Some(missing) = now.get(&record.id) {
                tracing::warn!(entry = %record.name, ?missing, "files of a boot entry are not in the folder loaders");
            }
            // With the cache held: a removal is told after this, not before.
            self.inner.cached(|all| {
                if let Some(record) = all.get(&record.id) {
                    let entry = self.inner.view(record);
                    self.inner.events.publish(Event::BootEntryChanged { entry });
                }
            });
        }
    }
}
