//! One secret, sealed: `version u8 | key id [8] | nonce [24] | ciphertext and tag`.
//!
//! XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha) with a random nonce: 24 bytes of chance need no
//! counter, which a database brought back from a copy would set back. What is authenticated beside
//! the secret is the place that it stands in, so that one moved to another row does not open there.

use super::key::{Key, KeyId};
use crate::{Error, Result, random_bytes};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use store::{Key as _, Record, Sealed, Secret};
use zeroize::Zeroizing;

const VERSION: u8 = 1;
const NONCE_BYTES: usize = 24;

/// Where a secret stands: the field of a row.
pub(crate) struct Slot<'a, R: Record> {
    /// The row's key.
    pub row: &'a R::Key,
    /// The field of it.
    pub field: &'static str,
}

impl<R: Record> Slot<'_, R> {
    fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        // Each with its length: no two places read alike.
        for part in [
            R::TABLE.as_bytes(),
            &self.row.bytes(),
            self.field.as_bytes(),
        ] {
            out.extend_from_slice(&(part.len() as u64).to_le_bytes());
            out.extend_from_slice(part);
        }
        out
    }
}

pub(super) fn seal<R: Record>(key: &Key, slot: Slot<'_, R>, secret: &Secret) -> Result<Sealed> {
    let mut nonce = [0; NONCE_BYTES];
    random_bytes(&mut nonce)?;
    let payload = Payload {
        msg: secret.expose().as_bytes(),
        aad: &slot.bytes(),
    };
    let closed = cipher(key)
        .encrypt(&XNonce::from(nonce), payload)
        .map_err(|_| Error::Internal("sealing a secret failed".into()))?;
    Ok(Sealed::new(
        [&[VERSION][..], &key.id.0, &nonce, &closed].concat(),
    ))
}

/// The secret; None when this is not what was sealed with this key for this place.
pub(super) fn open<R: Record>(key: &Key, slot: Slot<'_, R>, sealed: &Sealed) -> Option<Secret> {
    let (_, rest) = split(sealed)?;
    let (nonce, closed) = rest.split_first_chunk::<NONCE_BYTES>()?;
    let payload = Payload {
        msg: closed,
        aad: &slot.bytes(),
    };
    let bytes = cipher(key).decrypt(&XNonce::from(*nonce), payload).ok()?;
    match String::from_utf8(bytes) {
        Ok(text) => Some(text.into()),
        Err(e) => {
            drop(Zeroizing::new(e.into_bytes()));
            None
        }
    }
}

/// Which key it is sealed with; None when it is not of a form that we know.
pub(super) fn key_of(sealed: &Sealed) -> Option<KeyId> {
    split(sealed).map(|(id, _)| id)
}

fn split(sealed: &Sealed) -> Option<(KeyId, &[u8])> {
    let (version, rest) = sealed.bytes().split_first()?;
    let (id, rest) = rest.split_first_chunk::<8>()?;
    (*version == VERSION).then_some((KeyId(*id), rest))
}

fn cipher(key: &Key) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&(*key.bytes).into())
}
