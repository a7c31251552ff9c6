//! Where disks are kept and offered: what everybody may see of it, and what operators may change.

use super::{Operator, Viewer, target};
use crate::Result;
use types::{ExportView, OverlayView, StorageView};

impl Viewer {
    /// How full the file system of the data folder is, as of a few seconds ago.
    pub fn storage(&self) -> StorageView {
        self.engine.capacity().view()
    }

    /// Every disk that is offered.
    ///
    /// # Errors
    /// When the work broke off.
    pub async fn exports(&self) -> Result<Vec<ExportView>> {
        self.engine.boots().exports().await
    }

    /// The disk of a computer, by its name, id or Ethernet address.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`] when none is offered.
    pub async fn export(&self, client: &str) -> Result<ExportView> {
        self.engine.boots().export(client).await
    }

    /// Every overlay, orphans too.
    ///
    /// # Errors
    /// When the file system refuses.
    pub async fn overlays(&self) -> Result<Vec<OverlayView>> {
        self.engine.boots().overlays().await
    }
}

impl Operator {
    /// Cuts one session on a disk off; its initiator may come back at once.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`].
    pub async fn drop_session(&self, client: &str, session: u64) -> Result<()> {
        let boots = self.engine.boots();
        let drop = boots.drop_session(&self.by, client, session);
        self.attempt("export.drop", target("client", client), drop)
            .await
    }

    /// Removes the overlay of a computer that is off, or an orphan.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`], [`crate::Error::Conflict`] while the computer runs.
    pub async fn remove_overlay(&self, client: &str) -> Result<()> {
        let boots = self.engine.boots();
        let remove = boots.remove_overlay(&self.by, client);
        self.attempt("overlay.remove", target("client", client), remove)
            .await
    }
}
