#!/usr/bin/env bash
# 10,000 idle readers of the WebSocket, twice: all are served and told a change, REST answers meanwhile (p95 below 100 ms),
# each costs less than 64 KiB, and when they leave all is given back. Fails when a bound is missed.
# Usage: end2end/bench/ws_idle.sh NSBOOT-BINARY [SOCKETS [CLIENTS]]   -> JSON on stdout, progress on stderr. Loopback only.
set -euo pipefail
ROOT=$(cd "$(dirname "$0")/../.." && pwd)
BINARY=$(readlink -f "${1:?give the path of the nsboot binary}"); shift
WS_IDLE=$("$ROOT/scripts/example.sh" ws_idle)/ws_idle
exec "$WS_IDLE" "$BINARY" "${@:-10000}"
