//! The simulated store: the reference store, behind faults.
//!
//! All server processes share one [`SimStore`]; each has a [`Connection`] of its own, which dies with it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use steadfast_store::{
    Batch, CommitOutcome, Fence, KeyRange, MemoryStore, Order, ShardId, Store, StoreError, Table,
    Write,
};

use crate::clock::SimClock;
use crate::dice::Dice;
use crate::ledger::Ledger;
use crate::marks::Marks;
use crate::options::Options;
use crate::planted::Planted;

/// What is durable, and the dice that decide what fails.
pub(crate) struct SimStore {
    inner: MemoryStore,
    clock: Arc<SimClock>,
    dice: Dice,
    options: Options,
    faulty: AtomicBool,
    marks: Marks,
    /// Batches whose fate is open: settled when their shard is next acquired.
    limbo: Mutex<Vec<Batch>>,
    /// Planted bug: acknowledged, not written.
    unwritten: Mutex<Vec<Batch>>,
    newest: Mutex<std::collections::BTreeMap<ShardId, Fence>>,
    ledger: Mutex<Ledger>,
}

/// The store as one server process sees it.
pub(crate) struct Connection {
    store: Arc<SimStore>,
    /// The process has died: nothing that it does reaches the store.
    dead: AtomicBool,
    /// Another process has its place: it may go on, but can own nothing any more.
    replaced: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SimStore {
    /// An empty store.
    pub(crate) fn new(clock: Arc<SimClock>, dice: Dice, options: Options, marks: Marks) -> Self {
        Self {
            inner: MemoryStore::new(),
            clock,
            dice,
            options,
            faulty: AtomicBool::new(false),
            marks,
            limbo: Mutex::default(),
            unwritten: Mutex::default(),
            newest: Mutex::default(),
            ledger: Mutex::default(),
        }
    }

    /// Begins or ends the faults.
    pub(crate) fn set_faulty(&self, faulty: bool) {
        self.faulty.store(faulty, Ordering::Relaxed);
    }

    /// A connection for a new process.
    pub(crate) fn connect(self: &Arc<Self>) -> Arc<Connection> {
        Arc::new(Connection {
            store: self.clone(),
            dead: AtomicBool::new(false),
            replaced: AtomicBool::new(false),
        })
    }

    /// What is durable now.
    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }

    fn happens(&self, per_mille: u64, mark: &'static str) -> bool {
        let happens = self.faulty.load(Ordering::Relaxed) && self.dice.chance(per_mille);
        if happens {
            self.marks.add(mark);
        }
        happens
    }

    fn write(&self, mut batches: Vec<Batch>) -> Vec<CommitOutcome> {
        match self.options.planted {
            Some(Planted::NoFence) => {
                for batch in &mut batches {
                    batch.fence = lock(&self.newest)[&batch.shard];
                }
            }
            Some(Planted::LostRow) => {
                for batch in &mut batches {
                    batch.writes.retain(|write| !self.loses(write));
                }
            }
            _ => {}
        }
        let outcomes = self.inner.commit(batches.clone());
        let now = self.clock.time();
        let mut ledger = lock(&self.ledger);
        for (batch, outcome) in batches.iter().zip(&outcomes) {
            match outcome {
                CommitOutcome::Ok => ledger.record(batch, now),
                _ => self.marks.add("store: batch rejected by its fence"),
            }
        }
        outcomes
    }

    fn loses(&self, write: &Write) -> bool {
        let activity = |key: &Bytes| key.get(16) == Some(&1);
        matches!(write, Write::Put { table: Table::Runs, key, .. } if activity(key))
            && self.dice.chance(50)
    }

    fn commit(&self, connection: &Connection, batches: Vec<Batch>) -> Vec<CommitOutcome> {
        let unknown = vec![CommitOutcome::Unknown; batches.len()];
        if connection.is_dead() {
            return unknown;
        }
        if self.options.planted == Some(Planted::EarlyOk) {
            let late = std::mem::replace(&mut *lock(&self.unwritten), batches);
            let _ = self.write(late);
            return vec![CommitOutcome::Ok; unknown.len()];
        }
        let options = &self.options;
        if self.happens(options.crash_in_commit, "crash: in a commit") {
            if self.dice.chance(500) {
                self.marks
                    .add("crash: after the write, before its callbacks");
                let _ = self.write(batches);
            }
            connection.kill();
            return unknown;
        }
        if self.happens(options.fail_before, "store: commit failed before") {
            return unknown;
        }
        if self.happens(options.fail_after, "store: commit failed after") {
            let _ = self.write(batches);
            return unknown;
        }
        if self.happens(options.limbo, "store: commit in limbo") {
            lock(&self.limbo).extend(batches);
            return unknown;
        }
        if self.happens(options.depose, "store: owner deposed") {
            let shard = batches[self.dice.below(batches.len() as u64) as usize].shard;
            self.acquire(shard);
        }
        if self.happens(options.fail_one_shard, "store: commit failed for one shard") {
            let shard = batches[self.dice.below(batches.len() as u64) as usize].shard;
            let written = self.dice.chance(500);
            let kept = |batch: &Batch| batch.shard != shard || written;
            let outcomes = self.write(
                batches
                    .iter()
                    .filter(|batch| kept(batch))
                    .cloned()
                    .collect(),
            );
            let mut outcomes = outcomes.into_iter();
            let outcome = |batch: &Batch| {
                let outcome = if kept(batch) { outcomes.next() } else { None };
                match outcome {
                    Some(outcome) if batch.shard != shard => outcome,
                    _ => CommitOutcome::Unknown,
                }
            };
            return batches.iter().map(outcome).collect();
        }
        self.write(batches)
    }

    fn acquire(&self, shard: ShardId) -> Fence {
        let mut limbo = lock(&self.limbo);
        let (settled, open) = std::mem::take(&mut *limbo)
            .into_iter()
            .partition(|batch| batch.shard == shard);
        *limbo = open;
        drop(limbo);
        let settled: Vec<Batch> = settled;
        for batch in settled {
            if !self.dice.chance(500) {
                break;
            }
            self.marks.add("store: commit in limbo came true");
            let _ = self.write(vec![batch]);
        }
        let fence = self
            .inner
            .acquire(shard)
            .expect("the reference store never fails");
        lock(&self.newest).insert(shard, fence);
        fence
    }

    fn read_fails(&self, connection: &Connection) -> Result<(), StoreError> {
        if connection.is_dead() {
            return Err(StoreError::Unavailable("the process has died".to_owned()));
        }
        if self.happens(self.options.fail_read, "store: read failed") {
            return Err(StoreError::Unavailable("simulated".to_owned()));
        }
        Ok(())
    }
}

impl Connection {
    /// The process dies.
    pub(crate) fn kill(&self) {
        self.dead.store(true, Ordering::Relaxed);
    }

    /// Another process takes its place.
    pub(crate) fn replace(&self) {
        self.replaced.store(true, Ordering::Relaxed);
    }

    /// Whether it has died.
    pub(crate) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }
}

impl Store for Connection {
    fn acquire(&self, shard: ShardId) -> Result<Fence, StoreError> {
        self.store.read_fails(self)?;
        if self.replaced.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable("it has another owner".to_owned()));
        }
        let fence = self.store.acquire(shard);
        let options = &self.store.options;
        if self
            .store
            .happens(options.fail_read, "store: acquired, and failed")
        {
            return Err(StoreError::Unavailable("simulated".to_owned()));
        }
        Ok(fence)
    }

    fn commit(&self, batches: Vec<Batch>) -> Vec<CommitOutcome> {
        self.store.commit(self, batches)
    }

    fn get(&self, shard: ShardId, table: Table, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.store.read_fails(self)?;
        self.store.inner.get(shard, table, key)
    }

    fn scan(
        &self,
        shard: ShardId,
        table: Table,
        range: KeyRange<'_>,
        limit: usize,
        order: Order,
    ) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        self.store.read_fails(self)?;
        let mut rows = self.store.inner.scan(shard, table, range, limit, order)?;
        match self.store.options.planted {
            Some(Planted::LostTimer) if table == Table::Timers => {
                rows.pop();
            }
            Some(Planted::LostMessage) if table == Table::Outbox && !rows.is_empty() => {
                rows.remove(0);
            }
            _ => {}
        }
        Ok(rows)
    }
}
