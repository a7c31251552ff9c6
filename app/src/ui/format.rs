//! Numbers as people read them. Pure, the same on server and browser.

use types::Timestamp;

/// `1.2 GiB`; exact below 1 KiB.
pub fn bytes(n: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if n < 1024 {
        return format!("{n} B");
    }
    let mut value = n as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if value < 10.0 {
        format!("{value:.1} {}", UNITS[unit])
    } else {
        format!("{value:.0} {}", UNITS[unit])
    }
}

/// `0.3 s`, `18.4 s`, `2 min 5 s`.
pub fn seconds(s: f64) -> String {
    let s = s.max(0.0);
    if s < 100.0 {
        format!("{s:.1} s")
    } else {
        format!("{} min {} s", s as u64 / 60, s as u64 % 60)
    }
}

/// `12 s`, `3 min`, `2 h`, `5 d`: how long ago, without the word.
pub fn age(from: Timestamp, now: Timestamp) -> String {
    let s = from.seconds_to(now).max(0.0) as u64;
    match s {
        0..=59 => format!("{s} s"),
        60..=3599 => format!("{} min", s / 60),
        3600..=86_399 => format!("{} h", s / 3600),
        _ => format!("{} d", s / 86_400),
    }
}

/// `2026-11-21 18:40:02` in UTC.
pub fn clock(t: Timestamp) -> String {
    let text = t.to_string();
    text.get(..19).unwrap_or(&text).replace('T', " ")
}

/// `2026-11-21` in UTC.
pub fn day(t: Timestamp) -> String {
    let text = t.to_string();
    text.get(..10).unwrap_or(&text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(12 << 30), "12 GiB");
        assert_eq!(bytes(u64::MAX), "16384 PiB");
        assert_eq!(seconds(-1.0), "0.0 s");
        assert_eq!(seconds(18.44), "18.4 s");
        assert_eq!(seconds(125.0), "2 min 5 s");
        let t = Timestamp(0);
        assert_eq!(age(t, t.plus_seconds(-5)), "0 s");
        assert_eq!(age(t, t.plus_seconds(59)), "59 s");
        assert_eq!(age(t, t.plus_seconds(7200)), "2 h");
        assert_eq!(clock(t), "1970-01-01 00:00:00");
        assert_eq!(day(t), "1970-01-01");
    }
}
