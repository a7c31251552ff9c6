#!/usr/bin/env bash
# Formatting and clippy, warnings as errors: the native side, then the side that runs in the browser.
. "$(dirname "$0")/lib.sh"
cargo fmt --all -- --check
cargo clippy --locked --workspace --exclude frontend --all-targets -- -D warnings
cargo clippy --locked -p frontend --target wasm32-unknown-unknown -- -D warnings
# The fuzz targets are a workspace of their own: their lock file must follow the packages that they use.
cargo metadata --locked --manifest-path server/daemons/fuzz/Cargo.toml --format-version 1 >/dev/null
