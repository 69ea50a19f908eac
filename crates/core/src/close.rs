//! A run closes by its own decision, and what follows that (server-semantics 4.2, 6.3, 6.4).

use steadfast_protocol::command::ContinueAsNewWorkflowExecutionCommandAttributes;
use steadfast_protocol::common::Payloads;
use steadfast_protocol::enums::{TaskQueueKind, WorkflowExecutionStatus};
use steadfast_protocol::failure::Failure;
use steadfast_protocol::history::history_event::Attributes;
use steadfast_protocol::history::{
    WorkflowExecutionCanceledEventAttributes, WorkflowExecutionCompletedEventAttributes,
    WorkflowExecutionContinuedAsNewEventAttributes, WorkflowExecutionFailedEventAttributes,
};
use steadfast_protocol::taskqueue::TaskQueue;

use crate::chain::{self, Successor};
use crate::outcome::Effect;
use crate::start::effective_timeouts;
use crate::time::{duration_or_zero, to_duration};
use crate::transition::Transition;

/// The workflow completed. `completed_event_id` is the completion of its workflow task, here and below.
pub fn complete(tx: &mut Transition<'_>, completed_event_id: i64, result: Option<Payloads>) {
    let successor = chain::after_completion(tx, result.clone());
    let attributes = WorkflowExecutionCompletedEventAttributes {
        result,
        workflow_task_completed_event_id: completed_event_id,
        new_execution_run_id: chain::run_id_of(successor.as_ref()),
    };
    close(
        tx,
        WorkflowExecutionStatus::Completed,
        Attributes::WorkflowExecutionCompletedEventAttributes(attributes),
        successor,
    );
}

/// The workflow failed; it may be retried.
pub fn fail(tx: &mut Transition<'_>, completed_event_id: i64, failure: Failure) {
    let (retry_state, successor) = chain::after_failure(tx, &failure, false);
    let attributes = WorkflowExecutionFailedEventAttributes {
        failure: Some(failure),
        retry_state: retry_state as i32,
        workflow_task_completed_event_id: completed_event_id,
        new_execution_run_id: chain::run_id_of(successor.as_ref()),
    };
    close(
        tx,
        WorkflowExecutionStatus::Failed,
        Attributes::WorkflowExecutionFailedEventAttributes(attributes),
        successor,
    );
}

/// The workflow canceled itself. That ends a cron schedule too.
pub fn cancel(tx: &mut Transition<'_>, completed_event_id: i64, details: Option<Payloads>) {
    let attributes = WorkflowExecutionCanceledEventAttributes {
        workflow_task_completed_event_id: completed_event_id,
        details,
    };
    close(
        tx,
        WorkflowExecutionStatus::Canceled,
        Attributes::WorkflowExecutionCanceledEventAttributes(attributes),
        None,
    );
}

/// The workflow continues as a new run. What `attributes`, validated before, leave out is taken from this run.
pub fn continue_as_new(
    tx: &mut Transition<'_>,
    completed_event_id: i64,
    mut attributes: ContinueAsNewWorkflowExecutionCommandAttributes,
) {
    fill(tx, &mut attributes);
    let successor = chain::as_new(tx, &attributes);
    let attributes = WorkflowExecutionContinuedAsNewEventAttributes {
        new_execution_run_id: successor.run_id().to_owned(),
        workflow_type: attributes.workflow_type,
        task_queue: attributes.task_queue,
        input: attributes.input,
        workflow_run_timeout: attributes.workflow_run_timeout,
        workflow_task_timeout: attributes.workflow_task_timeout,
        workflow_task_completed_event_id: completed_event_id,
        backoff_start_interval: attributes.backoff_start_interval,
        initiator: attributes.initiator,
        failure: attributes.failure,
        last_completion_result: attributes.last_completion_result,
        header: attributes.header,
        memo: attributes.memo,
        search_attributes: attributes.search_attributes,
        inherit_build_id: attributes.inherit_build_id,
        initial_versioning_behavior: attributes.initial_versioning_behavior,
    };
    close(
        tx,
        WorkflowExecutionStatus::ContinuedAsNew,
        Attributes::WorkflowExecutionContinuedAsNewEventAttributes(Box::new(attributes)),
        Some(successor),
    );
}

fn fill(tx: &Transition<'_>, attributes: &mut ContinueAsNewWorkflowExecutionCommandAttributes) {
    let started = tx.run.start_attributes();
    let no_type = |kind: &steadfast_protocol::common::WorkflowType| kind.name.is_empty();
    if attributes.workflow_type.as_ref().is_none_or(no_type) {
        attributes.workflow_type = started.workflow_type.clone();
    }
    let queue = attributes.task_queue.take();
    let name = queue.map_or_else(String::new, |queue| queue.name);
    let name = match name.is_empty() {
        true => tx.run.task_queue().to_owned(),
        false => name,
    };
    attributes.task_queue = Some(TaskQueue {
        name,
        kind: TaskQueueKind::Normal as i32,
        normal_name: String::new(),
    });
    let or_current = |given, current| match duration_or_zero(given) {
        0 => duration_or_zero(current),
        given => given,
    };
    let run = or_current(
        attributes.workflow_run_timeout.as_ref(),
        started.workflow_run_timeout.as_ref(),
    );
    let task = or_current(
        attributes.workflow_task_timeout.as_ref(),
        started.workflow_task_timeout.as_ref(),
    );
    let execution = duration_or_zero(started.workflow_execution_timeout.as_ref());
    let (_, run, task) = effective_timeouts(execution, run, task);
    attributes.workflow_run_timeout = Some(to_duration(run));
    attributes.workflow_task_timeout = Some(to_duration(task));
    if let Some(given) = attributes.search_attributes.take() {
        let kept = tx.cx.namespace.kept_search_attributes(&given);
        attributes.search_attributes = (!kept.indexed_fields.is_empty()).then_some(kept);
    }
}

fn close(
    tx: &mut Transition<'_>,
    status: WorkflowExecutionStatus,
    attributes: Attributes,
    successor: Option<Successor>,
) {
    tx.discard_buffered();
    tx.close(status, attributes);
    match successor {
        Some(successor) => chain::follow(tx, successor),
        None => after_close(tx),
    }
}

/// To be called once a closing event without a successor is written: the chain ends, and the parent hears of it.
pub(crate) fn after_close(tx: &mut Transition<'_>) {
    assert!(!tx.run.is_open(), "called after the close");
    if tx
        .run
        .start_attributes()
        .parent_workflow_execution
        .is_some()
    {
        tx.out.effects.push(Effect::NotifyParent);
    }
}
