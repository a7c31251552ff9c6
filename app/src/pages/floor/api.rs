//! What the floor does. Each is a public endpoint: the first line checks the session.

use crate::Fault;
use leptos::prelude::*;
use types::{ClientId, LabFirmware};

#[cfg(feature = "ssr")]
use types::{CreateClientParams, OverlayMode, UpdateClientParams};

/// The form's word for an overlay mode.
#[cfg(feature = "ssr")]
pub(crate) fn mode(text: &str) -> OverlayMode {
    match text {
        "keep" => OverlayMode::Keep,
        _ => OverlayMode::Reset,
    }
}

/// Adds a computer by its MAC.
#[server(prefix = "/fn", endpoint = "clients/add")]
pub async fn add_client(
    name: String,
    mac: String,
    image: String,
    mode: String,
) -> Result<(), Fault> {
    let operator = crate::ssr::operator()?;
    let mac = mac.trim().parse().map_err(|e: types::MacParseError| {
        types::Problem::new(
            422,
            "NSB-CLIENT-422",
            "The MAC address can't be read",
            "Copy it from the computer's label or firmware screen.",
        )
        .field("mac", e.to_string())
    })?;
    let params = CreateClientParams {
        image: Some(image).filter(|i| !i.is_empty()),
        mode: self::mode(&mode),
        ..CreateClientParams::new(name, mac)
    };
    operator.create_client(params).await?;
    Ok(())
}

/// Takes a discovered computer in.
#[server(prefix = "/fn", endpoint = "clients/adopt")]
pub async fn adopt_client(id: ClientId, name: String, image: String) -> Result<(), Fault> {
    let operator = crate::ssr::operator()?;
    let params = UpdateClientParams {
        name: Some(name),
        image: Some(image).filter(|i| !i.is_empty()),
        adopt: Some(true),
        ..Default::default()
    };
    operator
        .update_client(&id.to_string(), None, params)
        .await?;
    Ok(())
}

/// Starts a new virtual computer in the lab.
#[server(prefix = "/fn", endpoint = "lab/boot")]
pub async fn boot_virtual(firmware: LabFirmware) -> Result<(), Fault> {
    let operator = crate::ssr::operator()?;
    crate::ssr::host()?.boot_virtual(operator, firmware).await?;
    Ok(())
}
