//! A store that is looked at while it is written to.

use bytes::Bytes;

use crate::{
    Batch, CommitOutcome, Fence, KeyRange, MemoryStore, Order, ShardId, Store, StoreError, Table,
};

/// A [`MemoryStore`] that shows each group of batches to somebody before it commits them, who may hold it up. For tests.
pub struct ObservedStore<F> {
    store: MemoryStore,
    observe: F,
}

impl<F: Fn(&[Batch]) + Send + Sync> ObservedStore<F> {
    /// An empty one.
    pub fn new(observe: F) -> Self {
        Self {
            store: MemoryStore::new(),
            observe,
        }
    }
}

impl<F: Fn(&[Batch]) + Send + Sync + 'static> Store for ObservedStore<F> {
    fn acquire(&self, shard: ShardId) -> Result<Fence, StoreError> {
        self.store.acquire(shard)
    }

    fn commit(&self, batches: Vec<Batch>) -> Vec<CommitOutcome> {
        (self.observe)(&batches);
        self.store.commit(batches)
    }

    fn get(&self, shard: ShardId, table: Table, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.store.get(shard, table, key)
    }

    fn scan(
        &self,
        shard: ShardId,
        table: Table,
        range: KeyRange<'_>,
        limit: usize,
        order: Order,
    ) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        self.store.scan(shard, table, range, limit, order)
    }
}
