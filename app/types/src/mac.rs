//! Ethernet addresses.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, str::FromStr};

/// A 48-bit Ethernet address. Printed as `52:54:00:12:34:56`; parsed from that form, from
/// `52-54-00-12-34-56`, `5254.0012.3456` and `525400123456`, in either case.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(value_type = String, example = "52:54:00:12:34:56"))]
pub struct MacAddr(pub [u8; 6]);

impl MacAddr {
    /// The form iPXE's `${mac:hexhyp}` gives, used in boot-plane paths.
    pub fn hexhyp(&self) -> String {
        self.to_string().replace(':', "-")
    }
    /// What the screen of an unknown computer shows, so that the one before it is told among many:
    /// the last three bytes, `123456`.
    pub fn code(&self) -> String {
        let [.., a, b, c] = self.0;
        format!("{a:02X}{b:02X}{c:02X}")
    }
    /// Whether this can be one computer's address: not all zeros, not multicast or broadcast.
    pub fn is_unicast(&self) -> bool {
        self.0 != [0; 6] && self.0[0] & 1 == 0
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text was not an Ethernet address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MacParseError;

impl fmt::Display for MacParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a MAC address; write it like 52:54:00:12:34:56")
    }
}
impl std::error::Error for MacParseError {}

impl FromStr for MacAddr {
    type Err = MacParseError;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let b = s.as_bytes();
        // Separators only where the three written forms have them, so that a typo is not guessed at.
        let digits: Vec<u8> = match b.len() {
            17 if b.iter().skip(2).step_by(3).all(|&c| c == b[2])
                && matches!(b[2], b':' | b'-') =>
            {
                b.iter()
                    .enumerate()
                    .filter(|(i, _)| i % 3 != 2)
                    .map(|(_, &c)| c)
                    .collect()
            }
            14 if b[4] == b'.' && b[9] == b'.' => b
                .iter()
                .enumerate()
                .filter(|(i, _)| i % 5 != 4)
                .map(|(_, &c)| c)
                .collect(),
            12 => b.to_vec(),
            _ => return Err(MacParseError),
        };
        let mut out = [0u8; 6];
        for (o, pair) in out.iter_mut().zip(digits.chunks(2)) {
            let hi = (pair[0] as char).to_digit(16).ok_or(MacParseError)?;
            let lo = (pair[1] as char).to_digit(16).ok_or(MacParseError)?;
            *o = (hi * 16 + lo) as u8;
        }
        Ok(MacAddr(out))
    }
}

impl Serialize for MacAddr {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() {
            s.collect_str(self)
        } else {
            self.0.serialize(s)
        }
    }
}

impl<'de> Deserialize<'de> for MacAddr {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        if d.is_human_readable() {
            String::deserialize(d)?.parse().map_err(de::Error::custom)
        } else {
            <[u8; 6]>::deserialize(d).map(MacAddr)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_written_form_parses_to_the_same_address() {
        let want = MacAddr([0x52, 0x54, 0, 0x12, 0x34, 0xab]);
        for s in [
            "52:54:00:12:34:ab",
            "52-54-00-12-34-AB",
            "5254.0012.34aB",
            "5254001234ab",
        ] {
            assert_eq!(s.parse(), Ok(want), "{s}");
        }
        assert_eq!(want.to_string(), "52:54:00:12:34:ab");
    }

    #[test]
    fn near_misses_are_refused() {
        for s in [
            "",
            "52:54:00:12:34",
            "52:54:00:12:34:zz",
            "52:54-00:12:34:ab",
            "5254001234abcd",
            "52 54 00 12 34 ab",
            "é254001234a",
        ] {
            assert!(s.parse::<MacAddr>().is_err(), "{s}");
        }
    }
}
