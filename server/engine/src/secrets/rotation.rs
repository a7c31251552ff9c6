//! What passes over all secrets: putting them in order at a start, and a rotation.
//!
//! A rotation has three steps, and after each of them every secret can be opened: the new key is in
//! the file beside the old one; all rows are sealed with it, in one transaction; the old one leaves the
//! file. A start after a crash in between does what is left.

use super::Secrets;
use crate::{By, Clients, Error, Result};
use std::path::Path;
use store::Store;
use types::{SecretKeyView, SecretsView};

/// Says, in the folder of keys, that the database file may still hold what was not sealed once.
const UNCLEAN: &str = "database-held-plain-secrets";

/// At a start: seals what is not sealed with the newest key, lets keys go that are not needed any more,
/// and says which secrets can't be opened.
///
/// # Errors
/// When secrets that are not sealed at all can't be sealed. Anything less is said in the log.
pub(crate) fn settle(
    secrets: &Secrets,
    clients: &Clients,
    store: &Store,
    folder: &Path,
) -> Result<()> {
    let held = clients.held_secrets();
    let unclean = folder.join(UNCLEAN);
    if held.plain > 0 {
        super::write_private(&unclean, b"")?;
    }
    let sealed = match held.plain + held.older {
        0 => Ok(()),
        n => {
            tracing::info!(secrets = n, "sealing secrets with the newest key");
            clients.seal_anew(&By::system("secrets"), "secrets.seal")
        }
    };
    match sealed.and_then(|()| secrets.retire()) {
        Err(e) if held.plain > 0 => return Err(e),
        Err(error) => tracing::warn!(
            %error,
            "an older key of secrets is still in use; the next start or rotation tries again"
        ),
        Ok(()) => {}
    }
    clean(store, &unclean);
    warn_of_lost(secrets, clients);
    Ok(())
}

/// Rids the database file of what was not sealed once: freed pages keep their content.
fn clean(store: &Store, unclean: &Path) {
    if !unclean.exists() {
        return;
    }
    let cleaned = store
        .rewrite()
        .map_err(Error::from)
        .and_then(|()| super::file::remove_private(unclean));
    if let Err(error) = cleaned {
        tracing::warn!(
            %error,
            "freed pages of nsboot.redb may still hold secrets that were not sealed before; the next \
             start writes the file anew, for which it needs its size in free space"
        );
    }
}

fn warn_of_lost(secrets: &Secrets, clients: &Clients) {
    let held = clients.held_secrets();
    let file = secrets.inner.file.display();
    let made = match secrets.inner.made {
        true => ", which was not there and was made anew,",
        false => "",
    };
    for (id, count) in &held.without_key {
        tracing::warn!(
            secrets = count,
            "secrets are lost unless the key {id} comes back: neither the key file {file}{made} nor a \
             credential of systemd holds it. Add the lines of the old key file to it, or give the \
             credential again, and restart; a computer that boots before gets a new secret for its disk"
        );
    }
    if held.altered > 0 {
        tracing::warn!(
            secrets = held.altered,
            "secrets can't be opened, because the database was changed by hand; their computers get new \
             ones when they boot"
        );
    }
}

/// Makes a new key and seals every secret with it. Blocks on files and the database.
///
/// # Errors
/// [`Error::Conflict`] when the key is systemd's; when file or database fail, and then every secret can
/// still be opened and a second try is enough.
pub(crate) fn rotate(secrets: &Secrets, clients: &Clients, by: &By) -> Result<()> {
    let one = secrets.inner.rotating.lock();
    let _one = one.unwrap_or_else(std::sync::PoisonError::into_inner);
    secrets.add_key()?;
    clients.seal_anew(by, "secrets.rotate")?;
    if let Err(error) = secrets.retire() {
        // It is done all the same: nothing needs the old key.
        tracing::warn!(%error, "the old key could not be taken out of its file; the next start does it");
    }
    Ok(())
}

/// Which keys there are and what they seal.
pub(crate) fn view(secrets: &Secrets, clients: &Clients) -> SecretsView {
    let held = clients.held_secrets();
    let ring = secrets.ring();
    let keys = ring.iter().enumerate().map(|(i, placed)| SecretKeyView {
        id: placed.key.id.to_string(),
        place: placed.place,
        path: secrets.path_of(placed.place),
        made_at: placed.key.made_at,
        current: i == 0,
        secrets: held.by_key.get(&placed.key.id).copied().unwrap_or(0),
    });
    SecretsView {
        keys: keys.collect(),
        lost: held.lost(),
    }
}
