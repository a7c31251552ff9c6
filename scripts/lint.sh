#!/usr/bin/env bash
# Formatting and clippy, warnings as errors: the native side, then the side that runs in the browser.
. "$(dirname "$0")/lib.sh"
cargo fmt --all -- --check
cargo clippy --locked --workspace --exclude frontend --all-targets -- -D warnings
cargo clippy --locked -p frontend --target wasm32-unknown-unknown -- -D warnings
