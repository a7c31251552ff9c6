#!/usr/bin/env bash
# Runs each fuzz target for so many seconds (default 60). libFuzzer with coverage, on the stable compiler: the
# flags are those that cargo-fuzz passes, without its sanitizer, which needs another compiler.
. "$(dirname "$0")/lib.sh"
SECONDS_EACH=${1:-60}
cd server/daemons/fuzz
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 -Cdebug-assertions=on"
export CARGO_TARGET_DIR=$CARGO_TARGET_DIR/fuzz
# Naming the target keeps the flags away from build scripts, which are not linked with the fuzzer.
HOST=$(rustc -vV | sed -n 's/^host: //p')
cargo build --locked --release --target "$HOST"
# fuzz TARGET: runs it for its time and says what came of it.
fuzz() {
  local t=$1 status=0 capture bytes log=$NSBOOT_CACHE/logs/fuzz-$1.log
  mkdir -p "$NSBOOT_CACHE/fuzz/$t"
  # The captured packets to begin with, each with the length byte before it that the target may want.
  for capture in "../src/${t%_wire}/captures"/*.hex; do
    [ -e "$capture" ] || continue
    bytes=$(grep -v '^#' "$capture" | tr -d '[:space:]')
    [ "$t" != tftp_wire ] || bytes=$(printf '%02x' $((${#bytes} / 2)))$bytes
    printf '%s' "${bytes^^}" | basenc --base16 --decode >"$NSBOOT_CACHE/fuzz/$t/$(basename "$capture" .hex)"
  done
  "$CARGO_TARGET_DIR/$HOST/release/$t" -max_total_time="$SECONDS_EACH" -rss_limit_mb=512 -timeout=2 -print_final_stats=1 \
    -artifact_prefix="$NSBOOT_CACHE/fuzz/$t-" "$NSBOOT_CACHE/fuzz/$t" >"$log" 2>&1 || status=1
  printf '== %s\n%s\n' "$t" "$(grep -E 'number_of_executed_units|SUMMARY|ERROR|panicked' "$log")"
  return $status
}
# A target keeps one core busy: as many run beside each other as there are cores, none longer than it would alone.
STATUS=0
TARGETS=$(cargo metadata --no-deps --format-version 1 --offline | grep -oE '"kind":\["bin"\],"crate_types":\["bin"\],"name":"[a-z0-9_]+"' | grep -oE '[a-z0-9_]+"$' | tr -d '"')
for t in $TARGETS; do
  [ "$(jobs -rp | wc -l)" -lt "$(nproc)" ] || wait -n || STATUS=1
  fuzz "$t" &
done
while [ -n "$(jobs -p)" ]; do wait -n || STATUS=1; done
exit $STATUS
