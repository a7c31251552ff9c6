//! What every signed-in caller may do: look, and keep their own account in order.

use super::{Viewer, target};
use crate::{Area, Error, Identity, Reader, Result};
use types::{
    ApiTokenView, BootId, BootNetworkView, BootView, ChangePasswordParams, ClientView,
    CreateTokenParams, ImageView, InterfaceView, JobId, JobView, LabView, LeaseView, LoaderSetView,
    MeView, NewTokenView, Position, ReservationView, Role, ScopeView, SessionId, SessionView,
    SettingsRevisionView, SettingsView, Snapshot, TokenId, Topic, Topics, UserId,
};

impl Viewer {
    /// All settings, with where each comes from.
    pub async fn settings(&self) -> SettingsView {
        self.engine.settings().view().await
    }

    /// The changes of settings that were made, the newest first.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn settings_history(&self) -> Result<Vec<SettingsRevisionView>> {
        self.engine.settings().history().await
    }

    /// One change of settings.
    ///
    /// # Errors
    /// [`Error::NotFound`], or when the database can't be read.
    pub fn settings_revision(&self, number: u64) -> Result<SettingsRevisionView> {
        self.engine.settings().revision(number)
    }

    /// Who holds the handle, as shown.
    pub fn me(&self) -> MeView {
        let identity = self.who.clone().unwrap_or_else(Identity::local);
        self.engine.users().me(&identity)
    }

    /// Every client, in the order of creation.
    pub fn clients(&self) -> Vec<ClientView> {
        self.engine.clients().list()
    }

    /// A client by name, id or Ethernet address.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn client(&self, text: &str) -> Result<ClientView> {
        let clients = self.engine.clients();
        Ok(clients.view(&*clients.require(text)?))
    }

    /// The boots of a client: not those of one that had its address before and was removed.
    ///
    /// # Errors
    /// [`Error::NotFound`], or when the database can't be read.
    pub async fn client_boots(&self, text: &str) -> Result<Vec<BootView>> {
        let client = self.engine.clients().require(text)?;
        let mut boots = self.engine.boots().history(client.mac).await?;
        boots.retain(|boot| boot.is_of(client.id));
        Ok(boots)
    }

    /// Every boot that is kept.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn boots(&self) -> Result<Vec<BootView>> {
        self.engine.boots().list().await
    }

    /// One boot.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn boot(&self, text: &str) -> Result<BootView> {
        let id: Option<BootId> = text.parse().ok();
        let found = match id {
            Some(id) => self.engine.boots().get(id).await?,
            None => None,
        };
        found.ok_or_else(|| Error::not_found(Area::Boot, text))
    }

    /// Every image, in the order of creation.
    pub fn images(&self) -> Vec<ImageView> {
        self.engine.images().list()
    }

    /// An image by name or id.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn image(&self, text: &str) -> Result<ImageView> {
        let images = self.engine.images();
        Ok(images.view(&*images.require(text)?))
    }

    /// Every loader set, by name; without its files.
    ///
    /// # Errors
    /// When the work broke off.
    pub async fn loader_sets(&self) -> Result<Vec<LoaderSetView>> {
        self.engine.loaders().list().await
    }

    /// A loader set with its files.
    ///
    /// # Errors
    /// [`Error::NotFound`], or when a file can't be read.
    pub async fn loader_set(&self, name: &str) -> Result<LoaderSetView> {
        self.engine.loaders().show(name).await
    }

    /// Every lease.
    pub fn leases(&self) -> Vec<LeaseView> {
        self.engine.leases().list()
    }

    /// A lease by its address; `scope` where several scopes have that.
    ///
    /// # Errors
    /// [`Error::NotFound`], or [`Error::Invalid`] when several are meant.
    pub fn lease(&self, address: &str, scope: Option<&str>) -> Result<LeaseView> {
        self.engine.leases().lease_view(address, scope)
    }

    /// Every scope, by name.
    pub fn scopes(&self) -> Vec<ScopeView> {
        self.engine.leases().list_scopes()
    }

    /// A scope by name.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn scope(&self, name: &str) -> Result<ScopeView> {
        self.engine.leases().scope_view(name)
    }

    /// Every reservation, by scope and address.
    pub fn reservations(&self) -> Vec<ReservationView> {
        self.engine.leases().list_reservations()
    }

    /// A reservation by its id, its computer's Ethernet address or its own address.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] when several scopes have one.
    pub fn reservation(&self, text: &str) -> Result<ReservationView> {
        self.engine.leases().reservation(text)
    }

    /// The boot networks and how they are.
    pub fn networks(&self) -> Vec<BootNetworkView> {
        self.engine.networks().list()
    }

    /// The box's network interfaces, served or not.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn interfaces(&self) -> Result<Vec<InterfaceView>> {
        let listed = crate::interfaces::list(&self.networks());
        listed.map_err(Error::io("listing the network interfaces"))
    }

    /// The virtual lab.
    pub fn lab(&self) -> LabView {
        self.engine.lab().view()
    }

    /// Jobs that the caller may see, the newest first, those before `before` when it is given;
    /// without items and log.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn jobs(&self, before: Option<JobId>, limit: usize) -> Result<Vec<JobView>> {
        self.engine.jobs().list(self.role(), before, limit).await
    }

    /// One job, whole.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn job(&self, text: &str) -> Result<JobView> {
        let id: Option<JobId> = text.parse().ok();
        let id = id.ok_or_else(|| Error::not_found(Area::Job, text))?;
        self.engine.jobs().show(self.role(), id)
    }

    /// All that the caller may see of these topics, as of now. `page_build` tells a page that it is of
    /// another build.
    pub fn snapshot(&self, topics: Topics, page_build: String) -> Snapshot {
        let mut snapshot = Snapshot {
            page_build,
            clients: Vec::new(),
            images: Vec::new(),
            boot_entries: Vec::new(),
            groups: Vec::new(),
            firmware: Vec::new(),
            leases: Vec::new(),
            reservations: Vec::new(),
            networks: Vec::new(),
            scopes: Vec::new(),
            loader_sets: Vec::new(),
            boots: Vec::new(),
            jobs: Vec::new(),
            trial: None,
        };
        for topic in topics.iter() {
            match topic {
                Topic::Clients => snapshot.clients = self.clients(),
                Topic::Images => snapshot.images = self.images(),
                Topic::BootEntries => snapshot.boot_entries = self.boot_entries(),
                Topic::Groups => snapshot.groups = self.groups(),
                Topic::Firmware => snapshot.firmware = self.firmware(),
                Topic::Leases => {
                    snapshot.leases = self.leases();
                    snapshot.reservations = self.reservations();
                }
                Topic::Networks => {
                    snapshot.networks = self.networks();
                    snapshot.scopes = self.scopes();
                }
                Topic::Settings => snapshot.trial = self.engine.settings().trial(),
                Topic::Jobs => snapshot.jobs = self.engine.jobs().running(self.role()),
                Topic::Loaders => snapshot.loader_sets = self.engine.loaders().names(),
                // Its state is read by REST.
                Topic::Audit | Topic::Storage => {}
                // In `clients` each computer has its newest boot.
                Topic::Boots if topics.has(Topic::Clients) => {}
                Topic::Boots => {
                    let clients = self.clients().into_iter();
                    snapshot.boots = clients.filter_map(|c| c.last_boot).collect();
                }
            }
        }
        snapshot
    }

    /// Hears what happens from now on, as far as the caller may see it.
    pub fn subscribe(&self, topics: Topics) -> Reader {
        self.engine.events().subscribe(topics).seen_by(self.role())
    }

    /// As [`Viewer::subscribe`], and what happened since that place; None when not all of it is kept.
    pub fn resume(&self, topics: Topics, place: &Position) -> Option<Reader> {
        let reader = self.engine.events().resume(topics, place)?;
        Some(reader.seen_by(self.role()))
    }

    fn role(&self) -> Role {
        self.by.role.unwrap_or(Role::Viewer)
    }

    /// One's own sign-ins, the newest first.
    ///
    /// # Errors
    /// [`Error::Conflict`] for a caller without an account.
    pub fn own_sessions(&self) -> Result<Vec<SessionView>> {
        let session = self.who.as_ref().and_then(|w| w.session_id);
        Ok(self.engine.users().sessions(Some(self.own_id()?), session))
    }

    /// Ends one of one's own sign-ins.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn end_own_session(&self, id: SessionId) -> Result<()> {
        let users = self.engine.users();
        let own = self.own_id()?;
        self.own_session()?;
        let end = users.end_session(&self.by, id, Some(own));
        let to = target("session", &id.to_string());
        self.attempt("session.end", to, end).await
    }

    /// Ends all of one's own sign-ins but this one; how many there were.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end_other_sessions(&self) -> Result<u32> {
        let own = self.own_id()?;
        let session = self.own_session()?;
        let users = self.engine.users();
        users.end_sessions(&self.by, own, Some(session)).await
    }

    /// Signs out; a caller without a session keeps what it has.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn logout(&self) -> Result<()> {
        match self.who.as_ref().and_then(|w| w.session_id) {
            Some(session) => self.engine.users().logout(&self.by, session).await,
            None => Ok(()),
        }
    }

    /// Changes one's own password.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the current one is wrong or the new one weak.
    pub async fn change_password(&self, params: ChangePasswordParams) -> Result<()> {
        let session = self.own_session()?;
        let users = self.engine.users();
        let id = self.own_id()?;
        users
            .change_password(&self.by, id, Some(session), params)
            .await
    }

    /// One's own API tokens.
    ///
    /// # Errors
    /// [`Error::Conflict`] for a caller without an account.
    pub fn own_tokens(&self) -> Result<Vec<ApiTokenView>> {
        Ok(self.engine.users().tokens(Some(self.own_id()?)))
    }

    /// Makes an API token of one's own.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a bad name, life or role; [`Error::Conflict`] when a token asks: one
    /// that leaked must not be able to outlive its removal.
    pub async fn create_token(&self, params: CreateTokenParams) -> Result<NewTokenView> {
        self.own_session()?;
        let to = target("token", &params.name);
        let users = self.engine.users();
        let create = users.create_token(&self.by, self.own_id()?, params);
        self.attempt("token.create", to, create).await
    }

    /// Removes one of one's own API tokens.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn remove_own_token(&self, id: TokenId) -> Result<()> {
        let users = self.engine.users();
        let own = self.own_id()?;
        self.own_session()?;
        let remove = users.remove_token(&self.by, id, Some(own));
        let to = target("token", &id.to_string());
        self.attempt("token.remove", to, remove).await
    }

    fn own_id(&self) -> Result<UserId> {
        let id = self.who.as_ref().and_then(|w| w.user_id);
        id.ok_or_else(|| {
            Error::conflict(
                Area::Auth,
                "on the box itself you are nobody in particular",
                "Name the user, or sign in with --server and --token.",
            )
        })
    }

    pub(super) fn own_session(&self) -> Result<SessionId> {
        let session = self.who.as_ref().and_then(|w| w.session_id);
        session.ok_or_else(|| {
            Error::conflict(
                Area::Auth,
                "this needs a sign-in; a token is not enough",
                "Sign in with name and password and do it there.",
            )
        })
    }
}
