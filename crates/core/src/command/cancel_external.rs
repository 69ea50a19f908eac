//! RequestCancelExternalWorkflowExecution (server-semantics 4.3). The request is delivered after the commit.

use steadfast_protocol::command::RequestCancelExternalWorkflowExecutionCommandAttributes;
use steadfast_protocol::common::WorkflowExecution;
use steadfast_protocol::enums::WorkflowTaskFailedCause as Cause;
use steadfast_protocol::history::RequestCancelExternalWorkflowExecutionInitiatedEventAttributes;
use steadfast_protocol::history::history_event::Attributes;

use super::{CommandError, Scope, check};
use crate::outcome::Effect;
use crate::record::External;
use crate::transition::Transition;
use crate::{external, limits};

const CAUSE: Cause = Cause::BadRequestCancelExternalWorkflowExecutionAttributes;

pub(super) fn apply(
    tx: &mut Transition<'_>,
    scope: &Scope,
    command: RequestCancelExternalWorkflowExecutionCommandAttributes,
) -> Result<(), CommandError> {
    let (namespace, namespace_id) = check::own_namespace(tx, &command.namespace, CAUSE)?;
    check_fields(scope, &command).map_err(|detail| CommandError::bad(CAUSE, detail))?;
    check::pending(
        tx.run.external_cancels.len(),
        tx.cx.limits.external_cancels,
        Cause::PendingRequestCancelLimitExceeded,
        "pending requests to cancel external workflows",
    )?;
    let mut item = External {
        request_id: tx.cx.ids.uuid(),
        namespace,
        namespace_id: namespace_id.clone(),
        workflow_id: command.workflow_id.clone(),
        run_id: command.run_id.clone(),
        child_workflow_only: command.child_workflow_only,
        control: command.control.clone(),
        ..Default::default()
    };
    let id = tx.event(
        Attributes::RequestCancelExternalWorkflowExecutionInitiatedEventAttributes(
            RequestCancelExternalWorkflowExecutionInitiatedEventAttributes {
                workflow_task_completed_event_id: scope.completed_event_id,
                namespace: command.namespace,
                namespace_id,
                workflow_execution: Some(WorkflowExecution {
                    workflow_id: command.workflow_id,
                    run_id: command.run_id,
                }),
                control: command.control,
                child_workflow_only: command.child_workflow_only,
                reason: command.reason,
            },
        ),
    );
    item.initiated_event_id = id;
    external::put_cancel(tx, item);
    tx.out.effects.push(Effect::CancelExternal(id));
    Ok(())
}

fn check_fields(
    scope: &Scope,
    command: &RequestCancelExternalWorkflowExecutionCommandAttributes,
) -> Result<(), String> {
    let namespace = &command.namespace;
    let workflow_id = &command.workflow_id;
    let run_id = &command.run_id;
    if scope.initiated_children.contains(workflow_id) {
        return Err(format!(
            "Start and RequestCancel for child workflow is not allowed in same workflow task. WorkflowId={workflow_id} RunId={run_id} Namespace={namespace}"
        ));
    }
    if workflow_id.is_empty() {
        return Err(format!(
            "WorkflowId is not set on RequestCancelExternalWorkflowExecutionCommand. Namespace={namespace} RunId={run_id}"
        ));
    }
    if !check::is_uuid_or_empty(run_id) {
        return Err(format!(
            "Invalid RunId set on RequestCancelExternalWorkflowExecutionCommand. WorkflowId={workflow_id} RunId={run_id} Namespace={namespace}"
        ));
    }
    if workflow_id.len() > limits::ID_LENGTH_MAX {
        return Err(format!(
            "WorkflowId on RequestCancelExternalWorkflowExecutionCommand exceeds length limit. WorkflowId={workflow_id} RunId={run_id} Namespace={namespace} Length={} Limit={}",
            workflow_id.len(),
            limits::ID_LENGTH_MAX
        ));
    }
    Ok(())
}
