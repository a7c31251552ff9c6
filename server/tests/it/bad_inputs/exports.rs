//! Bad inputs: exports.

use super::Case;

pub const CASES: &[Case] = &[
    // What is offered, and what computers wrote.
    (
        "DELETE",
        "/api/v1/exports/none/sessions/1",
        &[],
        "",
        404,
        "NSB-EXPORT-004",
    ),
    (
        "DELETE",
        "/api/v1/exports/none/sessions/x",
        &[],
        "",
        400,
        "NSB-HTTP-400",
    ),
];
