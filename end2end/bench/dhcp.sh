#!/usr/bin/env bash
# DHCP exchanges a second beside Kea and dnsmasq, in turn, in a network namespace of its own.
# Usage (root): end2end/bench/dhcp.sh NSBOOT-BINARY [ROUNDS]   -> JSON on stdout, progress on stderr.
# Leases are stored by all three on the file system of the working folder ($TMPDIR). Kea appends without a sync per
# lease, dnsmasq rewrites and syncs its file, nsboot syncs before each ACK.
set -euo pipefail

if [ -z "${NSBOOT_BENCH_INSIDE:-}" ]; then
  BINARY=$(readlink -f "${1:?give the path of the nsboot binary}")
  for tool in perfdhcp kea-dhcp4 dnsmasq ip unshare nsenter; do
    command -v "$tool" >/dev/null || { echo "missing: $tool; install kea-admin kea-dhcp4-server dnsmasq-base iproute2 util-linux" >&2; exit 1; }
  done
  NSBOOT_BENCH_INSIDE=1 exec unshare -n "$0" "$BINARY" "${2:-3}"
fi

BINARY=$1 ROUNDS=$2
WORK=$(mktemp -d)
SERVER_PID='' HOLDER=''
cleanup() {
  for pid in $SERVER_PID $HOLDER; do kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true; done
  rm -rf "$WORK"
}
trap cleanup EXIT
cd "$WORK"
# In memory a sync costs nothing, and the figure would say nothing.
[ "$(stat -f -c %T .)" != tmpfs ] || { echo "$WORK is in memory; set TMPDIR to a folder on a disk" >&2; exit 1; }

ip link set lo up
unshare -n sleep infinity & HOLDER=$!
until [ "$(readlink /proc/$HOLDER/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.05; done
ip link add vs type veth peer name vc
ip link set vc netns "$HOLDER"
ip addr add 10.0.0.1/8 dev vs
ip link set vs up
nsenter -t "$HOLDER" -n ip addr add 10.255.255.2/8 dev vc
nsenter -t "$HOLDER" -n ip link set vc up
nsenter -t "$HOLDER" -n ip link set lo up

start_nsboot() {
  mkdir data
  cat >nsboot.toml <<X
[http]
listen = "127.0.0.1:3000"
[[boot]]
interface = "vs"
mode = "full"
range = "10.1.0.0-10.200.255.255"
X
  NSBOOT_LOG=error "$BINARY" serve --data data --config nsboot.toml >server.log 2>&1 & SERVER_PID=$!
}
start_kea() {
  mkdir -p keadata /run/kea
  cat >kea.json <<X
{"Dhcp4":{"interfaces-config":{"interfaces":["vs"],"dhcp-socket-type":"raw"},"lease-database":{"type":"memfile","persist":true,"name":"$PWD/keadata/l.csv","lfc-interval":0},"multi-threading":{"enable-multi-threading":true,"thread-pool-size":2,"packet-queue-size":64},"valid-lifetime":86400,"subnet4":[{"subnet":"10.0.0.0/8","pools":[{"pool":"10.1.0.0-10.200.255.255"}]}],"loggers":[{"name":"kea-dhcp4","severity":"ERROR","output_options":[{"output":"$PWD/kea.log"}]}]}}
X
  KEA_PIDFILE_DIR=$PWD/keadata KEA_LOCKFILE_DIR=$PWD/keadata kea-dhcp4 -c kea.json >server.log 2>&1 & SERVER_PID=$!
}
start_dnsmasq() {
  dnsmasq -k --conf-file=/dev/null --port=0 --interface=vs --bind-interfaces --dhcp-authoritative --no-ping --dhcp-range=10.1.0.0,10.1.255.255,255.0.0.0,12h --dhcp-lease-max=70000 --dhcp-leasefile="$PWD/dm.leases" --user=root --pid-file= --quiet-dhcp >server.log 2>&1 & SERVER_PID=$!
}
stop_server() {
  kill "$SERVER_PID" 2>/dev/null || true
  wait "$SERVER_PID" 2>/dev/null || true
  SERVER_PID=''
  rm -rf data keadata dm.leases kea.json nsboot.toml
}

# One exchange gets through: the server is up.
wait_ready() {
  local end=$((SECONDS + 60))
  while [ $SECONDS -lt $end ]; do
    kill -0 "$SERVER_PID" 2>/dev/null || { echo "$1 ended: $(tail -3 server.log)" >&2; return 1; }
    nsenter -t "$HOLDER" -n timeout 5 perfdhcp -4 -l vc -r 5 -n 1 -R 1 -W 500000 -xi >probe.log 2>&1 || true
    if grep -q '^received packets: 1' probe.log; then return 0; fi
    sleep 0.2
  done
  echo "$1 does not answer: $(tail -3 server.log); perfdhcp said: $(tail -3 probe.log)" >&2
  return 1
}

FIRST=1 STATUS=0
# measure NAME RATE CLIENTS ROUND: offers RATE exchanges a second for 4 s. Then it listens for 0.1 s more: perfdhcp calls what is
# on its way when it ends a drop. Its own rate counts that time in, so the ACKs are counted here.
measure() {
  local out
  out=$(nsenter -t "$HOLDER" -n timeout 20 perfdhcp -4 -l vc -r "$2" -R "$3" -p 4 -W 100000 -xi 2>&1 || true)
  [ "$FIRST" = 1 ] || printf ',\n'
  FIRST=0
  awk -v server="$1" -v rate="$2" -v clients="$3" -v round="$4" '
    /^received packets:/ { got = $3 / 4 }
    /^drops ratio:/ { drops[++d] = $3 }
    /^avg delay:/ { delay[++a] = ($3 == "n/a" || $3 == "min") ? "null" : $3 }
    END {
      printf "  {\"server\":\"%s\",\"round\":%d,\"offered_per_second\":%d,\"clients\":%d,\"exchanges_per_second\":%s,", server, round, rate, clients, got == "" ? "null" : got
      printf "\"discover_drops_percent\":%s,\"request_drops_percent\":%s,", d < 1 ? "null" : drops[1] + 0, d < 2 ? "null" : drops[2] + 0
      printf "\"offer_avg_ms\":%s,\"ack_avg_ms\":%s}", a < 1 ? "null" : delay[1], a < 2 ? "null" : delay[2]
    }' <<<"$out"
  echo "round $4: $1 at $2/s with $3 clients: $(grep -aE '^(received packets|drops ratio)' <<<"$out" | paste -sd' ' || true)" >&2
}

# 1,000 computers ask at once, and again until each is bound; perfdhcp says how long that took.
avalanche() {
  local out took
  out=$(nsenter -t "$HOLDER" -n timeout 120 perfdhcp -4 -l vc --scenario avalanche -R 1000 2>&1 || true)
  took=$(sed -n 's/^It took \([0-9:.]*\) to provision 1000 clients.*/\1/p' <<<"$out" | awk -F: '{ print $1 * 3600 + $2 * 60 + $3 }')
  [ -n "$took" ] || { echo "round $2: $1 did not bind all: $(tail -3 <<<"$out")" >&2; STATUS=1; return; }
  echo "$took" >>"avalanche.$1"
  echo "round $2: $1 bound 1,000 computers at once in $took s" >&2
}
# Exchanges a second of new computers, more offered than it can do, beside so many leases.
beside() {
  local out rate
  nsenter -t "$HOLDER" -n timeout 120 perfdhcp -4 -l vc -r 3000 -R "$1" -n "$1" -xi >fill.log 2>&1 || true
  out=$(nsenter -t "$HOLDER" -n timeout 20 perfdhcp -4 -l vc -b mac=00:0c:77:00:00:00 -r 10000 -R 1000000 -p 4 -xi 2>&1 || true)
  rate=$(awk '/^Rate:/ { print $2; exit }' <<<"$out")
  [ -n "$rate" ] || { echo "round $2: no rate beside $1 leases: $(tail -3 <<<"$out")" >&2; STATUS=1; return; }
  echo "$rate" >>"beside.$1"
  echo "round $2: $rate a second beside $(grep -m1 '^received packets' fill.log | grep -o '[0-9]*') leases" >&2
}
each() { [ ! -e "$1" ] || paste -sd, "$1"; }

printf '{"rounds":[\n'
for round in $(seq "$ROUNDS"); do
  for server in nsboot kea dnsmasq; do
    "start_$server"
    if wait_ready "$server"; then
      case $server in
        nsboot) for r in 500 1000 2000; do measure nsboot $r 1000 "$round"; done
                for r in 2000 5000 10000; do measure nsboot $r 1000000 "$round"; done ;;
        kea) for r in 2000 5000 10000; do measure kea $r 1000000 "$round"; done ;;
        dnsmasq) for r in 500 1000 2000; do measure dnsmasq $r 1000 "$round"; done ;;
      esac
    else
      STATUS=1 # its rounds are missing; the others are worth having
    fi
    stop_server
  done
  for server in nsboot kea; do
    "start_$server"
    wait_ready "$server" && avalanche "$server" "$round"
    stop_server
  done
  for leases in 10 65000; do
    start_nsboot
    wait_ready nsboot && beside "$leases" "$round"
    stop_server
  done
done
printf '\n],"avalanche":{"nsboot":[%s],"kea":[%s]},"beside":{"10":[%s],"65000":[%s]}}\n' \
  "$(each avalanche.nsboot)" "$(each avalanche.kea)" "$(each beside.10)" "$(each beside.65000)"
exit $STATUS
