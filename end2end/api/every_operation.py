"""Asks a fresh server for every operation of its own description once, with ids and bodies that are real, and wants an
answer of 2xx that is as described. Fails with the list of operations that had none: a new operation needs a line here.

Usage: every_operation.py URL ONE-TIME-CODE DATA-FOLDER
The virtual computer's operations need the lab; where the box has none, they are named and left out.
"""

import io
import os
import pathlib
import shutil
import struct
import sys
import tarfile
import time
import uuid
from urllib.parse import quote

import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
NAME, PASSWORD = "admin", "correct horse battery"
# Bytes that a long image seems to have: reading it takes until somebody cancels.
LONG = 1 << 40
# What needs a disk that a computer booted from.
OF_A_DISK = [("/exports/{client}", "GET"), ("/exports/{client}/sessions", "GET"),
             ("/exports/{client}/sessions/{session}", "DELETE")]

url, code, data = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
schema = schemathesis.openapi.from_url(f"{url}/api/openapi.json")
described = {
    (method.upper(), path)
    for path, item in schema.raw_schema["paths"].items()
    for method in item
    if method in ("get", "post", "put", "patch", "delete")
}
answered, faults = set(), []


def ask(method, path, bearer=None, body=None, media_type=None, query=None, offset=None, **ids):
    """One request to /api/v1 + path; the parsed answer, None for one without a body."""
    path = f"/api/v1{path}"
    operation = schema[path][method]
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    if any(p.name == "Idempotency-Key" for p in operation.headers):
        headers["Idempotency-Key"] = str(uuid.uuid4())
    if offset is not None:
        headers["Upload-Offset"] = str(offset)
    given = {} if body is None else {"body": body, "media_type": media_type or "application/json"}
    case = operation.Case(path_parameters=ids, query=query, headers=headers, **given)
    answer = case.call(timeout=60)
    try:
        case.validate_response(answer, checks=CHECKS)
    except Exception as fault:  # every finding is told, not the first alone
        faults.append(f"{method} {path}: {fault}")
    if answer.status_code // 100 == 2:
        answered.add((method, path))
    else:
        faults.append(f"{method} {path}: {answer.status_code} {answer.content.decode(errors='replace')}")
    is_json = answer.headers.get("content-type", [""])[0] == "application/json"
    return answer.json() if is_json else None


def patiently(*what, **ids):
    """As `ask`, again while the disk counts as just used: that lasts 30 s after it was offered, which may be at any time."""
    for _ in range(60):
        known = len(faults)
        answer = ask(*what, **ids)
        if not any("until a moment ago" in fault for fault in faults[known:]):
            break
        del faults[known:]
        time.sleep(1)
    return answer


def until(what, look, seconds=90):
    """Waits until `look` gives something."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.2)
    faults.append(f"waited {seconds} s in vain for {what}")
    return None


def sign_in(name, password=PASSWORD):
    return ask("POST", "/auth/login", body={"username": name, "password": password})["access_token"]


def accounts(admin):
    ask("GET", "/auth/me", admin)
    ask("POST", "/users", admin, {"username": "ada", "password": PASSWORD, "role": "operator"})
    ask("GET", "/users", admin)
    ask("GET", "/users/{user}", admin, user="ada")
    ask("PATCH", "/users/{user}", admin, {"role": "viewer"}, user="ada")
    sign_in("ada")
    sign_in("ada")
    sessions = ask("GET", "/users/{user}/sessions", admin, user="ada")["items"]
    ask("DELETE", "/sessions/{session}", admin, session=sessions[0]["id"])
    ask("DELETE", "/users/{user}/sessions", admin, user="ada")
    sign_in(NAME)
    sign_in(NAME)
    own = ask("GET", "/auth/sessions", admin)["items"]
    other = next(s for s in own if not s["is_current"])
    ask("DELETE", "/auth/sessions/{session}", admin, session=other["id"])
    ask("DELETE", "/auth/sessions", admin)
    token = ask("POST", "/tokens", admin, {"name": "ci", "role": "viewer"})
    ask("GET", "/tokens", admin)
    ask("DELETE", "/tokens/{token}", admin, token=token["token"]["id"])


def images(admin):
    disk = bytes(8 * 512)
    image = ask("POST", "/images", admin, disk, "application/octet-stream", {"name": "disk"})
    ask("GET", "/images", admin)
    ask("GET", "/images/{image}", admin, image="disk")
    ask("GET", "/images/{image}/content", admin, query={"format": "qcow2"}, image="disk")
    upload = ask("POST", "/uploads", admin, {"name": "sent", "size_bytes": len(disk)})
    ask("GET", "/uploads/{upload}", admin, upload=upload["id"])
    ask("PATCH", "/uploads/{upload}", admin, disk, "application/octet-stream", offset=0, upload=upload["id"])
    ask("DELETE", "/uploads/{upload}", admin, upload=upload["id"])
    (data / "import").mkdir(exist_ok=True)
    (data / "import" / "disk.raw").write_bytes(disk)
    over(admin, ask("POST", "/images/actions/import", admin, {"name": "fetched", "path": "disk.raw"}))
    for name in ("sent", "fetched"):
        ask("DELETE", "/images/{image}", admin, image=name)
    # So long that it is still read when it is cancelled.
    file = data / "images" / f"{image['id']}.raw"
    os.truncate(file, LONG)
    job = ask("POST", "/images/{image}/actions/verify", admin, image="disk")
    ask("GET", "/jobs", admin)
    ask("GET", "/jobs/{job}", admin, job=job["id"])
    ask("POST", "/jobs/{job}/actions/cancel", admin, job=job["id"])
    os.truncate(file, len(disk))


def over(admin, job):
    """Waits for the end of a job."""
    states = "queued", "running"
    until("the job's end", lambda: ask("GET", "/jobs/{job}", admin, job=job["id"])["state"] not in states)


def crc32c(data):
    """As the records of an overlay's map have it."""
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def write_block(client):
    """The first block of a computer's disk, as a guest would have written it: no computer boots here."""
    overlays = data / "overlays"
    (file,) = overlays.glob(f"{client}.*.data")
    with open(file, "r+b") as out:
        out.write(b"\1" * 4096)
    with open(overlays / f"{client}.map", "ab") as out:
        record = struct.pack("<QIB7x", 0, 1, 1)
        out.write(record + struct.pack("<I", crc32c(struct.pack("<Q", out.tell()) + record)))


def kept(admin, client):
    """What takes space. Nothing is offered without a boot: see `left_out`."""
    ask("GET", "/storage", admin)
    ask("GET", "/exports", admin)
    ask("GET", "/overlays", admin)
    orphan = uuid.uuid4()
    shutil.copy(data / "overlays" / f"{client}.map", data / "overlays" / f"{orphan}.map")
    ask("DELETE", "/overlays/{client}", admin, client=str(orphan))


def versions(admin):
    client = ask("PATCH", "/clients/{client}", admin, {"image": "disk"}, client="pc-2")
    patiently("PUT", "/images/{image}/superclient", admin, {"client": "pc-2"}, image="disk")
    write_block(client["id"])
    over(admin, patiently("POST", "/images/{image}/actions/apply", admin, {"comment": "updates"}, image="disk"))
    ask("PATCH", "/images/{image}/versions/{version}", admin, {"comment": "of May"}, image="disk", version=2)
    for channel, version in [("production", 2), ("maintenance", 1)]:
        ask("PUT", "/images/{image}/channels/{channel}", admin, {"version": version}, image="disk", channel=channel)
    ask("POST", "/images/{image}/actions/revert", admin, image="disk")
    kept(admin, client["id"])
    patiently("POST", "/clients/{client}/actions/discard", admin, client="pc-2")
    patiently("DELETE", "/images/{image}/superclient", admin, image="disk")
    over(admin, ask("POST", "/images/{image}/versions/{version}/actions/flatten", admin, image="disk", version=2))
    over(admin, ask("POST", "/images/{image}/versions/{version}/actions/clone", admin, {"name": "cloned"}, image="disk", version=2))
    ask("DELETE", "/images/{image}", admin, image="cloned")
    ask("PATCH", "/images/{image}", admin, {"name": "renamed", "private": True}, image="disk")
    ask("PATCH", "/images/{image}", admin, {"name": "disk", "private": False}, image="renamed")
    ask("DELETE", "/images/{image}/versions/{version}", admin, image="disk", version=2)
    snapshots(admin, client["id"])
    ask("PATCH", "/clients/{client}", admin, {"image": "", "mode": "reset"}, client="pc-2")


def snapshots(admin, client):
    ask("PATCH", "/clients/{client}", admin, {"mode": "keep"}, client="pc-2")
    patiently("POST", "/clients/{client}/actions/discard", admin, client="pc-2")
    write_block(client)
    over(admin, patiently("POST", "/snapshots", admin, {"client": "pc-2", "comment": "before the exam"}))
    (taken,) = ask("GET", "/snapshots", admin)["items"]
    ask("GET", "/snapshots/{snapshot}", admin, snapshot=taken["id"])
    over(admin, ask("POST", "/snapshots/{snapshot}/actions/clone", admin, {"name": "cloned"}, snapshot=taken["id"]))
    ask("DELETE", "/images/{image}", admin, image="cloned")
    patiently("POST", "/snapshots/{snapshot}/actions/restore", admin, snapshot=taken["id"])
    patiently("POST", "/clients/{client}/actions/discard", admin, client="pc-2")
    ask("DELETE", "/snapshots/{snapshot}", admin, snapshot=taken["id"])


def clients(admin):
    for n in (1, 2, 3):
        ask("POST", "/clients", admin, {"name": f"pc-{n}", "mac": f"52:54:00:00:00:0{n}"})
    ask("GET", "/clients", admin)
    ask("GET", "/clients/{client}", admin, client="pc-1")
    ask("PATCH", "/clients/{client}", admin, {"mode": "keep"}, client="pc-1")
    ask("POST", "/clients/{client}/actions/through-loader", admin, client="pc-1")
    ask("GET", "/clients/{client}/boots", admin, client="pc-1")
    several = {"ids": ["pc-1", "pc-2"], "expected_count": 2}
    ask("POST", "/clients/actions/update", admin, {**several, "change": {"mode": "reset"}})
    ask("GET", "/boots", admin)
    ask("GET", "/leases", admin)
    ask("GET", "/networks", admin)
    ask("GET", "/interfaces", admin)


def what_they_boot(admin):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        loader = tarfile.TarInfo("snponly.efi")
        loader.size = 512
        archive.addfile(loader, io.BytesIO(bytes(512)))
    ask("POST", "/loaders", admin, packed.getvalue(), "application/octet-stream", {"name": "own-1"})
    ask("GET", "/loaders", admin)
    ask("GET", "/loaders/{set}", admin, set="own-1")
    ask("POST", "/boot-entries", admin, {"name": "tool", "kind": "kernel", "kernel": "own-1/vmlinuz"})
    ask("GET", "/boot-entries", admin)
    ask("GET", "/boot-entries/{entry}", admin, entry="tool")
    ask("PATCH", "/boot-entries/{entry}", admin, {"command_line": "quiet"}, entry="tool")
    ask("POST", "/groups", admin, {"name": "row-1", "boot_entry": "tool"})
    ask("GET", "/groups", admin)
    ask("GET", "/groups/{group}", admin, group="row-1")
    ask("PATCH", "/groups/{group}", admin, {"boot_entry": ""}, group="row-1")
    ask("GET", "/clients/{client}/boot-choice", admin, client="pc-1")
    ask("POST", "/firmware", admin, {"client": "pc-1", "quirks": {"loader": "ipxe"}})
    ask("GET", "/firmware", admin)
    ask("GET", "/firmware/{firmware}", admin, firmware="pc-1")
    ask("PATCH", "/firmware/{firmware}", admin, {"block_size": 1024}, firmware="pc-1")
    ask("DELETE", "/firmware/{firmware}", admin, firmware="pc-1")
    ask("DELETE", "/groups/{group}", admin, group="row-1")
    ask("DELETE", "/boot-entries/{entry}", admin, entry="tool")
    ask("DELETE", "/loaders/{set}", admin, set="own-1")


def addresses(admin):
    ranges = [{"first": "10.20.0.50", "last": "10.20.0.99"}]
    ask("POST", "/scopes", admin, {"name": "room-2", "subnet": "10.20.0.0/24", "ranges": ranges})
    ask("GET", "/scopes", admin)
    ask("GET", "/scopes/{scope}", admin, scope="room-2")
    ask("PATCH", "/scopes/{scope}", admin, {"domain": "lab.example"}, scope="room-2")
    own = {"scope": "room-2", "mac": "52:54:00:00:00:01", "address": "10.20.0.7"}
    reserved = ask("POST", "/reservations", admin, own)["id"]
    ask("GET", "/reservations", admin)
    ask("GET", "/reservations/{reservation}", admin, reservation=reserved)
    ask("PATCH", "/reservations/{reservation}", admin, {"hostname": "printer"}, reservation=reserved)
    ask("DELETE", "/reservations/{reservation}", admin, reservation=reserved)
    ask("DELETE", "/scopes/{scope}", admin, scope="room-2")


def settings(admin):
    ask("GET", "/settings", admin)
    ask("POST", "/settings/actions/preview", admin, {"values": {"clients.unknown": "adopt"}})
    number = ask("PATCH", "/settings", admin, {"values": {"clients.unknown": "adopt"}})["revision"]
    ask("GET", "/settings/revisions", admin)
    ask("GET", "/settings/revisions/{revision}", admin, revision=number)
    ask("POST", "/settings/revisions/{revision}/actions/undo", admin, revision=number)
    # No such interface: nothing is served, and the change waits to be confirmed all the same.
    network = {"boot.nsb-none0": {"mode": "off"}}
    trial = ask("PATCH", "/settings", admin, {"values": network})["trial"]
    ask("POST", "/settings/actions/confirm", admin, {"revision": trial["revision"]})
    ask("GET", "/secrets", admin)
    ask("POST", "/secrets/actions/rotate", admin)


def system(admin):
    ask("GET", "/system/info", admin)
    ask("GET", "/system/tasks", admin)
    level = ask("GET", "/system/log-level", admin)
    ask("PUT", "/system/log-level", admin, level)
    ask("GET", "/audit", admin)
    ask("GET", "/audit/export", admin)
    ask("POST", "/audit/actions/verify", admin)


def lab(admin):
    """Those that could not be asked for, since this box has no lab."""
    there = ask("GET", "/system/info", admin)["lab"]
    if not there["available"]:
        print(f"Without the virtual lab: {there['reason']}")
        ask("POST", "/lab/actions/down", admin)
        left_out = OF_A_DISK + [("/lab/actions/up", "POST"), ("/lab/actions/boot", "POST"), ("/boots/{boot}", "GET"),
                    ("/leases/{address}", "GET"), ("/leases/{address}/actions/keep", "POST"), ("/leases/{address}", "DELETE")]
        return {(method, f"/api/v1{path}") for path, method in left_out}
    try:
        ask("POST", "/lab/actions/up", admin)
        scopes = until("the lab's scope", lambda: ask("GET", "/scopes", admin)["items"])
        # The shortest there is: a lease can be forgotten when it has ended.
        ask("PATCH", "/scopes/{scope}", admin, {"lease_seconds": 60}, scope=quote(scopes[0]["name"], safe=""))
        ask("POST", "/lab/actions/boot", admin, {"name": "virtual-1"})
        boots = until("a boot", lambda: ask("GET", "/boots", admin)["items"])
        if boots:
            ask("GET", "/boots/{boot}", admin, boot=boots[0]["id"])
        leases = until("a lease", lambda: ask("GET", "/leases", admin)["items"])
        if leases:
            ask("GET", "/leases/{address}", admin, address=leases[0]["address"])
            ask("POST", "/leases/{address}/actions/keep", admin, address=leases[0]["address"])
            over = lambda: [one for one in ask("GET", "/leases", admin)["items"] if one["state"] == "expired"]
            if until("the lease's end", over):
                ask("DELETE", "/leases/{address}", admin, address=leases[0]["address"])
    finally:
        ask("POST", "/lab/actions/down", admin)
    # There is no image that boots here: what a session on a disk answers is seen by the browser's tests.
    return {(method, f"/api/v1{path}") for path, method in OF_A_DISK}


def removals(admin):
    ask("DELETE", "/clients/{client}", admin, client="pc-1")
    over(admin, ask("POST", "/clients/actions/remove", admin, {"ids": ["pc-2", "pc-3"], "expected_count": 2}))
    ask("DELETE", "/images/{image}", admin, image="disk")
    ask("DELETE", "/users/{user}", admin, user="ada")
    ask("POST", "/auth/password", admin, {"current": PASSWORD, "new": f"{PASSWORD} 2"})
    ask("POST", "/auth/logout", admin)


def everything():
    ask("POST", "/auth/setup", body={"code": code, "username": NAME, "password": PASSWORD})
    pair = ask("POST", "/auth/login", body={"username": NAME, "password": PASSWORD})
    token = ask("POST", "/auth/refresh", body={"refresh_token": pair["refresh_token"]})["access_token"]
    for part in (accounts, images, clients, versions, what_they_boot, addresses, settings, system):
        part(token)
    left_out = lab(token)
    removals(token)
    return left_out


left_out = set()
try:
    left_out = everything()
except (KeyError, TypeError, StopIteration, OSError) as stuck:
    # An answer was not what the next step needs: what was refused before says why.
    faults.append(f"it could not go on: {stuck!r}")

silent = sorted(described - answered - left_out)
for fault in faults:
    print(f"FAULT {fault}")
for method, path in silent:
    print(f"NO 2xx {method} {path}")
print(f"{len(answered)} of {len(described)} operations answered 2xx as described")
sys.exit(1 if faults or silent else 0)
