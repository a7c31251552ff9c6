#!/usr/bin/env bash
# 10,000 idle readers of the WebSocket, twice: all are served and told a change, REST answers meanwhile (p95 below 100 ms),
# each costs less than 64 KiB, and when they leave all is given back. Fails when a bound is missed.
# Usage: end2end/bench/ws_idle.sh NSBOOT-BINARY [SOCKETS [CLIENTS]]   -> JSON on stdout, progress on stderr. Loopback
# only. WS_IDLE names the built example `ws_idle`; without it it is built.
set -euo pipefail
ROOT=$(cd "$(dirname "$0")/../.." && pwd)
BINARY=$(readlink -f "${1:?give the path of the nsboot binary}"); shift
if [ -z "${WS_IDLE:-}" ]; then
  cargo build --quiet --release --manifest-path "$ROOT/Cargo.toml" -p server --example ws_idle >&2
  WS_IDLE=${CARGO_TARGET_DIR:-$ROOT/target}/release/examples/ws_idle
fi
exec "$WS_IDLE" "$BINARY" "${@:-10000}"
