//! StartTimer (server-semantics 6.1).

use steadfast_protocol::command::StartTimerCommandAttributes;
use steadfast_protocol::enums::WorkflowTaskFailedCause as Cause;
use steadfast_protocol::history::TimerStartedEventAttributes;
use steadfast_protocol::history::history_event::Attributes;

use super::{CommandError, Scope};
use crate::limits;
use crate::record::Timer;
use crate::time::{duration, to_duration};
use crate::transition::Transition;

const CAUSE: Cause = Cause::BadStartTimerAttributes;

pub(super) fn apply(
    tx: &mut Transition<'_>,
    scope: &Scope,
    command: StartTimerCommandAttributes,
) -> Result<(), CommandError> {
    let timer_id = command.timer_id;
    if timer_id.is_empty() {
        return Err(CommandError::bad(
            CAUSE,
            "TimerId is not set on StartTimerCommand.",
        ));
    }
    if timer_id.len() > limits::ID_LENGTH_MAX {
        return Err(CommandError::bad(
            CAUSE,
            format!(
                "TimerId on StartTimerCommand exceeds length limit. TimerId={timer_id} Length={} Limit={}",
                timer_id.len(),
                limits::ID_LENGTH_MAX
            ),
        ));
    }
    let given = command.start_to_fire_timeout;
    let timeout = duration(given.as_ref()).map_err(|_| {
        CommandError::bad(
            CAUSE,
            format!(
                "An invalid StartToFireTimeout is set on StartTimerCommand: negative duration. TimerId={timer_id}"
            ),
        )
    })?;
    if tx.run.timer_ids.contains_key(&timer_id) {
        return Err(CommandError::bad(
            Cause::StartTimerDuplicateId,
            format!(
                "invalid history builder state for action: add-timer-started-event, TimerID: {timer_id}"
            ),
        ));
    }
    let started_event_id = tx.event(Attributes::TimerStartedEventAttributes(
        TimerStartedEventAttributes {
            timer_id: timer_id.clone(),
            start_to_fire_timeout: given.map(|_| to_duration(timeout)),
            workflow_task_completed_event_id: scope.completed_event_id,
        },
    ));
    tx.put_timer(Timer {
        started_event_id,
        timer_id,
        due: tx.cx.now.plus(timeout).0,
    });
    Ok(())
}
