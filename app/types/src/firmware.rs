//! Kinds of firmware, and how each wants to be spoken to.

use crate::{ClientId, FirmwareId, LoaderKind, Timestamp};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A form of the boot information in DHCP answers to a PXE ROM. `docs/boot.md` tells which heeds which.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum OfferForm {
    /// Server and file, nothing that speaks of PXE.
    Plain,
    /// With option 43: load the named file at once.
    LoadNow,
    /// With option 60 alone: ask on port 4011.
    AskBootServer,
}

impl OfferForm {
    /// Every one.
    pub const ALL: [OfferForm; 3] = [
        OfferForm::Plain,
        OfferForm::LoadNow,
        OfferForm::AskBootServer,
    ];

    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            OfferForm::Plain => "plain",
            OfferForm::LoadNow => "load_now",
            OfferForm::AskBootServer => "ask_boot_server",
        }
    }
}

impl fmt::Display for OfferForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The text names no form.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnknownForm;

impl fmt::Display for UnknownForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it is one of plain, load_now, ask_boot_server")
    }
}
impl std::error::Error for UnknownForm {}

impl FromStr for OfferForm {
    type Err = UnknownForm;
    fn from_str(s: &str) -> Result<Self, UnknownForm> {
        let all = OfferForm::ALL.into_iter();
        all.into_iter().find(|f| f.word() == s).ok_or(UnknownForm)
    }
}

/// What differs from the usual way to boot a computer; None is the usual.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Quirks {
    /// The form of DHCP answers. One that the mode or the firmware has no use for is passed over.
    pub form: Option<OfferForm>,
    /// Which iPXE build it gets where nothing else was chosen. A ROM that is iPXE itself goes through it.
    pub loader: Option<LoaderKind>,
    /// The largest block of a TFTP transfer, bytes.
    pub block_size: Option<u16>,
    /// How long an OFFER is held back, milliseconds.
    pub delay_ms: Option<u16>,
    /// How fast files may leave over HTTP, KiB/s; TFTP goes block by block then.
    pub pace: Option<u32>,
}

impl Quirks {
    /// Whether nothing differs.
    pub fn is_usual(&self) -> bool {
        *self == Quirks::default()
    }
}

/// In words, e.g. `form load_now, TFTP blocks of 1024 bytes`; `the usual way` when nothing differs.
impl fmt::Display for Quirks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = [
            self.form.map(|form| format!("form {form}")),
            self.loader.map(|loader| format!("loader {loader}")),
            self.block_size
                .map(|bytes| format!("TFTP blocks of {bytes} bytes")),
            self.delay_ms
                .map(|ms| format!("OFFER held back for {ms} ms")),
            self.pace.map(|kib| format!("files at {kib} KiB/s")),
        ];
        let said: Vec<String> = said.into_iter().flatten().collect();
        match said.is_empty() {
            true => f.write_str("the usual way"),
            false => f.write_str(&said.join(", ")),
        }
    }
}

/// A kind of firmware as shown: which it is, how it boots, how that went.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct FirmwareView {
    pub id: FirmwareId,
    /// The first three bytes of its Ethernet addresses, e.g. `52:54:00`. Empty for one computer's.
    pub oui: String,
    /// Option 60 of its DHCP packets. Empty for one computer's.
    pub vendor_class: String,
    /// Set when it holds for this one computer, before what holds for its firmware.
    pub client_id: Option<ClientId>,
    /// The name of that computer.
    pub client_name: Option<String>,
    pub quirks: Quirks,
    /// An administrator said so: nothing else is tried.
    pub pinned: bool,
    /// Boots that came to their script this way.
    pub worked: u32,
    /// Boots that stopped before it, this way.
    pub failed: u32,
    pub last_worked_at: Option<Timestamp>,
    pub last_failed_at: Option<Timestamp>,
    /// Raised by one with each change by an administrator; the ETag of REST.
    pub revision: u64,
}

/// Quirks for one computer.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateFirmwareParams {
    /// The computer's name, id or Ethernet address.
    pub client: String,
    #[serde(default)]
    pub quirks: PinParams,
}

/// How a kind of firmware is to boot; what is absent stays. Saying it pins it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct PinParams {
    /// `plain`, `load_now` or `ask_boot_server`; empty is the usual one.
    pub form: Option<String>,
    /// `snponly` or `ipxe`; empty is the usual one.
    pub loader: Option<String>,
    /// 512 to 1468 bytes; 0 is what the firmware asks for.
    pub block_size: Option<u16>,
    /// Up to 10,000 milliseconds; 0 is at once.
    pub delay_ms: Option<u16>,
    /// At least 64 KiB/s; 0 is as fast as it goes.
    pub pace: Option<u32>,
    /// False: other ways may be tried again. Absent: true.
    pub pinned: Option<bool>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_read_as_they_are_written() {
        for form in OfferForm::ALL {
            assert_eq!(form.to_string().parse(), Ok(form));
            assert_eq!(serde_json::to_value(form).expect("JSON"), form.word());
        }
        assert_eq!("".parse::<OfferForm>(), Err(UnknownForm));
    }

    #[test]
    fn quirks_are_said_in_words() {
        assert_eq!(Quirks::default().to_string(), "the usual way");
        let some = Quirks {
            form: Some(OfferForm::LoadNow),
            block_size: Some(1024),
            ..Quirks::default()
        };
        assert_eq!(some.to_string(), "form load_now, TFTP blocks of 1024 bytes");
    }
}
