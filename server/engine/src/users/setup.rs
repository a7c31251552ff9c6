//! The first account: whoever holds the one-time code that the server printed makes it.

use super::{Users, accounts::facts, check_name, failed, new_user, password};
use crate::{
    Actor, Area, By, Error, Result,
    audit::{Change, target},
    random_bytes,
};
use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{Mutex, PoisonError},
};
use store::{Read, UserRecord};
use subtle::ConstantTimeEq;
use types::{Role, SetupParams, TokenView};

/// Letters of a code: none that look like another.
const LETTERS: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";

/// What tries of the code are counted under: all together, whatever address they come from. The
/// colon keeps it apart from every account's name.
const TRIES: (&str, IpAddr) = (":setup", IpAddr::V4(Ipv4Addr::UNSPECIFIED));

/// The one-time code; in memory only, gone with the first account.
#[derive(Default)]
pub(super) struct Code(Mutex<Option<String>>);

impl Code {
    /// 12 letters of 32, 60 bits, in three groups: `K7QF-2M9X-RTAB`.
    pub fn make() -> Result<Self> {
        let mut bytes = [0u8; 12];
        random_bytes(&mut bytes)?;
        let letters: Vec<char> = bytes
            .iter()
            .map(|b| LETTERS[usize::from(b % 32)] as char)
            .collect();
        let groups: Vec<String> = letters.chunks(4).map(|g| g.iter().collect()).collect();
        Ok(Code(Mutex::new(Some(groups.join("-")))))
    }

    fn get(&self) -> Option<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn burn(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Without regard to case, spaces and hyphens; takes as long for any wrong code.
    fn is(&self, given: &str) -> bool {
        let plain = |s: &str| -> String {
            s.chars()
                .filter(|c| c.is_ascii_alphanumeric())
                .map(|c| c.to_ascii_uppercase())
                .take(64)
                .collect()
        };
        match self.get() {
            Some(code) => bool::from(plain(&code).as_bytes().ct_eq(plain(given).as_bytes())),
            None => false,
        }
    }
}

impl Users {
    /// The one-time code to print, while there is no account.
    pub fn setup_code(&self) -> Option<String> {
        self.inner.setup_code.get()
    }

    /// Whether the first account is still to be made.
    pub fn needs_setup(&self) -> bool {
        self.inner.live(|l| l.users.is_empty())
    }

    /// Makes the first account, an admin, and signs it in.
    ///
    /// # Errors
    /// [`Error::Conflict`] when there is an account already; [`Error::Invalid`] for a wrong code,
    /// a bad name or a weak password; [`Error::TooMany`] after wrong codes.
    pub async fn setup(&self, by: By, params: SetupParams) -> Result<TokenView> {
        if !self.needs_setup() {
            return Err(done());
        }
        check_name(&params.username)?;
        password::check(&params.username, &params.password)?;
        let (account, from) = TRIES;
        self.inner.try_begin(account, from)?;
        if !self.inner.setup_code.is(&params.code) {
            let wrong = Error::invalid(
                Area::User,
                "code",
                "the code is wrong; the server printed it when it started",
            );
            let to = target("user", None, "first account");
            self.inner.audit.refused(&by, "auth.setup", to, &wrong);
            failed(&by, &params.username, &wrong);
            return Err(wrong);
        }
        self.inner.try_done(account, from);
        let hash = self.inner.hasher.hash(params.password).await?;
        let admin = new_user(&params.username, hash, Role::Admin);
        // From here on it is the new account that acts.
        let by = By {
            actor: Actor::User {
                id: admin.id,
                name: admin.name.clone(),
            },
            role: Some(Role::Admin),
            ..by
        };
        let (inner, made, log) = (self.inner.clone(), admin.clone(), by.clone());
        let write = self.inner.store.write(move |tx| {
            // Two with the code at once: one of them is first.
            if !tx.list::<UserRecord>()?.is_empty() {
                return Err(done());
            }
            tx.put(&admin)?;
            let change = Change::act("user.create", "user", admin.id, &admin.name)
                .facts(None, Some(facts(&admin)));
            inner.audit.record(tx, &log, change)?;
            tx.on_commit(move || {
                inner.setup_code.burn();
                inner.change_live(|l| {
                    l.users.insert(admin.id, admin);
                });
            });
            Ok(())
        });
        write.await?;
        self.open_session(&by, &made).await
    }
}

fn done() -> Error {
    Error::conflict(
        Area::User,
        "the first account was made already",
        "Sign in with it.",
    )
}
