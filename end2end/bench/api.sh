#!/usr/bin/env bash
# The REST API: 1,000 mixed requests a second over 1,000 clients, pages of 10,000; then the start with these, and what an
# idle server holds. The bars: p95 below 10 ms and 50 ms, ready below 1 s, below 60 MiB when empty.
# Usage: end2end/bench/api.sh NSBOOT-BINARY [ROUNDS [SECONDS RATE FEW MANY]]   -> JSON on stdout, progress on stderr.
# Loopback only.
set -euo pipefail
ROOT=$(cd "$(dirname "$0")/../.." && pwd)
BINARY=$(readlink -f "${1:?give the path of the nsboot binary}"); shift
API_LOAD=$("$ROOT/scripts/example.sh" api_load)/api_load
exec "$API_LOAD" "$BINARY" "${@:-5}"
