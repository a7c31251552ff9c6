//! What the loaders page reads and does; the upload itself is REST's `POST /api/v1/loaders`.

use crate::Fault;
use leptos::prelude::*;
use serde::{Deserialize, Serialize};
use types::LoaderSetView;

/// All that the page shows.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct AllSets {
    pub all: Vec<LoaderSetView>,
    /// The one whose files are shown.
    pub shown: Option<LoaderSetView>,
}

/// Every set, and the files of the one of that name; empty is none.
#[server(prefix = "/fn", endpoint = "loaders/list")]
pub async fn sets(name: String) -> Result<AllSets, Fault> {
    let viewer = crate::ssr::viewer()?;
    let all = viewer.loader_sets().await?;
    // One that was removed meanwhile is not shown any more.
    let shown = match all.iter().any(|s| s.name == name) {
        true => Some(viewer.loader_set(&name).await?),
        false => None,
    };
    Ok(AllSets { all, shown })
}

/// Makes a set the default.
#[server(prefix = "/fn", endpoint = "loaders/choose")]
pub async fn choose_set(name: String) -> Result<(), Fault> {
    let admin = crate::ssr::admin()?;
    let value = types::SettingValue::Text(name);
    let params = types::UpdateSettingsParams {
        values: [("clients.loader_set".to_string(), Some(value))].into(),
        confirm_within_seconds: None,
    };
    admin.update_settings(None, params).await?;
    Ok(())
}

/// Removes an uploaded set; refused while something uses it.
#[server(prefix = "/fn", endpoint = "loaders/remove")]
pub async fn remove_set(name: String) -> Result<(), Fault> {
    let admin = crate::ssr::admin()?;
    admin.remove_loader_set(&name).await?;
    Ok(())
}
