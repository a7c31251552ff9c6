//! What is offered, made to match what is known and what is in the data folder: after a crash, after a hand
//! in that folder, or after work that withdrew a disk and then failed. No overlay is removed here, though what
//! is left of one without its map is, as at each start; the disk of a computer that runs is not pulled.

use super::{Boots, disks::Disks, identity};
use crate::{Area, Error, Result, blocking::blocking};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use store::ClientRecord;
use types::{ClientId, ClientState, DiskId};

/// How often it is looked.
const LOOK: Duration = Duration::from_secs(15);

/// What is known of one computer's disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Found {
    /// None: the computer was removed.
    client: Option<ClientState>,
    is_offered: bool,
    /// A session on it lives.
    is_used: bool,
    /// Its files are in the data folder.
    has_files: bool,
    /// It holds what the computer wrote, going by our own books.
    holds: bool,
}

/// What is to be done.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Action {
    Offer,
    Withdraw,
    /// Its files were taken away: it is not offered, and our books forget it.
    Forget,
    /// As [`Action::Forget`], but the computer runs from what its open files still are.
    Tell,
}

/// What brings this disk to what is wanted; None when it is.
fn wanted(found: Found) -> Option<Action> {
    use Action::{Forget, Offer, Tell, Withdraw};
    match found.client {
        // Nobody's, also while something is still on it.
        None => found.is_offered.then_some(Withdraw),
        Some(ClientState::Retired) => (found.is_offered && !found.is_used).then_some(Withdraw),
        Some(ClientState::Adopted | ClientState::Discovered) => match found {
            Found {
                is_offered: true,
                has_files: false,
                is_used: true,
                ..
            } => Some(Tell),
            Found {
                is_offered: true,
                has_files: false,
                ..
            } => Some(Forget),
            Found {
                is_offered: false,
                has_files: false,
                holds: true,
                ..
            } => Some(Forget),
            // An empty one is offered at its next boot: it was begun anew, and what may still run
            // somewhere must not find an empty disk below it.
            Found {
                is_offered: false,
                has_files: true,
                holds: true,
                ..
            } => Some(Offer),
            _ => None,
        },
    }
}

impl Boots {
    /// Keeps what is offered right until `stop`.
    pub async fn mend_exports(&self, stop: impl Future<Output = ()> + Send) {
        let mut tick = tokio::time::interval(LOOK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let mut stop = std::pin::pin!(stop);
        // So that what can't be mended is told once.
        let mut told = BTreeMap::new();
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                () = &mut stop => return,
            }
            let (disks, before) = (self.inner.disks.clone(), std::mem::take(&mut told));
            match blocking(move || disks.mend(&before)).await {
                Ok(still) => told = still,
                Err(error) => tracing::warn!(%error, "could not look what is to be offered"),
            }
        }
    }
}

/// What could not be mended, in words.
type Told = BTreeMap<ClientId, String>;

impl Disks {
    /// One look; what could not be mended. `told` is what the look before could not.
    fn mend(&self, told: &Told) -> Result<Told> {
        let files: BTreeSet<DiskId> = self.storage.overlays()?.into_iter().collect();
        let mut ids: BTreeSet<_> = files.iter().map(|disk| disk.client).collect();
        ids.extend(self.clients.list().iter().map(|c| c.id));
        let offers = self.exports.offers();
        let targets = offers.iter().map(|o| &o.export.target);
        ids.extend(targets.filter_map(|target| identity::client_of(target)));
        let mut left = Told::new();
        for id in ids {
            let suspect = wanted(self.found(id, files.contains(&id.into())));
            let Some(why) = suspect.and_then(|_| self.mend_one(id)) else {
                continue;
            };
            if told.get(&id) != Some(&why) {
                tracing::error!(client = %id, "{why}");
            }
            left.insert(id, why);
        }
        Ok(left)
    }

    fn found(&self, id: ClientId, has_files: bool) -> Found {
        let target = identity::target(id);
        Found {
            client: self.clients.get(id).map(|c| c.state),
            is_offered: self.exports.offered(&target).is_some(),
            is_used: self.exports.in_use(&target),
            has_files,
            holds: self.storage.overlay_bytes(id.into()) > 0 || has_files && self.data_holds(id),
        }
    }

    /// Whether anything was written to a data disk of that client.
    fn data_holds(&self, id: ClientId) -> bool {
        let holds = |disk: DiskId| disk.data.is_some() && self.storage.overlay_bytes(disk) > 0;
        self.clients.get(id).is_some_and(|c| c.disks().any(holds))
    }

    /// Looks again, alone with that disk, and mends it; why it could not.
    fn mend_one(&self, id: ClientId) -> Option<String> {
        let client = self.clients.get(id);
        // A boot or a job is at it, and leaves it right.
        let _turn = match client.as_deref().map(|c| self.turn_now(c)) {
            Some(Err(_)) => return None,
            Some(Ok(turn)) => Some(turn),
            None => None,
        };
        let files = match self.storage.overlays() {
            Ok(files) => files,
            Err(error) => return Some(error.to_string()),
        };
        let action = wanted(self.found(id, files.contains(&id.into())))?;
        let done = self.act(id, client.as_deref(), action);
        let name = client.as_deref().map_or("a removed computer", |c| &c.name);
        match (&done, action) {
            (Ok(()), Action::Tell) => Some(format!(
                "the files of the disk of {name} are gone from the folder overlays; it still runs from them, and what \
                 it wrote is lost when it stops"
            )),
            (Ok(()), _) => {
                tracing::warn!(
                    client = name,
                    ?action,
                    "what is offered did not match what is there; mended"
                );
                None
            }
            (Err(error), _) => Some(format!(
                "the disk of {name} can't be offered as it should be: {error}"
            )),
        }
    }

    fn act(&self, id: ClientId, client: Option<&ClientRecord>, action: Action) -> Result<()> {
        let target = identity::target(id);
        match action {
            Action::Offer => client.map_or(Ok(()), |client| self.offer(client)),
            Action::Withdraw => {
                self.exports.withdraw(&target);
                Ok(())
            }
            Action::Forget => {
                self.exports.withdraw(&target);
                self.storage.remove_overlay(id.into())?;
                client.into_iter().for_each(|c| self.clients.touch(c.mac));
                Ok(())
            }
            Action::Tell => Ok(()),
        }
    }

    /// Offers the overlays that a client has.
    ///
    /// # Errors
    /// [`Error::NotFound`] when it has none; when it or the client's secret can't be opened.
    pub(super) fn offer(&self, client: &ClientRecord) -> Result<()> {
        let secret = self.clients.disk_secret(client);
        let secret = secret.map_err(|why| Error::Unavailable {
            area: Area::Disk,
            message: format!("its secret can't be opened: {why}"),
            hint: "Its next boot gives it another one.".into(),
        })?;
        self.exports.publish(self.open(client, secret)?);
        Ok(())
    }
}

#[cfg(test)]
#[path = "drift_tests.rs"]
mod tests;
