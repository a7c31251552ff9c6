//! The names of a client's disk: the same for its whole life, so that sessions recover after a
//! restart and an operating system knows its disk again.

use crate::{
    export::{BlockDevice, Chap, Export},
    secrets::Secret,
};
use std::sync::Arc;
use store::ClientRecord;
use types::ClientId;

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

/// The client's disk as it is offered.
pub fn export(client: &ClientRecord, secret: Secret, device: Arc<dyn BlockDevice>) -> Export {
    let id = client.id.0;
    let hex = id.simple().to_string();
    Export {
        target: target(client.id),
        lun: 0,
        // The last digits: the first ones of a UUIDv7 are a time, and much alike.
        serial: hex[12..].to_owned(),
        // NAA 3h, locally assigned (SPC-4 section 7.8.6.6.4).
        naa: 3 << 60 | id.as_u64_pair().1 & ((1 << 60) - 1),
        device,
        chap: Some(Chap {
            username: hex[24..].to_owned(),
            secret,
        }),
        initiator: Some(initiator(client.id)),
    }
}
