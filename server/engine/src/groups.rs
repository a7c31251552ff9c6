//! Groups: clients that share settings.

use crate::{
    Area, Audit, By, Error, EventBus, Result,
    audit::Change,
    entries::{self, BootEntries},
    leases::{
        options::{Layer, OptionBytes},
        plan, stored_options,
    },
    now,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};
use store::{BootEntryRecord, ClientRecord, GroupRecord, Read, Store, Tx};
use types::{
    BootEntryId, CreateGroupParams, DhcpOption, Event, GroupId, GroupView, LoaderKind,
    UpdateGroupParams,
};
use uuid::Uuid;

/// The registry of groups. Looking one up never touches the disk. Cheap to clone.
#[derive(Clone)]
pub struct Groups {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<Store>,
    events: EventBus,
    audit: Audit,
    entries: BootEntries,
    cache: RwLock<BTreeMap<GroupId, Arc<GroupRecord>>>,
}

impl Groups {
    pub(crate) fn open(
        store: Arc<Store>,
        events: EventBus,
        audit: Audit,
        entries: BootEntries,
    ) -> Result<Self> {
        let all: Vec<GroupRecord> = store.read(|tx| tx.list_readable(None))?;
        Ok(Groups {
            inner: Arc::new(Inner {
                store,
                events,
                audit,
                entries,
                cache: RwLock::new(all.into_iter().map(|r| (r.id, Arc::new(r))).collect()),
            }),
        })
    }

    /// A group by id.
    pub fn get(&self, id: GroupId) -> Option<Arc<GroupRecord>> {
        self.inner.cached(|c| c.get(&id).cloned())
    }

    /// A group by name (case does not matter) or id.
    pub fn find(&self, text: &str) -> Option<Arc<GroupRecord>> {
        let by_name = self.inner.cached(|c| {
            let same = |r: &&Arc<GroupRecord>| r.name.eq_ignore_ascii_case(text);
            c.values().find(same).cloned()
        });
        by_name.or_else(|| text.parse().ok().and_then(|id| self.get(id)))
    }

    /// The DHCP options of the clients of a group; none without such a group.
    pub(crate) fn options_of(&self, id: GroupId) -> Vec<OptionBytes> {
        let group = self.get(id).filter(|g| !g.options.is_empty());
        group.map_or_else(Vec::new, |g| plan::encoded(&g.options, Layer::Computer))
    }

    /// As [`Groups::find`].
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn require(&self, text: &str) -> Result<Arc<GroupRecord>> {
        self.find(text)
            .ok_or_else(|| Error::not_found(Area::Group, text))
    }

    /// None for an empty text; otherwise the id of the group by name or id.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub(crate) fn resolve(&self, text: &str) -> Result<Option<GroupId>> {
        match text {
            "" => Ok(None),
            text => Ok(Some(self.require(text)?.id)),
        }
    }

    /// Every group as shown, in the order of creation.
    pub fn list(&self) -> Vec<GroupView> {
        let all: Vec<_> = self.inner.cached(|c| c.values().cloned().collect());
        let clients = self.inner.clients();
        all.iter().map(|r| self.inner.view(r, &clients)).collect()
    }

    /// A group as shown.
    pub fn view(&self, record: &GroupRecord) -> GroupView {
        self.inner.view(record, &self.inner.clients())
    }

    /// Makes a group.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what breaks a rule, [`Error::Conflict`] for a taken name,
    /// [`Error::NotFound`] for an unknown boot entry.
    pub(crate) async fn create(&self, by: &By, params: CreateGroupParams) -> Result<GroupView> {
        let entry = params.boot_entry.as_deref().unwrap_or_default();
        let record = GroupRecord {
            id: GroupId(Uuid::now_v7()),
            name: params.name,
            boot_entry_id: self.inner.entries.resolve(entry)?,
            loader_set: loader_set(
                Area::Group,
                params.loader_set.as_deref().unwrap_or_default(),
            )?,
            loader: loader(Area::Group, params.loader.as_deref().unwrap_or_default())?,
            created_at: now(),
            revision: 1,
            options: stored_options(Area::Group, params.options, Layer::Computer)?,
            channel: params.channel,
        };
        entries::check_name(Area::Group, &record.name)?;
        let (inner, by) = (self.inner.clone(), by.clone());
        let write = self.inner.store.write(move |tx| {
            name_free(tx, &record)?;
            require_entry(tx, record.boot_entry_id)?;
            inner.save(tx, &record)?;
            let facts = Some(inner.facts(&record));
            let change = act("group.create", &record).facts(None, facts);
            inner.audit.record(tx, &by, change)?;
            Ok::<_, Error>(record)
        });
        Ok(self.view(&write.await?))
    }

    /// Changes what `params` names.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::PreconditionFailed`]; else as [`Groups::create`].
    pub(crate) async fn update(
        &self,
        by: &By,
        id: GroupId,
        if_match: Option<u64>,
        params: UpdateGroupParams,
    ) -> Result<GroupView> {
        let entry = params.boot_entry.as_deref();
        let entry = entry.map(|t| self.inner.entries.resolve(t)).transpose()?;
        let set = params.loader_set.as_deref();
        let set = set.map(|t| loader_set(Area::Group, t)).transpose()?;
        let kind = params.loader.as_deref();
        let kind = kind.map(|t| loader(Area::Group, t)).transpose()?;
        let options = params.options;
        let options = options.map(|o| stored_options(Area::Group, o, Layer::Computer));
        let options = options.transpose()?;
        let (inner, by) = (self.inner.clone(), by.clone());
        let write = self.inner.store.write(move |tx| {
            let old = require_revision(tx, id, if_match)?;
            let mut record = GroupRecord {
                name: params.name.unwrap_or_else(|| old.name.clone()),
                boot_entry_id: entry.unwrap_or(old.boot_entry_id),
                loader_set: set.unwrap_or_else(|| old.loader_set.clone()),
                loader: kind.unwrap_or(old.loader),
                options: options.unwrap_or_else(|| old.options.clone()),
                channel: params.channel.unwrap_or(old.channel),
                ..old.clone()
            };
            if record != old {
                entries::check_name(Area::Group, &record.name)?;
                name_free(tx, &record)?;
                require_entry(tx, record.boot_entry_id)?;
                record.revision += 1;
                inner.save(tx, &record)?;
                let (before, after) = (inner.facts(&old), inner.facts(&record));
                let change = act("group.update", &record).facts(Some(before), Some(after));
                inner.audit.record(tx, &by, change)?;
            }
            Ok::<_, Error>(record)
        });
        Ok(self.view(&write.await?))
    }

    /// Removes a group.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::PreconditionFailed`], [`Error::Conflict`] while computers are in it.
    pub(crate) async fn remove(&self, by: &By, id: GroupId, if_match: Option<u64>) -> Result<()> {
        let (inner, by) = (self.inner.clone(), by.clone());
        let write = self.inner.store.write(move |tx| {
            let record = require_revision(tx, id, if_match)?;
            require_empty(tx, &record)?;
            tx.remove::<GroupRecord>(&id);
            let registry = inner.clone();
            tx.on_commit(move || {
                let cache = registry.cache.write();
                cache.unwrap_or_else(PoisonError::into_inner).remove(&id);
                registry.events.publish(Event::GroupRemoved { id });
            });
            let facts = Some(inner.facts(&record));
            let change = act("group.remove", &record).facts(facts, None);
            inner.audit.record(tx, &by, change)
        });
        write.await
    }
}

impl Inner {
    fn cached<T>(&self, read: impl FnOnce(&BTreeMap<GroupId, Arc<GroupRecord>>) -> T) -> T {
        read(&self.cache.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Stores a record; memory and page follow once it is durable.
    fn save(self: &Arc<Self>, tx: &mut Tx<'_>, record: &GroupRecord) -> Result<()> {
        tx.put(record)?;
        let (inner, record) = (self.clone(), record.clone());
        tx.on_commit(move || {
            let group = inner.view(&record, &inner.clients());
            let cache = inner.cache.write();
            cache
                .unwrap_or_else(PoisonError::into_inner)
                .insert(record.id, Arc::new(record));
            inner.events.publish(Event::GroupChanged { group });
        });
        Ok(())
    }

    /// For counting; groups are few, and looked at seldom.
    fn clients(&self) -> Vec<ClientRecord> {
        let all = self.store.read(|tx| tx.list_readable(None));
        all.unwrap_or_else(|error: store::Error| {
            tracing::error!(%error, "the clients of groups can't be counted");
            Vec::new()
        })
    }

    fn entry_name(&self, id: Option<BootEntryId>) -> Option<String> {
        Some(self.entries.get(id?)?.name.clone())
    }

    /// What the audit log says of a group.
    fn facts(&self, r: &GroupRecord) -> serde_json::Value {
        serde_json::json!({
            "name": r.name, "boot_entry": self.entry_name(r.boot_entry_id),
            "loader_set": r.loader_set, "loader": r.loader, "channel": r.channel,
            "options": written(r).iter().map(ToString::to_string).collect::<Vec<_>>(),
        })
    }

    fn view(&self, r: &GroupRecord, clients: &[ClientRecord]) -> GroupView {
        let members = clients.iter().filter(|c| c.group_id == Some(r.id)).count();
        GroupView {
            id: r.id,
            name: r.name.clone(),
            boot_entry_id: r.boot_entry_id,
            boot_entry_name: self.entry_name(r.boot_entry_id),
            loader_set: r.loader_set.clone(),
            loader: r.loader,
            channel: r.channel,
            options: written(r),
            client_count: u32::try_from(members).unwrap_or(u32::MAX),
            created_at: r.created_at,
            revision: r.revision,
        }
    }
}

/// Its options as they were written.
fn written(record: &GroupRecord) -> Vec<DhcpOption> {
    record.options.iter().map(plan::option).collect()
}

/// The name of a loader set; None for an empty one. That there is such a set, the caller has seen to: what was
/// chosen may go later all the same, and then the next choice holds.
///
/// # Errors
/// [`Error::Invalid`] for what can't be one.
pub(crate) fn loader_set(area: Area, text: &str) -> Result<Option<String>> {
    if text.is_empty() {
        return Ok(None);
    }
    match entries::check_name(area, text) {
        Ok(()) => Ok(Some(text.into())),
        Err(_) => Err(Error::invalid(
            area,
            "loader_set",
            "a loader set's name has 1 to 64 letters a-z, digits, dots, hyphens and underscores",
        )),
    }
}

/// A loader; None for an empty text.
///
/// # Errors
/// [`Error::Invalid`] for another word.
pub(crate) fn loader(area: Area, text: &str) -> Result<Option<LoaderKind>> {
    match text {
        "" => Ok(None),
        text => text
            .parse()
            .map(Some)
            .map_err(|e: types::UnknownLoader| Error::invalid(area, "loader", e.to_string())),
    }
}

/// The group must be there in the same commit that puts a client into it.
pub(crate) fn require_group(tx: &Tx<'_>, id: Option<GroupId>) -> Result<()> {
    match id {
        Some(id) => require_revision(tx, id, None).map(drop),
        None => Ok(()),
    }
}

/// The boot entry must be there in the same commit that names it.
pub(crate) fn require_entry(tx: &Tx<'_>, id: Option<BootEntryId>) -> Result<()> {
    match id {
        None | Some(BootEntryId::IMAGE | BootEntryId::LOCAL) => Ok(()),
        Some(id) => match tx.get::<BootEntryRecord>(&id)? {
            Some(_) => Ok(()),
            None => Err(Error::not_found(Area::BootEntry, id)),
        },
    }
}

fn require_revision(tx: &Tx<'_>, id: GroupId, if_match: Option<u64>) -> Result<GroupRecord> {
    let record: GroupRecord = tx
        .get(&id)?
        .ok_or_else(|| Error::not_found(Area::Group, id))?;
    if if_match.is_some_and(|r| r != record.revision) {
        return Err(Error::PreconditionFailed {
            area: Area::Group,
            current: record.revision,
        });
    }
    Ok(record)
}

fn name_free(tx: &Tx<'_>, record: &GroupRecord) -> Result<()> {
    let all: Vec<GroupRecord> = tx.list_readable(None)?;
    let taken = |r: &&GroupRecord| r.id != record.id && r.name.eq_ignore_ascii_case(&record.name);
    match all.iter().find(taken) {
        None => Ok(()),
        Some(other) => Err(Error::conflict(
            Area::Group,
            format!("there is a group {:?} already", other.name),
            "Choose another name.",
        )),
    }
}

fn require_empty(tx: &Tx<'_>, record: &GroupRecord) -> Result<()> {
    let clients: Vec<ClientRecord> = tx.list()?;
    let members = clients.iter().filter(|c| c.group_id == Some(record.id));
    match members.clone().next() {
        None => Ok(()),
        Some(first) => {
            let (name, group) = (&first.name, &record.name);
            let who = match members.count() {
                1 => format!("the computer {name:?} is in {group:?}"),
                n => format!("{n} computers are in {group:?}, {name:?} among them"),
            };
            let hint = "Take what is in it out of it first.";
            Err(Error::conflict(Area::Group, who, hint))
        }
    }
}

fn act(action: &'static str, record: &GroupRecord) -> Change {
    Change::act(action, "group", record.id, &record.name)
}
