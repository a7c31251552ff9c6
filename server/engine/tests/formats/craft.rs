//! Small disks in each form, made by hand, so that each of their fields can be made wrong.

use std::io::Write;

/// Bytes of each disk.
pub const DISK: usize = 1 << 20;
/// Bytes of a cluster and a grain.
pub const CLUSTER: usize = 64 << 10;

/// The disk that all of them hold: one cluster of data, in the second place.
pub fn disk() -> Vec<u8> {
    let mut disk = vec![0; DISK];
    disk[CLUSTER..2 * CLUSTER].copy_from_slice(&cluster());
    disk
}

fn cluster() -> Vec<u8> {
    (0..CLUSTER).map(|i| (i / 3) as u8 | 1).collect()
}

/// A file whose fields can be overwritten.
#[derive(Clone)]
pub struct File(pub Vec<u8>);

impl File {
    fn new(len: usize) -> File {
        File(vec![0; len])
    }

    /// The same with these bytes at that place.
    pub fn with(mut self, at: usize, bytes: &[u8]) -> File {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    pub fn be32(self, at: usize, n: u32) -> File {
        self.with(at, &n.to_be_bytes())
    }

    pub fn be64(self, at: usize, n: u64) -> File {
        self.with(at, &n.to_be_bytes())
    }

    pub fn le32(self, at: usize, n: u32) -> File {
        self.with(at, &n.to_le_bytes())
    }

    pub fn le64(self, at: usize, n: u64) -> File {
        self.with(at, &n.to_le_bytes())
    }

    /// Only so many of its bytes.
    pub fn cut(mut self, len: usize) -> File {
        self.0.truncate(len);
        self
    }

    pub fn and(mut self, more: &[u8]) -> File {
        self.0.extend_from_slice(more);
        self
    }
}

pub const L1: usize = CLUSTER;
pub const L2: usize = 2 * CLUSTER;

/// Version 3; the clusters after the header are L1, L2 and data.
pub fn qcow2() -> File {
    File::new(4 * CLUSTER)
        .with(0, b"QFI\xfb")
        .be32(4, 3)
        .be32(20, 16)
        .be64(24, DISK as u64)
        .be32(36, 1)
        .be64(40, L1 as u64)
        .be32(96, 4)
        .be32(100, 104)
        .be64(L1, L2 as u64 | 1 << 63)
        .be64(L2 + 8, (3 * CLUSTER as u64) | (1 << 63))
        .with(3 * CLUSTER, &cluster())
}

/// The second cluster packed as DEFLATE.
pub fn qcow2_packed() -> File {
    let mut packer = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(&cluster()).expect("in memory");
    let packed = packer.finish().expect("in memory");
    let sectors = (packed.len() as u64).div_ceil(512) - 1;
    let entry = (1 << 62) | (sectors << 54) | (3 * CLUSTER as u64);
    let mut file = qcow2().be64(L2 + 8, entry);
    file.0[3 * CLUSTER..].fill(0);
    file.with(3 * CLUSTER, &packed)
}

pub const DESCRIPTION: usize = 512;
pub const DIRECTORY: usize = 21 * 512;
pub const TABLE: usize = 22 * 512;

/// The description inside a VMDK.
pub fn description(kind: &str, parent: &str, extent: &str) -> Vec<u8> {
    let text = format!(
        "# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID={parent}\ncreateType=\"{kind}\"\n{extent}\n"
    );
    let mut bytes = text.into_bytes();
    bytes.resize(20 * 512, 0);
    bytes
}

const EXTENT: &str = "RW 2048 SPARSE \"disk.vmdk\"";

/// A monolithicSparse VMDK.
pub fn vmdk() -> File {
    File::new(128 * 512 + CLUSTER)
        .with(0, b"KDMV")
        .le32(4, 1)
        .le32(8, 1)
        .le64(12, DISK as u64 / 512)
        .le64(20, CLUSTER as u64 / 512)
        .le64(28, DESCRIPTION as u64 / 512)
        .le64(36, 20)
        .le32(44, 512)
        .le64(56, DIRECTORY as u64 / 512)
        .le64(64, 128)
        .with(
            DESCRIPTION,
            &description("monolithicSparse", "ffffffff", EXTENT),
        )
        .le32(DIRECTORY, TABLE as u32 / 512)
        .le32(TABLE + 4, 128)
        .with(128 * 512, &cluster())
}

/// The same with its grain packed, as streamOptimized has it.
pub fn vmdk_packed() -> File {
    let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(&cluster()).expect("in memory");
    let packed = packer.finish().expect("in memory");
    let mut file = vmdk()
        .le32(8, 1 | 1 << 16)
        .with(77, &1u16.to_le_bytes())
        .with(
            DESCRIPTION,
            &description("streamOptimized", "ffffffff", EXTENT),
        );
    file.0[128 * 512..].fill(0);
    file.le64(128 * 512, CLUSTER as u64 / 512)
        .le32(128 * 512 + 8, packed.len() as u32)
        .with(128 * 512 + 12, &packed)
}

/// Where the dynamic header and the table of blocks of a VHD are.
pub const DYNAMIC: usize = 512;
pub const BLOCKS: usize = 1536;

/// The sector at the start and the end of a VHD.
pub fn footer(kind: u32, size: u64) -> File {
    let footer = File::new(512)
        .with(0, b"conectix")
        .be32(8, 2)
        .be32(12, 0x1_0000)
        .be64(16, if kind == 2 { u64::MAX } else { DYNAMIC as u64 })
        .be64(40, size)
        .be64(48, size)
        .be32(60, kind);
    summed(footer, 64)
}

fn summed(file: File, at: usize) -> File {
    let file = file.be32(at, 0);
    let sum: u32 = file.0.iter().map(|b| u32::from(*b)).sum();
    file.be32(at, !sum)
}

/// A dynamic VHD of that kind and size, with one block of 1 MiB, which is all of the disk.
pub fn vhd_of(kind: u32, size: u64, blocks: u32) -> File {
    let header = File::new(1024)
        .with(0, b"cxsparse")
        .be64(8, u64::MAX)
        .be64(16, BLOCKS as u64)
        .be32(24, 0x1_0000)
        .be32(28, blocks)
        .be32(32, DISK as u32);
    let footer = footer(kind, size);
    File::new(2048 + 512 + DISK)
        .with(0, &footer.0)
        .with(DYNAMIC, &summed(header, 36).0)
        .be32(BLOCKS, 4)
        .with(2560, &disk())
        .and(&footer.0)
}

pub fn vhd() -> File {
    vhd_of(3, DISK as u64, 1)
}

/// A raw disk with a footer behind it.
pub fn vhd_fixed() -> File {
    File(disk()).and(&footer(2, DISK as u64).0)
}

const MIB: usize = 1 << 20;
pub const METADATA: usize = 2 * MIB;
/// Where the items of the metadata are.
pub const ITEMS: usize = METADATA + (64 << 10);
pub const BAT: usize = 3 * MIB;

/// A VHDX with blocks of 1 MiB: the disk is one of them.
pub fn vhdx() -> File {
    let file = File::new(5 * MIB)
        .with(0, b"vhdxfile")
        .with(METADATA, b"metadata")
        .with(METADATA + 10, &3u16.to_le_bytes())
        .le32(ITEMS, MIB as u32)
        .le64(ITEMS + 8, DISK as u64)
        .le32(ITEMS + 16, 512)
        .le64(BAT, (4 * MIB as u64) | 6)
        .with(4 * MIB, &disk());
    let items = [
        ("caa16737fa364d43b3b633f0aa44e76b", 0u32, 8u32),
        ("2fa54224cd1b4876b2115dbed83bf4b8", 8, 8),
        ("8141bf1da96f4709ba47f233a8faab5f", 16, 4),
    ];
    let file = items
        .iter()
        .enumerate()
        .fold(file, |file, (i, (id, at, len))| {
            let entry = METADATA + 32 + i * 32;
            file.with(entry, &guid(id))
                .le32(entry + 16, (64 << 10) + at)
                .le32(entry + 20, *len)
                .le32(entry + 24, 4)
        });
    file.heads([0; 16]).regions(&[
        ("2dc27766f62342009d64115e9bfd4a08", BAT, MIB, 1),
        ("8b7ca20647904b9ab8fe575f050f886e", METADATA, MIB, 1),
    ])
}

impl File {
    /// Both headers of a VHDX, with that log.
    pub fn heads(self, log: [u8; 16]) -> File {
        let head = File::new(4096)
            .with(0, b"head")
            .le64(8, 7)
            .with(48, &log)
            .with(66, &1u16.to_le_bytes());
        let head = with_crc(head);
        self.with(64 << 10, &head.0).with(128 << 10, &head.0)
    }

    /// Both tables of regions of a VHDX: id, place, length, whether it has to be known.
    pub fn regions(self, regions: &[(&str, usize, usize, u32)]) -> File {
        let table = File::new(64 << 10)
            .with(0, b"regi")
            .le32(8, regions.len() as u32);
        let table = regions
            .iter()
            .enumerate()
            .fold(table, |table, (i, (id, at, len, must))| {
                let entry = 16 + i * 32;
                table
                    .with(entry, &guid(id))
                    .le64(entry + 16, *at as u64)
                    .le32(entry + 24, *len as u32)
                    .le32(entry + 28, *must)
            });
        let table = with_crc(table);
        self.with(192 << 10, &table.0).with(256 << 10, &table.0)
    }
}

fn with_crc(file: File) -> File {
    let sum = crc32c::crc32c(&file.0);
    file.le32(4, sum)
}

fn guid(hex: &str) -> [u8; 16] {
    let n = u128::from_str_radix(hex, 16).expect("a GUID");
    *uuid::Uuid::from_u128(n)
        .to_bytes_le()
        .first_chunk()
        .expect("16 bytes")
}

pub fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(bytes).expect("in memory");
    packer.finish().expect("in memory")
}

pub fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut packer = liblzma::write::XzEncoder::new(Vec::new(), 1);
    packer.write_all(bytes).expect("in memory");
    packer.finish().expect("in memory")
}

pub fn zst(bytes: &[u8]) -> Vec<u8> {
    let mut packer = zstd::stream::write::Encoder::new(Vec::new(), 1).expect("zstd");
    packer.include_checksum(true).expect("zstd");
    packer.write_all(bytes).expect("in memory");
    packer.finish().expect("in memory")
}
