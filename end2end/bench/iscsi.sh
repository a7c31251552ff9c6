#!/bin/bash
# Our iSCSI target beside tgt: 4 KiB random read at depth 1 and 32, 64 KiB sequential at depth 8 and 256 KiB at depth 4,
# in turn, round by round, on a disk in memory of each. Prints JSON with every round, the ratio of the medians, and
# what a request costs each server, microseconds of CPU.
# Usage: iscsi.sh [ROUNDS] [SECONDS]   Needs root, tgt and libiscsi-bin; runs in a network namespace of its own.
set -euo pipefail
if [ "${NSBOOT_BENCH_INSIDE:-}" != yes ]; then
  root=$(cd "$(dirname "$0")/../.." && pwd)
  for tool in tgtd tgtadm iscsi-perf unshare; do
    command -v "$tool" >/dev/null || { echo "$tool is missing; run: apt-get install tgt libiscsi-bin util-linux" >&2; exit 1; }
  done
  programs=$("$root/scripts/example.sh" iscsi_ram)
  export NSBOOT_BENCH_INSIDE=yes NSBOOT_BENCH_BINARY=$programs/iscsi_ram
  exec unshare -n "$0" "$@"
fi
rounds=${1:-5} seconds=${2:-4}
ip link set lo up
dir=$(mktemp -d /dev/shm/nsboot-bench.XXXXXX)
control=$((1000 + $$ % 30000)) # of this tgtd alone; it ignores SIGTERM while a target exists
children=()
cleanup() { for child in "${children[@]}"; do kill -9 "$child" 2>/dev/null || true; done; wait || true; rm -rf "$dir"; }
trap cleanup EXIT
dd if=/dev/zero of="$dir/ours.img" bs=1M count=256 status=none
dd if=/dev/zero of="$dir/tgt.img" bs=1M count=256 status=none
"$NSBOOT_BENCH_BINARY" 127.0.0.1:3261 "$dir/ours.img" 256 >"$dir/ours.log" 2>&1 & children+=($!)
tgtd -f -C "$control" --iscsi portal=127.0.0.1:3260 >"$dir/tgt.log" 2>&1 & children+=($!)
answers() { for _ in $(seq 100); do iscsi-ls "iscsi://$1" >/dev/null 2>&1 && return; sleep 0.1; done; echo "no target at $1" >&2; exit 1; }
admin() { tgtadm -C "$control" --lld iscsi "$@"; }
for _ in $(seq 100); do admin --op show --mode sys >/dev/null 2>&1 && break; sleep 0.1; done
admin --op new --mode target --tid 1 -T iqn.2026-11.test:a
admin --op new --mode logicalunit --tid 1 --lun 1 -b "$dir/tgt.img"
admin --op bind --mode target --tid 1 -I ALL
answers 127.0.0.1:3261

# Hundredths of a second that a process has had of the CPUs.
ticks() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }
# One measurement: the last average that iscsi-perf printed, in requests a second, and the server's CPU for each.
measure() {
  local pid=$1 url=$2 before average; shift 2
  before=$(ticks "$pid")
  average=$({ timeout "$seconds" iscsi-perf "$@" "$url" 2>&1 || true; } | tr '\r' '\n' | grep -aoE 'average [0-9]+' | tail -1 | grep -oE '[0-9]+')
  echo "$average" "$(awk "BEGIN { printf \"%.1f\", ($(ticks "$pid") - $before) * 10000 / ($average * $seconds) }")"
}
column() { cut -d' ' -f"$1" "$2"; }
ours=iscsi://127.0.0.1:3261/iqn.2026-11.test:a/0
peer=iscsi://127.0.0.1:3260/iqn.2026-11.test:a/1
median() { sort -n | awk '{ v[NR] = $1 } END { print (NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2) }'; }
list() { paste -sd, -; }
separator=""
printf '{"bench":"iscsi","unit":"requests per second","peer":"tgt","seconds":%s,"cases":[' "$seconds"
while IFS='|' read -r name arguments; do
  : >"$dir/a"; : >"$dir/b"
  for _ in $(seq "$rounds"); do
    # shellcheck disable=SC2086 # the arguments are words of our own
    measure "${children[0]}" "$ours" $arguments >>"$dir/a" </dev/null
    # shellcheck disable=SC2086
    measure "${children[1]}" "$peer" $arguments >>"$dir/b" </dev/null
  done
  a=$(column 1 "$dir/a" | median) b=$(column 1 "$dir/b" | median)
  printf '%s{"case":"%s","iscsi_perf":"%s","ours":[%s],"peer":[%s],"ours_median":%s,"peer_median":%s,"ratio":%s,"ours_cpu_us":%s,"peer_cpu_us":%s}' \
    "$separator" "$name" "$arguments" "$(column 1 "$dir/a" | list)" "$(column 1 "$dir/b" | list)" "$a" "$b" "$(awk "BEGIN { printf \"%.2f\", $a / $b }")" \
    "$(column 2 "$dir/a" | median)" "$(column 2 "$dir/b" | median)"
  separator=","
done <<'CASES'
4 KiB random read, depth 1|-b 8 -r -m 1
4 KiB random read, depth 32|-b 8 -r -m 32
64 KiB sequential read, depth 8|-b 128 -m 8
256 KiB sequential read, depth 4|-b 512 -m 4
CASES
printf ']}\n'
