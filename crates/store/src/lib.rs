//! The store: ordered keys per shard, and one atomic, fenced write.
//!
//! This is all that Steadfast asks of a database, so that an embedded one, a relational one and a partitioned one
//! can each give it. A shard is owned by the holder of its newest [`Fence`]; whoever holds an older one may still
//! read, but can write no more.
//!
//! - [`Store`]: the trait every backend implements, and [`Batch`], what it commits.
//! - [`MemoryStore`]: the reference: small, obviously right, lost with the process.
//! - [`ObservedStore`]: the same, looked at while it is written to.
//! - [`conformance`]: the suite that every backend must pass, the reference included.
//!
//! # What is absent, by design
//! No transaction that reads, no compare-and-set but the fence, no retries: only the owner of a shard can decide what
//! an ambiguous answer means. Nothing here is asynchronous: a commit is called from a thread made for it, and reads
//! are short. Nothing here knows what a workflow is.

pub mod conformance;
mod memory;
mod observed;

pub use memory::{MemoryStore, Snapshot};
pub use observed::ObservedStore;

use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

/// The longest key, in bytes. PostgreSQL refuses index entries above 2,704 bytes; this leaves room for its columns.
pub const KEY_BYTES_MAX: usize = 2_560;

/// The longest value, in bytes (16 MiB).
pub const VALUE_BYTES_MAX: usize = 16 << 20;

/// A shard: the unit of ownership, of fencing, and of key order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub u16);

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The right to write a shard, as a number that grows with each [`Store::acquire`] of it. The first one is 1, so
/// `Fence(0)` is never valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fence(pub u64);

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A set of ordered keys, kept apart for each shard. A backend may tune each one for the way it is used; it gives the
/// bytes no meaning.
///
/// The discriminants are part of stored formats: never renumber, never reuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Table {
    /// Metadata of the node and of the format of its records. A handful of rows.
    Node = 0,
    /// Namespace records. Few, read at start, seldom written.
    Namespaces = 1,
    /// The latest run of each workflow id. Point reads, overwritten by each new run.
    Current = 2,
    /// The head record of a run, and one row for each of its pending items (activity, timer, child, signal, update,
    /// callback). Point reads and short prefix scans; overwritten at each transition. The hottest table.
    Runs = 3,
    /// Blocks of history events, in order, per run. Appended, read in ranges, never overwritten. The largest table.
    History = 4,
    /// Task queue rows: the backlog beyond what matching holds in memory. Short-lived, read in ranges.
    Tasks = 5,
    /// Messages to other executions that are not delivered yet. Short-lived, read in ranges.
    Outbox = 6,
    /// Wake-ups, ordered by due time. Read in ranges from the front, deleted when fired.
    Timers = 7,
    /// Runs whose visibility record has yet to be projected. Short-lived, read in ranges.
    VisibilityQueue = 8,
}

impl Table {
    /// Every table, in the order of the discriminants.
    pub const ALL: [Table; 9] = [
        Table::Node,
        Table::Namespaces,
        Table::Current,
        Table::Runs,
        Table::History,
        Table::Tasks,
        Table::Outbox,
        Table::Timers,
        Table::VisibilityQueue,
    ];

    /// The name a backend stores the table under: lower case, `_` between words. Part of stored formats.
    pub const fn name(self) -> &'static str {
        match self {
            Table::Node => "node",
            Table::Namespaces => "namespaces",
            Table::Current => "current",
            Table::Runs => "runs",
            Table::History => "history",
            Table::Tasks => "tasks",
            Table::Outbox => "outbox",
            Table::Timers => "timers",
            Table::VisibilityQueue => "visibility_queue",
        }
    }
}

/// One change of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Inserts the row, or replaces its value.
    Put {
        /// The table of the row.
        table: Table,
        /// The key: 0 to [`KEY_BYTES_MAX`] bytes.
        key: Bytes,
        /// The value: 0 to [`VALUE_BYTES_MAX`] bytes.
        value: Bytes,
    },
    /// Removes the row. Nothing happens if there is none.
    Delete {
        /// The table of the row.
        table: Table,
        /// The key: 0 to [`KEY_BYTES_MAX`] bytes.
        key: Bytes,
    },
}

impl Write {
    /// The table that is changed.
    pub fn table(&self) -> Table {
        match self {
            Write::Put { table, .. } | Write::Delete { table, .. } => *table,
        }
    }

    /// The key that is changed.
    pub fn key(&self) -> &Bytes {
        match self {
            Write::Put { key, .. } | Write::Delete { key, .. } => key,
        }
    }

    /// The bytes of key and value together.
    pub fn size_bytes(&self) -> usize {
        match self {
            Write::Put { key, value, .. } => key.len() + value.len(),
            Write::Delete { key, .. } => key.len(),
        }
    }

    /// Whether key and value keep to [`KEY_BYTES_MAX`] and [`VALUE_BYTES_MAX`].
    pub fn is_within_limits(&self) -> bool {
        match self {
            Write::Put { key, value, .. } => {
                key.len() <= KEY_BYTES_MAX && value.len() <= VALUE_BYTES_MAX
            }
            Write::Delete { key, .. } => key.len() <= KEY_BYTES_MAX,
        }
    }
}

/// Changes of one shard that become durable together, or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The shard that is changed.
    pub shard: ShardId,
    /// The fence it is changed under.
    pub fence: Fence,
    /// The changes, applied in order: of two changes of one row the later one stays.
    pub writes: Vec<Write>,
}

impl Batch {
    /// A batch without changes.
    pub fn new(shard: ShardId, fence: Fence) -> Self {
        Self {
            shard,
            fence,
            writes: Vec::new(),
        }
    }

    /// Adds [`Write::Put`].
    pub fn put(&mut self, table: Table, key: impl Into<Bytes>, value: impl Into<Bytes>) {
        self.writes.push(Write::Put {
            table,
            key: key.into(),
            value: value.into(),
        });
    }

    /// Adds [`Write::Delete`].
    pub fn delete(&mut self, table: Table, key: impl Into<Bytes>) {
        self.writes.push(Write::Delete {
            table,
            key: key.into(),
        });
    }

    /// The bytes of all keys and values together.
    pub fn size_bytes(&self) -> usize {
        self.writes.iter().map(Write::size_bytes).sum()
    }
}

/// What became of a batch. The three cases ask three different things of the owner of the shard, so none of them is
/// an `Err` that could be handled in passing.
#[must_use = "a batch whose outcome is not looked at must not be acted upon"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitOutcome {
    /// Durable, whole, and visible to every later read. The owner may speak.
    Ok,
    /// Nothing was written, nor ever will be. Final: the fence is stale, so another owner has the shard. (Also the
    /// answer to a batch with a key or value beyond the limits, which the backend logs as an error.)
    Rejected,
    /// May be durable, whole, now or later; or not at all. The owner must forget what it holds in memory, acquire the
    /// shard again, and read: the new fence settles what this batch became.
    Unknown,
}

/// Why a read or an acquisition failed. Reads change nothing and an acquisition may be repeated, so none is ambiguous.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Not now; a later call may succeed. A database that cannot be reached, for one.
    #[error("the store cannot be reached: {0}")]
    Unavailable(String),
    /// A write or a sync failed, after which what is in memory may not be what is on disk. Nothing works until the
    /// store is opened anew, which recovers what is durable.
    #[error("the store stopped after a failed write ({0}); restart to recover")]
    Poisoned(String),
    /// What is stored cannot be read back: a checksum or a format is wrong.
    #[error("the store is damaged: {0}")]
    Corrupt(String),
}

/// The keys of a scan: where it starts and where it ends, in ascending order whatever the direction of the scan.
/// A range that ends before it starts holds nothing. [`Prefix::range`] makes one for a prefix.
pub type KeyRange<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);

/// Every key of a table.
pub const ALL_KEYS: KeyRange<'static> = (Bound::Unbounded, Bound::Unbounded);

/// The direction of a scan. The limit is taken from the end it starts at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Ascending keys.
    Forward,
    /// Descending keys.
    Reverse,
}

/// A place for the rows of all shards. Shared by all threads; see the crate documentation for what it promises.
pub trait Store: Send + Sync + 'static {
    /// Takes ownership of a shard: returns a fence above all that were given before, and durably deposes them.
    ///
    /// When this returns, every batch under an older fence is either visible or will never be.
    ///
    /// # Errors
    /// After any error the older fence may or may not be deposed; acquiring again is always right.
    fn acquire(&self, shard: ShardId) -> Result<Fence, StoreError>;

    /// Makes every batch durable whose fence is the newest of its shard: in one atomic write, with one sync.
    ///
    /// Answers one outcome per batch, in their order. A rejected batch does not disturb the others. Batches of one
    /// shard apply in their order. An empty batch is answered as any other: `Ok` proves that the fence held.
    fn commit(&self, batches: Vec<Batch>) -> Vec<CommitOutcome>;

    /// The value of a row, `None` if there is no such row. Sees every batch that was answered `Ok` before the call;
    /// may see batches whose outcome is not answered yet.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn get(&self, shard: ShardId, table: Table, key: &[u8]) -> Result<Option<Bytes>, StoreError>;

    /// At most `limit` rows of the range, in key order (bytewise) or against it. One consistent state: no batch is
    /// seen in part. Fewer rows than `limit` means that there are no more.
    ///
    /// The rows are held in memory together: choose `limit` by the size of the values. Stepping over deleted rows may
    /// cost as much as reading them, so who drains a queue starts after the last key it deleted, not at the front.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn scan(
        &self,
        shard: ShardId,
        table: Table,
        range: KeyRange<'_>,
        limit: usize,
        order: Order,
    ) -> Result<Vec<(Bytes, Bytes)>, StoreError>;
}

impl<S: Store + ?Sized> Store for Arc<S> {
    fn acquire(&self, shard: ShardId) -> Result<Fence, StoreError> {
        (**self).acquire(shard)
    }

    fn commit(&self, batches: Vec<Batch>) -> Vec<CommitOutcome> {
        (**self).commit(batches)
    }

    fn get(&self, shard: ShardId, table: Table, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        (**self).get(shard, table, key)
    }

    fn scan(
        &self,
        shard: ShardId,
        table: Table,
        range: KeyRange<'_>,
        limit: usize,
        order: Order,
    ) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        (**self).scan(shard, table, range, limit, order)
    }
}

/// All keys that begin with some bytes, as a range to scan.
///
/// ```ignore
/// let rows = store.scan(shard, Table::Runs, Prefix::new(run_id).range(), 100, Order::Forward)?;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix {
    start: Vec<u8>,
    /// The first key after all that begin with `start`.
    end: Option<Vec<u8>>,
}

impl Prefix {
    /// The keys that begin with `prefix`; every key if it is empty.
    pub fn new(prefix: impl Into<Vec<u8>>) -> Self {
        let start = prefix.into();
        let end = prefix_end(&start);
        Self { start, end }
    }

    /// The range from the prefix itself to the last key that begins with it.
    pub fn range(&self) -> KeyRange<'_> {
        (Bound::Included(&self.start), self.end_bound())
    }

    /// The keys of the prefix that come after `key`: the next page of a forward scan.
    pub fn after<'a>(&'a self, key: &'a [u8]) -> KeyRange<'a> {
        (Bound::Excluded(key), self.end_bound())
    }

    /// The keys of the prefix that come before `key`: the next page of a reverse scan.
    pub fn before<'a>(&'a self, key: &'a [u8]) -> KeyRange<'a> {
        (Bound::Included(&self.start), Bound::Excluded(key))
    }

    fn end_bound(&self) -> Bound<&[u8]> {
        self.end
            .as_deref()
            .map_or(Bound::Unbounded, Bound::Excluded)
    }
}

/// The first key after all keys that begin with `prefix`: an exclusive end. `None` if nothing comes after them (the
/// prefix is empty, or all of its bytes are `0xff`).
pub fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|&byte| byte != u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix_is_the_next_key_of_no_greater_length() {
        assert_eq!(prefix_end(b"a"), Some(b"b".to_vec()));
        assert_eq!(prefix_end(b"a\xff\xff"), Some(b"b".to_vec()));
        assert_eq!(prefix_end(b"\x00"), Some(b"\x01".to_vec()));
        assert_eq!(prefix_end(b"\xff\xff"), None);
        assert_eq!(prefix_end(b""), None);
    }

    #[test]
    fn tables_stand_at_their_own_discriminant() {
        for (index, table) in Table::ALL.into_iter().enumerate() {
            assert_eq!(table as usize, index);
        }
    }
}
