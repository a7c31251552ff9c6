//! Amounts of bytes as people write them.

/// Reads `20G`, `512MiB`, `1.5T` or a plain number of bytes. K, M, G and T are powers of 1024, as disks' tools
/// have it; whatever comes out is rounded down to whole bytes.
///
/// # Errors
/// What would be right, in words.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is no amount of bytes; write one like 20G, 512M or 1.5T");
    let text = text.trim();
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
    let unit = text[number.len()..].trim();
    let shift = match unit
        .to_ascii_uppercase()
        .trim_end_matches("IB")
        .trim_end_matches('B')
    {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return Err(wrong()),
    };
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(1 << shift).ok_or_else(wrong);
    }
    let plain = number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let part: f64 = number.parse().ok().filter(|_| plain).ok_or_else(wrong)?;
    let bytes = part * (1u64 << shift) as f64;
    match bytes < 2f64.powi(63) {
        true => Ok(bytes as u64),
        false => Err(wrong()),
    }
}

/// The same amount in the largest unit that it is a whole number of: `20G`, and never rounded.
pub fn print_bytes(bytes: u64) -> String {
    const UNITS: [(u32, &str); 4] = [(40, "T"), (30, "G"), (20, "M"), (10, "K")];
    let whole = |(shift, _): &&(u32, &str)| bytes > 0 && bytes.trailing_zeros() >= *shift;
    match UNITS.iter().find(whole) {
        Some((shift, unit)) => format!("{}{unit}", bytes >> shift),
        None => bytes.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::{parse_bytes, print_bytes};

    #[test]
    fn what_is_printed_is_read_back() {
        for bytes in [
            0,
            1,
            1023,
            4096,
            20 << 30,
            3 << 39,
            (20 << 30) + 512,
            u64::MAX,
        ] {
            assert_eq!(parse_bytes(&print_bytes(bytes)), Ok(bytes));
        }
        assert_eq!(print_bytes(20 << 30), "20G");
        assert_eq!(print_bytes(3 << 39), "1536G");
    }

    #[test]
    fn amounts_are_read_as_people_write_them() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("20G", 20 << 30),
            ("20 GiB", 20 << 30),
            ("512mb", 512 << 20),
            ("1.5T", 3 << 39),
            ("7k", 7168),
            ("12B", 12),
        ] {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        for text in [
            "",
            "G",
            "-1",
            "20X",
            "1e3",
            "inf",
            "NaN",
            "99999999999T",
            "1.2.3G",
            "0x10",
        ] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }
}
