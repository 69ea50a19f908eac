//! A task that met a poll, and what is needed to undo the meeting.

use std::sync::Arc;

use crate::pollers::PollerToken;
use crate::priority::Priority;

/// A task to be handed to a poll. What becomes of it is reported back only if it goes wrong: see
/// [`TaskQueue::requeue`](crate::TaskQueue::requeue), [`discard`](crate::TaskQueue::discard) and
/// [`resume`](crate::TaskQueue::resume).
#[derive(Debug)]
pub struct Match<T, P> {
    /// The task, which has left the queue.
    pub task: T,
    /// The place of the task, for giving it back.
    pub task_ticket: TaskTicket,
    /// The poll, which no longer waits.
    pub poller: P,
    /// The place of the poll, for letting it wait on.
    pub poller_ticket: PollerTicket,
    /// `backlog_count_hint` of the answer: stored tasks still waiting.
    pub backlog_count_hint: i64,
    /// `poller_scaling_decision.poll_request_delta_suggestion` of the answer, if there is one.
    pub poller_scaling: Option<i32>,
}

/// Names one task of one queue for as long as it is in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskToken {
    pub(crate) priority: Priority,
    pub(crate) seq: u64,
    pub(crate) transient: bool,
}

/// The place in the queue from which a task was taken.
#[derive(Clone, Copy, Debug)]
pub struct TaskTicket {
    pub(crate) token: TaskToken,
    pub(crate) created_ms: i64,
}

impl TaskTicket {
    /// The token the task had while it waited.
    pub fn token(&self) -> TaskToken {
        self.token
    }

    /// The priority the task was offered with.
    pub fn priority(&self) -> Priority {
        self.token.priority
    }
}

/// The place in the queue from which a poll was taken.
#[derive(Clone, Debug)]
pub struct PollerTicket {
    pub(crate) token: PollerToken,
    pub(crate) identity: Arc<str>,
    pub(crate) since_ms: i64,
}

impl PollerTicket {
    /// The token of the poll, the same before and after.
    pub fn token(&self) -> PollerToken {
        self.token
    }
}
