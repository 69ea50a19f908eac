//! The store in memory against the suite of all stores.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use steadfast_visibility::MemoryVisibility;

#[test]
fn memory() {
    common::check_store(|| Box::new(MemoryVisibility::new()));
}
