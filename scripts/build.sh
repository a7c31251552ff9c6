#!/usr/bin/env bash
# The release binary, with the page inside, at target/release/nsboot.
. "$(dirname "$0")/lib.sh"
scripts/setup.sh
step 1 1 "Release build of page and server (minutes when cold)" cargo leptos build --release
# A copy, not a link: another clone that shares the cache must not change the binary under this one.
if [ "$CARGO_TARGET_DIR" != "$ROOT/target" ]; then
  mkdir -p target/release
  cp -f "$CARGO_TARGET_DIR/release/nsboot" target/release/.nsboot.new && mv -f target/release/.nsboot.new target/release/nsboot
fi
echo "Built target/release/nsboot ($(du -h target/release/nsboot | cut -f1))"
