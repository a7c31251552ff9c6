//! CHAP with MD5 as iSCSI uses it (RFC 1994; RFC 7143 section 12.1.3). Pure: the challenge is given.

use super::text::binary;
use engine::export::Chap;
use md5::{Digest, Md5};
use subtle::ConstantTimeEq;

/// Challenge length in bytes: as long as the digest.
pub const CHALLENGE_LEN: usize = 16;
/// The only algorithm (MD5).
pub const ALGORITHM_MD5: &str = "5";

/// An identifier and a challenge, new for each login, from the system's random source.
#[derive(Clone, PartialEq, Eq)]
pub struct Challenge {
    pub id: u8,
    pub bytes: [u8; CHALLENGE_LEN],
}

/// Whether the answer of an initiator proves that it knows the secret. Takes the same time for a
/// wrong name as for a wrong response.
pub fn verify(chap: &Chap, challenge: &Challenge, name: &str, response: &str) -> bool {
    let expected = digest(
        challenge.id,
        chap.secret.expose().as_bytes(),
        &challenge.bytes,
    );
    let given = binary(response, 64).unwrap_or_default();
    let name_ok = chap.username.as_bytes().ct_eq(name.as_bytes());
    (name_ok & expected[..].ct_eq(&given[..])).into()
}

/// The response to a challenge: MD5 over identifier, secret and challenge.
pub fn digest(id: u8, secret: &[u8], challenge: &[u8]) -> [u8; 16] {
    let mut md5 = Md5::new();
    md5.update([id]);
    md5.update(secret);
    md5.update(challenge);
    md5.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iscsi::text::hex;

    #[test]
    fn only_the_right_name_and_secret_pass() {
        let chap = Chap {
            username: "0192aabb".into(),
            secret: "correct horse ba".into(),
        };
        let challenge = Challenge {
            id: 7,
            bytes: [0x5a; CHALLENGE_LEN],
        };
        let good = hex(&digest(7, b"correct horse ba", &challenge.bytes));
        assert!(verify(&chap, &challenge, "0192aabb", &good));
        assert!(!verify(&chap, &challenge, "0192aabc", &good));
        let wrong = hex(&digest(7, b"another secret..", &challenge.bytes));
        assert!(!verify(&chap, &challenge, "0192aabb", &wrong));
        for bad in ["", "0x", "0x00", "garbage"] {
            assert!(!verify(&chap, &challenge, "0192aabb", bad), "{bad}");
        }
    }

    #[test]
    fn digest_is_md5_of_id_secret_challenge() {
        let all = [&[1u8][..], b"secret", b"challenge"].concat();
        let expected: [u8; 16] = Md5::digest(&all).into();
        assert_eq!(digest(1, b"secret", b"challenge"), expected);
    }
}
