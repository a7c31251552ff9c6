//! How many clients there are, without making their views.

use super::Clients;
use types::ClientState;

impl Clients {
    /// Clients in that state.
    pub fn count(&self, state: ClientState) -> usize {
        self.inner
            .cached(|c| c.by_id.values().filter(|r| r.state == state).count())
    }
}
