//! How many calls of a namespace may wait at the same time (server-semantics 0.2).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;
use steadfast_core::Refusal;
use steadfast_protocol::enums::{ResourceExhaustedCause, ResourceExhaustedScope};

/// Calls of one kind that may wait in one namespace: the reference server's figure, far above what workers of one
/// machine need, and low enough that a client gone wild does not eat the memory.
const WAITING_MAX: usize = 1200;

/// The kinds of calls that wait; each is counted by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Wait {
    /// For a workflow task.
    WorkflowTask,
    /// For an activity task.
    ActivityTask,
    /// For new events of a history.
    History,
    /// For the answer to a query.
    Query,
}

/// The calls that wait, by namespace id and kind.
#[derive(Default)]
pub(crate) struct Waits {
    waiting: Mutex<FxHashMap<(String, Wait), usize>>,
}

impl Waits {
    /// Counts a call until the answer is dropped.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED where enough of them wait already.
    pub(crate) fn begin(
        self: &Arc<Self>,
        namespace_id: &str,
        wait: Wait,
    ) -> Result<Waiting, Refusal> {
        let key = (namespace_id.to_owned(), wait);
        let mut waiting = self.lock();
        let count = waiting.entry(key.clone()).or_default();
        if *count >= WAITING_MAX {
            return Err(Refusal::ResourceExhausted {
                cause: ResourceExhaustedCause::ConcurrentLimit as i32,
                scope: ResourceExhaustedScope::Namespace as i32,
                message: "namespace concurrent poller limit exceeded".to_owned(),
            });
        }
        *count += 1;
        Ok(Waiting {
            waits: self.clone(),
            key,
        })
    }

    fn lock(&self) -> MutexGuard<'_, FxHashMap<(String, Wait), usize>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call that waits.
pub(crate) struct Waiting {
    waits: Arc<Waits>,
    key: (String, Wait),
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut waiting = self.waits.lock();
        if let Some(count) = waiting.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                waiting.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_namespace_and_kind_has_its_own_limit() {
        let waits = Arc::new(Waits::default());
        let mut waiting: Vec<_> = (0..WAITING_MAX)
            .map(|_| waits.begin("a", Wait::History).unwrap())
            .collect();
        assert!(waits.begin("a", Wait::History).is_err());
        assert!(waits.begin("a", Wait::Query).is_ok());
        assert!(waits.begin("b", Wait::History).is_ok());
        waiting.pop();
        assert!(waits.begin("a", Wait::History).is_ok());
        drop(waiting);
        assert!(waits.lock().is_empty());
    }
}
