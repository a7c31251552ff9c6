//! Lists over REST.

use serde::{Deserialize, Serialize};

/// One page of a list.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ListView<T> {
    pub items: Vec<T>,
    /// Give this as `cursor` to get what follows; None at the end.
    pub next: Option<String>,
}
