//! What a client may be called and which address it may have.

use crate::{Area, Error, Result, images::require_one_user};
use store::{ClientRecord, ImageRecord, Read, Tx};
use types::{ClientId, ClientState, ImageId, ImageState, MAX_DATA_DISKS, MacAddr};

/// A name is a host name label (RFC 1123 section 2.1): it becomes the computer's name.
pub(crate) fn name(name: &str) -> Result<()> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let message = if name.is_empty() {
        "a name is needed"
    } else if name.len() > 63 {
        "a name has at most 63 characters"
    } else if !name.chars().all(fits) {
        "a name has letters a-z, digits and hyphens only, like pc-07"
    } else if name.starts_with('-') || name.ends_with('-') {
        "a name begins and ends with a letter or a digit"
    } else if name.parse::<MacAddr>().is_ok() {
        "a name can't look like a MAC address"
    } else if name.parse::<ClientId>().is_ok() {
        "a name can't look like an id"
    } else {
        return Ok(());
    };
    Err(Error::invalid(Area::Client, "name", message))
}

pub(super) fn mac(mac: MacAddr) -> Result<()> {
    if mac.is_unicast() {
        return Ok(());
    }
    Err(Error::invalid(
        Area::Client,
        "mac",
        format!(
            "{mac} is not one computer's address: it is all zeros, or its first byte is odd (multicast)"
        ),
    ))
}

pub(super) fn mac_taken(by: &ClientRecord) -> Error {
    Error::conflict(
        Area::Client,
        format!("the address {} belongs to {:?} already", by.mac, by.name),
        format!("Change {:?}, or remove it first.", by.name),
    )
}

pub(super) fn name_free(all: &[ClientRecord], name: &str, except: ClientId) -> Result<()> {
    let taken = |r: &&ClientRecord| r.id != except && r.name.eq_ignore_ascii_case(name);
    match all.iter().find(taken) {
        None => Ok(()),
        Some(other) => Err(Error::conflict(
            Area::Client,
            format!("the name {:?} is taken by {}", other.name, other.mac),
            "Choose another name.",
        )),
    }
}

/// What an adoption or a retirement makes of a client's state.
pub(super) fn state(
    old: ClientState,
    adopt: Option<bool>,
    retire: Option<bool>,
) -> Result<ClientState> {
    let invalid = |field, rule| Err(Error::invalid(Area::Client, field, rule));
    match (adopt, retire) {
        (Some(true), Some(true)) => invalid(
            "retire",
            "a computer is either adopted or retired, not both",
        ),
        (Some(true), _) => Ok(ClientState::Adopted),
        (_, Some(true)) => Ok(ClientState::Retired),
        (Some(false), _) if old == ClientState::Adopted => invalid(
            "adopt",
            "an adopted computer can't become discovered again; retire or remove it instead",
        ),
        (_, Some(false)) if old == ClientState::Retired => invalid(
            "retire",
            "a retired computer comes back when it is adopted: say adopt instead",
        ),
        _ => Ok(old),
    }
}

pub(super) fn room_for_discovered(all: &[ClientRecord]) -> Result<()> {
    // Those that nobody has touched, also where the config adopts them.
    let waiting = |r: &&ClientRecord| r.image_id.is_none() && r.name == name_of(r.mac);
    if all.iter().filter(waiting).count() < super::MAX_DISCOVERED {
        return Ok(());
    }
    Err(Error::unavailable(
        Area::Client,
        format!(
            "{} computers without name and image wait already",
            super::MAX_DISCOVERED
        ),
        "Name or remove some of them, then start this computer again.",
    ))
}

/// What a discovered computer is called until somebody names it.
pub(super) fn name_of(mac: MacAddr) -> String {
    format!("pc-{}", mac.to_string().replace(':', ""))
}

/// Who changes one of these images keeps it until its changes are applied or discarded.
pub(super) fn require_no_superclient(
    tx: &Tx<'_>,
    client: &ClientRecord,
    images: impl IntoIterator<Item = ImageId>,
) -> Result<()> {
    for id in images {
        if let Some(image) = tx.get::<ImageRecord>(&id)?
            && image.superclient == Some(client.id)
        {
            return Err(Error::conflict(
                Area::Client,
                format!("{:?} is the superclient of {:?}", client.name, image.name),
                "Apply or discard its changes, and end that first.",
            ));
        }
    }
    Ok(())
}

/// Whether this client can have these data disks from its next boot on.
pub(super) fn data_disks(tx: &Tx<'_>, client: &ClientRecord, disks: &[ImageId]) -> Result<()> {
    let invalid = |why: String| Err(Error::invalid(Area::Client, "data_disks", why));
    if disks.len() > MAX_DATA_DISKS {
        return invalid(format!(
            "a computer has at most {MAX_DATA_DISKS} data disks, not {}",
            disks.len()
        ));
    }
    for (i, id) in disks.iter().enumerate() {
        if disks[..i].contains(id) {
            return invalid("an image is a data disk of one computer once; name it once".into());
        }
        if !client.data_disks.contains(id) {
            require_ready(tx, client.id, Some(*id))?;
        }
    }
    let gone = client.data_disks.iter().filter(|id| !disks.contains(id));
    require_no_superclient(tx, client, gone.copied())
}

/// A computer does not have one image as the disk that it starts from and as a data disk.
pub(super) fn not_its_image(tx: &Tx<'_>, client: &ClientRecord) -> Result<()> {
    let Some(id) = client.image_id.filter(|id| client.data_disks.contains(id)) else {
        return Ok(());
    };
    let image = tx.get::<ImageRecord>(&id)?;
    let image = image.map_or_else(|| id.to_string(), |image| image.name);
    Err(Error::conflict(
        Area::Client,
        format!(
            "{:?} would have {image:?} as its image and as a data disk",
            client.name
        ),
        "Take it off its data disks, or give it another image.",
    ))
}

/// The image must be there and ready in the same commit that binds a client to it.
/// Whether this client can have this image.
pub(super) fn require_ready(tx: &Tx<'_>, client: ClientId, image: Option<ImageId>) -> Result<()> {
    let Some(id) = image else { return Ok(()) };
    let image: ImageRecord = tx
        .get(&id)?
        .ok_or_else(|| Error::not_found(Area::Image, id))?;
    if image.state != ImageState::Ready {
        return Err(Error::conflict(
            Area::Client,
            format!("the image {:?} is not ready", image.name),
            "Wait until its import is done, or choose another image.",
        ));
    }
    require_one_user(tx, &image, Some(client))
}
