#!/usr/bin/env bash
# The release binary, with the page inside, at target/release/nsboot.
. "$(dirname "$0")/lib.sh"
scripts/setup.sh
# First the page, then the binary that embeds it: cargo-leptos builds both at once when asked for both, and a binary
# could be left with half a page.
# --split puts each lazy page into a file of its own, which only those fetch who look at it.
# --precompress puts .br and .gz beside each file; the server sends what the browser takes.
step 1 2 "Page: WASM, script and style (minutes when cold)" cargo leptos build --release --frontend-only --precompress --split
step 2 2 "Server with the page inside (minutes when cold)" release_build --package server --bin nsboot
# A copy, not a link: another clone that shares the cache must not change the binary under this one.
mkdir -p target/release
cp -f "$CARGO_TARGET_DIR/$HOST/release/nsboot" target/release/.nsboot.new
mv -f target/release/.nsboot.new target/release/nsboot
echo "Built target/release/nsboot ($(du -h target/release/nsboot | cut -f1))"
