//! DHCP options that administrators set: which they may, how they become bytes, and which one counts.

use crate::{Area, Error, Result};
use std::{collections::BTreeMap, net::Ipv4Addr};
use types::{DhcpOption, OptionKind};

/// Options of one layer; a reply holds those of several and has to fit into one Ethernet frame.
const MAX_OPTIONS: usize = 32;
/// Bytes of all values of one layer, for the same reason.
const MAX_BYTES: usize = 400;

/// An option as it is sent: its number and its value.
pub type OptionBytes = (u8, Vec<u8>);

/// Who sets options. Router, name servers and domain are fields of a scope, and options of one computer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Layer {
    /// A scope: for all of its computers.
    Scope,
    /// One computer, or some.
    Computer,
}

/// Why an option is ours to send, if it is.
fn ours(code: u8, layer: Layer) -> Option<&'static str> {
    match code {
        0 | 255 => Some("it is padding, no option"),
        1 | 28 => Some("it comes from the subnet"),
        3 if layer == Layer::Scope => Some("it is the scope's router"),
        6 if layer == Layer::Scope => Some("they are the scope's name servers"),
        15 if layer == Layer::Scope => Some("it is the scope's domain"),
        12 => Some("it is the host name of the reservation, or the computer's name"),
        51 | 58 | 59 => Some("it comes from the scope's lease time"),
        43 | 60 | 66 | 67 | 93 | 94 | 97 | 175 => {
            Some("boot information is made for each firmware by the server")
        }
        50 | 52..=57 | 61 | 77 | 82 => Some("the protocol itself says what is in it"),
        _ => None,
    }
}

/// The options of one layer as bytes, in the order of their numbers.
///
/// # Errors
/// [`Error::Invalid`] for one that is ours, given twice, or has a value that can't be; for too many.
pub fn encode(area: Area, options: &[DhcpOption], layer: Layer) -> Result<Vec<OptionBytes>> {
    let invalid = |message: String| Error::invalid(area, "options", message);
    let mut encoded = BTreeMap::new();
    for option in options {
        let code = option.code;
        if let Some(why) = ours(code, layer) {
            return Err(invalid(format!("option {code} can't be set here: {why}")));
        }
        let value = bytes(option).map_err(|why| invalid(format!("option {code}: {why}")))?;
        if encoded.insert(code, value).is_some() {
            return Err(invalid(format!("option {code} is there twice; keep one")));
        }
    }
    let size: usize = encoded.values().map(Vec::len).sum();
    if encoded.len() > MAX_OPTIONS || size > MAX_BYTES {
        return Err(invalid(format!(
            "at most {MAX_OPTIONS} options with {MAX_BYTES} bytes in all fit into an answer"
        )));
    }
    Ok(encoded.into_iter().collect())
}

fn bytes(option: &DhcpOption) -> Result<Vec<u8>, String> {
    let text = option.value.trim();
    let number = |most: u32| -> Result<u32, String> {
        let number = text.parse().ok().filter(|n| *n <= most);
        number.ok_or_else(|| format!("write a number from 0 to {most}"))
    };
    match option.kind {
        OptionKind::Text if text.is_empty() => Err("write some text".into()),
        OptionKind::Text if text.chars().any(char::is_control) => {
            Err("control characters are no text; use hex".into())
        }
        OptionKind::Text => Ok(text.as_bytes().to_vec()),
        OptionKind::Addresses => {
            let addresses = text.split(',').map(|a| a.trim().parse::<Ipv4Addr>());
            let addresses: Result<Vec<_>, _> = addresses.collect();
            let addresses = addresses.map_err(|_| "write addresses like 10.0.0.1,10.0.0.2")?;
            Ok(addresses.iter().flat_map(Ipv4Addr::octets).collect())
        }
        OptionKind::U8 => number(u8::MAX.into()).map(|n| vec![n as u8]),
        OptionKind::U16 => number(u16::MAX.into()).map(|n| (n as u16).to_be_bytes().to_vec()),
        OptionKind::U32 => number(u32::MAX).map(|n| n.to_be_bytes().to_vec()),
        OptionKind::Hex => hex(text).ok_or_else(|| "write bytes like 0a0b0c".into()),
    }
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .filter(|c| *c != ':')
        .map(|c| c.to_digit(16).map(|d| d as u8))
        .collect();
    let digits = digits?;
    let whole = !digits.is_empty() && digits.len().is_multiple_of(2);
    whole.then(|| digits.chunks(2).map(|d| d[0] << 4 | d[1]).collect())
}

/// Of several layers the value that counts of each option: that of the first layer that has it. The
/// strongest layer comes first: the computer's own, its group's, its scope's.
pub fn merge(layers: &[&[OptionBytes]]) -> Vec<OptionBytes> {
    let mut merged = BTreeMap::new();
    for (code, value) in layers.iter().copied().flatten() {
        merged.entry(*code).or_insert_with(|| value.clone());
    }
    merged.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn option(text: &str) -> DhcpOption {
        text.parse().expect("an option")
    }

    fn one(text: &str) -> Result<Vec<OptionBytes>> {
        encode(Area::Scope, &[option(text)], Layer::Scope)
    }

    #[test]
    fn each_kind_becomes_its_bytes() {
        for (text, want) in [
            (
                "42:addresses:10.0.0.1, 10.0.0.2",
                &[10, 0, 0, 1, 10, 0, 0, 2][..],
            ),
            ("252:text:http://x/", b"http://x/"),
            ("23:u8:64", &[64]),
            ("26:u16:1500", &[5, 220]),
            ("2:u32:3600", &[0, 0, 14, 16]),
            ("224:hex:0aFF", &[10, 255]),
            ("224:hex:0a:ff", &[10, 255]),
        ] {
            let encoded = one(text).expect(text);
            assert_eq!(encoded[0].1, want, "{text}");
        }
        for bad in [
            "42:addresses:10.0.0",
            "42:addresses:",
            "252:text:",
            "252:text:a\u{7}b",
            "23:u8:256",
            "23:u8:-1",
            "26:u16:65536",
            "2:u32:4294967296",
            "224:hex:0",
            "224:hex:zz",
            "224:hex:",
        ] {
            assert!(one(bad).is_err(), "{bad}");
        }
        let long = format!("252:text:{}", "x".repeat(MAX_BYTES + 1));
        assert!(one(&long).is_err());
        let twice = [option("23:u8:1"), option("23:u8:2")];
        let twice = encode(Area::Scope, &twice, Layer::Scope).expect_err("twice");
        assert!(twice.to_string().contains("option 23 is there twice"));
    }

    #[test]
    fn what_the_server_says_itself_is_refused_with_the_reason() {
        let both = [
            0, 1, 12, 28, 43, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 66, 67, 77, 82, 93,
            94, 97, 175, 255,
        ];
        for code in 0..=255 {
            let of = |layer| {
                let option = option(&format!("{code}:hex:0a000001"));
                encode(Area::Scope, &[option], layer)
            };
            let is_ours = both.contains(&code);
            assert_eq!(of(Layer::Computer).is_err(), is_ours, "{code}");
            let is_field = [3, 6, 15].contains(&code);
            assert_eq!(of(Layer::Scope).is_err(), is_ours || is_field, "{code}");
        }
        let said = one("67:text:evil.efi").expect_err("ours").to_string();
        assert!(
            said.contains("option 67 can't be set here: boot information"),
            "{said}"
        );
    }

    #[test]
    fn the_first_layer_that_has_an_option_counts() {
        let layer = |options: &[(u8, &str)]| -> Vec<OptionBytes> {
            let bytes = |(code, value): &(u8, &str)| (*code, value.as_bytes().to_vec());
            options.iter().map(bytes).collect()
        };
        let (client, group, scope) = (
            layer(&[(6, "client")]),
            layer(&[(6, "group"), (42, "group")]),
            layer(&[(2, "scope"), (42, "scope")]),
        );
        let merged = merge(&[&client, &group, &scope]);
        assert_eq!(merged, layer(&[(2, "scope"), (6, "client"), (42, "group")]));
        assert!(merge(&[]).is_empty());
    }
}
