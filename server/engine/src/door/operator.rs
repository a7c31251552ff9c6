//! What operators may change: computers, images, jobs and the lab.

use super::{Import, Operator, target};
use crate::{
    Area, BootNetworkConfig, Error, Result,
    audit::Change,
    images::NewImport,
    jobs::{self, MAX_ITEMS, NewJob, Work},
};
use types::{
    ClientId, ClientView, CreateClientParams, CreateReservationParams, JobId, JobUnit, JobView,
    LabFirmware, ReservationView, TargetView, UpdateClientParams, UpdateReservationParams,
};

impl Operator {
    /// Makes a client.
    ///
    /// # Errors
    /// As [`crate::Clients`] says: bad or taken name and address, unknown image.
    pub async fn create_client(&self, params: CreateClientParams) -> Result<ClientView> {
        let to = target("client", &params.name);
        let create = async {
            let set = params.loader_set.as_deref();
            let _there = self.hold_set(Area::Client, None, set).await?;
            self.engine.clients().create(&self.by, params).await
        };
        self.attempt("client.create", to, create).await
    }

    /// Changes a client, by name, id or Ethernet address. `if_match` is the revision that was read.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::PreconditionFailed`], [`Error::Invalid`], [`Error::Conflict`].
    pub async fn update_client(
        &self,
        client: &str,
        if_match: Option<u64>,
        params: UpdateClientParams,
    ) -> Result<ClientView> {
        let update = async {
            let clients = self.engine.clients();
            let known = clients.require(client)?;
            let (old, new) = (known.loader_set.as_deref(), params.loader_set.as_deref());
            let _there = self.hold_set(Area::Client, old, new).await?;
            clients.update(&self.by, known.id, if_match, params).await
        };
        self.attempt("client.update", target("client", client), update)
            .await
    }

    /// Removes a client and its overlay.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::PreconditionFailed`].
    pub async fn remove_client(&self, client: &str, if_match: Option<u64>) -> Result<()> {
        let remove = async {
            let id = self.engine.clients().require(client)?.id;
            self.engine.clients().remove(&self.by, id, if_match).await
        };
        self.attempt("client.remove", target("client", client), remove)
            .await
    }

    /// At its next boot this computer fetches our loader by TFTP, once, though its ROM is iPXE.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn force_loader_once(&self, client: &str) -> Result<()> {
        let found = async { self.engine.clients().require(client) };
        let to = target("client", client);
        let client = self.attempt("client.through_loader", to, found).await?;
        let change = Change::act("client.through_loader", "client", client.id, &client.name);
        self.acted(change).await?;
        self.engine.boots().force_loader_once(client.mac);
        Ok(())
    }

    /// The same change to several clients, as a job. `expected` is how many the caller means:
    /// with another number nothing is begun.
    ///
    /// # Errors
    /// [`Error::NotFound`] when one of them is not there, [`Error::Conflict`] for another number.
    pub async fn update_clients(
        &self,
        clients: &[String],
        expected: usize,
        change: UpdateClientParams,
    ) -> Result<JobView> {
        let found = async {
            if change.name.is_some() && clients.len() > 1 {
                let rule = "several computers can't have one name";
                return Err(Error::invalid(Area::Client, "name", rule));
            }
            // Now, and by its id: a job that waits must not find another image of that name.
            let image = change.image.as_deref().filter(|text| !text.is_empty());
            let image = image.map(|text| self.engine.images().require(text));
            let image = image.transpose()?.map(|i| i.id.to_string());
            let change = self.engine.clients().by_ids(change)?;
            let set = change.loader_set.as_deref();
            // So that it is refused at once; the job asks again, as it may wait for long.
            drop(self.hold_set(Area::Client, None, set).await?);
            Ok((self.all_of(clients, expected)?, image, change))
        };
        let to = computers(clients);
        let ((ids, items), image, change) = self.attempt("client.update_many", to, found).await?;
        let change = UpdateClientParams {
            image: image.or(change.image),
            ..change
        };
        let title = format!("Change {} computers", ids.len());
        let work = Work::UpdateClients { ids, change };
        self.bulk("client.update_many", title, work, items).await
    }

    /// Removes several clients, as a job; else as [`Operator::update_clients`].
    ///
    /// # Errors
    /// As [`Operator::update_clients`].
    pub async fn remove_clients(&self, clients: &[String], expected: usize) -> Result<JobView> {
        let found = async { self.all_of(clients, expected) };
        let to = computers(clients);
        let (ids, items) = self.attempt("client.remove_many", to, found).await?;
        let title = format!("Remove {} computers", ids.len());
        let work = Work::RemoveClients { ids };
        self.bulk("client.remove_many", title, work, items).await
    }

    #[expect(clippy::type_complexity, reason = "ids, and the same with names")]
    fn all_of(
        &self,
        clients: &[String],
        expected: usize,
    ) -> Result<(Vec<ClientId>, Vec<(String, String)>)> {
        if clients.is_empty() || clients.len() > MAX_ITEMS {
            let rule = format!("name 1 to {MAX_ITEMS} computers");
            return Err(Error::invalid(Area::Client, "ids", rule));
        }
        let mut found = Vec::new();
        for text in clients {
            let client = self.engine.clients().require(text)?;
            if !found.iter().any(|(id, _)| *id == client.id) {
                found.push((client.id, client.name.clone()));
            }
        }
        if found.len() != expected {
            return Err(Error::conflict(
                Area::Client,
                format!("these are {} computers, not {expected}", found.len()),
                "List them again; expected_count guards against changing more than you see.",
            ));
        }
        let items = found
            .iter()
            .map(|(id, name)| (id.to_string(), name.clone()));
        let items = items.collect();
        Ok((found.into_iter().map(|(id, _)| id).collect(), items))
    }

    async fn bulk(
        &self,
        action: &'static str,
        title: String,
        work: Work,
        items: Vec<(String, String)>,
    ) -> Result<JobView> {
        let names: Vec<&str> = items.iter().map(|(_, name)| name.as_str()).collect();
        let mut change = Change::act(action, "client", items.len(), &title);
        change.target.id = None;
        change.after = Some(serde_json::json!({ "computers": names }));
        let new = NewJob {
            work,
            title,
            unit: JobUnit::Items,
            total: Some(items.len() as u64),
            items,
            change,
        };
        self.start(new).await
    }

    /// Begins the import of an image, as a job that the caller drives.
    ///
    /// # Errors
    /// As [`crate::Images`] says: a bad or taken name, a length that no disk has; too many jobs.
    pub async fn begin_import(&self, new: NewImport) -> Result<Import> {
        let to = target("image", &new.name);
        let begin = Import::begin(&self.engine, &self.by, new);
        self.attempt("image.import", to, begin).await
    }

    /// Removes an image and its file.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::PreconditionFailed`], [`Error::Conflict`] while it is used.
    pub async fn remove_image(&self, image: &str, if_match: Option<u64>) -> Result<()> {
        let remove = async {
            let id = self.engine.images().require(image)?.id;
            self.engine.images().remove(&self.by, id, if_match).await
        };
        self.attempt("image.remove", target("image", image), remove)
            .await
    }

    /// Reads an image's file again and compares it with what was imported, as a job.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn verify_image(&self, image: &str) -> Result<JobView> {
        let found = async { self.engine.images().require(image) };
        let to = target("image", image);
        let image = self.attempt("image.verify", to, found).await?;
        let new = NewJob {
            work: Work::VerifyImage { image: image.id },
            title: format!("Check the image {}", image.name),
            unit: JobUnit::Bytes,
            total: Some(image.size_bytes),
            items: Vec::new(),
            change: Change::act("image.verify", "image", image.id, &image.name),
        };
        self.start(new).await
    }

    /// Asks a job to stop.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] when it is over already.
    pub async fn cancel_job(&self, job: &str) -> Result<JobView> {
        let id: Option<JobId> = job.parse().ok();
        let cancel = async {
            let id = id.ok_or_else(|| Error::not_found(Area::Job, job))?;
            // One that the caller may not see is not there for them.
            self.job(job)?;
            if self.by.role < Some(self.engine.jobs().role(id)?) {
                return Err(Error::Forbidden("your role does not allow this"));
            }
            self.engine.jobs().cancel(&self.by, id).await
        };
        self.attempt("job.cancel", target("job", job), cancel).await
    }

    /// Makes a reservation.
    ///
    /// # Errors
    /// As [`crate::Leases`] says: an address that can't be, or is another's; an unknown scope.
    pub async fn create_reservation(
        &self,
        params: CreateReservationParams,
    ) -> Result<ReservationView> {
        let to = target("reservation", &params.address.to_string());
        let leases = self.engine.leases();
        let create = leases.create_reservation(&self.by, params);
        self.attempt("reservation.create", to, create).await
    }

    /// Changes a reservation, by id, Ethernet address or address. `if_match` is the revision that was
    /// read.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::PreconditionFailed`], [`Error::Invalid`], [`Error::Conflict`].
    pub async fn update_reservation(
        &self,
        reservation: &str,
        if_match: Option<u64>,
        params: UpdateReservationParams,
    ) -> Result<ReservationView> {
        let leases = self.engine.leases();
        let update = leases.update_reservation(&self.by, reservation, if_match, params);
        let to = target("reservation", reservation);
        self.attempt("reservation.update", to, update).await
    }

    /// Removes a reservation.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::PreconditionFailed`].
    pub async fn remove_reservation(&self, reservation: &str, if_match: Option<u64>) -> Result<()> {
        let leases = self.engine.leases();
        let remove = leases.remove_reservation(&self.by, reservation, if_match);
        let to = target("reservation", reservation);
        self.attempt("reservation.remove", to, remove).await
    }

    /// The computer that has this lease keeps the address for good. The scope matters only where
    /// several have that address.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Conflict`].
    pub async fn keep_lease(
        &self,
        address: &str,
        scope: Option<&str>,
    ) -> Result<(ReservationView, bool)> {
        let keep = self.engine.leases().keep_lease(&self.by, address, scope);
        self.attempt("lease.keep", target("lease", address), keep)
            .await
    }

    /// Forgets a lease that has ended, or one whose address rests.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] while it lives.
    pub async fn forget_lease(&self, address: &str, scope: Option<&str>) -> Result<()> {
        let forget = self.engine.leases().forget_lease(&self.by, address, scope);
        self.attempt("lease.forget", target("lease", address), forget)
            .await
    }

    /// Whether a virtual computer can be called so, before the lab is made for it.
    ///
    /// # Errors
    /// [`Error::Invalid`], or [`Error::Conflict`] when it is a real one's.
    pub async fn lab_takes_name(&self, name: Option<&str>) -> Result<()> {
        let Some(name) = name else { return Ok(()) };
        let check = async { self.engine.lab().takes_name(name) };
        self.attempt("lab.boot", target("lab", name), check).await
    }

    /// Makes the lab's network when it is not there; the caller serves it.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when there can be no lab here.
    pub async fn lab_up(&self) -> Result<BootNetworkConfig> {
        let up = self.engine.lab().up();
        let network = self.attempt("lab.up", target("lab", "lab"), up).await?;
        self.acted(Change::act("lab.up", "lab", "lab", &network.scope()))
            .await?;
        Ok(network)
    }

    /// Powers a virtual computer on; the lab is up and served.
    ///
    /// # Errors
    /// [`Error::Conflict`] when it runs already; [`Error::Unavailable`].
    pub async fn lab_boot(&self, name: Option<&str>, firmware: LabFirmware) -> Result<ClientView> {
        let boot = self.engine.lab().boot(&self.by, name, firmware);
        let to = target("lab", name.unwrap_or(""));
        let client = self.attempt("lab.boot", to, boot).await?;
        let change = Change::act("lab.boot", "client", client.id, &client.name);
        let with = serde_json::json!({"firmware": firmware});
        self.acted(change.facts(None, Some(with))).await?;
        Ok(client)
    }

    /// Powers one virtual computer off.
    ///
    /// # Errors
    /// [`Error::NotFound`] when none of that name runs.
    pub async fn lab_power_off(&self, name: &str) -> Result<()> {
        let off = self.engine.lab().power_off(name);
        self.attempt("lab.power_off", target("lab", name), off)
            .await?;
        self.acted(Change::act("lab.power_off", "lab", name, name))
            .await
    }

    /// Powers all virtual computers off and takes the lab's network away; nobody serves it any more.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the network can't be taken away.
    pub async fn lab_down(&self) -> Result<()> {
        let down = self.engine.lab().down();
        match self.attempt("lab.down", target("lab", "lab"), down).await? {
            true => {
                self.acted(Change::act("lab.down", "lab", "lab", "lab"))
                    .await
            }
            false => Ok(()),
        }
    }

    pub(super) async fn start(&self, new: NewJob) -> Result<JobView> {
        let (action, target) = (new.change.action, new.change.target.clone());
        let start = jobs::start(&self.engine, &self.by, new);
        let id = self.attempt(action, target, start).await?;
        self.engine.jobs().get(id)
    }
}

/// Several computers, as a target.
fn computers(clients: &[String]) -> TargetView {
    target("client", &format!("{} computers", clients.len()))
}
