#!/usr/bin/env bash
# Builds programs of ours that load and measure, as the release binary is built; prints the folder that they are in.
# Usage: scripts/example.sh NAME...   NSBOOT_BENCH_EXAMPLES names that folder where they are built already.
[ -z "${NSBOOT_BENCH_EXAMPLES:-}" ] || { echo "$NSBOOT_BENCH_EXAMPLES"; exit 0; }
. "$(dirname "$0")/lib.sh"
EXAMPLES=()
for name in "$@"; do EXAMPLES+=(--example "$name"); done
release_build --quiet --package server --package daemons --package store "${EXAMPLES[@]}" >&2
echo "$CARGO_TARGET_DIR/$HOST/release/examples"
