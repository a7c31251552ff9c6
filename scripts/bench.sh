#!/usr/bin/env bash
# Measures each hot path beside its peer, keeps the raw rounds in docs/bench/, writes docs/benchmarks.md.
# Usage: scripts/bench.sh [iscsi nbd disks growth import dhcp tftp http boot ws api durable ws_idle size]   All by default; needs root and the peers' packages.
. "$(dirname "$0")/lib.sh"
ROUNDS=${ROUNDS:-5}
WANTED=${*:-iscsi nbd disks growth import dhcp tftp http boot ws api durable ws_idle size}
PEERS="tgt libiscsi-bin nbdkit libnbd-bin fio python3-matplotlib kea-dhcp4-server kea-admin dnsmasq-base tftpd-hpa nginx-light wrk"
for p in $PEERS; do
  dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'install ok installed' && continue
  # The peers are started by the benches; as services they would sit on the ports of this machine.
  step 1 1 "Peers to measure beside: $PEERS" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y --no-install-recommends $PEERS
  break
done
[ -x target/release/nsboot ] || scripts/build.sh
BIN=$ROOT/target/release/nsboot
mkdir -p docs/bench
measure() {
  case $1 in
    iscsi) end2end/bench/iscsi.sh "$ROUNDS" 4 ;;
    nbd) end2end/bench/nbd.sh "$ROUNDS" 4 ;;
    disks) python3 end2end/bench/disks.py "$ROUNDS" 4 ;;
    growth) python3 end2end/bench/growth.py ;;
    import) end2end/bench/import.sh "$BIN" "$ROUNDS" ;;
    dhcp) end2end/bench/dhcp.sh "$BIN" "$((ROUNDS < 3 ? ROUNDS : 3))" ;;
    tftp) end2end/bench/tftp.sh "$BIN" "$ROUNDS" ;;
    http) end2end/bench/http.sh "$BIN" "$ROUNDS" ;;
    boot) NSBOOT_BIN=$BIN SELFTEST_IMAGE=$(scripts/lab-image.sh selftest) python3 end2end/bench/boot.py "$ROUNDS" ;;
    ws) end2end/bench/ws.sh "$BIN" "$ROUNDS" ;;
    api) end2end/bench/api.sh "$BIN" "$ROUNDS" ;;
    durable) end2end/bench/durable.sh "$ROUNDS" ;;
    ws_idle) end2end/bench/ws_idle.sh "$BIN" ;;
    size) NSBOOT_BIN=$BIN python3 end2end/bench/size.py ;;
    *) echo "there is no bench $1" >&2; return 2 ;;
  esac
}
BROKEN=()
for bench in $WANTED; do
  echo "== $bench"
  # One that breaks must not take the others' figures with it.
  measure "$bench" >"docs/bench/.$bench.json" && python3 -m json.tool <"docs/bench/.$bench.json" >"docs/bench/$bench.json.new" &&
    mv "docs/bench/$bench.json.new" "docs/bench/$bench.json" || BROKEN+=("$bench")
  rm -f "docs/bench/.$bench.json" "docs/bench/$bench.json.new"
done
[ ! -f docs/bench/growth.json ] || /usr/bin/python3 end2end/bench/plots.py # Debian's own, which has python3-matplotlib
python3 end2end/bench/render.py >docs/benchmarks.md
echo "Written: docs/benchmarks.md"
[ ${#BROKEN[@]} = 0 ] || { echo "These broke, their former figures stay: ${BROKEN[*]}" >&2; exit 1; }
