//! Bad inputs: leases.

use super::Case;

pub const CASES: &[Case] = &[
    (
        "POST",
        "/api/v1/leases/10.20.0.8/actions/keep",
        &[],
        "",
        404,
        "NSB-LEASE-004",
    ),
    (
        "POST",
        "/api/v1/leases/10.20.0.8/actions/keep?x=1",
        &[],
        "",
        400,
        "NSB-HTTP-400",
    ),
    (
        "DELETE",
        "/api/v1/leases/10.20.0.8",
        &[],
        "",
        404,
        "NSB-LEASE-004",
    ),
];
