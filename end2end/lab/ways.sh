#!/usr/bin/env bash
# Every boot in the lab, two tests at a time: an emulated machine keeps one core busy, and each test has a namespace of
# its own. What the second row says is shown when it is through. Each argument goes to each test, e.g. --rounds 3.
set -uo pipefail
cd "$(dirname "$0")"
second=$(mktemp)
trap 'rm -f "$second"' EXIT
rest() {
  local status=0
  python3 boots.py "$@" || status=$?
  python3 entries.py "$@" || status=$?
  return $status
}
rest "$@" >"$second" 2>&1 &
first_status=0
python3 firmware.py "$@" || first_status=$?
python3 secure.py "$@" || first_status=$?
python3 quirks.py "$@" || first_status=$?
python3 evening.py "$@" || first_status=$?
python3 verify.py "$@" || first_status=$?
wait $!
second_status=$?
cat "$second"
[ $first_status = 0 ] && [ $second_status = 0 ]
