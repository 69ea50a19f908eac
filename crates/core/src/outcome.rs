//! What a transition did, for the engine to make durable and then to act upon.

use std::collections::BTreeSet;

use steadfast_protocol::history::HistoryEvent;

use crate::execution::Execution;
use crate::refusal::Refusal;
use crate::rows::Row;
use crate::time::Time;

/// The result of one transition of one run.
///
/// The engine writes the head, the changed rows, the blocks and the tasks in one batch, and only then lets effects and
/// replies leave. An outcome must not be dropped: the state in memory has changed already.
#[derive(Default)]
#[must_use = "the state in memory has changed; the store must follow"]
pub struct Outcome {
    /// New events, in blocks that history pages never split.
    pub blocks: Vec<Vec<HistoryEvent>>,
    /// Rows to be put, or deleted where [`Execution::encode_row`] gives none.
    pub changed: BTreeSet<Row>,
    /// Tasks to be offered to their queues.
    pub tasks_added: Vec<Task>,
    /// Tasks that nobody may start any more.
    pub tasks_removed: Vec<Task>,
    /// Messages to other executions, in order.
    pub effects: Vec<Effect>,
    /// The next run of the chain, created by the same batch.
    pub successor: Option<Box<(Execution, Outcome)>>,
    /// Whether lists of workflows show the run differently from now on.
    pub visible: bool,
    /// Why the run was terminated where it grew beyond a limit: what the caller is told instead of an answer.
    pub beyond_limit: Option<&'static str>,
    /// Queries (by id) that waited for a workflow task and are to be looked at again.
    pub released_queries: Vec<String>,
}

impl Outcome {
    /// `answer`, unless the run was terminated because it grew beyond a limit.
    ///
    /// # Errors
    /// INVALID_ARGUMENT with that limit.
    pub fn reply<T>(&self, answer: T) -> Result<T, Refusal> {
        match self.beyond_limit {
            None => Ok(answer),
            Some(limit) => Err(Refusal::invalid(limit)),
        }
    }

    /// Takes a task back; one that came with this outcome is as if it had never been.
    pub fn remove_task(&mut self, task: Task) {
        match self.tasks_added.iter().position(|added| *added == task) {
            Some(position) => {
                self.tasks_added.remove(position);
            }
            None => self.tasks_removed.push(task),
        }
    }

    /// Takes in what the next transition of the same run did, so that one batch holds both.
    pub fn absorb(&mut self, next: Outcome) {
        self.blocks.extend(next.blocks);
        self.changed.extend(next.changed);
        for task in next.tasks_removed {
            self.remove_task(task);
        }
        self.tasks_added.extend(next.tasks_added);
        self.effects.extend(next.effects);
        assert!(
            self.successor.is_none() || next.successor.is_none(),
            "a run closes once"
        );
        self.successor = self.successor.take().or(next.successor);
        self.visible |= next.visible;
        self.beyond_limit = self.beyond_limit.or(next.beyond_limit);
        self.released_queries.extend(next.released_queries);
    }
}

/// Which kind of worker takes a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TaskKind {
    /// Workflow tasks.
    Workflow,
    /// Activity tasks.
    Activity,
}

/// A task for a task queue. It is found again by these fields, which all stand in the execution's own rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Which kind of worker takes it.
    pub kind: TaskKind,
    /// Name of the queue.
    pub queue: String,
    /// Whether the queue is a worker's own.
    pub sticky: bool,
    /// 1 (first) to 5.
    pub priority: u8,
    /// When this attempt was scheduled.
    pub scheduled_time: Time,
    /// The activity's Scheduled event; 0 for a workflow task.
    pub item: i64,
    /// From 1.
    pub attempt: i32,
}

/// A message to another execution, delivered at least once, from the outbox. Each names an item of the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Start the child of this Initiated event; the answer comes back as an input.
    StartChild(i64),
    /// The start of this child is recorded: its first workflow task may be scheduled.
    ReleaseChild(i64),
    /// Deliver the signal of this Initiated event; the answer comes back as an input.
    SignalExternal(i64),
    /// Deliver the cancel request of this Initiated event; the answer comes back as an input.
    CancelExternal(i64),
    /// Tell the parent how this run, the last of its chain, closed.
    NotifyParent,
    /// Apply the parent close policy to the child of this Initiated event.
    CloseChild(i64),
}
