//! `key=value` text of login and text PDUs (RFC 7143 section 6.1).

use std::fmt::Write as _;

/// The longest key that the standard allows, in bytes.
const MAX_KEY: usize = 63;
/// The longest value that is taken, in bytes.
const MAX_VALUE: usize = 8192;
/// The most keys that one negotiation step may hold; bounds the answer.
pub const MAX_KEYS: usize = 64;
/// The most bytes that one negotiation step may collect over PDUs with the C bit.
pub const MAX_TEXT: usize = 64 * 1024;

/// Why text is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TextError {
    #[error("a key has no '='")]
    NoValue,
    #[error("a key is empty, longer than 63 bytes, or has characters that a key may not have")]
    BadKey,
    #[error("a value is longer than 8192 bytes or not UTF-8")]
    BadValue,
    #[error("more than {MAX_KEYS} keys in one step")]
    TooManyKeys,
}

/// The pairs of a whole text, in order. Padding after the last NUL is skipped.
pub fn parse(bytes: &[u8]) -> Result<Vec<(&str, &str)>, TextError> {
    let mut pairs = Vec::new();
    for item in bytes.split(|b| *b == 0).filter(|item| !item.is_empty()) {
        let eq = item.iter().position(|b| *b == b'=');
        let (key, value) = item.split_at(eq.ok_or(TextError::NoValue)?);
        let value = value.get(1..).unwrap_or_default();
        if pairs.len() == MAX_KEYS {
            return Err(TextError::TooManyKeys);
        }
        if value.len() > MAX_VALUE {
            return Err(TextError::BadValue);
        }
        let key = std::str::from_utf8(key).map_err(|_| TextError::BadKey)?;
        let value = std::str::from_utf8(value).map_err(|_| TextError::BadValue)?;
        if !is_key(key) {
            return Err(TextError::BadKey);
        }
        pairs.push((key, value));
    }
    Ok(pairs)
}

/// Letters, digits and `. - + @ _` (section 6.1, standard-label), without the rule on capitals:
/// vendors break it.
fn is_key(key: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b".-+@_#/".contains(&b);
    (1..=MAX_KEY).contains(&key.len()) && key.bytes().all(allowed)
}

/// Text being built for an answer.
#[derive(Default, Debug, Clone, PartialEq, Eq)]
pub struct Answer(Vec<u8>);

impl Answer {
    pub fn put(&mut self, key: &str, value: impl std::fmt::Display) {
        let mut item = String::new();
        // Writing to a String does not fail.
        let _ = write!(item, "{key}={value}\0");
        self.0.extend_from_slice(item.as_bytes());
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// A number as text has it: decimal, or hexadecimal after `0x` (section 6.1, numerical-value).
pub fn number(value: &str) -> Option<u32> {
    match value.strip_prefix("0x").or(value.strip_prefix("0X")) {
        Some(hex) if hex.bytes().all(|b| b.is_ascii_hexdigit()) => {
            u32::from_str_radix(hex, 16).ok()
        }
        None if value.bytes().all(|b| b.is_ascii_digit()) => value.parse().ok(),
        _ => None,
    }
}

/// Bytes as text has them: `0x…` or base64 after `0b` (section 6.1, binary-value), at most `limit`.
pub fn binary(value: &str, limit: usize) -> Option<Vec<u8>> {
    let body = value.get(2..)?;
    let bytes = match value.get(..2)? {
        "0x" | "0X" => from_hex(body)?,
        "0b" | "0B" => from_base64(body)?,
        _ => return None,
    };
    (bytes.len() <= limit).then_some(bytes)
}

/// `0x…` text of bytes.
pub fn hex(bytes: &[u8]) -> String {
    format!("0x{}", types::hex(bytes))
}

fn from_hex(body: &str) -> Option<Vec<u8>> {
    let nibble = |b: u8| char::from(b).to_digit(16).map(|d| d as u8);
    let digits = body.bytes().map(nibble).collect::<Option<Vec<u8>>>()?;
    // An odd count has an implied leading zero.
    let (lead, rest) = digits.split_at(digits.len() % 2);
    let pairs = rest.chunks(2).map(|p| p[0] << 4 | p[1]);
    Some(lead.iter().copied().chain(pairs).collect())
}

fn from_base64(body: &str) -> Option<Vec<u8>> {
    let body = body.trim_end_matches('=');
    let mut out = Vec::with_capacity(body.len() * 3 / 4);
    let (mut acc, mut bits) = (0u32, 0);
    for b in body.bytes() {
        let v = match b {
            b'A'..=b'Z' => b - b'A',
            b'a'..=b'z' => b - b'a' + 26,
            b'0'..=b'9' => b - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        acc = (acc << 6 | u32::from(v)) & 0x3fff;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push((acc >> bits) as u8);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_is_split_at_nul_and_padding_is_no_key() {
        let text = b"InitiatorName=iqn.a\0SessionType=Normal\0X=\0\0\0";
        let expected = [
            ("InitiatorName", "iqn.a"),
            ("SessionType", "Normal"),
            ("X", ""),
        ];
        assert_eq!(parse(text).as_deref(), Ok(&expected[..]));
        assert_eq!(parse(b"NoEquals\0"), Err(TextError::NoValue));
        assert_eq!(parse(b"=v\0"), Err(TextError::BadKey));
        assert_eq!(parse(b"k=\xff\0"), Err(TextError::BadValue));
        assert_eq!(parse(&b"k=v\0".repeat(65)), Err(TextError::TooManyKeys));
    }

    #[test]
    fn numbers_and_binary_values() {
        assert_eq!(number("262144"), Some(262_144));
        assert_eq!(number("0x40000"), Some(262_144));
        for bad in ["", "-1", "+1", "0x", "0x+1", "4294967296", "1 "] {
            assert_eq!(number(bad), None, "{bad:?}");
        }
        assert_eq!(binary("0xa0b", 16), Some(vec![0x0a, 0x0b]));
        assert_eq!(binary("0bZm9vYg==", 16).as_deref(), Some(&b"foob"[..]));
        for bad in ["", "0", "00ff", "0xzz", "0b*", "0é"] {
            assert_eq!(binary(bad, 16), None, "{bad:?}");
        }
        assert_eq!(binary("0x010203", 2), None);
    }

    proptest! {
        #[test]
        fn hex_round_trip(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            prop_assert_eq!(binary(&hex(&bytes), 64), Some(bytes));
        }

        #[test]
        fn text_round_trip(pairs in proptest::collection::vec(("[A-Za-z][A-Za-z0-9.]{0,20}", "[ -~]{0,40}"), 0..20)) {
            let mut answer = Answer::default();
            for (k, v) in &pairs {
                answer.put(k, v);
            }
            let bytes = answer.into_bytes();
            let parsed = parse(&bytes).unwrap();
            prop_assert!(parsed.iter().copied().eq(pairs.iter().map(|(k, v)| (k.as_str(), v.as_str()))));
        }
    }
}
