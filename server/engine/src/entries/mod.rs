//! Boot entries: what clients may boot. Two are built in and always there: a client's own image, and
//! the disk in the computer.

mod files;
mod rules;
#[cfg(test)]
mod tests;

pub(crate) use files::missing;
pub(crate) use rules::name as check_name;

use crate::{Area, Audit, By, Error, EventBus, Result, Settings, audit::Change, now};
use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};
use store::{BootEntryRecord, ClientRecord, GroupRecord, Read, Store, Tx};
use types::{
    BootEntryId, BootEntryView, CreateBootEntryParams, EntryKind, Event, Timestamp,
    UpdateBootEntryParams,
};
use uuid::Uuid;

/// The registry of boot entries. Reading never touches the disk. Cheap to clone.
#[derive(Clone)]
pub struct BootEntries {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<Store>,
    events: EventBus,
    audit: Audit,
    settings: Settings,
    /// The built-in ones among them; by their ids these come first.
    cache: RwLock<BTreeMap<BootEntryId, Arc<BootEntryRecord>>>,
    missing: RwLock<files::Missing>,
}

/// The entries that are not in the database.
fn built_in() -> [BootEntryRecord; 2] {
    let entry = |id, name: &str, kind| BootEntryRecord {
        id,
        name: name.into(),
        kind,
        kernel: String::new(),
        initrds: Vec::new(),
        command_line: String::new(),
        attach_disk: false,
        script: String::new(),
        created_at: Timestamp(0),
        revision: 1,
    };
    [
        entry(BootEntryId::IMAGE, "image", EntryKind::Image),
        entry(BootEntryId::LOCAL, "local", EntryKind::Local),
    ]
}

impl BootEntries {
    pub(crate) fn open(
        store: Arc<Store>,
        events: EventBus,
        audit: Audit,
        settings: Settings,
    ) -> Result<Self> {
        let kept: Vec<BootEntryRecord> = store.read(|tx| tx.list_readable(None))?;
        let all = built_in().into_iter().chain(kept);
        Ok(BootEntries {
            inner: Arc::new(Inner {
                store,
                events,
                audit,
                settings,
                cache: RwLock::new(all.map(|r| (r.id, Arc::new(r))).collect()),
                missing: RwLock::default(),
            }),
        })
    }

    /// An entry by id.
    pub fn get(&self, id: BootEntryId) -> Option<Arc<BootEntryRecord>> {
        self.inner.cached(|c| c.get(&id).cloned())
    }

    /// An entry by name (case does not matter) or id.
    pub fn find(&self, text: &str) -> Option<Arc<BootEntryRecord>> {
        let by_name = self.inner.cached(|c| {
            let same = |r: &&Arc<BootEntryRecord>| r.name.eq_ignore_ascii_case(text);
            c.values().find(same).cloned()
        });
        by_name.or_else(|| text.parse().ok().and_then(|id| self.get(id)))
    }

    /// As [`BootEntries::find`].
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn require(&self, text: &str) -> Result<Arc<BootEntryRecord>> {
        self.find(text)
            .ok_or_else(|| Error::not_found(Area::BootEntry, text))
    }

    /// None for an empty text; otherwise the id of the entry by name or id.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub(crate) fn resolve(&self, text: &str) -> Result<Option<BootEntryId>> {
        match text {
            "" => Ok(None),
            text => Ok(Some(self.require(text)?.id)),
        }
    }

    /// Every entry as shown: the built-in ones, then in the order of creation.
    pub fn list(&self) -> Vec<BootEntryView> {
        self.inner
            .cached(|c| c.values().map(|r| self.inner.view(r)).collect())
    }

    /// An entry as shown.
    pub fn view(&self, record: &BootEntryRecord) -> BootEntryView {
        self.inner.view(record)
    }

    /// Makes an entry.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what breaks a rule, [`Error::Conflict`] for a taken name.
    pub(crate) async fn create(
        &self,
        by: &By,
        params: CreateBootEntryParams,
    ) -> Result<BootEntryView> {
        let record = BootEntryRecord {
            id: BootEntryId(Uuid::now_v7()),
            name: params.name,
            kind: params.kind,
            kernel: params.kernel,
            initrds: params.initrds,
            command_line: params.command_line,
            attach_disk: params.attach_disk,
            script: params.script,
            created_at: now(),
            revision: 1,
        };
        rules::entry(&record)?;
        let (inner, by) = (self.inner.clone(), by.clone());
        let write = self.inner.store.write(move |tx| {
            name_free(tx, &record)?;
            inner.save(tx, &record)?;
            let change = act("boot_entry.create", &record).facts(None, Some(facts(&record)));
            inner.audit.record(tx, &by, change)?;
            Ok::<_, Error>(record)
        });
        Ok(self.inner.view(&write.await?))
    }

    /// Changes what `params` names.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::PreconditionFailed`], [`Error::Invalid`]; [`Error::Conflict`] for
    /// a built-in one, a taken name, or a new name while a setting has the old one.
    pub(crate) async fn update(
        &self,
        by: &By,
        id: BootEntryId,
        if_match: Option<u64>,
        params: UpdateBootEntryParams,
    ) -> Result<BootEntryView> {
        let (inner, by) = (self.inner.clone(), by.clone());
        let write = self.inner.store.write(move |tx| {
            let old = require_own(tx, id, if_match)?;
            let mut record = changed(old.clone(), params);
            if record != old {
                rules::entry(&record)?;
                if record.name != old.name {
                    name_free(tx, &record)?;
                    inner.not_set(&old)?;
                }
                record.revision += 1;
                inner.save(tx, &record)?;
                let change = act("boot_entry.update", &record)
                    .facts(Some(facts(&old)), Some(facts(&record)));
                inner.audit.record(tx, &by, change)?;
            }
            Ok::<_, Error>(record)
        });
        Ok(self.inner.view(&write.await?))
    }

    /// Removes an entry.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::PreconditionFailed`]; [`Error::Conflict`] for a built-in one, and
    /// while a computer, a group or the setting for all names it.
    pub(crate) async fn remove(
        &self,
        by: &By,
        id: BootEntryId,
        if_match: Option<u64>,
    ) -> Result<()> {
        let (inner, by) = (self.inner.clone(), by.clone());
        let write = self.inner.store.write(move |tx| {
            let record = require_own(tx, id, if_match)?;
            require_unused(tx, &record)?;
            inner.not_set(&record)?;
            tx.remove::<BootEntryRecord>(&id);
            let registry = inner.clone();
            tx.on_commit(move || {
                let cache = registry.cache.write();
                cache.unwrap_or_else(PoisonError::into_inner).remove(&id);
                registry.events.publish(Event::BootEntryRemoved { id });
            });
            let change = act("boot_entry.remove", &record).facts(Some(facts(&record)), None);
            inner.audit.record(tx, &by, change)
        });
        write.await
    }
}

impl Inner {
    fn cached<T>(&self, read: impl FnOnce(&BTreeMap<BootEntryId, Arc<BootEntryRecord>>) -> T) -> T {
        read(&self.cache.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Stores a record; memory and page follow once it is durable.
    fn save(self: &Arc<Self>, tx: &mut Tx<'_>, record: &BootEntryRecord) -> Result<()> {
        tx.put(record)?;
        let (inner, record) = (self.clone(), record.clone());
        tx.on_commit(move || {
            let entry = inner.view(&record);
            let cache = inner.cache.write();
            cache
                .unwrap_or_else(PoisonError::into_inner)
                .insert(record.id, Arc::new(record));
            inner.events.publish(Event::BootEntryChanged { entry });
        });
        Ok(())
    }

    fn view(&self, r: &BootEntryRecord) -> BootEntryView {
        let missing = self.missing.read().unwrap_or_else(PoisonError::into_inner);
        BootEntryView {
            id: r.id,
            name: r.name.clone(),
            kind: r.kind,
            built_in: matches!(r.kind, EntryKind::Image | EntryKind::Local),
            kernel: r.kernel.clone(),
            initrds: r.initrds.clone(),
            missing: missing.get(&r.id).cloned().unwrap_or_default(),
            command_line: r.command_line.clone(),
            attach_disk: r.attach_disk,
            script: r.script.clone(),
            created_at: r.created_at,
            revision: r.revision,
        }
    }

    /// The setting names an entry by its name.
    fn not_set(&self, record: &BootEntryRecord) -> Result<()> {
        let set = |name: &str| name.eq_ignore_ascii_case(&record.name);
        if !self.settings.with(|v| set(&v.boot_entry)) {
            return Ok(());
        }
        Err(Error::conflict(
            Area::BootEntry,
            format!(
                "{:?} is what all computers boot by the setting clients.boot_entry",
                record.name
            ),
            "Change the setting first.",
        ))
    }
}

fn changed(mut record: BootEntryRecord, params: UpdateBootEntryParams) -> BootEntryRecord {
    record.name = params.name.unwrap_or(record.name);
    record.kernel = params.kernel.unwrap_or(record.kernel);
    record.initrds = params.initrds.unwrap_or(record.initrds);
    record.command_line = params.command_line.unwrap_or(record.command_line);
    record.attach_disk = params.attach_disk.unwrap_or(record.attach_disk);
    record.script = params.script.unwrap_or(record.script);
    record
}

/// One that is not built in, at the revision that the caller read.
fn require_own(tx: &Tx<'_>, id: BootEntryId, if_match: Option<u64>) -> Result<BootEntryRecord> {
    if let Some(entry) = built_in().into_iter().find(|e| e.id == id) {
        return Err(Error::conflict(
            Area::BootEntry,
            format!("{:?} is built in and always there", entry.name),
            "Make an entry of your own instead.",
        ));
    }
    let record: BootEntryRecord = tx
        .get(&id)?
        .ok_or_else(|| Error::not_found(Area::BootEntry, id))?;
    if if_match.is_some_and(|r| r != record.revision) {
        return Err(Error::PreconditionFailed {
            area: Area::BootEntry,
            current: record.revision,
        });
    }
    Ok(record)
}

fn name_free(tx: &Tx<'_>, record: &BootEntryRecord) -> Result<()> {
    let kept: Vec<BootEntryRecord> = tx.list_readable(None)?;
    let all = built_in().into_iter().chain(kept);
    let taken =
        |r: &BootEntryRecord| r.id != record.id && r.name.eq_ignore_ascii_case(&record.name);
    match all.into_iter().find(taken) {
        None => Ok(()),
        Some(other) => Err(Error::conflict(
            Area::BootEntry,
            format!("there is a boot entry {:?} already", other.name),
            "Choose another name.",
        )),
    }
}

fn require_unused(tx: &Tx<'_>, record: &BootEntryRecord) -> Result<()> {
    let id = Some(record.id);
    let clients: Vec<ClientRecord> = tx.list()?;
    let groups: Vec<GroupRecord> = tx.list()?;
    let client = clients
        .iter()
        .find(|c| c.boot_entry_id == id || c.one_shot_id == id);
    let group = groups.iter().find(|g| g.boot_entry_id == id);
    let user = match (client, group) {
        (Some(client), _) => format!("the computer {:?}", client.name),
        (None, Some(group)) => format!("the group {:?}", group.name),
        (None, None) => return Ok(()),
    };
    Err(Error::conflict(
        Area::BootEntry,
        format!("{:?} is the boot entry of {user}", record.name),
        "Give it another boot entry first.",
    ))
}

fn act(action: &'static str, record: &BootEntryRecord) -> Change {
    Change::act(action, "boot_entry", record.id, &record.name)
}

/// What the audit log says of an entry. Scripts and command lines may carry a password: not those,
/// only that they changed.
fn facts(r: &BootEntryRecord) -> serde_json::Value {
    serde_json::json!({
        "name": r.name, "kind": r.kind, "kernel": r.kernel, "initrds": r.initrds,
        "attach_disk": r.attach_disk, "command_line": sum(&r.command_line), "script": sum(&r.script),
    })
}

/// Tells two texts apart without telling them.
fn sum(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| {
        format!(
            "{} bytes, CRC-32C {:08x}",
            text.len(),
            crc32c::crc32c(text.as_bytes())
        )
    })
}
