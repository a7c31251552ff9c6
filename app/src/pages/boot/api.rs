//! What the boot page does. Each is a public endpoint: the first line checks the session.

#[cfg(feature = "ssr")]
use crate::pages::network::api::options as dhcp_options;

use crate::Fault;
use leptos::prelude::*;
use serde::{Deserialize, Serialize};
use types::{BootEntryId, Channel, EntryKind, GroupId};

/// The files of a form's field, a line each.
#[cfg(feature = "ssr")]
fn lines(text: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim).filter(|l| !l.is_empty());
    lines.map(String::from).collect()
}

/// A script as it was written, with the line ends that browsers send made plain.
#[cfg(feature = "ssr")]
fn script(text: &str) -> String {
    text.replace("\r\n", "\n")
}

/// Makes a boot entry.
#[server(prefix = "/fn", endpoint = "boot-entries/add")]
pub async fn add_entry(
    name: String,
    kind: EntryKind,
    kernel: String,
    initrds: String,
    command_line: String,
    attach: String,
    script: String,
) -> Result<(), Fault> {
    let operator = crate::ssr::operator()?;
    let params = types::CreateBootEntryParams {
        name,
        kind,
        kernel,
        initrds: lines(&initrds),
        command_line,
        attach_disk: attach == "yes",
        script: self::script(&script),
    };
    operator.create_boot_entry(params).await?;
    Ok(())
}

/// Changes a kernel entry.
#[server(prefix = "/fn", endpoint = "boot-entries/update-kernel")]
pub async fn update_kernel(
    id: BootEntryId,
    revision: u64,
    name: String,
    kernel: String,
    initrds: String,
    command_line: String,
    attach: String,
) -> Result<(), Fault> {
    let operator = crate::ssr::operator()?;
    let params = types::UpdateBootEntryParams {
        name: Some(name),
        kernel: Some(kernel),
        initrds: Some(lines(&initrds)),
        command_line: Some(command_line),
        attach_disk: Some(attach == "yes"),
        script: None,
    };
    let id = id.to_string();
    operator
        .update_boot_entry(&id, Some(revision), params)
        .await?;
    Ok(())
}

/// Changes a script entry.
#[server(prefix = "/fn", endpoint = "boot-entries/update-script")]
pub async fn update_script(
    id: BootEntryId,
    revision: u64,
    name: String,
    script: String,
) -> Result<(), Fault> {
    let operator = crate::ssr::operator()?;
    let params = types::UpdateBootEntryParams {
        name: Some(name),
        script: Some(self::script(&script)),
        ..Default::default()
    };
    let id = id.to_string();
    operator
        .update_boot_entry(&id, Some(revision), params)
        .await?;
    Ok(())
}

/// Removes a boot entry.
#[server(prefix = "/fn", endpoint = "boot-entries/remove")]
pub async fn remove_entry(id: BootEntryId) -> Result<(), Fault> {
    let operator = crate::ssr::operator()?;
    operator.remove_boot_entry(&id.to_string(), None).await?;
    Ok(())
}

/// What only groups have.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GroupFields {
    /// Which versions of their images its computers boot.
    channel: Channel,
    /// DHCP options, a line each.
    options: String,
}

/// Makes a group.
#[server(prefix = "/fn", endpoint = "groups/add")]
pub async fn add_group(
    name: String,
    boot_entry: String,
    loader_set: String,
    loader: String,
    more: GroupFields,
) -> Result<(), Fault> {
    let operator = crate::ssr::operator()?;
    let params = types::CreateGroupParams {
        name,
        boot_entry: Some(boot_entry),
        loader_set: Some(loader_set),
        loader: Some(loader),
        channel: more.channel,
        options: dhcp_options(&more.options)?,
    };
    operator.create_group(params).await?;
    Ok(())
}

/// Changes a group.
#[server(prefix = "/fn", endpoint = "groups/update")]
pub async fn update_group(
    id: GroupId,
    revision: u64,
    name: String,
    boot_entry: String,
    loader_set: String,
    loader: String,
    more: GroupFields,
) -> Result<(), Fault> {
    let operator = crate::ssr::operator()?;
    let params = types::UpdateGroupParams {
        name: Some(name),
        boot_entry: Some(boot_entry),
        loader_set: Some(loader_set),
        loader: Some(loader),
        channel: Some(more.channel),
        options: Some(dhcp_options(&more.options)?),
    };
    let id = id.to_string();
    operator.update_group(&id, Some(revision), params).await?;
    Ok(())
}

/// Removes a group.
#[server(prefix = "/fn", endpoint = "groups/remove")]
pub async fn remove_group(id: GroupId) -> Result<(), Fault> {
    let operator = crate::ssr::operator()?;
    operator.remove_group(&id.to_string(), None).await?;
    Ok(())
}
