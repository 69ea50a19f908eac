//! CancelTimer (server-semantics 4.2).

use steadfast_protocol::command::CancelTimerCommandAttributes;
use steadfast_protocol::enums::WorkflowTaskFailedCause as Cause;
use steadfast_protocol::history::TimerCanceledEventAttributes;
use steadfast_protocol::history::history_event::Attributes;

use super::{CommandError, Scope};
use crate::limits;
use crate::transition::Transition;

const CAUSE: Cause = Cause::BadCancelTimerAttributes;

pub(super) fn apply(
    tx: &mut Transition<'_>,
    scope: &Scope,
    command: CancelTimerCommandAttributes,
) -> Result<(), CommandError> {
    let timer_id = command.timer_id;
    if timer_id.is_empty() {
        return Err(CommandError::bad(
            CAUSE,
            "TimerId is not set on CancelTimerCommand.",
        ));
    }
    if timer_id.len() > limits::ID_LENGTH_MAX {
        return Err(CommandError::bad(
            CAUSE,
            format!(
                "TimerId on CancelTimerCommand exceeds length limit. TimerId={timer_id} Length={} Limit={}",
                timer_id.len(),
                limits::ID_LENGTH_MAX
            ),
        ));
    }
    let started_event_id = take(tx, &timer_id).ok_or_else(|| {
        CommandError::bad(
            CAUSE,
            format!(
                "invalid history builder state for action: add-timer-canceled-event, TimerID: {timer_id}"
            ),
        )
    })?;
    tx.event(Attributes::TimerCanceledEventAttributes(
        TimerCanceledEventAttributes {
            timer_id,
            started_event_id,
            workflow_task_completed_event_id: scope.completed_event_id,
            identity: scope.identity.clone(),
        },
    ));
    Ok(())
}

/// Removes the pending timer of this id, or takes its firing back if the workflow has not seen it. Returns its Started
/// event.
fn take(tx: &mut Transition<'_>, timer_id: &str) -> Option<i64> {
    if let Some(id) = tx.run.timer_ids.get(timer_id).copied() {
        tx.remove_timer(id);
        return Some(id);
    }
    let fired = tx.remove_buffered(|event| {
        matches!(
            &event.attributes,
            Some(Attributes::TimerFiredEventAttributes(fired)) if fired.timer_id == timer_id
        )
    })?;
    match &fired.attributes {
        Some(Attributes::TimerFiredEventAttributes(fired)) => Some(fired.started_event_id),
        _ => None,
    }
}
