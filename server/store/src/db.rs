//! The open file. After a failed write redb refuses everything until it is opened anew, even when
//! the reason, mostly a full disk, is gone: so it is opened anew.

use crate::{Error, Result, tx::ReadTx};
use redb::{
    Builder, Database, Durability, ReadableDatabase, ReadableTable, TableDefinition, TableHandle,
    WriteTransaction,
};
use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
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

    /// Runs `write` with the one write transaction; the file is not swapped meanwhile.
    pub fn write<T>(&self, write: impl FnOnce(WriteTransaction) -> Result<T>) -> Result<T> {
        const WHAT: &str = "writing to the database";
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        let db = open.as_ref().ok_or_else(|| closed(WHAT))?;
        write(db.begin_write().map_err(|e| Error::backend(WHAT, e))?)
    }

    /// Puts a new file with the same rows in the place of this one: pages that were freed keep their
    /// old content, and a new file has none. Waits for the commit under way; the next one waits for it.
    pub fn rewrite(&self) -> Result<()> {
        const WHAT: &str = "writing the database anew";
        let Some(path) = &self.path else {
            return Ok(());
        };
        let failed = |e: &dyn std::fmt::Display| Error::backend(WHAT, e);
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        let old = open.as_ref().ok_or_else(|| closed(WHAT))?;
        let draft = new_file(path).map_err(|e| failed(&e))?;
        let new = builder().create_file(draft.file).map_err(|e| failed(&e))?;
        if let Err(e) = copy(old, &new) {
            let _ = std::fs::remove_file(&draft.path);
            return Err(failed(&e));
        }
        drop(new);
        let placed = put_in_place(&draft.path, path);
        if let Err(e) = &placed
            && draft.path.exists()
        {
            let _ = std::fs::remove_file(&draft.path);
            return Err(failed(e));
        }
        // From the rename on the old file has no name: what were written to it would be lost.
        // The old file is closed by this; a reader that holds a snapshot of it keeps it until it ends.
        *open = None;
        *open = Some(builder().open(path).map_err(|e| failed(&e))?);
        placed.map_err(|e| failed(&e))
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

/// A file that is not yet what it will be.
pub(crate) struct Draft {
    pub file: File,
    pub path: PathBuf,
}

/// An empty file beside `path`, for its owner only.
pub(crate) fn new_file(path: &Path) -> io::Result<Draft> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".new");
    let path = PathBuf::from(draft);
    match std::fs::remove_file(&path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)?;
    Ok(Draft { file, path })
}

/// Gives a whole draft its name, durably: a power cut leaves the old file or the new one.
pub(crate) fn put_in_place(draft: &Path, path: &Path) -> io::Result<()> {
    File::open(draft)?.sync_all()?;
    std::fs::rename(draft, path)?;
    match path.parent() {
        Some(folder) if folder != Path::new("") => File::open(folder)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

fn copy(old: &Database, new: &Database) -> Result<(), redb::Error> {
    let from = old.begin_read()?;
    let mut to = new.begin_write()?;
    to.set_durability(Durability::Immediate)?;
    for name in from.list_tables()? {
        // Every table of ours is of this one type.
        let table: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new(name.name());
        let rows = from.open_table(table)?;
        let mut copied = to.open_table(table)?;
        for row in rows.iter()? {
            let (key, value) = row?;
            copied.insert(key.value(), value.value())?;
        }
    }
    to.commit()?;
    Ok(())
}
