//! What an image's page does. Each is a public endpoint: the first line checks the session.

use crate::Fault;
use leptos::prelude::*;
use types::{Channel, ClientId, ImageId};

/// Moves a channel to a version.
#[server(prefix = "/fn", endpoint = "images/channel")]
pub async fn move_channel(id: ImageId, channel: Channel, version: u32) -> Result<(), Fault> {
    let operator = crate::ssr::operator()?;
    let id = id.to_string();
    operator.move_channel(&id, None, channel, version).await?;
    Ok(())
}

/// Puts production back to where it was.
#[server(prefix = "/fn", endpoint = "images/revert")]
pub async fn revert(id: ImageId, revision: u64) -> Result<(), Fault> {
    let operator = crate::ssr::operator()?;
    let id = id.to_string();
    operator.revert_image(&id, Some(revision)).await?;
    Ok(())
}

/// Changes an image's name, and for whom it is.
#[server(prefix = "/fn", endpoint = "images/update")]
pub async fn update(id: ImageId, revision: u64, name: String, whose: String) -> Result<(), Fault> {
    let operator = crate::ssr::operator()?;
    let params = types::UpdateImageParams {
        name: Some(name),
        private: Some(whose == "private"),
    };
    operator
        .update_image(&id.to_string(), Some(revision), params)
        .await?;
    Ok(())
}

/// Begins a job that makes a version one of its own.
#[server(prefix = "/fn", endpoint = "images/flatten")]
pub async fn flatten(id: ImageId, version: u32) -> Result<(), Fault> {
    let operator = crate::ssr::operator()?;
    operator.flatten_version(&id.to_string(), version).await?;
    Ok(())
}

/// Begins a job that makes an image of a version.
#[server(prefix = "/fn", endpoint = "images/clone")]
pub async fn clone_version(id: ImageId, version: u32, name: String) -> Result<(), Fault> {
    let operator = crate::ssr::operator()?;
    operator
        .clone_version(&id.to_string(), version, &name)
        .await?;
    Ok(())
}

/// Says what a version is for.
#[server(prefix = "/fn", endpoint = "images/describe")]
pub async fn describe(id: ImageId, version: u32, comment: String) -> Result<(), Fault> {
    let operator = crate::ssr::operator()?;
    let id = id.to_string();
    operator
        .describe_version(&id, None, version, comment)
        .await?;
    Ok(())
}

/// Removes a version that nothing needs.
#[server(prefix = "/fn", endpoint = "images/remove-version")]
pub async fn remove_version(id: ImageId, version: u32) -> Result<(), Fault> {
    let operator = crate::ssr::operator()?;
    operator
        .remove_version(&id.to_string(), None, version)
        .await?;
    Ok(())
}

/// This computer changes the image.
#[server(prefix = "/fn", endpoint = "images/appoint")]
pub async fn appoint(id: ImageId, client: ClientId) -> Result<(), Fault> {
    let operator = crate::ssr::operator()?;
    let (id, client) = (id.to_string(), client.to_string());
    operator.appoint_superclient(&id, None, &client).await?;
    Ok(())
}

/// Nobody changes the image any more.
#[server(prefix = "/fn", endpoint = "images/dismiss")]
pub async fn dismiss(id: ImageId) -> Result<(), Fault> {
    let operator = crate::ssr::operator()?;
    operator.dismiss_superclient(&id.to_string(), None).await?;
    Ok(())
}

/// Begins a job that makes the next version.
#[server(prefix = "/fn", endpoint = "images/apply")]
pub async fn apply(id: ImageId, comment: String) -> Result<(), Fault> {
    let operator = crate::ssr::operator()?;
    operator.apply_changes(&id.to_string(), &comment).await?;
    Ok(())
}

/// Begins a computer's disk anew.
#[server(prefix = "/fn", endpoint = "clients/discard")]
pub async fn discard(client: ClientId) -> Result<(), Fault> {
    let operator = crate::ssr::operator()?;
    operator.discard_changes(&client.to_string()).await?;
    Ok(())
}
