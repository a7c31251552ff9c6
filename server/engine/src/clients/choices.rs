//! What a client says of itself: data disks, group, boot entry, one-shot, loader, quota.

use super::{Clients, Inner, rules};
use crate::{
    Area, By, Error, Result,
    groups::{self, require_entry, require_group},
};
use store::{ClientRecord, Read, Tx};
use types::{BootEntryId, ClientId, Event, GroupId, ImageId, LoaderKind, UpdateClientParams};

/// What a change names, looked up; None stays.
#[derive(Clone, Default)]
pub(super) struct Choices {
    data_disks: Option<Vec<ImageId>>,
    group: Option<Option<GroupId>>,
    boot_entry: Option<Option<BootEntryId>>,
    one_shot: Option<Option<BootEntryId>>,
    loader_set: Option<Option<String>>,
    loader: Option<Option<LoaderKind>>,
    quota_bytes: Option<Option<u64>>,
}

impl Choices {
    /// Puts them in; what they name must be there in this commit. Its image is in `record` already.
    pub fn apply(self, tx: &Tx<'_>, record: &mut ClientRecord) -> Result<()> {
        if let Some(disks) = self.data_disks {
            rules::data_disks(tx, record, &disks)?;
            record.data_disks = disks;
        }
        rules::not_its_image(tx, record)?;
        require_group(tx, self.group.flatten())?;
        require_entry(tx, self.boot_entry.flatten())?;
        require_entry(tx, self.one_shot.flatten())?;
        record.group_id = self.group.unwrap_or(record.group_id);
        record.boot_entry_id = self.boot_entry.unwrap_or(record.boot_entry_id);
        record.one_shot_id = self.one_shot.unwrap_or(record.one_shot_id);
        if let Some(set) = self.loader_set {
            record.loader_set = set;
        }
        record.loader = self.loader.unwrap_or(record.loader);
        record.quota_bytes = self.quota_bytes.unwrap_or(record.quota_bytes);
        Ok(())
    }
}

/// 0 leaves it to the setting for all.
fn quota(bytes: u64) -> Result<Option<u64>> {
    match bytes {
        0 => Ok(None),
        bytes => crate::settings::quota(bytes)
            .map(Some)
            .map_err(|why| Error::invalid(Area::Client, "quota_bytes", why)),
    }
}

impl Inner {
    /// # Errors
    /// [`Error::NotFound`] for an unknown group or boot entry, [`Error::Invalid`] for what can't be a
    /// loader set or loader.
    pub(super) fn choices(&self, params: &UpdateClientParams) -> Result<Choices> {
        let entry = |text: &Option<String>| {
            let resolve = |t| self.entries.resolve(t);
            text.as_deref().map(resolve).transpose()
        };
        let image = |text: &String| Ok(self.images.require(text)?.id);
        let disks = params.data_disks.as_ref();
        let disks = disks.map(|all| all.iter().map(image).collect::<Result<Vec<_>>>());
        let group = params.group.as_deref().map(|t| self.groups.resolve(t));
        let set = params.loader_set.as_deref();
        let loader = params.loader.as_deref();
        Ok(Choices {
            data_disks: disks.transpose()?,
            group: group.transpose()?,
            boot_entry: entry(&params.boot_entry)?,
            one_shot: entry(&params.one_shot)?,
            loader_set: set
                .map(|t| groups::loader_set(Area::Client, t))
                .transpose()?,
            loader: loader
                .map(|t| groups::loader(Area::Client, t))
                .transpose()?,
            quota_bytes: params.quota_bytes.map(quota).transpose()?,
        })
    }

    pub(super) fn group_name(&self, r: &ClientRecord) -> Option<String> {
        Some(self.groups.get(r.group_id?)?.name.clone())
    }

    pub(super) fn entry_name(&self, id: Option<BootEntryId>) -> Option<String> {
        Some(self.entries.get(id?)?.name.clone())
    }
}

impl Clients {
    /// The names in a change as ids: a job that waits must not find something else of that name.
    ///
    /// # Errors
    /// As for a change.
    pub(crate) fn by_ids(&self, change: UpdateClientParams) -> Result<UpdateClientParams> {
        let choices = self.inner.choices(&change)?;
        let id = |id: Option<BootEntryId>| id.map(|id| id.to_string()).unwrap_or_default();
        let group = |id: Option<GroupId>| id.map(|id| id.to_string()).unwrap_or_default();
        let disks = choices.data_disks;
        Ok(UpdateClientParams {
            data_disks: disks.map(|all| all.iter().map(ImageId::to_string).collect()),
            group: choices.group.map(group),
            boot_entry: choices.boot_entry.map(id),
            one_shot: choices.one_shot.map(id),
            ..change
        })
    }

    /// Takes a client's one-shot away, for good, before its script leaves; one that was changed
    /// meanwhile stays.
    ///
    /// # Errors
    /// When the database fails: then the script must not leave.
    pub(crate) async fn use_up_one_shot(&self, id: ClientId, entry: BootEntryId) -> Result<()> {
        let inner = self.inner.clone();
        let write = self.inner.store.write(move |tx| {
            let Some(old) = tx.get::<ClientRecord>(&id)? else {
                return Ok(());
            };
            if old.one_shot_id != Some(entry) {
                return Ok(());
            }
            let record = ClientRecord {
                one_shot_id: None,
                revision: old.revision + 1,
                ..old.clone()
            };
            inner.save(tx, &record)?;
            let by = By::system("boot");
            let before = Some(inner.facts(&old));
            inner.record(tx, &by, "client.one_shot", &record, before, true)?;
            Ok::<_, Error>(())
        });
        write.await
    }

    /// Tells the page anew of the clients that name something whose name has changed.
    pub(crate) fn touch_users(&self, names: impl Fn(&ClientRecord) -> bool) {
        let users: Vec<_> = self.inner.cached(|c| {
            let all = c.by_id.values();
            all.filter(|r| names(r)).cloned().collect()
        });
        for record in users {
            let client = Box::new(self.view(&record));
            self.inner.events.publish(Event::ClientChanged { client });
        }
    }
}
