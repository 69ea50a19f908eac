//! What the parent of a child workflow records (server-semantics 6.2).
//!
//! The answers come back as inputs, at least once; the pending child decides whether they say anything new.

use steadfast_protocol::common::{Header, WorkflowExecution, WorkflowType};
use steadfast_protocol::enums::{
    StartChildWorkflowExecutionFailedCause, WorkflowIdConflictPolicy, WorkflowIdReusePolicy,
};
use steadfast_protocol::history::history_event::Attributes;
use steadfast_protocol::history::{
    ChildWorkflowExecutionCanceledEventAttributes, ChildWorkflowExecutionCompletedEventAttributes,
    ChildWorkflowExecutionFailedEventAttributes, ChildWorkflowExecutionStartedEventAttributes,
    ChildWorkflowExecutionTerminatedEventAttributes, ChildWorkflowExecutionTimedOutEventAttributes,
    HistoryEvent, StartChildWorkflowExecutionFailedEventAttributes,
};
use steadfast_protocol::workflowservice::StartWorkflowExecutionRequest;

use crate::attributes::merged_priority;
use crate::context::Context;
use crate::execution::Execution;
use crate::outcome::{Effect, Outcome};
use crate::record::Child;
use crate::start::{FirstTask, Parent, StartParams};
use crate::transition::Transition;

/// How the last run of a child closed.
pub struct ChildClose<'a> {
    /// Initiated event in the parent.
    pub initiated_event_id: i64,
    /// Workflow id of the child.
    pub child_workflow_id: String,
    /// Its last run.
    pub child_run_id: String,
    /// Its first run.
    pub child_first_run_id: String,
    /// The last event of the last run.
    pub close_event: &'a HistoryEvent,
}

/// The start that `initiated`, an event of `parent`, asks for. The id of the new run is left to the caller.
///
/// The request id is the same each time, so that a repeated start is recognised.
pub fn start_params(
    parent: &Execution,
    parent_namespace_name: &str,
    initiated: &HistoryEvent,
) -> StartParams {
    let Some(Attributes::StartChildWorkflowExecutionInitiatedEventAttributes(wanted)) =
        initiated.attributes.clone()
    else {
        unreachable!("a child is started from its Initiated event");
    };
    let (reuse, conflict) = match wanted.workflow_id_reuse_policy() {
        WorkflowIdReusePolicy::TerminateIfRunning => (
            WorkflowIdReusePolicy::AllowDuplicate,
            WorkflowIdConflictPolicy::TerminateExisting,
        ),
        given => (given, WorkflowIdConflictPolicy::Fail),
    };
    let key = &parent.key;
    let own = execution(&key.workflow_id, &key.run_id);
    let started = parent.start_attributes();
    StartParams {
        request: StartWorkflowExecutionRequest {
            namespace: wanted.namespace,
            workflow_id: wanted.workflow_id,
            workflow_type: wanted.workflow_type,
            task_queue: wanted.task_queue,
            input: wanted.input,
            workflow_execution_timeout: wanted.workflow_execution_timeout,
            workflow_run_timeout: wanted.workflow_run_timeout,
            workflow_task_timeout: wanted.workflow_task_timeout,
            request_id: request_id(&key.run_id, initiated.event_id),
            workflow_id_reuse_policy: reuse as i32,
            workflow_id_conflict_policy: conflict as i32,
            retry_policy: wanted.retry_policy,
            cron_schedule: wanted.cron_schedule,
            memo: wanted.memo,
            search_attributes: wanted.search_attributes,
            header: wanted.header,
            user_metadata: initiated.user_metadata.clone(),
            versioning_override: wanted.versioning_override,
            priority: merged_priority(wanted.priority.as_ref(), started.priority.as_ref()),
            ..Default::default()
        },
        parent: Some(Parent {
            namespace: parent_namespace_name.to_owned(),
            namespace_id: key.namespace_id.clone(),
            workflow_id: key.workflow_id.clone(),
            run_id: key.run_id.clone(),
            initiated_event_id: initiated.event_id,
            initiated_event_version: initiated.version,
        }),
        root: Some(started.root_workflow_execution.clone().unwrap_or(own)),
        first_task: FirstTask::WhenReleased,
        ..Default::default()
    }
}

/// The request id of a child's start.
pub(crate) fn request_id(parent_run_id: &str, initiated_event_id: i64) -> String {
    format!("{parent_run_id}:{initiated_event_id}:0")
}

/// The child of this Initiated event exists, its first run is `run_id`. From now on its first workflow task may be
/// scheduled, so that it cannot close before the parent knows of its start.
///
/// `None` if that is recorded already, or nobody waits for it any more.
pub fn started(
    run: &mut Execution,
    cx: &Context<'_>,
    initiated_event_id: i64,
    run_id: &str,
) -> Option<Outcome> {
    let child = pending(run, initiated_event_id)?;
    if child.started_event_id != 0 {
        return None;
    }
    let mut tx = Transition::new(run, cx);
    record_started(&mut tx, &child, run_id);
    tx.want_workflow_task();
    Some(tx.finish())
}

fn pending(run: &Execution, initiated_event_id: i64) -> Option<Child> {
    if !run.is_open() {
        return None;
    }
    let child = run.children.get(&initiated_event_id)?;
    Some(Child::clone(child))
}

fn record_started(tx: &mut Transition<'_>, child: &Child, run_id: &str) -> i64 {
    let initiated_event_id = child.initiated_event_id;
    let started_event_id = tx.event(Attributes::ChildWorkflowExecutionStartedEventAttributes(
        ChildWorkflowExecutionStartedEventAttributes {
            namespace: child.namespace.clone(),
            namespace_id: child.namespace_id.clone(),
            initiated_event_id,
            workflow_execution: Some(execution(&child.workflow_id, run_id)),
            workflow_type: Some(workflow_type(child)),
            header: child.header.clone(),
        },
    ));
    tx.put_child(Child {
        run_id: run_id.to_owned(),
        started_event_id,
        header: None::<Header>,
        ..child.clone()
    });
    tx.out
        .effects
        .push(Effect::ReleaseChild(initiated_event_id));
    started_event_id
}

/// The child of this Initiated event can never be started. `None` if nobody waits for it any more.
pub fn start_failed(
    run: &mut Execution,
    cx: &Context<'_>,
    initiated_event_id: i64,
    cause: StartChildWorkflowExecutionFailedCause,
) -> Option<Outcome> {
    let child = pending(run, initiated_event_id)?;
    if child.started_event_id != 0 {
        return None;
    }
    let mut tx = Transition::new(run, cx);
    tx.remove_child(initiated_event_id);
    tx.event(
        Attributes::StartChildWorkflowExecutionFailedEventAttributes(
            StartChildWorkflowExecutionFailedEventAttributes {
                namespace: child.namespace.clone(),
                namespace_id: child.namespace_id.clone(),
                workflow_id: child.workflow_id.clone(),
                workflow_type: Some(workflow_type(&child)),
                cause: cause as i32,
                control: child.control,
                initiated_event_id,
                ..Default::default()
            },
        ),
    );
    tx.want_workflow_task();
    Some(tx.finish())
}

/// The last run of a child closed. It is accepted once, and only from the chain whose start was recorded; a start that
/// is not recorded yet is recorded first.
///
/// `None` if it is not a pending child of this run.
pub fn closed(run: &mut Execution, cx: &Context<'_>, close: &ChildClose<'_>) -> Option<Outcome> {
    let child = pending(run, close.initiated_event_id)?;
    if child.workflow_id != close.child_workflow_id {
        return None;
    }
    let is_recorded = child.started_event_id != 0;
    if is_recorded && child.run_id != close.child_first_run_id {
        return None;
    }
    let attributes = close.close_event.attributes.as_ref()?;
    // Looked at before anything changes: a run that only continues is not closed for its parent.
    let result = ResultOf {
        child: &child,
        run_id: &close.child_run_id,
    };
    let mut event = result.event(attributes)?;
    let mut tx = Transition::new(run, cx);
    let started_event_id = if is_recorded {
        child.started_event_id
    } else {
        record_started(&mut tx, &child, &close.child_first_run_id)
    };
    if let Some((_, reference)) = crate::event_type::started_reference(&mut event) {
        *reference = started_event_id;
    }
    tx.event(event);
    tx.remove_child(close.initiated_event_id);
    tx.want_workflow_task();
    Some(tx.finish())
}

/// The child, and the run that reports.
struct ResultOf<'a> {
    child: &'a Child,
    run_id: &'a str,
}

impl ResultOf<'_> {
    /// The parent's event for the child's last event; its Started event is still to be named.
    fn event(&self, close: &Attributes) -> Option<Attributes> {
        let child = self.child;
        let namespace = child.namespace.clone();
        let namespace_id = child.namespace_id.clone();
        let workflow_execution = Some(execution(&child.workflow_id, self.run_id));
        let workflow_type = Some(workflow_type(child));
        let initiated_event_id = child.initiated_event_id;
        let started_event_id = 0;
        Some(match close {
            Attributes::WorkflowExecutionCompletedEventAttributes(close) => {
                Attributes::ChildWorkflowExecutionCompletedEventAttributes(
                    ChildWorkflowExecutionCompletedEventAttributes {
                        result: close.result.clone(),
                        namespace,
                        namespace_id,
                        workflow_execution,
                        workflow_type,
                        initiated_event_id,
                        started_event_id,
                    },
                )
            }
            Attributes::WorkflowExecutionFailedEventAttributes(close) => {
                let failed = ChildWorkflowExecutionFailedEventAttributes {
                    failure: close.failure.clone(),
                    namespace,
                    namespace_id,
                    workflow_execution,
                    workflow_type,
                    initiated_event_id,
                    started_event_id,
                    retry_state: close.retry_state,
                };
                Attributes::ChildWorkflowExecutionFailedEventAttributes(failed.into())
            }
            Attributes::WorkflowExecutionCanceledEventAttributes(close) => {
                Attributes::ChildWorkflowExecutionCanceledEventAttributes(
                    ChildWorkflowExecutionCanceledEventAttributes {
                        details: close.details.clone(),
                        namespace,
                        namespace_id,
                        workflow_execution,
                        workflow_type,
                        initiated_event_id,
                        started_event_id,
                    },
                )
            }
            Attributes::WorkflowExecutionTimedOutEventAttributes(close) => {
                Attributes::ChildWorkflowExecutionTimedOutEventAttributes(
                    ChildWorkflowExecutionTimedOutEventAttributes {
                        namespace,
                        namespace_id,
                        workflow_execution,
                        workflow_type,
                        initiated_event_id,
                        started_event_id,
                        retry_state: close.retry_state,
                    },
                )
            }
            Attributes::WorkflowExecutionTerminatedEventAttributes(_) => {
                Attributes::ChildWorkflowExecutionTerminatedEventAttributes(
                    ChildWorkflowExecutionTerminatedEventAttributes {
                        namespace,
                        namespace_id,
                        workflow_execution,
                        workflow_type,
                        initiated_event_id,
                        started_event_id,
                    },
                )
            }
            _ => return None,
        })
    }
}

fn execution(workflow_id: &str, run_id: &str) -> WorkflowExecution {
    WorkflowExecution {
        workflow_id: workflow_id.to_owned(),
        run_id: run_id.to_owned(),
    }
}

fn workflow_type(child: &Child) -> WorkflowType {
    WorkflowType {
        name: child.workflow_type.clone(),
    }
}
