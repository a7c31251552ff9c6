//! Bad inputs: uploads.

use super::{Case, JSON, RAW};

pub const CASES: &[Case] = &[
    (
        "POST",
        "/api/v1/uploads",
        JSON,
        "{\"name\": \"x\", \"size_bytes\": 0}",
        422,
        "NSB-IMAGE-001",
    ),
    (
        "POST",
        "/api/v1/uploads",
        JSON,
        "{\"name\": \"x\", \"size_bytes\": 18446744073709551615}",
        422,
        "NSB-IMAGE-001",
    ),
    (
        "POST",
        "/api/v1/uploads",
        JSON,
        "{\"name\": \"disk\", \"size_bytes\": 512}",
        409,
        "NSB-IMAGE-002",
    ),
    (
        "PATCH",
        "/api/v1/uploads/none",
        RAW,
        "x",
        400,
        "NSB-HTTP-400",
    ),
    (
        "PATCH",
        "/api/v1/uploads/none",
        &[
            ("content-type", "application/octet-stream"),
            ("upload-offset", "0"),
        ],
        "x",
        404,
        "NSB-UPLOAD-004",
    ),
    (
        "GET",
        "/api/v1/uploads/none",
        &[],
        "",
        404,
        "NSB-UPLOAD-004",
    ),
];
