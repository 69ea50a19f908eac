//! Brings the changes of runs into the visibility store, in large transactions, one record per run however often it
//! changed meanwhile.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use steadfast_core::execution::RunKey;
use steadfast_store::Table;
use steadfast_visibility::{Change, VisibilityStore};
use tokio::sync::watch;

use crate::node::Node;

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
/// Records that gathered last, from which on it is so.
const BUSY: u64 = 100;
/// Wait after the visibility store failed.
const PAUSE: Duration = Duration::from_millis(500);

/// The projection's state: what says that it is complete.
const COMPLETE: &[u8] = b"complete";

/// Changes for the visibility store, each with its run.
pub(crate) type Changes = Vec<(Arc<RunKey>, Change)>;

/// The changes that wait for the visibility store.
pub(crate) struct Projector {
    pub(crate) store: Arc<dyn VisibilityStore>,
    waiting: Mutex<BTreeMap<Arc<RunKey>, Change>>,
    arrived: Condvar,
    stopping: AtomicBool,
    overflowed: AtomicBool,
    /// Records written so far; whoever lists them may wait for a change of it.
    pub(crate) applied: watch::Sender<u64>,
}

impl Projector {
    pub(crate) fn new(store: Arc<dyn VisibilityStore>) -> Self {
        Self {
            store,
            waiting: Mutex::default(),
            arrived: Condvar::new(),
            stopping: AtomicBool::new(false),
            overflowed: AtomicBool::new(false),
            applied: watch::Sender::new(0),
        }
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    pub(crate) fn push(&self, changes: Changes) {
        if changes.is_empty() {
            return;
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
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
        let _waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        self.arrived.notify_all();
    }

    fn take(&self) -> Changes {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() <= TRANSACTION_MAX {
            return std::mem::take(&mut *waiting).into_iter().collect();
        }
        let mut taken = Vec::with_capacity(TRANSACTION_MAX);
        while taken.len() < TRANSACTION_MAX
            && let Some(entry) = waiting.pop_first()
        {
            taken.push(entry);
        }
        taken
    }

    /// Writes what waits. Answers whether there was anything; `Err` with what could not be written.
    pub(crate) fn run_once(&self, node: &Arc<Node>) -> Result<bool, String> {
        let taken = self.take();
        if taken.is_empty() {
            if self.overflowed.swap(false, Ordering::AcqRel) {
                node.read_projections(Table::VisibilityQueue, |changes| self.push(changes));
                return Ok(true);
            }
            return Ok(false);
        }
        let (keys, changes): (Vec<_>, Vec<_>) = taken.into_iter().unzip();
        if let Err(error) = self.store.apply(&changes, None) {
            self.push(keys.into_iter().zip(changes).collect());
            return Err(error.to_string());
        }
        let versions = changes.iter().map(version_of);
        let done: Vec<_> = keys.into_iter().zip(versions).collect();
        self.applied
            .send_modify(|applied| *applied += done.len() as u64);
        node.projected(&done);
        Ok(true)
    }

    /// Writes changes until [`Projector::stop`]. Fills the projection from the primary store first if it is new.
    pub(crate) fn run(&self, node: &Arc<Node>) {
        while !self.rebuild(node) && !self.stopping.load(Ordering::Acquire) {
            std::thread::sleep(PAUSE);
        }
        let mut gather = GATHER;
        while !self.stopping.load(Ordering::Acquire) {
            let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if waiting.is_empty() && !self.overflowed.load(Ordering::Acquire) {
                // Woken by the first change; the time limit only bounds how late a stop is seen.
                let _ = self.arrived.wait_timeout(waiting, Duration::from_secs(1));
            } else {
                drop(waiting);
            }
            if !self.stopping.load(Ordering::Acquire) && self.waiting() > 0 {
                std::thread::sleep(gather);
            }
            let applied = *self.applied.borrow();
            while let Some(more) = self.attempt(node) {
                if !more {
                    break;
                }
            }
            let written = *self.applied.borrow() - applied;
            gather = if written < BUSY { GATHER } else { GATHER_BUSY };
        }
        let _ = self.attempt(node);
    }

    fn attempt(&self, node: &Arc<Node>) -> Option<bool> {
        match self.run_once(node) {
            Ok(more) => Some(more),
            Err(error) => {
                tracing::warn!(%error, "the visibility store failed; it is tried again");
                if !self.stopping.load(Ordering::Acquire) {
                    std::thread::sleep(PAUSE);
                }
                None
            }
        }
    }

    /// Fills the projection from the primary store unless it is complete. `false`: to be tried again.
    pub(crate) fn rebuild(&self, node: &Arc<Node>) -> bool {
        match self.store.marker() {
            Ok(Some(marker)) if marker == COMPLETE => return true,
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "the visibility store cannot be read; it is filled anew")
            }
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
        if let Err(error) = self.store.apply(&[], Some(COMPLETE)) {
            tracing::warn!(%error, "the visibility store could not be marked as complete");
            return false;
        }
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
