#!/usr/bin/env bash
# The REST API: 1,000 mixed requests a second over 1,000 clients, pages of 10,000; then the start with these, and what an
# idle server holds. The bars: p95 below 10 ms and 50 ms, ready below 1 s, below 60 MiB when empty.
# Usage: end2end/bench/api.sh NSBOOT-BINARY [ROUNDS [SECONDS RATE FEW MANY]]   -> JSON on stdout, progress on stderr.
# Loopback only. API_LOAD names the built example `api_load`; without it it is built.
set -euo pipefail
ROOT=$(cd "$(dirname "$0")/../.." && pwd)
BINARY=$(readlink -f "${1:?give the path of the nsboot binary}"); shift
if [ -z "${API_LOAD:-}" ]; then
  cargo build --quiet --release --manifest-path "$ROOT/Cargo.toml" -p server --example api_load >&2
  API_LOAD=${CARGO_TARGET_DIR:-$ROOT/target}/release/examples/api_load
fi
exec "$API_LOAD" "$BINARY" "${@:-5}"
