//! A shard: the runs whose ids hash to it, their timers, and the order of their commits.
//!
//! It is one synchronous state machine behind one lock, and nothing waits while the lock is held: a request is applied
//! to the state in memory, its batch is queued at the committer, and the lock is free again. Replies and effects leave
//! when the batch is durable. If a commit fails or is ambiguous, the memory is dropped and read anew.

mod history;

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use prost::Message;
use rustc_hash::FxHashMap;
use steadfast_core::Refusal;
use steadfast_core::execution::{Execution, RunKey};
use steadfast_core::outcome::{Outcome, Task};
use steadfast_core::rows::Row;
use steadfast_core::time::{SECOND, Time};
use steadfast_protocol::history::History;
use steadfast_store::{
    Batch, CommitOutcome, Fence, Order, Prefix, ShardId, Store, StoreError, Table,
};
use steadfast_visibility::Change;
use tokio::sync::oneshot;

use crate::block::Block;
use crate::committer::{Commit, Committer};
use crate::delivery::{Delivery, FollowUp};
use crate::keys;
use crate::node::Node;
use crate::projector::Changes;
use crate::queues::StoredTask;
use crate::runs::{CachedRun, Runs};
use crate::timers::NextDue;

/// Timers due within this span are held in memory, ns.
const TIMER_WINDOW: i64 = 60 * SECOND;
/// Timers read at a time; where more are due within the window, the window ends earlier.
const TIMERS_READ: usize = 10_000;
/// Rows of a run read at a time.
const ROWS_READ: usize = 1000;
/// Rows of a run read at a time to be deleted; their values, which may be large, are read with them.
const ROWS_DELETED: usize = 64;
/// Bytes of history that a run keeps in memory for the next reader.
const BLOCK_BYTES_KEPT: usize = 64 * 1024;

/// A row of `Table::Tasks`: what its key does not say.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct TaskRow {
    #[prost(string, tag = "1")]
    pub workflow_id: String,
    #[prost(string, tag = "2")]
    pub run_id: String,
    #[prost(string, tag = "3")]
    pub normal_queue: String,
    #[prost(bool, tag = "4")]
    pub sticky: bool,
    #[prost(int32, tag = "5")]
    pub attempt: i32,
}

/// Stands in a row of `Table::VisibilityQueue` whose run is deleted.
const DELETED: &[u8] = b"deleted";

/// What leaves the shard once a batch is durable.
#[derive(Default)]
pub(crate) struct Departures {
    pub offers: Vec<StoredTask>,
    pub deliveries: Vec<Delivery>,
    pub readers: Vec<oneshot::Sender<()>>,
    pub changes: Changes,
    pub follow_ups: Vec<FollowUp>,
    pub released_queries: Vec<oneshot::Sender<QueryEnd>>,
    pub answered_queries: Vec<(oneshot::Sender<QueryEnd>, QueryEnd)>,
}

/// How the wait of a query for a workflow task ended.
#[derive(Debug)]
pub(crate) enum QueryEnd {
    /// The workflow task brought an answer.
    Answer(Box<steadfast_protocol::query::WorkflowQueryResult>),
    /// Nothing to wait for any more: look again.
    Released,
}

/// Resolves when what a reply rests on is durable.
pub(crate) enum Durability {
    /// It is already.
    Reached,
    /// It is on its way.
    Awaited(oneshot::Receiver<CommitOutcome>),
}

impl Durability {
    /// Waits until it is durable.
    ///
    /// # Errors
    /// UNAVAILABLE: it may or may not be.
    pub(crate) async fn reached(self) -> Result<(), Refusal> {
        match self {
            Self::Reached => Ok(()),
            Self::Awaited(receiver) => match receiver.await {
                Ok(CommitOutcome::Ok) => Ok(()),
                _ => Err(unavailable("the change may not have been recorded")),
            },
        }
    }
}

/// A change of one run within a commit.
pub(crate) struct RunChange {
    pub key: Arc<RunKey>,
    pub outcome: Outcome,
}

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
    /// Rows that the next batch may as well remove.
    swept: Vec<(Table, Bytes)>,
    /// Runs whose deletion is not durable yet, with its commit.
    deleting: FxHashMap<Arc<RunKey>, u64>,
    /// Number of the last commit queued.
    submitted: u64,
    /// Whether something was queued under the lock that is held.
    queued: bool,
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
        let fence = store.acquire(ShardId(index))?;
        Ok(Self {
            index,
            fence,
            epoch: 1,
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
            deleting: FxHashMap::default(),
            submitted: 0,
            queued: false,
            durable: Arc::default(),
        })
    }

    /// Whether something was queued since this was asked last.
    pub(crate) fn take_queued(&mut self) -> bool {
        std::mem::take(&mut self.queued)
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
    pub(crate) fn reload(&mut self, cache_bytes: usize) -> Result<(), StoreError> {
        let fence = self.store.acquire(self.id())?;
        let epoch = self.epoch + 1;
        let fresh = Self {
            index: self.index,
            fence,
            epoch,
            store: self.store.clone(),
            committer: self.committer.clone(),
            runs: Runs::new(cache_bytes),
            timers: BTreeSet::new(),
            timers_loaded_until: Time(0),
            next_due: self.next_due.clone(),
            readers: FxHashMap::default(),
            queries: FxHashMap::default(),
            projecting: FxHashMap::default(),
            swept: Vec::new(),
            deleting: FxHashMap::default(),
            submitted: 0,
            queued: false,
            durable: Arc::default(),
        };
        *self = fresh;
        self.next_due.announce(0);
        Ok(())
    }

    // ---- reading ----

    /// Loads the run unless it is in memory. `false`: there is no such run.
    pub(crate) fn load(&mut self, key: &RunKey) -> Result<bool, StoreError> {
        if self.runs.contains(key) {
            return Ok(true);
        }
        if self.is_deleting(key) {
            return Ok(false);
        }
        let Some(run) = self.read(key)? else {
            return Ok(false);
        };
        self.insert(CachedRun::new(run));
        Ok(true)
    }

    /// The run as it is stored.
    pub(crate) fn read(&self, key: &RunKey) -> Result<Option<Execution>, StoreError> {
        let prefix = keys::run(key);
        let range = Prefix::new(prefix.clone());
        let mut rows = self.store.scan(
            self.id(),
            Table::Runs,
            range.range(),
            ROWS_READ,
            Order::Forward,
        )?;
        if rows.is_empty() {
            return Ok(None);
        }
        while rows.len() % ROWS_READ == 0 {
            let Some((last, _)) = rows.last().cloned() else {
                break;
            };
            let more = self.store.scan(
                self.id(),
                Table::Runs,
                range.after(&last),
                ROWS_READ,
                Order::Forward,
            )?;
            if more.is_empty() {
                break;
            }
            rows.extend(more);
        }
        let first = self
            .store
            .get(self.id(), Table::History, &keys::block(&prefix, 1))?;
        let corrupt = |what: String| StoreError::Corrupt(what);
        let first =
            first.ok_or_else(|| corrupt(format!("run {} has no first event", key.run_id)))?;
        let started = History::decode(first)
            .ok()
            .and_then(|block| block.events.into_iter().next())
            .ok_or_else(|| {
                corrupt(format!(
                    "the first event of run {} is unreadable",
                    key.run_id
                ))
            })?;
        let rows = rows
            .iter()
            .map(|(row, value)| (&row[prefix.len()..], value.as_ref()));
        let run = Execution::decode(Arc::new(key.clone()), Arc::new(started), rows)
            .map_err(|error| corrupt(error.to_string()))?;
        Ok(Some(run))
    }

    fn is_deleting(&self, key: &RunKey) -> bool {
        self.deleting.contains_key(key)
    }

    fn insert(&mut self, cached: CachedRun) {
        let key = cached.run.key.clone();
        self.runs.insert(cached);
        self.arm(&key);
        self.shrink();
    }

    fn shrink(&mut self) {
        let durable = self.durable();
        let timers = &mut self.timers;
        let window = self.timers_loaded_until;
        self.runs.shrink(durable, |dropped| {
            // Its row brings it back when it is due.
            let Some(armed) = dropped.armed else { return };
            let stored = dropped.run.head.wake_up;
            if armed.0 != stored || armed >= window {
                timers.remove(&(armed, dropped.run.key.clone()));
            }
            if stored != 0 && Time(stored) < window {
                timers.insert((Time(stored), dropped.run.key.clone()));
            }
        });
    }

    /// The run of that id, or the current one where `run_id` is empty. It is in memory afterwards.
    pub(crate) fn find(
        &mut self,
        namespace_id: &str,
        workflow_id: &str,
        run_id: &str,
    ) -> Result<Option<Arc<RunKey>>, StoreError> {
        if !run_id.is_empty() {
            let key = RunKey {
                namespace_id: namespace_id.to_owned(),
                workflow_id: workflow_id.to_owned(),
                run_id: run_id.to_ascii_lowercase(),
            };
            if !self.load(&key)? {
                return Ok(None);
            }
            return Ok(self.runs.peek(&key).map(|cached| cached.run.key.clone()));
        }
        if let Some(key) = self.runs.current(namespace_id, workflow_id)
            && self.runs.contains(&key)
        {
            return Ok(Some(key));
        }
        let row = keys::workflow(namespace_id, workflow_id);
        let Some(value) = self.store.get(self.id(), Table::Current, &row)? else {
            return Ok(None);
        };
        let run_id = uuid::Uuid::from_slice(&value).map_err(|_| {
            StoreError::Corrupt(format!("the current run of {workflow_id} is unreadable"))
        })?;
        let key = RunKey {
            namespace_id: namespace_id.to_owned(),
            workflow_id: workflow_id.to_owned(),
            run_id: run_id.to_string(),
        };
        if !self.load(&key)? {
            return Ok(None);
        }
        let key = self.runs.peek(&key).map(|cached| cached.run.key.clone());
        if let Some(key) = &key {
            self.runs.set_current(key.clone());
        }
        Ok(key)
    }

    /// The run, which is in memory.
    pub(crate) fn run_mut(&mut self, key: &RunKey) -> &mut Execution {
        let cached = self.runs.get_mut(key);
        &mut cached
            .expect("found or loaded before, under the same lock")
            .run
    }

    /// The run, which is in memory.
    pub(crate) fn run(&self, key: &RunKey) -> &Execution {
        let cached = self.runs.peek(key);
        &cached
            .expect("found or loaded before, under the same lock")
            .run
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
        self.queued = true;
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

    // ---- writing ----

    /// Adds a new run, which becomes the current one of its workflow id.
    fn admit(&mut self, run: Execution) -> Arc<RunKey> {
        let key = run.key.clone();
        self.runs.insert(CachedRun::new(run));
        self.runs.set_current(key.clone());
        key
    }

    /// A run that did not exist before: to be followed by a commit of its outcome.
    pub(crate) fn create(&mut self, run: Execution) -> Arc<RunKey> {
        self.admit(run)
    }

    /// Makes changes durable, in one batch. What follows from them leaves after that.
    pub(crate) fn commit(
        &mut self,
        node: &Arc<Node>,
        changes: Vec<RunChange>,
        mut departures: Departures,
        delivered: Option<&Delivery>,
    ) -> Durability {
        let mut batch = Batch::new(self.id(), self.fence);
        for (table, key) in self.swept.drain(..) {
            batch.delete(table, key);
        }
        if let Some(delivery) = delivered {
            let prefix = keys::run(&delivery.sender);
            batch.delete(Table::Outbox, keys::effect(&prefix, &delivery.effect));
        }
        let number = self.submitted + 1;
        for change in changes {
            self.write(node, &mut batch, change, &mut departures, number);
        }
        self.submit(node, batch, departures, number)
    }

    fn submit(
        &mut self,
        node: &Arc<Node>,
        batch: Batch,
        departures: Departures,
        number: u64,
    ) -> Durability {
        self.submitted = number;
        self.queued = true;
        let (sender, receiver) = oneshot::channel();
        let durable = self.durable.clone();
        let index = self.index;
        let epoch = self.epoch;
        let node = node.clone();
        self.committer.submit(Commit {
            batch,
            epoch,
            done: Box::new(move |outcome| {
                if outcome == CommitOutcome::Ok {
                    durable.fetch_max(number, Ordering::AcqRel);
                    let _ = sender.send(outcome);
                    node.depart(index, departures);
                } else {
                    let _ = sender.send(outcome);
                    // The senders may be in other shards, which are not read anew: their messages are delivered again.
                    let follow_ups = departures.follow_ups.into_iter();
                    let again = follow_ups.map(FollowUp::into_delivery).collect();
                    node.commit_failed(index, epoch, outcome);
                    node.deliveries.push_all(again, Vec::new());
                }
            }),
        });
        Durability::Awaited(receiver)
    }

    fn write(
        &mut self,
        node: &Arc<Node>,
        batch: &mut Batch,
        change: RunChange,
        departures: &mut Departures,
        number: u64,
    ) {
        let RunChange { key, mut outcome } = change;
        if let Some(successor) = outcome.successor.take() {
            let (run, outcome) = *successor;
            let key = self.admit(run);
            let change = RunChange { key, outcome };
            self.write(node, batch, change, departures, number);
        }
        let cached = self.runs.get_mut(&key);
        let cached = cached.expect("changed under the same lock");
        let prefix = keys::run(&key);
        let is_new = cached.last_commit == 0
            && outcome
                .blocks
                .first()
                .is_some_and(|block| block[0].event_id == 1);
        if is_new {
            let run_id = uuid::Uuid::parse_str(&key.run_id).unwrap_or_default();
            batch.put(
                Table::Current,
                keys::workflow(&key.namespace_id, &key.workflow_id),
                run_id.as_bytes().to_vec(),
            );
        }
        let has_events = !outcome.blocks.is_empty();
        for events in outcome.blocks {
            let first_event_id = events[0].event_id;
            let last_event_id = events[events.len() - 1].event_id;
            let encoded = Bytes::from(History::from(events).encode_to_vec());
            batch.put(
                Table::History,
                keys::block(&prefix, first_event_id),
                encoded.clone(),
            );
            cached.blocks.push_back(Block {
                first_event_id,
                last_event_id,
                encoded,
            });
        }
        for row in &outcome.changed {
            let row_key = keys::row(&prefix, row);
            match cached.run.encode_row(row) {
                Some(value) => batch.put(Table::Runs, row_key, value),
                None => batch.delete(Table::Runs, row_key),
            }
        }
        for task in outcome.tasks_removed {
            batch.delete(Table::Tasks, keys::task(&key, &task));
        }
        let started = cached.run.started_task.is_some();
        for task in outcome.tasks_added {
            let normal_queue = cached.run.task_queue();
            let row = TaskRow {
                workflow_id: key.workflow_id.clone(),
                run_id: key.run_id.clone(),
                normal_queue: normal_queue.to_owned(),
                sticky: task.sticky,
                attempt: task.attempt,
            };
            batch.put(Table::Tasks, keys::task(&key, &task), row.encode_to_vec());
            // A workflow task that was started for the worker at hand is not offered to others.
            if !(started && task.item == 0) {
                departures.offers.push(StoredTask {
                    run: key.clone(),
                    normal_queue: normal_queue.into(),
                    task,
                });
            }
        }
        for effect in outcome.effects {
            batch.put(Table::Outbox, keys::effect(&prefix, &effect), Bytes::new());
            departures.deliveries.push(Delivery {
                sender: key.clone(),
                effect,
            });
        }
        move_wake_up(&mut cached.run, &prefix, batch);
        batch.put(
            Table::Runs,
            keys::head(&prefix),
            cached.run.head.encode_to_vec(),
        );
        cached.last_commit = number;
        if is_new || outcome.visible {
            let version = cached.run.head.transition_count as u64;
            if let Some(change) = crate::visible::record(node, &cached.run) {
                batch.put(
                    Table::VisibilityQueue,
                    prefix.clone(),
                    version.to_be_bytes().to_vec(),
                );
                cached.visible_version = version;
                self.projecting.insert(key.clone(), version);
                departures.changes.push((key.clone(), change));
            }
        }
        for id in outcome.released_queries {
            if let Some(sender) = self.queries.remove(&id) {
                departures.released_queries.push(sender);
            }
        }
        if has_events && let Some(readers) = self.readers.remove(&key) {
            departures.readers.extend(readers);
        }
        let durable = self.durable();
        if let Some(cached) = self.runs.get_mut(&key) {
            cached.trim_blocks(BLOCK_BYTES_KEPT, durable);
        }
        self.runs.measure(&key);
        self.arm(&key);
        self.shrink();
    }

    /// Deletes all rows of a closed run. `false`: not yet, since its close is not durable or others have still to be
    /// told of it.
    pub(crate) fn delete(
        &mut self,
        node: &Arc<Node>,
        key: &Arc<RunKey>,
    ) -> Result<bool, StoreError> {
        let prefix = keys::run(key);
        let range = Prefix::new(prefix.clone());
        let last = self.runs.peek(key).map_or(0, |cached| cached.last_commit);
        if last > self.durable() {
            return Ok(false);
        }
        let untold = self
            .store
            .scan(self.id(), Table::Outbox, range.range(), 1, Order::Forward)?;
        if !untold.is_empty() {
            return Ok(false);
        }
        let mut batch = Batch::new(self.id(), self.fence);
        for table in [Table::Runs, Table::History] {
            let mut keys = range.range();
            let mut last;
            loop {
                let rows = self
                    .store
                    .scan(self.id(), table, keys, ROWS_DELETED, Order::Forward)?;
                let Some((key, _)) = rows.last() else { break };
                last = key.clone();
                for (row, _) in rows {
                    batch.delete(table, row);
                }
                keys = range.after(&last);
            }
        }
        if let Some(cached) = self.runs.peek(key) {
            for block in &cached.blocks {
                batch.delete(Table::History, keys::block(&prefix, block.first_event_id));
            }
            let wake_up = cached.run.head.wake_up;
            if wake_up != 0 {
                batch.delete(Table::Timers, keys::timer(wake_up, &prefix));
            }
        }
        let workflow = keys::workflow(&key.namespace_id, &key.workflow_id);
        let current = self.store.get(self.id(), Table::Current, &workflow)?;
        let run_id = uuid::Uuid::parse_str(&key.run_id).unwrap_or_default();
        let overlaid = self.runs.current(&key.namespace_id, &key.workflow_id);
        if overlaid.is_none_or(|current| current == *key)
            && current.is_some_and(|current| *current == *run_id.as_bytes())
        {
            batch.delete(Table::Current, workflow);
        }
        // Among them may be this run's row of before, which must not take the new one with it later.
        for (table, row) in self.swept.drain(..) {
            batch.delete(table, row);
        }
        batch.put(Table::VisibilityQueue, prefix, DELETED);
        self.disarm(key);
        self.runs.remove(key);
        let number = self.submitted + 1;
        let durable = self.durable();
        self.deleting.retain(|_, deletion| *deletion > durable);
        self.deleting.insert(key.clone(), number);
        self.projecting.insert(key.clone(), u64::MAX);
        let departures = Departures {
            readers: self.readers.remove(key).unwrap_or_default(),
            changes: vec![(
                key.clone(),
                Change::Delete {
                    namespace_id: key.namespace_id.clone(),
                    run_id: key.run_id.clone(),
                },
            )],
            ..Departures::default()
        };
        let _ = self.submit(node, batch, departures, number);
        Ok(true)
    }

    /// Looks at the run again at `due`.
    pub(crate) fn postpone(&mut self, key: &Arc<RunKey>, due: Time) {
        if let Some(cached) = self.runs.get_mut(key)
            && let Some(armed) = cached.armed.replace(due)
        {
            self.timers.remove(&(armed, key.clone()));
        }
        // One that is not in memory is read when it is due.
        self.timers.insert((due, key.clone()));
        self.announce_due();
    }

    /// Removes the message from the outbox; its sender has nothing to record.
    pub(crate) fn settle(&mut self, node: &Arc<Node>, delivery: &Delivery) -> Durability {
        self.commit(node, Vec::new(), Departures::default(), Some(delivery))
    }

    // ---- timers ----

    /// Keeps the run's entry among the timers in memory in step with its deadlines.
    pub(crate) fn arm(&mut self, key: &RunKey) {
        let until = self.timers_loaded_until;
        let Some(cached) = self.runs.peek(key) else {
            return;
        };
        let stored = Time(cached.run.head.wake_up).some();
        let next = match (cached.run.next_deadline(), stored) {
            (Some(next), Some(stored)) => Some(next.min(stored)),
            (next, stored) => next.or(stored),
        };
        let armed = cached.armed;
        // What is due beyond the window and stands in the store is read when its time comes near.
        let next = next.filter(|next| *next < until || stored.is_none_or(|stored| stored > *next));
        if next == armed {
            return;
        }
        let key = cached.run.key.clone();
        if let Some(old) = armed {
            self.timers.remove(&(old, key.clone()));
        }
        if let Some(new) = next {
            self.timers.insert((new, key.clone()));
        }
        if let Some(cached) = self.runs.get_mut(&key) {
            cached.armed = next;
        }
        self.announce_due();
    }

    fn disarm(&mut self, key: &Arc<RunKey>) {
        if let Some(armed) = self.runs.peek(key).and_then(|cached| cached.armed) {
            self.timers.remove(&(armed, key.clone()));
        }
        self.announce_due();
    }

    fn announce_due(&self) {
        let first = self.timers.first().map_or(i64::MAX, |(due, _)| due.0);
        // The window is extended before it ends.
        let extend = self.timers_loaded_until.0.saturating_sub(TIMER_WINDOW / 2);
        self.next_due.announce(first.min(extend));
    }

    /// When something is due next.
    pub(crate) fn next_due(&self) -> Time {
        self.next_due.get()
    }

    /// Reads the timers of the near future into memory.
    pub(crate) fn load_timers(&mut self, now: Time) -> Result<(), StoreError> {
        if self.timers_loaded_until.0 - TIMER_WINDOW / 2 > now.0 {
            return Ok(());
        }
        // Taken before the read, which shows at least what is durable now.
        let durable = self.durable();
        let from = (self.timers_loaded_until.0 as u64).to_be_bytes();
        let until = (now.plus(TIMER_WINDOW).0 as u64).to_be_bytes();
        let rows = self.store.scan(
            self.id(),
            Table::Timers,
            (Bound::Included(&from), Bound::Excluded(&until)),
            TIMERS_READ,
            Order::Forward,
        )?;
        let complete = rows.len() < TIMERS_READ;
        let mut last = Time(0);
        for (row, _) in rows {
            let Some((due, key)) = keys::parse_timer(&row) else {
                return Err(StoreError::Corrupt(
                    "a timer's key is unreadable".to_owned(),
                ));
            };
            last = due;
            match self.runs.get_mut(&key) {
                Some(cached) if cached.armed.is_none_or(|armed| armed > due) => {
                    if let Some(armed) = cached.armed.replace(due) {
                        self.timers.remove(&(armed, key.clone()));
                    }
                    self.timers.insert((due, key));
                }
                Some(_) => {}
                None => {
                    self.timers.insert((due, key));
                }
            }
        }
        // Rows of the very instant at which the read ended may be left out; they are read again.
        self.timers_loaded_until = if complete {
            now.plus(TIMER_WINDOW)
        } else {
            last
        };
        // A timer whose row is still on its way to the store is armed from memory; nothing would read it later.
        let keys = self.runs.keys();
        let on_their_way: Vec<_> = keys
            .filter(|key| {
                let cached = self.runs.peek(key);
                cached.is_some_and(|cached| cached.last_commit > durable)
            })
            .cloned()
            .collect();
        for key in on_their_way {
            self.arm(&key);
        }
        self.announce_due();
        Ok(())
    }

    /// The next run of which something is due.
    pub(crate) fn take_due(&mut self, now: Time) -> Option<Arc<RunKey>> {
        let (due, _) = self.timers.first()?;
        if *due > now {
            return None;
        }
        let (_, key) = self.timers.pop_first()?;
        if let Some(cached) = self.runs.get_mut(&key) {
            cached.armed = None;
        }
        self.announce_due();
        Some(key)
    }

    /// A wake-up that came early, or for a run that is gone: moves its row to where it belongs.
    pub(crate) fn rearm(&mut self, node: &Arc<Node>, key: &Arc<RunKey>, now: Time) {
        let mut batch = Batch::new(self.id(), self.fence);
        let Some(cached) = self.runs.get_mut(key) else {
            return;
        };
        if cached.run.head.wake_up != 0 && cached.run.head.wake_up <= now.0 {
            let prefix = keys::run(key);
            move_wake_up_exactly(&mut cached.run, &prefix, &mut batch);
            batch.put(
                Table::Runs,
                keys::head(&prefix),
                cached.run.head.encode_to_vec(),
            );
            let number = self.submitted + 1;
            cached.last_commit = number;
            let _ = self.submit(node, batch, Departures::default(), number);
        }
        self.arm(key);
    }

    // ---- recovery and projection ----

    /// Rows of `Table::Tasks` from a key on, in order.
    pub(crate) fn stored_tasks(
        &self,
        range: steadfast_store::KeyRange<'_>,
        limit: usize,
    ) -> Result<Vec<(Bytes, StoredTask)>, StoreError> {
        let rows = self
            .store
            .scan(self.id(), Table::Tasks, range, limit, Order::Forward)?;
        rows.into_iter()
            .map(|(key, value)| {
                let task = parse_task(&key, &value)
                    .ok_or_else(|| StoreError::Corrupt("a task row is unreadable".to_owned()))?;
                Ok((key, task))
            })
            .collect()
    }

    /// Messages that were not delivered, after the key of `after`.
    pub(crate) fn stored_deliveries(
        &self,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Delivery)>, StoreError> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let range = (start, Bound::Unbounded);
        let rows = self
            .store
            .scan(self.id(), Table::Outbox, range, limit, Order::Forward)?;
        rows.into_iter()
            .map(|(key, _)| {
                let (sender, effect) = keys::parse_effect(&key)
                    .ok_or_else(|| StoreError::Corrupt("an outbox row is unreadable".to_owned()))?;
                Ok((key, Delivery { sender, effect }))
            })
            .collect()
    }

    /// Runs of a namespace among so many rows from `start` on, with the last key if there may be more.
    pub(crate) fn stored_runs(
        &self,
        namespace_id: &str,
        start: Bound<&[u8]>,
        limit: usize,
    ) -> Result<(Option<Bytes>, Vec<RunKey>), StoreError> {
        let prefix = Prefix::new(keys::namespace(namespace_id));
        let (first, end) = prefix.range();
        let start = if start == Bound::Unbounded {
            first
        } else {
            start
        };
        let rows = self
            .store
            .scan(self.id(), Table::Runs, (start, end), limit, Order::Forward)?;
        let last = (rows.len() == limit).then(|| rows.last().map(|(key, _)| key.clone()));
        let runs = rows.iter().filter_map(|(key, _)| {
            let (run, rest) = keys::parse_run(key)?;
            (rest == Row::HEAD_KEY).then_some(run)
        });
        Ok((last.flatten(), runs.collect()))
    }

    /// Runs whose visibility record has to be written, after a key; as changes.
    pub(crate) fn stored_projections(
        &mut self,
        node: &Arc<Node>,
        table: Table,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<(Option<Bytes>, Changes), StoreError> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let range = (start, Bound::Unbounded);
        let rows = self
            .store
            .scan(self.id(), table, range, limit, Order::Forward)?;
        let last = (rows.len() == limit).then(|| rows.last().map(|(key, _)| key.clone()));
        let mut changes = Vec::new();
        for (row, value) in rows {
            let Some((key, rest)) = keys::parse_run(&row) else {
                return Err(StoreError::Corrupt(
                    "a visibility row is unreadable".to_owned(),
                ));
            };
            if table == Table::Runs && rest != Row::HEAD_KEY {
                continue;
            }
            let deleted = table == Table::VisibilityQueue && value == DELETED;
            if deleted || !self.load(&key)? {
                let key = Arc::new(key);
                self.projecting.insert(key.clone(), u64::MAX);
                let change = Change::Delete {
                    namespace_id: key.namespace_id.clone(),
                    run_id: key.run_id.clone(),
                };
                changes.push((key, change));
                continue;
            }
            let cached = self.runs.get_mut(&key).expect("loaded above");
            let version = cached.run.head.transition_count as u64;
            cached.visible_version = version;
            let key = cached.run.key.clone();
            self.projecting.insert(key.clone(), version);
            changes.extend(crate::visible::record(node, &cached.run).map(|change| (key, change)));
        }
        Ok((last.flatten(), changes))
    }

    /// The records of these runs (with their versions) are in the visibility store: their rows may go.
    pub(crate) fn projected(&mut self, key: &RunKey, version: u64) {
        if self.projecting.get(key) == Some(&version) {
            self.projecting.remove(key);
            self.swept
                .push((Table::VisibilityQueue, keys::run(key).into()));
        }
    }

    /// Removes the rows that nobody needs any more, if many have gathered.
    pub(crate) fn sweep(&mut self, node: &Arc<Node>, at_least: usize) {
        if self.swept.len() >= at_least.max(1) {
            let _ = self.commit(node, Vec::new(), Departures::default(), None);
        }
    }
}

/// The row that wakes the run: moved forward at once when something is due earlier; left where it is when that
/// is too early, since it is cheaper to wake in vain once than to move it at each step. A closed run's row is exact.
fn move_wake_up(run: &mut Execution, prefix: &[u8], batch: &mut Batch) {
    let wanted = run.next_stored_deadline().map_or(0, |due| due.0);
    let stored = run.head.wake_up;
    let early = stored != 0 && (wanted == 0 || stored <= wanted);
    if !(early && run.is_open()) {
        move_wake_up_exactly(run, prefix, batch);
    }
}

fn move_wake_up_exactly(run: &mut Execution, prefix: &[u8], batch: &mut Batch) {
    let wanted = run.next_stored_deadline().map_or(0, |due| due.0);
    let stored = run.head.wake_up;
    if wanted == stored {
        return;
    }
    if stored != 0 {
        batch.delete(Table::Timers, keys::timer(stored, prefix));
    }
    if wanted != 0 {
        batch.put(Table::Timers, keys::timer(wanted, prefix), Bytes::new());
    }
    run.head.wake_up = wanted;
}

fn parse_task(key: &[u8], value: &[u8]) -> Option<StoredTask> {
    let row = TaskRow::decode(value).ok()?;
    let (namespace_id, rest) = key.split_first_chunk::<16>()?;
    let (kind, rest) = rest.split_first()?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let (queue, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    let (priority, rest) = rest.split_first()?;
    let (scheduled_time, rest) = rest.split_first_chunk::<8>()?;
    let (_, item) = rest.split_last_chunk::<8>()?;
    let run = RunKey {
        namespace_id: uuid::Uuid::from_bytes(*namespace_id).to_string(),
        workflow_id: row.workflow_id,
        run_id: row.run_id,
    };
    let task = Task {
        kind: match kind {
            1 => steadfast_core::outcome::TaskKind::Workflow,
            _ => steadfast_core::outcome::TaskKind::Activity,
        },
        queue: String::from_utf8(queue.to_vec()).ok()?,
        sticky: row.sticky,
        priority: *priority,
        scheduled_time: Time(u64::from_be_bytes(*scheduled_time) as i64),
        item: u64::from_be_bytes(*item) as i64,
        attempt: row.attempt,
    };
    Some(StoredTask {
        run: Arc::new(run),
        task,
        normal_queue: row.normal_queue.into(),
    })
}
