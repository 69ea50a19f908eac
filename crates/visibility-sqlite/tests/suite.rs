//! The store on SQLite against the suite of all stores, in memory and in files.

#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "../../visibility/tests/common/mod.rs"]
mod common;

use std::ops::Deref;

use steadfast_visibility::{
    Change, Count, Filter, GroupBy, Page, Sort, StoreError, VisibilityStore,
};
use steadfast_visibility_sqlite::SqliteVisibility;
use tempfile::TempDir;

#[test]
fn memory() {
    common::check_store(|| SqliteVisibility::open_in_memory().unwrap());
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

impl VisibilityStore for InFolder {
    fn apply(&self, changes: Vec<Change>, marker: Option<&[u8]>) -> Result<(), StoreError> {
        self.0.apply(changes, marker)
    }

    fn marker(&self) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.marker()
    }

    fn list(
        &self,
        namespace_id: &str,
        filter: &Filter,
        page_size: usize,
        token: &[u8],
    ) -> Result<Page, StoreError> {
        self.0.list(namespace_id, filter, page_size, token)
    }

    fn list_sorted(
        &self,
        namespace_id: &str,
        filter: &Filter,
        sort: &Sort,
        page_size: usize,
        token: &[u8],
    ) -> Result<Page, StoreError> {
        self.0
            .list_sorted(namespace_id, filter, sort, page_size, token)
    }

    fn count(
        &self,
        namespace_id: &str,
        filter: &Filter,
        group_by: Option<GroupBy>,
    ) -> Result<Count, StoreError> {
        self.0.count(namespace_id, filter, group_by)
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
