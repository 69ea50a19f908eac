//! The runs a shard holds in memory, bounded in bytes; those that were not used for long go first.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use prost::Message;
use rustc_hash::FxHashMap;
use steadfast_core::execution::{Execution, RunKey};
use steadfast_core::time::Time;

use crate::block::Block;

/// What a run costs at least, bytes: its structures and its first event, decoded.
const RUN_BYTES: usize = 5 * 1024;
/// What a pending item costs about, bytes.
const ITEM_BYTES: usize = 512;

/// A run in memory.
pub(crate) struct CachedRun {
    /// The state, which may be ahead of what is durable.
    pub run: Execution,
    /// The last blocks of the history, without a gap; all that are not durable are among them.
    pub blocks: VecDeque<Block>,
    /// Number of the last commit of this run in its shard; 0 if it was loaded and not changed.
    pub last_commit: u64,
    /// Entry of this run among the shard's timers in memory.
    pub armed: Option<Time>,
    bytes: usize,
    used: u64,
}

impl CachedRun {
    pub(crate) fn new(run: Execution) -> Self {
        Self {
            run,
            blocks: VecDeque::new(),
            last_commit: 0,
            armed: None,
            bytes: 0,
            used: 0,
        }
    }

    fn measure(&self) -> usize {
        let events: usize = self.blocks.iter().map(|block| block.encoded.len()).sum();
        let run = &self.run;
        let items = run.activities.len()
            + run.timers.len()
            + run.children.len()
            + run.external_signals.len()
            + run.external_cancels.len()
            + run.signal_request_ids.len();
        let started = run.started.encoded_len();
        let pending = run.buffered_bytes + run.pending_bytes;
        RUN_BYTES + events + 2 * (started + pending) + ITEM_BYTES * items
    }

    /// Whether memory holds what the store does not: a started workflow task, one that waits for a certain worker,
    /// queries that wait.
    fn is_pinned(&self, durable: u64) -> bool {
        self.last_commit > durable
            || self.run.started_task.is_some()
            || self.run.sticky_deadline.is_some()
            || !self.run.queries.is_empty()
    }

    /// Drops the oldest blocks until at most `bytes` are left, as long as they are durable.
    pub(crate) fn trim_blocks(&mut self, bytes: usize, durable: u64) {
        if self.last_commit > durable {
            return;
        }
        let mut held: usize = self.blocks.iter().map(|block| block.encoded.len()).sum();
        while held > bytes && self.blocks.len() > 1 {
            let Some(block) = self.blocks.pop_front() else {
                return;
            };
            held -= block.encoded.len();
        }
    }
}

/// The runs of one shard.
pub(crate) struct Runs {
    by_key: FxHashMap<Arc<RunKey>, CachedRun>,
    by_use: BTreeMap<u64, Arc<RunKey>>,
    /// Current run of the workflow ids whose current run is in memory.
    current: FxHashMap<(String, String), Arc<RunKey>>,
    bytes: usize,
    bytes_max: usize,
    clock: u64,
}

impl Runs {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            by_key: FxHashMap::default(),
            by_use: BTreeMap::new(),
            current: FxHashMap::default(),
            bytes: 0,
            bytes_max,
            clock: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_key.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn contains(&self, key: &RunKey) -> bool {
        self.by_key.contains_key(key)
    }

    /// All of them, the least lately used first.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &Arc<RunKey>> {
        self.by_use.values()
    }

    /// The run, which counts as used.
    pub(crate) fn get_mut(&mut self, key: &RunKey) -> Option<&mut CachedRun> {
        let cached = self.by_key.get_mut(key)?;
        if cached.used == self.clock {
            return Some(cached);
        }
        self.clock += 1;
        if let Some(entry) = self.by_use.remove(&cached.used) {
            self.by_use.insert(self.clock, entry);
        }
        cached.used = self.clock;
        Some(cached)
    }

    /// The run, which does not count as used.
    pub(crate) fn peek(&self, key: &RunKey) -> Option<&CachedRun> {
        self.by_key.get(key)
    }

    pub(crate) fn insert(&mut self, mut cached: CachedRun) {
        let key = cached.run.key.clone();
        self.clock += 1;
        cached.used = self.clock;
        cached.bytes = cached.measure();
        self.bytes += cached.bytes;
        self.by_use.insert(self.clock, key.clone());
        let replaced = self.by_key.insert(key, cached);
        assert!(replaced.is_none(), "a run is loaded once");
    }

    /// Bytes that are held, as far as the runs in use allow.
    pub(crate) fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// Holds so many bytes from now on.
    pub(crate) fn limit(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max;
    }

    /// To be called after a change: counts the bytes anew.
    pub(crate) fn measure(&mut self, key: &RunKey) {
        if let Some(cached) = self.by_key.get_mut(key) {
            let bytes = cached.measure();
            self.bytes = self.bytes + bytes - cached.bytes;
            cached.bytes = bytes;
        }
    }

    pub(crate) fn remove(&mut self, key: &RunKey) -> Option<CachedRun> {
        let cached = self.by_key.remove(key)?;
        self.by_use.remove(&cached.used);
        self.bytes -= cached.bytes;
        let workflow = (key.namespace_id.clone(), key.workflow_id.clone());
        if self
            .current
            .get(&workflow)
            .is_some_and(|current| **current == *key)
        {
            self.current.remove(&workflow);
        }
        Some(cached)
    }

    pub(crate) fn current(&self, namespace_id: &str, workflow_id: &str) -> Option<Arc<RunKey>> {
        // The key has to be owned by the map's signature; lookups are rare beside the loads they save.
        let workflow = (namespace_id.to_owned(), workflow_id.to_owned());
        self.current.get(&workflow).cloned()
    }

    pub(crate) fn set_current(&mut self, key: Arc<RunKey>) {
        let workflow = (key.namespace_id.clone(), key.workflow_id.clone());
        self.current.insert(workflow, key);
    }

    /// Drops runs that were not used for long, until the rest fits. Those whose memory is ahead of the store stay.
    pub(crate) fn shrink(&mut self, durable: u64, mut dropped: impl FnMut(CachedRun)) {
        // Pinned runs are passed over a bounded number of times, so that shrinking stays cheap.
        let mut passed = 0;
        while self.bytes > self.bytes_max && passed < 16 {
            let Some((used, key)) = self.by_use.pop_first() else {
                return;
            };
            if self
                .by_key
                .get(&key)
                .is_some_and(|run| run.is_pinned(durable))
            {
                passed += 1;
                self.clock += 1;
                if let Some(cached) = self.by_key.get_mut(&key) {
                    cached.used = self.clock;
                }
                self.by_use.insert(self.clock, key);
                continue;
            }
            self.by_use.insert(used, key.clone());
            if let Some(cached) = self.remove(&key) {
                dropped(cached);
            }
        }
    }
}
