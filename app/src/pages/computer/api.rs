//! What a computer's page reads and does.

use crate::Fault;
use leptos::prelude::*;
use types::{BootView, ClientId};

/// The last boots of a computer, newest first.
#[server(prefix = "/fn", endpoint = "clients/boots")]
pub async fn boots(id: ClientId) -> Result<Vec<BootView>, Fault> {
    let signed = crate::ssr::signed()?;
    Ok(signed.host.boots(id))
}

/// Changes name, image and mode.
#[server(prefix = "/fn", endpoint = "clients/update")]
pub async fn update_client(
    id: ClientId,
    revision: u64,
    name: String,
    image: String,
    mode: String,
) -> Result<(), Fault> {
    let signed = crate::ssr::signed()?;
    let params = types::UpdateClientParams {
        name: Some(name),
        image: Some(image),
        mode: Some(crate::pages::floor::api::mode(&mode)),
        adopt: None,
    };
    signed
        .engine
        .clients()
        .update(id, Some(revision), params)
        .await?;
    Ok(())
}

/// Forgets a computer; its overlay goes with it.
#[server(prefix = "/fn", endpoint = "clients/remove")]
pub async fn remove_client(id: ClientId) -> Result<(), Fault> {
    let signed = crate::ssr::signed()?;
    signed.engine.clients().remove(id, None).await?;
    leptos_axum::redirect("/floor");
    Ok(())
}
