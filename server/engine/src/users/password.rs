//! Passwords: what is accepted, and argon2id in bounded parallel.

use crate::{Area, Error, Result, random_text};
use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Hashes at once. Each takes 19 MiB and a core for tens of milliseconds: a flood of logins must
/// not take the boot path's memory or cores.
const PARALLEL: usize = 2;

/// Logins that may wait for their turn.
const WAITING: usize = 64;

/// Fewest characters of a password (NIST SP 800-63B section 5.1.1.2).
const MIN_CHARS: usize = 8;

/// Most bytes of a password.
const MAX_BYTES: usize = 256;

/// What is tried first by anyone.
const COMMON: [&str; 16] = [
    "password",
    "passwort",
    "12345678",
    "123456789",
    "1234567890",
    "qwertyui",
    "qwertyuiop",
    "iloveyou",
    "sunshine",
    "princess",
    "football",
    "baseball",
    "password1",
    "passw0rd",
    "letmein1",
    "changeme",
];

/// Whether a new password may be used for this account.
pub(super) fn check(username: &str, password: &str) -> Result<()> {
    let lower = password.to_lowercase();
    let first = password.chars().next();
    let message = if password.chars().count() < MIN_CHARS {
        "a password has at least 8 characters"
    } else if password.len() > MAX_BYTES {
        "a password has at most 256 bytes"
    } else if lower == username.to_lowercase() {
        "a password can't be the user name"
    } else if COMMON.contains(&lower.as_str()) || password.chars().all(|c| Some(c) == first) {
        "this password is among the first that anyone tries; choose another"
    } else {
        return Ok(());
    };
    Err(Error::invalid(Area::User, "password", message))
}

/// Hashes and verifies. Cheap to clone.
#[derive(Clone)]
pub(super) struct Hasher {
    turns: Arc<Semaphore>,
    queue: Arc<Semaphore>,
    /// What a login of an unknown user is checked against, so that it takes as long.
    decoy: Arc<str>,
}

impl Hasher {
    pub fn new() -> Result<Self> {
        Ok(Hasher {
            turns: Arc::new(Semaphore::new(PARALLEL)),
            queue: Arc::new(Semaphore::new(WAITING)),
            decoy: hash(&random_text(24)?)?.into(),
        })
    }

    /// A PHC string with a salt of its own.
    pub async fn hash(&self, password: String) -> Result<String> {
        self.in_turn(move || hash(&password)).await?
    }

    /// Whether the password is the one of `phc`. None, no such user, takes as long and is false.
    pub async fn verify(&self, password: String, phc: Option<String>) -> Result<bool> {
        let decoy = self.decoy.clone();
        self.in_turn(move || match phc {
            Some(phc) => verify(&password, &phc),
            None => {
                verify(&password, &decoy);
                false
            }
        })
        .await
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let _place = self.queue.try_acquire().map_err(|_| {
            Error::unavailable(
                Area::Auth,
                "too many sign-ins are under way",
                "Try again in some seconds.",
            )
        })?;
        // An owned turn goes with the work: a caller that gives up does not free the core.
        let turn = self
            .turns
            .clone()
            .acquire_owned()
            .await
            .map_err(|_| Error::Internal("the password queue is closed".into()))?;
        tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work()
        })
        .await
        .map_err(|e| Error::Internal(format!("hashing a password failed: {e}")))
    }
}

/// As [`Hasher::hash`], at once: for start-up, before anyone can ask.
pub(super) fn hash(password: &str) -> Result<String> {
    Argon2::default()
        .hash_password(password.as_bytes())
        .map(|phc| phc.to_string())
        .map_err(|e| Error::Internal(format!("hashing a password failed: {e}")))
}

fn verify(password: &str, phc: &str) -> bool {
    match PasswordHash::new(phc) {
        Ok(phc) => Argon2::default()
            .verify_password(password.as_bytes(), &phc)
            .is_ok(),
        Err(e) => {
            tracing::error!(error = %e, "a stored password hash can't be read");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_passwords_are_refused_with_the_rule() {
        for (password, rule) in [
            ("short", "at least 8"),
            ("", "at least 8"),
            ("administrator", "user name"),
            ("aaaaaaaaaaaa", "first that anyone tries"),
            ("Password1", "first that anyone tries"),
        ] {
            let e = check("Administrator", password).unwrap_err().to_string();
            assert!(e.contains(rule), "{password}: {e}");
        }
        assert!(check("a", &"ab".repeat(129)).is_err());
        assert!(check("admin", "correct horse").is_ok());
        assert!(check("admin", "пароль-длинный").is_ok());
    }

    #[tokio::test]
    async fn a_hash_verifies_its_password_only() {
        let hasher = Hasher::new().unwrap();
        let phc = hasher.hash("correct horse".into()).await.unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{phc}");
        let again = hasher.hash("correct horse".into()).await.unwrap();
        assert_ne!(phc, again, "each has its own salt");
        let ask = |p: &str, h: Option<&str>| hasher.verify(p.into(), h.map(Into::into));
        assert!(ask("correct horse", Some(&phc)).await.unwrap());
        assert!(!ask("wrong horse", Some(&phc)).await.unwrap());
        assert!(!ask("correct horse", None).await.unwrap());
        assert!(!ask("correct horse", Some("not a hash")).await.unwrap());
    }
}
