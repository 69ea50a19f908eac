//! FailWorkflowExecution.

use steadfast_protocol::command::FailWorkflowExecutionCommandAttributes;
use steadfast_protocol::enums::WorkflowTaskFailedCause as Cause;

use super::{CommandError, Scope, check};
use crate::transition::Transition;
use crate::{close, failure};

const CAUSE: Cause = Cause::BadFailWorkflowExecutionAttributes;

pub(super) fn apply(
    tx: &mut Transition<'_>,
    scope: &Scope,
    command: FailWorkflowExecutionCommandAttributes,
) -> Result<(), CommandError> {
    check::nothing_unseen(tx)?;
    let failure = command.failure.ok_or_else(|| {
        CommandError::bad(CAUSE, "Failure is not set on FailWorkflowExecutionCommand.")
    })?;
    check::size(
        tx,
        failure::size(&failure),
        CAUSE,
        "FailWorkflowExecutionCommandAttributes.Failure",
    )?;
    close::fail(tx, scope.completed_event_id, failure::shallow(failure));
    Ok(())
}
