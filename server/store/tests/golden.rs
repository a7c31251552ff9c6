//! The bytes of each kind of record in each format that we ever wrote. A file of `tests/golden`
//! never changes: when a test fails here, the record needs a new schema and an `upgrade`, not a
//! new file. `NSBOOT_GOLDEN=write` makes the files of new kinds and formats.

mod samples;

use std::{fmt::Debug, path::PathBuf};
use store::{Record, codec};

fn check<R: Record + PartialEq>(name: &str, record: &R) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(format!("{name}-{}.hex", R::SCHEMA));
    let bytes = codec::encode(record).unwrap();
    let hex: String = bytes
        .chunks(32)
        .map(|line| line.iter().map(|b| format!("{b:02x}")).collect::<String>() + "\n")
        .collect();
    if std::env::var("NSBOOT_GOLDEN").is_ok_and(|v| v == "write") && !path.exists() {
        std::fs::write(&path, &hex).unwrap();
    }
    let golden = std::fs::read_to_string(&path)
        .unwrap_or_else(|e| panic!("{}: {e}; NSBOOT_GOLDEN=write makes it", path.display()));
    assert_eq!(hex, golden, "{name}: these bytes are in databases already");
    assert!(
        codec::decode::<R>(&bytes).unwrap() == *record,
        "{name}: read back otherwise"
    );
}

#[test]
fn every_record_has_the_bytes_it_always_had() {
    check("client", &samples::client());
    check("boot_entry", &samples::boot_entry());
    check("group", &samples::group());
    check("firmware", &samples::firmware());
    check("image", &samples::image());
    check("lease", &samples::lease());
    check("scope", &samples::scope());
    check("reservation", &samples::reservation());
    check("boot", &samples::boot());
    check("user", &samples::user());
    check("session", &samples::session());
    check("setting", &samples::setting());
    check("token", &samples::token());
    check("audit", &samples::audit());
    check("audit-head", &samples::audit_head());
    check("job", &samples::job());
    check("idempotency", &samples::idempotency());
    check("settings_revision", &samples::settings_revision());
    check("storage_sample", &samples::storage_sample());
    check("snapshots_due", &samples::snapshots_due());
}

fn unhex(golden: &str) -> Vec<u8> {
    let hex = golden.replace('\n', "");
    let byte = |i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(byte).collect()
}

/// What the first two formats of a client hold.
fn client_without_choices() -> store::ClientRecord {
    store::ClientRecord {
        group_id: None,
        boot_entry_id: None,
        one_shot_id: None,
        loader_set: None,
        loader: None,
        quota_bytes: None,
        ..client_with_one_disk()
    }
}

/// What the first four formats of a client hold.
fn client_with_one_disk() -> store::ClientRecord {
    store::ClientRecord {
        data_disks: Vec::new(),
        given_disks: Vec::new(),
        ..samples::client()
    }
}

/// Databases of the fourth version hold these.
#[test]
fn a_client_of_the_fourth_format_is_read_and_has_one_disk() {
    let bytes = unhex(include_str!("golden/client-4.hex"));
    assert!(codec::decode::<store::ClientRecord>(&bytes).unwrap() == client_with_one_disk());
}

/// Databases of the third version hold these.
#[test]
fn a_client_of_the_third_format_is_read_and_has_no_quota() {
    let bytes = unhex(include_str!("golden/client-3.hex"));
    let old = store::ClientRecord {
        quota_bytes: None,
        ..client_with_one_disk()
    };
    assert!(codec::decode::<store::ClientRecord>(&bytes).unwrap() == old);
}

/// Databases of the second version hold these.
#[test]
fn a_client_of_the_second_format_is_read() {
    let bytes = unhex(include_str!("golden/client-2.hex"));
    assert!(codec::decode::<store::ClientRecord>(&bytes).unwrap() == client_without_choices());
}

/// Databases of the first version hold these. Its secret can be read, but not written again as it is.
#[test]
fn a_client_of_the_first_format_is_read_and_its_plain_secret_is_not_written() {
    let bytes = unhex(include_str!("golden/client-1.hex"));
    let old = store::ClientRecord {
        chap_secret: store::StoredSecret::Plain("abcdefghijklmnop".into()),
        ..client_without_choices()
    };
    assert!(codec::decode::<store::ClientRecord>(&bytes).unwrap() == old);
    let e = codec::encode(&old).unwrap_err();
    assert!(e.to_string().contains("not stored unsealed"), "{e}");
    for said in [format!("{old:?}"), format!("{:?}", samples::client())] {
        assert!(
            !said.contains("abcdef") && !said.contains("183, 184"),
            "{said}"
        );
    }
}

/// Databases of earlier versions hold these.
#[test]
fn a_group_of_the_first_format_is_read_and_has_no_options() {
    let bytes = unhex(include_str!("golden/group-1.hex"));
    let old = store::GroupRecord {
        options: Vec::new(),
        channel: types::Channel::Production,
        ..samples::group()
    };
    assert!(codec::decode::<store::GroupRecord>(&bytes).unwrap() == old);
    let bytes = unhex(include_str!("golden/group-2.hex"));
    let old = store::GroupRecord {
        channel: types::Channel::Production,
        ..samples::group()
    };
    assert!(codec::decode::<store::GroupRecord>(&bytes).unwrap() == old);
}

/// Its one version has its id: its file keeps its name.
#[test]
fn an_image_of_the_first_format_is_read_and_has_one_version() {
    let bytes = unhex(include_str!("golden/image-1.hex"));
    let new = samples::image();
    let first = types::VersionId(new.id.0);
    let old = store::ImageRecord {
        versions: vec![store::StoredVersion {
            author: String::new(),
            ..new.versions[0].clone()
        }],
        numbered: 1,
        channels: store::StoredChannels::all_at(first),
        previous: None,
        superclient: None,
        is_private: false,
        ..new
    };
    assert!(codec::decode::<store::ImageRecord>(&bytes).unwrap() == old);
}

/// Only what was imported has a checksum.
#[test]
fn an_image_of_the_second_format_is_read_and_keeps_its_checksum() {
    let bytes = unhex(include_str!("golden/image-2.hex"));
    let mut old = store::ImageRecord {
        is_private: false,
        ..samples::image()
    };
    old.versions[1].sha256 = None;
    old.versions[1].snapshot_of = None;
    old.versions[1].is_scheduled = false;
    assert!(codec::decode::<store::ImageRecord>(&bytes).unwrap() == old);
}

/// No snapshot in it was taken by schedule.
#[test]
fn an_image_of_the_third_format_is_read_and_its_snapshots_stay() {
    let bytes = unhex(include_str!("golden/image-3.hex"));
    let mut old = samples::image();
    old.versions[1].is_scheduled = false;
    assert!(codec::decode::<store::ImageRecord>(&bytes).unwrap() == old);
}

/// Databases of the first version hold these.
#[test]
fn a_session_of_the_first_format_is_read() {
    let bytes = unhex(include_str!("golden/session-1.hex"));
    let new = samples::session();
    let old = store::SessionRecord {
        refreshed_at: new.created_at,
        address: None,
        agent: None,
        ..new
    };
    assert!(codec::decode::<store::SessionRecord>(&bytes).unwrap() == old);
}

#[test]
fn each_kind_has_its_own_number_and_table() {
    fn of<R: Record>() -> (u8, &'static str) {
        (R::KIND, R::TABLE)
    }
    fn distinct<T: Ord + Debug + Clone>(all: &[T]) -> bool {
        let mut all = all.to_vec();
        let n = all.len();
        all.sort();
        all.dedup();
        all.len() == n
    }
    let all = [
        of::<store::ClientRecord>(),
        of::<store::BootEntryRecord>(),
        of::<store::GroupRecord>(),
        of::<store::FirmwareRecord>(),
        of::<store::ImageRecord>(),
        of::<store::LeaseRecord>(),
        of::<store::ScopeRecord>(),
        of::<store::ReservationRecord>(),
        of::<store::BootRecord>(),
        of::<store::UserRecord>(),
        of::<store::SessionRecord>(),
        of::<store::SettingRecord>(),
        of::<store::TokenRecord>(),
        of::<store::AuditRecord>(),
        of::<store::AuditHeadRecord>(),
        of::<store::JobRecord>(),
        of::<store::IdempotencyRecord>(),
        of::<store::SettingsRevisionRecord>(),
        of::<store::StorageSampleRecord>(),
        of::<store::SnapshotsDueRecord>(),
    ];
    assert!(distinct(&all.map(|(kind, _)| kind)) && distinct(&all.map(|(_, table)| table)));
}
