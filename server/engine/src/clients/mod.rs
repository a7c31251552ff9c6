//! Clients: the computers that boot from us, and those that were seen asking.

#[cfg(test)]
mod alone;
mod chap;
mod choices;
mod count;
mod disks;
mod rules;
#[cfg(test)]
mod tests;

pub(crate) use rules::name as check_name;

use crate::{
    Area, Audit, BootEntries, By, Error, EventBus, Groups, Result, Settings, audit::Change,
    images::Images, leases::options::OptionBytes, now, secrets::Secrets,
};
use std::{
    collections::{BTreeMap, HashMap},
    net::Ipv4Addr,
    sync::{Arc, OnceLock, PoisonError, RwLock},
};
use store::{ClientRecord, Read, Store, Tx};
use types::{
    BootView, Channel, ClientId, ClientState, ClientView, CreateClientParams, DiskId, Event,
    ImageId, MacAddr, NextSnapshotView, OverlayMode, UpdateClientParams,
};
use uuid::Uuid;

/// Computers that are kept as discovered. A flood of made-up addresses must not fill the disk.
pub const MAX_DISCOVERED: usize = 1000;

/// What becomes of a computer that we don't know.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum UnknownClients {
    /// It appears on the page and boots nothing until it is adopted.
    #[default]
    Discover,
    /// It is adopted at once, without an image.
    Adopt,
}

type Join<K, V> = OnceLock<Box<dyn Fn(K) -> V + Send + Sync>>;
type Watcher = Box<dyn Fn(&ClientRecord) + Send + Sync>;

/// The registry of clients. Reading never touches the disk. Cheap to clone.
#[derive(Clone)]
pub struct Clients {
    inner: Arc<Inner>,
}

/// What the engine gives to clients.
pub(crate) struct Needs {
    pub store: Arc<Store>,
    pub events: EventBus,
    pub audit: Audit,
    pub images: Images,
    pub entries: BootEntries,
    pub groups: Groups,
    pub settings: Settings,
    pub secrets: Secrets,
}

struct Inner {
    store: Arc<Store>,
    events: EventBus,
    audit: Audit,
    images: Images,
    entries: BootEntries,
    groups: Groups,
    settings: Settings,
    secrets: Secrets,
    cache: RwLock<Cache>,
    last_boot: Join<MacAddr, Option<BootView>>,
    address: Join<MacAddr, Option<Ipv4Addr>>,
    overlay_bytes: Join<DiskId, u64>,
    next_snapshot: Join<ClientId, Option<NextSnapshotView>>,
    disk_in_use: Join<ClientId, bool>,
    removed: RwLock<Vec<Watcher>>,
    retired: RwLock<Vec<Watcher>>,
    let_go: RwLock<Vec<Watcher>>,
}

/// What is committed, by the ways it is looked up. Ids are UUIDv7: their order is that of creation.
#[derive(Default)]
struct Cache {
    by_id: BTreeMap<ClientId, Arc<ClientRecord>>,
    by_mac: HashMap<MacAddr, ClientId>,
}

impl Cache {
    /// What was there before.
    fn put(&mut self, record: ClientRecord) -> Option<Arc<ClientRecord>> {
        self.by_mac.insert(record.mac, record.id);
        self.by_id.insert(record.id, Arc::new(record))
    }
}

impl Clients {
    pub(crate) fn open(needs: Needs) -> Result<Self> {
        let mut cache = Cache::default();
        let records: Vec<ClientRecord> = needs.store.read(|tx| tx.list_readable(None))?;
        records.into_iter().for_each(|r| _ = cache.put(r));
        Ok(Clients {
            inner: Arc::new(Inner {
                store: needs.store,
                events: needs.events,
                audit: needs.audit,
                images: needs.images,
                entries: needs.entries,
                groups: needs.groups,
                settings: needs.settings,
                secrets: needs.secrets,
                cache: RwLock::new(cache),
                last_boot: OnceLock::new(),
                address: OnceLock::new(),
                overlay_bytes: OnceLock::new(),
                disk_in_use: OnceLock::new(),
                next_snapshot: OnceLock::new(),
                removed: RwLock::default(),
                retired: RwLock::default(),
                let_go: RwLock::default(),
            }),
        })
    }

    /// Where views get the last boot from. Called on the database's thread, too: it must not wait
    /// for a change of the database, nor hold a lock while something else does. So for all of these.
    pub fn join_last_boot(&self, f: impl Fn(MacAddr) -> Option<BootView> + Send + Sync + 'static) {
        let _ = self.inner.last_boot.set(Box::new(f));
    }

    /// Where views get the leased address from.
    pub fn join_address(&self, f: impl Fn(MacAddr) -> Option<Ipv4Addr> + Send + Sync + 'static) {
        let _ = self.inner.address.set(Box::new(f));
    }

    /// Where views get the size of an overlay from.
    pub fn join_overlay_bytes(&self, f: impl Fn(DiskId) -> u64 + Send + Sync + 'static) {
        let _ = self.inner.overlay_bytes.set(Box::new(f));
    }

    /// Where views get from whether a session on the disk lives.
    pub fn join_disk_in_use(&self, f: impl Fn(ClientId) -> bool + Send + Sync + 'static) {
        let _ = self.inner.disk_in_use.set(Box::new(f));
    }

    /// Where views get from when the next snapshot is due by schedule.
    pub fn join_next_snapshot(
        &self,
        f: impl Fn(ClientId) -> Option<NextSnapshotView> + Send + Sync + 'static,
    ) {
        let _ = self.inner.next_snapshot.set(Box::new(f));
    }

    /// Runs `f` after a client was removed, e.g. to take its export and overlay away. On the
    /// database's thread: it must not wait for a change of the database.
    pub fn on_removed(&self, f: impl Fn(&ClientRecord) + Send + Sync + 'static) {
        self.inner
            .removed
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Box::new(f));
    }

    /// Runs `f` after a client was retired, or changed while it is; else as [`Clients::on_removed`].
    pub fn on_retired(&self, f: impl Fn(&ClientRecord) + Send + Sync + 'static) {
        let retired = self.inner.retired.write();
        let mut retired = retired.unwrap_or_else(PoisonError::into_inner);
        retired.push(Box::new(f));
    }

    /// A client by id.
    pub fn get(&self, id: ClientId) -> Option<Arc<ClientRecord>> {
        self.inner.cached(|c| c.by_id.get(&id).cloned())
    }

    /// A client by its Ethernet address: the look-up of the boot path.
    pub fn find_mac(&self, mac: MacAddr) -> Option<Arc<ClientRecord>> {
        self.inner
            .cached(|c| c.by_mac.get(&mac).and_then(|id| c.by_id.get(id)).cloned())
    }

    /// The DHCP options of the group of a computer.
    pub(crate) fn group_options(&self, mac: MacAddr) -> Vec<OptionBytes> {
        let group = self.find_mac(mac).and_then(|client| client.group_id);
        group.map_or_else(Vec::new, |id| self.inner.groups.options_of(id))
    }

    /// Which versions of its image a client boots: what its group says.
    pub(crate) fn channel_of(&self, client: &ClientRecord) -> Channel {
        let group = client.group_id.and_then(|id| self.inner.groups.get(id));
        group.map_or(Channel::Production, |group| group.channel)
    }

    /// Every client of ours.
    pub(crate) fn records(&self) -> Vec<Arc<ClientRecord>> {
        self.inner.cached(|c| c.by_id.values().cloned().collect())
    }

    /// A client by name (case does not matter), id or Ethernet address.
    pub fn find(&self, text: &str) -> Option<Arc<ClientRecord>> {
        let by_name = self.inner.cached(|c| {
            let same = |r: &&Arc<ClientRecord>| r.name.eq_ignore_ascii_case(text);
            c.by_id.values().find(same).cloned()
        });
        by_name
            .or_else(|| text.parse().ok().and_then(|id| self.get(id)))
            .or_else(|| text.parse().ok().and_then(|mac| self.find_mac(mac)))
    }

    /// As [`Clients::find`].
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn require(&self, text: &str) -> Result<Arc<ClientRecord>> {
        self.find(text)
            .ok_or_else(|| Error::not_found(Area::Client, text))
    }

    /// Every client as shown, in the order of creation.
    pub fn list(&self) -> Vec<ClientView> {
        let records: Vec<_> = self
            .inner
            .cached(|c| c.by_id.values().cloned().collect::<Vec<_>>());
        records.iter().map(|r| self.view(r)).collect()
    }

    /// A client as shown: with its image's name, its last boot, its address.
    pub fn view(&self, record: &ClientRecord) -> ClientView {
        self.inner.view(record)
    }

    /// Tells the page that what a view joins has changed (its last boot, its address).
    pub fn touch(&self, mac: MacAddr) {
        if let Some(record) = self.find_mac(mac) {
            let client = Box::new(self.view(&record));
            self.inner.events.publish(Event::ClientChanged { client });
        }
    }

    /// Makes a client. A discovered or retired computer with the same address is adopted.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a bad name or address, [`Error::Conflict`] for a taken one or an
    /// image that is not ready, [`Error::NotFound`] for an unknown image.
    pub(crate) async fn create(&self, by: &By, params: CreateClientParams) -> Result<ClientView> {
        self.add(by, params, false).await
    }

    /// Makes a virtual computer's client: for the lab.
    ///
    /// # Errors
    /// As [`Clients::create`].
    pub(crate) async fn create_virtual(
        &self,
        by: &By,
        params: CreateClientParams,
    ) -> Result<ClientView> {
        self.add(by, params, true).await
    }

    async fn add(
        &self,
        by: &By,
        params: CreateClientParams,
        is_virtual: bool,
    ) -> Result<ClientView> {
        rules::name(&params.name)?;
        rules::mac(params.mac)?;
        let image_id = self.resolve_image(params.image.as_deref())?;
        let choices = self.inner.choices(&UpdateClientParams {
            data_disks: Some(params.data_disks.clone()),
            group: params.group.clone(),
            boot_entry: params.boot_entry.clone(),
            loader_set: params.loader_set.clone(),
            loader: params.loader.clone(),
            ..UpdateClientParams::default()
        })?;
        let (inner, by) = (self.inner.clone(), by.clone());
        let write = self.inner.store.write(move |tx| {
            let all: Vec<ClientRecord> = tx.list_readable(None)?;
            let known = all.iter().find(|r| r.mac == params.mac);
            let (id, created_at, revision) = match known {
                // What was only seen so far keeps its id, so that its boots stay with it.
                Some(old) if old.state != ClientState::Adopted => {
                    (old.id, old.created_at, old.revision + 1)
                }
                Some(old) => return Err(rules::mac_taken(old)),
                None => (ClientId(Uuid::now_v7()), now(), 1),
            };
            rules::name_free(&all, &params.name, id)?;
            rules::require_ready(tx, id, image_id)?;
            let mut record = ClientRecord {
                id,
                name: params.name,
                mac: params.mac,
                state: ClientState::Adopted,
                image_id,
                mode: params.mode,
                is_virtual,
                chap_secret: inner.new_secret(tx, id)?,
                group_id: None,
                boot_entry_id: None,
                one_shot_id: None,
                loader_set: None,
                loader: None,
                quota_bytes: None,
                created_at,
                revision,
                data_disks: Vec::new(),
                // What was discovered or retired may still run from what it was given.
                given_disks: known.map_or_else(Vec::new, |old| old.given_disks.clone()),
            };
            choices.apply(tx, &mut record)?;
            inner.save(tx, &record)?;
            let before = known.map(|old| inner.facts(old));
            inner.record(tx, &by, "client.create", &record, before, true)?;
            Ok(record)
        });
        let record = write.await?;
        Ok(self.view(&record))
    }

    /// Changes what `params` names. `if_match` is the revision the caller read, when it has one.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::PreconditionFailed`] when the revision is not the newest,
    /// [`Error::Invalid`] and [`Error::Conflict`] as in [`Clients::create`].
    pub(crate) async fn update(
        &self,
        by: &By,
        id: ClientId,
        if_match: Option<u64>,
        params: UpdateClientParams,
    ) -> Result<ClientView> {
        if let Some(name) = &params.name {
            rules::name(name)?;
        }
        let image = match params.image.as_deref() {
            None => None,
            text => Some(self.resolve_image(text)?),
        };
        let choices = self.inner.choices(&params)?;
        let (inner, by) = (self.inner.clone(), by.clone());
        let write = self.inner.store.write(move |tx| {
            let old = require_revision(tx, id, if_match)?;
            let mut record = old.clone();
            if let Some(name) = params.name {
                rules::name_free(&tx.list_readable(None)?, &name, id)?;
                record.name = name;
            }
            if let Some(image_id) = image {
                rules::require_ready(tx, id, image_id)?;
                if image_id != old.image_id {
                    rules::require_no_superclient(tx, &old, old.image_id)?;
                }
                record.image_id = image_id;
            }
            record.mode = params.mode.unwrap_or(record.mode);
            record.state = rules::state(old.state, params.adopt, params.retire)?;
            if record.state == ClientState::Retired {
                rules::require_no_superclient(tx, &old, old.images())?;
            }
            choices.apply(tx, &mut record)?;
            if record != old {
                record.revision += 1;
                inner.save(tx, &record)?;
                let before = Some(inner.facts(&old));
                inner.record(tx, &by, "client.update", &record, before, true)?;
            }
            Ok::<_, Error>(record)
        });
        let record = write.await?;
        Ok(self.view(&record))
    }

    /// Removes a client. Its boots stay in the history; its overlay goes.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::PreconditionFailed`].
    pub(crate) async fn remove(&self, by: &By, id: ClientId, if_match: Option<u64>) -> Result<()> {
        let (inner, by) = (self.inner.clone(), by.clone());
        let write = self.inner.store.write(move |tx| {
            let record = require_revision(tx, id, if_match)?;
            rules::require_no_superclient(tx, &record, record.images())?;
            tx.remove::<ClientRecord>(&id);
            let (registry, gone) = (inner.clone(), record.clone());
            tx.on_commit(move || registry.gone(&gone));
            let before = Some(inner.facts(&record));
            inner.record(tx, &by, "client.remove", &record, before, false)
        });
        write.await
    }

    /// A computer that asked and that we don't know: kept as discovered, or adopted when the
    /// config says so. One that we know is given back as it is.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an address that can't be a computer's, [`Error::Unavailable`] when
    /// [`MAX_DISCOVERED`] wait already.
    pub async fn discovered(&self, mac: MacAddr) -> Result<Arc<ClientRecord>> {
        if let Some(known) = self.find_mac(mac) {
            return Ok(known);
        }
        rules::mac(mac)?;
        let state = match self.inner.settings.with(|v| v.unknown_clients) {
            UnknownClients::Discover => ClientState::Discovered,
            UnknownClients::Adopt => ClientState::Adopted,
        };
        let inner = self.inner.clone();
        let write = self.inner.store.write(move |tx| {
            let all: Vec<ClientRecord> = tx.list_readable(None)?;
            if let Some(known) = all.iter().find(|r| r.mac == mac) {
                return Ok(known.clone());
            }
            let id = ClientId(Uuid::now_v7());
            let fresh = ClientRecord {
                id,
                name: rules::name_of(mac),
                mac,
                state,
                image_id: None,
                mode: OverlayMode::default(),
                is_virtual: false,
                chap_secret: inner.new_secret(tx, id)?,
                group_id: None,
                boot_entry_id: None,
                one_shot_id: None,
                loader_set: None,
                loader: None,
                quota_bytes: None,
                created_at: now(),
                revision: 1,
                data_disks: Vec::new(),
                given_disks: Vec::new(),
            };
            rules::room_for_discovered(&all)?;
            rules::name_free(&all, &fresh.name, fresh.id)?;
            inner.save(tx, &fresh)?;
            Ok(fresh)
        });
        write.await.map(Arc::new)
    }

    /// None for no text or an empty one; otherwise the image by name or id.
    fn resolve_image(&self, text: Option<&str>) -> Result<Option<ImageId>> {
        match text {
            None | Some("") => Ok(None),
            Some(text) => Ok(Some(self.inner.images.require(text)?.id)),
        }
    }
}

impl Inner {
    fn cached<T>(&self, read: impl FnOnce(&Cache) -> T) -> T {
        read(&self.cache.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Stores a record; cache and page follow once it is durable.
    fn save(self: &Arc<Self>, tx: &mut Tx<'_>, record: &ClientRecord) -> Result<()> {
        tx.put(record)?;
        let (inner, record) = (self.clone(), record.clone());
        tx.on_commit(move || {
            let cache = inner.cache.write();
            let before = cache
                .unwrap_or_else(PoisonError::into_inner)
                .put(record.clone());
            if record.state == ClientState::Retired {
                let watchers = inner.retired.read().unwrap_or_else(PoisonError::into_inner);
                watchers.iter().for_each(|f| f(&record));
            }
            let is_gone = |image: &ImageId| !record.data_disks.contains(image);
            if before.is_some_and(|old| old.data_disks.iter().any(is_gone)) {
                let watchers = inner.let_go.read();
                let watchers = watchers.unwrap_or_else(PoisonError::into_inner);
                watchers.iter().for_each(|f| f(&record));
            }
            let client = Box::new(inner.view(&record));
            inner.events.publish(Event::ClientChanged { client });
        });
        Ok(())
    }

    /// What the audit log says of a client: what an admin chose, and no secret.
    fn facts(&self, r: &ClientRecord) -> serde_json::Value {
        let image = r.image_id.and_then(|id| self.image_name(id));
        let data = r.data_disks.iter().map(|id| self.image_name(*id));
        serde_json::json!({
            "name": r.name, "mac": r.mac, "state": r.state, "mode": r.mode,
            "image": image, "image_id": r.image_id, "data_disks": data.collect::<Vec<_>>(),
            "group": self.group_name(r), "boot_entry": self.entry_name(r.boot_entry_id),
            "one_shot": self.entry_name(r.one_shot_id), "loader_set": r.loader_set, "loader": r.loader,
            "quota_bytes": r.quota_bytes,
        })
    }

    fn record(
        &self,
        tx: &mut Tx<'_>,
        by: &By,
        action: &'static str,
        record: &ClientRecord,
        before: Option<serde_json::Value>,
        stays: bool,
    ) -> Result<()> {
        let after = stays.then(|| self.facts(record));
        let change = Change::act(action, "client", record.id, &record.name).facts(before, after);
        self.audit.record(tx, by, change)
    }

    fn gone(&self, record: &ClientRecord) {
        {
            let mut cache = self.cache.write().unwrap_or_else(PoisonError::into_inner);
            cache.by_id.remove(&record.id);
            cache.by_mac.remove(&record.mac);
        }
        self.events.publish(Event::ClientRemoved { id: record.id });
        let watchers = self.removed.read().unwrap_or_else(PoisonError::into_inner);
        watchers.iter().for_each(|f| f(record));
    }

    fn view(&self, r: &ClientRecord) -> ClientView {
        let last_boot = self.last_boot.get().and_then(|f| f(r.mac));
        // A computer that was removed and added again begins anew; what it did before is in the list of all boots.
        let last_boot = last_boot.filter(|boot| boot.is_of(r.id));
        let address = self.address.get().and_then(|f| f(r.mac));
        ClientView {
            id: r.id,
            name: r.name.clone(),
            mac: r.mac,
            state: r.state,
            image_id: r.image_id,
            image_name: r.image_id.and_then(|id| self.image_name(id)),
            mode: r.mode,
            group_id: r.group_id,
            group_name: self.group_name(r),
            boot_entry_id: r.boot_entry_id,
            boot_entry_name: self.entry_name(r.boot_entry_id),
            one_shot_id: r.one_shot_id,
            one_shot_name: self.entry_name(r.one_shot_id),
            loader_set: r.loader_set.clone(),
            loader: r.loader,
            is_virtual: r.is_virtual,
            address: address.or_else(|| last_boot.as_ref().and_then(|b| b.address)),
            overlay_bytes: self.overlay_bytes(r.id.into()),
            quota_bytes: r.quota_bytes,
            overlay_limit_bytes: self.overlay_limit(r, r.id.into()),
            data_disks: self.data_disks(r),
            disk_in_use: self.disk_in_use.get().is_some_and(|f| f(r.id)),
            next_snapshot: self.next_snapshot.get().and_then(|f| f(r.id)),
            created_at: r.created_at,
            revision: r.revision,
            last_boot,
        }
    }
}

fn require_revision(tx: &Tx<'_>, id: ClientId, if_match: Option<u64>) -> Result<ClientRecord> {
    let record: ClientRecord = tx
        .get(&id)?
        .ok_or_else(|| Error::not_found(Area::Client, id))?;
    if if_match.is_some_and(|r| r != record.revision) {
        return Err(Error::PreconditionFailed {
            area: Area::Client,
            current: record.revision,
        });
    }
    Ok(record)
}
