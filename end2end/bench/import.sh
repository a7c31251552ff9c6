#!/bin/bash
# The import of a qcow2 beside `qemu-img convert` to a raw file and a sync of it, which is what an import ends with, in turn, round by
# round, with the same file; and the server's peak memory by then. Prints JSON with every round and the ratio of the medians.
# Usage: import.sh NSBOOT [ROUNDS] [MIB]   Needs qemu-img, curl and python3.
set -euo pipefail
for tool in qemu-img curl python3; do
  command -v "$tool" >/dev/null || { echo "$tool is missing; run: apt-get install qemu-utils curl python3" >&2; exit 1; }
done
binary=$1 rounds=${2:-5} mib=${3:-512}
dir=$(mktemp -d "${TMPDIR:-/var/tmp}/nsboot-bench.XXXXXX")
server=""
cleanup() { [ -z "$server" ] || kill -9 "$server" 2>/dev/null || true; wait || true; rm -rf "$dir"; }
trap cleanup EXIT
# A third random, a third text, a third nothing, in stretches of 1 MiB.
python3 - "$dir/disk.raw" "$mib" <<'PY'
import os, sys
with open(sys.argv[1], "wb") as disk:
    for i in range(int(sys.argv[2])):
        if i % 3 == 0:
            disk.write(os.urandom(1 << 20))
        elif i % 3 == 1:
            disk.write((b"%08d a line of text as files have it\n" % i * 30000)[:1 << 20])
        else:
            disk.seek(1 << 20, os.SEEK_CUR)
    disk.truncate(int(sys.argv[2]) << 20)
PY
qemu-img convert -f raw -O qcow2 "$dir/disk.raw" "$dir/plain.qcow2"
qemu-img convert -f raw -O qcow2 -c "$dir/disk.raw" "$dir/packed.qcow2"
sum=$(sha256sum "$dir/disk.raw" | cut -d' ' -f1)
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
NSBOOT_ADMIN_PASSWORD="correct horse battery" "$binary" serve --data "$dir/data" --listen "127.0.0.1:$port" >"$dir/log" 2>&1 & server=$!
url="http://127.0.0.1:$port"
for _ in $(seq 300); do curl -fs -o /dev/null "$url/readyz" && break; sleep 0.1; done
token=$(curl -fsS "$url/api/v1/auth/login" -H 'content-type: application/json' -d '{"username":"admin","password":"correct horse battery"}' |
  python3 -c 'import json, sys; print(json.load(sys.stdin)["access_token"])')
memory() { awk '/VmHWM/ { print $2 * 1024 }' "/proc/$server/status"; }
before=$(memory)

# Seconds of one import; the image goes again.
ours() {
  local said
  said=$(curl -fsS -o "$dir/answer" -w '%{time_total}' -X POST -T "$1" -H "authorization: Bearer $token" -H 'content-type: application/octet-stream' "$url/api/v1/images?name=bench")
  grep -q "$sum" "$dir/answer" || { echo "the image is not the disk" >&2; exit 1; }
  curl -fsS -X DELETE -H "authorization: Bearer $token" "$url/api/v1/images/bench" >&2
  echo "$said"
}
peer() {
  python3 - "$1" "$dir/out.raw" <<'PY'
import os, subprocess, sys, time
start = time.monotonic()
subprocess.run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", sys.argv[1], sys.argv[2]], check=True)
with open(sys.argv[2], "r+b") as out:
    os.fsync(out.fileno())
print(f"{time.monotonic() - start:.3f}")
os.unlink(sys.argv[2])
PY
}
median() { sort -n | awk '{ v[NR] = $1 } END { print (NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2) }'; }
list() { paste -sd, -; }
separator=""
printf '{"bench":"import","unit":"MiB of disk a second","peer":"qemu-img convert and fsync","mib":%s,"cases":[' "$mib"
for name in plain packed; do
  : >"$dir/a"; : >"$dir/b"
  for _ in $(seq "$rounds"); do
    awk "BEGIN { print $mib / $(ours "$dir/$name.qcow2") }" >>"$dir/a"
    awk "BEGIN { print $mib / $(peer "$dir/$name.qcow2") }" >>"$dir/b"
  done
  a=$(median <"$dir/a") b=$(median <"$dir/b")
  printf '%s{"case":"%s qcow2 to raw","ours":[%s],"peer":[%s],"ours_median":%s,"peer_median":%s,"ratio":%s}' \
    "$separator" "$name" "$(list <"$dir/a")" "$(list <"$dir/b")" "$a" "$b" "$(awk "BEGIN { printf \"%.2f\", $a / $b }")"
  separator=","
done
printf '],"memory_before_bytes":%s,"memory_peak_bytes":%s}\n' "$before" "$(memory)"
