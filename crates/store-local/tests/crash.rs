//! Processes that die, or cannot write, in the middle of commits.
//!
//! The test binary starts itself again as the process that suffers; that one commits and reports what was
//! acknowledged on its standard output.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use steadfast_store::{
    ALL_KEYS, Batch, CommitOutcome, Fence, Order, ShardId, Store, StoreError, Table,
};
use steadfast_store_local::{LocalStore, Options};

/// Set for the process that suffers: its directory.
const DIRECTORY: &str = "STEADFAST_TEST_DIRECTORY";

const SHARDS: [ShardId; 3] = [ShardId(0), ShardId(9), ShardId(0xffff)];

/// The rows of one batch, so that half a batch would be noticed.
const TABLES: [Table; 4] = [
    Table::Runs,
    Table::History,
    Table::Timers,
    Table::VisibilityQueue,
];

fn open(directory: &Path) -> LocalStore {
    LocalStore::open(directory, Options::default()).unwrap()
}

/// Every batch of a group writes one row to each of `TABLES`, and deletes what the group before it wrote to `Outbox`.
fn group(fences: &[Fence], number: u64) -> Vec<Batch> {
    let batches = SHARDS.iter().zip(fences).map(|(&shard, &fence)| {
        let mut batch = Batch::new(shard, fence);
        for table in TABLES {
            batch.put(table, number.to_be_bytes().to_vec(), value(number));
        }
        batch.put(Table::Outbox, number.to_be_bytes().to_vec(), "message");
        batch.delete(Table::Outbox, number.wrapping_sub(1).to_be_bytes().to_vec());
        batch
    });
    batches.collect()
}

/// Sizes from a few bytes to beyond all buffers between us and the disk.
fn value(number: u64) -> Bytes {
    let length = [10, 700, 5_000, 40_000][number as usize % 4];
    vec![number as u8; length].into()
}

/// Checks that what is there are whole groups, from the first to some last one. Returns their number.
fn check(store: &LocalStore) -> u64 {
    let scan = |shard, table| {
        store
            .scan(shard, table, ALL_KEYS, usize::MAX, Order::Forward)
            .unwrap()
    };
    let count = scan(SHARDS[0], TABLES[0]).len() as u64;
    for shard in SHARDS {
        for table in TABLES {
            let rows = scan(shard, table);
            assert_eq!(
                rows.len() as u64,
                count,
                "half a group: shard {shard}, {table:?}"
            );
            for (number, (key, stored)) in rows.into_iter().enumerate() {
                let number = number as u64;
                assert_eq!(key[..], number.to_be_bytes());
                assert!(
                    stored == value(number),
                    "the value of {number} is not what was written"
                );
            }
        }
        let messages: Vec<Bytes> = scan(shard, Table::Outbox)
            .into_iter()
            .map(|(key, _)| key)
            .collect();
        let last: Vec<Bytes> = count
            .checked_sub(1)
            .iter()
            .map(|last| last.to_be_bytes().to_vec().into())
            .collect();
        assert_eq!(messages, last, "a deletion is missing: shard {shard}");
    }
    count
}

/// Starts this binary again, to run one of its tests as the process that suffers, by way of a shell command.
fn start(shell: &str, test: &str, directory: &Path) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", shell, "sh"])
        .arg(env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped());
    command
}

/// The directory, in the process that suffers. Elsewhere there is nothing to do.
fn suffering() -> Option<PathBuf> {
    env::var_os(DIRECTORY).map(PathBuf::from)
}

fn report(line: &str) {
    println!("{line}");
    std::io::stdout().flush().unwrap();
}

#[test]
fn child_commits_until_it_is_killed() {
    let Some(directory) = suffering() else { return };
    let store = open(&directory);
    let first = check(&store);
    let fences = SHARDS.map(|shard| store.acquire(shard).unwrap());
    for number in first.. {
        assert_eq!(store.commit(group(&fences, number)), [CommitOutcome::Ok; 3]);
        report(&format!("acknowledged {number}"));
    }
}

#[test]
fn what_was_acknowledged_survives_sigkill() {
    const KILLS: u64 = 10;
    let directory = tempfile::tempdir().unwrap();
    let mut total = 0;
    for kill in 0..KILLS {
        let mut child = start(
            "exec \"$@\"",
            "child_commits_until_it_is_killed",
            directory.path(),
        )
        .spawn()
        .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        // Killed some time after the first acknowledgement, in the middle of whatever comes then.
        let mut acknowledged = output.lines().map_while(Result::ok).filter_map(|line| {
            line.strip_prefix("acknowledged ")
                .map(|number| number.parse::<u64>().unwrap())
        });
        let first = acknowledged.next().expect("the child commits");
        thread::sleep(Duration::from_micros(kill * kill * 1_777));
        child.kill().unwrap();
        let last = acknowledged.last().unwrap_or(first);
        child.wait().unwrap();

        assert!(
            total <= first,
            "the child went on from where the last one was"
        );
        total = check(&open(directory.path()));
        assert!(
            last < total,
            "{last} was acknowledged, but only {total} are there"
        );
        assert!(
            total <= last + 2,
            "{total} are there, but {last} was the last of one commit at a time"
        );
    }
    assert!(KILLS <= total);
}

#[test]
fn child_commits_until_the_disk_is_full() {
    let Some(directory) = suffering() else { return };
    let store = open(&directory);
    let first = check(&store);
    let fences = SHARDS.map(|shard| store.acquire(shard).unwrap());
    let failed = (first..).find(|&number| {
        let outcomes = store.commit(group(&fences, number));
        if outcomes == [CommitOutcome::Ok; 3] {
            report(&format!("acknowledged {number}"));
            return false;
        }
        assert_eq!(outcomes, [CommitOutcome::Unknown; 3]);
        true
    });
    for _ in 0..3 {
        let stale = Batch::new(SHARDS[0], Fence(0));
        let empty = Batch::new(SHARDS[0], fences[0]);
        assert_eq!(
            store.commit(vec![stale, empty]),
            [CommitOutcome::Rejected, CommitOutcome::Unknown]
        );
        assert_eq!(
            store.commit(group(&fences, failed.unwrap())),
            [CommitOutcome::Unknown; 3]
        );
        assert!(matches!(
            store.get(SHARDS[0], Table::Runs, b""),
            Err(StoreError::Poisoned(_))
        ));
        assert!(matches!(
            store.scan(SHARDS[0], Table::Runs, ALL_KEYS, 1, Order::Forward),
            Err(StoreError::Poisoned(_))
        ));
        assert!(matches!(
            store.acquire(SHARDS[0]),
            Err(StoreError::Poisoned(_))
        ));
    }
    report("stopped");
}

#[test]
fn after_a_failed_write_nothing_is_acknowledged_until_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    // Opened twice, because the journal of a new store has its full length from the start.
    drop(open(directory.path()));
    drop(open(directory.path()));
    // Files may not grow beyond 4,096 blocks, of 512 or 1,024 bytes; the error is EFBIG instead of ENOSPC.
    let shell = "trap '' XFSZ; ulimit -f 4096; exec \"$@\"";
    let output = start(
        shell,
        "child_commits_until_the_disk_is_full",
        directory.path(),
    )
    .output()
    .unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    assert!(output.contains("stopped"), "{output}");
    let acknowledged = output
        .lines()
        .filter(|line| line.starts_with("acknowledged "))
        .count() as u64;
    assert!(1 <= acknowledged);

    let store = open(directory.path());
    let count = check(&store);
    assert!(
        (acknowledged..=acknowledged + 1).contains(&count),
        "{acknowledged} acknowledged, {count} are there"
    );
    let fences = SHARDS.map(|shard| store.acquire(shard).unwrap());
    assert_eq!(store.commit(group(&fences, count)), [CommitOutcome::Ok; 3]);
}
