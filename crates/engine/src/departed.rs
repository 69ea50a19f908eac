//! Workers that shut down a moment ago. A poll of theirs that comes late is answered at once, without a task: nobody
//! would do it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;
use steadfast_core::time::{SECOND, Time};

/// How long after its shutdown a worker is known. A poll cannot be on its way for longer.
const KNOWN_FOR: i64 = 30 * SECOND;
/// Workers that are known at most; those that went first are forgotten first.
const KNOWN_MAX: usize = 10_000;

/// Namespace id and instance key.
type Worker = (Arc<str>, Arc<str>);

/// The workers of all namespaces.
#[derive(Default)]
pub(crate) struct Departed {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    since: FxHashMap<Worker, Time>,
    /// The same, in the order in which they went; one that went again stands here twice.
    order: VecDeque<(Time, Worker)>,
}

impl Departed {
    /// The worker shuts down.
    pub(crate) fn note(&self, now: Time, namespace_id: &str, instance_key: &str) {
        let worker: Worker = (namespace_id.into(), instance_key.into());
        let mut known = self.lock();
        known.order.push_back((now, worker.clone()));
        known.since.insert(worker, now);
        while let Some((since, _)) = known.order.front()
            && (now.since(*since) >= KNOWN_FOR || known.order.len() > KNOWN_MAX)
            && let Some((since, worker)) = known.order.pop_front()
        {
            if known.since.get(&worker) == Some(&since) {
                known.since.remove(&worker);
            }
        }
    }

    /// Whether the worker shut down a moment ago.
    pub(crate) fn has(&self, now: Time, namespace_id: &Arc<str>, instance_key: &Arc<str>) -> bool {
        let known = self.lock();
        if known.since.is_empty() {
            return false;
        }
        let worker = (namespace_id.clone(), instance_key.clone());
        let since = known.since.get(&worker);
        since.is_some_and(|since| now.since(*since) < KNOWN_FOR)
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(departed: &Departed, now: i64, key: &str) -> bool {
        departed.has(Time(now), &"n".into(), &key.into())
    }

    #[test]
    fn workers_are_known_for_a_while_after_they_went() {
        let departed = Departed::default();
        departed.note(Time(0), "n", "a");
        assert!(has(&departed, KNOWN_FOR - 1, "a"));
        assert!(!has(&departed, KNOWN_FOR, "a"));
        assert!(!has(&departed, 0, "b"));
        assert!(!departed.has(Time(0), &"other".into(), &"a".into()));
        departed.note(Time(5), "n", "a");
        departed.note(Time(KNOWN_FOR), "n", "b");
        assert!(has(&departed, KNOWN_FOR, "a"));
        assert_eq!(departed.lock().order.len(), 2);
    }

    #[test]
    fn not_too_many_are_known() {
        let departed = Departed::default();
        for number in 0..=KNOWN_MAX {
            departed.note(Time(0), "n", &number.to_string());
        }
        assert!(!has(&departed, 0, "0"));
        assert!(has(&departed, 0, "1"));
        assert_eq!(departed.lock().since.len(), KNOWN_MAX);
    }
}
