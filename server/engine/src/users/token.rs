//! Access and refresh tokens: JWTs of one algorithm, one issuer and two audiences.

use crate::{
    Error, Result, make_private_dir, random_bytes,
    secrets::{read_private, write_private},
};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};
use std::{io::ErrorKind, path::Path};
use types::{SessionId, Timestamp, UserId};
use zeroize::Zeroizing;

/// How long an access token holds, seconds. A revoked session ends at once all the same: each
/// request looks the session up.
pub(super) const ACCESS_SECONDS: u32 = 900;

const ISSUER: &str = "nsboot";
const ACCESS: &str = "nsboot-access";
const REFRESH: &str = "nsboot-refresh";
const ALGORITHM: Algorithm = Algorithm::HS256;
const KEY_BYTES: usize = 32;

/// Seconds that a token may come from the future: clocks are stepped.
const LEEWAY_SECONDS: u64 = 5;

const BAD: Error = Error::Unauthorized("the session is not valid or has ended");

/// What an access token says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Claims {
    pub iss: String,
    pub aud: String,
    pub sub: UserId,
    pub sid: SessionId,
    pub iat: i64,
    pub nbf: i64,
    pub exp: i64,
    /// Refresh tokens only: which of the session's tokens this is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// Refresh tokens only: 32 random bytes in hex, whose hash the session keeps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

/// Signs and checks tokens.
pub(super) struct Tokens {
    sign: EncodingKey,
    check: DecodingKey,
}

impl Tokens {
    /// With the key in `folder`, made at the first start.
    pub fn open(folder: &Path) -> Result<Self> {
        make_private_dir(folder)?;
        let key = load_or_make(&folder.join("session.key"))?;
        Ok(Tokens::with_key(&key))
    }

    pub fn with_key(key: &[u8; KEY_BYTES]) -> Self {
        Tokens {
            sign: EncodingKey::from_secret(key),
            check: DecodingKey::from_secret(key),
        }
    }

    pub fn access(&self, user: UserId, session: SessionId, now: Timestamp) -> Result<String> {
        let claims = claims(ACCESS, user, session, now, i64::from(ACCESS_SECONDS));
        self.encode(&claims)
    }

    pub fn refresh(
        &self,
        user: UserId,
        session: SessionId,
        (generation, secret): (u64, String),
        (now, end): (Timestamp, Timestamp),
    ) -> Result<String> {
        let mut claims = claims(REFRESH, user, session, now, 0);
        claims.exp = end.millis() / 1000;
        claims.generation = Some(generation);
        claims.secret = Some(secret);
        self.encode(&claims)
    }

    pub fn encode(&self, claims: &Claims) -> Result<String> {
        encode(&Header::new(ALGORITHM), claims, &self.sign)
            .map_err(|e| Error::Internal(format!("signing a token failed: {e}")))
    }

    pub fn check_access(&self, token: &str) -> Result<Claims> {
        self.decode(token, ACCESS)
    }

    pub fn check_refresh(&self, token: &str) -> Result<Claims> {
        self.decode(token, REFRESH)
    }

    fn decode(&self, token: &str, audience: &str) -> Result<Claims> {
        let mut rules = Validation::new(ALGORITHM);
        rules.set_issuer(&[ISSUER]);
        rules.set_audience(&[audience]);
        rules.set_required_spec_claims(&["exp", "nbf", "aud", "iss", "sub"]);
        rules.validate_nbf = true;
        rules.leeway = LEEWAY_SECONDS;
        match decode::<Claims>(token, &self.check, &rules) {
            Ok(data) => Ok(data.claims),
            Err(e) => {
                tracing::debug!(error = %e, "a token was refused");
                Err(BAD)
            }
        }
    }
}

fn claims(audience: &str, sub: UserId, sid: SessionId, now: Timestamp, seconds: i64) -> Claims {
    let now = now.millis() / 1000;
    Claims {
        iss: ISSUER.into(),
        aud: audience.into(),
        sub,
        sid,
        iat: now,
        nbf: now,
        exp: now + seconds,
        generation: None,
        secret: None,
    }
}

/// Reads a key, or makes one that is on disk before anything is done with it.
pub(crate) fn load_or_make(path: &Path) -> Result<Zeroizing<[u8; KEY_BYTES]>> {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    match read_private(path)? {
        Some(bytes) if bytes.len() == KEY_BYTES => key.copy_from_slice(&bytes),
        Some(_) => {
            return Err(Error::Io {
                doing: format!("reading the key {}", path.display()),
                source: std::io::Error::new(
                    ErrorKind::InvalidData,
                    "it does not have 32 bytes; remove the file, and a new one is made; docs/operations.md says what that costs",
                ),
            });
        }
        None => {
            random_bytes(&mut *key)?;
            write_private(path, &*key)?;
        }
    }
    Ok(key)
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;
