//! The node moved by hand, one part of its work at a time, and looked into: for simulations.

use std::fmt::Debug;
use std::sync::Arc;

use steadfast_core::execution::Execution;
use steadfast_core::time::Time;
use steadfast_store::StoreError;

use crate::node::Node;
use crate::shard::Shard;

/// What the threads and tasks of an engine do, each in a loop of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Writes what waits for the store, as one group, and lets go what waited for it.
    Commit,
    /// Makes some deliveries between executions.
    Deliver,
    /// Fires what is due.
    Fire,
    /// Writes visibility records.
    Project,
    /// Housekeeping.
    Tend,
}

impl Node {
    /// Does one round of one part. Answers whether there may be more to do at once.
    pub fn advance(self: &Arc<Self>, part: Part) -> bool {
        match part {
            Part::Commit => self.committer.run_once(),
            Part::Deliver => self.deliver_some(),
            Part::Fire => self.fire_due(self.now()) <= self.now(),
            Part::Project => self.projector.run_once(self).unwrap_or(false),
            Part::Tend => {
                self.tend();
                false
            }
        }
    }

    /// Lowers the limits of what waits in memory: messages between executions, and bytes of commits, above which
    /// requests are refused.
    pub fn limit_waiting(&self, messages_max: usize, commit_bytes_max: usize) {
        self.deliveries.limit(messages_max);
        self.committer.limit(commit_bytes_max);
    }

    /// Lowers the limit of the runs in memory, over all shards, in bytes.
    pub fn limit_runs(self: &Arc<Self>, bytes_max: usize) {
        let shards = self.shard_count();
        for index in 0..shards {
            let mut shard = self.lock(index);
            shard.runs.limit(bytes_max / usize::from(shards));
        }
    }

    /// Whether this part has work; housekeeping and what failed before may always have.
    pub fn has_work(self: &Arc<Self>, part: Part) -> bool {
        match part {
            Part::Commit => !self.committer.is_idle(),
            Part::Deliver => self.deliveries.has_work(),
            Part::Fire => self.due_next() <= self.now(),
            Part::Project => self.projector.waiting() > 0,
            Part::Tend => true,
        }
    }

    /// When [`Part::Fire`] has something to do next.
    pub fn due_next(&self) -> Time {
        let due = (0..self.shard_count()).map(|index| self.next_due(index));
        due.min().unwrap_or(Time(i64::MAX))
    }

    /// Fills the visibility store from the primary one, unless it is complete. `false`: to be tried again.
    pub fn complete_visibility(self: &Arc<Self>) -> bool {
        self.projector.rebuild(self)
    }

    /// Compares the runs in memory whose changes are all durable with their rows in the store. Names each difference:
    /// a change that would be forgotten by a crash.
    pub fn audit(self: &Arc<Self>) -> Vec<String> {
        let shards = 0..self.shard_count();
        shards.flat_map(|index| self.lock(index).audit()).collect()
    }
}

impl Shard {
    fn audit(&self) -> Vec<String> {
        let mut differences = Vec::new();
        for key in self.runs.keys() {
            let Some(cached) = self.runs.peek(key) else {
                continue;
            };
            // The start of a workflow task changes the memory only.
            if cached.last_commit > self.durable() || cached.run.is_task_started() {
                continue;
            }
            match self.read(key) {
                Ok(Some(stored)) => {
                    let found = differing(&cached.run, &stored).into_iter();
                    differences.extend(found.map(|what| format!("{key:?}: {what}")));
                }
                Ok(None) => differences.push(format!("{key:?}: is not in the store")),
                Err(StoreError::Unavailable(_)) => {}
                Err(error) => differences.push(format!("{key:?}: {error}")),
            }
        }
        differences
    }
}

fn differing(cached: &Execution, stored: &Execution) -> Vec<String> {
    let mut found = Vec::new();
    let mut compare = |what: &str, cached: &dyn Debug, stored: &dyn Debug| {
        let (cached, stored) = (format!("{cached:?}"), format!("{stored:?}"));
        if cached != stored {
            found.push(format!("{what} in memory {cached}, in the store {stored}"));
        }
    };
    compare("first event", &cached.started, &stored.started);
    compare("head", &cached.head, &stored.head);
    compare("activities", &cached.activities, &stored.activities);
    compare("activity ids", &cached.activity_ids, &stored.activity_ids);
    compare("timers", &cached.timers, &stored.timers);
    compare("timer ids", &cached.timer_ids, &stored.timer_ids);
    compare("children", &cached.children, &stored.children);
    let (ours, theirs) = (&cached.external_signals, &stored.external_signals);
    compare("external signals", ours, theirs);
    let (ours, theirs) = (&cached.external_cancels, &stored.external_cancels);
    compare("external cancels", ours, theirs);
    compare("buffered events", &cached.buffered, &stored.buffered);
    let (ours, theirs) = (&cached.signal_request_ids, &stored.signal_request_ids);
    compare("signal request ids", ours, theirs);
    compare("deadlines", &cached.deadlines, &stored.deadlines);
    found
}
