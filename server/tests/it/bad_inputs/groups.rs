//! Bad inputs: groups.

use super::{Case, JSON};

pub const CASES: &[Case] = &[
    (
        "POST",
        "/api/v1/groups",
        JSON,
        "{\"name\": \"a b\"}",
        422,
        "NSB-GROUP-001",
    ),
    (
        "POST",
        "/api/v1/groups",
        JSON,
        "{\"name\": \"g\", \"boot_entry\": \"none\"}",
        404,
        "NSB-ENTRY-004",
    ),
    (
        "POST",
        "/api/v1/groups",
        JSON,
        "{\"name\": \"g\", \"loader\": \"grub\"}",
        422,
        "NSB-GROUP-001",
    ),
    (
        "DELETE",
        "/api/v1/groups/none",
        &[],
        "",
        404,
        "NSB-GROUP-004",
    ),
];
