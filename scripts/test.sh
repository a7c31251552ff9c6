#!/usr/bin/env bash
# Everything that CI runs, in stages with a time limit on each. `--long` adds the wide and slow matrices.
. "$(dirname "$0")/lib.sh"
LONG=${1:-}
# Half of the cache would be for builds in small steps, which nobody makes here.
export CARGO_INCREMENTAL=0
REPORT=()
FAILED=()

# stage "name" LIMIT-MINUTES COMMAND... : a failed stage does not hide the results of the next ones.
stage() {
  local name=$1 limit=$2 started=$SECONDS status=0; shift 2
  printf '\n=== %s (at most %s min)\n' "$name" "$limit"
  timeout --kill-after=20 "${limit}m" "$@" || status=$?
  ended "$name" $((SECONDS - started)) "$status"
}
# beside "name" LIMIT-MINUTES COMMAND... : as stage, but the next ones begin at once; `joined` waits for it and shows it.
BESIDE=()
beside() {
  local name=$1 limit=$2 kept; shift 2
  kept=$(mktemp -d)
  (
    status=0
    timeout --kill-after=20 "${limit}m" "$@" >"$kept/log" 2>&1 || status=$?
    echo "$SECONDS $status" >"$kept/end"
  ) &
  BESIDE=("$name" "$limit" "$SECONDS" "$kept")
}
joined() {
  local name=${BESIDE[0]} limit=${BESIDE[1]} started=${BESIDE[2]} kept=${BESIDE[3]} end=0 status=1
  wait
  read -r end status <"$kept/end" || true
  printf '\n=== %s (at most %s min, beside the one before)\n' "$name" "$limit"
  cat "$kept/log"
  rm -rf "$kept"
  ended "$name" $((end - started)) "$status"
}
# ended "name" SECONDS STATUS
ended() {
  local name=$1 took=$2 status=$3 verdict=ok
  case $status in
    0) ;;
    77) verdict=SKIPPED ;; # it can't run here, and has said why
    124) verdict="TIME LIMIT" ;;
    *) verdict="FAILED ($status)" ;;
  esac
  REPORT+=("$(printf '%5.1f min  %-12s %s' "$(awk "BEGIN{print $took/60}")" "$verdict" "$name")")
  case $verdict in ok | SKIPPED) ;; *) FAILED+=("$name") ;; esac
  printf '=== %s: %s, %s s\n' "$name" "$verdict" "$took"
}
finish() {
  printf '\nMinutes of each stage:\n'; printf '%s\n' "${REPORT[@]}"
  printf '%5.1f min in all\n' "$(awk "BEGIN{print $SECONDS/60}")"
  [ ${#FAILED[@]} = 0 ] && { echo "All green."; exit 0; }
  printf 'Failed: %s\n' "$(IFS=,; echo "${FAILED[*]}")"; exit 1
}

stage "set-up" 30 scripts/setup.sh
[ ${#FAILED[@]} = 0 ] || finish
# Builds of two profiles do not wait for each other, and each has long stretches on one core.
beside "format and clippy" 30 scripts/lint.sh
stage "release build" 45 scripts/build.sh
joined
stage "advisories" 10 scripts/audit.sh
export NSBOOT_BIN=$ROOT/target/release/nsboot
# Tests in network namespaces fail, instead of passing silently, where their tools are missing.
export NSBOOT_LIVE=1
stage "unit and integration tests" 30 cargo test --locked --workspace --exclude frontend --no-fail-fast -- --test-threads=4
stage "fuzz, a minute each, one a core" 15 scripts/fuzz.sh 60
[ -x "$NSBOOT_BIN" ] || finish
stage "API against its description" 6 end2end/api/conformance.sh 45
stage "self-test image" 6 scripts/lab-image.sh selftest
SELFTEST_IMAGE=$(scripts/lab-image.sh selftest) || finish
export SELFTEST_IMAGE
stage "binary alone in an empty root" 3 end2end/lab/chroot.sh
stage "damaged packets beside good traffic" 4 python3 end2end/lab/noise.py
stage "Debian image" 10 scripts/lab-image.sh debian
DEBIAN_IMAGE=$(scripts/lab-image.sh debian) || finish
export DEBIAN_IMAGE
stage "boots in the lab, two at a time" 40 end2end/lab/ways.sh
stage "browser" 20 bash -c 'cd end2end && npx playwright test'
if [ "$LONG" = --long ]; then
  stage "fuzz, ten minutes each" 45 scripts/fuzz.sh 600
  stage "1,000 kills, and 100 sessions over a kill and an outage" 60 \
    env NSBOOT_KILLS=1000 NSBOOT_SESSIONS=100 cargo test --locked --workspace --exclude frontend --test nothing_lost -- --nocapture
  # Each by its place and not by a word in the names of its tests, which would leave out those that lack it.
  stage "20,000 states of overlays after power cuts" 60 env NSBOOT_STATES=20000 cargo test --locked --workspace --exclude frontend --lib crash_tests
  stage "20,000 states of the store after power cuts" 60 env NSBOOT_STATES=20000 cargo test --locked --workspace --exclude frontend --test crash
  stage "50 power cuts of a server" 40 env NSBOOT_CUTS=50 cargo test --locked --workspace --exclude frontend --test nothing_lost -- --ignored --nocapture
  stage "10,000 idle WebSockets" 15 end2end/bench/ws_idle.sh "$NSBOOT_BIN"
  stage "boots in the lab, twenty rounds of each" 240 end2end/lab/ways.sh --rounds 20
  stage "every network card in the lab" 20 python3 end2end/lab/firmware.py every_network_card_boots
fi
finish
