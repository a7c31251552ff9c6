//! What the firmware page does. Each is a public endpoint: the first line checks the session.

use crate::Fault;
use leptos::prelude::*;
use types::{ClientId, FirmwareId};

/// Pins how a kind of firmware boots. An empty text or 0 is the usual.
#[server(prefix = "/fn", endpoint = "firmware/pin")]
pub async fn pin(
    id: FirmwareId,
    revision: u64,
    form: String,
    loader: String,
    block_size: u16,
    delay_ms: u16,
    pace: u32,
) -> Result<(), Fault> {
    let operator = crate::ssr::operator()?;
    let params = types::PinParams {
        form: Some(form),
        loader: Some(loader),
        block_size: Some(block_size),
        delay_ms: Some(delay_ms),
        pace: Some(pace),
        pinned: Some(true),
    };
    let id = id.to_string();
    operator
        .update_firmware(&id, Some(revision), params)
        .await?;
    Ok(())
}

/// Lets other ways be tried again.
#[server(prefix = "/fn", endpoint = "firmware/unpin")]
pub async fn unpin(id: FirmwareId, revision: u64) -> Result<(), Fault> {
    let operator = crate::ssr::operator()?;
    let params = types::PinParams {
        pinned: Some(false),
        ..Default::default()
    };
    let id = id.to_string();
    operator
        .update_firmware(&id, Some(revision), params)
        .await?;
    Ok(())
}

/// Forgets it.
#[server(prefix = "/fn", endpoint = "firmware/forget")]
pub async fn forget(id: FirmwareId) -> Result<(), Fault> {
    let operator = crate::ssr::operator()?;
    operator.remove_firmware(&id.to_string(), None).await?;
    Ok(())
}

/// Pins how one computer boots.
#[server(prefix = "/fn", endpoint = "firmware/pin-computer")]
pub async fn pin_computer(
    client: ClientId,
    form: String,
    loader: String,
    block_size: u16,
    delay_ms: u16,
    pace: u32,
) -> Result<(), Fault> {
    let operator = crate::ssr::operator()?;
    let params = types::CreateFirmwareParams {
        client: client.to_string(),
        quirks: types::PinParams {
            form: Some(form),
            loader: Some(loader),
            block_size: Some(block_size),
            delay_ms: Some(delay_ms),
            pace: Some(pace),
            pinned: Some(true),
        },
    };
    operator.create_firmware(params).await?;
    Ok(())
}
