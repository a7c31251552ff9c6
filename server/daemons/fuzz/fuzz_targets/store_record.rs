//! Records of the database: any bytes under a right checksum are an error or mean what they say.
#![no_main]

use libfuzzer_sys::fuzz_target;
use store::{ClientRecord, Record, StoredSecret, codec};

/// A client of the first format holds its secret unsealed, and that is never written again.
fn check_client(bytes: &[u8]) {
    match codec::decode::<ClientRecord>(bytes) {
        Ok(ClientRecord {
            chap_secret: StoredSecret::Plain(_),
            ..
        }) => assert_ne!(bytes[1..3], ClientRecord::SCHEMA.to_le_bytes()),
        _ => check::<ClientRecord>(bytes),
    }
}

fn check<R: Record>(bytes: &[u8]) {
    if let Ok(record) = codec::decode::<R>(bytes) {
        let again = codec::encode(&record).expect("what was decoded can be encoded");
        match bytes[1..3] == R::SCHEMA.to_le_bytes() {
            true => assert_eq!(again, bytes),
            // An older format becomes the newest, and stays that.
            false => {
                let newest = codec::decode::<R>(&again).expect("what was encoded can be decoded");
                assert_eq!(codec::encode(&newest).expect("once more"), again);
            }
        }
    }
}

fuzz_target!(|body: &[u8]| {
    let mut bytes = body.to_vec();
    bytes.extend_from_slice(&crc32c::crc32c(body).to_le_bytes());
    check_client(&bytes);
    check::<store::BootEntryRecord>(&bytes);
    check::<store::GroupRecord>(&bytes);
    check::<store::ImageRecord>(&bytes);
    check::<store::LeaseRecord>(&bytes);
    check::<store::BootRecord>(&bytes);
    check::<store::ScopeRecord>(&bytes);
    check::<store::ReservationRecord>(&bytes);
    check::<store::UserRecord>(&bytes);
    check::<store::SessionRecord>(&bytes);
    check::<store::SettingRecord>(&bytes);
    check::<store::TokenRecord>(&bytes);
    check::<store::AuditRecord>(&bytes);
    check::<store::AuditHeadRecord>(&bytes);
    check::<store::SnapshotsDueRecord>(&bytes);
    check::<store::JobRecord>(&bytes);
    check::<store::SettingsRevisionRecord>(&bytes);
    check::<store::StorageSampleRecord>(&bytes);
    check::<store::IdempotencyRecord>(&bytes);
});
