#!/usr/bin/env bash
# Changes the DHCP code in hundreds of small ways and looks whether its tests notice. Hours on two cores; a share of it
# takes a share of the time. Usage: mutants.sh [SHARD/SHARDS, e.g. 0/10]   Ends with an error below 80 % noticed.
. "$(dirname "$0")/lib.sh"
SHARD=${1:-0/1}
VERSION=27.1.0 BAR=80
OUT=$NSBOOT_CACHE/mutants
if cargo mutants --version 2>/dev/null | grep -qwF "$VERSION"; then skip 1 2 "cargo-mutants $VERSION"
else
  step 1 2 "cargo-mutants $VERSION (compiles for some minutes)" env \
    CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_OPT_LEVEL=1 \
    CARGO_TARGET_DIR="$NSBOOT_CACHE/target-tools-$RUSTC_KEY" \
    cargo install --root "$NSBOOT_TOOLS" cargo-mutants --version "$VERSION" --locked
  rm -rf "$NSBOOT_CACHE/target-tools-$RUSTC_KEY"
fi
FILES=()
for file in wire session proxy forms facts; do FILES+=(--file "server/daemons/src/dhcp/$file.rs"); done
rm -rf "$OUT"
mkdir -p "$OUT"
# It copies the sources and builds there, in a folder of its own, so that nothing of a changed program is left elsewhere.
# Not the live tests: what they need a network for, the others see without one. They take seconds, so more is a circle.
export CARGO_TARGET_DIR=$NSBOOT_CACHE/target-mutants-$RUSTC_KEY CARGO_INCREMENTAL=1
STATUS=0
cargo mutants --package daemons "${FILES[@]}" --shard "$SHARD" --sharding round-robin --output "$OUT" --timeout 90 \
  --cargo-arg=--locked --colors never -- --lib dhcp:: || STATUS=$?
count() { wc -l <"$OUT/mutants.out/$1.txt"; }
CAUGHT=$(($(count caught) + $(count timeout))) MISSED=$(count missed)
echo "noticed $CAUGHT of $((CAUGHT + MISSED)), $(count unviable) did not compile; not noticed:"
cat "$OUT/mutants.out/missed.txt"
# 2 is "some were missed", 3 "some took too long"; anything else is a failure of the tool or of the tests themselves.
case $STATUS in 0 | 2 | 3) ;; *) exit "$STATUS" ;; esac
[ $((CAUGHT + MISSED)) -gt 0 ] || { echo "nothing was tried in shard $SHARD" >&2; exit 1; }
[ $((100 * CAUGHT / (CAUGHT + MISSED))) -ge $BAR ] || { echo "less than $BAR % were noticed" >&2; exit 1; }
