//! Identifiers: one newtype a kind, so that a client's id can't stand where an image's belongs.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        #[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { self.0.fmt(f) }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(s: &str) -> Result<Self, Self::Err> { Uuid::parse_str(s).map($name) }
        }
    )*};
}

ids! {
    /// A client: our record of a computer that boots from us.
    ClientId,
    /// An image: a disk that clients boot from.
    ImageId,
    /// A version of an image: what its disk was at one time.
    VersionId,
    /// One boot of one client.
    BootId,
    /// A user who signs in.
    UserId,
    /// A sign-in: one family of refresh tokens.
    SessionId,
    /// An API token.
    TokenId,
    /// A job: one piece of long work.
    JobId,
    /// An upload: a file that comes in pieces.
    UploadId,
    /// A reservation: an address that is one computer's for good.
    ReservationId,
    /// A boot entry: something that clients may boot.
    BootEntryId,
    /// A group of clients that share settings.
    GroupId,
    /// A kind of firmware, or one computer's own ways.
    FirmwareId,
}
