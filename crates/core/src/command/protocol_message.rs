//! ProtocolMessage. Updates are not built yet: no message is ever known.

use steadfast_protocol::command::ProtocolMessageCommandAttributes;
use steadfast_protocol::enums::WorkflowTaskFailedCause as Cause;

use super::CommandError;

pub(super) fn refuse(command: &ProtocolMessageCommandAttributes) -> CommandError {
    let cause = Cause::BadUpdateWorkflowExecutionMessage;
    if command.message_id.is_empty() {
        return CommandError::bad(cause, "ProtocolMessageCommand is missing message ID");
    }
    CommandError::bad(
        cause,
        format!(
            "ProtocolMessageCommand referenced absent message ID {}",
            command.message_id
        ),
    )
}
