//! RecordMarker: what the SDK wants to find again when it replays.

use prost::Message;
use steadfast_protocol::command::RecordMarkerCommandAttributes;
use steadfast_protocol::enums::WorkflowTaskFailedCause as Cause;
use steadfast_protocol::history::MarkerRecordedEventAttributes;
use steadfast_protocol::history::history_event::Attributes;

use super::{CommandError, Scope, check};
use crate::transition::Transition;
use crate::{failure, limits};

const CAUSE: Cause = Cause::BadRecordMarkerAttributes;

pub(super) fn apply(
    tx: &mut Transition<'_>,
    scope: &Scope,
    command: RecordMarkerCommandAttributes,
) -> Result<(), CommandError> {
    let name = &command.marker_name;
    if name.is_empty() {
        return Err(CommandError::bad(
            CAUSE,
            "MarkerName is not set on RecordMarkerCommand.",
        ));
    }
    if name.len() > limits::ID_LENGTH_MAX {
        return Err(CommandError::bad(
            CAUSE,
            format!(
                "MarkerName on RecordMarkerCommand exceeds length limit. MarkerName={name} Length={} Limit={}",
                name.len(),
                limits::ID_LENGTH_MAX
            ),
        ));
    }
    let details = command.details.iter();
    let size = details.map(|(key, value)| key.len() + value.encoded_len());
    check::size(
        tx,
        size.sum(),
        CAUSE,
        "RecordMarkerCommandAttributes.Details",
    )?;
    tx.event(Attributes::MarkerRecordedEventAttributes(
        MarkerRecordedEventAttributes {
            marker_name: command.marker_name,
            details: command.details,
            workflow_task_completed_event_id: scope.completed_event_id,
            header: command.header,
            failure: command.failure.map(failure::shallow),
        },
    ));
    Ok(())
}
