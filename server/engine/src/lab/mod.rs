//! The virtual lab: a network namespace with a bridge, and QEMU machines on it that boot from us.
//! Nothing in it can reach the host's own network.

mod machine;
mod stage;

use crate::{
    Area, BootNetworkConfig, By, Clients, Error, Images, Result,
    os::{Child, OsError},
};
use machine::Machine;
use stage::Stage;
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};
use types::{ClientView, CreateClientParams, ImageState, LabFirmware, LabView};

/// The image that a new virtual computer gets, when it is there.
pub const SELF_TEST: &str = "self-test";

/// The virtual lab of this data folder. Cheap to clone.
#[derive(Clone)]
pub struct Lab {
    inner: Arc<Inner>,
}

struct Inner {
    wanted: bool,
    dir: PathBuf,
    stage: Stage,
    clients: Clients,
    images: Images,
    /// Held while the network is made or taken away, and while a machine is started.
    changing: tokio::sync::Mutex<bool>,
    /// The machines by their client's name.
    running: Mutex<HashMap<String, Child>>,
}

impl Lab {
    /// Nothing is made or started yet.
    pub(crate) fn new(data_dir: &Path, wanted: bool, clients: Clients, images: Images) -> Lab {
        // The names hang on the folder's real path, however it was written.
        let real = data_dir.canonicalize().unwrap_or(data_dir.to_owned());
        let inner = Inner {
            wanted,
            dir: real.join("lab"),
            stage: Stage::of(&real),
            clients,
            images,
            changing: tokio::sync::Mutex::new(false),
            running: Mutex::default(),
        };
        Lab {
            inner: Arc::new(inner),
        }
    }

    /// Whether it was asked for at the start (`serve --lab`).
    pub fn is_wanted(&self) -> bool {
        self.inner.wanted
    }

    /// Whether virtual computers can be booted on this machine.
    ///
    /// # Errors
    /// The reason in plain words, with what to do.
    pub fn available(&self) -> std::result::Result<(), String> {
        if !nix::unistd::geteuid().is_root() {
            return Err(
                "the virtual lab makes a network of its own, which needs root; \
                        run NSBoot as root to use it"
                    .into(),
            );
        }
        Stage::programs().map_err(|e| e.to_string())?;
        machine::programs().map_err(|e| e.to_string())
    }

    /// What page and REST show.
    pub fn view(&self) -> LabView {
        let reason = self.available().err();
        LabView {
            available: reason.is_none(),
            reason,
            running: self.running(),
        }
    }

    /// Makes the lab's network, after sweeping what an earlier run left, and returns the boot
    /// network to serve. When it is up already, nothing changes.
    ///
    /// # Errors
    /// [`Error::Unavailable`] with the reason.
    pub(crate) async fn up(&self) -> Result<BootNetworkConfig> {
        self.available().map_err(not_available)?;
        let mut up = self.inner.changing.lock().await;
        if !*up {
            crate::make_private_dir(&self.inner.dir)?;
            self.inner.stage.sweep().await.map_err(failed)?;
            self.inner.stage.build().await.map_err(failed)?;
            *up = true;
        }
        Ok(self.inner.stage.boot_network())
    }

    /// Powers all machines off and takes the network away; whether there was one.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the network can't be taken away.
    pub(crate) async fn down(&self) -> Result<bool> {
        let mut up = self.inner.changing.lock().await;
        let machines: Vec<Child> = self.table().drain().map(|(_, child)| child).collect();
        for machine in machines {
            machine.kill().await;
        }
        let was_up = std::mem::take(&mut *up);
        if was_up {
            self.inner.stage.sweep().await.map_err(failed)?;
        }
        Ok(was_up)
    }

    /// Whether a virtual computer can be called so: for those who make the network before they boot it.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the name is that of a real computer, [`Error::Invalid`] for what is none.
    pub(crate) fn takes_name(&self, name: &str) -> Result<()> {
        match self.inner.clients.find(name) {
            Some(known) if !known.is_virtual => Err(Error::conflict(
                Area::Lab,
                format!("{name} is a real computer"),
                "Choose another name for the virtual one.",
            )),
            Some(_) => Ok(()),
            None => crate::clients::check_name(name),
        }
    }

    /// Powers a virtual computer on: the known one of that name, else a new one.
    /// The lab's network is made when it is not there; its boot plane must be served.
    ///
    /// # Errors
    /// [`Error::Conflict`] when it runs, or the name is that of a real computer;
    /// [`Error::Unavailable`] when the lab can't be used here, or the firmware is not installed.
    pub(crate) async fn boot(
        &self,
        by: &By,
        name: Option<&str>,
        firmware: LabFirmware,
    ) -> Result<ClientView> {
        name.map_or(Ok(()), |name| self.takes_name(name))?;
        machine::has_firmware(firmware).map_err(failed)?;
        self.up().await?;
        let up = self.inner.changing.lock().await;
        let client = self.client(by, name).await?;
        if self.running().contains(&client.name) {
            return Err(Error::conflict(
                Area::Lab,
                format!("{} is running", client.name),
                "Power it off first.",
            ));
        }
        let machine = Machine {
            name: client.name.clone(),
            firmware,
            mac: client.mac,
            uuid: client.id.0,
            tap: stage::tap_name(client.mac),
        };
        self.inner
            .stage
            .add_tap(&machine.tap)
            .await
            .map_err(failed)?;
        let laid_out = machine.lay_out(&self.inner.dir).await;
        laid_out.map_err(Error::io(format!(
            "making the variables of {}",
            client.name
        )))?;
        let child = machine.start(&self.inner.stage, &self.inner.dir).await;
        self.table()
            .insert(client.name.clone(), child.map_err(failed)?);
        drop(up);
        Ok(client)
    }

    /// Cuts a virtual computer's power.
    ///
    /// # Errors
    /// [`Error::NotFound`] when none of that name runs.
    pub(crate) async fn power_off(&self, name: &str) -> Result<()> {
        let child = self.table().remove(name);
        let child = child.ok_or_else(|| Error::not_found(Area::Lab, name))?;
        child.kill().await;
        Ok(())
    }

    /// The names of the virtual computers that have power, in order.
    pub fn running(&self) -> Vec<String> {
        let mut table = self.table();
        table.retain(|_, child| child.is_running());
        let mut names: Vec<String> = table.keys().cloned().collect();
        names.sort();
        names
    }

    fn table(&self) -> std::sync::MutexGuard<'_, HashMap<String, Child>> {
        self.inner
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The client of that name, made when there is none.
    async fn client(&self, by: &By, name: Option<&str>) -> Result<ClientView> {
        let clients = &self.inner.clients;
        let name = match name {
            Some(name) => name.to_owned(),
            None => self.free_name(),
        };
        self.takes_name(&name)?;
        if let Some(known) = clients.find(&name) {
            return Ok(clients.view(&known));
        }
        let image = self.inner.images.find(SELF_TEST);
        let image = image.filter(|image| image.state == ImageState::Ready);
        let mac = machine::mac_of(&self.inner.stage.namespace, &name);
        let params = CreateClientParams {
            image: image.map(|image| image.name.clone()),
            ..CreateClientParams::new(name, mac)
        };
        clients.create_virtual(by, params).await
    }

    fn free_name(&self) -> String {
        let mut names = (1u32..).map(|n| format!("virtual-{n}"));
        let free = names.find(|name| self.inner.clients.find(name).is_none());
        free.unwrap_or_else(|| "virtual".into())
    }
}

fn not_available(reason: String) -> Error {
    Error::unavailable(
        Area::Lab,
        reason,
        "Everything else of NSBoot works without the lab.",
    )
}

fn failed(error: OsError) -> Error {
    let hint = "See the message; `make run` installs what the lab needs.";
    Error::unavailable(Area::Lab, error.to_string(), hint)
}
