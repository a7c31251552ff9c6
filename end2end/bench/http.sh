#!/usr/bin/env bash
# Boot files by HTTP beside nginx, in turn, over a veth pair between two network namespaces: a file of 64 MiB over one connection,
# and random 64 KiB of it over 100 connections. MB a second of payload, and seconds of the server's CPU for each GB.
# Usage (root): end2end/bench/http.sh NSBOOT-BINARY [ROUNDS]   -> JSON on stdout, progress on stderr.
set -euo pipefail
if [ -z "${NSBOOT_BENCH_INSIDE:-}" ]; then
  BINARY=$(readlink -f "${1:?give the path of the nsboot binary}")
  for tool in nginx wrk curl ip unshare nsenter; do
    command -v "$tool" >/dev/null || { echo "missing: $tool; install nginx-light wrk curl iproute2 util-linux" >&2; exit 1; }
  done
  NSBOOT_BENCH_INSIDE=1 exec unshare -n "$0" "$BINARY" "${2:-5}"
fi
BINARY=$1 ROUNDS=$2 WORK=$(mktemp -d /dev/shm/nsboot-http.XXXXXX) PIDS=()
cleanup() { for p in "${PIDS[@]}"; do kill "$p" 2>/dev/null || true; done; wait 2>/dev/null || true; rm -rf "$WORK"; }
trap cleanup EXIT
cd "$WORK"
# Servers here, clients in a namespace of theirs: our server answers on the chosen interface only, not on loopback.
ip link set lo up
unshare -n sleep infinity & CLIENTS=$!; PIDS+=("$CLIENTS")
until [ "$(readlink "/proc/$CLIENTS/ns/net")" != "$(readlink /proc/self/ns/net)" ]; do :; done
ip link add vs type veth peer name vc netns "$CLIENTS"
ip addr add 10.9.9.1/24 dev vs
ip link set vs up
as_client() { nsenter -t "$CLIENTS" -n "$@"; }
as_client ip addr add 10.9.9.2/24 dev vc
as_client ip link set vc up
SIZE=$((64 << 20)) PART=65536
mkdir -p pub data/loaders
dd if=/dev/urandom of=pub/f bs=1M count=64 status=none
cp pub/f data/loaders/f
cat >nsboot.toml <<X
[http]
listen = "127.0.0.1:3000"
[[boot]]
interface = "vs"
mode = "off"
X
cat >nginx.conf <<X
user root;
worker_processes auto;
daemon off;
pid $WORK/nginx.pid;
error_log $WORK/nginx.log;
events { worker_connections 1024; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000;
  server { listen 10.9.9.1:8081; root $WORK/pub; }
}
X
cat >ranges.lua <<X
local last = $SIZE / $PART - 1
request = function()
  local from = math.random(0, last) * $PART
  return wrk.format("GET", nil, { Range = "bytes=" .. from .. "-" .. (from + $PART - 1) })
end
done = function(summary)
  local e = summary.errors
  io.write(string.format("%d %d %d\n", summary.requests, summary.duration, e.connect + e.read + e.write + e.status + e.timeout))
end
X
NSBOOT_LOG=error "$BINARY" serve --data data --config nsboot.toml >ours.log 2>&1 & OUR_PID=$!; PIDS+=("$OUR_PID")
nginx -p "$WORK" -c "$WORK/nginx.conf" & PEER_PID=$!; PIDS+=("$PEER_PID")
OURS=http://10.9.9.1:8080/f/f PEER=http://10.9.9.1:8081/f
answers() { for _ in $(seq 100); do as_client curl -sf -m 30 -o got "$1" && cmp -s got pub/f && return; sleep 0.1; done; echo "no answer at $1: $(tail -3 ours.log)" >&2; exit 1; }
answers "$OURS"; answers "$PEER"
rm -f got

TICKS=$(getconf CLK_TCK)
# CPU seconds so far of a server and its children.
cpu() { for p in "$1" $(pgrep -P "$1" || true); do sed 's/.*) //' "/proc/$p/stat"; done | awk -v t="$TICKS" '{ n += $12 + $13 } END { printf "%.2f\n", n / t }'; }
TIMES=8
whole() {
  local urls=() begin end
  for _ in $(seq "$TIMES"); do urls+=(-o /dev/null "$1"); done
  begin=$(date +%s.%N)
  as_client curl -sf -m 300 -w '%{size_download}\n' "${urls[@]}" >sizes
  end=$(date +%s.%N)
  awk -v s="$(awk "BEGIN{print $end-$begin}")" -v want=$((TIMES * SIZE)) '{ n += $1 } END { if (n != want) { print "a transfer broke off" >"/dev/stderr"; exit 1 } print n, s }' sizes
}
ranges() {
  as_client wrk -t2 -c100 -d5s -s ranges.lua "$1" | tail -1 | awk -v part="$PART" '{ if ($3 > 0) { print $3 " errors" >"/dev/stderr"; exit 1 } print $1 * part, $2 / 1e6 }'
}
# "MB a second" and "CPU seconds a GB" of one server.
measure() {
  local before after
  before=$(cpu "$3")
  "$1" "$2" >result
  after=$(cpu "$3")
  awk -v used="$(awk "BEGIN{print $after-$before}")" '{ printf "%.1f %.3f\n", $1 / $2 / 1e6, used / ($1 / 1e9) }' result
}
column() { cut -d' ' -f"$1"; }
median() { sort -n | awk '{ v[NR] = $1 } END { print (NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2) }'; }
list() { paste -sd, -; }
separator=""
printf '{"bench":"http","unit":"MB per second","peer":"nginx","cases":['
while IFS='|' read -r name work; do
  : >a; : >b
  for round in $(seq "$ROUNDS"); do
    measure "$work" "$OURS" "$OUR_PID" >>a
    measure "$work" "$PEER" "$PEER_PID" >>b
    echo "$name, round $round: $(tail -1 a) beside $(tail -1 b)" >&2
  done
  ours=$(column 1 <a | median) peer=$(column 1 <b | median)
  printf '%s{"case":"%s","ours":[%s],"peer":[%s],"ours_median":%s,"peer_median":%s,"ratio":%s,"ours_cpu_median":%s,"peer_cpu_median":%s}' "$separator" "$name" \
    "$(column 1 <a | list)" "$(column 1 <b | list)" "$ours" "$peer" "$(awk "BEGIN { printf \"%.2f\", $ours / $peer }")" "$(column 2 <a | median)" "$(column 2 <b | median)"
  separator=","
done <<'CASES'
64 MiB, 1 connection|whole
64 KiB ranges, 100 connections|ranges
CASES
printf ']}\n'
