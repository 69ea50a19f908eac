//! ModifyWorkflowProperties: the memo is merged.

use steadfast_protocol::command::ModifyWorkflowPropertiesCommandAttributes;
use steadfast_protocol::enums::WorkflowTaskFailedCause as Cause;
use steadfast_protocol::history::WorkflowPropertiesModifiedEventAttributes;
use steadfast_protocol::history::history_event::Attributes;

use super::{CommandError, Scope, check};
use crate::attributes;
use crate::transition::Transition;

const CAUSE: Cause = Cause::BadModifyWorkflowPropertiesAttributes;

pub(super) fn apply(
    tx: &mut Transition<'_>,
    scope: &Scope,
    command: ModifyWorkflowPropertiesCommandAttributes,
) -> Result<(), CommandError> {
    let upserted = command.upserted_memo.unwrap_or_default();
    if upserted.fields.is_empty() {
        return Err(CommandError::bad(
            CAUSE,
            "UpsertedMemo is not set on ModifyWorkflowPropertiesCommand.",
        ));
    }
    let merged = attributes::merged_memo(&tx.run.head.memo, &upserted.fields);
    let size = attributes::fields_size(&merged).max(attributes::fields_size(&upserted.fields));
    check::within(
        size,
        tx.cx.limits.memo_size,
        CAUSE,
        "ModifyWorkflowPropertiesCommandAttributes.UpsertedMemo",
    )?;
    tx.run.head.memo = merged;
    tx.out.visible = true;
    tx.out.visible = true;
    tx.event(Attributes::WorkflowPropertiesModifiedEventAttributes(
        WorkflowPropertiesModifiedEventAttributes {
            workflow_task_completed_event_id: scope.completed_event_id,
            upserted_memo: Some(upserted),
        },
    ));
    Ok(())
}
