//! When the next timer of the node is due, and the firing of what is.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use steadfast_core::due;
use steadfast_core::time::Time;
use tokio::sync::Notify;

use crate::node::Node;
use crate::shard::{Departures, RunChange};
use crate::view::View;

/// A run that could not be read when its time came is tried again after this, ns.
const READ_PAUSE: i64 = steadfast_core::time::SECOND;
/// Runs woken at a time, before others get their turn at the shard.
const WOKEN_AT_A_TIME: usize = 128;

/// Wait before a deletion that came too early is tried again, ns.
const DELETION_PAUSE: i64 = 50 * steadfast_core::time::MILLISECOND;

/// Wait while so much waits for the store that nothing is fired.
const FULL_PAUSE: std::time::Duration = std::time::Duration::from_millis(2);

/// Sleeps until something is due, and is woken when something earlier comes.
#[derive(Default)]
pub(crate) struct Alarm {
    sleeping_until: AtomicI64,
    earlier: Notify,
}

/// When something is due next in one shard.
pub(crate) struct NextDue {
    due: AtomicI64,
    alarm: Arc<Alarm>,
}

impl NextDue {
    pub(crate) fn new(alarm: Arc<Alarm>) -> Self {
        Self {
            due: AtomicI64::new(0),
            alarm,
        }
    }

    pub(crate) fn announce(&self, due: i64) {
        self.due.store(due, Ordering::Release);
        if due < self.alarm.sleeping_until.load(Ordering::Acquire) {
            self.alarm.earlier.notify_one();
        }
    }

    pub(crate) fn get(&self) -> Time {
        Time(self.due.load(Ordering::Acquire))
    }
}

impl Node {
    /// Fires what is due at `now` in all shards. Answers when something is due next.
    pub(crate) fn fire_due(self: &Arc<Self>, now: Time) -> Time {
        for index in 0..self.shard_count() {
            while self.next_due(index) <= now {
                if !self.fire_some(index, now) {
                    break;
                }
            }
        }
        let next = (0..self.shard_count()).map(|index| self.next_due(index));
        next.min().unwrap_or(Time(i64::MAX))
    }

    /// `false`: the shard has nothing more that can be fired now.
    fn fire_some(self: &Arc<Self>, index: u16, now: Time) -> bool {
        let mut shard = self.lock(index);
        if let Err(error) = shard.load_timers(now) {
            tracing::warn!(shard = index, %error, "timers cannot be read; they are tried again");
            return false;
        }
        for _ in 0..WOKEN_AT_A_TIME {
            // Each is a commit; what waits for the store already is enough.
            if self.committer.is_full() {
                return false;
            }
            shard.shrink();
            let Some(key) = shard.take_due(now) else {
                return shard_has_more(&shard, now);
            };
            match shard.load(&key) {
                Ok(true) => {}
                Ok(false) => continue,
                Err(error) => {
                    tracing::warn!(shard = index, %error, "a run whose time has come cannot be read; it is tried again");
                    shard.postpone(&key, now.plus(READ_PAUSE));
                    continue;
                }
            }
            let Some(namespace) = self.namespaces().by_id(&key.namespace_id) else {
                continue;
            };
            let view = View::new(self, &namespace);
            let cx = view.context(self, now);
            let fired = due::fire(shard.run_mut(&key), &cx);
            if let Some(outcome) = fired.outcome {
                let change = RunChange {
                    key: key.clone(),
                    outcome,
                };
                let _ = shard.commit(self, vec![change], Departures::default(), None);
            }
            if fired.delete {
                match shard.delete(self, &key) {
                    Ok(true) => {}
                    Ok(false) => shard.postpone(&key, now.plus(DELETION_PAUSE)),
                    Err(error) => {
                        tracing::warn!(shard = index, %error, "a run cannot be deleted; it is tried again");
                        shard.postpone(&key, now.plus(DELETION_PAUSE));
                    }
                }
            } else {
                shard.rearm(self, &key, now);
            }
        }
        true
    }

    /// Fires timers as they become due, until the node stops.
    pub(crate) async fn run_timers(self: Arc<Self>) {
        while !self.is_stopping() {
            let now = self.now();
            let next = self.fire_due(now);
            let until = next.0.min(now.plus(steadfast_core::time::SECOND).0);
            self.alarm.sleeping_until.store(until, Ordering::Release);
            // A timer announced before the line above found the old value: look once more before sleeping.
            let missed = (0..self.shard_count()).any(|index| self.next_due(index) < Time(until));
            let wait = until - self.now().0;
            if !missed && wait > 0 {
                let wait = std::time::Duration::from_nanos(wait as u64);
                let _ = tokio::time::timeout(wait, self.alarm.earlier.notified()).await;
            } else if self.committer.is_full() {
                tokio::time::sleep(FULL_PAUSE).await;
            } else {
                tokio::task::yield_now().await;
            }
            self.alarm.sleeping_until.store(0, Ordering::Release);
        }
    }
}

fn shard_has_more(shard: &crate::shard::Shard, now: Time) -> bool {
    shard.next_due() <= now
}
