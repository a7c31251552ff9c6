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
use types::{ClientId, ClientState, ImageId, OverlayMode};

/// Held while the disk of a client is made ready.
type Turns = Mutex<HashMap<ClientId, Arc<tokio::sync::Mutex<()>>>>;

/// Every client's disk. Cheap to clone.
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

    /// Makes the disk of a client ready for a boot that begins now, and offers it. None when no image
    /// is chosen.
    ///
    /// # Errors
    /// When image or overlay can't be had, or something still writes to it.
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
        let Some(image) = client.image_id else {
            return Ok(None);
        };
        let secret = self.clients.disk_secret_or_new(&client).await?;
        let disks = self.clone();
        let prepared = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            disks.make_ready(&client, image, secret)
        });
        let broke = |e| Error::Internal(format!("preparing a disk broke off: {e}"));
        prepared.await.map_err(broke)?.map(Some)
    }

    /// Alone with the disk of a client, until it is dropped.
    pub(super) async fn turn(&self, client: ClientId) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            turns.entry(client).or_default().clone()
        };
        turn.lock_owned().await
    }

    /// The same for who does not wait.
    ///
    /// # Errors
    /// [`Error::Conflict`] while a boot makes it ready or a version is made of it.
    pub(super) fn turn_now(&self, client: &ClientRecord) -> Result<OwnedMutexGuard<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = turns.entry(client.id).or_default().clone();
        turn.try_lock_owned().map_err(|_| {
            Error::conflict(
                Area::Client,
                format!("the disk of {:?} is being worked on", client.name),
                "Wait until the job is over, or its boot has begun.",
            )
        })
    }

    /// Puts the disk of a client on the version that it is to start from. What is to be kept stays on the
    /// version that it was written on.
    fn put_on_version(&self, client: &ClientRecord, image: ImageId) -> Result<()> {
        let image = self.images.get(image);
        let image = image.ok_or_else(|| Error::not_found(Area::Image, client.name.clone()))?;
        let channel = self.clients.channel_of(client);
        let (version, is_superclient) = self.images.start_of(&image, client.id, channel);
        if !self.keeps(client) && !is_superclient {
            return self.storage.reset_overlay(client.id, version);
        }
        let on = self.storage.overlay_version(client.id)?;
        let on = on.and_then(|on| image.versions.iter().find(|v| v.id == on));
        // What holds nothing has nothing to keep, and goes along with the channel: unless it was put where it is.
        let stays = on.is_some_and(|on| on.snapshot_of == Some(client.id));
        match stays || on.is_some() && !self.storage.is_untouched(client.id)? {
            true => Ok(()),
            false => self.storage.ensure_overlay(client.id, version),
        }
    }

    /// Whether a client keeps what it writes: because that was said, or its image is its own.
    pub(super) fn keeps(&self, client: &ClientRecord) -> bool {
        let image = client.image_id.and_then(|id| self.images.get(id));
        client.mode == OverlayMode::Keep || image.is_some_and(|image| image.is_private)
    }

    /// What the next boot of a client finds on its disk; None when it has no image.
    pub fn in_words(&self, client: &ClientRecord) -> Option<String> {
        let image = self.images.get(client.image_id?)?;
        let channel = self.clients.channel_of(client);
        let (version, is_superclient) = self.images.start_of(&image, client.id, channel);
        let number = image.versions.iter().find(|v| v.id == version)?.number;
        let name = &image.name;
        Some(match (is_superclient, self.keeps(client)) {
            (true, _) => {
                format!("the image {name}, version {number} and what its superclient has changed")
            }
            (false, true) => {
                format!("the image {name} and what this computer has changed")
            }
            (false, false) => {
                format!("the image {name}, version {number} ({channel}), fresh at each boot")
            }
        })
    }

    /// On a thread that may wait: for a session that ends, and for the disk.
    fn make_ready(&self, client: &ClientRecord, image: ImageId, secret: Secret) -> Result<Export> {
        /// A session that was cut off finishes its last request within this, or is a dead machine's.
        const DRAIN: Duration = Duration::from_secs(5);
        let target = identity::target(client.id);
        // The machine starts anew: whatever ran on it does not any more.
        self.exports.close_sessions(&target);
        let drained = self.exports.drained(&target, DRAIN);
        let keeps = self.keeps(client) || self.images.changed_by(client.id).is_some();
        if !drained && keeps {
            // What is still on its way would be written over what the new boot writes.
            return Err(Error::Unavailable {
                area: Area::Disk,
                message: "an older session is still writing to this disk".into(),
                hint: "It is tried again by itself.".into(),
            });
        }
        self.put_on_version(client, image)?;
        self.limit(client);
        let device = self.storage.open_overlay(client.id)?;
        let export = identity::export(client, secret, device);
        self.exports.publish(export.clone());
        match self.clients.get(client.id) {
            // Removed meanwhile: nothing would ever take disk and export away.
            None => {
                self.exports.withdraw(&target);
                self.storage.remove_overlay(client.id)?;
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
        for id in self.storage.overlays()? {
            if self.clients.get(id).is_none() {
                tracing::warn!(
                    "the disk overlays/{id}.* belongs to no computer; remove its files by hand when nobody misses it"
                );
            }
        }
        Ok(())
    }

    /// A client that is removed takes its disk along; one that is retired keeps it, and can't use it
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
            // Not here: this is the database's thread, and the file may be huge.
            runtime.spawn(async move {
                let removed = blocking(move || storage.remove_overlay(id)).await;
                if let Err(error) = removed {
                    tracing::error!(client = %name, %error, "its overlay could not be removed");
                }
                if let Err(error) = images.forget_snapshots(&By::system("clients"), id).await {
                    tracing::error!(client = %name, %error, "the snapshots of its disk could not be removed; do it by hand");
                }
            });
        });
    }
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
        disks.storage.ensure_overlay(id, version).unwrap();
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
