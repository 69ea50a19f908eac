//! A run comes to its end by time, or by size (server-semantics 6.5, 7.11).

use steadfast_protocol::enums::{RetryState, TimeoutType, WorkflowExecutionStatus};
use steadfast_protocol::failure::failure::FailureInfo;
use steadfast_protocol::failure::{Failure, TimeoutFailureInfo};
use steadfast_protocol::history::WorkflowExecutionTimedOutEventAttributes;
use steadfast_protocol::history::history_event::Attributes;

use crate::execution::Execution;
use crate::limits::Limits;
use crate::time::Time;
use crate::transition::Transition;
use crate::{chain, close, workflow_task};

/// The run or the chain timed out. A retry or a cron run may follow while the chain has time left.
pub(crate) fn run(tx: &mut Transition<'_>) {
    tx.force_task_closed();
    let expiration = Time(tx.run.head.execution_expiration);
    let expired = expiration.some().is_some_and(|due| due <= tx.cx.now);
    let (retry_state, successor) = match expired {
        true => (RetryState::Timeout, None),
        false => chain::after_failure(tx, &failure(), true),
    };
    let attributes = WorkflowExecutionTimedOutEventAttributes {
        retry_state: retry_state as i32,
        new_execution_run_id: chain::run_id_of(successor.as_ref()),
    };
    tx.close(
        WorkflowExecutionStatus::TimedOut,
        Attributes::WorkflowExecutionTimedOutEventAttributes(attributes),
    );
    match successor {
        Some(successor) => chain::follow(tx, successor),
        None => close::after_close(tx),
    }
}

/// What the run that follows a timed out one is told.
fn failure() -> Failure {
    Failure {
        message: "workflow timeout".to_owned(),
        source: "Server".to_owned(),
        failure_info: Some(FailureInfo::TimeoutFailureInfo(TimeoutFailureInfo {
            timeout_type: TimeoutType::StartToClose as i32,
            last_heartbeat_details: None,
        })),
        ..Default::default()
    }
}

/// Terminates an open run that has grown beyond its limits.
pub(crate) fn enforce_limits(tx: &mut Transition<'_>) {
    if let Some(reason) = exceeded(tx.run, tx.cx.limits) {
        tx.force_task_closed();
        workflow_task::terminate(tx, reason);
        tx.out.beyond_limit = Some(reason);
    }
}

fn exceeded(run: &Execution, limits: &Limits) -> Option<&'static str> {
    if !run.is_open() {
        None
    } else if run.head.next_event_id - 1 > limits.history_count {
        Some("Workflow history count exceeds limit.")
    } else if run.head.history_size > limits.history_size {
        Some("Workflow history size exceeds limit.")
    } else if run.pending_bytes + run.buffered_bytes > limits.pending_size {
        Some("Workflow mutable state size exceeds limit.")
    } else {
        None
    }
}
