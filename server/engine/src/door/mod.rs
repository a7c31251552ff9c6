//! The one door to the engine for people and programs: page, REST, WebSocket and command line ask for
//! a handle, and the handle that they get has only the methods of their role. Each change that is
//! made through it, and each that is refused, stands in the audit log.
//!
//! Boot planes and other parts of the server do not come through here: they act for nobody.

mod admin;
mod entries;
mod firmware;
mod import;
mod loaders;
mod operator;
mod snapshots;
mod storage;
#[cfg(test)]
mod tests;
mod uploads;
mod versions;
mod viewer;

pub use import::Import;
pub use loaders::LoaderUpload;

use crate::{
    By, Engine, Error, Result,
    audit::{self, Change},
};
use std::ops::Deref;
use types::{Role, TargetView};

/// May look.
#[derive(Clone)]
pub struct Viewer {
    engine: Engine,
    by: By,
    who: Option<crate::Identity>,
}

/// May change computers, images and the lab, and all that a [`Viewer`] may.
#[derive(Clone)]
pub struct Operator(Viewer);

/// May change users, tokens and settings and read the audit log, and all that an [`Operator`] may.
#[derive(Clone)]
pub struct Admin(Operator);

impl Deref for Operator {
    type Target = Viewer;
    fn deref(&self) -> &Viewer {
        &self.0
    }
}

impl Deref for Admin {
    type Target = Operator;
    fn deref(&self) -> &Operator {
        &self.0
    }
}

/// Somebody who has proved who they are, and how they came in.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Who.
    pub identity: crate::Identity,
    /// The same for the audit log, with address, way and request.
    pub by: By,
}

impl Engine {
    /// The handle of somebody who may look.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for a lower role.
    pub fn as_viewer(&self, caller: &Caller) -> Result<Viewer> {
        self.require(caller, Role::Viewer)
    }

    /// The handle of somebody who may change computers, images and the lab.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for a lower role; the attempt is written down.
    pub fn as_operator(&self, caller: &Caller) -> Result<Operator> {
        self.require(caller, Role::Operator).map(Operator)
    }

    /// The handle of somebody who may do everything.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for a lower role; the attempt is written down.
    pub fn as_admin(&self, caller: &Caller) -> Result<Admin> {
        self.require(caller, Role::Admin)
            .map(|v| Admin(Operator(v)))
    }

    /// The handle of NSBoot itself, for what it does of its own accord; `part` is written down.
    pub fn as_itself(&self, part: &'static str) -> Admin {
        Admin(Operator(Viewer {
            engine: self.clone(),
            by: By::system(part),
            who: None,
        }))
    }

    fn require(&self, caller: &Caller, least: Role) -> Result<Viewer> {
        if caller.identity.role < least {
            let refused = Error::Forbidden("your role does not allow this");
            let to = audit::target("role", None, least.word());
            self.audit().refused(&caller.by, "auth.role", to, &refused);
            return Err(refused);
        }
        Ok(Viewer {
            engine: self.clone(),
            by: caller.by.clone(),
            who: Some(caller.identity.clone()),
        })
    }
}

impl Viewer {
    /// Who holds the handle.
    pub fn by(&self) -> &By {
        &self.by
    }

    /// Makes a change; a refusal is written down with what it was to be done to.
    async fn attempt<T>(
        &self,
        action: &str,
        target: TargetView,
        change: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let done = change.await;
        if let Err(e) = &done {
            self.engine.audit().refused(&self.by, action, target, e);
        }
        done
    }

    /// An entry for what changes nothing in the database.
    async fn acted(&self, change: Change) -> Result<()> {
        self.engine.audit().act(&self.by, change).await
    }
}

fn target(kind: &str, name: &str) -> TargetView {
    // What is asked for may be anything: no more of it than a name has.
    audit::target(kind, None, &name.chars().take(80).collect::<String>())
}
