#!/bin/bash
# Builds the self-test image: a raw disk for BIOS and UEFI, from Debian packages only, that starts over
# iSCSI, measures link and disk and reports ready. No root rights, mounts or loop devices needed.
#
# usage: build.sh OUT.raw
# The result is kept under $NSBOOT_CACHE (default ~/.cache/nsboot), keyed by a hash of this recipe
# and of the kernel's version; a second call only copies.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
out=${1:?usage: build.sh OUT.raw}
cache=${NSBOOT_CACHE:-$HOME/.cache/nsboot}/selftest
boot_mib=32   # FAT: kernel and initramfs
root_mib=112  # ext4: the system, and room for tests to write
arguments="console=tty0 console=ttyS0,115200 quiet loglevel=4 panic=10 mitigations=off tsc=reliable random.trust_cpu=on"
export SOURCE_DATE_EPOCH=1700000000 LC_ALL=C PATH="$PATH:/usr/sbin:/sbin"

fail() { echo "self-test image: $*" >&2; exit 1; }
say() { echo "self-test image: $*"; }

. "$here/../disk.sh"
for tool in busybox depmod modinfo cpio zstd iscsistart iscsid e2fsck; do
    command -v "$tool" >/dev/null || fail "\`$tool\` is missing; install busybox-static e2fsprogs kmod cpio zstd open-iscsi"
done
need_disk_tools

kernel_package=$(apt-cache depends linux-image-amd64 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-[0-9].*-amd64\)$/\1/p' | head -1)
[ -n "$kernel_package" ] || fail "apt knows no linux-image-amd64; run apt-get update"
kernel_version=$(apt-cache policy "$kernel_package" | sed -n 's/^ *Candidate: //p')
key=$( { cat "$here/build.sh" "$here/../disk.sh" "$here"/files/*; echo "$kernel_package $kernel_version"
         dpkg-query -W busybox-static open-iscsi libc6; disk_tools_versions; } | sha256sum | cut -c1-16)
kept=$cache/$key.raw
if [ -f "$kept" ]; then
    say "kept from an earlier build ($kept)"
    cp --sparse=always "$kept" "$out"
    exit 0
fi

mkdir -p "$cache"
work=$(mktemp -d "$cache/build.XXXXXX")
trap 'rm -rf "$work"' EXIT

say "1/5 kernel $kernel_package $kernel_version"
( cd "$work" && apt-get download -qq "$kernel_package=$kernel_version" >apt.log 2>&1 ) \
    || fail "could not download $kernel_package: $(tail -1 "$work/apt.log")"
dpkg-deb -x "$work"/linux-image-*.deb "$work/kernel"
release=$(basename "$work"/kernel/lib/modules/*)

# Copies a program and every library that it loads into a tree.
add_program() {
    local tree=$1 program=$2 file
    for file in "$program" $(ldd "$program" | grep -o '/[^ ]*'); do
        [ -e "$tree$file" ] || install -D "$(readlink -f "$file")" "$tree$file"
    done
}

# Copies modules and all that they depend on.
add_modules() {
    local tree=$1 module file
    [ -d "$work/kernel/usr/lib/modules" ] && fail "unexpected kernel package layout"
    depmod -b "$work/kernel" "$release"
    for module in $(cat "$here/files/modules.list"); do
        modprobe -d "$work/kernel" -S "$release" --show-depends "$module" 2>/dev/null || true
    done | sed -n 's/^insmod //p' | cut -d' ' -f1 | sort -u | while read -r file; do
        file=${file#"$work/kernel"}
        install -D -m 644 "$work/kernel$file" "$tree$file"
        case $file in *.xz) xz -d "$tree$file" ;; esac
    done
    cp "$work/kernel/lib/modules/$release"/modules.{order,builtin,builtin.modinfo} "$tree/lib/modules/$release/"
    find "$tree/lib/modules" -name '*.ko' -exec strip --strip-debug {} + 2>/dev/null || true
    depmod -b "$tree" "$release"
    ( cd "$tree/lib/modules/$release" && rm -f modules.*.bin modules.order modules.builtin* modules.devname modules.softdep )
}

skeleton() {
    local dir applet
    mkdir -p "$1"/{dev,proc,sys,run,tmp,etc,root,var/lib/iscsi}
    for dir in bin sbin lib lib64; do mkdir -p "$1/usr/$dir"; ln -s "usr/$dir" "$1/$dir"; done
    cp "$(command -v busybox)" "$1/bin/busybox"
    for applet in $("$1/bin/busybox" --list); do
        [ "$applet" = busybox ] || ln -s busybox "$1/bin/$applet"
    done
}

say "2/5 initramfs"
initramfs=$work/initramfs
skeleton "$initramfs"
add_program "$initramfs" "$(command -v iscsistart)"
add_program "$initramfs" "$(command -v e2fsck)"
add_modules "$initramfs"
install -m 755 "$here/files/initramfs-init" "$initramfs/init"
find "$initramfs" -exec touch -hd "@$SOURCE_DATE_EPOCH" {} +
( cd "$initramfs" && find . | sort | cpio --quiet --reproducible -R 0:0 -o -H newc ) | zstd -q -19 -T1 -o "$work/initrd"

say "3/5 root file system"
root=$work/root
skeleton "$root"
for program in iscsid iscsiadm e2fsck bash; do add_program "$root" "$(command -v $program)"; done
install -D -m 755 "$here/files/startup" "$root/etc/startup"
install -D -m 755 "$here/files/address" "$root/etc/address"
install -D -m 755 "$here/files/measure" "$root/etc/measure"
install -D -m 755 "$here/files/report" "$root/etc/report"
install -D -m 755 "$here/files/shutdown" "$root/etc/shutdown"
install -D -m 644 "$here/files/inittab" "$root/etc/inittab"
install -D -m 600 "$here/files/iscsid.conf" "$root/etc/iscsi/iscsid.conf"
ln -s /run/initiatorname.iscsi "$root/etc/iscsi/initiatorname.iscsi"
echo 'root::0:0:root:/root:/bin/sh' >"$root/etc/passwd"
echo 'root:x:0:' >"$root/etc/group"
echo self-test >"$root/etc/hostname"
ln -s ../bin/busybox "$root/sbin/init"
find "$root" -exec touch -hd "@$SOURCE_DATE_EPOCH" {} +
truncate -s "${root_mib}M" "$work/root.ext4"
mke2fs -q -F -t ext4 -L nsboot-root -U 6e73626f-6f74-4000-8000-73656c667465 \
    -E "lazy_itable_init=0,root_owner=0:0,hash_seed=6e73626f-6f74-4000-8000-73656c667465" -m 0 -d "$root" "$work/root.ext4"

say "4/5 boot partition"
cp "$work/kernel/boot/vmlinuz-$release" "$work/vmlinuz"
boot_partition "$work/boot.fat" "$boot_mib" "$work/vmlinuz" "$work/initrd" "$arguments"

say "5/5 disk"
disk=$work/disk.raw
join_disk "$disk" "$work/boot.fat" "$work/root.ext4"
mv "$disk" "$kept"
cp --sparse=always "$kept" "$out"
say "$out: $(du -h "$out" | cut -f1) on disk, kernel $(du -h "$work/vmlinuz" | cut -f1), initramfs $(du -h "$work/initrd" | cut -f1)"
