//! Reading, and the buffered changes of one closure.

use crate::{Error, Key, Record, Result, codec};
use redb::{AccessGuard, ReadOnlyTable, ReadTransaction, TableDefinition, TableError};
use std::collections::BTreeMap;

pub(crate) type Table = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// Changes by table and key; None removes.
pub(crate) type Changes = BTreeMap<(&'static str, Vec<u8>), Option<Vec<u8>>>;

/// What runs once the change is durable.
pub(crate) type Hook = Box<dyn FnOnce() + Send>;

type Rows = Vec<(Vec<u8>, Vec<u8>)>;

/// Typed reading; the same on a snapshot and inside a change.
pub trait Read {
    #[doc(hidden)]
    fn raw_get(&self, table: &'static str, key: &[u8]) -> Result<Option<Vec<u8>>>;
    #[doc(hidden)]
    fn raw_scan(&self, table: &'static str, prefix: &[u8]) -> Result<Rows>;

    /// One row.
    ///
    /// # Errors
    /// When the database or the row can't be read.
    fn get<R: Record>(&self, key: &R::Key) -> Result<Option<R>>
    where
        Self: Sized,
    {
        let key = key.bytes();
        self.raw_get(R::TABLE, &key)?
            .map(|bytes| decode::<R>(&key, &bytes))
            .transpose()
    }

    /// Every row, in the order of the keys.
    ///
    /// # Errors
    /// When the database or a row can't be read.
    fn list<R: Record>(&self) -> Result<Vec<R>>
    where
        Self: Sized,
    {
        let rows = self.raw_scan(R::TABLE, &[])?;
        rows.iter().map(|(k, v)| decode::<R>(k, v)).collect()
    }

    /// As [`Read::list_under`], without the rows that can't be read: those are left as they are, with
    /// a warning. What a start needs must not hang on one damaged row.
    ///
    /// # Errors
    /// When the database can't be read.
    fn list_readable<R: Record>(&self, prefix: Option<&dyn Key>) -> Result<Vec<R>>
    where
        Self: Sized,
    {
        let prefix = prefix.map(Key::bytes).unwrap_or_default();
        let mut readable = Vec::new();
        for (key, bytes) in self.raw_scan(R::TABLE, &prefix)? {
            match decode::<R>(&key, &bytes) {
                Ok(record) => readable.push(record),
                Err(error) => left_out(&error),
            }
        }
        Ok(readable)
    }

    /// The rows whose key begins with `prefix`, in the order of the keys.
    ///
    /// # Errors
    /// When the database or a row can't be read.
    fn list_under<R: Record>(&self, prefix: &impl Key) -> Result<Vec<R>>
    where
        Self: Sized,
    {
        let rows = self.raw_scan(R::TABLE, &prefix.bytes())?;
        rows.iter().map(|(k, v)| decode::<R>(k, v)).collect()
    }
}

fn decode<R: Record>(key: &[u8], bytes: &[u8]) -> Result<R> {
    codec::decode(bytes).map_err(|why| Error::Record {
        table: R::TABLE,
        key: types::hex(key),
        why,
    })
}

/// A consistent snapshot of everything that was committed when it was taken.
pub struct ReadTx {
    pub(crate) tx: ReadTransaction,
}

impl ReadTx {
    /// Up to `limit` rows before the key `before` (from the end without it), the last first. Rows that
    /// can't be read are left out, as [`Read::list_readable`] does.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn newest<R: Record>(&self, before: Option<&R::Key>, limit: usize) -> Result<Vec<R>> {
        let Some(table) = self.table(R::TABLE)? else {
            return Ok(Vec::new());
        };
        let end = before.map(Key::bytes);
        let rows = match &end {
            Some(end) => table.range::<&[u8]>(..end.as_slice()),
            None => table.range::<&[u8]>(..),
        };
        let rows = rows.map_err(unlisted)?.rev();
        rows.filter_map(readable).take(limit).collect()
    }

    /// Up to `limit` rows from the key `from` on, in the order of the keys; else as
    /// [`ReadTx::newest`].
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn list_from<R: Record>(&self, from: &R::Key, limit: usize) -> Result<Vec<R>> {
        let Some(table) = self.table(R::TABLE)? else {
            return Ok(Vec::new());
        };
        let rows = table.range::<&[u8]>(from.bytes().as_slice()..);
        let rows = rows.map_err(unlisted)?;
        rows.filter_map(readable).take(limit).collect()
    }

    /// As [`ReadTx::list_from`], for whoever has to know that a row can't be read.
    ///
    /// # Errors
    /// When the database or a row can't be read.
    pub fn list_all_from<R: Record>(&self, from: &R::Key, limit: usize) -> Result<Vec<R>> {
        let Some(table) = self.table(R::TABLE)? else {
            return Ok(Vec::new());
        };
        let rows = table.range::<&[u8]>(from.bytes().as_slice()..);
        rows.map_err(unlisted)?.take(limit).map(decoded).collect()
    }

    /// None for a table without rows: it begins with its first one.
    fn table(
        &self,
        name: &'static str,
    ) -> Result<Option<ReadOnlyTable<&'static [u8], &'static [u8]>>> {
        match self.tx.open_table(Table::new(name)) {
            Ok(table) => Ok(Some(table)),
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            Err(e) => Err(Error::backend("opening a table", e)),
        }
    }
}

/// A row as redb gives it.
type Row<'a> = std::result::Result<
    (
        AccessGuard<'a, &'static [u8]>,
        AccessGuard<'a, &'static [u8]>,
    ),
    redb::StorageError,
>;

fn unlisted(e: redb::StorageError) -> Error {
    Error::backend("listing records", e)
}

fn decoded<R: Record>(row: Row<'_>) -> Result<R> {
    let (key, value) = row.map_err(unlisted)?;
    decode::<R>(key.value(), value.value())
}

/// None, with a warning, for a row that can't be read.
fn readable<R: Record>(row: Row<'_>) -> Option<Result<R>> {
    match decoded(row) {
        Err(error @ Error::Record { .. }) => {
            left_out(&error);
            None
        }
        read => Some(read),
    }
}

fn left_out(error: &Error) {
    tracing::warn!(%error, "a stored row is left out");
}

impl Read for ReadTx {
    fn raw_get(&self, table: &'static str, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let Some(table) = self.table(table)? else {
            return Ok(None);
        };
        let row = table.get(key);
        Ok(row
            .map_err(|e| Error::backend("reading a record", e))?
            .map(|v| v.value().to_vec()))
    }

    fn raw_scan(&self, table: &'static str, prefix: &[u8]) -> Result<Rows> {
        let Some(table) = self.table(table)? else {
            return Ok(Vec::new());
        };
        let mut rows = Vec::new();
        for row in table.range::<&[u8]>(prefix..).map_err(unlisted)? {
            let (key, value) = row.map_err(unlisted)?;
            if !key.value().starts_with(prefix) {
                break;
            }
            rows.push((key.value().to_vec(), value.value().to_vec()));
        }
        Ok(rows)
    }
}

/// One change in the making. It sees its own writes and those of the changes before it in the
/// same commit; nothing of it is kept unless its closure returns Ok.
pub struct Tx<'a> {
    base: &'a ReadTx,
    batch: &'a Changes,
    own: Changes,
    hooks: Vec<Hook>,
}

impl<'a> Tx<'a> {
    pub(crate) fn new(base: &'a ReadTx, batch: &'a Changes) -> Self {
        Tx {
            base,
            batch,
            own: Changes::new(),
            hooks: Vec::new(),
        }
    }

    pub(crate) fn into_parts(self) -> (Changes, Vec<Hook>) {
        (self.own, self.hooks)
    }

    /// Inserts or replaces the row with this record's key.
    ///
    /// # Errors
    /// When the record is too large.
    pub fn put<R: Record>(&mut self, record: &R) -> Result<()> {
        let bytes = codec::encode(record).map_err(|why| Error::Encode {
            table: R::TABLE,
            why,
        })?;
        self.own
            .insert((R::TABLE, record.key().bytes()), Some(bytes));
        Ok(())
    }

    /// Removes a row; no row is no error.
    pub fn remove<R: Record>(&mut self, key: &R::Key) {
        self.own.insert((R::TABLE, key.bytes()), None);
    }

    /// Runs `hook` on the writer's thread once this change is durable and before it is
    /// acknowledged; hooks run in the order of the changes. For caches and events, so that they
    /// follow the database even when the caller has gone away. Must not block.
    pub fn on_commit(&mut self, hook: impl FnOnce() + Send + 'static) {
        self.hooks.push(Box::new(hook));
    }
}

impl Read for Tx<'_> {
    fn raw_get(&self, table: &'static str, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let at = (table, key.to_vec());
        match self.own.get(&at).or_else(|| self.batch.get(&at)) {
            Some(change) => Ok(change.clone()),
            None => self.base.raw_get(table, key),
        }
    }

    fn raw_scan(&self, table: &'static str, prefix: &[u8]) -> Result<Rows> {
        let mut rows: BTreeMap<_, _> = self.base.raw_scan(table, prefix)?.into_iter().collect();
        for changes in [self.batch, &self.own] {
            let from = changes.range((table, prefix.to_vec())..);
            for ((_, key), value) in
                from.take_while(|((t, k), _)| *t == table && k.starts_with(prefix))
            {
                match value {
                    Some(value) => rows.insert(key.clone(), value.clone()),
                    None => rows.remove(key),
                };
            }
        }
        Ok(rows.into_iter().collect())
    }
}
