#!/bin/bash
# Builds a raw disk with a real Debian (systemd, Debian's own initramfs, open-iscsi and nbd-client, fio to verify its disk)
# that has its root on iSCSI, or on NBD where a boot entry says so, starts from BIOS and UEFI, and reports ready when
# multi-user.target is reached. Needs root, for mmdebstrap's chroot; no loop devices.
#
# usage: build.sh OUT.raw
# The result is kept under $NSBOOT_CACHE (default ~/.cache/nsboot), keyed by a hash of this recipe and of the versions
# of what is installed by name; a second call only copies.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
out=${1:?usage: build.sh OUT.raw}
cache=${NSBOOT_CACHE:-$HOME/.cache/nsboot}/debian
boot_mib=64    # FAT: kernel and initramfs
root_mib=1024  # ext4: the system, and room for tests to write
packages=(linux-image-amd64 initramfs-tools zstd udev systemd-sysv open-iscsi nbd-client fio)
mirror=http://deb.debian.org/debian
# The initramfs logs in as the firmware's iBFT says (iscsi_auto); the network it makes then stays as it is.
arguments="root=LABEL=debian-root rw ip=dhcp iscsi_auto console=tty0 console=ttyS0,115200 quiet panic=10 mitigations=off"
export SOURCE_DATE_EPOCH=1700000000 LC_ALL=C PATH="$PATH:/usr/sbin:/sbin"

fail() { echo "Debian image: $*" >&2; exit 1; }
say() { echo "Debian image: $*"; }

. "$here/../disk.sh"
command -v mmdebstrap >/dev/null || fail "\`mmdebstrap\` is missing; install mmdebstrap"
need_disk_tools
suite=$(. /etc/os-release && echo "${VERSION_CODENAME:?}")

versions=$(apt-cache policy "${packages[@]}" | sed -n 's/^ *Candidate: //p')
[ -n "$versions" ] || fail "apt knows none of ${packages[*]}; run apt-get update"
key=$( { cat "$here/build.sh" "$here/../disk.sh" "$here"/files/* "$here/../selftest/files/report"
         echo "$suite $versions"; disk_tools_versions; } | sha256sum | cut -c1-16)
kept=$cache/$key.raw
if [ -f "$kept" ]; then
    say "kept from an earlier build ($kept)"
    cp --sparse=always "$kept" "$out"
    exit 0
fi
[ "$(id -u)" = 0 ] || fail "building it needs root"

mkdir -p "$cache"
work=$(mktemp -d "$cache/build.XXXXXX")
trap 'rm -rf "$work"' EXIT

say "1/3 system of $suite"
root=$work/root
mmdebstrap --quiet --mode=root --variant=minbase --include="$(IFS=,; echo "${packages[*]}")" \
    --aptopt='Acquire::Languages "none"' --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --essential-hook='install -d "$1/etc/iscsi" && echo ISCSI_AUTO=true >"$1/etc/iscsi/iscsi.initramfs"' \
    "$suite" "$root" "$mirror" >"$work/mmdebstrap.log" 2>&1 || { cat "$work/mmdebstrap.log" >&2; fail "mmdebstrap failed"; }
install -m 755 "$here/files/report-ready" "$here/../selftest/files/report" "$root/usr/local/sbin/"
install -m 644 "$here/files/report-ready.service" "$root/etc/systemd/system/"
chroot "$root" systemctl --quiet enable report-ready.service
echo debian >"$root/etc/hostname"
echo 'LABEL=debian-root / ext4 defaults 0 1' >"$root/etc/fstab"
# A shell on the serial console, for tests to type into: without editing of lines, with the self-test's prompt.
chroot "$root" passwd --quiet --delete root
chroot "$root" chsh --shell /bin/sh root
echo "PS1='/ # '" >"$root/root/.profile"
install -d "$root/etc/systemd/system/serial-getty@ttyS0.service.d"
cat >"$root/etc/systemd/system/serial-getty@ttyS0.service.d/autologin.conf" <<'UNIT'
[Service]
ExecStart=
ExecStart=-/sbin/agetty --autologin root --noclear --keep-baud 115200 %I vt102
UNIT
# Every computer that starts from this image is an initiator of its own: the one that its firmware was.
install -d "$root/etc/systemd/system/iscsid.service.d"
cat >"$root/etc/systemd/system/iscsid.service.d/initiator.conf" <<'UNIT'
[Service]
ExecStartPre=/bin/sh -c 'echo "InitiatorName=$(cat /sys/firmware/ibft/initiator/initiator-name)" >/etc/iscsi/initiatorname.iscsi'
UNIT

say "2/3 file systems"
boot_partition "$work/boot.fat" "$boot_mib" "$(echo "$root"/boot/vmlinuz-*)" "$(echo "$root"/boot/initrd.img-*)" "$arguments"
truncate -s "${root_mib}M" "$work/root.ext4"
mke2fs -q -F -t ext4 -L debian-root -E lazy_itable_init=0 -m 0 -d "$root" "$work/root.ext4"

say "3/3 disk"
join_disk "$work/disk.raw" "$work/boot.fat" "$work/root.ext4"
mv "$work/disk.raw" "$kept"
cp --sparse=always "$kept" "$out"
say "$out: $(du -h "$out" | cut -f1) on disk"
