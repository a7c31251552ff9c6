//! Which of a list, and in what order: the flags that lists of things with fields share.

use super::address::Query;
use clap::Args;

#[derive(Args)]
pub struct Listing {
    /// Only those whose fields are so, e.g. `state:adopted,name:~pc`; the fields are those of -o json
    #[arg(long, value_name = "FIELD:VALUE,...")]
    filter: Option<String>,
    /// Order by these fields, e.g. `name` or `-created_at,name`; `-` is the other way round
    #[arg(long, value_name = "FIELD,...", allow_hyphen_values = true)]
    sort: Option<String>,
}

impl Listing {
    /// The list at this path, so asked for.
    pub fn of(self, path: &str) -> String {
        Query::of(path)
            .with("filter", self.filter)
            .with("sort", self.sort)
            .path()
    }
}
