//! What a machine boots next: the entry that the rules choose, made ready and written down for the
//! loader that asks.

use super::{
    Boots, Signal, Who, causes, grub,
    rules::{self, Choice, Global},
    script::{self, Plane, is_by_nbd},
};
use crate::{BootEntries, Error, Loaders, Result, blocking::blocking, entries, export::Export};
use std::{
    collections::HashMap,
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError},
};
use store::{BootEntryRecord, ClientRecord};
use types::{
    BootChoiceView, BootEntryId, BootId, Cause, ClientState, EntryKind, Hop, LoaderKind, MacAddr,
    RuleLevel, Timestamp,
};

/// Seconds within which a machine that asks again, in the same boot, gets its one-shot again: an answer
/// may be lost. Shorter than any installation, so that none begins twice.
const ASKS_AGAIN_SECONDS: f64 = 60.0;

/// What is to be booted.
pub(super) struct Next {
    /// The client's name.
    pub client: String,
    pub entry: Arc<BootEntryRecord>,
    /// Its network disk, when the entry uses it.
    pub disk: Option<Export>,
}

/// The loader that asks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Loader {
    Ipxe,
    Grub,
}

/// The one-shots that were used up since the start of the server, the last of each machine.
pub(super) type UsedOneShots = Mutex<HashMap<MacAddr, UsedOneShot>>;

pub(super) struct UsedOneShot {
    boot: Option<BootId>,
    entry: BootEntryId,
    at: Timestamp,
}

/// What there is to choose from.
struct Known<'a>(&'a BootEntries, &'a Loaders);

impl rules::Known for Known<'_> {
    fn get(&self, id: BootEntryId) -> Option<Arc<BootEntryRecord>> {
        self.0.get(id)
    }
    fn find(&self, name: &str) -> Option<Arc<BootEntryRecord>> {
        self.0.find(name)
    }
    fn has_set(&self, name: &str) -> bool {
        self.1.has_set(name)
    }
}

impl Boots {
    /// The boot script of this machine. In mode `reset` its overlay is new from here on: this, not
    /// a login, is where a boot begins for the disk. A one-shot is used up.
    ///
    /// # Errors
    /// [`Error::Forbidden`] when `peer`, who asks, is not that machine; when an unknown computer
    /// can't be kept as discovered.
    pub async fn script(
        &self,
        mac: MacAddr,
        peer: Ipv4Addr,
        plane: &Plane,
        at: Timestamp,
    ) -> Result<String> {
        self.inner.recognise(mac, peer, plane)?;
        self.inner.is_at(mac, peer, plane);
        Ok(match self.next(mac, at, Loader::Ipxe).await? {
            Ok(next) => script::of(plane, mac, &next),
            Err(cause) => script::explain(plane, mac, &[cause.title, cause.hint]),
        })
    }

    /// What GRUB is to do on the machine at this address, when `file` is the name of its configuration;
    /// else as [`Boots::script`]. None when it is another file, or nobody knows whose address it is.
    ///
    /// A request over UDP may come from anybody who writes that address on it. So the first answer only
    /// names a second file, which nobody else can guess; what that one says begins the boot.
    ///
    /// # Errors
    /// As [`Boots::script`].
    pub async fn grub_config(
        &self,
        file: &[u8],
        peer: Ipv4Addr,
        plane: &Plane,
        at: Timestamp,
    ) -> Result<Option<String>> {
        let mac = match grub::asked(file) {
            None => return Ok(None),
            Some(grub::Asked::Own) => {
                let leases = &self.inner.needs.leases;
                let known = match plane.assigns_addresses {
                    true => leases.last_holder(peer),
                    false => leases.elsewhere(plane.server, peer),
                };
                match known {
                    Some(mac) => mac,
                    None if plane.assigns_addresses => return Ok(None),
                    // Another server's address, and never heard of: it names itself in a second question.
                    None => return Ok(Some(grub::ask_by_mac(plane))),
                }
            }
            Some(grub::Asked::Of(mac)) => {
                self.inner.recognise(mac, peer, plane)?;
                mac
            }
            Some(grub::Asked::Ticket(ticket)) => {
                match self.inner.tickets.whose(&ticket, peer, at) {
                    Some(mac) => {
                        self.inner.is_at(mac, peer, plane);
                        return self.grub_boot(mac, plane, at).await.map(Some);
                    }
                    None => return Ok(None),
                }
            }
        };
        let ticket = self.inner.tickets.issue(mac, peer, at)?;
        Ok(Some(grub::ask_with(plane, &ticket)))
    }

    /// What GRUB is to do on that machine, made ready.
    async fn grub_boot(&self, mac: MacAddr, plane: &Plane, at: Timestamp) -> Result<String> {
        Ok(match self.next(mac, at, Loader::Grub).await? {
            Ok(next) => grub::of(plane, mac, &next),
            Err(cause) => grub::explain(plane, mac, &[cause.title, cause.hint]),
        })
    }

    /// Chooses, makes ready, and writes down that a one-shot is used up. The cause when nothing is to
    /// be booted; then a one-shot stays.
    async fn next(
        &self,
        mac: MacAddr,
        at: Timestamp,
        loader: Loader,
    ) -> Result<Result<Next, Cause>> {
        let refuse = |hop, cause: Cause| {
            let told = cause.clone();
            self.signal(Who::Mac(mac), at, Signal::Refused { hop, cause: told });
            Ok(Err(cause))
        };
        let client = self.inner.needs.clients.discovered(mac).await?;
        match client.state {
            ClientState::Discovered => return refuse(Hop::Ipxe, causes::not_adopted(mac)),
            ClientState::Retired => return refuse(Hop::Ipxe, causes::retired(&client.name)),
            ClientState::Adopted => {}
        }
        let choice = self.choose(&client, self.one_shot(&client, at))?;
        let entry = choice.entry;
        if loader == Loader::Grub && !grub::can_start(&entry) {
            return refuse(Hop::Ipxe, causes::needs_ipxe(&entry.name));
        }
        if let Some(file) = self.missing_files(&entry).await?.first() {
            return refuse(Hop::Ipxe, causes::file_missing(&entry.name, file));
        }
        let uses_disk = entry.kind == EntryKind::Image || entry.attach_disk || is_by_nbd(&entry);
        if uses_disk && is_by_nbd(&entry) && !self.inner.needs.settings.with(|v| v.nbd) {
            return refuse(Hop::Disk, causes::nbd_is_off(&entry.name));
        }
        let disk = match uses_disk {
            false => None,
            true => match self.inner.disks.prepare(&client).await {
                Ok(Some(disk)) => Some(disk),
                Ok(None) => return refuse(Hop::Disk, causes::no_image(&client.name)),
                Err(error) => {
                    tracing::error!(client = %client.name, %error, "its disk could not be prepared");
                    return refuse(Hop::Disk, causes::disk_unavailable(&error.to_string()));
                }
            },
        };
        // Durable before the script leaves: else an installer would come again after a power cut.
        if choice.entry_why.from == RuleLevel::OneShot
            && let Err(error) = self.use_up(&client, entry.id, at).await
        {
            tracing::error!(client = %client.name, %error, "its one-shot could not be taken away");
            return refuse(Hop::Ipxe, causes::not_written(&error.to_string()));
        }
        let signal = match disk {
            Some(_) => Signal::Script,
            None => Signal::HandedOver {
                to: goes_on(&entry),
            },
        };
        self.signal(Who::Mac(mac), at, signal);
        Ok(Ok(Next {
            client: client.name.clone(),
            entry,
            disk,
        }))
    }

    /// The files of an entry that are not in the folder `loaders`.
    async fn missing_files(&self, entry: &Arc<BootEntryRecord>) -> Result<Vec<String>> {
        if entry.kind != EntryKind::Kernel {
            return Ok(Vec::new());
        }
        let (entry, loaders) = (entry.clone(), self.inner.needs.loaders.clone());
        blocking(move || Ok(entries::missing(&entry, &loaders))).await
    }

    /// What a client boots next, and why.
    ///
    /// # Errors
    /// [`Error::Internal`] only.
    pub fn choice(&self, client: &ClientRecord) -> Result<Choice> {
        self.choose(client, client.one_shot_id)
    }

    /// The same as shown.
    ///
    /// # Errors
    /// [`Error::Internal`] only.
    pub async fn explain(&self, client: &Arc<ClientRecord>) -> Result<BootChoiceView> {
        let choice = self.choice(client)?;
        let image_name = self.inner.needs.clients.view(client).image_name;
        let (disks, of) = (self.inner.disks.clone(), client.clone());
        let disk = blocking(move || Ok(disks.next_disk(&of))).await?;
        let words = disk.as_ref().map(|disk| disk.sentence.as_str());
        let missing = self.missing_files(&choice.entry).await?;
        let usual = outcome(client, &choice.entry, (words, &missing));
        let kind = choice.loader.unwrap_or(LoaderKind::Snponly);
        let loaders = &self.inner.needs.loaders;
        let grub = loaders.grub_of(choice.loader_set.as_deref(), kind);
        let in_vain = client.state == ClientState::Adopted && !grub::can_start(&choice.entry);
        let outcome = match grub.filter(|_| in_vain) {
            Some(set) => by_grub(&set, &choice.entry.name, &usual),
            None => usual,
        };
        Ok(BootChoiceView {
            client_id: client.id,
            client_name: client.name.clone(),
            state: client.state,
            outcome,
            kind: choice.entry.kind,
            entry: choice.entry_why,
            image_name,
            channel: disk.as_ref().map(|disk| disk.channel),
            version: disk.and_then(|disk| disk.version),
            loader_set: choice.loader_set_why,
            loader: choice.loader_why,
        })
    }

    fn choose(&self, client: &ClientRecord, one_shot: Option<BootEntryId>) -> Result<Choice> {
        let needs = &self.inner.needs;
        let group = client.group_id.and_then(|id| needs.groups.get(id));
        let global = needs.settings.with(|v| Global {
            boot_entry: v.boot_entry.clone(),
            loader_set: v.loader_set.clone(),
            loader: v.loader,
        });
        let known = Known(&needs.entries, &needs.loaders);
        let (group, firmware) = (group.as_deref(), needs.firmware.loader(client.mac));
        rules::choose(client, group, &global, one_shot, firmware, &known)
            .ok_or_else(|| Error::Internal("the built-in boot entry is gone".into()))
    }

    /// The loader that an administrator chose for this machine, at whatever place.
    pub(super) fn chosen_loader(&self, mac: MacAddr) -> Option<LoaderKind> {
        let needs = &self.inner.needs;
        let client = needs.clients.find_mac(mac);
        let group = client.as_ref().and_then(|c| needs.groups.get(c.group_id?));
        client
            .and_then(|c| c.loader)
            .or_else(|| group?.loader)
            .or_else(|| needs.settings.with(|v| v.loader))
    }

    /// The one-shot that holds for this boot: one that waits, or the one that it was just given.
    fn one_shot(&self, client: &ClientRecord, at: Timestamp) -> Option<BootEntryId> {
        let boot = self.id_of(Who::Mac(client.mac));
        let again = |used: &&UsedOneShot| {
            used.boot.is_some() && used.boot == boot && used.at.seconds_to(at) <= ASKS_AGAIN_SECONDS
        };
        client.one_shot_id.or_else(|| {
            let used = &self.inner.used_one_shots;
            let used = used.lock().unwrap_or_else(PoisonError::into_inner);
            used.get(&client.mac).filter(again).map(|used| used.entry)
        })
    }

    async fn use_up(&self, client: &ClientRecord, entry: BootEntryId, at: Timestamp) -> Result<()> {
        if client.one_shot_id != Some(entry) {
            return Ok(()); // it was, in this boot
        }
        let used = || {
            let used = &self.inner.used_one_shots;
            used.lock().unwrap_or_else(PoisonError::into_inner)
        };
        let boot = self.id_of(Who::Mac(client.mac));
        // First: who hangs up while it is written down asks again, and it is taken away all the same.
        used().insert(client.mac, UsedOneShot { boot, entry, at });
        let clients = &self.inner.needs.clients;
        let written = clients.use_up_one_shot(client.id, entry).await;
        if written.is_err() {
            used().remove(&client.mac);
        }
        written
    }
}

/// What a machine goes on with that uses no disk of ours, in words.
fn goes_on(entry: &BootEntryRecord) -> String {
    match entry.kind {
        EntryKind::Local | EntryKind::Image => "the disk in the computer".into(),
        EntryKind::Kernel => format!("the kernel of {}", entry.name),
        EntryKind::Script => format!("the script of {}", entry.name),
    }
}

/// What comes of an entry; `disk` says what the computer's network disk is, None when it has no image, and
/// `missing` which files of the entry are not there.
fn outcome(
    client: &ClientRecord,
    entry: &BootEntryRecord,
    (disk, missing): (Option<&str>, &[String]),
) -> String {
    match (client.state, entry.kind, disk) {
        (ClientState::Discovered, ..) => "Nothing: it is not adopted yet.".into(),
        (ClientState::Retired, ..) => "Nothing: it is retired.".into(),
        (_, EntryKind::Image, None) => "Nothing: it has no image.".into(),
        (_, EntryKind::Image, Some(disk)) => {
            format!("It starts from its network disk: {disk}.")
        }
        (_, EntryKind::Local, _) => "It starts from the disk in the computer.".into(),
        (_, EntryKind::Kernel, _) if !missing.is_empty() => format!(
            "Nothing: {} needs files that are not in the folder loaders: {}.",
            entry.name,
            missing.join(", ")
        ),
        (_, EntryKind::Kernel, None) if entry.attach_disk => {
            format!(
                "Nothing: {} attaches its network disk, and it has no image.",
                entry.name
            )
        }
        (_, EntryKind::Kernel, Some(disk)) if entry.attach_disk => format!(
            "It starts the kernel {} with its network disk attached: {disk}.",
            entry.kernel
        ),
        (_, EntryKind::Kernel, _) => format!("It starts the kernel {}.", entry.kernel),
        (_, EntryKind::Script, _) => format!("It runs the script of {}.", entry.name),
    }
}

/// What happens when UEFI gets a GRUB that can't start the entry: a BIOS and HTTP Boot get iPXE all the same.
fn by_grub(set: &str, entry: &str, usual: &str) -> String {
    format!(
        "By UEFI PXE nothing: the loader set {set} gives it GRUB, and the boot entry {entry} needs iPXE. By BIOS or \
         UEFI HTTP Boot, without Secure Boot: {usual}"
    )
}

#[cfg(test)]
#[path = "next_tests.rs"]
mod tests;
