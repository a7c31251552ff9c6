//! Keys, and the text that holds them: a line each, the one that seals first.
//!
//! `64 hexadecimal digits [made=TIME] [retiring]`; empty lines and those that begin with `#` are left out.

use crate::{Area, Error, Result, now, random_bytes};
use sha2::{Digest, Sha256};
use std::fmt;
use types::Timestamp;
use zeroize::Zeroizing;

/// Bytes of a key.
pub(super) const KEY_BYTES: usize = 32;

/// What the file says to whoever opens it.
const HEAD: &str = "# Opens the secrets in nsboot.redb: whoever has both has them. The first key seals.\n\
                    # Keep a copy apart from copies of the database. docs/operations.md, \"Secrets\".\n";

/// Names a key without telling it: the first bytes of a hash of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct KeyId(pub(super) [u8; 8]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A key. Wiped from memory when it goes.
#[derive(Clone)] // no Debug: it is what everything else hangs on
pub(super) struct Key {
    pub id: KeyId,
    pub bytes: Zeroizing<[u8; KEY_BYTES]>,
    /// None for one that somebody else made without saying when.
    pub made_at: Option<Timestamp>,
    /// Goes as soon as no secret is sealed with it.
    pub retiring: bool,
}

impl Key {
    /// A new one from the system's random source.
    pub fn make() -> Result<Key> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        random_bytes(&mut *bytes)?;
        Ok(Key {
            made_at: Some(now()),
            ..Key::of(bytes)
        })
    }

    fn of(bytes: Zeroizing<[u8; KEY_BYTES]>) -> Key {
        let hash = Sha256::new()
            .chain_update(b"nsboot key id\0")
            .chain_update(&bytes[..])
            .finalize();
        let mut id = [0; 8];
        id.copy_from_slice(&hash[..8]);
        Key {
            id: KeyId(id),
            bytes,
            made_at: None,
            retiring: false,
        }
    }
}

/// The keys of a file or a credential; `from` is what errors call it.
///
/// # Errors
/// [`Error::Unavailable`] with the line that is no key, never with what stands in it.
pub(super) fn parse(text: &[u8], from: &str) -> Result<Vec<Key>> {
    let bad = |line: usize, why: &str| {
        Error::unavailable(
            Area::Secret,
            format!("line {line} of {from} is no key: {why}"),
            "Bring the file back from a copy. Without one, move it away: a new key is made, and each \
             computer gets a new secret when it boots next.",
        )
    };
    let text = std::str::from_utf8(text).map_err(|_| bad(1, "it is no text"))?;
    let mut keys: Vec<Key> = Vec::new();
    for (n, line) in text.lines().enumerate() {
        let mut words = line.split_whitespace();
        let Some(first) = words.next().filter(|w| !w.starts_with('#')) else {
            continue;
        };
        let bytes = unhex(first).ok_or_else(|| {
            bad(
                n + 1,
                "a key has 64 hexadecimal digits (`openssl rand -hex 32`)",
            )
        })?;
        let mut key = Key::of(bytes);
        for word in words {
            match (word, word.strip_prefix("made=").map(str::parse)) {
                (_, Some(Ok(at))) => key.made_at = Some(at),
                ("retiring", _) => key.retiring = true,
                _ => return Err(bad(n + 1, "what follows the key is not understood")),
            }
        }
        keys.push(key);
    }
    match keys.is_empty() {
        true => Err(bad(1, "there is none in it")),
        false => Ok(keys),
    }
}

/// The text of these keys.
pub(super) fn print<'a>(keys: impl Iterator<Item = &'a Key>) -> Zeroizing<String> {
    // Large enough for any number of keys that a rotation leaves: see `read_all`.
    let mut text = Zeroizing::new(String::with_capacity(4096));
    text.push_str(HEAD);
    for key in keys {
        for byte in key.bytes.iter() {
            for digit in [byte >> 4, byte & 15] {
                text.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
            }
        }
        if let Some(at) = key.made_at {
            text.push_str(&format!(" made={at}"));
        }
        if key.retiring {
            text.push_str(" retiring");
        }
        text.push('\n');
    }
    text
}

fn unhex(text: &str) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
    let digits = text.as_bytes();
    if digits.len() != 2 * KEY_BYTES {
        return None;
    }
    let mut out = Zeroizing::new([0; KEY_BYTES]);
    for (byte, pair) in out.iter_mut().zip(digits.chunks(2)) {
        let digit = |d: u8| {
            char::from(d)
                .to_digit(16)
                .and_then(|d| u8::try_from(d).ok())
        };
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(out)
}
