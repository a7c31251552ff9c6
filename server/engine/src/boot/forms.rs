//! How an answer tells a machine what to load: the one table of packet forms. What the forms are made
//! of is in `daemons/dhcp/forms.rs`; why they differ is told in `docs/boot.md`.

use super::Firmware;
use types::OfferForm;

/// The form of the boot information in an OFFER or ACK.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Form {
    /// No boot information.
    None,
    /// Server and file in the header and in options 66 and 67, nothing that speaks of PXE.
    Plain,
    /// Option 60 `PXEClient` and option 43 that says "load the file named here at once".
    LoadNow,
    /// Option 60 `PXEClient`, our address and no file: it is to ask on port 4011. EDK2 calls it BINL.
    AskBootServer,
    /// Option 60 `HTTPClient` and an HTTP address.
    Http,
    /// The address of a script, and word that no second answer is worth waiting for.
    Ipxe,
    /// As a second answer beside another server's: iPXE heeds it by option 60 alone.
    IpxeProxy,
    /// Option 43 with the boot menu that a Raspberry Pi looks for.
    RaspberryPi,
}

impl Form {
    /// As it is chosen; None for one that its kind of machine has no other of.
    pub fn choosable(self) -> Option<OfferForm> {
        match self {
            Form::Plain => Some(OfferForm::Plain),
            Form::LoadNow => Some(OfferForm::LoadNow),
            Form::AskBootServer => Some(OfferForm::AskBootServer),
            _ => None,
        }
    }
}

/// The form for this firmware: the one that was chosen, if it is of use there, else the usual one.
pub fn form(firmware: Firmware, is_proxy: bool, chosen: Option<OfferForm>) -> Form {
    let all = choices(firmware, is_proxy);
    let is_chosen = |form: &&Form| chosen.is_some() && form.choosable() == chosen;
    *all.iter().find(is_chosen).unwrap_or(&all[0])
}

/// The forms to try with this firmware, the usual one first. `is_proxy`: another server hands out the
/// addresses.
///
/// - A BIOS ROM without option 43 asks on port 4011 first, so it is told to load at once.
/// - UEFI of before 2017 throws away every proxy offer that has a discovery option in 43 (EDK2 commit
///   8cdd559be6), and obeys one without; that is why it is sent to port 4011 there.
/// - In full mode option 60 alone would make UEFI ask on port 4011; without it, it just loads.
pub fn choices(firmware: Firmware, is_proxy: bool) -> &'static [Form] {
    use Form::{AskBootServer, Http, Ipxe, IpxeProxy, LoadNow, Plain, RaspberryPi};
    match (firmware, is_proxy) {
        (Firmware::BiosPxe, false) => &[LoadNow, Plain, AskBootServer],
        (Firmware::BiosPxe, true) => &[LoadNow, AskBootServer],
        (Firmware::UefiPxe, false) => &[Plain, LoadNow, AskBootServer],
        (Firmware::UefiPxe, true) => &[AskBootServer, LoadNow],
        (Firmware::UefiHttp, _) => &[Http],
        (Firmware::Ipxe, false) => &[Ipxe],
        (Firmware::Ipxe, true) => &[IpxeProxy],
        (Firmware::RaspberryPi, _) => &[RaspberryPi],
        (Firmware::Other, _) => &[Form::None],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_never_sends_what_only_the_server_of_the_address_may() {
        for firmware in [
            Firmware::BiosPxe,
            Firmware::UefiPxe,
            Firmware::UefiHttp,
            Firmware::Ipxe,
            Firmware::RaspberryPi,
        ] {
            // Without option 60 it would be an offer of an address without an address.
            let forms = choices(firmware, true);
            assert!(!forms.contains(&Form::Plain) && !forms.contains(&Form::Ipxe));
            assert!(!choices(firmware, false).contains(&Form::IpxeProxy));
        }
        // Whoever answers without option 43 must answer on port 4011, too; a file goes with 43 only.
        assert_eq!(choices(Firmware::UefiPxe, true)[0], Form::AskBootServer);
        assert_eq!(choices(Firmware::BiosPxe, true)[0], Form::LoadNow);
        assert_eq!(
            form(Firmware::UefiPxe, true, Some(OfferForm::Plain)),
            Form::AskBootServer
        );
        assert_eq!(
            form(Firmware::UefiPxe, true, Some(OfferForm::LoadNow)),
            Form::LoadNow
        );
        assert_eq!(
            form(Firmware::Ipxe, false, Some(OfferForm::Plain)),
            Form::Ipxe
        );
        assert_eq!(
            choices(Firmware::Other, false),
            choices(Firmware::Other, true)
        );
    }
}
