//! Group commit: all that waits, over all shards of the node, goes into one write with one sync.
//!
//! One group is written at a time. Where nobody writes, whoever brought a commit writes it himself, and does not have to
//! wake a thread and be woken by it: at low load that is half of the time that a commit takes. What comes meanwhile is
//! the committing thread's, which goes on as long as there is more. A store that is slow at the moment is left to that
//! thread altogether, since those who bring commits have other things to do.

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
/// A store that took longer for its last group is not waited for by those who bring commits.
const PROMPT: Duration = Duration::from_millis(2);

/// A batch, and what happens once it is durable, or known not to be.
pub(crate) struct Commit {
    /// The writes, under the shard's fence.
    pub batch: Batch,
    /// Which life of the shard's memory made it; see [`Committer::submit`].
    pub epoch: u64,
    /// Called by whoever wrote the group; must not block.
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

/// What waits, and whether somebody is writing.
#[derive(Default)]
struct Queue {
    waiting: Vec<Waiting>,
    writing: bool,
}

/// The queue before the store, and those who empty it.
pub(crate) struct Committer {
    pub(crate) store: Arc<dyn Store>,
    queue: Mutex<Queue>,
    arrived: Condvar,
    waiting_bytes: AtomicUsize,
    waiting_bytes_max: AtomicUsize,
    stopping: AtomicBool,
    /// Whether [`Committer::run`] is running: only then others write too.
    attended: AtomicBool,
    /// Microseconds that the store took for the last group.
    last_micros: AtomicU64,
    /// Epochs of shards of which a commit failed: what was made from memory that is not durable must not be written.
    broken: Mutex<BTreeMap<ShardId, u64>>,
    pub(crate) figures: CommitFigures,
}

impl Committer {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            queue: Mutex::default(),
            arrived: Condvar::new(),
            waiting_bytes: AtomicUsize::new(0),
            waiting_bytes_max: AtomicUsize::new(WAITING_BYTES_MAX),
            stopping: AtomicBool::new(false),
            attended: AtomicBool::new(false),
            last_micros: AtomicU64::new(0),
            broken: Mutex::default(),
            figures: CommitFigures::default(),
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a commit. Those of one shard are written in the order in which they are queued, and once one of an epoch
    /// fails, all later ones of that epoch are answered `Unknown` without being tried. To be followed by
    /// [`Committer::attend`], once no lock is held.
    pub(crate) fn submit(&self, commit: Commit) {
        let bytes = commit.batch.size_bytes();
        self.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.queue().waiting.push(Waiting { commit, bytes });
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

    /// Sees to it that what was queued is written: now, or by the committing thread. The caller holds no lock, since
    /// what is called when a group is durable takes any of them.
    pub(crate) fn attend(&self) {
        if !self.attended.load(Ordering::Acquire) {
            return;
        }
        let mut queue = self.queue();
        if queue.writing || queue.waiting.is_empty() {
            // Whoever writes looks again when he is done.
            return;
        }
        let prompt = self.last_micros.load(Ordering::Relaxed) <= PROMPT.as_micros() as u64;
        if prompt && !std::thread::panicking() {
            queue.writing = true;
            let writing = Writing(self);
            let group = take_group(&mut queue.waiting);
            drop(queue);
            self.write(group);
            drop(writing);
        } else {
            self.arrived.notify_one();
        }
    }

    /// Whether nothing waits.
    pub(crate) fn is_idle(&self) -> bool {
        self.queue().waiting.is_empty()
    }

    /// Writes what waits, as one group. Answers whether there was anything.
    pub(crate) fn run_once(&self) -> bool {
        let group = take_group(&mut self.queue().waiting);
        self.write(group)
    }

    /// Writes groups until [`Committer::stop`], then what is left.
    pub(crate) fn run(&self) {
        self.attended.store(true, Ordering::Release);
        loop {
            let mut queue = self.queue();
            while queue.writing || queue.waiting.is_empty() {
                if self.stopping.load(Ordering::Acquire) && !queue.writing {
                    return;
                }
                queue = self
                    .arrived
                    .wait(queue)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            queue.writing = true;
            let writing = Writing(self);
            while !queue.waiting.is_empty() {
                let group = take_group(&mut queue.waiting);
                drop(queue);
                self.write(group);
                queue = self.queue();
            }
            drop(queue);
            drop(writing);
        }
    }

    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        let _queue = self.queue();
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
        self.last_micros.store(micros, Ordering::Relaxed);
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

/// Somebody writes, until this is dropped.
struct Writing<'a>(&'a Committer);

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        let mut queue = self.0.queue();
        queue.writing = false;
        if !queue.waiting.is_empty() || self.0.stopping.load(Ordering::Acquire) {
            self.0.arrived.notify_one();
        }
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
