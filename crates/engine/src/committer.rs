//! Group commit: all that waits, over all shards of the node, goes into one write with one sync.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

use steadfast_store::{Batch, CommitOutcome, ShardId, Store};

/// Commits of one group, a bound on the size of one write.
const GROUP_COMMITS_MAX: usize = 2048;
/// Bytes of one group.
const GROUP_BYTES_MAX: usize = 8 << 20;

/// A batch, and what happens once it is durable, or known not to be.
pub(crate) struct Commit {
    /// The writes, under the shard's fence.
    pub batch: Batch,
    /// Which life of the shard's memory made it; see [`Committer::submit`].
    pub epoch: u64,
    /// Called on the committing thread; must not block.
    pub done: Box<dyn FnOnce(CommitOutcome) + Send>,
}

/// Figures of the commits so far.
#[derive(Default)]
pub(crate) struct CommitFigures {
    /// Groups written.
    pub groups: AtomicU64,
    /// Commits in them.
    pub commits: AtomicU64,
    /// Bytes in them.
    pub bytes: AtomicU64,
    /// Microseconds spent in the store.
    pub micros: AtomicU64,
    /// Commits that were not acknowledged.
    pub failed: AtomicU64,
}

/// The queue before the store, and the one who empties it.
pub(crate) struct Committer {
    store: Arc<dyn Store>,
    waiting: Mutex<Vec<Commit>>,
    arrived: Condvar,
    stopping: AtomicBool,
    /// Epochs of shards of which a commit failed: what was made from memory that is not durable must not be written.
    broken: Mutex<BTreeMap<ShardId, u64>>,
    pub(crate) figures: CommitFigures,
}

impl Committer {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            waiting: Mutex::default(),
            arrived: Condvar::new(),
            stopping: AtomicBool::new(false),
            broken: Mutex::default(),
            figures: CommitFigures::default(),
        }
    }

    /// Queues a commit. Those of one shard are written in the order in which they are queued, and once one of an epoch
    /// fails, all later ones of that epoch are answered `Unknown` without being tried.
    pub(crate) fn submit(&self, commit: Commit) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push(commit);
        // The committer looks again before it sleeps: only the first one has to wake it.
        if waiting.len() == 1 {
            self.arrived.notify_one();
        }
    }

    /// Whether nothing waits.
    pub(crate) fn is_idle(&self) -> bool {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.is_empty()
    }

    /// Writes what waits, as one group. Answers whether there was anything.
    pub(crate) fn run_once(&self) -> bool {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let group = take_group(&mut waiting);
        drop(waiting);
        self.write(group)
    }

    /// Writes groups until [`Committer::stop`], then what is left.
    pub(crate) fn run(&self) {
        loop {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            while waiting.is_empty() {
                if self.stopping.load(Ordering::Acquire) {
                    return;
                }
                waiting = self
                    .arrived
                    .wait(waiting)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            let group = take_group(&mut waiting);
            drop(waiting);
            self.write(group);
        }
    }

    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        let _waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        self.arrived.notify_all();
    }

    fn write(&self, group: Vec<Commit>) -> bool {
        if group.is_empty() {
            return false;
        }
        let mut broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        let mut batches = Vec::with_capacity(group.len());
        let mut doomed = Vec::with_capacity(group.len());
        let mut reactions = Vec::with_capacity(group.len());
        let mut bytes = 0;
        for Commit { batch, epoch, done } in group {
            let shard = batch.shard;
            bytes += batch.size_bytes();
            if broken.get(&shard).is_some_and(|broken| *broken >= epoch) {
                doomed.push(done);
            } else {
                batches.push(batch);
                reactions.push((shard, epoch, done));
            }
        }
        let begun = Instant::now();
        let outcomes = if batches.iter().all(|batch| batch.writes.is_empty()) {
            // Nothing to write: what came before of these shards was answered already.
            vec![CommitOutcome::Ok; batches.len()]
        } else {
            self.store.commit(batches)
        };
        let figures = &self.figures;
        figures.groups.fetch_add(1, Ordering::Relaxed);
        figures
            .commits
            .fetch_add(outcomes.len() as u64, Ordering::Relaxed);
        figures.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        let micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        figures.micros.fetch_add(micros, Ordering::Relaxed);
        assert_eq!(
            outcomes.len(),
            reactions.len(),
            "one outcome for each batch"
        );
        let mut answers = Vec::with_capacity(reactions.len());
        for (outcome, (shard, epoch, done)) in outcomes.into_iter().zip(reactions) {
            let dead = broken.get(&shard).is_some_and(|broken| *broken >= epoch);
            if outcome != CommitOutcome::Ok {
                let entry = broken.entry(shard).or_default();
                *entry = (*entry).max(epoch);
            }
            // A group is one write: an acknowledged batch after a failed one of its shard would be a gap.
            let outcome = if dead && outcome == CommitOutcome::Ok {
                CommitOutcome::Unknown
            } else {
                outcome
            };
            answers.push((outcome, done));
        }
        drop(broken);
        for (outcome, done) in answers {
            if outcome != CommitOutcome::Ok {
                figures.failed.fetch_add(1, Ordering::Relaxed);
            }
            done(outcome);
        }
        for done in doomed {
            figures.failed.fetch_add(1, Ordering::Relaxed);
            done(CommitOutcome::Unknown);
        }
        true
    }
}

fn take_group(waiting: &mut Vec<Commit>) -> Vec<Commit> {
    let mut bytes = 0;
    let mut count = 0;
    for commit in waiting.iter().take(GROUP_COMMITS_MAX) {
        bytes += commit.batch.size_bytes();
        count += 1;
        if bytes >= GROUP_BYTES_MAX {
            break;
        }
    }
    if count == waiting.len() {
        return std::mem::take(waiting);
    }
    waiting.drain(..count).collect()
}
