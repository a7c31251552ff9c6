//! The disks that computers start from: made ready for each boot, offered, and gone with their client.

use super::identity;
use crate::{
    Area, By, Clients, Error, Images, Result, StorageBackend,
    blocking::blocking,
    export::{Export, Exports},
    secrets::Secret,
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use store::ClientRecord;
use tokio::sync::OwnedMutexGuard;
use types::{ClientId, ClientState, DiskId};

/// Held while the disks of a client are made ready.
type Turns = Mutex<HashMap<ClientId, Arc<tokio::sync::Mutex<()>>>>;

/// Every client's disks. Cheap to clone.
#[derive(Clone)]
pub(super) struct Disks {
    pub(super) clients: Clients,
    pub(super) images: Images,
    pub(super) storage: Arc<dyn StorageBackend>,
    pub(super) exports: Exports,
    turns: Arc<Turns>,
}

impl Disks {
    pub fn new(
        (clients, images): (Clients, Images),
        storage: Arc<dyn StorageBackend>,
        exports: Exports,
    ) -> Disks {
        Disks {
            clients,
            images,
            storage,
            exports,
            turns: Arc::default(),
        }
    }

    /// Makes the disks of a client ready for a boot that begins now, and offers them. None when no image
    /// is chosen.
    ///
    /// # Errors
    /// When an image or overlay can't be had, or something still writes to one.
    pub async fn prepare(&self, client: &Arc<ClientRecord>) -> Result<Option<Export>> {
        // Firmware asks twice when an answer is slow: the second one waits for the first, and is
        // forgotten when its connection goes meanwhile.
        /// A copy of its changes may take minutes.
        const PATIENCE: Duration = Duration::from_secs(10);
        let turn = tokio::time::timeout(PATIENCE, self.turn(client.id)).await;
        let turn = turn.map_err(|_| Error::Unavailable {
            area: Area::Disk,
            message: "its disk is being worked on".into(),
            hint: "It is tried again by itself; a job may be making a version of it.".into(),
        })?;
        let client = self.clients.get(client.id).unwrap_or(client.clone());
        if client.image_id.is_none() {
            return Ok(None);
        }
        let secret = self.clients.disk_secret_or_new(&client).await?;
        let disks = self.clone();
        let prepared = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            disks.make_ready(&client, secret)
        });
        let broke = |e| Error::Internal(format!("preparing a disk broke off: {e}"));
        prepared.await.map_err(broke)?.map(Some)
    }

    /// Alone with the disk of a client, until it is dropped.
    pub(super) async fn turn(&self, client: ClientId) -> OwnedMutexGuard<()> {
        turn_in(&self.turns, client).lock_owned().await
    }

    /// The same for who does not wait.
    ///
    /// # Errors
    /// [`Error::Conflict`] while a boot makes it ready or a version is made of it.
    pub(super) fn turn_now(&self, client: &ClientRecord) -> Result<OwnedMutexGuard<()>> {
        let turn = turn_in(&self.turns, client.id);
        turn.try_lock_owned().map_err(|_| {
            Error::conflict(
                Area::Client,
                format!("the disk of {:?} is being worked on", client.name),
                "Wait until the job is over, or its boot has begun.",
            )
        })
    }

    /// On a thread that may wait: for a session that ends, for the disks and for the database.
    fn make_ready(&self, client: &ClientRecord, secret: Secret) -> Result<Export> {
        /// A session that was cut off finishes its last request within this, or is a dead machine's.
        const DRAIN: Duration = Duration::from_secs(5);
        let target = identity::target(client.id);
        // The machine starts anew: whatever ran on it does not any more.
        self.exports.close_sessions(&target);
        let drained = self.exports.drained(&target, DRAIN);
        let stays = |disk| self.keeps(client, disk) || self.images.is_changed_on(client, disk);
        if !drained && client.next_disks().any(stays) {
            // What is still on its way would be written over what the new boot writes.
            return Err(Error::Unavailable {
                area: Area::Disk,
                message: "an older session is still writing to this disk".into(),
                hint: "It is tried again by itself.".into(),
            });
        }
        for disk in client.next_disks() {
            self.put_on_version(client, disk)?;
        }
        for disk in client.disks_let_go() {
            self.storage.remove_overlay(disk)?;
        }
        let export = self.open(&self.clients.give_disks(client)?, secret)?;
        self.exports.publish(export.clone());
        match self.clients.get(client.id) {
            // Removed meanwhile: nothing would ever take disk and export away.
            None => {
                self.exports.withdraw(&target);
                for disk in client.next_disks() {
                    self.storage.remove_overlay(disk)?;
                }
                Err(Error::not_found(Area::Client, client.id))
            }
            Some(now) if now.state == ClientState::Retired => {
                self.exports.withdraw(&target);
                Err(Error::conflict(
                    Area::Client,
                    format!("{} was retired meanwhile", now.name),
                    "Adopt it, and start it again.",
                ))
            }
            Some(_) => Ok(export),
        }
    }

    /// The disks that the last boot of a client was given, as they are offered. A data disk that can't be opened is
    /// left out: what runs there does not lose the others.
    ///
    /// # Errors
    /// [`Error::NotFound`] when it has no disk to start from; when that can't be opened.
    pub(super) fn open(&self, client: &ClientRecord, secret: Secret) -> Result<Export> {
        client.disks().for_each(|disk| _ = self.limit(client, disk));
        let device = self.storage.open_overlay(client.id.into())?;
        let mut data = Vec::new();
        for (lun, image) in (1..).zip(client.given_disks.iter().copied()) {
            match self.storage.open_overlay(DiskId::data(client.id, image)) {
                Ok(device) => data.push(identity::data_disk(client.id, (lun, image), device)),
                Err(Error::NotFound { .. }) => {} // removed by hand since
                Err(error) => {
                    tracing::error!(client = %client.name, lun, %error, "a data disk can't be offered")
                }
            }
        }
        Ok(identity::export(client, secret, device, data))
    }

    /// After a restart of the server, guests look for the disks that they run from.
    pub fn offer_existing(&self) {
        for view in self.clients.list() {
            // Also without an image by now: what runs goes on until it is started anew.
            let client = self.clients.get(view.id);
            let Some(client) = client.filter(|c| c.state != ClientState::Retired) else {
                continue;
            };
            match self.offer(&client) {
                Ok(()) | Err(Error::NotFound { .. }) => {} // it never booted
                Err(error) => {
                    tracing::error!(client = %client.name, %error, "its disk is offered after its next boot only")
                }
            }
        }
    }

    /// What a stop in the middle of a removal left behind. Not removed here: after the return of an
    /// older database, the same disks are somebody's.
    pub fn tell_of_left(&self) -> Result<()> {
        for disk in self.storage.overlays()? {
            if self.is_orphan(disk) {
                tracing::warn!(
                    "the disk overlays/{disk}.* belongs to no computer; remove its files by hand when nobody misses it"
                );
            }
        }
        Ok(())
    }

    /// Whether no computer has this disk, or had it at its last boot.
    pub(super) fn is_orphan(&self, disk: DiskId) -> bool {
        let client = self.clients.get(disk.client);
        !client.is_some_and(|client| client.disks().any(|its| its == disk))
    }

    /// A client that is removed takes its disks along; one that is retired keeps it, and can't use it
    /// once it has let go of it: the disk of a running computer is not pulled.
    pub fn go_with_their_clients(&self) {
        let offered = self.exports.clone();
        self.clients
            .on_retired(move |client| _ = offered.withdraw_idle(&identity::target(client.id)));
        // Not the whole of us: the clients would hold themselves.
        let (exports, storage) = (self.exports.clone(), self.storage.clone());
        let (images, turns) = (self.images.clone(), self.turns.clone());
        let runtime = tokio::runtime::Handle::current();
        self.clients.on_removed(move |client| {
            let mut waiting = turns.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.remove(&client.id);
            drop(waiting);
            exports.withdraw(&identity::target(client.id));
            let (storage, id, name) = (storage.clone(), client.id, client.name.clone());
            let images = images.clone();
            // Not here: this is the database's thread, and the files may be huge.
            runtime.spawn(async move {
                let removed = blocking(move || remove_all(storage.as_ref(), id, |_| true)).await;
                if let Err(error) = removed {
                    tracing::error!(client = %name, %error, "its overlays could not be removed");
                }
                if let Err(error) = images.forget_snapshots(&By::system("clients"), id).await {
                    tracing::error!(client = %name, %error, "the snapshots of its disk could not be removed; do it by hand");
                }
            });
        });
    }

    /// A data disk that is taken from a computer goes with what was written there: at once when the computer is
    /// off, else at its next boot.
    pub fn go_with_their_lists(&self) {
        let (exports, storage, turns) = (
            self.exports.clone(),
            self.storage.clone(),
            self.turns.clone(),
        );
        let runtime = tokio::runtime::Handle::current();
        self.clients.on_let_go(move |client| {
            let client = client.clone();
            let turn = turn_in(&turns, client.id);
            // Before a boot that comes right after, if it can be.
            let now = turn.clone().try_lock_owned();
            let (exports, storage) = (exports.clone(), storage.clone());
            runtime.spawn(async move {
                let _turn = match now {
                    Ok(turn) => turn,
                    Err(_) => turn.lock_owned().await,
                };
                if super::superclient::require_off(&exports, &client).is_err() {
                    return;
                }
                // What is left of it is offered again at once, when it holds anything.
                exports.withdraw_idle(&identity::target(client.id));
                let (id, name) = (client.id, client.name.clone());
                let is_gone = move |disk| !client.next_disks().any(|its| its == disk);
                let removed = move || remove_all(storage.as_ref(), id, is_gone);
                if let Err(error) = blocking(removed).await {
                    tracing::error!(client = %name, %error, "what a data disk held could not be removed");
                }
            });
        });
    }
}

/// Removes the overlays of a client that `gone` says.
fn remove_all(
    storage: &dyn StorageBackend,
    client: ClientId,
    gone: impl Fn(DiskId) -> bool,
) -> Result<()> {
    let all = storage.overlays()?.into_iter();
    all.filter(|disk| disk.client == client && gone(*disk))
        .try_for_each(|disk| storage.remove_overlay(disk))
}

fn turn_in(turns: &Turns, client: ClientId) -> Arc<tokio::sync::Mutex<()>> {
    let mut turns = turns.lock().unwrap_or_else(PoisonError::into_inner);
    turns.entry(client).or_default().clone()
}

#[cfg(test)]
mod tests {
    use crate::{Engine, EngineConfig, boot::identity};
    use types::{CreateClientParams, MacAddr, OverlayMode, UpdateClientParams, VersionId};
    use uuid::Uuid;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_retired_computers_disk_is_not_offered() {
        let dir = tempfile::tempdir().unwrap();
        let engine = Engine::open(EngineConfig {
            data_dir: dir.path().into(),
            ..EngineConfig::default()
        })
        .unwrap();
        let itself = engine.as_itself("test");
        let new = CreateClientParams {
            mode: OverlayMode::Keep,
            ..CreateClientParams::new("pc-1", MacAddr([2, 0, 0, 0, 0, 1]))
        };
        let id = itself.create_client(new).await.unwrap().id;
        let disks = engine.boots().inner.disks.clone();
        let version = VersionId(Uuid::now_v7());
        let mut sink = disks.storage.begin_import(version).unwrap();
        sink.write(&[7; 512]).unwrap();
        sink.finish().unwrap();
        disks.storage.ensure_overlay(id.into(), version).unwrap();
        let is_offered = || {
            let (target, initiator) = (identity::target(id), identity::initiator(id));
            engine.exports().lookup(&target, &initiator).is_ok()
        };
        disks.offer_existing();
        assert!(is_offered());
        let set = |adopt, retire| UpdateClientParams {
            adopt,
            retire,
            ..UpdateClientParams::default()
        };
        let retire = itself.update_client("pc-1", None, set(None, Some(true)));
        retire.await.unwrap();
        assert!(!is_offered(), "at once");
        disks.offer_existing();
        assert!(!is_offered(), "after a restart");
        let adopt = itself.update_client("pc-1", None, set(Some(true), None));
        adopt.await.unwrap();
        disks.offer_existing();
        assert!(is_offered(), "it kept its disk");
    }
}
