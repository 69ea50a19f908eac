//! Queries: which way each goes, and those that wait for a workflow task (server-semantics 3.8).

use std::sync::Arc;

use steadfast_protocol::enums::{QueryRejectCondition, WorkflowExecutionStatus};
use steadfast_protocol::query::WorkflowQuery;

use crate::execution::Execution;
use crate::limits::Limits;
use crate::refusal::Refusal;
use crate::time::Time;

/// From this attempt on a workflow task counts as failing, and queries are refused.
const FAILING_ATTEMPT: i32 = 3;

/// A query that is attached to the next workflow task that starts.
#[derive(Clone, Debug)]
pub struct BufferedQuery {
    /// Names it within the run.
    pub id: String,
    /// What is asked.
    pub query: Arc<WorkflowQuery>,
    /// Whether the started workflow task carries it.
    pub delivered: bool,
}

/// Which way a query goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// The caller did not want an answer from a run of this status.
    Rejected(WorkflowExecutionStatus),
    /// It goes to a worker as a task of its own.
    Direct {
        /// The queue of the worker that has the run in its cache, to be tried first.
        sticky: Option<String>,
    },
    /// It rides on a workflow task: see [`buffer`].
    Buffer,
    /// No workflow task was scheduled yet: ask again when the run has changed.
    WaitForTask,
}

/// Which way a query goes now. `deadline` is when the caller stops waiting; `reject_condition` is an
/// `enums::QueryRejectCondition`.
///
/// # Errors
/// FAILED_PRECONDITION (not ready) if no worker can answer, or not in time.
pub fn decide(
    run: &Execution,
    now: Time,
    deadline: Option<Time>,
    reject_condition: i32,
) -> Result<Plan, Refusal> {
    let status = run.status();
    let rejected = match QueryRejectCondition::try_from(reject_condition) {
        Ok(QueryRejectCondition::NotOpen) => !run.is_open(),
        Ok(QueryRejectCondition::NotCompletedCleanly) => {
            !run.is_open() && status != WorkflowExecutionStatus::Completed
        }
        _ => false,
    };
    if rejected {
        return Ok(Plan::Rejected(status));
    }
    let not_ready = |message: &str| Err(Refusal::WorkflowNotReady(message.to_owned()));
    let ever_completed = run.head.previous_started_event_id > 0;
    if !run.is_open() && !ever_completed {
        return not_ready("Workflow execution closed before WorkflowTaskStarted event");
    }
    if run.is_open() && !run.head.first_task_scheduled {
        let due = Time(run.head.execution_time).max(now);
        if deadline.is_some_and(|deadline| due > deadline) {
            return not_ready("Workflow task is not scheduled yet.");
        }
        return Ok(Plan::WaitForTask);
    }
    let task = run.head.workflow_task.as_ref();
    if task.is_some_and(|task| task.attempt >= FAILING_ATTEMPT) {
        return not_ready("Unable to query workflow due to Workflow Task in failed state.");
    }
    if ever_completed && task.is_none() {
        let sticky = run.head.sticky.as_ref();
        let sticky = sticky.map(|sticky| sticky.queue.clone());
        return Ok(Plan::Direct { sticky });
    }
    Ok(Plan::Buffer)
}

/// Lets `query` wait for the next workflow task that starts. In memory only.
///
/// # Errors
/// RESOURCE_EXHAUSTED if enough queries wait already.
pub fn buffer(run: &mut Execution, limits: &Limits, query: BufferedQuery) -> Result<(), Refusal> {
    assert!(run.is_open(), "a closed run has no next workflow task");
    if run.queries.len() >= limits.buffered_queries {
        return Err(Refusal::busy_workflow(
            "consistent query buffer is full, this may be caused by too many queries and workflow not able to \
             process query fast enough",
        ));
    }
    run.queries.push_back(query);
    Ok(())
}

/// Forgets a waiting query: its caller is gone. Whether it was there.
pub fn cancel(run: &mut Execution, id: &str) -> bool {
    let before = run.queries.len();
    run.queries.retain(|query| query.id != id);
    run.queries.len() < before
}
