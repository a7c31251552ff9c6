//! Keys as bytes whose order is the order we list in.

use std::net::Ipv4Addr;
use types::{
    BootEntryId, BootId, ClientId, FirmwareId, GroupId, ImageId, JobId, MacAddr, ReservationId,
    SessionId, TokenId, UserId, VersionId,
};

/// A key, or the beginning of one, as bytes.
pub trait Key {
    /// Appends the bytes of this key.
    fn write(&self, out: &mut Vec<u8>);

    /// The bytes of this key.
    fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(24);
        self.write(&mut out);
        out
    }
}

macro_rules! id_keys {
    ($($name:ty),*) => {$(
        impl Key for $name {
            fn write(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(self.0.as_bytes());
            }
        }
    )*};
}
id_keys!(
    ClientId,
    ImageId,
    UserId,
    SessionId,
    TokenId,
    BootId,
    JobId,
    BootEntryId,
    GroupId,
    FirmwareId,
    ReservationId,
    VersionId
);

impl Key for MacAddr {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}

/// Big endian, so that numbers list in their order.
impl Key for u64 {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_be_bytes());
    }
}

/// The key of a table with one row.
impl Key for () {
    fn write(&self, _: &mut Vec<u8>) {}
}

/// A hash.
impl Key for [u8; 32] {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
}

impl Key for String {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }
}

/// All leases of one scope. The zero byte ends the name, so that `br1` is not found under `br10`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ScopePrefix(pub String);

impl Key for ScopePrefix {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.as_bytes());
        out.push(0);
    }
}

/// A lease: one address of one scope.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct LeaseKey {
    /// The scope's name.
    pub scope: String,
    /// The leased address.
    pub address: Ipv4Addr,
}

impl Key for LeaseKey {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.scope.as_bytes());
        out.push(0);
        out.extend_from_slice(&self.address.octets());
    }
}

/// A boot: listed under its computer, in the order of time (boot ids are UUIDv7).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct BootKey {
    /// The computer.
    pub mac: MacAddr,
    /// The boot.
    pub id: BootId,
}

impl Key for BootKey {
    fn write(&self, out: &mut Vec<u8>) {
        self.mac.write(out);
        self.id.write(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_not_found_under_a_longer_name() {
        let lease = LeaseKey {
            scope: "br10".into(),
            address: Ipv4Addr::LOCALHOST,
        };
        assert!(
            !lease
                .bytes()
                .starts_with(&ScopePrefix("br1".into()).bytes())
        );
        assert!(
            lease
                .bytes()
                .starts_with(&ScopePrefix("br10".into()).bytes())
        );
    }
}
