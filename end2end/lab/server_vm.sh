#!/bin/bash
# Makes what a virtual machine needs to be a server: the kernel of the self-test image, and its initramfs with the binary
# and a first program that mounts /dev/vda and serves from it. `end2end`'s own network is not touched.
#
# usage: server_vm.sh SELFTEST.raw BINARY ADDRESS FOLDER    leaves FOLDER/vmlinuz and FOLDER/initrd
set -euo pipefail
image=${1:?usage: server_vm.sh SELFTEST.raw BINARY ADDRESS FOLDER} binary=$2 address=$3 folder=$4
export MTOOLS_SKIP_CHECK=1
for file in vmlinuz initrd; do mcopy -n -i "$image@@1M" "::$file" "$folder/$file"; done
tree=$(mktemp -d "$folder/tree.XXXXXX")
trap 'rm -rf "$tree"' EXIT
# A binary that was built for tests has libraries, and names of everything, which would not fit into memory.
install -D -s -m 755 "$binary" "$tree/nsboot"
for library in $(ldd "$binary" 2>/dev/null | grep -o '/[^ ]*' || true); do
  # /lib is a link to /usr/lib there.
  install -D "$(readlink -f "$library")" "$tree/usr${library#/usr}"
done
cat >"$tree/nsboot.toml" <<CONFIG
[[boot]]
interface = "eth0"
range = "10.99.0.20-10.99.0.250"
CONFIG
cat >"$tree/init" <<INIT
#!/bin/sh
export PATH=/bin:/sbin:/usr/bin:/usr/sbin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev; mount -t tmpfs tmp /tmp; mount -t tmpfs run /run
modprobe -a virtio_pci virtio_rng virtio_blk virtio_net crc32c_generic ext4
mkdir -p /data
until [ -b /dev/vda ]; do usleep 100000; done
mount -t ext4 /dev/vda /data || { echo "server VM: no file system"; poweroff -f; }
ip link set lo up; ip addr add $address/24 dev eth0; ip link set eth0 up
export NSBOOT_ADMIN_PASSWORD="correct horse battery" NSBOOT_LOG=warn
/nsboot serve --config /nsboot.toml --data /data/nsboot --listen $address:3000
echo "server VM: the server ended"
poweroff -f
INIT
chmod 755 "$tree/init"
# What comes later takes the place of what came before.
( cd "$tree" && find . | cpio --quiet -R 0:0 -o -H newc ) | zstd -q -1 >>"$folder/initrd"
