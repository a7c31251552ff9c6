//! Tokens that must not pass.

use super::*;
use std::os::unix::fs::PermissionsExt;
use uuid::Uuid;

fn tokens() -> Tokens {
    Tokens::with_key(&[7; 32])
}

fn ids() -> (UserId, SessionId) {
    (UserId(Uuid::from_u128(1)), SessionId(Uuid::from_u128(2)))
}

fn good() -> Claims {
    let (user, session) = ids();
    claims(ACCESS, user, session, crate::now(), 60)
}

fn refused(claims: &Claims) -> bool {
    let t = tokens();
    matches!(
        t.check_access(&t.encode(claims).unwrap()),
        Err(Error::Unauthorized(_))
    )
}

#[test]
fn a_good_token_says_who() {
    let (user, session) = ids();
    let t = tokens();
    let token = t.access(user, session, crate::now()).unwrap();
    let claims = t.check_access(&token).unwrap();
    assert_eq!((claims.sub, claims.sid), (user, session));
}

#[test]
fn expired_future_and_foreign_tokens_are_refused() {
    assert!(!refused(&good()));
    let now = good().iat;
    for bad in [
        Claims {
            exp: now - 60,
            ..good()
        },
        Claims {
            nbf: now + 60,
            ..good()
        },
        Claims {
            aud: REFRESH.into(),
            ..good()
        },
        Claims {
            aud: "other".into(),
            ..good()
        },
        Claims {
            iss: "other".into(),
            ..good()
        },
    ] {
        assert!(refused(&bad), "{bad:?}");
    }
    let token = Tokens::with_key(&[8; 32]).encode(&good()).unwrap();
    assert!(tokens().check_access(&token).is_err(), "another key");
}

#[test]
fn a_claim_that_is_missing_or_of_another_type_is_refused() {
    let key = EncodingKey::from_secret(&[7; 32]);
    for gone in ["exp", "nbf", "aud", "iss", "sub", "sid"] {
        let mut claims = serde_json::to_value(good()).unwrap();
        claims.as_object_mut().unwrap().remove(gone);
        let token = encode(&Header::new(ALGORITHM), &claims, &key).unwrap();
        assert!(tokens().check_access(&token).is_err(), "without {gone}");
    }
    for (name, value) in [
        ("exp", serde_json::json!("9999999999")),
        ("nbf", serde_json::json!("0")),
        ("sub", serde_json::json!(7)),
    ] {
        let mut claims = serde_json::to_value(good()).unwrap();
        claims[name] = value;
        let token = encode(&Header::new(ALGORITHM), &claims, &key).unwrap();
        assert!(
            tokens().check_access(&token).is_err(),
            "{name} of another type"
        );
    }
}

#[test]
fn no_algorithm_or_another_one_is_refused() {
    let token = tokens().encode(&good()).unwrap();
    let payload = token.split('.').nth(1).unwrap();
    // {"alg":"none","typ":"JWT"} and {"typ":"JWT","alg":"None"}
    for header in [
        "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0",
        "eyJ0eXAiOiJKV1QiLCJhbGciOiJOb25lIn0",
    ] {
        for signature in ["", token.rsplit('.').next().unwrap()] {
            let forged = format!("{header}.{payload}.{signature}");
            assert!(tokens().check_access(&forged).is_err(), "{forged}");
        }
    }
    let key = EncodingKey::from_secret(&[7; 32]);
    for other in [Algorithm::HS384, Algorithm::HS512] {
        let token = encode(&Header::new(other), &good(), &key).unwrap();
        assert!(tokens().check_access(&token).is_err(), "{other:?}");
    }
}

#[test]
fn every_changed_character_is_noticed() {
    let t = tokens();
    let token = t.encode(&good()).unwrap();
    for at in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        match t.check_access(&changed) {
            Err(_) => {}
            // The last character of a part carries bits that base64 leaves unused.
            Ok(claims) => assert_eq!(claims, good_of(&token), "at {at}"),
        }
    }
    for junk in ["", ".", "..", "a.b.c", "é.é.é", &"A".repeat(100_000)] {
        assert!(t.check_access(junk).is_err());
    }
}

fn good_of(token: &str) -> Claims {
    tokens().check_access(token).unwrap()
}

#[test]
fn the_key_is_made_once_private_and_whole() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("keys");
    let (user, session) = ids();
    let token = Tokens::open(&folder)
        .unwrap()
        .access(user, session, crate::now())
        .unwrap();
    assert!(Tokens::open(&folder).unwrap().check_access(&token).is_ok());
    let path = folder.join("session.key");
    let mode = |p: &Path| std::fs::metadata(p).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(&folder)), (0o600, 0o700));
    std::fs::write(&path, b"short").unwrap();
    let e = Tokens::open(&folder).err().unwrap().to_string();
    assert!(e.contains("32 bytes"), "{e}");
}
