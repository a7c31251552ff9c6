//! The open file. After a failed write redb refuses everything until it is opened anew, even when
//! the reason, mostly a full disk, is gone: so it is opened anew.

use crate::{Error, Result, tx::ReadTx};
use redb::{Builder, Database, ReadableDatabase, WriteTransaction};
use std::{
    path::PathBuf,
    sync::{PoisonError, RwLock},
};

/// Memory for cached pages, bytes. The state of a floor of 1,000 computers fits with room.
const CACHE_BYTES: usize = 64 << 20;

pub(crate) fn builder() -> Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

/// The database, and where to find it again. None while it could not be opened anew.
pub(crate) struct Db {
    open: RwLock<Option<Database>>,
    path: Option<PathBuf>,
}

impl Db {
    /// Without a path it stays as it was opened.
    pub fn new(db: Database, path: Option<PathBuf>) -> Db {
        Db {
            open: RwLock::new(Some(db)),
            path,
        }
    }

    /// Everything that is committed now.
    pub fn snapshot(&self) -> Result<ReadTx> {
        const WHAT: &str = "reading the database";
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        let db = open.as_ref().ok_or_else(|| closed(WHAT))?;
        let tx = db.begin_read().map_err(|e| Error::backend(WHAT, e))?;
        Ok(ReadTx { tx })
    }

    /// The one write transaction.
    pub fn begin_write(&self) -> Result<WriteTransaction> {
        const WHAT: &str = "writing to the database";
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        let db = open.as_ref().ok_or_else(|| closed(WHAT))?;
        db.begin_write().map_err(|e| Error::backend(WHAT, e))
    }

    /// Closes the file and opens it again: what was committed before is there, what failed is not.
    pub fn open_anew(&self) {
        let Some(path) = &self.path else { return };
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        // First closed, since the file is locked by whoever has it open.
        *open = None;
        match builder().open(path) {
            Ok(db) => {
                tracing::warn!("the database was opened anew");
                *open = Some(db);
            }
            Err(error) => tracing::error!(%error, "the database can't be opened anew yet"),
        }
    }
}

fn closed(what: &'static str) -> Error {
    Error::backend(
        what,
        "it could not be opened again after a failed write; see the log",
    )
}
