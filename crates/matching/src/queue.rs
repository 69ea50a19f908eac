//! The task queue: inputs, matches, refills.

use std::collections::BTreeMap;

use crate::lane::{Entry, Lane};
use crate::limits::{IDLE_MS, SCALE_UP_PER_SECOND, TRANSIENT_TASKS_MAX};
use crate::matched::{Match, PollerTicket, TaskTicket, TaskToken};
use crate::pollers::{PollerInfo, PollerToken, Pollers, Waiting};
use crate::priority::{PRIORITIES, Priority};
use crate::rate::{Bucket, RateLimit};
use crate::scaling;
use crate::stats::Rate;

/// What became of a task that was offered.
#[derive(Debug, PartialEq, Eq)]
pub enum Offer<T> {
    /// It is in the queue, and [`TaskQueue::next_match`] may have a poll for it at once.
    Queued(TaskToken),
    /// There is no room for it. A stored task stays in the outbox, is counted, and is pulled later through
    /// [`TaskQueue::begin_refill`]; a transient one is refused.
    Full(T),
}

/// A batch of stored tasks to be pulled from the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refill {
    /// The priority whose window has room.
    pub priority: Priority,
    /// How many tasks fit.
    pub room: usize,
}

/// What a queue held when it was unloaded.
#[derive(Debug)]
pub struct Unloaded<T, P> {
    /// Stored tasks that were in memory, in the order in which they would have been served.
    pub stored: Vec<T>,
    /// Transient tasks, likewise.
    pub transient: Vec<T>,
    /// Polls that waited.
    pub pollers: Vec<P>,
}

/// One task queue: of one namespace, name, kind and type. See the documentation of the crate.
#[derive(Debug)]
pub struct TaskQueue<T, P> {
    pub(crate) lanes: [Lane<T>; PRIORITIES],
    /// Tasks whose caller waits; not stored, not limited by the rate.
    pub(crate) transient: BTreeMap<(Priority, u64), Entry<T>>,
    pub(crate) pollers: Pollers<P>,
    pub(crate) rate_limit: RateLimit,
    pub(crate) added: [Rate; PRIORITIES],
    pub(crate) dispatched: [Rate; PRIORITIES],
    /// Priorities of the tasks seen so far.
    pub(crate) used: [bool; PRIORITIES],
    /// Limits the suggestions to add pollers.
    scale_up: Bucket,
    /// The next sequence number of tasks and tokens of polls.
    next_seq: u64,
    /// The latest time seen; a clock that steps back is taken to stand still.
    now_ms: i64,
    /// The last change, for the detection of idleness.
    active_ms: i64,
}

impl<T, P> TaskQueue<T, P> {
    /// An empty queue without limits.
    pub fn new(now_ms: i64) -> TaskQueue<T, P> {
        TaskQueue {
            lanes: std::array::from_fn(|_| Lane::new()),
            transient: BTreeMap::new(),
            pollers: Pollers::new(),
            rate_limit: RateLimit::new(),
            added: std::array::from_fn(|_| Rate::new(now_ms)),
            dispatched: std::array::from_fn(|_| Rate::new(now_ms)),
            used: [false; PRIORITIES],
            scale_up: Bucket::new(),
            next_seq: 1,
            now_ms,
            active_ms: now_ms,
        }
    }

    /// Offers a task that is in the outbox. `created_ms` is when its work became due, for the age of the backlog.
    pub fn offer(&mut self, now_ms: i64, task: T, priority: Priority, created_ms: i64) -> Offer<T> {
        let now_ms = self.touch(now_ms);
        self.count_added(now_ms, priority);
        let entry = Entry {
            task,
            created_ms,
            waited: !self.would_match(now_ms),
        };
        let seq = self.take_seq();
        match self.lanes[priority.index()].push(seq, entry) {
            Ok(()) => Offer::Queued(TaskToken {
                priority,
                seq,
                transient: false,
            }),
            Err(entry) => Offer::Full(entry.task),
        }
    }

    /// Offers a task that is stored nowhere because its caller waits for it: a query, a Nexus request. It is
    /// served before stored tasks of its priority and does not count as backlog or against the rate limit. The caller's
    /// deadline is the engine's: see [`TaskQueue::withdraw`].
    pub fn offer_transient(&mut self, now_ms: i64, task: T, priority: Priority) -> Offer<T> {
        let now_ms = self.touch(now_ms);
        if self.transient.len() >= TRANSIENT_TASKS_MAX {
            return Offer::Full(task);
        }
        let entry = Entry {
            task,
            created_ms: now_ms,
            waited: !self.pollers.any_waiting(),
        };
        let seq = self.take_seq();
        self.transient.insert((priority, seq), entry);
        Offer::Queued(TaskToken {
            priority,
            seq,
            transient: true,
        })
    }

    /// Takes a waiting task out of the queue; `None` if it is not in memory any more.
    pub fn withdraw(&mut self, token: TaskToken) -> Option<T> {
        let entry = if token.transient {
            self.transient.remove(&(token.priority, token.seq))
        } else {
            self.lanes[token.priority.index()].remove(token.seq)
        };
        entry.map(|entry| entry.task)
    }

    /// Lets a poll wait for a task, which [`TaskQueue::next_match`] may have at once. Gives the poll back
    /// if too many wait already.
    pub fn poll(&mut self, now_ms: i64, info: PollerInfo, poller: P) -> Result<PollerToken, P> {
        let now_ms = self.touch(now_ms);
        if self.pollers.is_full() {
            return Err(poller);
        }
        self.rate_limit
            .set_worker(now_ms, info.max_tasks_per_second);
        let waiting = Waiting {
            poller,
            identity: info.identity.clone(),
            since_ms: now_ms,
        };
        self.pollers.begin(now_ms, info);
        let token = PollerToken(self.take_seq());
        self.pollers.wait(token, waiting);
        Ok(token)
    }

    /// The client went away: its poll no longer waits. `None` if it had been matched (or ended) before.
    pub fn cancel(&mut self, token: PollerToken) -> Option<P> {
        self.pollers.remove(token).map(|waiting| waiting.poller)
    }

    /// The time of a poll is over and it is answered without a task. Other than after [`TaskQueue::cancel`] the worker counts as seen now.
    pub fn expire(&mut self, now_ms: i64, token: PollerToken) -> Option<P> {
        let waiting = self.pollers.remove(token)?;
        let now_ms = self.touch(now_ms);
        self.pollers.end(now_ms, &waiting.identity);
        Some(waiting.poller)
    }

    /// A worker shuts down: the polls that are its own wait no longer, to be answered without a task, and its identity is
    /// forgotten.
    pub fn dismiss(&mut self, identity: &str, is_its_own: impl Fn(&P) -> bool) -> Vec<P> {
        self.pollers.forget_identity(identity);
        self.pollers.remove_where(is_its_own)
    }

    /// The next pair of a task and a poll. To be called after every input until it answers `None`, and at the time
    /// of [`TaskQueue::next_wakeup_ms`].
    pub fn next_match(&mut self, now_ms: i64) -> Option<Match<T, P>> {
        let now_ms = self.advance(now_ms);
        if !self.pollers.any_waiting() {
            return None;
        }
        let (token, entry) = self.next_task(now_ms)?;
        let (poller_token, waiting) = self.pollers.pop()?;
        self.active_ms = now_ms;
        self.pollers.end(now_ms, &waiting.identity);
        let waited_ms = now_ms - waiting.since_ms;
        Some(Match {
            task: entry.task,
            task_ticket: TaskTicket {
                token,
                created_ms: entry.created_ms,
            },
            poller: waiting.poller,
            poller_ticket: PollerTicket {
                token: poller_token,
                identity: waiting.identity,
                since_ms: waiting.since_ms,
            },
            backlog_count_hint: self.backlog_count(),
            poller_scaling: self.scale(now_ms, waited_ms, entry.waited),
        })
    }

    /// When [`TaskQueue::next_match`] is worth calling although nothing happens: only while tasks and polls both wait and the rate
    /// limit keeps them apart.
    pub fn next_wakeup_ms(&self) -> Option<i64> {
        if !self.pollers.any_waiting() || !self.lanes.iter().any(Lane::has_task) {
            return None;
        }
        self.rate_limit.ready_at_ms()
    }

    /// A matched task could not be handed over and is still to be done: it goes back to the place it had. Its poll, if it
    /// is still there, is told the error or goes on waiting by [`TaskQueue::resume`], which comes after this.
    pub fn requeue(&mut self, now_ms: i64, ticket: TaskTicket, task: T) {
        let now_ms = self.touch(now_ms);
        self.undo_dispatch(now_ms, ticket.token);
        let TaskToken {
            priority,
            seq,
            transient,
        } = ticket.token;
        let entry = Entry {
            task,
            created_ms: ticket.created_ms,
            waited: true,
        };
        if transient {
            self.transient.insert((priority, seq), entry);
        } else {
            self.lanes[priority.index()].insert(seq, entry);
        }
    }

    /// A matched task turned out to be obsolete: it counts neither as dispatched nor against the rate limit.
    pub fn discard(&mut self, now_ms: i64, ticket: TaskTicket) {
        let now_ms = self.touch(now_ms);
        self.undo_dispatch(now_ms, ticket.token);
    }

    /// A poll whose task was discarded or requeued goes on waiting where it stood, under the same token.
    pub fn resume(&mut self, now_ms: i64, ticket: PollerTicket, poller: P) {
        self.touch(now_ms);
        let waiting = Waiting {
            poller,
            identity: ticket.identity,
            since_ms: ticket.since_ms,
        };
        self.pollers.wait(ticket.token, waiting);
    }

    /// Sets the limit of UpdateTaskQueueConfig, which goes before what workers ask for; `None` removes it. Belongs to
    /// a queue's stored configuration: to be set again when a dropped queue comes back.
    pub fn set_rate_limit(&mut self, now_ms: i64, per_second: Option<f64>) {
        let now_ms = self.touch(now_ms);
        self.rate_limit.set_api(now_ms, per_second);
    }

    /// Counts tasks that are known to be in the outbox but were not offered, as after a restart. The oldest of them was
    /// created at `created_ms`.
    pub fn add_outside(&mut self, priority: Priority, count: u64, created_ms: i64) {
        if count > 0 {
            self.used[priority.index()] = true;
            self.lanes[priority.index()].add_outside(count, created_ms);
        }
    }

    /// Whether tasks should be pulled from the outbox now.
    pub fn wants_refill(&self) -> bool {
        self.lanes.iter().any(|lane| lane.refill_room() > 0)
    }

    /// Begins to pull tasks of the most urgent priority that has room and tasks outside. Until [`TaskQueue::end_refill`] tasks of
    /// this priority that are offered stay outside, so that they do not overtake.
    pub fn begin_refill(&mut self) -> Option<Refill> {
        let priority =
            Priority::all().find(|priority| self.lanes[priority.index()].refill_room() > 0)?;
        let lane = &mut self.lanes[priority.index()];
        let room = lane.refill_room();
        lane.begin_refill();
        Some(Refill { priority, room })
    }

    /// Takes in the tasks (each with its time of creation) that were read from the outbox, oldest first, at most as many as there was
    /// room for, none that had been taken in before. `more` says whether there are further ones behind them. After
    /// a failed read: no tasks and `more`, and the engine waits before it tries again.
    pub fn end_refill(
        &mut self,
        now_ms: i64,
        priority: Priority,
        tasks: impl IntoIterator<Item = (T, i64)>,
        more: bool,
    ) {
        self.touch(now_ms);
        let mut pulled = 0;
        for (task, created_ms) in tasks {
            let seq = self.take_seq();
            let entry = Entry {
                task,
                created_ms,
                waited: true,
            };
            self.lanes[priority.index()].insert(seq, entry);
            pulled += 1;
        }
        self.lanes[priority.index()].end_refill(pulled, more);
    }

    /// Empties the queue and forgets its pollers, as when the worker of a sticky queue shuts down: from now on the queue
    /// has no recent poller.
    pub fn unload(&mut self, now_ms: i64) -> Unloaded<T, P> {
        self.touch(now_ms);
        let transient = std::mem::take(&mut self.transient);
        Unloaded {
            stored: self.lanes.iter_mut().flat_map(Lane::clear).collect(),
            transient: transient.into_values().map(|entry| entry.task).collect(),
            pollers: self.pollers.clear().collect(),
        }
    }

    /// Whether a poll waits or did within the last seconds. A sticky queue without one is unavailable, and its tasks belong
    /// to the normal queue.
    pub fn has_recent_poller(&self, now_ms: i64) -> bool {
        self.pollers.recent(now_ms)
    }

    /// Polls that wait now.
    pub fn waiting_pollers(&self) -> usize {
        self.pollers.waiting_count()
    }

    /// Stored tasks that wait, in memory and outside.
    pub fn backlog_count(&self) -> i64 {
        let count: u64 = self.lanes.iter().map(Lane::count).sum();
        i64::try_from(count).unwrap_or(i64::MAX)
    }

    /// Whether nothing waits and nothing happened for so long that the queue can be dropped: a new one in its place
    /// behaves the same.
    pub fn is_idle(&self, now_ms: i64) -> bool {
        !self.pollers.any_waiting()
            && self.transient.is_empty()
            && self.lanes.iter().all(|lane| lane.count() == 0)
            && now_ms >= self.active_ms.saturating_add(IDLE_MS)
    }

    /// Whether a stored task that is offered now is the next one to be matched, and at once: polls wait, and nothing
    /// else does.
    pub fn wants_task(&mut self, now_ms: i64) -> bool {
        let now_ms = self.advance(now_ms);
        self.backlog_count() == 0 && self.transient.is_empty() && self.would_match(now_ms)
    }

    fn next_task(&mut self, now_ms: i64) -> Option<(TaskToken, Entry<T>)> {
        let stored = self.lanes.iter().position(Lane::has_task);
        let stored = stored.filter(|_| self.rate_limit.allows(now_ms));
        let transient = self
            .transient
            .first_key_value()
            .map(|((priority, _), _)| priority.index());
        if transient.is_some_and(|transient| stored.is_none_or(|stored| transient <= stored)) {
            let ((priority, seq), entry) = self.transient.pop_first()?;
            let token = TaskToken {
                priority,
                seq,
                transient: true,
            };
            return Some((token, entry));
        }
        let index = stored?;
        let (seq, entry) = self.lanes[index].pop()?;
        self.rate_limit.take();
        self.dispatched[index].add(now_ms);
        let token = TaskToken {
            priority: Priority::from_index(index),
            seq,
            transient: false,
        };
        Some((token, entry))
    }

    fn undo_dispatch(&mut self, now_ms: i64, token: TaskToken) {
        if !token.transient {
            self.rate_limit.give_back();
            self.dispatched[token.priority.index()].subtract(now_ms);
        }
    }

    /// Whether a stored task offered now is handed over at once.
    fn would_match(&mut self, now_ms: i64) -> bool {
        self.pollers.any_waiting()
            && !self.lanes.iter().any(Lane::has_task)
            && self.rate_limit.allows(now_ms)
    }

    fn scale(&mut self, now_ms: i64, waited_ms: i64, task_waited: bool) -> Option<i32> {
        let signs = scaling::Signs {
            poll_waited_ms: waited_ms,
            task_waited,
            throttled: self.is_throttled(now_ms),
            backlog_age_ms: self.backlog_age_ms(now_ms),
            added: self.count(&self.added, now_ms),
            dispatched: self.count(&self.dispatched, now_ms),
        };
        let delta = scaling::decide(&signs)?;
        if delta > 0 {
            let pollers = self.pollers.seen_count().max(1) as f64;
            self.scale_up.advance(now_ms, SCALE_UP_PER_SECOND * pollers);
            if !self.scale_up.has_token() {
                return None;
            }
            self.scale_up.take();
        }
        Some(delta)
    }

    fn count(&self, rates: &[Rate; PRIORITIES], now_ms: i64) -> u64 {
        let used = rates.iter().zip(self.used).filter(|(_, used)| *used);
        used.map(|(rate, _)| rate.count(now_ms)).sum()
    }

    /// Whether tasks wait for the rate limit.
    pub(crate) fn is_throttled(&mut self, now_ms: i64) -> bool {
        self.lanes.iter().any(Lane::has_task) && !self.rate_limit.allows(now_ms)
    }

    /// How long the oldest stored task has been waiting.
    pub(crate) fn backlog_age_ms(&self, now_ms: i64) -> Option<i64> {
        let oldest = self
            .lanes
            .iter()
            .filter_map(Lane::oldest_created_ms)
            .min()?;
        Some((now_ms - oldest).max(0))
    }

    fn count_added(&mut self, now_ms: i64, priority: Priority) {
        self.used[priority.index()] = true;
        self.added[priority.index()].add(now_ms);
    }

    fn take_seq(&mut self) -> u64 {
        let seq = self.next_seq;
        self.next_seq += 1;
        seq
    }

    fn advance(&mut self, now_ms: i64) -> i64 {
        self.now_ms = self.now_ms.max(now_ms);
        self.now_ms
    }

    fn touch(&mut self, now_ms: i64) -> i64 {
        self.active_ms = self.advance(now_ms);
        self.active_ms
    }
}
