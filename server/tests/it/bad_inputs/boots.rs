//! Bad inputs: boots.

use super::Case;

pub const CASES: &[Case] = &[(
    "GET",
    "/api/v1/boots/nonsense",
    &[],
    "",
    404,
    "NSB-BOOT-004",
)];
