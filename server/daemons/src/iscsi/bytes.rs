//! Big-endian fields at fixed places. An offset beyond the slice reads as zero and writes nothing,
//! so that no input can make these panic.

pub(super) fn be16(b: &[u8], at: usize) -> u16 {
    field(b, at).map_or(0, u16::from_be_bytes)
}

pub(super) fn be24(b: &[u8], at: usize) -> u32 {
    field(b, at).map_or(0, |[x, y, z]| u32::from_be_bytes([0, x, y, z]))
}

pub(super) fn be32(b: &[u8], at: usize) -> u32 {
    field(b, at).map_or(0, u32::from_be_bytes)
}

pub(super) fn be64(b: &[u8], at: usize) -> u64 {
    field(b, at).map_or(0, u64::from_be_bytes)
}

pub(super) fn put16(b: &mut [u8], at: usize, v: u16) {
    put(b, at, &v.to_be_bytes());
}

pub(super) fn put24(b: &mut [u8], at: usize, v: u32) {
    put(b, at, &v.to_be_bytes()[1..]);
}

pub(super) fn put32(b: &mut [u8], at: usize, v: u32) {
    put(b, at, &v.to_be_bytes());
}

pub(super) fn put64(b: &mut [u8], at: usize, v: u64) {
    put(b, at, &v.to_be_bytes());
}

fn field<const N: usize>(b: &[u8], at: usize) -> Option<[u8; N]> {
    b.get(at..)?.first_chunk().copied()
}

fn put(b: &mut [u8], at: usize, v: &[u8]) {
    if let Some(place) = b.get_mut(at..at + v.len()) {
        place.copy_from_slice(v);
    }
}
