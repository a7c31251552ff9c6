//! The tests that every storage backend must pass.
#![cfg(test)]

use super::{StorageBackend, embedded::EmbeddedStorage};
use types::{ClientId, DiskId, ImageId, VersionId};
use uuid::Uuid;

fn client(n: u128) -> DiskId {
    ClientId(Uuid::from_u128(n)).into()
}

/// An image of so many bytes with a pattern in its first and last sector.
fn import(storage: &dyn StorageBackend, size: usize) -> (VersionId, Vec<u8>) {
    let id = VersionId(Uuid::now_v7());
    let mut disk = vec![0u8; size];
    disk[..512].fill(0xa1);
    disk[size - 512..].fill(0xe9);
    let mut sink = storage.begin_import(id).unwrap();
    // Odd pieces, so that no boundary of ours is met by luck.
    disk.chunks(5_003).for_each(|c| sink.write(c).unwrap());
    assert!(!storage.has_version(id), "visible before it was whole");
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

fn read(storage: &dyn StorageBackend, c: DiskId, offset: u64, len: usize) -> Vec<u8> {
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
            .ensure_overlay(a, VersionId(Uuid::from_u128(9)))
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
    storage.remove_version(image).unwrap();
    assert!(!storage.has_version(image));

    // Broken-off and impossible imports leave nothing.
    let id = VersionId(Uuid::now_v7());
    let mut sink = storage.begin_import(id).unwrap();
    sink.write(&[1; 100]).unwrap();
    assert!(sink.finish().is_err(), "100 bytes are no disk");
    assert!(
        storage.begin_import(id).unwrap().finish().is_err(),
        "nothing is no disk"
    );
    assert!(!storage.has_version(id));
}

fn read_version(storage: &dyn StorageBackend, version: VersionId, len: usize) -> Vec<u8> {
    let mut buf = vec![0xee; len];
    storage.read_version(version, 0, &mut buf).unwrap();
    buf
}

fn sum(storage: &dyn StorageBackend, version: VersionId) -> [u8; 32] {
    storage
        .checksum(version, &mut |_, _| true)
        .unwrap()
        .unwrap()
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).into()
}

/// The disks of one computer have nothing in common but their computer.
fn data_disks(storage: &dyn StorageBackend) {
    let (image, disk) = import(storage, 64 * 1024);
    let system = client(31);
    let [games, tools] = [1, 2].map(|n| DiskId::data(system.client, ImageId(Uuid::from_u128(n))));
    let all = [system, games, tools];
    for (i, id) in all.into_iter().enumerate() {
        storage.ensure_overlay(id, image).unwrap();
        let device = storage.open_overlay(id).unwrap();
        device.write_at(4096, &[i as u8 + 1; 4096]).unwrap();
        device.flush().unwrap();
    }
    for (i, id) in all.into_iter().enumerate() {
        assert_eq!(read(storage, id, 4096, 4096), [i as u8 + 1; 4096]);
    }
    assert!(
        all.iter()
            .all(|id| storage.overlays().unwrap().contains(id))
    );
    assert!(
        all.iter()
            .all(|id| storage.overlays_on(image).unwrap().contains(id))
    );
    storage.set_quota(games, Some(4096));
    let write = |id| storage.open_overlay(id).unwrap().write_at(8192, &[9; 4096]);
    assert_eq!(
        write(games).unwrap_err().kind(),
        std::io::ErrorKind::QuotaExceeded
    );
    write(tools).unwrap();
    storage.reset_overlay(games, image).unwrap();
    assert_eq!(read(storage, games, 0, disk.len()), disk);
    storage.remove_overlay(system).unwrap();
    assert_eq!(read(storage, tools, 4096, 4096), [3; 4096]);
    assert_eq!(storage.overlay_bytes(tools), 8192);
    for id in [games, tools] {
        storage.remove_overlay(id).unwrap();
    }
    assert!(storage.overlays_on(image).unwrap().is_empty());
    storage.remove_version(image).unwrap();
}

/// A full overlay refuses what is new, and keeps what it has.
fn quota(storage: &dyn StorageBackend) {
    let (image, disk) = import(storage, 1 << 20);
    let a = client(21);
    storage.set_quota(a, Some(3 * 4096));
    storage.ensure_overlay(a, image).unwrap();
    let device = storage.open_overlay(a).unwrap();
    device.write_at(0, &[1; 2 * 4096]).unwrap();
    let full = device.write_at(8 * 4096 - 512, &[2; 1024]).unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::QuotaExceeded);
    assert_eq!(
        read(storage, a, 8 * 4096 - 512, 1024),
        disk[8 * 4096 - 512..][..1024]
    );
    // One more fits; what is there can be written anew, and given back.
    device.write_at(8 * 4096, &[2; 4096]).unwrap();
    device.write_at(4096, &[3; 4096]).unwrap();
    assert!(device.write_at(12 * 4096, &[4; 512]).is_err());
    device.flush().unwrap();
    assert_eq!(storage.overlay_bytes(a), 3 * 4096);
    device.discard(0, 4096).unwrap();
    device.write_at(12 * 4096, &[4; 512]).unwrap();
    assert!(
        device.write_at(0, &[5; 512]).is_err(),
        "its place was given away"
    );
    // Raised while it is open, and lowered below what is there.
    storage.set_quota(a, None);
    device.write_at(0, &[5; 512]).unwrap();
    storage.set_quota(a, Some(4096));
    device.write_at(0, &[6; 512]).unwrap();
    assert!(device.write_at(20 * 4096, &[7; 512]).is_err());
    device.flush().unwrap();
    assert_eq!(read(storage, a, 0, 512), [6; 512]);
    storage.reset_overlay(a, image).unwrap();
    let anew = storage.open_overlay(a).unwrap();
    anew.write_at(0, &[8; 4096]).unwrap();
    assert!(anew.write_at(4096, &[8; 4096]).is_err(), "the limit stays");
    storage.remove_overlay(a).unwrap();
    storage.remove_version(image).unwrap();
}

/// What a client wrote becomes the next version, for others to start from.
fn versions(storage: &dyn StorageBackend) {
    let size = 3 * 1024 * 1024 + 512;
    let (first, mut disk) = import(storage, size);
    let [second, third, never] = [(); 3].map(|()| VersionId(Uuid::now_v7()));
    let (a, b) = (client(11), client(12));
    let mut go_on = |_, _| true;
    assert!(
        storage.promote(a, second, &mut go_on).is_err(),
        "nothing to make it of"
    );
    assert_eq!(storage.overlay_version(a).unwrap(), None);

    assert!(storage.is_untouched(a).unwrap(), "no disk");
    storage.ensure_overlay(a, first).unwrap();
    assert!(storage.is_untouched(a).unwrap());
    let device = storage.open_overlay(a).unwrap();
    device.discard(4096, 4096).unwrap();
    assert!(!storage.is_untouched(a).unwrap(), "zeros are a change, too");
    device.write_at(8192 - 512, &[7; 1024]).unwrap();
    // What is there already takes no place in the new version.
    let untouched = read(storage, a, 1 << 20, 1 << 20);
    device.write_at(1 << 20, &untouched).unwrap();
    device.discard(0, 4096).unwrap();
    device.write_at(size as u64 - 512, &[9; 512]).unwrap();
    let before = disk.clone();
    disk[8192 - 512..8192 + 512].fill(7);
    disk[..4096].fill(0);
    disk[size - 512..].fill(9);
    assert_eq!(read(storage, a, 0, size), disk);

    let stopped = storage.promote(a, never, &mut |done, total| done * 2 < total);
    assert_eq!(stopped.unwrap(), None);
    assert!(!storage.has_version(never), "half of one");
    let mut told = Vec::new();
    let taken = storage.promote(a, second, &mut |done, total| {
        told.push((done, total));
        true
    });
    let made = taken.unwrap().unwrap();
    let taken = made.allocated_bytes;
    assert!(
        (1..256 * 1024).contains(&taken),
        "{taken} bytes for three blocks"
    );
    assert_eq!(sum(storage, second), made.sha256);
    assert_eq!(sum(storage, first), sha256(&before));
    assert!(
        told.is_sorted() && told.iter().all(|t| t.0 <= t.1),
        "{told:?}"
    );
    assert_eq!(read_version(storage, second, size), disk);
    assert_eq!(read_version(storage, first, size), before);
    assert_eq!(storage.version_bytes(second).unwrap(), size as u64);
    // The client's own disk is as it was, until it is put on the new version.
    assert_eq!(storage.overlay_version(a).unwrap(), Some(first));
    assert_eq!(read(storage, a, 0, size), disk);
    storage.ensure_overlay(a, second).unwrap();
    assert_eq!(
        (
            storage.overlay_version(a).unwrap(),
            storage.overlay_bytes(a)
        ),
        (Some(second), 0)
    );
    assert_eq!(storage.overlays_on(second).unwrap(), [a]);

    // A version on a version; another client on it does not reach what is below.
    let device = storage.open_overlay(a).unwrap();
    device.write_at(0, &[5; 4096]).unwrap();
    device.discard(8192, 4096).unwrap();
    storage.promote(a, third, &mut go_on).unwrap().unwrap();
    let mut newest = disk.clone();
    newest[..4096].fill(5);
    newest[8192..12_288].fill(0);
    storage.ensure_overlay(b, third).unwrap();
    assert_eq!(read(storage, b, 0, size), newest);
    let device = storage.open_overlay(b).unwrap();
    let extents = device.extents(0, size as u64).unwrap();
    assert_eq!(extents.iter().map(|e| e.0).sum::<u64>(), size as u64);
    let mut at = 0usize;
    for (len, is_data) in extents {
        let end = at + len as usize;
        assert!(
            is_data || newest[at..end].iter().all(|b| *b == 0),
            "{at}..{end} is said to be empty"
        );
        at = end;
    }
    device.write_at(4096, &[1; 512]).unwrap();
    assert_eq!(read_version(storage, third, size), newest);
    assert_eq!(read_version(storage, second, size), disk);

    // Flattened it needs none of those below, and nobody above notices.
    let stopped = storage.flatten(second, &mut |done, total| done * 2 < total);
    assert_eq!(stopped.unwrap(), None);
    assert_eq!(sum(storage, second), made.sha256, "as it was");
    let mut disk_of_b = newest.clone();
    disk_of_b[4096..4096 + 512].fill(1);
    let flat = storage.flatten(second, &mut go_on).unwrap().unwrap();
    assert_eq!((flat.size_bytes, flat.sha256), (size as u64, sha256(&disk)));
    assert_eq!(sum(storage, second), sha256(&disk));
    assert!(flat.allocated_bytes < size as u64 / 2, "zeros were stored");
    assert_eq!(read(storage, b, 0, size), disk_of_b);
    let there = storage.versions().unwrap();
    assert!([first, second, third].iter().all(|v| there.contains(v)) && there.len() == 3);
    storage.remove_version(first).unwrap();
    assert_eq!(read_version(storage, second, size), disk);
    assert_eq!(read_version(storage, third, size), newest);
    assert_eq!(read(storage, b, 0, size), disk_of_b);

    for client in [a, b] {
        storage.remove_overlay(client).unwrap();
    }
    for version in [third, second] {
        assert!(storage.has_version(version));
        storage.remove_version(version).unwrap();
        assert!(!storage.has_version(version));
    }
}

#[test]
fn embedded_passes_the_battery() {
    let dir = tempfile::tempdir().unwrap();
    let storage = EmbeddedStorage::open(dir.path()).unwrap();
    battery(&storage);
    versions(&storage);
    quota(&storage);
    data_disks(&storage);
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
