//! The embedded store: one directory on local disk, opened by one process, on the LSM tree of fjall.
//!
//! - One fjall database holds a few keyspaces, each with the [`Table`]s that are used alike. A key is the table (1 byte),
//!   the shard (2 bytes, big endian) and then the key of the row, so that the rows of a table and shard lie together.
//! - A group commit is one fjall batch: written to the journal, synced, and only then visible, even to readers of
//!   the same process.
//! - After a write or a sync failed, nobody knows what is on disk, and asking the file system again may get a lie for
//!   an answer. So the store stops: commits answer `Unknown` and reads fail until the process is started anew.
//! - [`LocalStore::open`] recovers from any crash without help. What only half reached the disk was never
//!   acknowledged and is dropped; a journal that is damaged *before* intact batches is refused, never cut short.
//!
//! # The directory
//! ```text
//! STEADFAST      text: what this is, and the version of its format
//! LOCK           locked while a process has the store open; its existence means nothing
//! primary/       the fjall database
//! ```

mod directory;
mod journal;
mod tables;

pub use directory::OpenError;

use std::collections::HashMap;
use std::fmt::Display;
use std::fs::File;
use std::ops::Bound;
use std::path::Path;
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use fjall::{AbstractTree, Database, OwnedWriteBatch, PersistMode, Readable};
use steadfast_store::{
    Batch, CommitOutcome, Fence, KEY_BYTES_MAX, KeyRange, Order, ShardId, Store, StoreError, Table,
    Write,
};

use crate::tables::Keyspace;

/// How a [`LocalStore`] uses disk and memory. All of it may differ from one start to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whether a commit waits for the disk.
    pub sync: SyncMode,
    /// The bytes of table blocks that are kept in memory for reads. Allocated as it fills.
    pub cache_bytes: u64,
    /// The bytes of rows in memory that are not yet flushed to tables, over all tables; a commit waits for a flush when
    /// there are more. The memory they take is up to twice that, where rows are small.
    pub write_buffer_bytes: u64,
    /// The bytes of sealed journals above which tables are flushed to be rid of them; at least 64 MiB. The journal is
    /// what is replayed at start, so this bounds the time that takes, and the memory that unflushed rows take.
    pub journal_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            sync: SyncMode::Always,
            cache_bytes: 24 << 20,
            write_buffer_bytes: 32 << 20,
            journal_bytes: JOURNAL_BYTES_MIN,
        }
    }
}

/// Whether a commit waits for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncMode {
    /// Every group commit is synced before it is answered. What was acknowledged survives a loss of power.
    Always,
    /// No commit is synced: a crash of the process loses nothing, but a crash of the machine or a loss of power loses
    /// the last seconds of acknowledged commits. For trials and tests.
    NeverAndLoseCommitsWithThePower,
}

/// The least that fjall takes for [`Options::journal_bytes`], and the size of one journal file.
const JOURNAL_BYTES_MIN: u64 = 64 << 20;

/// The threads of fjall that flush and compact. With two, one of them waits for the other by spinning.
const BACKGROUND_THREADS: usize = 1;

/// The open files that fjall keeps. One per table file in use; a table file is 4 MiB.
const OPEN_FILES_MAX: usize = 400;

/// How many sealed write buffers of a table make a commit wait for the flush. fjall waits at 4, in steps of 100 ms.
const SEALED_BUFFERS_MAX: usize = 3;

/// The steps in which a commit waits for a flush.
const FLUSH_POLL: Duration = Duration::from_millis(1);

/// How long a commit waits for a flush before it takes the background thread for dead.
const FLUSH_WAIT_MAX: Duration = Duration::from_secs(120);

/// An embedded [`Store`]. Closed when dropped.
///
/// One commit runs at a time; others, and acquisitions, wait for it. Reads wait for nothing.
pub struct LocalStore {
    database: Database,
    /// At their discriminants.
    keyspaces: Vec<fjall::Keyspace>,
    /// The newest fence of each shard that was ever acquired. Held through each commit, so that acquiring a shard
    /// waits for the last batches of those it deposes.
    fences: Mutex<HashMap<ShardId, Fence>>,
    persist_mode: PersistMode,
    /// See [`Options::write_buffer_bytes`].
    write_buffer_bytes: u64,
    /// The first failure of a write, after which nothing works any more.
    failure: OnceLock<String>,
    /// Dropped last: another process may open the directory from then on.
    _lock: File,
}

impl LocalStore {
    /// Opens the store in `directory`, or makes one if there is no such directory or it is empty. Recovers what was
    /// acknowledged before a crash.
    ///
    /// # Errors
    /// See [`OpenError`]. Nothing is changed in a directory that is foreign, locked or of an unknown version.
    pub fn open(directory: impl AsRef<Path>, options: Options) -> Result<Self, OpenError> {
        let directory = directory.as_ref();
        let lock = directory::claim(directory)?;
        directory::create_primary(directory, |primary| {
            let database = open_database(primary, &options)?;
            open_keyspaces(&database)?;
            database.persist(PersistMode::SyncAll)
        })?;
        let primary = directory.join(directory::PRIMARY);
        journal::repair(&primary)?;
        let database = open_database(&primary, &options).map_err(OpenError::from)?;
        Self::with_database(database, &options, lock)
    }

    fn with_database(database: Database, options: &Options, lock: File) -> Result<Self, OpenError> {
        let keyspaces = open_keyspaces(&database)?;
        let mut fences = HashMap::new();
        for row in keyspaces[FENCE_KEYSPACE as usize].prefix([FENCES]) {
            let (key, value) = row.into_inner()?;
            let (Ok(shard), Ok(fence)) = (key[1..].try_into(), value[..].try_into()) else {
                return Err(OpenError::Damaged("a fence is not 8 bytes".into()));
            };
            fences.insert(
                ShardId(u16::from_be_bytes(shard)),
                Fence(u64::from_be_bytes(fence)),
            );
        }
        let persist_mode = match options.sync {
            // The journal is a preallocated or growing file, and fdatasync includes what is needed to read it back.
            SyncMode::Always => PersistMode::SyncData,
            SyncMode::NeverAndLoseCommitsWithThePower => PersistMode::Buffer,
        };
        Ok(Self {
            database,
            keyspaces,
            fences: Mutex::new(fences),
            persist_mode,
            write_buffer_bytes: options.write_buffer_bytes,
            failure: OnceLock::new(),
            _lock: lock,
        })
    }

    /// The bytes on disk, journals included.
    ///
    /// # Errors
    /// [`StoreError::Poisoned`] after a failed write.
    pub fn disk_bytes(&self) -> Result<u64, StoreError> {
        self.check()?;
        self.database.disk_space().map_err(read_error)
    }

    fn keyspace(&self, table: Table) -> &fjall::Keyspace {
        &self.keyspaces[Keyspace::of(table) as usize]
    }

    /// Fails once a write has failed.
    fn check(&self) -> Result<(), StoreError> {
        match self.failure.get() {
            None => Ok(()),
            Some(reason) => Err(StoreError::Poisoned(reason.clone())),
        }
    }

    /// Stops the store for good. The first reason is kept.
    fn fail(&self, reason: impl Display) -> StoreError {
        let reason = self.failure.get_or_init(|| {
            let reason = reason.to_string();
            tracing::error!(%reason, "a write to the store failed; nothing is acknowledged until it is restarted");
            reason
        });
        StoreError::Poisoned(reason.clone())
    }

    /// Writes and syncs. Whatever fails, fails the store.
    fn write(&self, batch: OwnedWriteBatch) -> Result<(), StoreError> {
        self.check()?;
        self.make_room()?;
        batch
            .durability(Some(self.persist_mode))
            .commit()
            .map_err(|error| self.fail(error))
    }

    /// Seals write buffers that are full, and waits while more rows are in memory than may be.
    ///
    /// fjall can do both, but not well: its thread seals buffers, behind the compactions that are queued, so that a
    /// buffer grows without bound meanwhile; each commit queues the wish once more, and a full queue blocks that
    /// thread for ever. So fjall is given no limit for a buffer, and the limits are kept here.
    fn make_room(&self) -> Result<(), StoreError> {
        let mut waited = Duration::ZERO;
        loop {
            for (keyspace, which) in self.keyspaces.iter().zip(Keyspace::ALL) {
                if which.write_buffer_bytes() <= buffer_bytes(keyspace) {
                    self.seal(keyspace)?;
                }
            }
            let sealed = self
                .keyspaces
                .iter()
                .map(|keyspace| keyspace.sealed_memtable_count());
            let sealed_most = sealed.max().expect("there are keyspaces");
            let is_full = self.write_buffer_bytes <= self.database.write_buffer_size();
            if sealed_most < SEALED_BUFFERS_MAX && !is_full {
                return Ok(());
            }
            if sealed_most == 0 {
                let largest = self
                    .keyspaces
                    .iter()
                    .max_by_key(|keyspace| buffer_bytes(keyspace));
                self.seal(largest.expect("there are keyspaces"))?;
            }
            if FLUSH_WAIT_MAX <= waited {
                return Err(self.fail("rows are not flushed to tables any more"));
            }
            thread::sleep(FLUSH_POLL);
            waited += FLUSH_POLL;
            // Writes nothing; fails if the background thread did, of a full disk for one.
            self.database
                .persist(PersistMode::Buffer)
                .map_err(|error| self.fail(error))?;
        }
    }

    /// Seals the write buffer of a keyspace and has it flushed.
    fn seal(&self, keyspace: &fjall::Keyspace) -> Result<(), StoreError> {
        keyspace
            .rotate_memtable()
            .map(drop)
            .map_err(|error| self.fail(error))
    }
}

/// The bytes of rows in the write buffer that is being filled.
fn buffer_bytes(keyspace: &fjall::Keyspace) -> u64 {
    keyspace.tree.active_memtable().size()
}

impl Store for LocalStore {
    fn acquire(&self, shard: ShardId) -> Result<Fence, StoreError> {
        let mut fences = self
            .fences
            .lock()
            .map_err(|_| self.fail("a thread died in a commit"))?;
        let fence = Fence(fences.get(&shard).map_or(1, |newest| newest.0 + 1));
        let mut batch = self.database.batch();
        batch.insert(
            &self.keyspaces[FENCE_KEYSPACE as usize],
            fence_key(shard),
            fence.0.to_be_bytes(),
        );
        self.write(batch)?;
        fences.insert(shard, fence);
        Ok(fence)
    }

    fn commit(&self, batches: Vec<Batch>) -> Vec<CommitOutcome> {
        let Ok(fences) = self.fences.lock() else {
            self.fail("a thread died in a commit");
            return vec![CommitOutcome::Unknown; batches.len()];
        };
        let write_count = batches.iter().map(|batch| batch.writes.len()).sum();
        let mut group = OwnedWriteBatch::with_capacity(self.database.clone(), write_count);
        let mut key = Vec::with_capacity(PREFIX_BYTES_MAX + KEY_BYTES_MAX);
        let mut outcomes = Vec::with_capacity(batches.len());
        for batch in &batches {
            let is_owner = fences.get(&batch.shard) == Some(&batch.fence);
            if is_owner && is_within_limits(batch) {
                self.add(&mut group, batch, &mut key);
                outcomes.push(CommitOutcome::Ok);
            } else {
                outcomes.push(CommitOutcome::Rejected);
            }
        }
        let written = if group.is_empty() {
            self.check()
        } else {
            self.write(group)
        };
        if written.is_err() {
            for outcome in outcomes
                .iter_mut()
                .filter(|outcome| **outcome == CommitOutcome::Ok)
            {
                *outcome = CommitOutcome::Unknown;
            }
        }
        assert_eq!(outcomes.len(), batches.len());
        outcomes
    }

    fn get(&self, shard: ShardId, table: Table, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.check()?;
        // A value may be a slice of a whole block: copied, so that it does not keep the block in memory.
        let value = self
            .keyspace(table)
            .get(stored_key(table, shard, key))
            .map_err(read_error)?;
        Ok(value.map(|value| Bytes::copy_from_slice(&value)))
    }

    fn scan(
        &self,
        shard: ShardId,
        table: Table,
        range: KeyRange<'_>,
        limit: usize,
        order: Order,
    ) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        self.check()?;
        let Some(range) = stored_range(table, shard, range) else {
            return Ok(Vec::new());
        };
        // Without a snapshot, the batch that is being applied right now would be seen in part.
        let rows = self.database.snapshot().range(self.keyspace(table), range);
        let prefix_bytes = prefix_bytes(table);
        let copy = |row: fjall::Guard| {
            let (key, value) = row.into_inner().map_err(read_error)?;
            Ok((
                Bytes::copy_from_slice(&key[prefix_bytes..]),
                Bytes::copy_from_slice(&value),
            ))
        };
        match order {
            Order::Forward => rows.take(limit).map(copy).collect(),
            Order::Reverse => rows.rev().take(limit).map(copy).collect(),
        }
    }
}

impl LocalStore {
    /// Adds the changes of a batch. `key` is where keys are put together.
    fn add(&self, group: &mut OwnedWriteBatch, batch: &Batch, key: &mut Vec<u8>) {
        for write in &batch.writes {
            let table = write.table();
            let keyspace = self.keyspace(table);
            write_key(key, table, batch.shard, write.key());
            match write {
                Write::Put { value, .. } => group.insert(keyspace, &key[..], &value[..]),
                Write::Delete { .. } => group.remove(keyspace, &key[..]),
            }
        }
    }
}

fn open_database(primary: &Path, options: &Options) -> fjall::Result<Database> {
    Database::builder(primary)
        .cache_size(options.cache_bytes)
        .max_journaling_size(options.journal_bytes.max(JOURNAL_BYTES_MIN))
        // A compressed value is compressed once more to check it when the journal is replayed.
        .journal_compression(fjall::CompressionType::None)
        .manual_journal_persist(true)
        .worker_threads(BACKGROUND_THREADS)
        .max_cached_files(Some(OPEN_FILES_MAX))
        .open()
}

fn is_within_limits(batch: &Batch) -> bool {
    let is_within = batch.writes.iter().all(Write::is_within_limits);
    if !is_within {
        tracing::error!(
            shard = batch.shard.0,
            "a batch was rejected: a key or a value is too long"
        );
    }
    is_within
}

/// What stands for a table in the keys of the fences, whose rows have shards and newest fences (8 bytes, big endian).
const FENCES: u8 = u8::MAX;

/// Where the fences are.
const FENCE_KEYSPACE: Keyspace = Keyspace::Points;

/// The bytes before the key of each row: the table, if its keyspace has others too, and the shard.
const PREFIX_BYTES_MAX: usize = 3;

fn prefix_bytes(table: Table) -> usize {
    PREFIX_BYTES_MAX - usize::from(!Keyspace::of(table).is_shared())
}

fn open_keyspaces(database: &Database) -> fjall::Result<Vec<fjall::Keyspace>> {
    let open = |keyspace: Keyspace| database.keyspace(keyspace.name(), || keyspace.tuning());
    Keyspace::ALL.into_iter().map(open).collect()
}

fn fence_key(shard: ShardId) -> Vec<u8> {
    [&[FENCES], &shard.0.to_be_bytes()[..]].concat()
}

fn stored_key(table: Table, shard: ShardId, key: &[u8]) -> Vec<u8> {
    let mut stored = Vec::with_capacity(PREFIX_BYTES_MAX + key.len());
    write_key(&mut stored, table, shard, key);
    stored
}

fn write_key(stored: &mut Vec<u8>, table: Table, shard: ShardId, key: &[u8]) {
    stored.clear();
    if Keyspace::of(table).is_shared() {
        stored.push(table as u8);
    }
    stored.extend_from_slice(&shard.0.to_be_bytes());
    stored.extend_from_slice(key);
}

/// A range of keys as fjall has them.
type StoredRange = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// A range of a table and shard as a range of its keyspace; `None` if no key can be in it.
fn stored_range(table: Table, shard: ShardId, (start, end): KeyRange<'_>) -> Option<StoredRange> {
    let is_empty = match (start, end) {
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
        (Bound::Included(start), Bound::Included(end)) => end < start,
        (
            Bound::Included(start) | Bound::Excluded(start),
            Bound::Included(end) | Bound::Excluded(end),
        ) => end <= start,
    };
    if is_empty {
        return None;
    }
    let stored = |key: &[u8]| stored_key(table, shard, key);
    let start = match start {
        Bound::Unbounded => Bound::Included(stored(b"")),
        start => start.map(stored),
    };
    let end = match (end, shard.0.checked_add(1)) {
        (Bound::Unbounded, Some(next)) => Bound::Excluded(stored_key(table, ShardId(next), b"")),
        (Bound::Unbounded, None) if Keyspace::of(table).is_shared() => {
            Bound::Excluded(vec![table as u8 + 1])
        }
        (Bound::Unbounded, None) => Bound::Unbounded,
        (end, _) => end.map(stored),
    };
    Some((start, end))
}

fn read_error(error: fjall::Error) -> StoreError {
    match error {
        fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error)) => {
            StoreError::Unavailable(error.to_string())
        }
        fjall::Error::Poisoned => StoreError::Poisoned("the background thread failed".into()),
        other => StoreError::Corrupt(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_in_memory_are_bounded_however_fast_they_come() {
        const BUFFER_BYTES: u64 = 3 << 20;
        const BATCH_BYTES: usize = 100_000;
        let directory = tempfile::tempdir().unwrap();
        let options = Options {
            write_buffer_bytes: BUFFER_BYTES,
            ..Options::default()
        };
        let store = LocalStore::open(directory.path(), options).unwrap();
        let shard = ShardId(1);
        let fence = store.acquire(shard).unwrap();
        for number in 0..200u8 {
            let mut batch = Batch::new(shard, fence);
            let table = Table::ALL[usize::from(number) % Table::ALL.len()];
            batch.put(table, vec![number], vec![number; BATCH_BYTES]);
            assert_eq!(store.commit(vec![batch]), [CommitOutcome::Ok]);
            assert!(store.database.write_buffer_size() < BUFFER_BYTES + 2 * BATCH_BYTES as u64);
        }
        for number in 0..200u8 {
            let table = Table::ALL[usize::from(number) % Table::ALL.len()];
            let value = store.get(shard, table, &[number]).unwrap();
            assert_eq!(value, Some(vec![number; BATCH_BYTES].into()));
        }
    }
}
