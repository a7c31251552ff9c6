//! Secrets as rows hold them: sealed. What seals and opens them is the engine's.

use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::Error as _};
use std::fmt;
use zeroize::Zeroizing;

/// A secret in a row. Only the sealed form can be written; the plain one comes out of rows of an
/// older format and stays in memory until it is sealed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StoredSecret {
    /// Encrypted.
    Sealed(Sealed),
    /// As formats before the sealing held it.
    Plain(Secret),
}

/// An encrypted secret. Its content is laid out by who seals it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed(Vec<u8>);

/// A secret that is not encrypted. Wiped from memory when it goes.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Sealed {
    /// The bytes as they were sealed.
    pub fn new(bytes: Vec<u8>) -> Self {
        Sealed(bytes)
    }

    /// The bytes, to be opened.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Secret {
    /// The secret, to be sealed or used.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Secret(Zeroizing::new(text))
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[sealed]")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl Serialize for StoredSecret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            StoredSecret::Sealed(sealed) => sealed.serialize(serializer),
            StoredSecret::Plain(_) => Err(S::Error::custom("a secret is not stored unsealed")),
        }
    }
}

impl<'de> Deserialize<'de> for StoredSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Sealed::deserialize(deserializer).map(StoredSecret::Sealed)
    }
}
