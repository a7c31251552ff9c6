//! What admins may do besides: accounts, everybody's sessions and tokens, the audit log, keys.

use super::{Admin, target};
use crate::{
    Actor, Error, Result,
    audit::{AuditFilter, Change},
    jobs::{NewJob, Work},
    secrets,
    settings::Facts,
};
use std::time::Instant;
use types::{
    ApiTokenView, AuditView, CreateScopeParams, CreateTokenParams, CreateUserParams, JobUnit,
    JobView, NewTokenView, ScopeView, SecretsView, SessionId, SessionView, SettingsPreviewView,
    SettingsView, TokenId, UpdateScopeParams, UpdateSettingsParams, UpdateUserParams, UserView,
};

impl Admin {
    /// Every account, in the order of creation.
    pub fn users(&self) -> Vec<UserView> {
        self.engine.users().list()
    }

    /// An account by name or id.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`].
    pub fn user(&self, text: &str) -> Result<UserView> {
        self.engine.users().find(text)
    }

    /// Makes an account.
    ///
    /// # Errors
    /// A bad name, a weak password, or a name that is taken.
    pub async fn create_user(&self, params: CreateUserParams) -> Result<UserView> {
        let to = target("user", &params.username);
        let create = self.engine.users().create(&self.by, params);
        self.attempt("user.create", to, create).await
    }

    /// Changes an account; a new role or password ends its sessions.
    ///
    /// # Errors
    /// No such account, an older revision, a bad name or password, or the last admin.
    pub async fn update_user(
        &self,
        user: &str,
        if_match: Option<u64>,
        params: UpdateUserParams,
    ) -> Result<UserView> {
        let users = self.engine.users();
        let update = async {
            let id = users.find(user)?.id;
            users.update(&self.by, id, if_match, params).await
        };
        self.attempt("user.update", target("user", user), update)
            .await
    }

    /// Removes an account with its sessions and tokens.
    ///
    /// # Errors
    /// No such account, an older revision, or the last admin.
    pub async fn remove_user(&self, user: &str, if_match: Option<u64>) -> Result<()> {
        let users = self.engine.users();
        let remove = async {
            let id = users.find(user)?.id;
            users.remove(&self.by, id, if_match).await
        };
        self.attempt("user.remove", target("user", user), remove)
            .await
    }

    /// Everybody's sign-ins, or those of one account, the newest first.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`].
    pub fn sessions(&self, user: Option<&str>) -> Result<Vec<SessionView>> {
        let users = self.engine.users();
        let of = user.map(|u| users.find(u)).transpose()?;
        let own = self.who.as_ref().and_then(|w| w.session_id);
        Ok(users.sessions(of.map(|u| u.id), own))
    }

    /// Ends anybody's sign-in.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`].
    pub async fn end_session(&self, id: SessionId) -> Result<()> {
        let end = self.engine.users().end_session(&self.by, id, None);
        let to = target("session", &id.to_string());
        self.attempt("session.end", to, end).await
    }

    /// Ends all sign-ins of an account; how many there were.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`].
    pub async fn end_sessions(&self, user: &str) -> Result<u32> {
        let users = self.engine.users();
        let end = async {
            let id = users.find(user)?.id;
            users.end_sessions(&self.by, id, None).await
        };
        self.attempt("session.end_all", target("user", user), end)
            .await
    }

    /// Everybody's API tokens, or those of one account.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`].
    pub fn tokens(&self, user: Option<&str>) -> Result<Vec<ApiTokenView>> {
        let users = self.engine.users();
        let of = user.map(|u| users.find(u)).transpose()?;
        Ok(users.tokens(of.map(|u| u.id)))
    }

    /// Makes an API token for an account.
    ///
    /// # Errors
    /// No such account, a bad name or life, or a role above the owner's.
    pub async fn create_token_for(
        &self,
        user: &str,
        params: CreateTokenParams,
    ) -> Result<NewTokenView> {
        // One that leaked must not be able to make its successor.
        if matches!(self.by.actor, Actor::Token { .. }) {
            self.own_session()?;
        }
        let users = self.engine.users();
        let to = target("token", &params.name);
        let create = async {
            let owner = users.find(user)?.id;
            users.create_token(&self.by, owner, params).await
        };
        self.attempt("token.create", to, create).await
    }

    /// Removes anybody's API token.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`].
    pub async fn remove_token(&self, id: TokenId) -> Result<()> {
        let remove = self.engine.users().remove_token(&self.by, id, None);
        let to = target("token", &id.to_string());
        self.attempt("token.remove", to, remove).await
    }

    /// Entries of the audit log, the newest first, those before the number `before` when given.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn audit(
        &self,
        filter: AuditFilter,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<AuditView>> {
        self.engine.audit().list(filter, before, limit).await
    }

    /// A piece of the audit log in its order, and the number to go on from.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn audit_export(
        &self,
        filter: AuditFilter,
        from: u64,
    ) -> Result<(Vec<AuditView>, Option<u64>)> {
        self.engine.audit().export(filter, from).await
    }

    /// What a change of settings would touch; nothing is changed.
    ///
    /// # Errors
    /// A key or value that can't be.
    pub async fn preview_settings(
        &self,
        params: &UpdateSettingsParams,
    ) -> Result<SettingsPreviewView> {
        let facts = Facts {
            clients: self.engine.clients().list(),
            networks: self.engine.networks().list(),
        };
        self.engine.settings().preview(params, &facts).await
    }

    /// Changes settings, all of these together. `if_match` is the revision that was read. A network
    /// change goes back by itself unless it is confirmed.
    ///
    /// # Errors
    /// A key or value that can't be, an older revision, another change that waits to be confirmed, or
    /// what keeps it from taking effect; then nothing is changed.
    pub async fn update_settings(
        &self,
        if_match: Option<u64>,
        params: UpdateSettingsParams,
    ) -> Result<SettingsView> {
        let keys: Vec<_> = params.values.keys().map(String::as_str).collect();
        let to = target("setting", &keys.join(", "));
        let settings = self.engine.settings();
        let update = async {
            self.check_default_set(&params).await?;
            settings.update(&self.by, if_match, params).await
        };
        self.attempt("setting.update", to, update).await
    }

    /// Undoes an earlier change of settings.
    ///
    /// # Errors
    /// No such change, or a later one touched the same.
    pub async fn undo_settings(&self, number: u64) -> Result<SettingsView> {
        let to = target("setting", &format!("change {number}"));
        let undo = self.engine.settings().undo(&self.by, number);
        self.attempt("setting.undo", to, undo).await
    }

    /// A network change may stay. `connected` is when the caller's connection was made: one from
    /// before the change proves nothing.
    ///
    /// # Errors
    /// It does not wait any more, or the connection is too old.
    pub async fn confirm_settings(&self, number: u64, connected: Instant) -> Result<SettingsView> {
        let to = target("setting", &format!("change {number}"));
        let confirm = self.engine.settings().confirm(&self.by, number, connected);
        self.attempt("setting.confirm", to, confirm).await
    }

    /// Makes the scope of a subnet behind relays.
    ///
    /// # Errors
    /// As [`crate::Leases`] says: what can't be, a taken name or subnet.
    pub async fn create_scope(&self, params: CreateScopeParams) -> Result<ScopeView> {
        let to = target("scope", &params.name);
        let create = self.engine.leases().create_scope(&self.by, params);
        self.attempt("scope.create", to, create).await
    }

    /// Changes a scope; it holds from the next packet on. `if_match` is the revision that was read.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::PreconditionFailed`], [`Error::Invalid`].
    pub async fn update_scope(
        &self,
        scope: &str,
        if_match: Option<u64>,
        params: UpdateScopeParams,
    ) -> Result<ScopeView> {
        let leases = self.engine.leases();
        let update = leases.update_scope(&self.by, scope, if_match, params);
        self.attempt("scope.update", target("scope", scope), update)
            .await
    }

    /// Removes the scope of a relayed subnet.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::PreconditionFailed`]; [`Error::Conflict`] while it is used.
    pub async fn remove_scope(&self, scope: &str, if_match: Option<u64>) -> Result<()> {
        let remove = self.engine.leases().remove_scope(&self.by, scope, if_match);
        self.attempt("scope.remove", target("scope", scope), remove)
            .await
    }

    /// Which keys secrets are sealed with; neither a key nor a secret.
    pub fn secrets(&self) -> SecretsView {
        secrets::view(self.engine.secrets(), self.engine.clients())
    }

    /// Makes a new key and seals every secret with it. Goes on to its end when the caller goes away.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the key is systemd's; when file or database fail.
    pub async fn rotate_secrets(&self) -> Result<SecretsView> {
        let (engine, by) = (self.engine.clone(), self.by.clone());
        let rotation = tokio::task::spawn_blocking(move || {
            secrets::rotate(engine.secrets(), engine.clients(), &by)
        });
        let rotate = async {
            let broke = |e| Error::Internal(format!("a rotation broke off: {e}"));
            rotation.await.map_err(broke)?
        };
        self.attempt("secrets.rotate", target("secrets", "secrets"), rotate)
            .await?;
        Ok(self.secrets())
    }

    /// Changes what the log tells. `prepared` is what it tells now and what makes the change: that
    /// runs once the entry is durable, also when the caller has gone by then, and never without one.
    ///
    /// # Errors
    /// That of `prepared`; when the database fails. Nothing is changed then.
    pub async fn set_log_level(
        &self,
        level: &str,
        prepared: Result<(String, impl FnOnce() + Send + 'static)>,
    ) -> Result<()> {
        let write = async {
            let (before, set) = prepared?;
            let facts = |level: &str| Some(serde_json::json!({ "level": level }));
            let change = Change::act("system.log_level", "system", "log", "log level")
                .facts(facts(&before), facts(level));
            let (audit, by) = (self.engine.audit().clone(), self.by.clone());
            let write = self.engine.store().write(move |tx| {
                audit.record(tx, &by, change)?;
                tx.on_commit(set);
                Ok::<_, Error>(())
            });
            write.await
        };
        let to = target("system", "log level");
        self.attempt("system.log_level", to, write).await
    }

    /// Checks the chain of the whole audit log, as a job.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn verify_audit(&self) -> Result<JobView> {
        let new = NewJob {
            work: Work::VerifyAudit,
            title: "Check the audit log".into(),
            unit: JobUnit::Items,
            total: None,
            items: Vec::new(),
            change: Change::act("audit.verify", "audit", "audit", "audit log"),
        };
        self.start(new).await
    }
}
