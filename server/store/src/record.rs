//! What makes a struct a row of a table.

use crate::{Key, codec::CodecError};
use serde::{Serialize, de::DeserializeOwned};

/// A row. Kind, schema and field order are what the file holds: a change of any field means a new
/// `SCHEMA`, the old struct kept for [`Record::upgrade`], and one more golden file in `tests/golden`.
pub trait Record: Clone + Serialize + DeserializeOwned + Send + 'static {
    /// Marks the kind of record in its envelope; never reused.
    const KIND: u8;
    /// The newest format.
    const SCHEMA: u16;
    /// The table's name.
    const TABLE: &'static str;
    /// What the table is keyed by.
    type Key: Key;

    /// This row's key.
    fn key(&self) -> Self::Key;

    /// Reads a payload of an older format.
    ///
    /// # Errors
    /// [`CodecError::Schema`] when we never wrote that format.
    fn upgrade(schema: u16, _payload: &[u8]) -> Result<Self, CodecError> {
        Err(CodecError::Schema {
            found: schema,
            newest: Self::SCHEMA,
        })
    }
}

/// Fills in [`Record`] for a struct.
macro_rules! record {
    ($name:ident, kind $kind:literal, schema $schema:literal, table $table:literal, $key:ty, |$this:ident| $make:expr) => {
        impl crate::Record for $name {
            const KIND: u8 = $kind;
            const SCHEMA: u16 = $schema;
            const TABLE: &'static str = $table;
            type Key = $key;
            fn key(&self) -> $key {
                let $this = self;
                $make
            }
        }
    };
}
pub(crate) use record;
