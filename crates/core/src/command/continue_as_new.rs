//! ContinueAsNewWorkflowExecution (server-semantics 6.3).

use prost::Message;
use steadfast_protocol::command::ContinueAsNewWorkflowExecutionCommandAttributes;
use steadfast_protocol::enums::WorkflowTaskFailedCause as Cause;

use super::{CommandError, Scope, check};
use crate::time::duration;
use crate::transition::Transition;
use crate::{attributes, backoff, close, cron, failure, limits, task_queue};

const CAUSE: Cause = Cause::BadContinueAsNewAttributes;

pub(super) fn apply(
    tx: &mut Transition<'_>,
    scope: &Scope,
    mut command: ContinueAsNewWorkflowExecutionCommandAttributes,
) -> Result<(), CommandError> {
    check::nothing_unseen(tx)?;
    let (kind, queue) = names(tx, &command);
    check_names(&kind, &queue).map_err(|detail| CommandError::bad(CAUSE, detail))?;
    let allowed = task_queue::check(&queue, tx.run.task_queue());
    allowed
        .and_then(|()| check_fields(&mut command))
        .map_err(|what| {
            // As the reference prints a task queue.
            let queue = format!("name:\"{queue}\" kind:TASK_QUEUE_KIND_NORMAL");
            CommandError::bad(
                CAUSE,
                format!("{what}. WorkflowType={kind} TaskQueue={queue}"),
            )
        })?;
    check::search_attributes(tx, command.search_attributes.as_ref())?;
    check_sizes(tx, &command)?;
    command.failure = command.failure.map(failure::shallow);
    command.memo = command.memo.as_ref().and_then(attributes::kept_memo);
    command.search_attributes = command
        .search_attributes
        .and_then(|given| attributes::kept_search_attributes(tx.cx.namespace, &given));
    close::continue_as_new(tx, scope.completed_event_id, command);
    Ok(())
}

/// Workflow type and task queue of the next run: those of this one where the command leaves them out.
fn names(
    tx: &Transition<'_>,
    command: &ContinueAsNewWorkflowExecutionCommandAttributes,
) -> (String, String) {
    let kind = command.workflow_type.as_ref();
    let kind = kind.map_or("", |kind| kind.name.as_str());
    let queue = command.task_queue.as_ref();
    let queue = queue.map_or("", |queue| queue.name.as_str());
    let or = |given: &str, current: &str| match given {
        "" => current.to_owned(),
        given => given.to_owned(),
    };
    (
        or(kind, tx.run.workflow_type()),
        or(queue, tx.run.task_queue()),
    )
}

fn check_names(kind: &str, queue: &str) -> Result<(), String> {
    for (field, value) in [("WorkflowType", kind), ("TaskQueue", queue)] {
        if value.len() > limits::ID_LENGTH_MAX {
            return Err(format!(
                "{field} on ContinueAsNewWorkflowExecutionCommand exceeds length limit. {field}={value} Length={} Limit={}",
                value.len(),
                limits::ID_LENGTH_MAX
            ));
        }
    }
    Ok(())
}

/// Checks timeouts, retry policy and cron schedule; fills the retry policy.
fn check_fields(
    command: &mut ContinueAsNewWorkflowExecutionCommandAttributes,
) -> Result<(), String> {
    let durations = [
        ("WorkflowRunTimeout", &command.workflow_run_timeout),
        ("WorkflowTaskTimeout", &command.workflow_task_timeout),
        ("BackoffStartInterval", &command.backoff_start_interval),
    ];
    for (field, value) in durations {
        duration(value.as_ref()).map_err(|_| {
            format!("Invalid {field} on ContinueAsNewWorkflowExecutionCommand: negative duration")
        })?;
    }
    if let Some(policy) = &mut command.retry_policy {
        backoff::validate(policy).map_err(|refusal| {
            format!("invalid RetryPolicy on ContinueAsNewWorkflowExecutionCommand: {refusal}")
        })?;
        backoff::fill(policy);
    }
    if !command.cron_schedule.is_empty() {
        cron::validate(&command.cron_schedule).map_err(|refusal| {
            format!("invalid CronSchedule on ContinueAsNewWorkflowExecutionCommand: {refusal}")
        })?;
    }
    Ok(())
}

fn check_sizes(
    tx: &Transition<'_>,
    command: &ContinueAsNewWorkflowExecutionCommandAttributes,
) -> Result<(), CommandError> {
    check::payloads_size(
        tx,
        command.input.as_ref(),
        CAUSE,
        "ContinueAsNewWorkflowExecutionCommandAttributes.Input",
    )?;
    check::payloads_size(
        tx,
        command.last_completion_result.as_ref(),
        CAUSE,
        "ContinueAsNewWorkflowExecutionCommandAttributes.LastCompletionResult",
    )?;
    check::size(
        tx,
        command.failure.as_ref().map_or(0, Message::encoded_len),
        CAUSE,
        "ContinueAsNewWorkflowExecutionCommandAttributes.Failure",
    )?;
    let memo = command.memo.as_ref();
    check::within(
        memo.map_or(0, |memo| attributes::fields_size(&memo.fields)),
        tx.cx.limits.memo_size,
        CAUSE,
        "ContinueAsNewWorkflowExecutionCommandAttributes.Memo",
    )
}
