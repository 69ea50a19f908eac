//! Group commit: all that waits, over all shards of the node, goes into one write with one sync.
//!
//! One thread writes one group at a time. What comes meanwhile is the next group. Where many come, it waits a moment
//! before a small group, since each sync takes processor time of its own, about a fifth of what a workflow takes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use steadfast_store::{Batch, CommitOutcome, ShardId, Store};

/// Commits of one group, a bound on the size of one write.
const GROUP_COMMITS_MAX: usize = 2048;
/// Bytes of one group.
const GROUP_BYTES_MAX: usize = 8 << 20;
/// Bytes that wait for the store, above which nothing new is begun: requests are refused, timers and messages wait.
const WAITING_BYTES_MAX: usize = 64 << 20;

/// Commits of one group, from which on many come.
const MANY: usize = 16;
/// How long a smaller group waits for more after one of many. At low load there is none.
const GATHER: Duration = Duration::from_millis(1);

/// A batch, and what happens once it is durable, or known not to be.
pub(crate) struct Commit {
    /// The writes, under the shard's fence.
    pub batch: Batch,
    /// Which life of the shard's memory made it; see [`Committer::submit`].
    pub epoch: u64,
    /// Called on the committing thread; must not block.
    pub done: Box<dyn FnOnce(CommitOutcome) + Send>,
}

/// A commit that waits, and the bytes of its batch.
struct Waiting {
    commit: Commit,
    bytes: usize,
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

/// The queue before the store.
pub(crate) struct Committer {
    pub(crate) store: Arc<dyn Store>,
    waiting: Mutex<Vec<Waiting>>,
    arrived: Condvar,
    waiting_bytes: AtomicUsize,
    waiting_bytes_max: AtomicUsize,
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
            waiting_bytes: AtomicUsize::new(0),
            waiting_bytes_max: AtomicUsize::new(WAITING_BYTES_MAX),
            stopping: AtomicBool::new(false),
            broken: Mutex::default(),
            figures: CommitFigures::default(),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a commit. Those of one shard are written in the order in which they are queued, and once one of an epoch
    /// fails, all later ones of that epoch are answered `Unknown` without being tried.
    pub(crate) fn submit(&self, commit: Commit) {
        let bytes = commit.batch.size_bytes();
        self.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        let mut waiting = self.waiting();
        waiting.push(Waiting { commit, bytes });
        let is_first = waiting.len() == 1;
        drop(waiting);
        if is_first {
            self.arrived.notify_one();
        }
    }

    /// Whether so much waits that nothing new should be begun.
    pub(crate) fn is_full(&self) -> bool {
        let most = self.waiting_bytes_max.load(Ordering::Relaxed);
        self.waiting_bytes.load(Ordering::Relaxed) > most
    }

    /// Is full earlier.
    pub(crate) fn limit(&self, waiting_bytes_max: usize) {
        self.waiting_bytes_max
            .store(waiting_bytes_max, Ordering::Relaxed);
    }

    /// Whether nothing waits.
    pub(crate) fn is_idle(&self) -> bool {
        self.waiting().is_empty()
    }

    /// Writes what waits, as one group. Answers whether there was anything.
    pub(crate) fn run_once(&self) -> bool {
        let group = take_group(&mut self.waiting());
        self.write(group)
    }

    /// Writes groups until [`Committer::stop`], then what is left.
    pub(crate) fn run(&self) {
        let mut many_came = false;
        loop {
            let mut waiting = self.waiting();
            while waiting.is_empty() {
                if self.stopping.load(Ordering::Acquire) {
                    return;
                }
                waiting = self
                    .arrived
                    .wait(waiting)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            if many_came && waiting.len() < MANY {
                drop(waiting);
                std::thread::sleep(GATHER);
                waiting = self.waiting();
            }
            let group = take_group(&mut waiting);
            drop(waiting);
            many_came = group.len() >= MANY;
            self.write(group);
        }
    }

    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        // Under the lock, so that the thread is not between its look and its wait.
        let _waiting = self.waiting();
        self.arrived.notify_all();
    }

    fn write(&self, group: Vec<Waiting>) -> bool {
        if group.is_empty() {
            return false;
        }
        let mut broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        let mut batches = Vec::with_capacity(group.len());
        let mut doomed = Vec::with_capacity(group.len());
        let mut reactions = Vec::with_capacity(group.len());
        let mut bytes = 0;
        for Waiting {
            commit,
            bytes: size,
        } in group
        {
            let Commit { batch, epoch, done } = commit;
            let shard = batch.shard;
            bytes += size;
            if broken.get(&shard).is_some_and(|broken| *broken >= epoch) {
                doomed.push(done);
            } else {
                batches.push(batch);
                reactions.push((shard, epoch, done));
            }
        }
        self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
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

fn take_group(waiting: &mut Vec<Waiting>) -> Vec<Waiting> {
    let mut bytes = 0;
    let mut count = 0;
    for one in waiting.iter().take(GROUP_COMMITS_MAX) {
        bytes += one.bytes;
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
