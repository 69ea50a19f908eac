//! Parts of workflow ids and of keywords: many runs come and go, and the store must find what the one in memory does.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::Path;

use rusqlite::Connection;
use steadfast_visibility::{
    Attribute, Change, Filter, MemoryVisibility, Predicate, Record, SearchAttributeType,
    SystemField, Value, VisibilityStore,
};
use steadfast_visibility_sqlite::SqliteVisibility;
use tempfile::TempDir;

/// A small generator of numbers (xorshift), so that a failure comes again.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }
}

/// A few letters, so that the parts are often there; some of several bytes, and one that ends strings elsewhere.
const LETTERS: [char; 8] = ['a', 'b', 'c', 'A', 'ö', '\u{10ffff}', '\0', '-'];
const NAMESPACES: [&str; 2] = ["one", "two"];

fn word(random: &mut Random, longest: usize) -> String {
    let length = random.below(longest + 1);
    (0..length)
        .map(|_| LETTERS[random.below(LETTERS.len())])
        .collect()
}

fn run(random: &mut Random, number: i64) -> Record {
    Record {
        // The second has so few that its parts are looked for otherwise.
        namespace_id: NAMESPACES[usize::from(random.below(20) == 0)].to_owned(),
        run_id: format!("run-{number}"),
        workflow_id: word(random, 12),
        status: 1,
        start_time: number * 1000,
        search_attributes: vec![("K".to_owned(), Value::Keyword(word(random, 3)))],
        ..Record::default()
    }
}

fn with(attribute: Attribute, part: &str) -> Filter {
    Filter::Test(attribute, Predicate::Contains(part.to_owned()))
}

fn keyword() -> Attribute {
    Attribute::Named("K".to_owned(), SearchAttributeType::Keyword)
}

fn compare(random: &mut Random, model: &MemoryVisibility, store: &SqliteVisibility) {
    for _ in 0..8 {
        let mut some = || match random.below(3) {
            0 => with(keyword(), &word(random, 2)),
            _ => with(Attribute::System(SystemField::WorkflowId), &word(random, 4)),
        };
        let filters = [
            some(),
            Filter::Or(vec![some(), some()]),
            Filter::And(vec![some(), some()]),
            Filter::Not(Box::new(some())),
        ];
        for (filter, namespace) in filters
            .iter()
            .flat_map(|filter| NAMESPACES.map(|namespace| (filter, namespace)))
        {
            let expected = model.list(namespace, filter, 100, &[]).unwrap();
            let found = store.list(namespace, filter, 100, &[]).unwrap();
            assert_eq!(found, expected, "{filter:?}");
            let expected = model.count(namespace, filter, None).unwrap();
            let found = store.count(namespace, filter, None).unwrap();
            assert_eq!(found, expected, "{filter:?}");
        }
    }
}

/// The blocks and the bytes in them.
fn blocks(path: &Path) -> (i64, i64) {
    let connection = Connection::open(path).unwrap();
    let sql = "SELECT count(*), coalesce(sum(length(ids)), 0) FROM workflow_ids";
    connection
        .query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
}

fn open(path: &Path) -> SqliteVisibility {
    SqliteVisibility::open(Some(path)).unwrap().store
}

#[test]
fn are_found_whatever_came_and_went() {
    for seed in 1_u64..=3 {
        let random = &mut Random(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("visibility.db");
        let model = MemoryVisibility::new();
        let mut store = open(&path);
        let mut runs: Vec<Record> = Vec::new();
        let mut last = 0;
        for _ in 0..25 {
            let mut changes = Vec::new();
            for _ in 0..random.below(4) {
                let some = random.below(600);
                match random.below(5) {
                    // The newest go, so that their numbers are given again.
                    0 => {
                        let gone = runs.split_off(runs.len().saturating_sub(some));
                        changes.extend(gone.iter().map(deleted));
                    }
                    // The oldest go, but for a few.
                    1 => {
                        let some = some.min(runs.len());
                        let (stay, gone) = runs
                            .drain(..some)
                            .partition::<Vec<_>, _>(|_| random.below(100) == 0);
                        changes.extend(gone.iter().map(deleted));
                        runs.splice(0..0, stay);
                    }
                    // Some are other runs now.
                    2 if !runs.is_empty() => {
                        for _ in 0..some / 20 {
                            let changed = random.below(runs.len());
                            let mut record = runs.remove(changed);
                            if random.below(2) == 0 {
                                record.workflow_id = word(random, 12);
                            }
                            record.search_attributes = run(random, 0).search_attributes;
                            changes.push(Change::Upsert(record.clone()));
                            runs.push(record);
                        }
                    }
                    _ => {
                        for _ in 0..some {
                            last += 1;
                            let record = run(random, last);
                            changes.push(Change::Upsert(record.clone()));
                            runs.push(record);
                        }
                    }
                }
            }
            model.apply(&changes, None).unwrap();
            store.apply(&changes, None).unwrap();
            if random.below(4) == 0 {
                drop(store);
                store = open(&path);
            }
            compare(random, &model, &store);
        }
    }
}

fn deleted(record: &Record) -> Change {
    Change::Delete {
        namespace_id: record.namespace_id.clone(),
        run_id: record.run_id.clone(),
    }
}

/// A transaction that fails leaves all as it was, and the next is right.
#[test]
fn are_found_after_a_failure() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("visibility.db");
    let (model, store) = (MemoryVisibility::new(), open(&path));
    let random = &mut Random(7);
    let runs: Vec<_> = (1..1500).map(|number| run(random, number)).collect();
    let other = Connection::open(&path).unwrap();
    other
        .execute_batch(
            "CREATE TRIGGER full BEFORE INSERT ON workflow_ids BEGIN SELECT raise(ABORT, 'full'); END",
        )
        .unwrap();
    let changes: Vec<_> = runs.into_iter().map(Change::Upsert).collect();
    store.apply(&changes, None).unwrap_err();
    compare(random, &model, &store);
    other.execute_batch("DROP TRIGGER full").unwrap();
    store.apply(&changes, None).unwrap();
    model.apply(&changes, None).unwrap();
    assert_eq!(blocks(&path).0, 2);
    compare(random, &model, &store);
}

/// A file of the version before has no blocks.
#[test]
fn are_found_in_an_older_file() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("visibility.db");
    let (model, store) = (MemoryVisibility::new(), open(&path));
    let random = &mut Random(11);
    let changes = (1..2000).map(|number| Change::Upsert(run(random, number)));
    let changes: Vec<_> = changes.collect();
    store.apply(&changes, None).unwrap();
    model.apply(&changes, None).unwrap();
    let before = blocks(&path);
    drop(store);
    Connection::open(&path)
        .unwrap()
        .execute_batch("DROP TABLE workflow_ids; PRAGMA user_version = 2")
        .unwrap();
    let opened = SqliteVisibility::open(Some(&path)).unwrap();
    assert!(!opened.rebuilt);
    assert_eq!(blocks(&path), before);
    compare(random, &model, &opened.store);
}

/// What is deleted does not stay in the file for ever.
#[test]
fn of_deleted_runs_go() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("visibility.db");
    let store = open(&path);
    let random = &mut Random(13);
    let runs: Vec<_> = (1..=4095).map(|number| run(random, number)).collect();
    let changes: Vec<_> = runs.iter().cloned().map(Change::Upsert).collect();
    store.apply(&changes, None).unwrap();
    let (count, bytes) = blocks(&path);
    assert_eq!(count, 7);

    // One of 500 stays: no block is empty.
    let (stay, go): (Vec<_>, Vec<_>) = runs.iter().partition(|run| run.start_time % 500_000 == 0);
    store
        .apply(&go.into_iter().map(deleted).collect::<Vec<_>>(), None)
        .unwrap();
    let (left, left_bytes) = blocks(&path);
    assert_eq!(left, 7);
    assert!(left_bytes < bytes / 2, "{left_bytes} of {bytes}");
    store
        .apply(&stay.into_iter().map(deleted).collect::<Vec<_>>(), None)
        .unwrap();
    assert_eq!(blocks(&path), (0, 0));
}

/// More values than are gone through one by one.
#[test]
fn are_found_among_very_many_values() {
    let store = SqliteVisibility::open_in_memory().unwrap();
    let run = |number: i64| {
        Change::Upsert(Record {
            namespace_id: "one".to_owned(),
            run_id: format!("run-{number}"),
            search_attributes: vec![("K".to_owned(), Value::Keyword(format!("{number:05}")))],
            ..Record::default()
        })
    };
    store
        .apply(&(0..20_500).map(run).collect::<Vec<_>>(), None)
        .unwrap();
    for (part, runs) in [
        ("0000", 12),
        ("2049", 12),
        ("19999", 1),
        ("20000", 1),
        ("20499", 1),
        ("20500", 0),
    ] {
        let count = store.count("one", &with(keyword(), part), None).unwrap();
        assert_eq!(count.total, runs, "{part}");
    }
}
