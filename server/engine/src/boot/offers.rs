//! The disks that are offered, as shown: whose each is, what it is on, and who uses it.

use super::{Boots, disks::Disks, identity};
use crate::{
    Area, By, Error, Result,
    audit::Change,
    blocking::blocking,
    export::{DataDisk, Offer, SessionInfo, Via},
};
use std::{pin::pin, sync::Arc, time::Duration};
use store::ImageRecord;
use tokio::time::sleep;
use types::{
    ClientId, DiskId, DiskProtocol, DiskSessionView, Event, ExportDiskView, ExportView, ImageId,
};

/// Changes of one disk within this are told as one: a storm of boots stays a few events a computer.
const TOGETHER: Duration = Duration::from_millis(200);

impl Boots {
    /// Every disk that is offered.
    ///
    /// # Errors
    /// When the work broke off.
    pub async fn exports(&self) -> Result<Vec<ExportView>> {
        let disks = self.inner.disks.clone();
        blocking(move || {
            let offers = disks.exports.offers().into_iter();
            Ok(offers
                .filter_map(|offer| disks.export_view(offer))
                .collect())
        })
        .await
    }

    /// The disk of that computer, by its name, id or Ethernet address.
    ///
    /// # Errors
    /// [`Error::NotFound`] when none is offered.
    pub async fn export(&self, client: &str) -> Result<ExportView> {
        let id = self.disk_id(client).filter(|disk| disk.data.is_none());
        let id = id.ok_or_else(|| Error::not_found(Area::Export, client))?;
        let target = identity::target(id.client);
        let disks = self.inner.disks.clone();
        let found = move || {
            Ok(disks
                .exports
                .offer(&target)
                .and_then(|o| disks.export_view(o)))
        };
        let found = blocking(found).await?;
        found.ok_or_else(|| Error::not_found(Area::Export, client))
    }

    /// Cuts one session on a disk off. Its initiator may come back at once.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such disk or session.
    pub(crate) async fn drop_session(&self, by: &By, client: &str, session: u64) -> Result<()> {
        let export = self.export(client).await?;
        let is_it = |s: &&DiskSessionView| s.id == session;
        let found = export.sessions.iter().find(is_it);
        let found = found.ok_or_else(|| Error::not_found(Area::Session, session))?;
        let name = export.client_name.as_deref().unwrap_or(client);
        let change = Change::act("export.drop", "client", export.client_id, name).facts(
            Some(serde_json::json!({ "peer": found.peer, "protocol": found.protocol })),
            None,
        );
        self.inner.needs.audit.act(by, change).await?;
        // It may have ended by itself by now, which is what was wanted.
        self.inner
            .disks
            .exports
            .close_session(&export.target, session);
        Ok(())
    }

    /// Tells the page of each disk that is offered, used or withdrawn, until `stop`.
    pub async fn tell_exports(&self, stop: impl Future<Output = ()> + Send) {
        let disks = &self.inner.disks;
        let mut stop = pin!(stop);
        loop {
            let changed = tokio::select! {
                changed = disks.exports.changed() => changed,
                () = &mut stop => return,
            };
            for target in changed {
                let disks = disks.clone();
                let event = blocking(move || Ok(disks.export_event(&target))).await;
                if let Ok(Some(event)) = event {
                    self.inner.needs.events.publish(event);
                }
            }
            sleep(TOGETHER).await;
        }
    }

    /// Which disk is meant: that which a computer starts from by its name, id or Ethernet address, any by the disk's
    /// own id. Also of a computer that is not there any more.
    pub(super) fn disk_id(&self, text: &str) -> Option<DiskId> {
        let known = self.inner.disks.clients.find(text);
        known.map_or_else(|| text.parse().ok(), |client| Some(client.id.into()))
    }
}

impl Disks {
    /// May wait for a disk that is being made ready. None for a name that is not of ours.
    fn export_view(&self, offer: Offer) -> Option<ExportView> {
        let client_id = identity::client_of(&offer.export.target)?;
        let client = self.clients.get(client_id);
        let given = client.as_ref().map(|c| c.given_disks.as_slice());
        let data_disks = offer.export.data.iter();
        let data_disks =
            data_disks.map(|d| self.data_view(client_id, d, given.unwrap_or_default()));
        let data_disks = data_disks.collect();
        let on = self.on(client_id.into());
        Some(ExportView {
            client_id,
            client_name: client.map(|c| c.name.clone()),
            target: offer.export.target,
            serial: offer.export.serial,
            naa: format!("{:016x}", offer.export.naa),
            size_bytes: offer.export.device.size_bytes(),
            image_id: on.as_ref().map(|(image, _)| image.id),
            image_name: on.as_ref().map(|(image, _)| image.name.clone()),
            version: on.map(|(_, number)| number),
            data_disks,
            since: offer.since,
            read_bytes: offer.read_bytes,
            written_bytes: offer.written_bytes,
            sessions: offer.sessions.iter().map(session_view).collect(),
        })
    }

    /// The image and the number of the version that a disk is on.
    fn on(&self, disk: DiskId) -> Option<(Arc<ImageRecord>, u32)> {
        let version = self.storage.overlay_version(disk).ok().flatten()?;
        self.images.holding(version)
    }

    /// `given` are the images of the client's data disks, by their numbers.
    fn data_view(&self, client: ClientId, disk: &DataDisk, given: &[ImageId]) -> ExportDiskView {
        let image = usize::from(disk.lun).checked_sub(1);
        let image = image.and_then(|at| given.get(at)).copied();
        let on = image.and_then(|image| self.on(DiskId::data(client, image)));
        ExportDiskView {
            lun: disk.lun,
            serial: disk.serial.clone(),
            naa: format!("{:016x}", disk.naa),
            size_bytes: disk.device.size_bytes(),
            image_id: image,
            image_name: on.as_ref().map(|(image, _)| image.name.clone()),
            version: on.map(|(_, number)| number),
        }
    }

    fn export_event(&self, target: &str) -> Option<Event> {
        match self.exports.offer(target) {
            Some(offer) => Some(Event::ExportChanged {
                export: self.export_view(offer)?,
            }),
            None => Some(Event::ExportRemoved {
                id: identity::client_of(target)?,
            }),
        }
    }
}

fn session_view(session: &SessionInfo) -> DiskSessionView {
    DiskSessionView {
        id: session.id,
        protocol: match session.via {
            Via::Iscsi { .. } => DiskProtocol::Iscsi,
            Via::Nbd => DiskProtocol::Nbd,
        },
        peer: session.peer.to_string(),
        initiator: session.initiator.clone(),
        since: session.since,
    }
}

#[cfg(test)]
#[path = "offers_tests.rs"]
mod tests;
