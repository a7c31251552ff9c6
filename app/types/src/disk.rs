//! Disks of computers: whose each is, and which of them.

use crate::{ClientId, ImageId};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::{fmt, str::FromStr};

/// The most data disks of one computer.
pub const MAX_DATA_DISKS: usize = 7;

/// One disk of a computer: what it writes there is kept under this. As text, which is also how its files are
/// called, it is the id of the computer, and for a data disk `_` and the id of its image after that.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DiskId {
    /// Whose it is.
    pub client: ClientId,
    /// The image of a data disk; None is the disk that the computer starts from, whatever its image.
    pub data: Option<ImageId>,
}

impl DiskId {
    /// The data disk of a computer that is on that image.
    pub fn data(client: ClientId, image: ImageId) -> DiskId {
        DiskId {
            client,
            data: Some(image),
        }
    }
}

impl From<ClientId> for DiskId {
    /// The disk that it starts from.
    fn from(client: ClientId) -> DiskId {
        DiskId { client, data: None }
    }
}

impl fmt::Display for DiskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.data {
            None => self.client.fmt(f),
            Some(image) => write!(f, "{}_{image}", self.client),
        }
    }
}

impl fmt::Debug for DiskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DiskId({self})")
    }
}

impl FromStr for DiskId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (client, image) = match text.split_once('_') {
            None => (text, None),
            Some((client, image)) => (client, Some(image)),
        };
        Ok(DiskId {
            client: client.parse()?,
            data: image.map(str::parse).transpose()?,
        })
    }
}

impl Serialize for DiskId {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DiskId {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn its_text_says_which_disk_and_reads_back() {
        let client = ClientId(Uuid::from_u128(1));
        let image = ImageId(Uuid::from_u128(2));
        let system = DiskId::from(client);
        let data = DiskId::data(client, image);
        assert_eq!(system.to_string(), client.to_string());
        assert_eq!(data.to_string(), format!("{client}_{image}"));
        for disk in [system, data] {
            assert_eq!(disk.to_string().parse(), Ok(disk));
            let json = serde_json::to_string(&disk).unwrap();
            assert_eq!(serde_json::from_str::<DiskId>(&json).unwrap(), disk);
        }
        for bad in ["", "_", "pc-1", &format!("{client}_"), &format!("_{image}")] {
            assert!(bad.parse::<DiskId>().is_err(), "{bad}");
        }
    }
}
