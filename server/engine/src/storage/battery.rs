//! The tests that every storage backend must pass.
#![cfg(test)]

use super::{StorageBackend, embedded::EmbeddedStorage};
use types::{ClientId, ImageId};
use uuid::Uuid;

fn client(n: u128) -> ClientId {
    ClientId(Uuid::from_u128(n))
}

/// An image of so many bytes with a pattern in its first and last sector.
fn import(storage: &dyn StorageBackend, size: usize) -> (ImageId, Vec<u8>) {
    let id = ImageId(Uuid::now_v7());
    let mut disk = vec![0u8; size];
    disk[..512].fill(0xa1);
    disk[size - 512..].fill(0xe9);
    let mut sink = storage.begin_import(id).unwrap();
    // Odd pieces, so that no boundary of ours is met by luck.
    disk.chunks(5_003).for_each(|c| sink.write(c).unwrap());
    assert!(!storage.has_image(id), "visible before it was whole");
    let done = sink.finish().unwrap();
    assert_eq!(done.size_bytes, size as u64);
    use sha2::Digest;
    assert_eq!(done.sha256, <[u8; 32]>::from(sha2::Sha256::digest(&disk)));
    assert!(
        done.allocated_bytes < size as u64 / 2,
        "zeros were stored: {} bytes",
        done.allocated_bytes
    );
    (id, disk)
}

fn read(storage: &dyn StorageBackend, c: ClientId, offset: u64, len: usize) -> Vec<u8> {
    let mut buf = vec![0xee; len];
    storage
        .open_overlay(c)
        .unwrap()
        .read_at(offset, &mut buf)
        .unwrap();
    buf
}

fn battery(storage: &dyn StorageBackend) {
    let size = 8 * 1024 * 1024 + 512;
    let (image, disk) = import(storage, size);
    let (a, b) = (client(1), client(2));

    assert!(storage.open_overlay(a).is_err(), "a disk from nowhere");
    assert!(
        storage
            .ensure_overlay(a, ImageId(Uuid::from_u128(9)))
            .is_err(),
        "a disk on no image"
    );
    storage.ensure_overlay(a, image).unwrap();
    storage.ensure_overlay(b, image).unwrap();
    assert_eq!(read(storage, a, 0, size), disk);

    // What one writes, the other does not see, nor does the image.
    storage
        .open_overlay(a)
        .unwrap()
        .write_at(4096 + 512, &[7; 1024])
        .unwrap();
    assert_eq!(read(storage, a, 4096 + 512, 1024), [7; 1024]);
    assert_eq!(read(storage, b, 0, size), disk);
    assert!(storage.overlay_bytes(a) > 0);

    // Keep keeps, reset forgets, and an old handle can't reach the new overlay.
    storage.ensure_overlay(a, image).unwrap();
    assert_eq!(read(storage, a, 4096 + 512, 1024), [7; 1024]);
    let old = storage.open_overlay(a).unwrap();
    storage.reset_overlay(a, image).unwrap();
    old.write_at(0, &[9; 512]).unwrap();
    old.flush().unwrap();
    assert_eq!(read(storage, a, 0, size), disk);

    // The last, short block; a discard across it; extents that cover the whole disk.
    let device = storage.open_overlay(a).unwrap();
    device.write_at(size as u64 - 512, &[3; 512]).unwrap();
    device.discard(4096, size as u64 - 4096).unwrap();
    assert_eq!(read(storage, a, 4096, size - 4096), vec![0; size - 4096]);
    assert_eq!(read(storage, a, 0, 512), vec![0xa1; 512]);
    let extents = device.extents(0, size as u64).unwrap();
    assert_eq!(extents.iter().map(|e| e.0).sum::<u64>(), size as u64);

    storage.remove_overlay(a).unwrap();
    storage.remove_overlay(a).unwrap();
    assert!(storage.open_overlay(a).is_err());
    storage.remove_overlay(b).unwrap();
    storage.remove_image(image).unwrap();
    assert!(!storage.has_image(image));

    // Broken-off and impossible imports leave nothing.
    let id = ImageId(Uuid::now_v7());
    let mut sink = storage.begin_import(id).unwrap();
    sink.write(&[1; 100]).unwrap();
    assert!(sink.finish().is_err(), "100 bytes are no disk");
    assert!(
        storage.begin_import(id).unwrap().finish().is_err(),
        "nothing is no disk"
    );
    assert!(!storage.has_image(id));
}

#[test]
fn embedded_passes_the_battery() {
    let dir = tempfile::tempdir().unwrap();
    battery(&EmbeddedStorage::open(dir.path()).unwrap());
    for folder in ["images", "overlays"] {
        let left: Vec<_> = std::fs::read_dir(dir.path().join(folder))
            .unwrap()
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn an_overlay_is_found_again_by_the_next_process() {
    let dir = tempfile::tempdir().unwrap();
    let first = EmbeddedStorage::open(dir.path()).unwrap();
    let (image, _) = import(&first, 1 << 20);
    first.ensure_overlay(client(1), image).unwrap();
    let device = first.open_overlay(client(1)).unwrap();
    device.write_at(12_288, &[5; 8192]).unwrap();
    device.flush().unwrap();
    drop((device, first));
    let second = EmbeddedStorage::open(dir.path()).unwrap();
    assert_eq!(read(&second, client(1), 12_288, 8192), [5; 8192]);
    assert_eq!(second.overlay_bytes(client(1)), 8192);
}
