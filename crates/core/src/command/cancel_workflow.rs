//! CancelWorkflowExecution. Nobody has to have asked for it.

use steadfast_protocol::command::CancelWorkflowExecutionCommandAttributes;
use steadfast_protocol::enums::WorkflowTaskFailedCause as Cause;

use super::{CommandError, Scope, check};
use crate::close;
use crate::transition::Transition;

const CAUSE: Cause = Cause::BadCancelWorkflowExecutionAttributes;

pub(super) fn apply(
    tx: &mut Transition<'_>,
    scope: &Scope,
    command: CancelWorkflowExecutionCommandAttributes,
) -> Result<(), CommandError> {
    check::nothing_unseen(tx)?;
    check::payloads_size(
        tx,
        command.details.as_ref(),
        CAUSE,
        "CancelWorkflowExecutionCommandAttributes.Details",
    )?;
    close::cancel(tx, scope.completed_event_id, command.details);
    Ok(())
}
