//! When the file system will be full, from looks at it an hour apart. Pure: no clock and no file.

use store::StorageSampleRecord;
use types::Forecast;

/// Looks that a forecast needs at least.
const FEWEST: usize = 12;
/// The time between the first and the last of them, hours.
const SHORTEST: u64 = 24;
/// Later than this is as good as never, days.
const FAR: f64 = 730.0;

/// Goes on as the median of many slopes (Theil and Sen, each look against the one half of them later): one
/// large image that came or went in an hour does not bend it. `free_bytes` is what is free now; the looks
/// are in the order of time.
pub fn forecast(looks: &[StorageSampleRecord], free_bytes: u64) -> Forecast {
    let span = match (looks.first(), looks.last()) {
        (Some(first), Some(last)) => last.hour.saturating_sub(first.hour),
        _ => 0,
    };
    if looks.len() < FEWEST || span < SHORTEST {
        return Forecast::Unknown;
    }
    let later = &looks[looks.len() / 2..];
    let mut slopes: Vec<f64> = looks.iter().zip(later).filter_map(slope).collect();
    slopes.sort_by(f64::total_cmp);
    let daily = slopes
        .get(slopes.len() / 2)
        .map_or(0.0, |hourly| hourly * 24.0);
    if daily < 1.0 {
        return Forecast::Steady;
    }
    let days = free_bytes as f64 / daily;
    match days > FAR {
        true => Forecast::Steady,
        false => Forecast::Full {
            days: days as u32,
            daily_bytes: daily as u64,
        },
    }
}

/// What is used, bytes; a file system that was made larger is not one that was emptied.
fn used(look: &StorageSampleRecord) -> f64 {
    look.total_bytes.saturating_sub(look.free_bytes) as f64
}

/// Bytes an hour.
fn slope((a, b): (&StorageSampleRecord, &StorageSampleRecord)) -> Option<f64> {
    let hours = b.hour.checked_sub(a.hour).filter(|hours| *hours > 0)?;
    Some((used(b) - used(a)) / hours as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    /// A look each hour; `used` says what is used in that hour.
    fn looks(hours: u64, used: impl Fn(u64) -> u64) -> Vec<StorageSampleRecord> {
        let look = |hour| StorageSampleRecord {
            hour: 490_000 + hour,
            total_bytes: 1000 * GIB,
            free_bytes: 1000 * GIB - used(hour),
        };
        (0..hours).map(look).collect()
    }

    #[test]
    fn a_steady_growth_says_when() {
        let looks = looks(240, |h| 100 * GIB + h * GIB);
        let said = forecast(&looks, 480 * GIB);
        let daily_bytes = 24 * GIB;
        assert_eq!(
            said,
            Forecast::Full {
                days: 20,
                daily_bytes
            }
        );
        let full = Forecast::Full {
            days: 0,
            daily_bytes,
        };
        assert_eq!(forecast(&looks, 0), full);
    }

    #[test]
    fn little_is_not_enough_to_say_anything() {
        assert_eq!(forecast(&[], 1), Forecast::Unknown);
        assert_eq!(
            forecast(&looks(24, |h| h), 1),
            Forecast::Unknown,
            "23 hours"
        );
        let far_apart: Vec<_> = looks(200, |h| h).into_iter().step_by(20).collect();
        assert_eq!(forecast(&far_apart, 1), Forecast::Unknown, "10 looks");
        assert_ne!(forecast(&looks(25, |h| h), 1), Forecast::Unknown);
    }

    #[test]
    fn what_stays_or_shrinks_does_not_fill_up() {
        for used in [|_| 7 * GIB, |h| (500 - h) * GIB] {
            assert_eq!(forecast(&looks(300, used), GIB), Forecast::Steady);
        }
        // 1 MiB a day in 1 TiB.
        let slow = looks(300, |h| h * (1 << 20) / 24);
        assert_eq!(forecast(&slow, 1 << 40), Forecast::Steady);
    }

    #[test]
    fn one_large_import_is_no_trend() {
        let step = looks(480, |h| if h < 400 { 10 * GIB } else { 60 * GIB });
        assert_eq!(forecast(&step, GIB), Forecast::Steady);
        let grown = looks(480, |h| h * GIB + if h > 450 { 300 * GIB } else { 0 });
        let Forecast::Full { days, .. } = forecast(&grown, 240 * GIB) else {
            panic!("it grows")
        };
        assert!((8..=11).contains(&days), "{days}");
    }

    #[test]
    fn hours_without_a_look_and_a_larger_file_system_change_nothing() {
        let mut looks = looks(240, |h| 100 * GIB + h * GIB);
        looks.retain(|l| l.hour % 24 < 9);
        for look in looks.iter_mut().skip(60) {
            look.total_bytes += 500 * GIB;
            look.free_bytes += 500 * GIB;
        }
        let days = 20;
        let daily_bytes = 24 * GIB;
        assert_eq!(
            forecast(&looks, 480 * GIB),
            Forecast::Full { days, daily_bytes }
        );
    }

    #[test]
    fn a_clock_that_was_wrong_breaks_nothing() {
        let mut looks = looks(60, |h| h * GIB);
        looks[59].hour = 0;
        assert_eq!(forecast(&looks, GIB), Forecast::Unknown);
        let same = vec![looks[5]; 40];
        assert_eq!(forecast(&same, GIB), Forecast::Unknown);
    }
}
