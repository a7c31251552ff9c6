//! What the storage page reads and does. Each is a public endpoint: the first line checks the session.

use crate::Fault;
use leptos::prelude::*;
use serde::{Deserialize, Serialize};
use types::{ClientId, DiskId, ExportView, OverlayView, StorageView};

/// All that the page shows beside the images.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Whole {
    pub storage: StorageView,
    pub exports: Vec<ExportView>,
    pub overlays: Vec<OverlayView>,
}

/// Space, what is offered, and what computers wrote.
#[server(prefix = "/fn", endpoint = "storage/list")]
pub async fn read_storage() -> Result<Whole, Fault> {
    let viewer = crate::ssr::viewer()?;
    Ok(Whole {
        storage: viewer.storage(),
        exports: viewer.exports().await?,
        overlays: viewer.overlays().await?,
    })
}

/// Cuts a session on a disk off.
#[server(prefix = "/fn", endpoint = "exports/drop")]
pub async fn drop_session(client: ClientId, session: u64) -> Result<(), Fault> {
    let operator = crate::ssr::operator()?;
    operator.drop_session(&client.to_string(), session).await?;
    Ok(())
}

/// Removes what a computer that is off wrote, or an orphan.
#[server(prefix = "/fn", endpoint = "overlays/remove")]
pub async fn remove_overlay(disk: DiskId) -> Result<(), Fault> {
    let operator = crate::ssr::operator()?;
    operator.remove_overlay(&disk.to_string()).await?;
    Ok(())
}
