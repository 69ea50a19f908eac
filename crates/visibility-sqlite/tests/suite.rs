//! The store on SQLite against the suite of all stores, in memory and in files.

#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "../../visibility/tests/common/mod.rs"]
mod common;

use std::ops::Deref;

use steadfast_visibility_sqlite::SqliteVisibility;
use tempfile::TempDir;

#[test]
fn memory() {
    common::check_store(|| Box::new(SqliteVisibility::open_in_memory().unwrap()));
}

/// A store and the folder it is in.
struct InFolder(
    SqliteVisibility,
    #[allow(dead_code, reason = "removed at the end")] TempDir,
);

impl Deref for InFolder {
    type Target = SqliteVisibility;

    fn deref(&self) -> &SqliteVisibility {
        &self.0
    }
}

#[test]
fn file() {
    common::check_store(|| {
        let folder = TempDir::new().unwrap();
        let opened = SqliteVisibility::open(Some(&folder.path().join("visibility.db"))).unwrap();
        assert!(opened.rebuilt);
        InFolder(opened.store, folder)
    });
}
