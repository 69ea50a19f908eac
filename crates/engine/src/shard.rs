//! A shard: the runs whose ids hash to it, their timers, and the order of their commits.
//!
//! It is one synchronous state machine behind one lock, and nothing waits while the lock is held: a request is applied
//! to the state in memory, its batch is queued at the committer, and the lock is free again. Replies and effects leave
//! when the batch is durable. If a commit fails or is ambiguous, the memory is dropped and read anew.

mod delete;
mod departures;
mod history;
mod meet;
mod recovery;
mod runs;
mod timers;
mod write;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustc_hash::FxHashMap;
use steadfast_core::Refusal;
use steadfast_core::execution::RunKey;
use steadfast_core::time::Time;
use steadfast_store::{Batch, Fence, ShardId, Store, StoreError};
use tokio::sync::oneshot;

pub(crate) use departures::{Departures, Durability, QueryEnd, RunChange};

use crate::committer::{Commit, Committer};
use crate::runs::Runs;
use crate::timers::NextDue;

pub(crate) struct Shard {
    pub(crate) index: u16,
    fence: Fence,
    epoch: u64,
    store: Arc<dyn Store>,
    committer: Arc<Committer>,
    pub(crate) runs: Runs,
    timers: BTreeSet<(Time, Arc<RunKey>)>,
    /// Stored timers due before this are in memory.
    timers_loaded_until: Time,
    /// When something is due next; read without the lock.
    next_due: Arc<NextDue>,
    readers: FxHashMap<Arc<RunKey>, Vec<oneshot::Sender<()>>>,
    queries: FxHashMap<String, oneshot::Sender<QueryEnd>>,
    /// Runs whose visibility row is in the store, with the version it was written for.
    projecting: FxHashMap<Arc<RunKey>, u64>,
    /// Rows of the visibility queue that the next batch may as well remove.
    swept: Vec<[u8; 16]>,
    /// The transaction of the visibility store that made the last of them superfluous; none where that was not complete.
    projected_to: Option<u64>,
    /// Runs whose deletion is not durable yet, with its commit.
    deleting: FxHashMap<Arc<RunKey>, u64>,
    /// Number of the last commit queued.
    submitted: u64,
    /// Number of the last commit that is durable.
    durable: Arc<AtomicU64>,
}

pub(crate) fn unavailable(message: &str) -> Refusal {
    Refusal::Unavailable(message.to_owned())
}

pub(crate) fn store_refusal(error: &StoreError) -> Refusal {
    Refusal::Unavailable(error.to_string())
}

impl Shard {
    /// Takes ownership of the shard. Its timers are read; its tasks and messages are to be read by
    /// [`Shard::stored_tasks`] and [`Shard::stored_deliveries`].
    pub(crate) fn open(
        index: u16,
        store: Arc<dyn Store>,
        committer: Arc<Committer>,
        cache_bytes: usize,
        next_due: Arc<NextDue>,
    ) -> Result<Self, StoreError> {
        Self::own(index, 1, store, committer, cache_bytes, next_due)
    }

    fn own(
        index: u16,
        epoch: u64,
        store: Arc<dyn Store>,
        committer: Arc<Committer>,
        cache_bytes: usize,
        next_due: Arc<NextDue>,
    ) -> Result<Self, StoreError> {
        let fence = store.acquire(ShardId(index))?;
        Ok(Self {
            index,
            fence,
            epoch,
            store,
            committer,
            runs: Runs::new(cache_bytes),
            timers: BTreeSet::new(),
            timers_loaded_until: Time(0),
            next_due,
            readers: FxHashMap::default(),
            queries: FxHashMap::default(),
            projecting: FxHashMap::default(),
            swept: Vec::new(),
            projected_to: None,
            deleting: FxHashMap::default(),
            submitted: 0,
            durable: Arc::default(),
        })
    }

    fn id(&self) -> ShardId {
        ShardId(self.index)
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Number of the last commit that is durable.
    pub(crate) fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    /// Forgets everything in memory and owns the shard anew: what is durable is the truth.
    pub(crate) fn reload(&mut self) -> Result<(), StoreError> {
        *self = Self::own(
            self.index,
            self.epoch + 1,
            self.store.clone(),
            self.committer.clone(),
            self.runs.bytes_max(),
            self.next_due.clone(),
        )?;
        self.next_due.announce(0);
        Ok(())
    }

    /// Resolves when the state of this run as it is in memory is durable.
    pub(crate) fn durability(&mut self, key: &RunKey) -> Durability {
        let last = self.runs.peek(key).map_or(0, |cached| cached.last_commit);
        if last <= self.durable() {
            return Durability::Reached;
        }
        self.barrier()
    }

    /// Resolves when all that was queued before is durable.
    pub(crate) fn barrier(&mut self) -> Durability {
        if self.submitted <= self.durable() {
            return Durability::Reached;
        }
        let (sender, receiver) = oneshot::channel();
        self.committer.submit(Commit {
            batch: Batch::new(self.id(), self.fence),
            epoch: self.epoch,
            done: Box::new(move |outcome| {
                let _ = sender.send(outcome);
            }),
        });
        Durability::Awaited(receiver)
    }

    /// Resolves when the run changes.
    pub(crate) fn watch(&mut self, key: &Arc<RunKey>) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        let readers = self.readers.entry(key.clone()).or_default();
        readers.retain(|reader| !reader.is_closed());
        readers.push(sender);
        receiver
    }

    /// Somebody waits for the answer to a buffered query.
    pub(crate) fn await_query(&mut self, id: String) -> oneshot::Receiver<QueryEnd> {
        let (sender, receiver) = oneshot::channel();
        self.queries.insert(id, sender);
        receiver
    }

    /// Nobody waits for that query any more.
    pub(crate) fn forget_query(&mut self, id: &str) {
        self.queries.remove(id);
    }

    /// Answers that a completion brought.
    pub(crate) fn take_query(&mut self, id: &str) -> Option<oneshot::Sender<QueryEnd>> {
        self.queries.remove(id)
    }
}
