//! Bad inputs of many kinds: each is refused with its code, and nothing has changed.

use crate::{
    api::{add, upload},
    server::{Answer, Server, Session, nsboot},
};
use serde_json::Value;

/// method, path, headers, body, status, code
type Case = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static str,
    u16,
    &'static str,
);

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];
const STALE: &[(&str, &str)] = &[
    ("content-type", "application/json"),
    ("if-match", "\"999\""),
];
const ODD_TAG: &[(&str, &str)] = &[("content-type", "application/json"), ("if-match", "yes")];
const WEAK_TAG: &[(&str, &str)] = &[
    ("content-type", "application/json"),
    ("if-match", "W/\"1\""),
];
const FORM: &[(&str, &str)] = &[("content-type", "application/x-www-form-urlencoded")];
/// The smallest disk.
const SECTOR: &str = match std::str::from_utf8(&[b'x'; 512]) {
    Ok(text) => text,
    Err(_) => "",
};
const RAW: &[(&str, &str)] = &[("content-type", "application/octet-stream")];
const FOREIGN: &[(&str, &str)] = &[
    ("content-type", "application/json"),
    ("origin", "http://evil.example"),
];
const CROSS: &[(&str, &str)] = &[
    ("content-type", "application/json"),
    ("sec-fetch-site", "cross-site"),
];
const C: &str = "/api/v1/clients";
const S: &str = "/api/v1/scopes";
const R: &str = "/api/v1/reservations";

const REST: &[Case] = &[
    // Not what was asked for at all.
    ("POST", C, JSON, "", 400, "NSB-HTTP-400"),
    ("POST", C, JSON, "{", 400, "NSB-HTTP-400"),
    ("POST", C, JSON, "nonsense", 400, "NSB-HTTP-400"),
    (
        "POST",
        C,
        JSON,
        "{\"name\":\"b\",\"mac\":\"52:54:00:00:00:09\"} more",
        400,
        "NSB-HTTP-400",
    ),
    ("POST", C, FORM, "name=b", 415, "NSB-HTTP-415"),
    ("POST", C, &[], "{}", 415, "NSB-HTTP-415"),
    ("POST", C, JSON, "[]", 422, "NSB-HTTP-422"),
    ("POST", C, JSON, "null", 422, "NSB-HTTP-422"),
    ("POST", C, JSON, "{}", 422, "NSB-HTTP-422"),
    // Fields.
    ("POST", C, JSON, "{\"name\":\"b\"}", 422, "NSB-HTTP-422"),
    (
        "POST",
        C,
        JSON,
        "{\"name\":\"b\",\"mac\":\"52:54:00:00:00\"}",
        422,
        "NSB-HTTP-422",
    ),
    (
        "POST",
        C,
        JSON,
        "{\"name\":\"b\",\"mac\":\"zz:54:00:00:00:01\"}",
        422,
        "NSB-HTTP-422",
    ),
    (
        "POST",
        C,
        JSON,
        "{\"name\":\"b\",\"mac\":17}",
        422,
        "NSB-HTTP-422",
    ),
    (
        "POST",
        C,
        JSON,
        "{\"name\":7,\"mac\":\"52:54:00:00:00:09\"}",
        422,
        "NSB-HTTP-422",
    ),
    (
        "POST",
        C,
        JSON,
        "{\"name\":\"b\",\"mac\":\"52:54:00:00:00:09\",\"mode\":\"maybe\"}",
        422,
        "NSB-HTTP-422",
    ),
    (
        "POST",
        C,
        JSON,
        "{\"name\":\"b\",\"mac\":\"52:54:00:00:00:09\",\"extra\":1}",
        422,
        "NSB-HTTP-422",
    ),
    (
        "POST",
        C,
        JSON,
        "{\"name\":\"\",\"mac\":\"52:54:00:00:00:09\"}",
        422,
        "NSB-CLIENT-001",
    ),
    (
        "POST",
        C,
        JSON,
        "{\"name\":\"a b\",\"mac\":\"52:54:00:00:00:09\"}",
        422,
        "NSB-CLIENT-001",
    ),
    (
        "POST",
        C,
        JSON,
        "{\"name\":\"<script>\",\"mac\":\"52:54:00:00:00:09\"}",
        422,
        "NSB-CLIENT-001",
    ),
    (
        "POST",
        C,
        JSON,
        "{\"name\":\"../../etc\",\"mac\":\"52:54:00:00:00:09\"}",
        422,
        "NSB-CLIENT-001",
    ),
    (
        "POST",
        C,
        JSON,
        "{\"name\":\"\\u0000\",\"mac\":\"52:54:00:00:00:09\"}",
        422,
        "NSB-CLIENT-001",
    ),
    (
        "POST",
        C,
        JSON,
        "{\"name\":\"b\",\"mac\":\"ff:ff:ff:ff:ff:ff\"}",
        422,
        "NSB-CLIENT-001",
    ),
    (
        "POST",
        C,
        JSON,
        "{\"name\":\"b\",\"mac\":\"00:00:00:00:00:00\"}",
        422,
        "NSB-CLIENT-001",
    ),
    (
        "POST",
        C,
        JSON,
        "{\"name\":\"b\",\"mac\":\"01:00:5e:00:00:01\"}",
        422,
        "NSB-CLIENT-001",
    ),
    // What contradicts what is there, or is not there.
    (
        "POST",
        C,
        JSON,
        "{\"name\":\"b\",\"mac\":\"52:54:00:00:00:01\"}",
        409,
        "NSB-CLIENT-002",
    ),
    (
        "POST",
        C,
        JSON,
        "{\"name\":\"a01\",\"mac\":\"52:54:00:00:00:09\"}",
        409,
        "NSB-CLIENT-002",
    ),
    (
        "POST",
        C,
        JSON,
        "{\"name\":\"A01\",\"mac\":\"52:54:00:00:00:09\"}",
        409,
        "NSB-CLIENT-002",
    ),
    (
        "POST",
        C,
        JSON,
        "{\"name\":\"b\",\"mac\":\"52:54:00:00:00:09\",\"image\":\"none\"}",
        404,
        "NSB-IMAGE-004",
    ),
    (
        "GET",
        "/api/v1/clients/none",
        &[],
        "",
        404,
        "NSB-CLIENT-004",
    ),
    (
        "GET",
        "/api/v1/clients/00000000-0000-0000-0000-000000000000",
        &[],
        "",
        404,
        "NSB-CLIENT-004",
    ),
    (
        "PATCH",
        "/api/v1/clients/none",
        JSON,
        "{}",
        404,
        "NSB-CLIENT-004",
    ),
    (
        "DELETE",
        "/api/v1/clients/none",
        &[],
        "",
        404,
        "NSB-CLIENT-004",
    ),
    (
        "PATCH",
        "/api/v1/clients/a01",
        STALE,
        "{\"name\":\"z\"}",
        412,
        "NSB-CLIENT-003",
    ),
    (
        "PATCH",
        "/api/v1/clients/a01",
        ODD_TAG,
        "{\"name\":\"z\"}",
        400,
        "NSB-HTTP-400",
    ),
    (
        "PATCH",
        "/api/v1/clients/a01",
        WEAK_TAG,
        "{\"name\":\"z\"}",
        400,
        "NSB-HTTP-400",
    ),
    (
        "DELETE",
        "/api/v1/clients/a01",
        STALE,
        "",
        412,
        "NSB-CLIENT-003",
    ),
    (
        "PATCH",
        "/api/v1/clients/a01",
        JSON,
        "{\"name\":\"a02\"}",
        409,
        "NSB-CLIENT-002",
    ),
    (
        "PATCH",
        "/api/v1/clients/a01",
        JSON,
        "{\"mac\":\"52:54:00:00:00:09\"}",
        422,
        "NSB-HTTP-422",
    ),
    (
        "PATCH",
        "/api/v1/clients/a01",
        JSON,
        "{\"adopt\":false}",
        422,
        "NSB-CLIENT-001",
    ),
    (
        "PATCH",
        "/api/v1/clients/a01",
        JSON,
        "{\"image\":\"none\"}",
        404,
        "NSB-IMAGE-004",
    ),
    // Addresses of the request.
    (
        "PUT",
        "/api/v1/clients/a01",
        JSON,
        "{}",
        405,
        "NSB-HTTP-405",
    ),
    ("DELETE", C, &[], "", 405, "NSB-HTTP-405"),
    ("GET", "/api/v1/nothing", &[], "", 404, "NSB-HTTP-404"),
    ("GET", "/api/v2/clients", &[], "", 404, "NSB-HTTP-404"),
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
    (
        "DELETE",
        "/api/v1/groups/none",
        &[],
        "",
        404,
        "NSB-GROUP-004",
    ),
    (
        "PATCH",
        "/api/v1/clients/a01",
        JSON,
        "{\"group\": \"none\"}",
        404,
        "NSB-GROUP-004",
    ),
    (
        "PATCH",
        "/api/v1/clients/a01",
        JSON,
        "{\"one_shot\": \"none\"}",
        404,
        "NSB-ENTRY-004",
    ),
    (
        "PATCH",
        "/api/v1/clients/a01",
        JSON,
        "{\"retire\": true, \"adopt\": true}",
        422,
        "NSB-CLIENT-001",
    ),
    (
        "GET",
        "/api/v1/clients/none/boot-choice",
        &[],
        "",
        404,
        "NSB-CLIENT-004",
    ),
    ("GET", "/api/v1/clients/%ff", &[], "", 400, "NSB-HTTP-400"),
    (
        "GET",
        "/api/v1/clients?limit=0",
        &[],
        "",
        400,
        "NSB-HTTP-400",
    ),
    (
        "GET",
        "/api/v1/clients?limit=501",
        &[],
        "",
        400,
        "NSB-HTTP-400",
    ),
    (
        "GET",
        "/api/v1/clients?limit=-1",
        &[],
        "",
        400,
        "NSB-HTTP-400",
    ),
    (
        "GET",
        "/api/v1/clients?limit=many",
        &[],
        "",
        400,
        "NSB-HTTP-400",
    ),
    (
        "GET",
        "/api/v1/clients?cursor=xyz",
        &[],
        "",
        400,
        "NSB-HTTP-400",
    ),
    (
        "GET",
        "/api/v1/clients?colour=red",
        &[],
        "",
        400,
        "NSB-HTTP-400",
    ),
    (
        "GET",
        "/api/v1/boots/nonsense",
        &[],
        "",
        404,
        "NSB-BOOT-004",
    ),
    // Images.
    ("POST", "/api/v1/images", RAW, "x", 400, "NSB-HTTP-400"),
    (
        "POST",
        "/api/v1/images?name=",
        RAW,
        "x",
        422,
        "NSB-IMAGE-001",
    ),
    (
        "POST",
        "/api/v1/images?name=a%2Fb",
        RAW,
        "x",
        422,
        "NSB-IMAGE-001",
    ),
    (
        "POST",
        "/api/v1/images?name=..",
        RAW,
        "x",
        422,
        "NSB-IMAGE-001",
    ),
    (
        "POST",
        "/api/v1/images?name=disk",
        RAW,
        SECTOR,
        409,
        "NSB-IMAGE-002",
    ),
    (
        "POST",
        "/api/v1/images?name=empty",
        RAW,
        "",
        422,
        "NSB-IMAGE-001",
    ),
    (
        "POST",
        "/api/v1/images?name=form",
        FORM,
        "a=b",
        415,
        "NSB-HTTP-415",
    ),
    (
        "POST",
        "/api/v1/images?name=json",
        JSON,
        "{}",
        415,
        "NSB-HTTP-415",
    ),
    (
        "POST",
        "/api/v1/images?name=sum&sha256=12",
        RAW,
        "x",
        422,
        "NSB-IMAGE-001",
    ),
    (
        "POST",
        "/api/v1/images?name=sum&colour=red",
        RAW,
        "x",
        400,
        "NSB-HTTP-400",
    ),
    ("GET", "/api/v1/images/none", &[], "", 404, "NSB-IMAGE-004"),
    (
        "GET",
        "/api/v1/images/disk/content?format=vmdk",
        &[],
        "",
        400,
        "NSB-HTTP-400",
    ),
    (
        "GET",
        "/api/v1/images/disk/content?version=99",
        &[],
        "",
        404,
        "NSB-VERSION-004",
    ),
    (
        "POST",
        "/api/v1/images/actions/import",
        JSON,
        "{\"name\": \"x\"}",
        422,
        "NSB-IMAGE-001",
    ),
    (
        "POST",
        "/api/v1/images/actions/import",
        JSON,
        "{\"name\": \"x\", \"url\": \"file:///etc/passwd\"}",
        422,
        "NSB-IMAGE-001",
    ),
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
    (
        "DELETE",
        "/api/v1/images/none",
        &[],
        "",
        404,
        "NSB-IMAGE-004",
    ),
    (
        "DELETE",
        "/api/v1/images/disk",
        STALE,
        "",
        412,
        "NSB-IMAGE-003",
    ),
    (
        "PUT",
        "/api/v1/images/disk/channels/beta",
        JSON,
        "{\"version\":1}",
        400,
        "NSB-HTTP-400",
    ),
    (
        "PUT",
        "/api/v1/images/disk/channels/test",
        JSON,
        "{\"version\":7}",
        404,
        "NSB-VERSION-004",
    ),
    (
        "PUT",
        "/api/v1/images/disk/channels/test",
        STALE,
        "{\"version\":1}",
        412,
        "NSB-IMAGE-003",
    ),
    (
        "PATCH",
        "/api/v1/images/disk/versions/1",
        JSON,
        "{\"comment\":\"two\\nlines\"}",
        422,
        "NSB-IMAGE-001",
    ),
    (
        "PATCH",
        "/api/v1/images/disk",
        JSON,
        "{\"name\":\"../etc\"}",
        422,
        "NSB-IMAGE-001",
    ),
    (
        "PATCH",
        "/api/v1/images/disk",
        STALE,
        "{\"name\":\"other\"}",
        412,
        "NSB-IMAGE-003",
    ),
    (
        "POST",
        "/api/v1/images/disk/versions/1/actions/clone",
        JSON,
        "{\"name\":\"disk\"}",
        409,
        "NSB-IMAGE-002",
    ),
    (
        "POST",
        "/api/v1/images/disk/versions/9/actions/clone",
        JSON,
        "{\"name\":\"x\"}",
        404,
        "NSB-VERSION-004",
    ),
    (
        "POST",
        "/api/v1/snapshots",
        JSON,
        "{\"client\":\"a01\"}",
        409,
        "NSB-CLIENT-002",
    ),
    (
        "POST",
        "/api/v1/snapshots/none/actions/restore",
        &[],
        "",
        404,
        "NSB-SNAPSHOT-004",
    ),
    (
        "POST",
        "/api/v1/images/disk/versions/1/actions/flatten",
        &[],
        "",
        409,
        "NSB-IMAGE-002",
    ),
    (
        "PATCH",
        "/api/v1/clients/a01",
        JSON,
        "{\"quota_bytes\":4096}",
        422,
        "NSB-CLIENT-001",
    ),
    (
        "DELETE",
        "/api/v1/images/disk/versions/1",
        &[],
        "",
        409,
        "NSB-IMAGE-002",
    ),
    (
        "DELETE",
        "/api/v1/images/disk/versions/x",
        &[],
        "",
        400,
        "NSB-HTTP-400",
    ),
    (
        "POST",
        "/api/v1/images/disk/actions/revert",
        &[],
        "",
        409,
        "NSB-IMAGE-002",
    ),
    (
        "POST",
        "/api/v1/images/disk/actions/apply",
        JSON,
        "{}",
        409,
        "NSB-IMAGE-002",
    ),
    (
        "PUT",
        "/api/v1/images/disk/superclient",
        JSON,
        "{\"client\":\"none\"}",
        404,
        "NSB-CLIENT-004",
    ),
    // Scopes, reservations and leases.
    ("POST", S, JSON, "{\"name\":\"r\"}", 422, "NSB-HTTP-422"),
    (
        "POST",
        S,
        JSON,
        "{\"name\":\"r\",\"subnet\":\"10.30.0.1/24\"}",
        422,
        "NSB-HTTP-422",
    ),
    (
        "POST",
        S,
        JSON,
        "{\"name\":\"r\",\"subnet\":\"10.30.0.0/33\"}",
        422,
        "NSB-HTTP-422",
    ),
    (
        "POST",
        S,
        JSON,
        "{\"name\":\"r\",\"subnet\":\"127.0.0.0/8\"}",
        422,
        "NSB-SCOPE-001",
    ),
    (
        "POST",
        S,
        JSON,
        "{\"name\":\"../r\",\"subnet\":\"10.30.0.0/24\"}",
        422,
        "NSB-SCOPE-001",
    ),
    (
        "POST",
        S,
        JSON,
        "{\"name\":\"room-2\",\"subnet\":\"10.30.0.0/24\"}",
        409,
        "NSB-SCOPE-002",
    ),
    (
        "POST",
        S,
        JSON,
        "{\"name\":\"r\",\"subnet\":\"10.20.0.0/25\"}",
        409,
        "NSB-SCOPE-002",
    ),
    (
        "POST",
        S,
        JSON,
        "{\"name\":\"r\",\"subnet\":\"10.30.0.0/24\",\"router\":\"10.31.0.1\"}",
        422,
        "NSB-SCOPE-001",
    ),
    (
        "POST",
        S,
        JSON,
        "{\"name\":\"r\",\"subnet\":\"10.30.0.0/24\",\"ranges\":[{\"first\":\"10.30.0.9\",\"last\":\"10.30.0.1\"}]}",
        422,
        "NSB-SCOPE-001",
    ),
    (
        "PATCH",
        "/api/v1/scopes/room-2",
        JSON,
        "{\"lease_seconds\":1}",
        422,
        "NSB-SCOPE-001",
    ),
    (
        "PATCH",
        "/api/v1/scopes/room-2",
        JSON,
        "{\"options\":[{\"code\":54,\"kind\":\"addresses\",\"value\":\"10.20.0.1\"}]}",
        422,
        "NSB-SCOPE-001",
    ),
    (
        "PATCH",
        "/api/v1/scopes/room-2",
        JSON,
        "{\"options\":[{\"code\":300,\"kind\":\"u8\",\"value\":\"1\"}]}",
        422,
        "NSB-HTTP-422",
    ),
    (
        "PATCH",
        "/api/v1/scopes/room-2",
        STALE,
        "{\"domain\":\"x\"}",
        412,
        "NSB-SCOPE-003",
    ),
    (
        "PATCH",
        "/api/v1/scopes/none",
        JSON,
        "{}",
        404,
        "NSB-SCOPE-004",
    ),
    (
        "DELETE",
        "/api/v1/scopes/room-2",
        &[],
        "",
        409,
        "NSB-SCOPE-002",
    ),
    (
        "POST",
        R,
        JSON,
        "{\"mac\":\"52:54:00:00:00:09\",\"address\":\"10.99.0.9\"}",
        422,
        "NSB-RESERVATION-001",
    ),
    (
        "POST",
        R,
        JSON,
        "{\"mac\":\"52:54:00:00:00:09\",\"address\":\"10.20.0.255\"}",
        422,
        "NSB-RESERVATION-001",
    ),
    (
        "POST",
        R,
        JSON,
        "{\"mac\":\"52:54:00:00:00:09\",\"address\":\"10.20.0.7\"}",
        409,
        "NSB-RESERVATION-002",
    ),
    (
        "POST",
        R,
        JSON,
        "{\"mac\":\"52:54:00:00:00:07\",\"address\":\"10.20.0.8\"}",
        409,
        "NSB-RESERVATION-002",
    ),
    (
        "POST",
        R,
        JSON,
        "{\"mac\":\"ff:ff:ff:ff:ff:ff\",\"address\":\"10.20.0.8\"}",
        422,
        "NSB-RESERVATION-001",
    ),
    (
        "POST",
        R,
        JSON,
        "{\"mac\":\"52:54:00:00:00:09\",\"address\":\"10.20.0.8\",\"scope\":\"none\"}",
        404,
        "NSB-SCOPE-004",
    ),
    (
        "PATCH",
        "/api/v1/reservations/10.20.0.7",
        JSON,
        "{\"hostname\":\"a b\"}",
        422,
        "NSB-RESERVATION-001",
    ),
    (
        "PATCH",
        "/api/v1/reservations/10.20.0.7",
        STALE,
        "{\"hostname\":\"ab\"}",
        412,
        "NSB-RESERVATION-003",
    ),
    (
        "DELETE",
        "/api/v1/reservations/none",
        &[],
        "",
        404,
        "NSB-RESERVATION-004",
    ),
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
    // What is offered, and what computers wrote.
    (
        "DELETE",
        "/api/v1/exports/none/sessions/1",
        &[],
        "",
        404,
        "NSB-EXPORT-004",
    ),
    (
        "DELETE",
        "/api/v1/exports/none/sessions/x",
        &[],
        "",
        400,
        "NSB-HTTP-400",
    ),
    (
        "DELETE",
        "/api/v1/overlays/none",
        &[],
        "",
        404,
        "NSB-DISK-004",
    ),
    (
        "DELETE",
        "/api/v1/overlays/01934c5e-7b00-7000-8000-0000000000ff",
        &[],
        "",
        404,
        "NSB-DISK-004",
    ),
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
    (
        "POST",
        C,
        FOREIGN,
        "{\"name\":\"b\",\"mac\":\"52:54:00:00:00:09\"}",
        403,
        "NSB-HTTP-403",
    ),
    (
        "DELETE",
        "/api/v1/clients/a01",
        CROSS,
        "",
        403,
        "NSB-HTTP-403",
    ),
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

#[test]
fn each_is_refused_with_its_code_and_changes_nothing() {
    let server = Server::start();
    let session = server.login();
    add(&session, "a01", 1);
    add(&session, "a02", 2);
    upload(&session, "disk", &[9; 4096]);
    let room = serde_json::json!({"name": "room-2", "subnet": "10.20.0.0/24"});
    assert_eq!(session.json("POST", S, room).status, 201);
    let pc = serde_json::json!({"mac": "52:54:00:00:00:07", "address": "10.20.0.7"});
    assert_eq!(session.json("POST", R, pc).status, 201);
    let before = state(&session);
    for (method, path, headers, body, status, code) in REST {
        let answer = session.send(method, path, headers, body.as_bytes());
        check(
            &answer,
            *status,
            code,
            &format!("{method} {path} {headers:?} {body}"),
        );
    }
    let long = format!(
        "{{\"name\":\"{}\",\"mac\":\"52:54:00:00:00:09\"}}",
        "n".repeat(5000)
    );
    check(
        &session.send("POST", C, JSON, long.as_bytes()),
        422,
        "NSB-CLIENT-001",
        "long name",
    );
    let huge = format!("{{\"name\":\"{}\"}}", "n".repeat(100_000));
    check(
        &session.send("POST", C, JSON, huge.as_bytes()),
        413,
        "NSB-HTTP-413",
        "huge body",
    );
    let deep = "[".repeat(30_000);
    check(
        &session.send("POST", C, JSON, deep.as_bytes()),
        422,
        "NSB-HTTP-422",
        "deep body",
    );
    check(
        &session.send("POST", C, JSON, b"{\"name\":\"\xff\xfe\"}"),
        400,
        "NSB-HTTP-400",
        "not UTF-8",
    );
    let other = "0".repeat(64);
    let path = format!("/api/v1/images?name=sum&sha256={other}");
    check(
        &session.send("POST", &path, RAW, &[1; 4096]),
        422,
        "NSB-IMAGE-001",
        "other checksum",
    );
    assert_eq!(state(&session), before, "something changed");
}

fn check(answer: &Answer, status: u16, code: &str, what: &str) {
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (status, code),
        "{what}: {answer:?}"
    );
}

fn state(session: &Session<'_>) -> Vec<Vec<Value>> {
    [
        "clients",
        "images",
        "boot-entries",
        "groups",
        "firmware",
        "loaders",
        "leases",
        "exports",
        "overlays",
        "boots",
        "networks",
        "scopes",
        "reservations",
    ]
    .map(|noun| session.items(&format!("/api/v1/{noun}")))
    .into()
}

/// Settings that can't be used stop the server before it makes anything.
#[test]
fn bad_settings_stop_the_start_and_leave_no_trace() {
    let flags: &[(&[&str], &str, i32)] = &[
        (&["--listen", "nowhere"], "NSB-CONFIG-001", 2),
        (&["--listen", "127.0.0.1"], "NSB-CONFIG-001", 2),
        (&["--listen", "127.0.0.1:99999"], "NSB-CONFIG-001", 2),
        (&["--config", "/nonexistent.toml"], "NSB-CONFIG-004", 2),
        (&["--colour", "red"], "unexpected argument", 2),
        (&["--dry-run"], "leave `--dry-run` out", 2),
    ];
    for (flags, says, exit) in flags {
        refused_start(flags, None, says, *exit);
    }
    for (text, says) in [
        ("[http\n", "NSB-CONFIG-002"),
        ("[http]\nlisten = 80\n", "NSB-CONFIG-001"),
        ("[clients]\nunknown = \"maybe\"\n", "NSB-CONFIG-001"),
        ("[[boot]]\nmode = \"off\"\n", "NSB-CONFIG-003"),
        (
            "[[boot]]\ninterface = \"a b\"\nmode = \"off\"\n",
            "NSB-CONFIG-001",
        ),
        (
            "[[boot]]\ninterface = \"br0\"\nrange = \"10.0.0.2\"\n",
            "NSB-CONFIG-001",
        ),
    ] {
        refused_start(&[], Some(text), says, 2);
    }
}

fn refused_start(flags: &[&str], file: Option<&str>, says: &str, exit: i32) {
    let dir = tempfile::tempdir().expect("temp dir");
    let mut command = nsboot();
    command
        .args(["serve", "--data"])
        .arg(dir.path().join("data"))
        .args(flags);
    if let Some(text) = file {
        let path = dir.path().join("nsboot.toml");
        std::fs::write(&path, text).expect("written");
        command.arg("--config").arg(path);
    }
    let output = command.output().expect("nsboot runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        output.status.code(),
        Some(exit),
        "{flags:?} {file:?}: {said}"
    );
    assert!(said.contains(says), "{flags:?} {file:?}: {said}");
    assert!(
        !dir.path().join("data").exists(),
        "{flags:?} {file:?}: left a data directory"
    );
    assert!(output.stdout.is_empty(), "nothing was announced");
}
