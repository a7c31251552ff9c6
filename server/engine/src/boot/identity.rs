//! The names of a client's disk: the same for its whole life, so that sessions recover after a
//! restart and an operating system knows its disk again.

use crate::{
    export::{BlockDevice, Chap, DataDisk, Export},
    secrets::Secret,
};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use store::ClientRecord;
use types::{ClientId, ImageId};

/// The client's target (RFC 7143 section 4.2.7.4).
pub fn target(client: ClientId) -> String {
    format!("iqn.2026-11.org.nsboot:{client}")
}

/// The client's initiator, as its script sets it and its iBFT tells the operating system.
pub fn initiator(client: ClientId) -> String {
    format!("iqn.2026-11.org.nsboot:client-{client}")
}

/// The client whose target this is.
pub fn client_of(target: &str) -> Option<ClientId> {
    target.strip_prefix("iqn.2026-11.org.nsboot:")?.parse().ok()
}

/// NAA 3h, locally assigned (SPC-4 section 7.8.6.6.4).
fn naa(bits: u64) -> u64 {
    3 << 60 | bits & ((1 << 60) - 1)
}

/// A data disk of a client as it is offered: an operating system knows it again under another number, too.
pub fn data_disk(
    client: ClientId,
    (lun, image): (u16, ImageId),
    device: Arc<dyn BlockDevice>,
) -> DataDisk {
    let both = [client.0, image.0].map(|id| *id.as_bytes()).concat();
    let hash = Sha256::digest(both);
    let mut bits = [0; 8];
    bits.copy_from_slice(&hash[10..18]);
    DataDisk {
        lun,
        serial: hash[..10].iter().map(|b| format!("{b:02x}")).collect(),
        naa: naa(u64::from_be_bytes(bits)),
        device,
    }
}

/// The client's disks as they are offered.
pub fn export(
    client: &ClientRecord,
    secret: Secret,
    device: Arc<dyn BlockDevice>,
    data: Vec<DataDisk>,
) -> Export {
    let id = client.id.0;
    let hex = id.simple().to_string();
    Export {
        target: target(client.id),
        lun: 0,
        // The last digits: the first ones of a UUIDv7 are a time, and much alike.
        serial: hex[12..].to_owned(),
        naa: naa(id.as_u64_pair().1),
        device,
        data,
        chap: Some(Chap {
            username: hex[24..].to_owned(),
            secret,
        }),
        initiator: Some(initiator(client.id)),
    }
}
