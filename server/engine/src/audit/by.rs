//! Who does something: what each change is given, and what its audit entry says.

use crate::now;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use types::{ActorKind, ActorView, AuditView, Role, TargetView, TokenId, UserId, Way};

/// Who acts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Actor {
    /// An account, signed in.
    User {
        /// Its id.
        id: UserId,
        /// Its name.
        name: String,
    },
    /// An API token of an account.
    Token {
        /// The token's id.
        id: TokenId,
        /// The token's name.
        name: String,
        /// The account's name.
        owner: String,
    },
    /// A command on the box itself: who may open the local socket owns the server anyway.
    Local,
    /// NSBoot of its own accord; which part of it.
    System(String),
    /// Nobody that we know, with the name they gave.
    Unknown(String),
}

impl Actor {
    /// As shown and as written down.
    pub fn view(&self) -> ActorView {
        let (kind, id, name) = match self {
            Actor::User { id, name } => (ActorKind::User, Some(id.to_string()), name.clone()),
            Actor::Token { id, name, owner } => (
                ActorKind::Token,
                Some(id.to_string()),
                format!("{owner}/{name}"),
            ),
            Actor::Local => (ActorKind::Local, None, "local".into()),
            Actor::System(part) => (ActorKind::System, None, part.clone()),
            Actor::Unknown(name) => (ActorKind::Unknown, None, name.clone()),
        };
        ActorView { kind, id, name }
    }
}

/// Who does something, with which role, from where and by which way.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct By {
    /// Who.
    pub actor: Actor,
    /// What they may do; None for nobody that we know.
    pub role: Option<Role>,
    /// Where from; None for the box itself.
    pub address: Option<IpAddr>,
    /// By which way.
    pub way: Way,
    /// The request's id, which the log has, too.
    pub request_id: Option<String>,
    /// What asks, as it calls itself (`User-Agent`).
    pub agent: Option<String>,
}

impl By {
    /// NSBoot itself.
    pub fn system(part: &'static str) -> By {
        By {
            actor: Actor::System(part.into()),
            role: Some(Role::Admin),
            address: None,
            way: Way::System,
            request_id: None,
            agent: None,
        }
    }

    /// Somebody who has not signed in, by the name that they gave.
    pub fn unknown(name: &str, address: Option<IpAddr>, way: Way) -> By {
        By {
            // Names come from anyone: no more of them than an account may have.
            actor: Actor::Unknown(name.chars().take(32).collect()),
            role: None,
            address,
            way,
            request_id: None,
            agent: None,
        }
    }

    /// An entry of now; its number and hash come when it is appended.
    pub(super) fn entry(&self, action: &str, target: TargetView, result: String) -> AuditView {
        AuditView {
            seq: 0,
            at: now(),
            actor: self.actor.view(),
            role: self.role,
            way: self.way,
            address: self.address.map(|a| a.to_canonical().to_string()),
            request_id: self.request_id.clone(),
            action: action.into(),
            target,
            before: None,
            after: None,
            result,
            hash: String::new(),
        }
    }
}
