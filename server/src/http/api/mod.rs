//! REST, `/api/v1`: one file a noun, each a thin adapter on the engine's handles. The list here is
//! the router and, by the same lines, the API's description.

pub mod audit;
pub mod auth;
pub mod boot_entries;
pub mod boots;
pub mod clients;
mod description;
mod examples;
pub mod exports;
pub mod firmware;
pub mod groups;
pub mod images;
pub mod jobs;
pub mod lab;
pub mod leases;
pub mod loaders;
pub mod networks;
pub mod reservations;
pub mod scopes;
pub mod secrets;
pub mod settings;
pub mod snapshots;
pub mod storage;
pub mod system;
pub mod tokens;
pub mod uploads;
pub mod users;
pub mod versions;

pub use description::{openapi, viewer};

use super::AppState;
use utoipa_axum::router::OpenApiRouter;

/// Every noun below `/api/v1`.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .merge(audit::routes())
        .merge(auth::routes())
        .merge(boot_entries::routes())
        .merge(boots::routes())
        .merge(clients::routes())
        .merge(exports::routes())
        .merge(firmware::routes())
        .merge(groups::routes())
        .merge(images::routes())
        .merge(versions::routes())
        .merge(jobs::routes())
        .merge(lab::routes())
        .merge(leases::routes())
        .merge(loaders::routes())
        .merge(networks::routes())
        .merge(reservations::routes())
        .merge(scopes::routes())
        .merge(settings::routes())
        .merge(secrets::routes())
        .merge(snapshots::routes())
        .merge(storage::routes())
        .merge(system::routes())
        .merge(tokens::routes())
        .merge(uploads::routes())
        .merge(users::routes())
}
