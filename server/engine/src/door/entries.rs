//! Boot entries and groups: who may look at them and change them.

use super::{Operator, Viewer, target};
use crate::{Area, Result};
use types::{
    BootChoiceView, BootEntryView, CreateBootEntryParams, CreateGroupParams, GroupView,
    UpdateBootEntryParams, UpdateGroupParams,
};

impl Viewer {
    /// Every boot entry: the built-in ones, then in the order of creation.
    pub fn boot_entries(&self) -> Vec<BootEntryView> {
        self.engine.entries().list()
    }

    /// A boot entry by name or id.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`].
    pub fn boot_entry(&self, text: &str) -> Result<BootEntryView> {
        let entries = self.engine.entries();
        Ok(entries.view(&*entries.require(text)?))
    }

    /// Every group, in the order of creation.
    pub fn groups(&self) -> Vec<GroupView> {
        self.engine.groups().list()
    }

    /// A group by name or id.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`].
    pub fn group(&self, text: &str) -> Result<GroupView> {
        let groups = self.engine.groups();
        Ok(groups.view(&*groups.require(text)?))
    }

    /// What a client boots next, and by which rule.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`].
    pub async fn boot_choice(&self, client: &str) -> Result<BootChoiceView> {
        // Which sets there are is part of the answer, and a folder comes and goes by hand, too.
        self.engine.loaders().look().await?;
        let client = self.engine.clients().require(client)?;
        self.engine.boots().explain(&client).await
    }
}

impl Operator {
    /// Makes a boot entry.
    ///
    /// # Errors
    /// As [`crate::BootEntries`] says: what breaks a rule, a taken name.
    pub async fn create_boot_entry(&self, params: CreateBootEntryParams) -> Result<BootEntryView> {
        let to = target("boot_entry", &params.name);
        let create = self.engine.entries().create(&self.by, params);
        let made = self.attempt("boot_entry.create", to, create).await?;
        self.with_files(made).await
    }

    /// Changes a boot entry, by name or id. `if_match` is the revision that was read.
    ///
    /// # Errors
    /// As [`crate::BootEntries`] says; a built-in one can't be changed.
    pub async fn update_boot_entry(
        &self,
        entry: &str,
        if_match: Option<u64>,
        params: UpdateBootEntryParams,
    ) -> Result<BootEntryView> {
        let update = async {
            let id = self.engine.entries().require(entry)?.id;
            let entries = self.engine.entries();
            entries.update(&self.by, id, if_match, params).await
        };
        let to = target("boot_entry", entry);
        let changed = self.attempt("boot_entry.update", to, update).await?;
        let id = Some(changed.id);
        let names = |c: &store::ClientRecord| c.boot_entry_id == id || c.one_shot_id == id;
        self.engine.clients().touch_users(names);
        self.with_files(changed).await
    }

    /// An entry that was just made or changed, with which of its files are missing.
    async fn with_files(&self, entry: BootEntryView) -> Result<BootEntryView> {
        let entries = self.engine.entries();
        entries.look_for_files(self.engine.loaders()).await?;
        // Removed by somebody else meanwhile: as it was made.
        Ok(entries
            .get(entry.id)
            .map_or(entry, |record| entries.view(&record)))
    }

    /// Removes a boot entry that nothing names.
    ///
    /// # Errors
    /// As [`crate::BootEntries`] says; a built-in one can't be removed.
    pub async fn remove_boot_entry(&self, entry: &str, if_match: Option<u64>) -> Result<()> {
        let remove = async {
            let id = self.engine.entries().require(entry)?.id;
            self.engine.entries().remove(&self.by, id, if_match).await
        };
        let to = target("boot_entry", entry);
        self.attempt("boot_entry.remove", to, remove).await
    }

    /// Makes a group.
    ///
    /// # Errors
    /// As [`crate::Groups`] says: what breaks a rule, a taken name, an unknown boot entry.
    pub async fn create_group(&self, params: CreateGroupParams) -> Result<GroupView> {
        let to = target("group", &params.name);
        let create = async {
            let set = params.loader_set.as_deref();
            let _there = self.hold_set(Area::Group, None, set).await?;
            self.engine.groups().create(&self.by, params).await
        };
        self.attempt("group.create", to, create).await
    }

    /// Changes a group, by name or id. `if_match` is the revision that was read.
    ///
    /// # Errors
    /// As [`crate::Groups`] says.
    pub async fn update_group(
        &self,
        group: &str,
        if_match: Option<u64>,
        params: UpdateGroupParams,
    ) -> Result<GroupView> {
        let update = async {
            let groups = self.engine.groups();
            let known = groups.require(group)?;
            let (old, new) = (known.loader_set.as_deref(), params.loader_set.as_deref());
            let _there = self.hold_set(Area::Group, old, new).await?;
            groups.update(&self.by, known.id, if_match, params).await
        };
        let to = target("group", group);
        let changed = self.attempt("group.update", to, update).await?;
        let id = Some(changed.id);
        self.engine.clients().touch_users(|c| c.group_id == id);
        Ok(changed)
    }

    /// Removes a group that nobody is in.
    ///
    /// # Errors
    /// As [`crate::Groups`] says.
    pub async fn remove_group(&self, group: &str, if_match: Option<u64>) -> Result<()> {
        let remove = async {
            let id = self.engine.groups().require(group)?.id;
            self.engine.groups().remove(&self.by, id, if_match).await
        };
        self.attempt("group.remove", target("group", group), remove)
            .await
    }
}
