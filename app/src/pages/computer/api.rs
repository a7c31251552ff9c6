//! What a computer's page reads and does.

use crate::Fault;
use leptos::prelude::*;
use types::{BootChoiceView, BootView, ClientId, VersionId};

/// The last boots of a computer, newest first.
#[server(prefix = "/fn", endpoint = "clients/boots")]
pub async fn boots(id: ClientId) -> Result<Vec<BootView>, Fault> {
    Ok(crate::ssr::viewer()?.client_boots(&id.to_string()).await?)
}

/// Changes name, image, data disks (names or ids with commas between), mode and quota; an empty quota leaves it to
/// the setting for all.
#[server(prefix = "/fn", endpoint = "clients/update")]
pub async fn update_client(
    id: ClientId,
    revision: u64,
    name: String,
    image: String,
    data_disks: String,
    mode: String,
    quota: String,
) -> Result<(), Fault> {
    let operator = crate::ssr::operator()?;
    let quota = match quota.trim() {
        "" => 0,
        text => types::size::parse_bytes(text).map_err(|message| engine::Error::Invalid {
            area: engine::Area::Client,
            field: "quota",
            message,
        })?,
    };
    let params = types::UpdateClientParams {
        quota_bytes: Some(quota),
        name: Some(name),
        image: Some(image),
        data_disks: Some(
            data_disks
                .split([',', ' '])
                .filter(|n| !n.is_empty())
                .map(String::from)
                .collect(),
        ),
        mode: Some(crate::pages::floor::api::mode(&mode)),
        ..Default::default()
    };
    operator
        .update_client(&id.to_string(), Some(revision), params)
        .await?;
    Ok(())
}

/// What it boots next, and why.
#[server(prefix = "/fn", endpoint = "clients/choice")]
pub async fn choice(id: ClientId) -> Result<BootChoiceView, Fault> {
    Ok(crate::ssr::viewer()?.boot_choice(&id.to_string()).await?)
}

/// Changes group, boot entry and loader.
#[server(prefix = "/fn", endpoint = "clients/choose")]
pub async fn choose_client(
    id: ClientId,
    revision: u64,
    group: String,
    boot_entry: String,
    loader_set: String,
    loader: String,
) -> Result<(), Fault> {
    let operator = crate::ssr::operator()?;
    let params = types::UpdateClientParams {
        group: Some(group),
        boot_entry: Some(boot_entry),
        loader_set: Some(loader_set),
        loader: Some(loader),
        ..Default::default()
    };
    operator
        .update_client(&id.to_string(), Some(revision), params)
        .await?;
    Ok(())
}

/// Sets what it boots the next time only; an empty entry takes that back.
#[server(prefix = "/fn", endpoint = "clients/next")]
pub async fn next_boot(id: ClientId, boot_entry: String) -> Result<(), Fault> {
    let operator = crate::ssr::operator()?;
    let params = types::UpdateClientParams {
        one_shot: Some(boot_entry),
        ..Default::default()
    };
    operator
        .update_client(&id.to_string(), None, params)
        .await?;
    Ok(())
}

/// Keeps a computer for its history only.
#[server(prefix = "/fn", endpoint = "clients/retire")]
pub async fn retire_client(id: ClientId) -> Result<(), Fault> {
    let operator = crate::ssr::operator()?;
    let params = types::UpdateClientParams {
        retire: Some(true),
        ..Default::default()
    };
    operator
        .update_client(&id.to_string(), None, params)
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

/// Begins a job that takes a snapshot of a computer's disk.
#[server(prefix = "/fn", endpoint = "snapshots/take")]
pub async fn take_snapshot(client: ClientId, comment: String) -> Result<(), Fault> {
    let operator = crate::ssr::operator()?;
    let client = client.to_string();
    operator
        .take_snapshot(types::TakeSnapshotParams { client, comment })
        .await?;
    Ok(())
}

/// Puts a computer's disk back to a snapshot.
#[server(prefix = "/fn", endpoint = "snapshots/restore")]
pub async fn restore_snapshot(snapshot: VersionId) -> Result<(), Fault> {
    let operator = crate::ssr::operator()?;
    operator.restore_snapshot(&snapshot.to_string()).await?;
    Ok(())
}

/// Removes a snapshot.
#[server(prefix = "/fn", endpoint = "snapshots/remove")]
pub async fn remove_snapshot(snapshot: VersionId) -> Result<(), Fault> {
    let operator = crate::ssr::operator()?;
    operator.remove_snapshot(&snapshot.to_string()).await?;
    Ok(())
}
