//! Bad inputs: firmware.

use super::{Case, JSON};

pub const CASES: &[Case] = &[
    (
        "POST",
        "/api/v1/firmware",
        JSON,
        "{\"client\": \"none\"}",
        404,
        "NSB-CLIENT-004",
    ),
    (
        "PATCH",
        "/api/v1/firmware/none",
        JSON,
        "{\"form\": \"plain\"}",
        404,
        "NSB-FIRMWARE-004",
    ),
    (
        "DELETE",
        "/api/v1/firmware/none",
        &[],
        "",
        404,
        "NSB-FIRMWARE-004",
    ),
];
