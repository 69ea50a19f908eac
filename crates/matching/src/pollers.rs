//! Who polls: the polls that wait, and the identities seen lately.

use std::collections::BTreeMap;
use std::sync::Arc;

use steadfast_protocol::common::WorkerVersionCapabilities;
use steadfast_protocol::deployment::WorkerDeploymentOptions;

use crate::limits::{
    POLLER_RECENT_MS, POLLER_REMEMBERED_MS, POLLERS_REMEMBERED_MAX, POLLERS_WAITING_MAX,
};

/// What a poll says about its worker.
#[derive(Clone, Debug, Default)]
pub struct PollerInfo {
    /// The worker's identity; a poll with an empty one is served but not remembered.
    pub identity: Arc<str>,
    /// `task_queue_metadata.max_tasks_per_second` of a poll for activities; `None` for other polls.
    pub max_tasks_per_second: Option<f64>,
    /// The worker's deployment version, for the description of the queue.
    pub deployment_options: Option<WorkerDeploymentOptions>,
    /// The worker's legacy build id, for the description of the queue.
    pub worker_version_capabilities: Option<WorkerVersionCapabilities>,
}

/// Names one poll of one queue for as long as the queue lives, whether it waits or has been given a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PollerToken(pub(crate) u64);

/// A poll that waits for a task.
#[derive(Debug)]
pub(crate) struct Waiting<P> {
    pub(crate) poller: P,
    pub(crate) identity: Arc<str>,
    pub(crate) since_ms: i64,
}

/// What is remembered about an identity.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) last_access_ms: i64,
    pub(crate) info: PollerInfo,
}

#[derive(Debug)]
pub(crate) struct Pollers<P> {
    /// Waiting polls in the order of their tokens, which is the order of arrival.
    waiting: BTreeMap<PollerToken, Waiting<P>>,
    seen: BTreeMap<Arc<str>, Seen>,
    /// The last poll of all, with or without an identity.
    last_access_ms: Option<i64>,
}

impl<P> Pollers<P> {
    pub(crate) fn new() -> Pollers<P> {
        Pollers {
            waiting: BTreeMap::new(),
            seen: BTreeMap::new(),
            last_access_ms: None,
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.waiting.len() >= POLLERS_WAITING_MAX
    }

    pub(crate) fn any_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    pub(crate) fn waiting_count(&self) -> usize {
        self.waiting.len()
    }

    /// Lets a poll wait at its place: a new one at the end, one that had a task already where it stood before.
    pub(crate) fn wait(&mut self, token: PollerToken, waiting: Waiting<P>) {
        let replaced = self.waiting.insert(token, waiting);
        assert!(replaced.is_none(), "a token stands for one poll");
    }

    pub(crate) fn pop(&mut self) -> Option<(PollerToken, Waiting<P>)> {
        self.waiting.pop_first()
    }

    pub(crate) fn remove(&mut self, token: PollerToken) -> Option<Waiting<P>> {
        self.waiting.remove(&token)
    }

    /// The polls that wait and are `wanted`, which wait no longer.
    pub(crate) fn remove_where(&mut self, wanted: impl Fn(&P) -> bool) -> Vec<P> {
        let removed = self
            .waiting
            .extract_if(.., |_, waiting| wanted(&waiting.poller));
        removed.map(|(_, waiting)| waiting.poller).collect()
    }

    /// Forgets a worker that polls no more.
    pub(crate) fn forget_identity(&mut self, identity: &str) {
        self.seen.remove(identity);
    }

    /// A poll begins: remembers who polls.
    pub(crate) fn begin(&mut self, now_ms: i64, info: PollerInfo) {
        self.last_access_ms = Some(now_ms);
        if info.identity.is_empty() {
            return;
        }
        if let Some(seen) = self.seen.get_mut(&info.identity) {
            seen.last_access_ms = now_ms;
            seen.info = info;
            return;
        }
        if self.seen.len() >= POLLERS_REMEMBERED_MAX {
            self.forget();
        }
        let seen = Seen {
            last_access_ms: now_ms,
            info,
        };
        self.seen.insert(seen.info.identity.clone(), seen);
    }

    /// A poll ended with an answer: its worker was there until now.
    pub(crate) fn end(&mut self, now_ms: i64, identity: &str) {
        self.last_access_ms = Some(now_ms);
        if let Some(seen) = self.seen.get_mut(identity) {
            seen.last_access_ms = now_ms;
        }
    }

    /// Whether a poll waits or did so a moment ago.
    pub(crate) fn recent(&self, now_ms: i64) -> bool {
        self.any_waiting()
            || self
                .last_access_ms
                .is_some_and(|at| now_ms < at.saturating_add(POLLER_RECENT_MS))
    }

    /// Identities that polled within the last minutes, in the order of their names.
    pub(crate) fn seen(&self, now_ms: i64) -> impl Iterator<Item = &Seen> {
        self.seen
            .values()
            .filter(move |seen| now_ms < seen.last_access_ms.saturating_add(POLLER_REMEMBERED_MS))
    }

    /// A number for the size of the worker fleet: identities, which may include some that left minutes ago.
    pub(crate) fn seen_count(&self) -> usize {
        self.seen.len()
    }

    /// Forgets every identity and gives the waiting polls back.
    pub(crate) fn clear(&mut self) -> impl Iterator<Item = P> + use<P> {
        let waiting = std::mem::take(&mut self.waiting);
        *self = Pollers::new();
        waiting.into_values().map(|waiting| waiting.poller)
    }

    /// Makes room by dropping the half that polled longest ago, so that the cost of a pass is spread over as many new
    /// identities.
    fn forget(&mut self) {
        let accesses = self
            .seen
            .iter()
            .map(|(identity, seen)| (seen.last_access_ms, identity.clone()));
        let mut accesses: Vec<_> = accesses.collect();
        let half = accesses.len() / 2;
        accesses.select_nth_unstable(half);
        for (_, identity) in &accesses[..half] {
            self.seen.remove(identity);
        }
    }
}
