//! Kinds of firmware: who may look at them and pin how they boot.

use super::{Operator, Viewer, target};
use crate::Result;
use types::{CreateFirmwareParams, FirmwareView, PinParams};

impl Viewer {
    /// Every kind of firmware that booted here or was pinned: single computers first.
    pub fn firmware(&self) -> Vec<FirmwareView> {
        self.engine.firmware().list()
    }

    /// One, by its id, or by the computer that it holds for.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`].
    pub fn firmware_of(&self, text: &str) -> Result<FirmwareView> {
        let firmware = self.engine.firmware();
        Ok(firmware.view(&*firmware.require(text)?))
    }
}

impl Operator {
    /// Pins how one computer boots.
    ///
    /// # Errors
    /// As [`crate::Firmwares`] says: what breaks a rule, an unknown computer, one that has a row already.
    pub async fn create_firmware(&self, params: CreateFirmwareParams) -> Result<FirmwareView> {
        let to = target("firmware", &params.client);
        let create = self.engine.firmware().create(&self.by, params);
        self.attempt("firmware.create", to, create).await
    }

    /// Pins how a kind of firmware boots, or lets other ways be tried again. `if_match` is the revision
    /// that was read.
    ///
    /// # Errors
    /// As [`crate::Firmwares`] says.
    pub async fn update_firmware(
        &self,
        which: &str,
        if_match: Option<u64>,
        params: PinParams,
    ) -> Result<FirmwareView> {
        let update = async {
            let firmware = self.engine.firmware();
            let id = firmware.require(which)?.id;
            firmware.update(&self.by, id, if_match, params).await
        };
        self.attempt("firmware.update", target("firmware", which), update)
            .await
    }

    /// Forgets one: its computers boot the usual way again.
    ///
    /// # Errors
    /// As [`crate::Firmwares`] says.
    pub async fn remove_firmware(&self, which: &str, if_match: Option<u64>) -> Result<()> {
        let remove = async {
            let firmware = self.engine.firmware();
            let id = firmware.require(which)?.id;
            firmware.remove(&self.by, id, if_match).await
        };
        self.attempt("firmware.remove", target("firmware", which), remove)
            .await
    }
}
