//! Commands for Nexus operations. There are no endpoints yet: none is ever found.

use steadfast_protocol::command::{
    RequestCancelNexusOperationCommandAttributes, ScheduleNexusOperationCommandAttributes,
};
use steadfast_protocol::enums::WorkflowTaskFailedCause as Cause;

use super::CommandError;

pub(super) fn refuse_schedule(command: &ScheduleNexusOperationCommandAttributes) -> CommandError {
    CommandError::bad(
        Cause::BadScheduleNexusOperationAttributes,
        format!("endpoint {:?} not found", command.endpoint),
    )
}

pub(super) fn refuse_cancel(
    command: &RequestCancelNexusOperationCommandAttributes,
) -> CommandError {
    CommandError::bad(
        Cause::BadRequestCancelNexusOperationAttributes,
        format!(
            "requested cancelation for a non-existing or already completed operation with scheduled event ID of {}",
            command.scheduled_event_id
        ),
    )
}
