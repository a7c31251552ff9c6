//! Bad inputs: no address of the API.

use super::Case;

pub const CASES: &[Case] = &[
    ("GET", "/api/v1/nothing", &[], "", 404, "NSB-HTTP-404"),
    ("GET", "/api/v2/clients", &[], "", 404, "NSB-HTTP-404"),
];
