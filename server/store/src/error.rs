//! What can go wrong below the typed tables.

use crate::codec::CodecError;

/// Result of the store.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure of the database. Cloned to every caller whose change was in a failed commit.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Another process has the file open.
    #[error(
        "the database {path} is in use by another process; stop the other nsboot or choose another --data folder"
    )]
    InUse {
        /// The file.
        path: String,
    },
    /// The database engine or the file system under it failed.
    #[error("{doing} failed: {why}; check the disk under the data folder, then restart nsboot")]
    Backend {
        /// What we were doing.
        doing: &'static str,
        /// What the engine answered.
        why: String,
    },
    /// A stored record could not be read back.
    #[error("a record of table {table} can't be read (key {key}): {why}")]
    Record {
        /// Its table.
        table: &'static str,
        /// Its key in hex.
        key: String,
        /// Why not.
        why: CodecError,
    },
    /// A record is too large to be stored.
    #[error("a record of table {table} can't be stored: {why}")]
    Encode {
        /// Its table.
        table: &'static str,
        /// Why not.
        why: CodecError,
    },
    /// The change panicked; nothing of it was stored.
    #[error(
        "the change was abandoned because of a defect in nsboot; please report it with the log"
    )]
    Panicked,
    /// The writer has ended.
    #[error("the database is closed; nsboot is shutting down")]
    Closed,
}

impl Error {
    pub(crate) fn backend(doing: &'static str, why: impl std::fmt::Display) -> Self {
        Error::Backend {
            doing,
            why: why.to_string(),
        }
    }
}
