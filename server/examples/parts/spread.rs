//! How measured times are told.

use serde_json::{Value, json};

/// Median, 95th and 99th of a hundred, and the worst; sorts the values.
pub fn spread(values: &mut [f64]) -> Value {
    values.sort_by(f64::total_cmp);
    let at = |part: f64| {
        let last = values.len().saturating_sub(1);
        let value = values.get((last as f64 * part).round() as usize);
        (value.copied().unwrap_or(f64::NAN) * 100.0).round() / 100.0
    };
    json!({"p50": at(0.5), "p95": at(0.95), "p99": at(0.99), "worst": at(1.0)})
}
