//! The store passes the suite that every backend passes, reopened from disk where the suite asks for it.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::sync::Arc;

use steadfast_store::conformance::Subject;
use steadfast_store::{Store, conformance_suite};
use steadfast_store_local::{LocalStore, Options};
use tempfile::TempDir;

struct Directory(TempDir);

impl Directory {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
}

impl Subject for Directory {
    fn open(&self) -> Arc<dyn Store> {
        Arc::new(LocalStore::open(self.0.path(), Options::default()).unwrap())
    }
}

conformance_suite!(Directory::new());
