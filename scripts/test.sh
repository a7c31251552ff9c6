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
  local took=$((SECONDS - started)) verdict=ok
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
stage "format and clippy" 15 scripts/lint.sh
stage "advisories" 10 scripts/audit.sh
stage "release build" 30 scripts/build.sh
export NSBOOT_BIN=$ROOT/target/release/nsboot
# Tests in network namespaces fail, instead of passing silently, where their tools are missing.
export NSBOOT_LIVE=1
stage "unit and integration tests" 20 cargo test --locked --workspace --exclude frontend --no-fail-fast -- --test-threads=4
stage "fuzz, a minute each" 15 scripts/fuzz.sh 60
[ -x "$NSBOOT_BIN" ] || finish
stage "API against its description" 6 end2end/api/conformance.sh 45
stage "self-test image" 6 scripts/lab-image.sh selftest
SELFTEST_IMAGE=$(scripts/lab-image.sh selftest) || finish
export SELFTEST_IMAGE
stage "binary alone in an empty root" 3 end2end/lab/chroot.sh
stage "boots in the lab" 20 python3 end2end/lab/boots.py
stage "Debian image" 10 scripts/lab-image.sh debian
DEBIAN_IMAGE=$(scripts/lab-image.sh debian) || finish
export DEBIAN_IMAGE
stage "ways to boot in the lab" 25 end2end/lab/ways.sh
stage "browser" 12 bash -c 'cd end2end && npx playwright test'
if [ "$LONG" = --long ]; then
  stage "fuzz, ten minutes each" 45 scripts/fuzz.sh 600
  stage "10,000 idle WebSockets" 15 end2end/bench/ws_idle.sh "$NSBOOT_BIN"
  stage "boots in the lab, ten rounds" 90 python3 end2end/lab/boots.py --rounds 10
  stage "Secure Boot in the lab, three rounds" 20 python3 end2end/lab/secure.py --rounds 3
  stage "ways to boot in the lab, three rounds" 90 python3 end2end/lab/firmware.py --long --rounds 3
fi
finish
