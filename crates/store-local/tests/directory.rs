//! Whose directory it is, who has it open, and what a crash may leave in it.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use steadfast_store::{ALL_KEYS, Batch, CommitOutcome, Order, ShardId, Store, Table};
use steadfast_store_local::{LocalStore, OpenError, Options};
use tempfile::TempDir;

const SHARD: ShardId = ShardId(3);

fn open(directory: &Path) -> Result<LocalStore, OpenError> {
    LocalStore::open(directory, Options::default())
}

fn open_error(directory: &Path) -> OpenError {
    match open(directory) {
        Ok(_) => panic!("the store opened"),
        Err(error) => {
            assert_eq!(error.to_string().lines().count(), 1, "{error}");
            error
        }
    }
}

/// A closed store with the rows 0 to `rows`, each of its own commit, each of 10,000 bytes.
fn filled(rows: u8) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).unwrap();
    let fence = store.acquire(SHARD).unwrap();
    for row in 0..rows {
        let mut batch = Batch::new(SHARD, fence);
        batch.put(Table::Runs, vec![row], vec![row | 0x80; 10_000]);
        assert_eq!(store.commit(vec![batch]), [CommitOutcome::Ok]);
    }
    directory
}

/// The keys that the store has, after checking the values.
fn rows(store: &LocalStore) -> Vec<u8> {
    let rows = store
        .scan(SHARD, Table::Runs, ALL_KEYS, 1_000, Order::Forward)
        .unwrap();
    for (key, value) in &rows {
        assert_eq!(value, &vec![key[0] | 0x80; 10_000]);
    }
    rows.iter().map(|(key, _)| key[0]).collect()
}

fn journal(directory: &Path) -> PathBuf {
    directory.join("primary/0.jnl")
}

/// The place of the value of a row in the journal.
fn value_offset(directory: &Path, row: u8) -> u64 {
    let journal = fs::read(journal(directory)).unwrap();
    let value = [row | 0x80; 10_000];
    journal
        .windows(value.len())
        .position(|window| window == value)
        .unwrap() as u64
}

fn overwrite(path: &Path, offset: u64, bytes: &[u8]) {
    File::options()
        .write(true)
        .open(path)
        .unwrap()
        .write_all_at(bytes, offset)
        .unwrap();
}

#[test]
fn a_second_open_is_told_that_the_store_is_in_use() {
    let directory = filled(1);
    let store = open(directory.path()).unwrap();
    assert!(matches!(open_error(directory.path()), OpenError::Locked(_)));
    drop(store);
    assert_eq!(rows(&open(directory.path()).unwrap()), [0]);
}

#[test]
fn a_directory_that_does_not_exist_is_made() {
    let directory = tempfile::tempdir().unwrap();
    assert!(open(&directory.path().join("deep/er")).is_ok());
}

#[test]
fn the_root_of_a_fresh_volume_is_empty_enough() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("lost+found")).unwrap();
    assert!(open(directory.path()).is_ok());
}

#[test]
fn a_foreign_directory_is_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("thesis.tex"), "irreplaceable").unwrap();
    assert!(matches!(
        open_error(directory.path()),
        OpenError::Foreign(_)
    ));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn a_file_is_no_directory() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("temporal.sqlite");
    fs::write(&file, "irreplaceable").unwrap();
    assert!(matches!(open_error(&file), OpenError::NoDirectory(_)));
    assert_eq!(fs::read(&file).unwrap(), b"irreplaceable");
}

#[test]
fn a_marker_that_is_not_ours_makes_a_directory_foreign() {
    for marker in [
        &b""[..],
        b"Steadfast store\n",
        b"Steadfast store\nformat one\n",
        b"other\nformat 1\n",
        b"\xff",
    ] {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("STEADFAST"), marker).unwrap();
        assert!(
            matches!(open_error(directory.path()), OpenError::Foreign(_)),
            "{marker:?}"
        );
    }
}

#[test]
fn an_older_or_newer_format_is_named_with_what_is_supported() {
    for other in [1, 2, 4] {
        let directory = filled(1);
        let marker = directory.path().join("STEADFAST");
        fs::write(marker, format!("Steadfast store\nformat {other}\n")).unwrap();
        let error = open_error(directory.path());
        let OpenError::UnsupportedVersion { found, supported } = error else {
            panic!("{error}");
        };
        assert_eq!((found, supported), (other, 3));
    }
}

#[test]
fn a_first_start_may_crash_at_any_step() {
    // As it is after: taking the lock; writing the marker in part; the marker; making the database in part.
    for steps in 1..=4 {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::write(path("LOCK"), "").unwrap();
        if steps == 2 {
            fs::write(path("STEADFAST.new"), "Stead").unwrap();
        }
        if 3 <= steps {
            fs::write(path("STEADFAST"), "Steadfast store\nformat 3\n").unwrap();
        }
        if steps == 4 {
            fs::create_dir(path("primary.new")).unwrap();
            fs::write(path("primary.new/0.jnl"), "").unwrap();
        }
        assert_eq!(
            rows(&open(directory.path()).unwrap()),
            [],
            "after step {steps}"
        );
    }
}

#[test]
fn a_journal_cut_anywhere_in_its_last_batch_loses_that_batch_only() {
    let whole = filled(3);
    let start = value_offset(whole.path(), 2);
    for cut in [
        start - 36,
        start - 30,
        start - 10,
        start,
        start + 1,
        start + 5_000,
        start + 10_000,
        start + 10_010,
    ] {
        let directory = filled(3);
        File::options()
            .write(true)
            .open(journal(directory.path()))
            .unwrap()
            .set_len(cut)
            .unwrap();
        let store = open(directory.path()).unwrap();
        assert_eq!(rows(&store), [0, 1], "cut at {cut}");
        assert!(store.acquire(SHARD).is_ok());
        drop(store);
        assert_eq!(
            rows(&open(directory.path()).unwrap()),
            [0, 1],
            "opened once more"
        );
    }
}

#[test]
fn a_last_batch_with_a_hole_in_it_is_dropped() {
    let directory = filled(3);
    let hole = value_offset(directory.path(), 2) + 3_000;
    overwrite(&journal(directory.path()), hole, &[0; 4_096]);
    assert_eq!(rows(&open(directory.path()).unwrap()), [0, 1]);
}

#[test]
fn rubbish_after_the_last_batch_is_dropped() {
    let directory = filled(3);
    let end = value_offset(directory.path(), 2) + 10_000 + 13;
    for byte in [1, 2, 3, 4, 0xff] {
        overwrite(&journal(directory.path()), end, &[byte; 700]);
        assert_eq!(
            rows(&open(directory.path()).unwrap()),
            [0, 1, 2],
            "rubbish of {byte}"
        );
    }
}

#[test]
fn damage_before_intact_batches_is_refused_and_nothing_is_cut_off() {
    for offset in [-40, -20, 0, 5_000, 10_000] {
        let directory = filled(3);
        let journal = journal(directory.path());
        let place = value_offset(directory.path(), 1)
            .checked_add_signed(offset)
            .unwrap();
        let before = fs::read(&journal).unwrap();
        overwrite(&journal, place, &[before[place as usize] ^ 0x40]);
        let error = open_error(directory.path());
        assert!(matches!(error, OpenError::Damaged(_)), "{error}");
        overwrite(&journal, place, &[before[place as usize]]);
        assert_eq!(
            rows(&open(directory.path()).unwrap()),
            [0, 1, 2],
            "repaired by hand"
        );
    }
}
