//! What the parent of a child workflow records (server-semantics 6.2).

use steadfast_protocol::enums::StartChildWorkflowExecutionFailedCause;
use steadfast_protocol::history::HistoryEvent;

use crate::context::Context;
use crate::execution::Execution;
use crate::outcome::Outcome;

/// How the last run of a child closed.
pub struct ChildClose<'a> {
    /// Initiated event in the parent.
    pub initiated_event_id: i64,
    /// Workflow id of the child.
    pub child_workflow_id: String,
    /// Its last run.
    pub child_run_id: String,
    /// Its first run.
    pub child_first_run_id: String,
    /// The last event of the last run.
    pub close_event: &'a HistoryEvent,
}

/// The child of this Initiated event runs. `None` if that is known already, or the run is closed.
pub fn started(
    _run: &mut Execution,
    _cx: &Context<'_>,
    _initiated_event_id: i64,
    _run_id: &str,
) -> Option<Outcome> {
    None
}

/// The child of this Initiated event can never be started. `None` if nobody waits for it any more.
pub fn start_failed(
    _run: &mut Execution,
    _cx: &Context<'_>,
    _initiated_event_id: i64,
    _cause: StartChildWorkflowExecutionFailedCause,
) -> Option<Outcome> {
    None
}

/// A child closed. `None` if it is not a pending child of this run.
pub fn closed(_run: &mut Execution, _cx: &Context<'_>, _close: &ChildClose<'_>) -> Option<Outcome> {
    None
}
