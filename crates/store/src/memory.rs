//! The reference store: what every backend must do, in the fewest words.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use imbl::OrdMap;

use crate::{
    Batch, CommitOutcome, Fence, KeyRange, Order, ShardId, Store, StoreError, Table, Write,
};

/// A store in memory. Nothing ever fails, and nothing outlives the process; for tests, simulation and trials.
///
/// A crash is simulated with [`MemoryStore::snapshot`] at the moment of the crash and [`MemoryStore::restore`]
/// after it.
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: Mutex<Snapshot>,
}

/// All that a [`MemoryStore`] held at one moment. Cheap to take and to clone: what is equal is shared.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// The newest fence of each shard that was ever acquired.
    fences: BTreeMap<ShardId, Fence>,
    /// The rows. A table appears with its first row.
    rows: BTreeMap<(ShardId, Table), OrdMap<Bytes, Bytes>>,
}

impl Snapshot {
    /// The number of rows, over all shards and tables.
    pub fn row_count(&self) -> usize {
        self.rows.values().map(OrdMap::len).sum()
    }

    fn apply(&mut self, batch: Batch) -> CommitOutcome {
        let is_owner = self.fences.get(&batch.shard) == Some(&batch.fence);
        if !is_owner || !batch.writes.iter().all(Write::is_within_limits) {
            return CommitOutcome::Rejected;
        }
        for write in batch.writes {
            let rows = self.rows.entry((batch.shard, write.table())).or_default();
            match write {
                Write::Put { key, value, .. } => rows.insert(key, value),
                Write::Delete { key, .. } => rows.remove(&key),
            };
        }
        CommitOutcome::Ok
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the store holds now.
    pub fn snapshot(&self) -> Snapshot {
        self.state().clone()
    }

    /// Replaces all that the store holds, fences included.
    pub fn restore(&self, snapshot: Snapshot) {
        *self.state() = snapshot;
    }

    fn state(&self) -> MutexGuard<'_, Snapshot> {
        // No panic can leave the state half changed that a test would then go on with.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn acquire(&self, shard: ShardId) -> Result<Fence, StoreError> {
        let mut state = self.state();
        let fence = state.fences.entry(shard).or_insert(Fence(0));
        fence.0 += 1;
        Ok(*fence)
    }

    fn commit(&self, batches: Vec<Batch>) -> Vec<CommitOutcome> {
        let mut state = self.state();
        batches
            .into_iter()
            .map(|batch| state.apply(batch))
            .collect()
    }

    fn get(&self, shard: ShardId, table: Table, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let state = self.state();
        Ok(state
            .rows
            .get(&(shard, table))
            .and_then(|rows| rows.get(key))
            .cloned())
    }

    fn scan(
        &self,
        shard: ShardId,
        table: Table,
        range: KeyRange<'_>,
        limit: usize,
        order: Order,
    ) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        let state = self.state();
        let Some(rows) = state.rows.get(&(shard, table)).filter(|_| !is_empty(range)) else {
            return Ok(Vec::new());
        };
        let rows = rows
            .range::<_, [u8]>(range)
            .map(|(key, value)| (key.clone(), value.clone()));
        Ok(match order {
            Order::Forward => rows.take(limit).collect(),
            Order::Reverse => rows.rev().take(limit).collect(),
        })
    }
}

/// Whether no key can be in the range, which the maps of the standard library refuse with a panic.
fn is_empty((start, end): KeyRange<'_>) -> bool {
    match (start, end) {
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
        (Bound::Included(start), Bound::Included(end)) => end < start,
        (
            Bound::Included(start) | Bound::Excluded(start),
            Bound::Included(end) | Bound::Excluded(end),
        ) => end <= start,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::conformance::Subject;

    /// The store itself: what it held, it holds.
    struct Memory(Arc<MemoryStore>);

    impl Subject for Memory {
        fn open(&self) -> Arc<dyn Store> {
            self.0.clone()
        }
    }

    crate::conformance_suite!(Memory(Arc::new(MemoryStore::new())));

    #[test]
    fn a_snapshot_is_what_was_there_then() {
        let store = MemoryStore::new();
        let shard = ShardId(1);
        let fence = store.acquire(shard).unwrap();
        let put = |value: &'static str| {
            let mut batch = Batch::new(shard, fence);
            batch.put(Table::Runs, "run", value);
            assert_eq!(store.commit(vec![batch]), [CommitOutcome::Ok]);
        };
        put("before");
        let snapshot = store.snapshot();
        put("after");
        let deposed_by = store.acquire(shard).unwrap();
        assert_eq!(
            store.get(shard, Table::Runs, b"run"),
            Ok(Some("after".into()))
        );

        store.restore(snapshot.clone());
        assert_eq!(store.snapshot(), snapshot);
        assert_eq!(snapshot.row_count(), 1);
        assert_eq!(
            store.get(shard, Table::Runs, b"run"),
            Ok(Some("before".into()))
        );
        assert_eq!(
            store.acquire(shard),
            Ok(deposed_by),
            "the fence is part of what was restored"
        );
    }
}
