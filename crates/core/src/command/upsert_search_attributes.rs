//! UpsertWorkflowSearchAttributes.

use steadfast_protocol::command::UpsertWorkflowSearchAttributesCommandAttributes;
use steadfast_protocol::enums::WorkflowTaskFailedCause as Cause;
use steadfast_protocol::history::UpsertWorkflowSearchAttributesEventAttributes;
use steadfast_protocol::history::history_event::Attributes;

use super::{CommandError, Scope, check};
use crate::transition::Transition;
use crate::{attributes, limits};

const CAUSE: Cause = Cause::BadSearchAttributes;

pub(super) fn apply(
    tx: &mut Transition<'_>,
    scope: &Scope,
    command: UpsertWorkflowSearchAttributesCommandAttributes,
) -> Result<(), CommandError> {
    let given = command.search_attributes.unwrap_or_default();
    if given.indexed_fields.is_empty() {
        return Err(CommandError::bad(
            CAUSE,
            "SearchAttributes is not set on UpsertWorkflowSearchAttributesCommand.",
        ));
    }
    check::within(
        attributes::fields_size(&given.indexed_fields),
        limits::SEARCH_ATTRIBUTES_SIZE_MAX,
        CAUSE,
        "UpsertWorkflowSearchAttributesCommandAttributes",
    )?;
    check::search_attributes(tx, Some(&given))?;
    let typed = tx.cx.namespace.typed_search_attributes(&given);
    let kept = tx.cx.namespace.kept_search_attributes(&given);
    attributes::upsert_search_attributes(tx.run, &given, kept);
    tx.out.visible = true;
    tx.out.visible = true;
    tx.event(Attributes::UpsertWorkflowSearchAttributesEventAttributes(
        UpsertWorkflowSearchAttributesEventAttributes {
            workflow_task_completed_event_id: scope.completed_event_id,
            search_attributes: Some(typed),
        },
    ));
    Ok(())
}
