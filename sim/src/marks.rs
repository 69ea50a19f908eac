//! Counts of named situations: what a run reached.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The counts. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Marks(Arc<Mutex<BTreeMap<&'static str, u64>>>);

impl Marks {
    fn counts(&self) -> MutexGuard<'_, BTreeMap<&'static str, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It happened once more.
    pub(crate) fn add(&self, mark: &'static str) {
        self.add_many(mark, 1);
    }

    /// It happened so many times more.
    pub(crate) fn add_many(&self, mark: &'static str, count: u64) {
        if count > 0 {
            *self.counts().entry(mark).or_default() += count;
        }
    }

    /// All counts.
    pub(crate) fn all(&self) -> BTreeMap<&'static str, u64> {
        self.counts().clone()
    }
}
