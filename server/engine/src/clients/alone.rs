//! Clients without the rest of the engine, for tests.

use super::{Clients, Needs};
use crate::{
    Audit, BootEntries, EventBus, Groups, Result, Settings, images::Images, secrets::Secrets,
};
use std::sync::Arc;
use store::Store;

impl Clients {
    /// As [`Clients::open`], with boot entries and groups of its own.
    pub(crate) fn open_alone(
        store: Arc<Store>,
        events: EventBus,
        audit: Audit,
        images: Images,
        settings: Settings,
        secrets: Secrets,
    ) -> Result<Self> {
        let (s, e, a) = (store.clone(), events.clone(), audit.clone());
        let entries = BootEntries::open(s, e, a, settings.clone())?;
        let (s, e, a) = (store.clone(), events.clone(), audit.clone());
        let groups = Groups::open(s, e, a, entries.clone())?;
        Clients::open(Needs {
            store,
            events,
            audit,
            images,
            entries,
            groups,
            settings,
            secrets,
        })
    }
}
