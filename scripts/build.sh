#!/usr/bin/env bash
# The release binary, with the page inside, at target/release/nsboot.
. "$(dirname "$0")/lib.sh"
scripts/setup.sh
# Linked statically, so that the binary runs copied alone into an empty root. Naming the target keeps the flag away
# from procedural macros, which can't be built with it.
HOST=$(rustc -vV | sed -n 's/^host: //p')
HOST_VAR=$(echo "$HOST" | tr 'a-z-' 'A-Z_')
step 1 1 "Release build of page and server (minutes when cold)" env \
  LEPTOS_BIN_TARGET_TRIPLE="$HOST" "CARGO_TARGET_${HOST_VAR}_RUSTFLAGS=-C target-feature=+crt-static" \
  cargo leptos build --release
# A copy, not a link: another clone that shares the cache must not change the binary under this one.
mkdir -p target/release
cp -f "$CARGO_TARGET_DIR/$HOST/release/nsboot" target/release/.nsboot.new
mv -f target/release/.nsboot.new target/release/nsboot
echo "Built target/release/nsboot ($(du -h target/release/nsboot | cut -f1))"
