//! Files: what is kept, and what is replaced.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::ops::Range;
use std::path::Path;

use steadfast_visibility::{
    Change, Filter, Record, SearchAttributeType, StoreError, Value, VisibilityStore,
};
use steadfast_visibility_sqlite::{Opened, SqliteVisibility};
use tempfile::TempDir;

fn open(path: &Path) -> Opened {
    SqliteVisibility::open(Some(path)).unwrap()
}

fn fill(store: &SqliteVisibility, runs: i64) {
    let run = |number: i64| {
        Change::Upsert(Record {
            namespace_id: "ns".to_owned(),
            run_id: format!("run-{number:06}"),
            status: 1,
            start_time: number * 1000,
            search_attributes: vec![("K".to_owned(), Value::Keyword(number.to_string()))],
            ..Record::default()
        })
    };
    store
        .apply(&(0..runs).map(run).collect::<Vec<_>>(), Some(b"filled"))
        .unwrap();
}

fn count(store: &SqliteVisibility) -> u64 {
    store.count("ns", &Filter::all(), None).unwrap().total
}

#[test]
fn a_store_is_kept() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("visibility.db");
    let opened = open(&path);
    assert!(opened.rebuilt);
    fill(&opened.store, 10);
    drop(opened);

    let opened = open(&path);
    assert!(!opened.rebuilt);
    assert_eq!(
        opened.store.marker().unwrap().as_deref(),
        Some(&b"filled"[..])
    );
    assert_eq!(count(&opened.store), 10);
    // What names and attributes are called is known again.
    let third = Filter::Test(
        steadfast_visibility::Attribute::Named("K".to_owned(), SearchAttributeType::Keyword),
        steadfast_visibility::Predicate::StartsWith("3".to_owned()),
    );
    assert_eq!(
        opened.store.list("ns", &third, 10, &[]).unwrap().records[0].run_id,
        "run-000003"
    );
    fill(&opened.store, 20);
    assert_eq!(count(&opened.store), 20);
}

#[test]
fn a_store_can_be_emptied() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("visibility.db");
    let opened = open(&path);
    fill(&opened.store, 10);
    let store = opened.store.emptied().unwrap();
    assert_eq!((count(&store), store.marker().unwrap()), (0, None));
    fill(&store, 3);
    drop(store);
    let opened = open(&path);
    assert!(!opened.rebuilt);
    assert_eq!(count(&opened.store), 3);
    let store = SqliteVisibility::open_in_memory().unwrap();
    fill(&store, 2);
    assert_eq!(count(&store.emptied().unwrap()), 0);
}

#[test]
fn what_is_no_store_is_replaced() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("visibility.db");
    fs::write(
        &path,
        "no database at all, but long enough to be looked at".repeat(100),
    )
    .unwrap();
    let opened = open(&path);
    assert!(opened.rebuilt);
    assert_eq!(opened.store.marker().unwrap(), None);
    fill(&opened.store, 3);
    assert_eq!(count(&opened.store), 3);
}

/// Overwrites these hundredths of the file. The first pages stay, so that it opens.
fn damage(path: &Path, hundredths: Range<usize>) {
    let mut bytes = fs::read(path).unwrap();
    let at = |hundredth| bytes.len() * hundredth / 100;
    let damaged = at(hundredths.start)..at(hundredths.end);
    bytes[damaged].fill(0x5a);
    fs::write(path, bytes).unwrap();
}

#[test]
fn damage_found_later_is_repaired_by_the_next_open() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("visibility.db");
    let opened = open(&path);
    fill(&opened.store, 5000);
    drop(opened);

    damage(&path, 25..100);
    let opened = open(&path);
    if !opened.rebuilt {
        let found = (0..50).find_map(|_| opened.store.list("ns", &Filter::all(), 5000, &[]).err());
        assert!(matches!(found, Some(StoreError::Damaged(_))), "{found:?}");
        drop(opened);
        let opened = open(&path);
        assert!(opened.rebuilt);
        assert_eq!(count(&opened.store), 0);
        drop(opened);
        assert!(!open(&path).rebuilt);
    }
}

/// What a file of the version before lacks is made from all its runs, so damage is met at once.
#[test]
fn a_damaged_file_of_the_version_before_is_replaced() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("visibility.db");
    let opened = open(&path);
    fill(&opened.store, 5000);
    drop(opened);
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute_batch("DROP TABLE workflow_ids; PRAGMA user_version = 2")
        .unwrap();
    damage(&path, 40..60);
    let opened = open(&path);
    assert!(opened.rebuilt);
    fill(&opened.store, 3);
    assert_eq!(count(&opened.store), 3);
}

/// A list that was begun is not disturbed by what is written, and does not wait for it.
#[test]
fn readers_and_the_writer_do_not_wait_for_each_other() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder.path().join("visibility.db")).store;
    fill(&store, 100);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let page = store.list("ns", &Filter::all(), 1000, &[]).unwrap();
                        assert_eq!(page.records.len() % 100, 0, "half a transaction was seen");
                    }
                })
            })
            .collect();
        for hundreds in 2..20 {
            fill(&store, hundreds * 100);
        }
        readers
            .into_iter()
            .for_each(|reader| reader.join().unwrap());
    });
    assert_eq!(count(&store), 1900);
}
