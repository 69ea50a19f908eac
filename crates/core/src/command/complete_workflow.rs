//! CompleteWorkflowExecution.

use steadfast_protocol::command::CompleteWorkflowExecutionCommandAttributes;
use steadfast_protocol::enums::WorkflowTaskFailedCause as Cause;

use super::{CommandError, Scope, check};
use crate::close;
use crate::transition::Transition;

pub(super) fn apply(
    tx: &mut Transition<'_>,
    scope: &Scope,
    command: CompleteWorkflowExecutionCommandAttributes,
) -> Result<(), CommandError> {
    check::nothing_unseen(tx)?;
    check::payloads_size(
        tx,
        command.result.as_ref(),
        // Not a cause of this command, but the one the reference gives (server-semantics 19).
        Cause::BadScheduleActivityAttributes,
        "CompleteWorkflowExecutionCommandAttributes.Result",
    )?;
    close::complete(tx, scope.completed_event_id, command.result);
    Ok(())
}
