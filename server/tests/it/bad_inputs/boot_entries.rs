//! Bad inputs: boot entries.

use super::{Case, JSON};

pub const CASES: &[Case] = &[
    (
        "POST",
        "/api/v1/boot-entries",
        JSON,
        "{\"name\": \"x\"}",
        422,
        "NSB-HTTP-422",
    ),
    (
        "POST",
        "/api/v1/boot-entries",
        JSON,
        "{\"name\": \"x\", \"kind\": \"disk\"}",
        422,
        "NSB-HTTP-422",
    ),
    (
        "POST",
        "/api/v1/boot-entries",
        JSON,
        "{\"name\": \"x\", \"kind\": \"local\"}",
        422,
        "NSB-ENTRY-001",
    ),
    (
        "POST",
        "/api/v1/boot-entries",
        JSON,
        "{\"name\": \"x\", \"kind\": \"kernel\", \"kernel\": \"a\\nshell\"}",
        422,
        "NSB-ENTRY-001",
    ),
    (
        "POST",
        "/api/v1/boot-entries",
        JSON,
        "{\"name\": \"x\", \"kind\": \"script\"}",
        422,
        "NSB-ENTRY-001",
    ),
    (
        "POST",
        "/api/v1/boot-entries",
        JSON,
        "{\"name\": \"image\", \"kind\": \"script\", \"script\": \"shell\"}",
        409,
        "NSB-ENTRY-002",
    ),
    (
        "GET",
        "/api/v1/boot-entries/none",
        &[],
        "",
        404,
        "NSB-ENTRY-004",
    ),
    (
        "PATCH",
        "/api/v1/boot-entries/local",
        JSON,
        "{\"name\": \"x\"}",
        409,
        "NSB-ENTRY-002",
    ),
    (
        "DELETE",
        "/api/v1/boot-entries/image",
        &[],
        "",
        409,
        "NSB-ENTRY-002",
    ),
];
