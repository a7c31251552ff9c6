//! Kinds of firmware.

use super::{Row, fields, or_dash};
use types::FirmwareView;

impl Row for FirmwareView {
    const HEAD: &'static [&'static str] =
        &["FIRMWARE", "BOOTS", "WORKED", "FAILED", "ID", "PINNED"];

    fn cells(&self) -> Vec<String> {
        vec![
            name(self),
            self.quirks.to_string(),
            self.worked.to_string(),
            self.failed.to_string(),
            self.id.to_string(),
            if self.pinned { "yes" } else { "no" }.into(),
        ]
    }
}

/// The computer, or the beginning of the Ethernet addresses and the vendor class.
fn name(f: &FirmwareView) -> String {
    match (&f.client_name, f.client_id) {
        (Some(client), _) => client.clone(),
        (None, Some(id)) => id.to_string(),
        (None, None) => format!("{} {}", f.oui, f.vendor_class),
    }
}

/// One kind.
pub fn firmware(f: &FirmwareView) -> String {
    fields(&[
        ("firmware", name(f)),
        ("id", f.id.to_string()),
        ("boots", f.quirks.to_string()),
        ("pinned", if f.pinned { "yes" } else { "no" }.into()),
        ("worked", f.worked.to_string()),
        ("last worked", or_dash(f.last_worked_at)),
        ("failed", f.failed.to_string()),
        ("last failed", or_dash(f.last_failed_at)),
        ("revision", f.revision.to_string()),
    ])
}
