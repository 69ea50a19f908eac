//! Brings the changes of runs into the visibility store, in large transactions, one record per run however often it
//! changed meanwhile. Who lists runs asks for what waits and sees it; while nobody does, much is gathered.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use steadfast_core::execution::RunKey;
use steadfast_store::Table;
use steadfast_visibility::{Change, VisibilityStore};
use tokio::sync::watch;

use crate::clock::instant;
use crate::node::{Node, lock};
use crate::projection;

/// Records that wait; beyond it they are read again from the store when there is room.
const WAITING_MAX: usize = 100_000;
/// Records of one transaction.
const TRANSACTION_MAX: usize = 5000;
/// Runs read at a time when the projection is rebuilt.
const REBUILD_READ: usize = 1000;
/// How long the first record may wait for others, so that a run that starts and closes at once is written once.
const GATHER: Duration = Duration::from_millis(20);
/// The same where many come: most runs then start and close meanwhile, which is half of the work.
const GATHER_BUSY: Duration = Duration::from_millis(100);
/// The same where many come and nobody looks.
const GATHER_UNSEEN: Duration = Duration::from_secs(1);
/// Records a second, from which on many come.
const BUSY: f64 = 300.0;
/// So long after lists or counts were asked for somebody looks. Longer than a page that is open waits between two looks.
const LOOKS: Duration = Duration::from_secs(15);
/// The least time between two transactions, however many ask for what waits.
const LEAST: Duration = Duration::from_millis(10);
/// Who asks for what waits is let go after this long without it: the store may fail, or be busy with an index.
const CAUGHT_UP_WITHIN: Duration = Duration::from_secs(1);
/// Wait after the visibility store failed.
const PAUSE: Duration = Duration::from_millis(500);

/// Changes for the visibility store, each with its run.
pub(crate) type Changes = Vec<(Arc<RunKey>, Change)>;

/// Brings changes to the visibility store.
pub(crate) struct Projector {
    pub(crate) store: Arc<dyn VisibilityStore>,
    waiting: Mutex<Waiting>,
    /// Wakes the thread: the first change, the first who asks, the end.
    arrived: Condvar,
    /// The last round whose changes are all written.
    written: watch::Sender<u64>,
    stopping: AtomicBool,
    overflowed: AtomicBool,
    /// The number of the store's last transaction; none until the store has all runs but for those that wait.
    position: Mutex<Option<u64>>,
    /// Records written so far; whoever lists them may wait for a change of it.
    pub(crate) applied: watch::Sender<u64>,
}

/// The changes that wait for the visibility store.
#[derive(Default)]
struct Waiting {
    changes: BTreeMap<Arc<RunKey>, Change>,
    /// How often all that waited was taken.
    round: u64,
    /// Somebody waits for them.
    asked: bool,
    /// When somebody asked last.
    looked: Option<Instant>,
}

impl Waiting {
    /// How long to wait for more, where so many records a second come.
    fn gather(&self, rate: f64) -> Duration {
        if rate < BUSY {
            return GATHER;
        }
        let looks = self.looked.is_some_and(|last| instant() < last + LOOKS);
        if looks { GATHER_BUSY } else { GATHER_UNSEEN }
    }
}

impl Projector {
    pub(crate) fn new(store: Arc<dyn VisibilityStore>) -> Self {
        Self {
            store,
            waiting: Mutex::default(),
            arrived: Condvar::new(),
            written: watch::Sender::new(0),
            stopping: AtomicBool::new(false),
            overflowed: AtomicBool::new(false),
            position: Mutex::default(),
            applied: watch::Sender::new(0),
        }
    }

    pub(crate) fn waiting(&self) -> usize {
        lock(&self.waiting).changes.len()
    }

    /// Waits, though not for long, until what waits now is in the visibility store.
    pub(crate) async fn caught_up(&self) {
        let mut written = self.written.subscribe();
        let round = {
            let mut waiting = lock(&self.waiting);
            waiting.looked = Some(instant());
            if waiting.changes.is_empty() {
                waiting.round
            } else {
                waiting.asked = true;
                self.arrived.notify_one();
                waiting.round + 1
            }
        };
        let written = written.wait_for(|written| *written >= round);
        let _ = tokio::time::timeout(CAUGHT_UP_WITHIN, written).await;
    }

    pub(crate) fn push(&self, changes: Changes) {
        if changes.is_empty() {
            return;
        }
        let mut waiting = lock(&self.waiting);
        let waiting = &mut waiting.changes;
        let was_empty = waiting.is_empty();
        for (key, change) in changes {
            if waiting.len() >= WAITING_MAX {
                // The rows in the store remember what is left out.
                self.overflowed.store(true, Ordering::Release);
                break;
            }
            match waiting.get(&key) {
                Some(newer) if version_of(newer) > version_of(&change) => {}
                _ => {
                    waiting.insert(key, change);
                }
            }
        }
        if was_empty {
            self.arrived.notify_one();
        }
    }

    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        let _waiting = lock(&self.waiting);
        self.arrived.notify_all();
    }

    /// What waits, or a part of it, and the round that is complete with it.
    fn take(&self) -> (Changes, u64) {
        let mut waiting = lock(&self.waiting);
        if waiting.changes.len() <= TRANSACTION_MAX {
            waiting.round += 1;
            waiting.asked = false;
            let taken = std::mem::take(&mut waiting.changes);
            return (taken.into_iter().collect(), waiting.round);
        }
        let mut taken = Vec::with_capacity(TRANSACTION_MAX);
        while taken.len() < TRANSACTION_MAX
            && let Some(entry) = waiting.changes.pop_first()
        {
            taken.push(entry);
        }
        (taken, 0)
    }

    /// Writes what waits. Answers whether there was anything; `Err` with what could not be written.
    pub(crate) fn run_once(&self, node: &Arc<Node>) -> Result<bool, String> {
        let (taken, round) = self.take();
        if taken.is_empty() {
            self.round_done(round);
            if self.overflowed.swap(false, Ordering::AcqRel) {
                node.read_projections(Table::VisibilityQueue, |changes| self.push(changes));
                return Ok(true);
            }
            return Ok(false);
        }
        let (keys, changes): (Vec<_>, Vec<_>) = taken.into_iter().unzip();
        let position = lock(&self.position).map(|last| last + 1);
        let marker =
            position.map(|position| projection::marker(node.namespaces().cluster_id(), position));
        if let Err(error) = self.store.apply(&changes, marker.as_deref()) {
            self.push(keys.into_iter().zip(changes).collect());
            return Err(error.to_string());
        }
        let versions = changes.iter().map(version_of);
        let done: Vec<_> = keys.into_iter().zip(versions).collect();
        *lock(&self.position) = position;
        self.round_done(round);
        self.applied
            .send_modify(|applied| *applied += done.len() as u64);
        node.projected(&done, position);
        Ok(true)
    }

    fn round_done(&self, round: u64) {
        self.written
            .send_if_modified(|written| round > std::mem::replace(written, round.max(*written)));
    }

    /// Writes changes until [`Projector::stop`]. Fills the projection from the primary store first if it is new.
    pub(crate) fn run(&self, node: &Arc<Node>) {
        while !self.rebuild(node) && !self.stopping.load(Ordering::Acquire) {
            std::thread::sleep(PAUSE);
        }
        let (mut rate, mut before) = (0.0, instant());
        while !self.stopping.load(Ordering::Acquire) {
            self.gather(rate);
            let applied = *self.applied.borrow();
            self.attempt(node);
            let written = *self.applied.borrow() - applied;
            std::thread::sleep(LEAST);
            let now = instant();
            rate = written as f64 / (now - before).as_secs_f64();
            before = now;
        }
        self.attempt(node);
    }

    /// Waits for a change, and then for more, for as long as nobody asks for them.
    fn gather(&self, rate: f64) {
        let waiting = lock(&self.waiting);
        let stopping = || self.stopping.load(Ordering::Acquire);
        // The time limit only bounds how late it is seen that some were left out.
        let idle = |waiting: &mut Waiting| {
            waiting.changes.is_empty() && !self.overflowed.load(Ordering::Acquire) && !stopping()
        };
        let waited = self
            .arrived
            .wait_timeout_while(waiting, Duration::from_secs(1), idle);
        let (waiting, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if waiting.changes.is_empty() {
            return;
        }
        let more = waiting.gather(rate);
        let unasked = |waiting: &mut Waiting| {
            !waiting.asked && waiting.changes.len() < TRANSACTION_MAX && !stopping()
        };
        let _ = self.arrived.wait_timeout_while(waiting, more, unasked);
    }

    fn attempt(&self, node: &Arc<Node>) {
        if let Err(error) = self.run_once(node) {
            tracing::warn!(%error, "the visibility store failed; it is tried again");
            if !self.stopping.load(Ordering::Acquire) {
                std::thread::sleep(PAUSE);
            }
        }
    }

    /// Fills the projection from the primary store unless it is complete. `false`: to be tried again.
    pub(crate) fn rebuild(&self, node: &Arc<Node>) -> bool {
        let least = match node.least_projection() {
            Ok(least) => least,
            Err(error) => {
                tracing::warn!(%error, "it cannot be seen how far the visibility store must be");
                return false;
            }
        };
        let cluster_id = node.namespaces().cluster_id().to_owned();
        let marker = self.store.marker().unwrap_or_else(|error| {
            tracing::warn!(%error, "the visibility store cannot be read; it is filled anew");
            None
        });
        let position = marker.and_then(|marker| projection::position_of(&cluster_id, &marker));
        if let Some(position) = position
            && position >= least
        {
            *lock(&self.position) = Some(position);
            return true;
        }
        let mut total = 0;
        let mut written = true;
        let read = node.read_projections(Table::Runs, |changes| {
            total += changes.len();
            for part in changes.chunks(REBUILD_READ) {
                let records = part.len() as u64;
                let part: Vec<_> = part.iter().map(|(_, change)| change.clone()).collect();
                match self.store.apply(&part, None) {
                    Ok(()) => self.applied.send_modify(|applied| *applied += records),
                    Err(error) => {
                        tracing::warn!(%error, "a part of the visibility store could not be filled");
                        written = false;
                    }
                }
            }
        });
        if !(read && written) {
            return false;
        }
        let position = projection::first_position(least);
        let marker = projection::marker(&cluster_id, position);
        if let Err(error) = self.store.apply(&[], Some(&marker)) {
            tracing::warn!(%error, "the visibility store could not be marked as complete");
            return false;
        }
        *lock(&self.position) = Some(position);
        if total > 0 {
            tracing::info!(
                runs = total,
                "the visibility store was filled from the primary store"
            );
        }
        true
    }
}

fn version_of(change: &Change) -> u64 {
    match change {
        Change::Upsert(record) => record.version,
        Change::Delete { .. } => u64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn much_is_gathered_where_many_come_and_most_where_nobody_looks() {
        let unseen = Waiting::default();
        assert_eq!(unseen.gather(BUSY - 1.0), GATHER);
        assert_eq!(unseen.gather(BUSY), GATHER_UNSEEN);
        let seen = Waiting {
            looked: Some(instant()),
            ..Waiting::default()
        };
        assert_eq!(seen.gather(BUSY - 1.0), GATHER);
        assert_eq!(seen.gather(BUSY), GATHER_BUSY);
    }
}
