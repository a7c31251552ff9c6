//! Bad inputs: loaders.

use super::{Case, FORM, RAW};

pub const CASES: &[Case] = &[
    // Loader sets.
    ("POST", "/api/v1/loaders", RAW, "x", 400, "NSB-HTTP-400"),
    (
        "POST",
        "/api/v1/loaders?name=..",
        RAW,
        "x",
        422,
        "NSB-LOADER-001",
    ),
    (
        "POST",
        "/api/v1/loaders?name=none",
        RAW,
        "no archive",
        422,
        "NSB-LOADER-001",
    ),
    (
        "POST",
        "/api/v1/loaders?name=none",
        RAW,
        "",
        422,
        "NSB-LOADER-001",
    ),
    (
        "POST",
        "/api/v1/loaders?name=debian",
        RAW,
        "x",
        409,
        "NSB-LOADER-002",
    ),
    (
        "POST",
        "/api/v1/loaders?name=form",
        FORM,
        "a=b",
        415,
        "NSB-HTTP-415",
    ),
    (
        "GET",
        "/api/v1/loaders/none",
        &[],
        "",
        404,
        "NSB-LOADER-004",
    ),
    (
        "DELETE",
        "/api/v1/loaders/none",
        &[],
        "",
        404,
        "NSB-LOADER-004",
    ),
    (
        "DELETE",
        "/api/v1/loaders/debian",
        &[],
        "",
        409,
        "NSB-LOADER-002",
    ),
];
