//! What is due, and when: wake-ups in memory, and the rows that bring them back.

use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use steadfast_core::execution::{Execution, RunKey};
use steadfast_core::time::{SECOND, Time};
use steadfast_store::{Batch, Order, StoreError, Table};

use super::{Departures, Shard};
use crate::keys;
use crate::node::Node;

/// Timers due within this span are held in memory, ns.
const TIMER_WINDOW: i64 = 60 * SECOND;
/// Timers read at a time; where more are due within the window, the window ends earlier.
const TIMERS_READ: usize = 10_000;

impl Shard {
    /// Looks at the run again at `due`.
    pub(crate) fn postpone(&mut self, key: &Arc<RunKey>, due: Time) {
        if let Some(cached) = self.runs.get_mut(key)
            && let Some(armed) = cached.armed.replace(due)
        {
            self.timers.remove(&(armed, key.clone()));
        }
        // One that is not in memory is read when it is due.
        self.timers.insert((due, key.clone()));
        self.announce_due();
    }

    /// Keeps the run's entry among the timers in memory in step with its deadlines.
    pub(crate) fn arm(&mut self, key: &RunKey) {
        let until = self.timers_loaded_until;
        let Some(cached) = self.runs.peek(key) else {
            return;
        };
        let stored = Time(cached.run.head.wake_up).some();
        let next = match (cached.run.next_deadline(), stored) {
            (Some(next), Some(stored)) => Some(next.min(stored)),
            (next, stored) => next.or(stored),
        };
        let armed = cached.armed;
        // What is due beyond the window and stands in the store is read when its time comes near.
        let next = next.filter(|next| *next < until || stored.is_none_or(|stored| stored > *next));
        if next == armed {
            return;
        }
        let key = cached.run.key.clone();
        if let Some(old) = armed {
            self.timers.remove(&(old, key.clone()));
        }
        if let Some(new) = next {
            self.timers.insert((new, key.clone()));
        }
        if let Some(cached) = self.runs.get_mut(&key) {
            cached.armed = next;
        }
        self.announce_due();
    }

    pub(super) fn disarm(&mut self, key: &Arc<RunKey>) {
        if let Some(armed) = self.runs.peek(key).and_then(|cached| cached.armed) {
            self.timers.remove(&(armed, key.clone()));
        }
        self.announce_due();
    }

    fn announce_due(&self) {
        let first = self.timers.first().map_or(i64::MAX, |(due, _)| due.0);
        // The window is extended before it ends.
        let extend = self.timers_loaded_until.0.saturating_sub(TIMER_WINDOW / 2);
        self.next_due.announce(first.min(extend));
    }

    /// When something is due next.
    pub(crate) fn next_due(&self) -> Time {
        self.next_due.get()
    }

    /// Reads the timers of the near future into memory.
    pub(crate) fn load_timers(&mut self, now: Time) -> Result<(), StoreError> {
        if self.timers_loaded_until.0 - TIMER_WINDOW / 2 > now.0 {
            return Ok(());
        }
        // Taken before the read, which shows at least what is durable now.
        let durable = self.durable();
        let from = (self.timers_loaded_until.0 as u64).to_be_bytes();
        let until = (now.plus(TIMER_WINDOW).0 as u64).to_be_bytes();
        let rows = self.store.scan(
            self.id(),
            Table::Timers,
            (Bound::Included(&from), Bound::Excluded(&until)),
            TIMERS_READ,
            Order::Forward,
        )?;
        let complete = rows.len() < TIMERS_READ;
        let mut last = Time(0);
        for (row, _) in rows {
            let Some((due, key)) = keys::parse_timer(&row) else {
                return Err(StoreError::Corrupt(
                    "a timer's key is unreadable".to_owned(),
                ));
            };
            last = due;
            match self.runs.get_mut(&key) {
                Some(cached) if cached.armed.is_none_or(|armed| armed > due) => {
                    if let Some(armed) = cached.armed.replace(due) {
                        self.timers.remove(&(armed, key.clone()));
                    }
                    self.timers.insert((due, key));
                }
                Some(_) => {}
                None => {
                    self.timers.insert((due, key));
                }
            }
        }
        // Rows of the very instant at which the read ended may be left out; they are read again.
        self.timers_loaded_until = if complete {
            now.plus(TIMER_WINDOW)
        } else {
            last
        };
        // A timer whose row is still on its way to the store is armed from memory; nothing would read it later.
        let keys = self.runs.keys();
        let on_their_way: Vec<_> = keys
            .filter(|key| {
                let cached = self.runs.peek(key);
                cached.is_some_and(|cached| cached.last_commit > durable)
            })
            .cloned()
            .collect();
        for key in on_their_way {
            self.arm(&key);
        }
        self.announce_due();
        Ok(())
    }

    /// The next run of which something is due.
    pub(crate) fn take_due(&mut self, now: Time) -> Option<Arc<RunKey>> {
        let (due, _) = self.timers.first()?;
        if *due > now {
            return None;
        }
        let (_, key) = self.timers.pop_first()?;
        if let Some(cached) = self.runs.get_mut(&key) {
            cached.armed = None;
        }
        self.announce_due();
        Some(key)
    }

    /// A wake-up that came early, or for a run that is gone: moves its row to where it belongs.
    pub(crate) fn rearm(&mut self, node: &Arc<Node>, key: &Arc<RunKey>, now: Time) {
        let mut batch = Batch::new(self.id(), self.fence);
        let Some(cached) = self.runs.get_mut(key) else {
            return;
        };
        if cached.run.head.wake_up != 0 && cached.run.head.wake_up <= now.0 {
            move_wake_up_exactly(&mut cached.run, &mut batch);
            batch.put(
                Table::Runs,
                keys::head(&keys::rows(key)),
                keys::head_value(&cached.run),
            );
            let number = self.submitted + 1;
            cached.last_commit = number;
            let _ = self.submit(node, batch, Departures::default(), number);
        }
        self.arm(key);
    }
}

/// The row that wakes the run: moved forward at once when something is due earlier; left where it is when that
/// is too early, since it is cheaper to wake in vain once than to move it at each step. A closed run's row is exact.
pub(super) fn move_wake_up(run: &mut Execution, batch: &mut Batch) {
    let wanted = run.next_stored_deadline().map_or(0, |due| due.0);
    let stored = run.head.wake_up;
    let early = stored != 0 && (wanted == 0 || stored <= wanted);
    if !(early && run.is_open()) {
        move_wake_up_exactly(run, batch);
    }
}

fn move_wake_up_exactly(run: &mut Execution, batch: &mut Batch) {
    let wanted = run.next_stored_deadline().map_or(0, |due| due.0);
    let stored = run.head.wake_up;
    if wanted == stored {
        return;
    }
    if stored != 0 {
        batch.delete(Table::Timers, keys::timer(stored, &run.key));
    }
    if wanted != 0 {
        batch.put(Table::Timers, keys::timer(wanted, &run.key), Bytes::new());
    }
    run.head.wake_up = wanted;
}
