//! Bad inputs: auth.

use super::{Case, JSON};

pub const CASES: &[Case] = &[
    // Sign-in, and requests in others' names.
    (
        "POST",
        "/api/v1/auth/login",
        JSON,
        "{\"username\":\"admin\"}",
        422,
        "NSB-HTTP-422",
    ),
    (
        "POST",
        "/api/v1/auth/login",
        JSON,
        "{\"username\":\"admin\",\"password\":\"x\",\"role\":\"admin\"}",
        422,
        "NSB-HTTP-422",
    ),
    (
        "POST",
        "/api/v1/auth/refresh",
        JSON,
        "{\"refresh_token\":\"a.b.c\"}",
        401,
        "NSB-AUTH-010",
    ),
    (
        "POST",
        "/api/v1/auth/setup",
        JSON,
        "{\"code\":\"A\",\"username\":\"b\",\"password\":\"long enough 1\"}",
        409,
        "NSB-USER-002",
    ),
];
