#!/bin/bash
# Our NBD server beside nbdkit's file plugin: 4 KiB random read at depth 32 and 1 MiB sequential read at depth 8, in
# turn, round by round, on a disk in memory of each with the same random bytes. Prints JSON with every round and the
# ratio of the medians.
# Usage: nbd.sh [ROUNDS] [SECONDS]   Needs root, nbdkit, fio and libnbd-bin; runs in a network namespace of its own.
set -euo pipefail
if [ "${NSBOOT_BENCH_INSIDE:-}" != yes ]; then
  root=$(cd "$(dirname "$0")/../.." && pwd)
  for tool in nbdkit fio nbdinfo python3 unshare; do
    command -v "$tool" >/dev/null || { echo "$tool is missing; run: apt-get install nbdkit fio libnbd-bin python3 util-linux" >&2; exit 1; }
  done
  programs=$("$root/scripts/example.sh" nbd_ram)
  export NSBOOT_BENCH_INSIDE=yes NSBOOT_BENCH_BINARY=$programs/nbd_ram
  exec unshare -n "$0" "$@"
fi
rounds=${1:-5} seconds=${2:-4}
ip link set lo up
dir=$(mktemp -d /dev/shm/nsboot-bench.XXXXXX)
children=()
cleanup() { for child in "${children[@]}"; do kill -9 "$child" 2>/dev/null || true; done; wait || true; rm -rf "$dir"; }
trap cleanup EXIT
# Random, so that nobody may leave zeros out.
dd if=/dev/urandom of="$dir/ours.img" bs=1M count=256 status=none
cp "$dir/ours.img" "$dir/peer.img"
"$NSBOOT_BENCH_BINARY" 127.0.0.1:10809 "$dir/ours.img" 256 >"$dir/ours.log" 2>&1 & children+=($!)
nbdkit -f -i 127.0.0.1 -p 10810 file "$dir/peer.img" >"$dir/peer.log" 2>&1 & children+=($!)
ours=nbd://127.0.0.1:10809 peer=nbd://127.0.0.1:10810
answers() { for _ in $(seq 100); do nbdinfo --size "$1" >/dev/null 2>&1 && return; sleep 0.1; done; echo "no NBD server at $1" >&2; exit 1; }
answers "$ours"
answers "$peer"

# One measurement, in requests a second.
measure() {
  local url=$1; shift
  # Its engine says a line of its own before the JSON, so that goes to a file.
  fio --name=bench --ioengine=nbd --uri="$url" --size=256m --time_based --runtime="$seconds" --output-format=json \
    --output="$dir/fio.json" "$@" >>"$dir/fio.log" 2>&1
  python3 -c 'import json, sys; print(round(json.load(open(sys.argv[1]))["jobs"][0]["read"]["iops"]))' "$dir/fio.json"
}
median() { sort -n | awk '{ v[NR] = $1 } END { print (NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2) }'; }
list() { paste -sd, -; }
separator=""
printf '{"bench":"nbd","unit":"requests per second","peer":"nbdkit file","seconds":%s,"cases":[' "$seconds"
while IFS='|' read -r name arguments; do
  : >"$dir/a"; : >"$dir/b"
  for _ in $(seq "$rounds"); do
    # shellcheck disable=SC2086 # the arguments are words of our own
    measure "$ours" $arguments >>"$dir/a" </dev/null
    # shellcheck disable=SC2086
    measure "$peer" $arguments >>"$dir/b" </dev/null
  done
  a=$(median <"$dir/a") b=$(median <"$dir/b")
  printf '%s{"case":"%s","fio":"%s","ours":[%s],"peer":[%s],"ours_median":%s,"peer_median":%s,"ratio":%s}' \
    "$separator" "$name" "$arguments" "$(list <"$dir/a")" "$(list <"$dir/b")" "$a" "$b" "$(awk "BEGIN { printf \"%.2f\", $a / $b }")"
  separator=","
done <<'CASES'
4 KiB random read, depth 32|--rw=randread --bs=4k --iodepth=32
1 MiB sequential read, depth 8|--rw=read --bs=1m --iodepth=8
CASES
printf ']}\n'
