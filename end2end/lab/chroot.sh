#!/usr/bin/env bash
# The release binary, copied alone into an empty root folder, serves every page and everything a page asks for.
# That they also hydrate there, a browser sees (end2end/alone).
set -euo pipefail
BIN=${NSBOOT_BIN:?the release binary}
BOX=$(mktemp -d); PORT=$(python3 -c 'import socket;s=socket.socket();s.bind(("127.0.0.1",0));print(s.getsockname()[1])')
PID=
trap '[ -n "$PID" ] && kill "$PID" 2>/dev/null && wait "$PID" 2>/dev/null; rm -rf "$BOX" "$BOX.log"' EXIT
cp "$BIN" "$BOX/nsboot"
NSBOOT_ADMIN_PASSWORD=correct-horse-battery chroot "$BOX" /nsboot serve --data /data --listen "127.0.0.1:$PORT" >"$BOX.log" 2>&1 &
PID=$!
URL=http://127.0.0.1:$PORT
for _ in $(seq 100); do curl -fsS "$URL/readyz" >/dev/null 2>&1 && break; kill -0 $PID || { cat "$BOX.log"; exit 1; }; sleep 0.1; done
curl -fsS "$URL/readyz" >/dev/null

TOKEN=$(curl -fsS -H 'content-type: application/json' -d '{"username":"admin","password":"correct-horse-battery"}' \
  "$URL/api/v1/auth/login" | python3 -c 'import json,sys; print(json.load(sys.stdin)["access_token"])')
for page in /login /floor /boot /images /loaders /network; do
  html=$(curl -fsSL -H "Authorization: Bearer $TOKEN" "$URL$page")
  # Whatever the page names, the binary must have.
  assets=$(grep -oE '(href|src)="/(pkg|fonts|favicon)[^"]*"' <<<"$html" | sed -E 's/^[a-z]+="([^"]*)"/\1/' | sort -u)
  [ "$(grep -c '/pkg/' <<<"$assets")" -ge 2 ] || { echo "$page names no script or no style: $assets"; exit 1; }
  for a in $assets; do
    size=$(curl -fsS -o /dev/null -w '%{size_download}' "$URL$a") || { echo "$page names $a, which the binary does not serve"; exit 1; }
    [ "$size" -gt 0 ] || { echo "$a is empty"; exit 1; }
  done
  echo "$page: $(wc -c <<<"$html") bytes, $(wc -w <<<"$assets") assets"
done
curl -fsS -o "$BOX/app.wasm" "$URL/pkg/nsboot.wasm"
[ "$(head -c 4 "$BOX/app.wasm" | od -An -tx1 | tr -d ' \n')" = 0061736d ] || { echo "the WASM is not WASM"; exit 1; }
for coding in br gzip; do
  packed=$(curl -fsS -H "Accept-Encoding: $coding" -o /dev/null -w '%{size_download}' "$URL/pkg/nsboot.wasm")
  [ "$packed" -lt $(($(wc -c <"$BOX/app.wasm") / 2)) ] || { echo "the WASM comes unpacked to who takes $coding: $packed bytes"; exit 1; }
done
curl -fsS --compressed -o "$BOX/unpacked.wasm" "$URL/pkg/nsboot.wasm"
cmp "$BOX/app.wasm" "$BOX/unpacked.wasm"
(cd "$(dirname "$0")/.." && NSBOOT_URL=$URL NSBOOT_TEST_PASSWORD=correct-horse-battery npx playwright test --config playwright.chroot.config.ts)
echo "Served every page from a root that holds nothing else."
