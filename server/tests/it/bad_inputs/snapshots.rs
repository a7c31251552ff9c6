//! Bad inputs: snapshots.

use super::{Case, JSON};

pub const CASES: &[Case] = &[
    (
        "POST",
        "/api/v1/snapshots",
        JSON,
        "{\"client\":\"a01\"}",
        409,
        "NSB-CLIENT-002",
    ),
    (
        "POST",
        "/api/v1/snapshots/none/actions/restore",
        &[],
        "",
        404,
        "NSB-SNAPSHOT-004",
    ),
];
