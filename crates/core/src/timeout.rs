//! A run comes to its end by time, or by size (server-semantics 6.5, 7.11).

use steadfast_protocol::enums::{RetryState, TimeoutType, WorkflowExecutionStatus};
use steadfast_protocol::failure::failure::FailureInfo;
use steadfast_protocol::failure::{Failure, TimeoutFailureInfo};
use steadfast_protocol::history::WorkflowExecutionTimedOutEventAttributes;
use steadfast_protocol::history::history_event::Attributes;

use crate::time::Time;
use crate::transition::Transition;
use crate::{chain, close};

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
