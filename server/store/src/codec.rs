//! Records as bytes: `kind u8 | schema u16 | payload | crc32c u32`, little endian.
//!
//! The only module that names bincode (RUSTSEC-2025-0141: unmaintained, no defect; its bytes are
//! a plain layout that another codec reads, too). Fixed-width integers, a size limit and no
//! trailing bytes: what plain `bincode::deserialize` does not give.

use crate::Record;
use bincode::Options;
use serde::{Serialize, de::DeserializeOwned};

/// The largest payload of one record, bytes: a job over a thousand computers of which each failed, with why.
pub const MAX_PAYLOAD: u64 = 1024 * 1024;

/// Bytes of the envelope: kind, schema and checksum.
pub const ENVELOPE: usize = 1 + 2 + 4;

/// Why bytes are not a record, or a record can't become bytes.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CodecError {
    /// Shorter than the envelope.
    #[error("it has {0} bytes, less than an empty record")]
    Short(usize),
    /// The checksum differs: the bytes changed on disk.
    #[error("its checksum is wrong; the disk or the file is damaged, restore the last backup")]
    Checksum,
    /// Another kind of record lies there.
    #[error("it is of kind {found}, not {expected}")]
    Kind {
        /// The kind found.
        found: u8,
        /// The kind of this table.
        expected: u8,
    },
    /// Written by a newer nsboot, or never valid.
    #[error("its format {found} is newer than {newest}, the newest we know; update nsboot")]
    Schema {
        /// The format found.
        found: u16,
        /// The newest format we read.
        newest: u16,
    },
    /// The payload does not fit its format.
    #[error("its content does not fit its format: {0}")]
    Payload(String),
}

fn options() -> impl Options {
    bincode::DefaultOptions::new()
        .with_fixint_encoding()
        .with_limit(MAX_PAYLOAD)
        .reject_trailing_bytes()
}

/// A record in its newest format.
///
/// # Errors
/// [`CodecError::Payload`] when it is larger than [`MAX_PAYLOAD`].
pub fn encode<R: Record>(record: &R) -> Result<Vec<u8>, CodecError> {
    envelope(R::KIND, R::SCHEMA, record)
}

fn envelope<T: Serialize>(kind: u8, schema: u16, value: &T) -> Result<Vec<u8>, CodecError> {
    let payload = options()
        .serialize(value)
        .map_err(|e| CodecError::Payload(e.to_string()))?;
    let mut out = Vec::with_capacity(payload.len() + ENVELOPE);
    out.push(kind);
    out.extend_from_slice(&schema.to_le_bytes());
    out.extend_from_slice(&payload);
    let sum = crc32c::crc32c(&out);
    out.extend_from_slice(&sum.to_le_bytes());
    Ok(out)
}

/// A record of any format that we ever wrote. Total: no input panics.
///
/// # Errors
/// A [`CodecError`] that says what is wrong with the bytes.
pub fn decode<R: Record>(bytes: &[u8]) -> Result<R, CodecError> {
    let Some((body, sum)) = bytes.split_last_chunk::<4>() else {
        return Err(CodecError::Short(bytes.len()));
    };
    let [kind, s0, s1, payload @ ..] = body else {
        return Err(CodecError::Short(bytes.len()));
    };
    if crc32c::crc32c(body) != u32::from_le_bytes(*sum) {
        return Err(CodecError::Checksum);
    }
    if *kind != R::KIND {
        return Err(CodecError::Kind {
            found: *kind,
            expected: R::KIND,
        });
    }
    let schema = u16::from_le_bytes([*s0, *s1]);
    if schema == R::SCHEMA {
        decode_payload(payload)
    } else {
        R::upgrade(schema, payload)
    }
}

/// The payload of one known format; what a [`Record::upgrade`] reads its older structs with.
///
/// # Errors
/// [`CodecError::Payload`] when the bytes do not fit `T` to the last one.
pub fn decode_payload<T: DeserializeOwned>(payload: &[u8]) -> Result<T, CodecError> {
    options()
        .deserialize(payload)
        .map_err(|e| CodecError::Payload(e.to_string()))
}
