//! Bad files: each is refused by name, soon, and nothing of it stays.

use crate::{
    Stage,
    craft::{self, *},
};
use engine::{Error, images::NewImport};
use std::time::{Duration, Instant};

/// How long a refusal may take.
const SOON: Duration = Duration::from_secs(5);

/// A file that must not come in: what it is, its bytes, and what the refusal has to name.
type Bad = (String, Vec<u8>, &'static str);

fn bad(what: impl Into<String>, file: impl Into<Vec<u8>>, why: &'static str) -> Bad {
    (what.into(), file.into(), why)
}

impl From<File> for Vec<u8> {
    fn from(file: File) -> Vec<u8> {
        file.0
    }
}

fn qcow2_files() -> Vec<Bad> {
    let high = !511u64;
    let mut all = vec![
        bad(
            "backing /etc/shadow",
            qcow2()
                .be64(8, 0x200)
                .be32(16, 11)
                .with(0x200, b"/etc/shadow"),
            "backing file",
        ),
        bad(
            "backing json:",
            qcow2()
                .be64(8, 0x200)
                .be32(16, 40)
                .with(0x200, br#"json:{"driver":"file","filename":"/etc"}"#),
            "backing file",
        ),
        bad(
            "backing file in version 2",
            qcow2().be32(4, 2).be64(8, 0x200),
            "backing file",
        ),
        bad("external data", qcow2().be64(72, 4), "another file"),
        bad("marked corrupt", qcow2().be64(72, 2), "corrupt"),
        bad("subclusters", qcow2().be64(72, 16), "subclusters"),
        bad("unknown feature", qcow2().be64(72, 1 << 40), "not known"),
        bad(
            "unknown compression",
            qcow2().be64(72, 8).with(104, &[9]),
            "compression type",
        ),
        bad("AES", qcow2().be32(32, 1), "encrypted"),
        bad("LUKS", qcow2().be32(32, 2), "encrypted"),
        bad("version 1", qcow2().be32(4, 1), "version"),
        bad("version 9", qcow2().be32(4, 9), "version"),
        bad("clusters of 2^40", qcow2().be32(20, 40), "clusters"),
        bad("clusters of 1 byte", qcow2().be32(20, 0), "clusters"),
        bad(
            "8 EiB",
            qcow2().be64(24, 8 << 60).be32(36, u32::MAX),
            "larger than",
        ),
        bad(
            "9 TiB",
            qcow2().be64(24, 9 << 40).be32(36, u32::MAX),
            "larger than",
        ),
        bad("no size", qcow2().be64(24, 0), "no bytes"),
        bad(
            "half a sector",
            qcow2().be64(24, DISK as u64 + 256),
            "512-byte",
        ),
        bad("larger than its L1", qcow2().be64(24, 1 << 40), "L1 table"),
        bad("L1 at 0", qcow2().be64(40, 0), "L1 table"),
        bad(
            "L1 at an odd place",
            qcow2().be64(40, L1 as u64 + 8),
            "L1 table",
        ),
        bad(
            "L1 beyond the end",
            qcow2().be64(40, high & !(CLUSTER as u64 - 1)),
            "cut short",
        ),
        bad("L2 beyond the end", qcow2().be64(L1, 1 << 50), "cut short"),
        bad(
            "L2 at an odd place",
            qcow2().be64(L1, L2 as u64 + 512),
            "L2 table",
        ),
        bad(
            "data beyond the end",
            qcow2().be64(L2 + 8, 1 << 50),
            "cut short",
        ),
        bad(
            "data at an odd place",
            qcow2().be64(L2 + 8, 3 * CLUSTER as u64 + 512),
            "no cluster",
        ),
        bad(
            "packed data beyond the end",
            qcow2_packed().be64(L2 + 8, 1 << 62 | 1 << 50),
            "beyond the end",
        ),
        bad(
            "packed data damaged",
            qcow2_packed().with(3 * CLUSTER + 4, &[0xff; 400]),
            "damaged",
        ),
        bad(
            "packed data that are none",
            qcow2().be64(L2 + 8, 1 << 62 | L2 as u64),
            "damaged",
        ),
    ];
    all.extend(
        [40, 100, 600, L1 + 4, L2 + 100, 3 * CLUSTER, 4 * CLUSTER - 1].map(|len| {
            let why = match len {
                0..=41 => "L1 table",
                _ => "",
            };
            bad(format!("qcow2 cut at {len}"), qcow2().cut(len), why)
        }),
    );
    all
}

fn vmdk_files() -> Vec<Bad> {
    let described = |kind: &str, parent: &str, extent: &str| {
        vmdk().with(DESCRIPTION, &description(kind, parent, extent))
    };
    let sparse = "RW 2048 SPARSE \"disk.vmdk\"";
    let mut all = vec![
        bad(
            "flat, /etc/shadow",
            described(
                "monolithicFlat",
                "ffffffff",
                "RW 2048 FLAT \"/etc/shadow\" 0",
            ),
            "other files",
        ),
        bad(
            "a flat extent",
            described(
                "monolithicSparse",
                "ffffffff",
                "RW 2048 FLAT \"/etc/shadow\" 0",
            ),
            "other files",
        ),
        bad(
            "two extents",
            described(
                "monolithicSparse",
                "ffffffff",
                &format!("{sparse}\nRW 2048 SPARSE \"b.vmdk\""),
            ),
            "other files",
        ),
        bad(
            "a device",
            described("fullDevice", "ffffffff", "RW 2048 FLAT \"/dev/sda\" 0"),
            "other files",
        ),
        bad(
            "a parent",
            described("monolithicSparse", "deadbeef", sparse),
            "another disk",
        ),
        bad(
            "the description alone",
            description("monolithicFlat", "ffffffff", "RW 8 FLAT \"/etc/shadow\" 0"),
            "description",
        ),
        bad("no description", vmdk().le64(28, 0), "part of a disk"),
        bad(
            "a description of 1 TiB",
            vmdk().le64(36, 1 << 31),
            "part of a disk",
        ),
        bad(
            "a description beyond the end",
            vmdk().le64(28, 1 << 40),
            "cut short",
        ),
        bad("version 7", vmdk().le32(4, 7), "version"),
        bad("8 EiB", vmdk().le64(12, 1 << 54), "larger than"),
        bad(
            "more sectors than there are numbers",
            vmdk().le64(12, u64::MAX),
            "larger than",
        ),
        bad("no size", vmdk().le64(12, 0), "no bytes"),
        bad("grains of 3 sectors", vmdk().le64(20, 3), "grains"),
        bad("grains of 1 TiB", vmdk().le64(20, 1 << 31), "grains"),
        bad(
            "grain tables of 2^31",
            vmdk().le32(44, 1 << 31),
            "grain tables",
        ),
        bad("no grain tables", vmdk().le32(44, 0), "grain tables"),
        bad(
            "unknown compression",
            vmdk_packed().with(77, &[7, 0]),
            "compression",
        ),
        bad(
            "directory beyond the end",
            vmdk().le64(56, 1 << 40),
            "cut short",
        ),
        bad(
            "directory at the end, and no end",
            vmdk().le64(56, u64::MAX),
            "end is missing",
        ),
        bad(
            "table beyond the end",
            vmdk().le32(DIRECTORY, u32::MAX),
            "cut short",
        ),
        bad(
            "grain beyond the end",
            vmdk().le32(TABLE + 4, u32::MAX),
            "cut short",
        ),
        bad(
            "another grain's data",
            vmdk_packed().le64(128 * 512, 7),
            "is not the grain",
        ),
        bad(
            "a packed grain of 4 GiB",
            vmdk_packed().le32(128 * 512 + 8, u32::MAX),
            "a packed grain",
        ),
        bad(
            "a packed grain damaged",
            vmdk_packed().with(128 * 512 + 14, &[0xff; 300]),
            "damaged",
        ),
        bad(
            "an ESX disk",
            [b"COWD".as_slice(), &[0; 4096]].concat(),
            "ESX",
        ),
    ];
    all.extend(
        [
            60,
            600,
            DIRECTORY,
            TABLE + 2,
            128 * 512,
            128 * 512 + CLUSTER - 1,
        ]
        .map(|len| bad(format!("VMDK cut at {len}"), vmdk().cut(len), "")),
    );
    all
}

fn vhd_files() -> Vec<Bad> {
    let size = DISK as u64;
    let mut all = vec![
        bad("differencing", vhd_of(4, size, 1), "another disk"),
        bad("unknown type", vhd_of(9, size, 1), "type"),
        bad("wrong checksum", vhd().be32(64, 1), "checksum"),
        bad(
            "wrong checksum of the header",
            vhd().be32(DYNAMIC + 100, 1),
            "checksum",
        ),
        bad("8 EiB", vhd_of(3, 8 << 60, 1), "larger than"),
        bad("no size", vhd_of(3, 0, 1), "no bytes"),
        bad("too few blocks", vhd_of(3, size * 4, 1), "too short"),
        bad(
            "a block beyond the end",
            vhd().be32(BLOCKS, 0x7fff_ffff),
            "cut short",
        ),
        bad("another end", vhd().and(&[7; 512]), "end is not"),
        bad(
            "fixed, too long",
            vhd_fixed().with(DISK, &footer(2, 2 * size).0),
            "does not fit",
        ),
        bad(
            "fixed, too short",
            vhd_fixed().with(DISK, &footer(2, size / 2).0),
            "does not fit",
        ),
        bad("fixed, damaged", vhd_fixed().be32(DISK + 64, 3), "checksum"),
        bad("a footer alone", footer(2, 0), "no bytes"),
    ];
    all.extend(
        [100, 512, DYNAMIC + 100, BLOCKS + 2, 2560, 3000]
            .map(|len| bad(format!("VHD cut at {len}"), vhd().cut(len), "")),
    );
    all
}

fn vhdx_files() -> Vec<Bad> {
    let bat = ("2dc27766f62342009d64115e9bfd4a08", BAT, 1 << 20, 1);
    let metadata = ("8b7ca20647904b9ab8fe575f050f886e", METADATA, 1 << 20, 1);
    let other = ("00000000000000000000000000000007", 0, 0, 1);
    let mut all = vec![
        bad("a parent", vhdx().le32(ITEMS + 4, 2), "another disk"),
        bad("a log", vhdx().heads([7; 16]), "not closed cleanly"),
        bad(
            "both headers damaged",
            vhdx().le32((64 << 10) + 4, 1).le32((128 << 10) + 4, 1),
            "checksums",
        ),
        bad(
            "both tables damaged",
            vhdx().le32((192 << 10) + 4, 1).le32((256 << 10) + 4, 1),
            "checksums",
        ),
        bad(
            "no table of blocks",
            vhdx().regions(&[metadata]),
            "no table of blocks",
        ),
        bad(
            "an unknown region",
            vhdx().regions(&[bat, metadata, other]),
            "region",
        ),
        bad(
            "metadata beyond the end",
            vhdx().regions(&[bat, (metadata.0, 1 << 40, 1 << 20, 1)]),
            "cut short",
        ),
        bad(
            "table beyond the end",
            vhdx().regions(&[(bat.0, 1 << 40, 1 << 20, 1), metadata]),
            "cut short",
        ),
        bad(
            "a table of 0 bytes",
            vhdx().regions(&[(bat.0, BAT, 0, 1), metadata]),
            "too short",
        ),
        bad("no metadata", vhdx().with(METADATA, b"METADATA"), "damaged"),
        bad(
            "too much metadata",
            vhdx().with(METADATA + 10, &[0xff; 2]),
            "damaged",
        ),
        bad(
            "incomplete metadata",
            vhdx().with(METADATA + 10, &[2, 0]),
            "not complete",
        ),
        bad("8 EiB", vhdx().le64(ITEMS + 8, 8 << 60), "larger than"),
        bad("no size", vhdx().le64(ITEMS + 8, 0), "no bytes"),
        bad("blocks of 3 bytes", vhdx().le32(ITEMS, 3), "blocks"),
        bad("sectors of 3 bytes", vhdx().le32(ITEMS + 16, 3), "sectors"),
        bad("a block of its parent", vhdx().le64(BAT, 7), "state 7"),
        bad(
            "a block beyond the end",
            vhdx().le64(BAT, 1 << 50 | 6),
            "cut short",
        ),
    ];
    all.extend(
        [
            8,
            100 << 10,
            200 << 10,
            METADATA + 50,
            ITEMS + 4,
            BAT + 4,
            5 << 20 >> 1,
        ]
        .map(|len| bad(format!("VHDX cut at {len}"), vhdx().cut(len), "")),
    );
    all
}

fn packed_files() -> Vec<Bad> {
    let disk = craft::disk();
    let mut all = Vec::new();
    for (name, packed) in [("gzip", gz(&disk)), ("xz", xz(&disk)), ("zstd", zst(&disk))] {
        let len = packed.len();
        for cut in [8, len / 2, len - 1] {
            all.push(bad(format!("{name} cut at {cut}"), &packed[..cut], name));
        }
        let mut damaged = packed.clone();
        damaged[len / 2..len / 2 + 16].fill(0x5a);
        all.push(bad(format!("{name} damaged"), damaged, name));
        all.push(bad(
            format!("{name} and garbage"),
            [&packed, b"garbage".as_slice()].concat(),
            name,
        ));
        all.push(bad(
            format!("{name} of gzip of zeros"),
            repack(name, &gz(&vec![0; 1 << 20])),
            "twice",
        ));
        all.push(bad(
            format!("{name} of nothing"),
            repack(name, b""),
            "empty",
        ));
        all.push(bad(
            format!("{name} of 513 bytes"),
            repack(name, &[7; 513]),
            "512-byte",
        ));
        all.push(bad(
            format!("{name} of a cut qcow2"),
            repack(name, &qcow2().cut(3 * CLUSTER + 9).0),
            "cut short",
        ));
        all.push(bad(
            format!("{name} of a zip"),
            repack(name, b"PK\x03\x04......"),
            "zip",
        ));
        all.push(bad(
            format!("{name} of 8 EiB of qcow2"),
            repack(name, &qcow2().be64(24, 8 << 60).0),
            "larger than",
        ));
    }
    let mut sum = gz(&disk);
    let at = sum.len() - 8;
    sum[at] ^= 1;
    all.push(bad("gzip with a wrong checksum", sum, "gzip"));
    // A frame with a window of 1 GiB: descriptor without a content size, exponent 20.
    let window = [
        b"\x28\xb5\x2f\xfd\x00".as_slice(),
        &[20 << 3, 1, 0, 0],
        &[0; 600],
    ]
    .concat();
    all.push(bad("zstd with a window of 1 GiB", window, "32 MiB"));
    let mut options = liblzma::stream::LzmaOptions::new_preset(1).expect("xz");
    options.dict_size(512 << 20);
    let mut filters = liblzma::stream::Filters::new();
    filters.lzma2(&options);
    let stream =
        liblzma::stream::Stream::new_stream_encoder(&filters, liblzma::stream::Check::Crc64);
    let mut packer = liblzma::write::XzEncoder::new_stream(Vec::new(), stream.expect("xz"));
    std::io::Write::write_all(&mut packer, &disk).expect("in memory");
    all.push(bad(
        "xz with a dictionary of 512 MiB",
        packer.finish().expect("in memory"),
        "34 MiB",
    ));
    all
}

fn repack(name: &str, bytes: &[u8]) -> Vec<u8> {
    match name {
        "gzip" => gz(bytes),
        "xz" => xz(bytes),
        _ => zst(bytes),
    }
}

fn other_files() -> Vec<Bad> {
    let mut tar = vec![0; 1024];
    tar[257..262].copy_from_slice(b"ustar");
    vec![
        bad("nothing", [], "empty"),
        bad("one byte", [7], "512-byte"),
        bad("513 bytes", [7; 513], "512-byte"),
        bad(
            "a zip",
            [b"PK\x03\x04".as_slice(), &[0; 1020]].concat(),
            "zip",
        ),
        bad("a tar", tar, "tar"),
        bad(
            "a 7z",
            [b"7z\xbc\xaf\x27\x1c".as_slice(), &[0; 1018]].concat(),
            "7z",
        ),
        bad(
            "a RAR",
            [b"Rar!\x1a\x07".as_slice(), &[0; 1018]].concat(),
            "RAR",
        ),
        bad("bzip2", [b"BZh9".as_slice(), &[0; 1020]].concat(), "bzip2"),
        bad(
            "lz4",
            [b"\x04\x22\x4d\x18".as_slice(), &[0; 1020]].concat(),
            "lz4",
        ),
        bad(
            "lzma",
            [b"\x5d\0\0".as_slice(), &[0; 1021]].concat(),
            "lzma",
        ),
        bad(
            "VirtualBox",
            [b"<<< Oracle VM".as_slice(), &[0; 1011]].concat(),
            "VirtualBox",
        ),
        bad("QED", [b"QED\0".as_slice(), &[0; 1020]].concat(), "QED"),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_bad_file_is_refused_by_name_and_leaves_nothing() {
    let stage = Stage::new();
    let all = [
        qcow2_files(),
        vmdk_files(),
        vhd_files(),
        vhdx_files(),
        packed_files(),
        other_files(),
    ]
    .concat();
    assert!(all.len() >= 40, "{}", all.len());
    for (what, file, why) in all {
        let begun = Instant::now();
        let refused = stage.import(NewImport::new("bad", None), &file).await;
        let refused = refused.expect_err(&what);
        assert!(
            matches!(refused, Error::Invalid { .. }),
            "{what}: {refused:?}"
        );
        let text = refused.to_string();
        assert!(text.contains(why), "{what}: {text}, without {why:?}");
        assert!(begun.elapsed() < SOON, "{what}: {:?}", begun.elapsed());
        assert_eq!(stage.files(), [""; 0], "{what}");
        assert_eq!(stage.images(), [], "{what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_files_without_the_fault_come_in() {
    let stage = Stage::new();
    let good = [
        ("qcow2", qcow2()),
        ("qcow2-packed", qcow2_packed()),
        ("qcow2-v2", qcow2().be32(4, 2)),
        ("vmdk", vmdk()),
        ("vmdk-packed", vmdk_packed()),
        ("vhd", vhd()),
        ("vhd-fixed", vhd_fixed()),
        ("vhdx", vhdx()),
    ];
    use sha2::{Digest, Sha256};
    let sum: String = Sha256::digest(craft::disk())
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    for (name, file) in good {
        let forms = [
            (name.to_string(), file.0.clone()),
            (format!("{name}.gz"), gz(&file.0)),
            // Two members are one file.
            (
                format!("{name}.gz2"),
                [gz(&file.0[..70_000]), gz(&file.0[70_000..])].concat(),
            ),
            (format!("{name}.xz"), xz(&file.0)),
            (format!("{name}.zst"), zst(&file.0)),
        ];
        for (name, bytes) in forms {
            let new = NewImport {
                sha256: Some(Sha256::digest(&bytes).into()),
                ..NewImport::new(&*name, Some(bytes.len() as u64))
            };
            let image = stage.import(new, &bytes).await.expect(&name);
            assert_eq!(image.size_bytes, DISK as u64, "{name}");
            assert_eq!(image.sha256.as_deref(), Some(&*sum), "{name}");
            assert_eq!(
                image.allocated_bytes, CLUSTER as u64,
                "{name} is not sparse"
            );
        }
    }
    assert_eq!(
        stage.files().len(),
        stage.images().len(),
        "nothing else stays"
    );
}
