//! Bad inputs: lab.

use super::{Case, JSON};

pub const CASES: &[Case] = &[
    (
        "POST",
        "/api/v1/lab/actions/boot",
        JSON,
        "{\"colour\":\"red\"}",
        422,
        "NSB-HTTP-422",
    ),
    (
        "POST",
        "/api/v1/lab/actions/boot",
        JSON,
        "{\"firmware\":\"openfirmware\"}",
        422,
        "NSB-HTTP-422",
    ),
];
