//! Files that are no disk that we read: told by their first bytes.

const CONVERT: &str = "convert it first: qemu-img convert -O qcow2 FILE disk.qcow2";

/// First bytes, what it is, and what to do with it.
const KNOWN: &[(&[u8], &str, &str)] = &[
    (b"COWD", "a VMDK disk of ESX", CONVERT),
    (
        b"# Disk DescriptorFile",
        "the description of a VMDK disk, whose data are in other files",
        CONVERT,
    ),
    (b"<<< ", "a VirtualBox disk", CONVERT),
    (b"QED\0", "a QED disk", CONVERT),
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
        b"\x5d\0\0",
        "compressed with lzma",
        "unpack it first: unlzma FILE",
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
    (
        b"Rar!\x1a\x07",
        "a RAR archive",
        "unpack it first: unrar x FILE",
    ),
];

/// Why a file that begins so is not taken in; None when it may be a raw disk.
pub(super) fn refuse(head: &[u8]) -> Option<String> {
    let by_start = KNOWN.iter().find(|(magic, ..)| head.starts_with(magic));
    let (what, how) = match by_start {
        Some((_, what, how)) => (*what, *how),
        None if head.get(257..262) == Some(b"ustar".as_slice()) => (
            "a tar archive (an OVA is one)",
            "unpack it first: tar -xf FILE",
        ),
        None => return None,
    };
    Some(format!("the file is {what}; {how}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::formats::HEAD;

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
