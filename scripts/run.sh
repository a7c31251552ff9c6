#!/usr/bin/env bash
# From a fresh machine to a running NSBoot with the virtual lab, its page on this machine only.
. "$(dirname "$0")/lib.sh"
scripts/build.sh
step 1 2 "Self-test image" scripts/selftest-image.sh
IMAGE=$(scripts/selftest-image.sh)
DATA=${NSBOOT_DATA:-$ROOT/data}
BIN=$ROOT/target/release/nsboot

# The server starts with the import beside it; Ctrl-C reaches it and ends both.
"$BIN" serve --data "$DATA" --listen 127.0.0.1:3000 --lab &
SERVER=$!
trap 'kill "$SERVER" 2>/dev/null; wait "$SERVER"' EXIT
trap 'exit 130' INT TERM
until "$BIN" --data "$DATA" status >/dev/null 2>&1; do
  kill -0 "$SERVER" 2>/dev/null || { wait "$SERVER"; exit 1; }
  sleep 0.2
done
if "$BIN" --data "$DATA" image ls -o json | grep -q '"name": *"self-test"'; then skip 2 2 "Image self-test"
else step 2 2 "Import of the image as self-test" "$BIN" --data "$DATA" image import "$IMAGE" --name self-test; fi
wait "$SERVER"
