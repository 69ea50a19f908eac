//! SignalExternalWorkflowExecution (server-semantics 4.3). The signal is delivered after the commit.

use steadfast_protocol::command::SignalExternalWorkflowExecutionCommandAttributes;
use steadfast_protocol::common::WorkflowExecution;
use steadfast_protocol::enums::WorkflowTaskFailedCause as Cause;
use steadfast_protocol::history::SignalExternalWorkflowExecutionInitiatedEventAttributes;
use steadfast_protocol::history::history_event::Attributes;

use super::{CommandError, Scope, check};
use crate::outcome::Effect;
use crate::record::External;
use crate::transition::Transition;
use crate::{external, limits};

const CAUSE: Cause = Cause::BadSignalWorkflowExecutionAttributes;

pub(super) fn apply(
    tx: &mut Transition<'_>,
    scope: &Scope,
    command: SignalExternalWorkflowExecutionCommandAttributes,
) -> Result<(), CommandError> {
    let (namespace, namespace_id) = check::own_namespace(tx, &command.namespace, CAUSE)?;
    let target = check_fields(&command).map_err(|detail| CommandError::bad(CAUSE, detail))?;
    check::payloads_size(
        tx,
        command.input.as_ref(),
        CAUSE,
        "SignalExternalWorkflowExecutionCommandAttributes.Input",
    )?;
    check::pending(
        tx.run.external_signals.len(),
        tx.cx.limits.external_signals,
        Cause::PendingSignalsLimitExceeded,
        "pending signals to external workflows",
    )?;
    let mut item = External {
        request_id: tx.cx.ids.uuid(),
        namespace,
        namespace_id: namespace_id.clone(),
        workflow_id: target.workflow_id.clone(),
        run_id: target.run_id.clone(),
        child_workflow_only: command.child_workflow_only,
        control: command.control.clone(),
        ..Default::default()
    };
    let id = tx.event(
        Attributes::SignalExternalWorkflowExecutionInitiatedEventAttributes(
            SignalExternalWorkflowExecutionInitiatedEventAttributes {
                workflow_task_completed_event_id: scope.completed_event_id,
                namespace: command.namespace,
                namespace_id,
                workflow_execution: Some(target),
                signal_name: command.signal_name,
                input: command.input,
                control: command.control,
                child_workflow_only: command.child_workflow_only,
                header: command.header,
            },
        ),
    );
    item.initiated_event_id = id;
    external::put_signal(tx, item);
    tx.out.effects.push(Effect::SignalExternal(id));
    Ok(())
}

fn check_fields(
    command: &SignalExternalWorkflowExecutionCommandAttributes,
) -> Result<WorkflowExecution, String> {
    let namespace = &command.namespace;
    let signal = &command.signal_name;
    let Some(target) = &command.execution else {
        return Err(format!(
            "Execution is nil on SignalExternalWorkflowExecutionCommand. Namespace={namespace} SignalName={signal}"
        ));
    };
    let WorkflowExecution {
        workflow_id,
        run_id,
    } = target;
    if workflow_id.is_empty() {
        return Err(format!(
            "WorkflowId is not set on SignalExternalWorkflowExecutionCommand. Namespace={namespace} RunId={run_id} SignalName={signal}"
        ));
    }
    if !check::is_uuid_or_empty(run_id) {
        return Err(format!(
            "Invalid RunId set on SignalExternalWorkflowExecutionCommand. WorkflowId={workflow_id} Namespace={namespace} RunId={run_id} SignalName={signal}"
        ));
    }
    if signal.is_empty() {
        return Err(format!(
            "SignalName is not set on SignalExternalWorkflowExecutionCommand. WorkflowId={workflow_id} Namespace={namespace} RunId={run_id}"
        ));
    }
    for (field, value) in [("WorkflowId", workflow_id), ("SignalName", signal)] {
        if value.len() > limits::ID_LENGTH_MAX {
            return Err(format!(
                "{field} on SignalExternalWorkflowExecutionCommand exceeds length limit. WorkflowId={workflow_id} Namespace={namespace} RunId={run_id} SignalName={signal} Length={} Limit={}",
                value.len(),
                limits::ID_LENGTH_MAX
            ));
        }
    }
    Ok(target.clone())
}
