#!/usr/bin/env bash
# From sending a change over REST to its frame at each of 100 and of 1,000 readers of the WebSocket, in turn, round by
# round. The bars: p95 below 50 ms with 100 readers, below 150 ms with 1,000.
# Usage: end2end/bench/ws.sh NSBOOT-BINARY [ROUNDS]   -> JSON on stdout, progress on stderr. Loopback only.
set -euo pipefail
ROOT=$(cd "$(dirname "$0")/../.." && pwd)
BINARY=$(readlink -f "${1:?give the path of the nsboot binary}") ROUNDS=${2:-5}
WS_READERS=$("$ROOT/scripts/example.sh" ws_readers)/ws_readers
ulimit -n "$(ulimit -Hn)"
WORK=$(mktemp -d)
cleanup() { kill "${SERVER:-}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$WORK"; }
trap cleanup EXIT
export NSBOOT_ADMIN_PASSWORD=correct-horse-battery
NSBOOT_LOG=error "$BINARY" serve --data "$WORK/data" --listen 127.0.0.1:0 >"$WORK/out" 2>"$WORK/log" & SERVER=$!
for _ in $(seq 200); do
  URL=$(sed -n 's/.* is at //p' "$WORK/out")
  [ -z "$URL" ] || break
  kill -0 "$SERVER" 2>/dev/null || { echo "nsboot did not start: $(tail -3 "$WORK/log")" >&2; exit 1; }
  sleep 0.05
done
"$WS_READERS" "${URL:?nsboot did not say where it is within 10 s}" "$NSBOOT_ADMIN_PASSWORD" "$ROUNDS" 100 1000
