//! API tokens: how programs act with a user's leave, with a role and an end of their own.

use super::{Identity, Inner, Live, Users};
use crate::{Actor, Area, By, Error, Result, audit::Change, now, random_text};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use store::{Read, TokenRecord, Tx, UserRecord};
use subtle::ConstantTimeEq;
use types::{ApiTokenView, CreateTokenParams, NewTokenView, Role, TokenId, UserId};
use uuid::Uuid;

/// What the text of a token begins with, so that scanners for leaked secrets find it.
pub(super) const PREFIX: &str = "nsb_";

/// Letters and digits of the secret part: 238 bits.
const SECRET_LEN: usize = 40;

/// Longest life, days.
const MAX_DAYS: u32 = 3650;

/// Tokens that one account may have.
const MAX_PER_USER: usize = 100;

const BAD: Error = Error::Unauthorized("the token is not valid or has ended");

impl Users {
    /// The tokens of an account, or of all; expired ones too, until they are removed.
    pub(crate) fn tokens(&self, of: Option<UserId>) -> Vec<ApiTokenView> {
        let mut all: Vec<_> = self.inner.live(|l| {
            let own = l
                .tokens
                .values()
                .filter(|t| of.is_none_or(|u| t.user_id == u));
            own.filter_map(|t| view(l, t)).collect()
        });
        all.sort_by_key(|t: &ApiTokenView| t.id);
        all
    }

    /// Makes a token of an account. Its text is shown this once.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a bad name or life, or a role above the owner's.
    pub(crate) async fn create_token(
        &self,
        by: &By,
        owner: UserId,
        params: CreateTokenParams,
    ) -> Result<NewTokenView> {
        let name = params.name.trim().to_string();
        if name.is_empty() || name.chars().count() > 64 || name.chars().any(char::is_control) {
            let rule = "a token's name says what it is for, in 1 to 64 characters";
            return Err(Error::invalid(Area::Token, "name", rule));
        }
        if !(1..=MAX_DAYS).contains(&params.expires_in_days) {
            let rule = format!("a token lives 1 to {MAX_DAYS} days");
            return Err(Error::invalid(Area::Token, "expires_in_days", rule));
        }
        let secret = random_text(SECRET_LEN)?;
        let start = now();
        let record = TokenRecord {
            id: TokenId(Uuid::now_v7()),
            user_id: owner,
            name,
            role: params.role,
            secret_hash: Sha256::digest(secret.as_bytes()).into(),
            created_at: start,
            expires_at: start.plus_seconds(i64::from(params.expires_in_days) * 86_400),
        };
        let (inner, by, new) = (self.inner.clone(), by.clone(), record.clone());
        let write = self.inner.store.write(move |tx| {
            let user: UserRecord = tx
                .get(&owner)?
                .ok_or_else(|| Error::not_found(Area::User, owner))?;
            require_role(params.role, user.role)?;
            let all: Vec<TokenRecord> = tx.list_readable(None)?;
            let own = all.iter().filter(|t| t.user_id == owner);
            if own.clone().any(|t| t.name.eq_ignore_ascii_case(&new.name)) {
                return Err(Error::conflict(
                    Area::Token,
                    format!("there is a token {:?} already", new.name),
                    "Choose another name, or remove that one first.",
                ));
            }
            if own.count() >= MAX_PER_USER {
                return Err(Error::conflict(
                    Area::Token,
                    format!("an account has at most {MAX_PER_USER} tokens"),
                    "Remove some that are not used any more.",
                ));
            }
            let facts = serde_json::json!({
                "owner": user.name, "role": new.role, "expires_at": new.expires_at,
            });
            let change =
                Change::act("token.create", "token", new.id, &new.name).facts(None, Some(facts));
            inner.audit.record(tx, &by, change)?;
            inner.save_token(tx, new)
        });
        write.await?;
        let token = self.inner.live(|l| view(l, &record));
        Ok(NewTokenView {
            secret: format!("{PREFIX}{}_{secret}", record.id.0.simple()),
            token: token.ok_or_else(|| Error::not_found(Area::User, owner))?,
        })
    }

    /// Removes a token: one of `of` only, or anybody's when that is None.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none such.
    pub(crate) async fn remove_token(
        &self,
        by: &By,
        id: TokenId,
        of: Option<UserId>,
    ) -> Result<()> {
        let (inner, by) = (self.inner.clone(), by.clone());
        let write = self.inner.store.write(move |tx| {
            let found: Option<TokenRecord> = tx.get(&id)?;
            let token = found
                .filter(|t| of.is_none_or(|user| t.user_id == user))
                .ok_or_else(|| Error::not_found(Area::Token, id))?;
            let change = Change::act("token.remove", "token", id, &token.name);
            inner.audit.record(tx, &by, change)?;
            inner.drop_token(tx, id);
            Ok(())
        });
        write.await
    }
}

impl Inner {
    /// Who holds the token with this text, the prefix taken off.
    pub(super) fn who_by_token(&self, text: &str) -> Result<Identity> {
        let (id, secret) = text.split_once('_').ok_or(BAD)?;
        let id = TokenId(Uuid::try_parse(id).map_err(|_| BAD)?);
        let hash: [u8; 32] = Sha256::digest(secret.as_bytes()).into();
        self.live(|l| {
            let token = l.tokens.get(&id)?;
            let right = bool::from(hash.ct_eq(&token.secret_hash)) && token.expires_at > now();
            let owner = l.users.get(&token.user_id).filter(|_| right)?;
            Some(Identity {
                actor: Actor::Token {
                    id,
                    name: token.name.clone(),
                    owner: owner.name.clone(),
                },
                user_id: Some(owner.id),
                // Its owner may have a lower role by now.
                role: token.role.min(owner.role),
                session_id: None,
                expires_at: token.expires_at,
            })
        })
        .ok_or(BAD)
    }

    fn save_token(self: &Arc<Self>, tx: &mut Tx<'_>, token: TokenRecord) -> Result<()> {
        tx.put(&token)?;
        let inner = self.clone();
        tx.on_commit(move || {
            inner.change_live(|l| {
                l.tokens.insert(token.id, token);
            });
        });
        Ok(())
    }

    pub(super) fn drop_token(self: &Arc<Self>, tx: &mut Tx<'_>, id: TokenId) {
        tx.remove::<TokenRecord>(&id);
        let inner = self.clone();
        tx.on_commit(move || {
            inner.change_live(|l| {
                l.tokens.remove(&id);
            });
        });
    }
}

fn view(live: &Live, t: &TokenRecord) -> Option<ApiTokenView> {
    Some(ApiTokenView {
        id: t.id,
        name: t.name.clone(),
        user_id: t.user_id,
        username: live.users.get(&t.user_id)?.name.clone(),
        role: t.role,
        created_at: t.created_at,
        expires_at: t.expires_at,
    })
}

fn require_role(wanted: Role, owner: Role) -> Result<()> {
    match wanted <= owner {
        true => Ok(()),
        false => Err(Error::invalid(
            Area::Token,
            "role",
            format!(
                "a token may do no more than its owner, who is {}",
                owner.word()
            ),
        )),
    }
}
