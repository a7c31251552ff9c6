//! Bad inputs: overlays.

use super::Case;

pub const CASES: &[Case] = &[
    (
        "DELETE",
        "/api/v1/overlays/none",
        &[],
        "",
        404,
        "NSB-DISK-004",
    ),
    (
        "DELETE",
        "/api/v1/overlays/01934c5e-7b00-7000-8000-0000000000ff",
        &[],
        "",
        404,
        "NSB-DISK-004",
    ),
];
