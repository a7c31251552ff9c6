//! The decoder on bytes that nobody wrote: an error each time, never a panic, never a guess.

mod samples;

use store::{Record, codec, codec::CodecError};

/// Repeatable randomness.
fn roll(state: &mut u64) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state as usize
}

fn with_sum(mut body: Vec<u8>) -> Vec<u8> {
    let sum = crc32c::crc32c(&body);
    body.extend_from_slice(&sum.to_le_bytes());
    body
}

/// Changed bytes under a right checksum, so that the payload decoder sees them, too. What decodes
/// all the same must mean what its bytes say: encoding gives them back.
fn mutate<R: Record>(record: &R, rounds: usize, state: &mut u64) {
    let good = codec::encode(record).unwrap();
    for _ in 0..rounds {
        let mut bytes = good[..good.len() - 4].to_vec();
        for _ in 0..=roll(state) % 4 {
            let at = roll(state) % bytes.len().max(1);
            match roll(state) % 6 {
                0 => bytes.truncate(at),
                1 => bytes.insert(at.min(bytes.len()), roll(state) as u8),
                2 => bytes.extend_from_slice(&[0xff; 9]),
                3 if bytes.len() >= at + 8 => bytes[at..at + 8].fill(0xff),
                _ if !bytes.is_empty() => bytes[at] ^= 1 << (roll(state) % 8),
                _ => {}
            }
        }
        if roll(state).is_multiple_of(8) {
            let _ = codec::decode::<R>(&bytes);
            continue;
        }
        let bytes = with_sum(bytes);
        if let Ok(read) = codec::decode::<R>(&bytes) {
            assert_eq!(codec::encode(&read).unwrap(), bytes);
        }
    }
}

#[test]
fn mutated_records_are_errors_or_mean_what_they_say() {
    let mut state = 0x2545_f491_4f6c_dd1d;
    let rounds = 40_000;
    mutate(&samples::client(), rounds, &mut state);
    mutate(&samples::boot_entry(), rounds, &mut state);
    mutate(&samples::group(), rounds, &mut state);
    mutate(&samples::firmware(), rounds, &mut state);
    mutate(&samples::image(), rounds, &mut state);
    mutate(&samples::lease(), rounds, &mut state);
    mutate(&samples::boot(), rounds, &mut state);
    mutate(&samples::scope(), rounds, &mut state);
    mutate(&samples::reservation(), rounds, &mut state);
    mutate(&samples::user(), rounds, &mut state);
    mutate(&samples::session(), rounds, &mut state);
    mutate(&samples::setting(), rounds, &mut state);
    mutate(&samples::token(), rounds, &mut state);
    mutate(&samples::audit(), rounds, &mut state);
    mutate(&samples::audit_head(), rounds, &mut state);
    mutate(&samples::idempotency(), rounds, &mut state);
    mutate(&samples::settings_revision(), rounds, &mut state);
    mutate(&samples::storage_sample(), rounds, &mut state);
    mutate(&samples::snapshots_due(), rounds, &mut state);
    mutate(&samples::job(), rounds, &mut state);
}

#[test]
fn each_kind_of_damage_is_named() {
    let good = codec::encode(&samples::setting()).unwrap();
    let decode = codec::decode::<store::SettingRecord>;
    let body = || good[..good.len() - 4].to_vec();
    assert!(matches!(decode(&[]), Err(CodecError::Short(0))));
    assert!(matches!(decode(&good[..6]), Err(CodecError::Short(6))));
    let mut flipped = good.clone();
    flipped[10] ^= 1;
    assert_eq!(decode(&flipped), Err(CodecError::Checksum));
    let lease = codec::encode(&samples::lease()).unwrap();
    assert!(matches!(
        decode(&lease),
        Err(CodecError::Kind {
            found: 3,
            expected: 7
        })
    ));
    let mut newer = body();
    newer[1..3].copy_from_slice(&9u16.to_le_bytes());
    assert!(matches!(
        decode(&with_sum(newer)),
        Err(CodecError::Schema {
            found: 9,
            newest: 1
        })
    ));
    let mut longer = body();
    longer.push(0);
    assert!(
        matches!(decode(&with_sum(longer)), Err(CodecError::Payload(_))),
        "trailing byte"
    );
    let mut bomb = body();
    bomb[3..11].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(
        matches!(decode(&with_sum(bomb)), Err(CodecError::Payload(_))),
        "length bomb"
    );
}

#[test]
fn a_record_over_the_limit_is_refused_when_it_is_written() {
    let mut big = samples::setting();
    big.value = "x".repeat(codec::MAX_PAYLOAD as usize);
    assert!(matches!(codec::encode(&big), Err(CodecError::Payload(_))));
}

#[test]
fn an_older_format_is_upgraded() {
    #[derive(Clone, serde::Serialize, serde::Deserialize, PartialEq, Debug)]
    struct Old {
        name: String,
    }
    #[derive(Clone, serde::Serialize, serde::Deserialize, PartialEq, Debug)]
    struct New {
        name: String,
        size: u64,
    }
    impl Record for Old {
        const KIND: u8 = 200;
        const SCHEMA: u16 = 1;
        const TABLE: &'static str = "test";
        type Key = String;
        fn key(&self) -> String {
            self.name.clone()
        }
    }
    impl Record for New {
        const KIND: u8 = 200;
        const SCHEMA: u16 = 2;
        const TABLE: &'static str = "test";
        type Key = String;
        fn key(&self) -> String {
            self.name.clone()
        }
        fn upgrade(schema: u16, payload: &[u8]) -> Result<Self, CodecError> {
            match schema {
                1 => {
                    let Old { name } = codec::decode_payload(payload)?;
                    Ok(New { name, size: 0 })
                }
                found => Err(CodecError::Schema { found, newest: 2 }),
            }
        }
    }
    let old = codec::encode(&Old { name: "a".into() }).unwrap();
    let new = New {
        name: "a".into(),
        size: 0,
    };
    assert_eq!(codec::decode::<New>(&old), Ok(new));
}
