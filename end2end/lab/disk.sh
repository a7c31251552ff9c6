# Puts a disk together that starts from BIOS and from UEFI: a DOS label, a FAT partition with kernel, initramfs and
# both loaders, then the root's file system. Sourced, not run; no root rights, mounts or loop devices needed.
first_mib=1
fat_id=4e53424f
syslinux_mbr=/usr/lib/syslinux/mbr/mbr.bin
grub=/usr/lib/grub/x86_64-efi
# What BOOTX64.EFI must know to find kernel and initramfs on this disk and to hand the screen over.
grub_modules=(efi_gop fat linux part_msdos search_fs_uuid)

# Fails, naming packages, where something of it is not installed.
need_disk_tools() {
    local tool
    for tool in mke2fs mcopy mkfs.vfat syslinux sfdisk grub-mkimage; do
        command -v "$tool" >/dev/null || fail "\`$tool\` is missing; install e2fsprogs mtools dosfstools syslinux fdisk grub-common"
    done
    [ -f "$syslinux_mbr" ] || fail "$syslinux_mbr is missing; install syslinux-common"
    [ -d "$grub" ] || fail "$grub is missing; install grub-efi-amd64-bin"
}

# What decides besides the recipe how the result looks.
disk_tools_versions() { dpkg-query -W e2fsprogs syslinux grub-efi-amd64-bin; }

# boot_partition OUT.fat MIB KERNEL INITRD ARGUMENTS: whichever firmware starts it, the kernel is told the same.
boot_partition() {
    local fat=$1 mib=$2 kernel=$3 initrd=$4 arguments=$5 dir
    dir=$(mktemp -d "$fat.XXXXXX")
    cat >"$dir/syslinux.cfg" <<CONFIG
SERIAL 0 115200
DEFAULT linux
PROMPT 0
TIMEOUT 1
LABEL linux
  KERNEL vmlinuz
  INITRD initrd
  APPEND $arguments
CONFIG
    cat >"$dir/grub.cfg" <<CONFIG
search.fs_uuid ${fat_id:0:4}-${fat_id:4} root
linux /vmlinuz $arguments
initrd /initrd
boot
CONFIG
    truncate -s "${mib}M" "$fat"
    mkfs.vfat -i "$fat_id" -n NSBOOT "$fat" >/dev/null
    syslinux --install "$fat"
    grub-mkimage -O x86_64-efi -d "$grub" -p / -c "$dir/grub.cfg" -o "$dir/bootx64.efi" "${grub_modules[@]}"
    export MTOOLS_SKIP_CHECK=1
    mmd -i "$fat" ::EFI ::EFI/BOOT
    mcopy -o -i "$fat" "$kernel" ::vmlinuz
    mcopy -o -i "$fat" "$initrd" ::initrd
    mcopy -o -i "$fat" "$dir/syslinux.cfg" ::syslinux.cfg
    mcopy -o -i "$fat" "$dir/bootx64.efi" ::EFI/BOOT/BOOTX64.EFI
    rm -r "$dir"
}

# join_disk OUT.raw BOOT.fat ROOT.ext4: sizes are whole MiB.
join_disk() {
    local disk=$1 fat=$2 root=$3 fat_mib root_mib
    fat_mib=$(($(stat -c %s "$fat") >> 20)) root_mib=$(($(stat -c %s "$root") >> 20))
    truncate -s "$((first_mib + fat_mib + root_mib))M" "$disk"
    sfdisk -q "$disk" <<TABLE
label: dos
label-id: 0x$fat_id
start=$((first_mib * 2048)), size=$((fat_mib * 2048)), type=c, bootable
start=$(((first_mib + fat_mib) * 2048)), size=$((root_mib * 2048)), type=83
TABLE
    dd if="$syslinux_mbr" of="$disk" bs=440 count=1 conv=notrunc status=none
    dd if="$fat" of="$disk" bs=1M seek="$first_mib" conv=notrunc,sparse status=none
    dd if="$root" of="$disk" bs=1M seek=$((first_mib + fat_mib)) conv=notrunc,sparse status=none
}
