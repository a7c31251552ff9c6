#!/usr/bin/env bash
# Durable writes of 64 callers beside those of one, and the syncs that the disk does on its own; then the same on a disk
# whose sync takes 5 ms. The bar: 64 callers write at least ten times what one does.
# Usage: end2end/bench/durable.sh [ROUNDS [SECONDS]]   -> JSON on stdout, progress on stderr.
# The disk is the one that DIR is on, the target folder's by default.
set -euo pipefail
ROOT=$(cd "$(dirname "$0")/../.." && pwd)
PROGRAMS=$("$ROOT/scripts/example.sh" durable_writes)
# Not below /tmp, which may be memory: a sync there costs nothing.
WORK=$(mktemp -d -p "${DIR:-$PROGRAMS}" bench-durable.XXXXXX)
trap 'rm -rf "$WORK"' EXIT
"$PROGRAMS/durable_writes" "$WORK" "${@:-5}"
