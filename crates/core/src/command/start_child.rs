//! StartChildWorkflowExecution (server-semantics 6.2). The child itself is started after the commit.

use steadfast_protocol::command::StartChildWorkflowExecutionCommandAttributes;
use steadfast_protocol::enums::{
    ParentClosePolicy, TaskQueueKind, WorkflowIdReusePolicy, WorkflowTaskFailedCause as Cause,
};
use steadfast_protocol::history::StartChildWorkflowExecutionInitiatedEventAttributes;
use steadfast_protocol::history::history_event::Attributes;
use steadfast_protocol::taskqueue::TaskQueue;

use super::{CommandError, Scope, check};
use crate::outcome::Effect;
use crate::record::Child;
use crate::start::effective_timeouts;
use crate::time::{duration, duration_or_zero, to_duration, to_duration_opt};
use crate::transition::Transition;
use crate::{attributes, backoff, child, cron, limits, task_queue};

const CAUSE: Cause = Cause::BadStartChildExecutionAttributes;

pub(super) fn apply(
    tx: &mut Transition<'_>,
    scope: &mut Scope,
    mut command: StartChildWorkflowExecutionCommandAttributes,
) -> Result<(), CommandError> {
    let (namespace, namespace_id) = check::own_namespace(tx, &command.namespace, CAUSE)?;
    command.namespace = namespace;
    check_fields(&mut command, tx.run.task_queue())
        .map_err(|detail| CommandError::bad(CAUSE, detail))?;
    check::search_attributes(tx, command.search_attributes.as_ref())?;
    check_sizes(tx, &command)?;
    check::pending(
        tx.run.children.len(),
        tx.cx.limits.children,
        Cause::PendingChildWorkflowsLimitExceeded,
        "pending child workflow executions",
    )?;
    fill(tx, &mut command);
    let mut pending = Child {
        workflow_id: command.workflow_id.clone(),
        workflow_type: type_name(&command).to_owned(),
        namespace: command.namespace.clone(),
        namespace_id: namespace_id.clone(),
        parent_close_policy: command.parent_close_policy,
        control: command.control.clone(),
        header: command.header.clone(),
        ..Default::default()
    };
    let id = tx.event(initiated_event(
        command,
        namespace_id,
        scope.completed_event_id,
    ));
    pending.initiated_event_id = id;
    pending.create_request_id = child::request_id(&tx.run.key.run_id, id);
    scope.initiated_children.insert(pending.workflow_id.clone());
    tx.put_child(pending);
    tx.out.effects.push(Effect::StartChild(id));
    Ok(())
}

fn type_name(command: &StartChildWorkflowExecutionCommandAttributes) -> &str {
    let kind = command.workflow_type.as_ref();
    kind.map_or("", |kind| kind.name.as_str())
}

/// Checks what stands in the command; fills the retry policy. `own_queue` is that of the workflow.
fn check_fields(
    command: &mut StartChildWorkflowExecutionCommandAttributes,
    own_queue: &str,
) -> Result<(), String> {
    let kind = type_name(command).to_owned();
    let id = command.workflow_id.clone();
    let namespace = command.namespace.clone();
    if id.is_empty() {
        return Err(format!(
            "Required field WorkflowId is not set on StartChildWorkflowExecutionCommand. WorkflowType={kind} Namespace={namespace}"
        ));
    }
    if kind.is_empty() {
        return Err(format!(
            "Required field WorkflowType is not set on StartChildWorkflowExecutionCommand. WorkflowId={id} Namespace={namespace}"
        ));
    }
    let which = format!("WorkflowId={id} WorkflowType={kind} Namespace={namespace}");
    let queue = command.task_queue.as_ref();
    let queue = queue.map_or("", |queue| queue.name.as_str());
    for (field, value) in [
        ("WorkflowId", id.as_str()),
        ("WorkflowType", &kind),
        ("TaskQueue", queue),
    ] {
        if value.len() > limits::ID_LENGTH_MAX {
            return Err(format!(
                "{field} on StartChildWorkflowExecutionCommand exceeds length limit. {which} Length={} Limit={}",
                value.len(),
                limits::ID_LENGTH_MAX
            ));
        }
    }
    task_queue::check(queue, own_queue).map_err(|what| {
        format!("invalid TaskQueue on StartChildWorkflowExecutionCommand: {what}. {which}")
    })?;
    let durations = [
        (
            "WorkflowExecutionTimeout",
            &command.workflow_execution_timeout,
        ),
        ("WorkflowRunTimeout", &command.workflow_run_timeout),
        ("WorkflowTaskTimeout", &command.workflow_task_timeout),
    ];
    for (field, value) in durations {
        duration(value.as_ref()).map_err(|_| {
            format!(
                "Invalid {field} on StartChildWorkflowExecutionCommand: negative duration. {which}"
            )
        })?;
    }
    if let Some(policy) = &mut command.retry_policy {
        backoff::validate(policy).map_err(|refusal| {
            format!("invalid RetryPolicy on StartChildWorkflowExecutionCommand: {refusal}. {which}")
        })?;
        backoff::fill(policy);
    }
    if !command.cron_schedule.is_empty() {
        cron::validate(&command.cron_schedule).map_err(|refusal| {
            format!(
                "invalid CronSchedule on StartChildWorkflowExecutionCommand: {refusal}. {which}"
            )
        })?;
    }
    check::priority(command.priority.as_ref()).map_err(|what| format!("{what}. {which}"))
}

fn check_sizes(
    tx: &Transition<'_>,
    command: &StartChildWorkflowExecutionCommandAttributes,
) -> Result<(), CommandError> {
    check::payloads_size(
        tx,
        command.input.as_ref(),
        CAUSE,
        "StartChildWorkflowExecutionCommandAttributes.Input",
    )?;
    let memo = command.memo.as_ref();
    check::within(
        memo.map_or(0, |memo| attributes::fields_size(&memo.fields)),
        tx.cx.limits.memo_size,
        CAUSE,
        "StartChildWorkflowExecutionCommandAttributes.Memo",
    )
}

/// Puts in what the command leaves out. The timeouts of the parent do not bound those of the child.
fn fill(tx: &Transition<'_>, command: &mut StartChildWorkflowExecutionCommandAttributes) {
    let queue = command.task_queue.take();
    let queue = queue.map_or_else(String::new, |queue| queue.name);
    let queue = match queue.is_empty() {
        true => tx.run.task_queue().to_owned(),
        false => queue,
    };
    command.task_queue = Some(TaskQueue {
        name: queue,
        kind: TaskQueueKind::Normal as i32,
        normal_name: String::new(),
    });
    let (execution, run, task) = effective_timeouts(
        duration_or_zero(command.workflow_execution_timeout.as_ref()),
        duration_or_zero(command.workflow_run_timeout.as_ref()),
        duration_or_zero(command.workflow_task_timeout.as_ref()),
    );
    command.workflow_execution_timeout = to_duration_opt(execution);
    command.workflow_run_timeout = Some(to_duration(run));
    command.workflow_task_timeout = Some(to_duration(task));
    if command.parent_close_policy() == ParentClosePolicy::Unspecified {
        command.set_parent_close_policy(ParentClosePolicy::Terminate);
    }
    if command.workflow_id_reuse_policy() == WorkflowIdReusePolicy::Unspecified {
        command.set_workflow_id_reuse_policy(WorkflowIdReusePolicy::AllowDuplicate);
    }
    command.memo = command.memo.as_ref().and_then(attributes::kept_memo);
    let given = command.search_attributes.take();
    command.search_attributes =
        given.and_then(|given| attributes::kept_search_attributes(tx.cx.namespace, &given));
}

fn initiated_event(
    command: StartChildWorkflowExecutionCommandAttributes,
    namespace_id: String,
    completed_event_id: i64,
) -> Attributes {
    Attributes::StartChildWorkflowExecutionInitiatedEventAttributes(Box::new(
        StartChildWorkflowExecutionInitiatedEventAttributes {
            namespace: command.namespace,
            namespace_id,
            workflow_id: command.workflow_id,
            workflow_type: command.workflow_type,
            task_queue: command.task_queue,
            input: command.input,
            workflow_execution_timeout: command.workflow_execution_timeout,
            workflow_run_timeout: command.workflow_run_timeout,
            workflow_task_timeout: command.workflow_task_timeout,
            parent_close_policy: command.parent_close_policy,
            control: command.control,
            workflow_task_completed_event_id: completed_event_id,
            workflow_id_reuse_policy: command.workflow_id_reuse_policy,
            retry_policy: command.retry_policy,
            cron_schedule: command.cron_schedule,
            header: command.header,
            memo: command.memo,
            search_attributes: command.search_attributes,
            inherit_build_id: command.inherit_build_id,
            priority: command.priority,
            versioning_override: command.versioning_override,
            ..Default::default()
        },
    ))
}
