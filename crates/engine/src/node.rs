//! One server process: its shards, its queues, its committer, and what moves them.
//!
//! Everything here is synchronous and takes the time from the node's surroundings, so that a simulation can drive a
//! whole node from one thread: [`Node::step`] does what the threads and tasks of [`crate::Engine`] do.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use steadfast_core::context::Ids;
use steadfast_core::execution::RunKey;
use steadfast_core::limits::Limits;
use steadfast_core::time::Time;
use steadfast_store::{ALL_KEYS, CommitOutcome, KeyRange, Store, StoreError, Table};
use steadfast_visibility::{Change, VisibilityStore};
use xxhash_rust::xxh3::xxh3_64;

use crate::Namespaces;
use crate::clock::Surroundings;
use crate::committer::Committer;
use crate::delivery::Deliveries;
use crate::departed::Departed;
use crate::projection;
use crate::projector::Projector;
use crate::queues::{QueueKey, Queues};
use crate::shard::{Departures, Shard};
use crate::timers::{Alarm, NextDue};

/// Shards of a node with a store of its own. Each is a lock and an order of commits; the number only has to be well
/// above that of the cores, and is part of the stored format.
pub const SHARDS: u16 = 16;

const _: () = assert!(SHARDS as u32 <= u32::BITS, "a bit for each shard");

/// Bytes of runs in memory, over all shards.
const RUN_BYTES_MAX: usize = 24 << 20;
/// Rows read at a time on recovery.
const RECOVERY_READ: usize = 1000;
/// Rows of projected runs that gather before they are removed on their own.
const SWEPT_GATHER: usize = 64;

struct ShardCell {
    shard: Mutex<Shard>,
    next_due: Arc<NextDue>,
}

/// A shard, for one thread alone. When it is let go, what was loaded need not stay in memory. No thread holds two of
/// them.
pub(crate) struct Locked<'a>(MutexGuard<'a, Shard>);

impl Deref for Locked<'_> {
    type Target = Shard;

    fn deref(&self) -> &Shard {
        &self.0
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut Shard {
        &mut self.0
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        self.0.shrink();
    }
}

/// See the documentation of the module.
pub struct Node {
    surroundings: Arc<dyn Surroundings>,
    limits: Limits,
    namespaces: Arc<Namespaces>,
    pub(crate) committer: Arc<Committer>,
    pub(crate) queues: Arc<Queues>,
    pub(crate) departed: Departed,
    pub(crate) deliveries: Deliveries,
    pub(crate) projector: Projector,
    pub(crate) alarm: Arc<Alarm>,
    shards: Vec<ShardCell>,
    stopping: AtomicBool,
    /// Shards, by bit, that could not be read anew after a failed commit.
    unread: AtomicU32,
}

impl Node {
    /// Opens all shards of `store` and reads what has to be gone on with.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn open(
        store: Arc<dyn Store>,
        visibility: Arc<dyn VisibilityStore>,
        namespaces: Arc<Namespaces>,
        surroundings: Arc<dyn Surroundings>,
        limits: Limits,
    ) -> Result<Arc<Self>, StoreError> {
        let committer = Arc::new(Committer::new(store.clone()));
        let alarm = Arc::new(Alarm::default());
        let mut shards = Vec::with_capacity(usize::from(SHARDS));
        for index in 0..SHARDS {
            let next_due = Arc::new(NextDue::new(alarm.clone()));
            let shard = Shard::open(
                index,
                store.clone(),
                committer.clone(),
                RUN_BYTES_MAX / usize::from(SHARDS),
                next_due.clone(),
            )?;
            shards.push(ShardCell {
                shard: Mutex::new(shard),
                next_due,
            });
        }
        let node = Arc::new(Self {
            surroundings,
            limits,
            namespaces,
            committer,
            queues: Arc::default(),
            departed: Departed::default(),
            deliveries: Deliveries::default(),
            projector: Projector::new(visibility),
            alarm,
            shards,
            stopping: AtomicBool::new(false),
            unread: AtomicU32::new(0),
        });
        for index in 0..SHARDS {
            let mut shard = node.lock(index);
            node.recover(&mut shard)?;
        }
        Ok(node)
    }

    /// The present.
    pub fn now(&self) -> Time {
        self.surroundings.now()
    }

    pub(crate) fn ids(&self) -> &dyn Ids {
        &*self.surroundings
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The namespaces of the server.
    pub fn namespaces(&self) -> &Namespaces {
        &self.namespaces
    }

    pub(crate) fn shard_count(&self) -> u16 {
        SHARDS
    }

    pub(crate) fn next_due(&self, index: u16) -> Time {
        self.shards[usize::from(index)].next_due.get()
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// The shard of a workflow id.
    pub(crate) fn shard_of(&self, namespace_id: &str, workflow_id: &str) -> u16 {
        let hash = xxh3_64(workflow_id.as_bytes()) ^ xxh3_64(namespace_id.as_bytes());
        // The upper bits choose, so that a later division of shards splits each one.
        ((u128::from(hash) * u128::from(SHARDS)) >> 64) as u16
    }

    /// The shard, for this thread alone. One whose code panicked is read anew from the store.
    pub(crate) fn lock(self: &Arc<Self>, index: u16) -> Locked<'_> {
        let cell = &self.shards[usize::from(index)];
        let shard = match cell.shard.lock() {
            Ok(shard) => shard,
            Err(poisoned) => {
                let mut shard = poisoned.into_inner();
                tracing::error!(
                    shard = index,
                    "a shard's code panicked; the shard is read anew"
                );
                self.restart(&mut shard);
                cell.shard.clear_poison();
                shard
            }
        };
        Locked(shard)
    }

    /// As [`Node::lock`], by workflow id.
    pub(crate) fn lock_of(self: &Arc<Self>, namespace_id: &str, workflow_id: &str) -> Locked<'_> {
        self.lock(self.shard_of(namespace_id, workflow_id))
    }

    /// A commit of that epoch failed: what is in memory may not be true.
    pub(crate) fn commit_failed(self: &Arc<Self>, index: u16, epoch: u64, outcome: CommitOutcome) {
        let mut shard = self.lock(index);
        if shard.epoch() != epoch {
            return;
        }
        tracing::warn!(
            shard = index,
            ?outcome,
            "a commit was not acknowledged; the shard is read anew"
        );
        self.restart(&mut shard);
    }

    fn restart(self: &Arc<Self>, shard: &mut Shard) {
        let reloaded = shard.reload().and_then(|()| self.recover(shard));
        if let Err(error) = reloaded {
            tracing::error!(shard = shard.index, %error, "a shard cannot be read; it is tried again");
            self.unread.fetch_or(1 << shard.index, Ordering::AcqRel);
        }
    }

    /// Offers the stored tasks, messages and projections of a shard again.
    fn recover(self: &Arc<Self>, shard: &mut Shard) -> Result<(), StoreError> {
        let now = self.now();
        shard.load_timers(now)?;
        let mut after: Option<bytes::Bytes> = None;
        loop {
            let start = after
                .as_deref()
                .map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
            let range: KeyRange<'_> = (start, ALL_KEYS.1);
            let rows = shard.stored_tasks(range, RECOVERY_READ)?;
            let full = rows.len() == RECOVERY_READ;
            after = rows.last().map(|(key, _)| key.clone());
            for (_, task) in rows {
                self.queues.offer_again(now, shard.index, task);
            }
            if !full {
                break;
            }
        }
        self.read_outbox(shard)?;
        let mut after = None;
        loop {
            let (next, changes) = shard.stored_projections(
                self,
                Table::VisibilityQueue,
                after.as_deref(),
                RECOVERY_READ,
            )?;
            self.projector.push(changes);
            match next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }

    /// What leaves a shard after its batch is durable. Called on the committing thread.
    pub(crate) fn depart(self: &Arc<Self>, index: u16, departures: Departures) {
        let Departures {
            offers,
            meetings,
            deliveries,
            readers,
            changes,
            follow_ups,
            released_queries,
            answered_queries,
        } = departures;
        self.hand_out(meetings);
        for reader in readers {
            let _ = reader.send(());
        }
        for (query, end) in answered_queries {
            let _ = query.send(end);
        }
        for query in released_queries {
            let _ = query.send(crate::shard::QueryEnd::Released);
        }
        if !offers.is_empty() {
            let now = self.now();
            for task in offers {
                self.queues.offer(now, index, task);
            }
        }
        self.deliveries.push_all(deliveries, follow_ups);
        self.projector.push(changes);
    }

    /// Reads projections of all shards. `false`: not all could be read.
    pub(crate) fn read_projections(
        self: &Arc<Self>,
        table: Table,
        mut take: impl FnMut(Vec<(Arc<RunKey>, Change)>),
    ) -> bool {
        let mut complete = true;
        for index in 0..SHARDS {
            let mut after = None;
            loop {
                if self.is_stopping() {
                    return false;
                }
                let read = self.lock(index).stored_projections(
                    self,
                    table,
                    after.as_deref(),
                    RECOVERY_READ,
                );
                match read {
                    Ok((next, changes)) => {
                        take(changes);
                        match next {
                            Some(next) => after = Some(next),
                            None => break,
                        }
                    }
                    Err(error) => {
                        tracing::warn!(shard = index, %error, "runs cannot be read for the visibility store");
                        complete = false;
                        break;
                    }
                }
            }
        }
        complete
    }

    /// The transactions that the visibility store must have seen.
    pub(crate) fn least_projection(&self) -> Result<u64, StoreError> {
        projection::least_position(&*self.committer.store)
    }

    /// The visibility store has these versions of these runs, as of this transaction of its own if it is complete.
    pub(crate) fn projected(self: &Arc<Self>, done: &[(Arc<RunKey>, u64)], position: Option<u64>) {
        let mut by_shard: Vec<Vec<&(Arc<RunKey>, u64)>> = vec![Vec::new(); usize::from(SHARDS)];
        for entry in done {
            let shard = self.shard_of(&entry.0.namespace_id, &entry.0.workflow_id);
            by_shard[usize::from(shard)].push(entry);
        }
        for (index, entries) in (0..).zip(by_shard) {
            if entries.is_empty() {
                continue;
            }
            let mut shard = self.lock(index);
            for (key, version) in entries {
                shard.projected(key, *version, position);
            }
            shard.sweep(self, SWEPT_GATHER);
        }
    }

    /// Housekeeping: rows that nobody needs, queues that nobody uses, tasks that wait in the store.
    pub(crate) fn tend(self: &Arc<Self>) {
        let now = self.now();
        for key in self.queues.tend(now) {
            self.refill(&key);
        }
        let unread = self.unread.swap(0, Ordering::AcqRel);
        for index in (0..SHARDS).filter(|index| unread & (1 << index) != 0) {
            let mut shard = self.lock(index);
            self.restart(&mut shard);
        }
        for index in 0..SHARDS {
            self.lock(index).sweep(self, 1);
        }
    }

    /// Pulls stored tasks into the window of a queue.
    pub(crate) fn refill(self: &Arc<Self>, key: &QueueKey) {
        let prefix = crate::keys::queue(&key.namespace_id, key.kind, &key.name);
        let end = steadfast_store::Prefix::new(prefix);
        self.queues.refill(key, self.now(), |index, from, limit| {
            let (_, upper) = end.range();
            let range = (std::ops::Bound::Included(from.as_ref()), upper);
            match self.lock(index).stored_tasks(range, limit) {
                Ok(rows) => Some(rows),
                Err(error) => {
                    tracing::warn!(shard = index, %error, "a backlog cannot be read; it is tried again");
                    None
                }
            }
        });
    }

    /// Does one round of what the threads and tasks of an engine do. Answers whether anything was done, and when
    /// something is due next.
    pub fn step(self: &Arc<Self>) -> (bool, Time) {
        let mut active = self.committer.run_once();
        active |= self.deliver_some();
        let next = self.fire_due(self.now());
        active |= self.projector.run_once(self).unwrap_or(false);
        (active || !self.committer.is_idle(), next)
    }

    /// Runs and bytes in memory.
    pub(crate) fn cached(self: &Arc<Self>) -> (usize, usize) {
        let mut runs = 0;
        let mut bytes = 0;
        for index in 0..SHARDS {
            let shard = self.lock(index);
            runs += shard.runs.len();
            bytes += shard.runs.bytes();
        }
        (runs, bytes)
    }
}

/// A poisoned lock whose content is still right.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
