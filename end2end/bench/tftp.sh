#!/usr/bin/env bash
# Loader files by TFTP beside tftpd-hpa, in turn, over a veth pair between two network namespaces: a file of 32 MiB to one client
# with blocks of 512 and of 1468 bytes, and to twenty clients at once, each with an address of its own: we allow one address
# eight transfers. MB a second of payload. Then our windows against our single blocks over a late line, and a line with losses.
# Usage (root): end2end/bench/tftp.sh NSBOOT-BINARY [ROUNDS]   -> JSON on stdout, progress on stderr.
set -euo pipefail
if [ -z "${NSBOOT_BENCH_INSIDE:-}" ]; then
  BINARY=$(readlink -f "${1:?give the path of the nsboot binary}")
  for tool in in.tftpd curl ip unshare nsenter python3; do
    command -v "$tool" >/dev/null || { echo "missing: $tool; install tftpd-hpa curl iproute2 util-linux" >&2; exit 1; }
  done
  NSBOOT_BENCH_INSIDE=1 exec unshare -n "$0" "$BINARY" "${2:-5}"
fi
HERE=$(cd "$(dirname "$0")" && pwd) BINARY=$1 ROUNDS=$2 WORK=$(mktemp -d /dev/shm/nsboot-tftp.XXXXXX) PIDS=()
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
for i in $(seq 2 21); do as_client ip addr add "10.9.9.$i/24" dev vc; done
as_client ip link set vc up
mkdir -p pub data/loaders
dd if=/dev/urandom of=pub/f bs=1M count=32 status=none
cp pub/f data/loaders/f
chmod -R a+rX pub; chmod a+x .
cat >nsboot.toml <<X
[http]
listen = "127.0.0.1:3000"
[[boot]]
interface = "vs"
mode = "off"
X
NSBOOT_LOG=error "$BINARY" serve --data data --config nsboot.toml >ours.log 2>&1 & PIDS+=($!)
in.tftpd -4 -L -u root -a 10.9.9.1:6969 -s "$WORK/pub" & PIDS+=($!)
OURS=tftp://10.9.9.1/f PEER=tftp://10.9.9.1:6969/f
answers() { for _ in $(seq 100); do as_client curl -s -m 30 --tftp-blksize 1468 -o /dev/null "$1" && return; sleep 0.1; done; echo "no answer at $1: $(tail -3 ours.log)" >&2; exit 1; }
answers "$OURS"; answers "$PEER"

# MB a second of N clients at once with this block size.
measure() {
  local url=$1 block=$2 clients=$3 begin end jobs=()
  begin=$(date +%s.%N)
  for i in $(seq "$clients"); do
    as_client curl -s -m 60 --interface "10.9.9.$((i + 1))" --tftp-blksize "$block" -o /dev/null -w '%{size_download}\n' "$url" >"size.$i" & jobs+=($!)
  done
  wait "${jobs[@]}"
  end=$(date +%s.%N)
  cat size.* | awk -v t="$(awk "BEGIN{print $end-$begin}")" -v want=$((clients * 33554432)) '{n+=$1} END {if (n != want) {print "a transfer broke off: " n " of " want " bytes" >"/dev/stderr"; exit 1} printf "%.1f\n", n/t/1e6}'
  rm -f size.*
}
median() { sort -n | awk '{ v[NR] = $1 } END { print (NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2) }'; }
list() { paste -sd, -; }
separator=""
printf '{"bench":"tftp","unit":"MB per second","peer":"tftpd-hpa","cases":['
while IFS='|' read -r name block clients; do
  : >a; : >b
  for round in $(seq "$ROUNDS"); do
    measure "$OURS" "$block" "$clients" >>a
    measure "$PEER" "$block" "$clients" >>b
    echo "$name, round $round: $(tail -1 a) beside $(tail -1 b)" >&2
  done
  printf '%s{"case":"%s","ours":[%s],"peer":[%s],"ours_median":%s,"peer_median":%s,"ratio":%s}' "$separator" "$name" \
    "$(list <a)" "$(list <b)" "$(median <a)" "$(median <b)" "$(awk "BEGIN { printf \"%.2f\", $(median <a) / $(median <b) }")"
  separator=","
done <<'CASES'
1 client, blocks of 512 bytes|512|1
1 client, blocks of 1468 bytes|1468|1
20 clients, blocks of 1468 bytes|1468|20
CASES
printf '],'
# A line on which each ACK is a fifth of a millisecond late.
head -c 8M pub/f >data/loaders/w
SUM=$(sha256sum data/loaders/w | cut -d' ' -f1)
fetch() { as_client python3 "$HERE/tftp_client.py" 10.9.9.1 "$@"; }
: >one; : >sixteen
for round in $(seq "$ROUNDS"); do
  fetch w "$SUM" --late-ms 0.2 --window 1 >>one
  fetch w "$SUM" --late-ms 0.2 --window 16 >>sixteen
  echo "windows, round $round: $(tail -1 sixteen) beside $(tail -1 one)" >&2
done
printf '"window":{"late_ms":0.2,"one":[%s],"sixteen":[%s],"one_median":%s,"sixteen_median":%s,"ratio":%s},' \
  "$(list <one)" "$(list <sixteen)" "$(median <one)" "$(median <sixteen)" "$(awk "BEGIN { printf \"%.2f\", $(median <sixteen) / $(median <one) }")"
# A line that loses one packet of a hundred, both ways: what arrives has to be the file.
head -c 512K pub/f >data/loaders/l
SUM=$(sha256sum data/loaders/l | cut -d' ' -f1) CORRUPT=0 DONE=0
for window in 1 4 16 64; do
  jobs=()
  for seed in $(seq 8); do fetch l "$SUM" --loss-percent 1 --window "$window" --seed "$seed" >/dev/null 2>"loss.$seed" & jobs+=($!); done
  for job in "${jobs[@]}"; do if wait "$job"; then DONE=$((DONE + 1)); else CORRUPT=$((CORRUPT + 1)); fi; done
  cat loss.* >&2
done
printf '"loss":{"percent":1,"whole":%s,"broken":%s}}\n' "$DONE" "$CORRUPT"
