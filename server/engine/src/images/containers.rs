//! Files that hold a disk but are not one: told by their first bytes.

/// How many of the first bytes decide.
pub(super) const HEAD: usize = 512;

const CONVERT: &str = "convert it first: qemu-img convert -O raw FILE disk.raw";

/// First bytes, what it is, and how it becomes a raw disk.
const KNOWN: &[(&[u8], &str, &str)] = &[
    (b"QFI\xfb", "a qcow2 disk", CONVERT),
    (b"KDMV", "a VMDK disk", CONVERT),
    (b"COWD", "a VMDK disk", CONVERT),
    (
        b"# Disk DescriptorFile",
        "the description of a VMDK disk",
        CONVERT,
    ),
    (b"vhdxfile", "a VHDX disk", CONVERT),
    (b"conectix", "a VHD disk", CONVERT),
    (b"<<< ", "a VirtualBox disk", CONVERT),
    (
        b"\x1f\x8b",
        "compressed with gzip",
        "unpack it first: gunzip FILE",
    ),
    (
        b"\xfd7zXZ\0",
        "compressed with xz",
        "unpack it first: unxz FILE",
    ),
    (
        b"\x28\xb5\x2f\xfd",
        "compressed with zstd",
        "unpack it first: unzstd FILE",
    ),
    (
        b"BZh",
        "compressed with bzip2",
        "unpack it first: bunzip2 FILE",
    ),
    (
        b"\x04\x22\x4d\x18",
        "compressed with lz4",
        "unpack it first: unlz4 FILE",
    ),
    (
        b"PK\x03\x04",
        "a zip archive",
        "unpack it first: unzip FILE",
    ),
    (
        b"7z\xbc\xaf\x27\x1c",
        "a 7z archive",
        "unpack it first: 7z x FILE",
    ),
];

/// Why a file that begins so is not a raw disk; None when it may be one.
pub(super) fn refuse(head: &[u8]) -> Option<String> {
    let by_start = KNOWN.iter().find(|(magic, ..)| head.starts_with(magic));
    let (what, how) = match by_start {
        Some((_, what, how)) => (*what, *how),
        None if head.get(257..262) == Some(b"ustar".as_slice()) => {
            ("a tar archive", "unpack it first: tar -xf FILE")
        }
        None => return None,
    };
    Some(format!("the file is {what}, not a raw disk; {how}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_are_named_with_the_way_out() {
        for (magic, what, how) in KNOWN {
            let mut head = magic.to_vec();
            head.resize(HEAD, 0);
            let text = refuse(&head).unwrap();
            assert!(text.contains(what) && text.contains(how), "{text}");
        }
        let mut tar = [0u8; HEAD];
        tar[257..262].copy_from_slice(b"ustar");
        assert!(refuse(&tar).unwrap().contains("tar"));
    }

    #[test]
    fn raw_disks_pass() {
        let mut mbr = [0u8; HEAD];
        mbr[0] = 0xeb;
        mbr[510..].copy_from_slice(&[0x55, 0xaa]);
        assert_eq!(refuse(&mbr), None);
        assert_eq!(refuse(&[0; HEAD]), None);
        assert_eq!(refuse(&[]), None);
    }
}
