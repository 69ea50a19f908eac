//! The stored tasks of one priority: a bounded window in memory and the account of what is outside it.

use std::collections::BTreeMap;

use crate::limits::{WINDOW_REFILL_AT, WINDOW_TASKS_MAX};

/// A task in memory.
#[derive(Debug)]
pub(crate) struct Entry<T> {
    pub(crate) task: T,
    /// When the work became due, for the age of the backlog.
    pub(crate) created_ms: i64,
    /// Whether it had to wait for a poller, so that it was backlog for a while.
    pub(crate) waited: bool,
}

/// The stored tasks of one priority.
#[derive(Debug)]
pub(crate) struct Lane<T> {
    /// Tasks in memory by their sequence number, which is the order of arrival.
    window: BTreeMap<u64, Entry<T>>,
    /// How many tasks are believed to be in the outbox only, all younger than those of the window.
    outside: u64,
    /// When the oldest task outside was created, as far as known.
    outside_created_ms: i64,
    /// Tasks left outside since the refill under way began; `None` if none is under way.
    refilling: Option<u64>,
}

impl<T> Lane<T> {
    pub(crate) fn new() -> Lane<T> {
        Lane {
            window: BTreeMap::new(),
            outside: 0,
            outside_created_ms: 0,
            refilling: None,
        }
    }

    /// Takes a task in at the end, or gives it back if the window is full or older tasks are still outside.
    pub(crate) fn push(&mut self, seq: u64, entry: Entry<T>) -> Result<(), Entry<T>> {
        if self.outside > 0 || self.refilling.is_some() || self.window.len() >= WINDOW_TASKS_MAX {
            self.add_outside(1, entry.created_ms);
            return Err(entry);
        }
        self.insert(seq, entry);
        Ok(())
    }

    /// Puts a task where its sequence number says. Not bounded by the window: the tasks that come back were handed out before.
    pub(crate) fn insert(&mut self, seq: u64, entry: Entry<T>) {
        let replaced = self.window.insert(seq, entry);
        assert!(replaced.is_none(), "a sequence number stands for one task");
    }

    pub(crate) fn pop(&mut self) -> Option<(u64, Entry<T>)> {
        self.window.pop_first()
    }

    pub(crate) fn remove(&mut self, seq: u64) -> Option<Entry<T>> {
        self.window.remove(&seq)
    }

    pub(crate) fn has_task(&self) -> bool {
        !self.window.is_empty()
    }

    /// Tasks in memory and outside.
    pub(crate) fn count(&self) -> u64 {
        self.window.len() as u64 + self.outside
    }

    /// When the oldest waiting task was created.
    pub(crate) fn oldest_created_ms(&self) -> Option<i64> {
        match self.window.first_key_value() {
            Some((_, entry)) => Some(entry.created_ms),
            None => (self.outside > 0).then_some(self.outside_created_ms),
        }
    }

    /// Counts tasks that are in the outbox only.
    pub(crate) fn add_outside(&mut self, count: u64, created_ms: i64) {
        if self.outside == 0 {
            self.outside_created_ms = created_ms;
        }
        self.outside += count;
        if let Some(arrived) = &mut self.refilling {
            *arrived += count;
        }
    }

    /// How many tasks may be pulled now; zero if none should be.
    pub(crate) fn refill_room(&self) -> usize {
        let wanted =
            self.outside > 0 && self.refilling.is_none() && self.window.len() <= WINDOW_REFILL_AT;
        if wanted {
            WINDOW_TASKS_MAX - self.window.len()
        } else {
            0
        }
    }

    pub(crate) fn begin_refill(&mut self) {
        assert!(self.refilling.is_none(), "one refill of a lane at a time");
        self.refilling = Some(0);
    }

    /// Settles the account of what is outside after `pulled` tasks were put into the window. `more` says whether the
    /// outbox had further tasks when it was read: the outbox is the truth, the count only a belief.
    pub(crate) fn end_refill(&mut self, pulled: u64, more: bool) {
        let Some(arrived) = self.refilling.take() else {
            return;
        };
        self.outside = if more {
            self.outside.saturating_sub(pulled).max(1)
        } else {
            arrived
        };
        if let Some((_, last)) = self.window.last_key_value() {
            self.outside_created_ms = last.created_ms;
        }
    }

    /// Takes every task out and forgets what is outside.
    pub(crate) fn clear(&mut self) -> impl Iterator<Item = T> + use<T> {
        let window = std::mem::take(&mut self.window);
        *self = Lane::new();
        window.into_values().map(|entry| entry.task)
    }
}
