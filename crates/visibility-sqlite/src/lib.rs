//! The embedded visibility store, on SQLite.

use std::path::Path;

use steadfast_visibility::StoreError;

/// A visibility store in one SQLite file, or in memory.
#[derive(Debug)]
pub struct SqliteVisibility {}

/// An opened store.
#[derive(Debug)]
pub struct Opened {
    /// The store.
    pub store: SqliteVisibility,
    /// Whether it begins empty, because there was no file, or none that could be used: the caller fills it from the
    /// primary store.
    pub rebuilt: bool,
}

impl SqliteVisibility {
    /// Opens or creates the file; without a path the store lives in memory. A file that is damaged or of another version is
    /// replaced by an empty one.
    pub fn open(_path: Option<&Path>) -> Result<Opened, StoreError> {
        Err(StoreError::Failed("not built yet".to_owned()))
    }

    /// A new store in memory.
    pub fn open_in_memory() -> Result<Self, StoreError> {
        Self::open(None).map(|opened| opened.store)
    }
}
