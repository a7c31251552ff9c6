//! What a computer's page reads and does.

use crate::Fault;
use leptos::prelude::*;
use types::{BootView, ClientId};

/// The last boots of a computer, newest first.
#[server(prefix = "/fn", endpoint = "clients/boots")]
pub async fn boots(id: ClientId) -> Result<Vec<BootView>, Fault> {
    Ok(crate::ssr::viewer()?.client_boots(&id.to_string()).await?)
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
    let operator = crate::ssr::operator()?;
    let params = types::UpdateClientParams {
        name: Some(name),
        image: Some(image),
        mode: Some(crate::pages::floor::api::mode(&mode)),
        adopt: None,
    };
    operator
        .update_client(&id.to_string(), Some(revision), params)
        .await?;
    Ok(())
}

/// Forgets a computer; its overlay goes with it.
#[server(prefix = "/fn", endpoint = "clients/remove")]
pub async fn remove_client(id: ClientId) -> Result<(), Fault> {
    let operator = crate::ssr::operator()?;
    operator.remove_client(&id.to_string(), None).await?;
    leptos_axum::redirect("/floor");
    Ok(())
}
