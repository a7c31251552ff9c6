#!/usr/bin/env bash
# Known vulnerabilities in the locked crates, against a local copy of the RustSec database.
. "$(dirname "$0")/lib.sh"
DB=${NSBOOT_ADVISORY_DB:-$ROOT/../shared/advisory-db}
if [ ! -d "$DB/crates" ]; then
  echo "no advisory database at $DB: not audited. Set NSBOOT_ADVISORY_DB to a copy of it."
  exit 77 # says "skipped" to scripts/test.sh
fi
if ! cargo audit --version >/dev/null 2>&1; then
  CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_OPT_LEVEL=0 \
    CARGO_TARGET_DIR="$NSBOOT_CACHE/target-tools-$RUSTC_KEY" \
    cargo install --locked --root "$NSBOOT_TOOLS" cargo-audit --no-default-features
  rm -rf "$NSBOOT_CACHE/target-tools-$RUSTC_KEY"
fi
# cargo-audit wants a git repository; a plain copy of the database becomes one.
if [ ! -d "$DB/.git" ]; then
  COPY=$(mktemp -d); trap 'rm -rf "$COPY"' EXIT
  cp -a "$DB/." "$COPY"
  git -C "$COPY" init -q && git -C "$COPY" -c user.name=audit -c user.email=audit@localhost add -A && \
    git -C "$COPY" -c user.name=audit -c user.email=audit@localhost commit -qm "advisory database"
  DB=$COPY
fi
# RUSTSEC-2025-0141: bincode is unmaintained, not defective; 1.3.3 is called complete by its authors, is pinned,
#   and only store/src/codec.rs uses it, behind a version marker, on our own files.
# RUSTSEC-2024-0436: paste, a build-time macro of leptos, is unmaintained; no leptos release is without it.
cargo audit --no-fetch --stale --db "$DB" --deny warnings --ignore RUSTSEC-2025-0141 --ignore RUSTSEC-2024-0436
