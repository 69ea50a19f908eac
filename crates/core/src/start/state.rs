//! What a new run starts with: the attributes of its first event, and its head (server-semantics 2.4).

use steadfast_protocol::common::WorkflowExecution;
use steadfast_protocol::enums::{ContinueAsNewInitiator, EventType, WorkflowExecutionStatus};
use steadfast_protocol::history::WorkflowExecutionStartedEventAttributes;
use steadfast_protocol::workflow::ResetPoints;

use super::{FirstTask, StartParams, effective_timeouts};
use crate::context::Context;
use crate::record::{Head, RequestId};
use crate::time::{MILLISECOND, Time, duration_or_zero, to_duration, to_duration_opt};
use crate::{attributes, backoff};

/// The attributes of the first event. `backoff` is in nanoseconds.
pub(super) fn started_attributes(
    cx: &Context<'_>,
    params: &StartParams,
    backoff: i64,
    eager: bool,
) -> WorkflowExecutionStartedEventAttributes {
    let request = &params.request;
    let (execution_timeout, run_timeout, task_timeout) = effective_timeouts(
        duration_or_zero(request.workflow_execution_timeout.as_ref()),
        duration_or_zero(request.workflow_run_timeout.as_ref()),
        duration_or_zero(request.workflow_task_timeout.as_ref()),
    );
    // An infinite run timeout is absent in a plain start, explicit in a child, and echoed in a chain (19).
    let is_explicit = request.workflow_run_timeout.is_some() && params.continued.is_some();
    let workflow_run_timeout =
        match is_explicit || params.parent.is_some() && params.continued.is_none() {
            true => Some(to_duration(run_timeout)),
            false => to_duration_opt(run_timeout),
        };
    let expiration = match &params.continued {
        Some(continued) => Time(continued.execution_expiration),
        None if execution_timeout > 0 => to_whole_milliseconds(cx.now.plus(execution_timeout)),
        None => Time(0),
    };
    let mut retry_policy = request.retry_policy.clone();
    if let Some(policy) = &mut retry_policy {
        backoff::fill(policy);
    }
    let initiator = match &params.continued {
        Some(continued) => continued.initiator,
        None if request.cron_schedule.is_empty() => ContinueAsNewInitiator::Unspecified as i32,
        None => ContinueAsNewInitiator::CronSchedule as i32,
    };
    let parent = params.parent.as_ref();
    let continued = params.continued.as_ref();
    let reset_points = continued.map(|continued| continued.reset_points.clone());
    let search_attributes = request.search_attributes.as_ref();
    WorkflowExecutionStartedEventAttributes {
        workflow_type: request.workflow_type.clone(),
        parent_workflow_namespace: parent.map_or_else(String::new, |it| it.namespace.clone()),
        parent_workflow_namespace_id: parent.map_or_else(String::new, |it| it.namespace_id.clone()),
        parent_workflow_execution: parent.map(|parent| WorkflowExecution {
            workflow_id: parent.workflow_id.clone(),
            run_id: parent.run_id.clone(),
        }),
        parent_initiated_event_id: parent.map_or(0, |parent| parent.initiated_event_id),
        parent_initiated_event_version: parent.map_or(0, |parent| parent.initiated_event_version),
        task_queue: request.task_queue.clone(),
        input: request.input.clone(),
        workflow_execution_timeout: to_duration_opt(execution_timeout),
        workflow_run_timeout,
        workflow_task_timeout: Some(to_duration(task_timeout)),
        continued_execution_run_id: continued.map_or_else(String::new, |it| it.run_id.clone()),
        initiator,
        continued_failure: request.continued_failure.clone(),
        last_completion_result: request.last_completion_result.clone(),
        original_execution_run_id: params.run_id.clone(),
        identity: request.identity.clone(),
        first_execution_run_id: continued.map_or_else(
            || params.run_id.clone(),
            |continued| continued.first_execution_run_id.clone(),
        ),
        retry_policy,
        attempt: continued.map_or(1, |continued| continued.attempt),
        workflow_execution_expiration_time: expiration.to_proto_opt(),
        cron_schedule: request.cron_schedule.clone(),
        first_workflow_task_backoff: Some(to_duration(backoff)),
        memo: request.memo.as_ref().and_then(attributes::kept_memo),
        search_attributes: search_attributes
            .and_then(|given| attributes::kept_search_attributes(cx.namespace, given)),
        prev_auto_reset_points: reset_points
            .filter(|points| !points.is_empty())
            .map(|points| ResetPoints { points }),
        header: request.header.clone(),
        workflow_id: request.workflow_id.clone(),
        completion_callbacks: request.completion_callbacks.clone(),
        root_workflow_execution: params.root.clone(),
        versioning_override: request.versioning_override.clone(),
        priority: request.priority.clone(),
        eager_execution_accepted: eager,
        ..Default::default()
    }
}

/// The time, up to the next whole millisecond: what is due then is never early.
fn to_whole_milliseconds(time: Time) -> Time {
    Time(time.0 + (-time.0).rem_euclid(MILLISECOND))
}

/// The head of a run that has no event yet.
pub(super) fn head(
    cx: &Context<'_>,
    params: &StartParams,
    attributes: &WorkflowExecutionStartedEventAttributes,
    backoff: i64,
) -> Head {
    let execution_expiration = attributes
        .workflow_execution_expiration_time
        .as_ref()
        .map_or(0, |time| Time::from_proto(time).0);
    let execution_time = cx.now.plus(backoff);
    let run_timeout = duration_or_zero(attributes.workflow_run_timeout.as_ref());
    let run_expiration = match (run_timeout, execution_expiration) {
        (0, expiration) => expiration,
        (timeout, 0) => execution_time.plus(timeout).0,
        // As the other, so that a run that lasts as long as its chain ends with it, and not just before.
        (timeout, expiration) => to_whole_milliseconds(execution_time.plus(timeout))
            .0
            .min(expiration),
    };
    let memo = attributes.memo.clone().unwrap_or_default();
    let search_attributes = attributes.search_attributes.clone().unwrap_or_default();
    let request_id = &params.request.request_id;
    Head {
        next_event_id: 1,
        status: WorkflowExecutionStatus::Running as i32,
        start_time: cx.now.0,
        execution_time: execution_time.0,
        create_request_id: request_id.clone(),
        run_expiration,
        execution_expiration,
        memo: memo.fields.into_iter().collect(),
        search_attributes: search_attributes.indexed_fields.into_iter().collect(),
        request_ids: vec![RequestId {
            id: request_id.clone(),
            event_type: EventType::WorkflowExecutionStarted as i32,
            event_id: 1,
        }],
        awaits_release: params.first_task == FirstTask::WhenReleased,
        events_before: params.continued.as_ref().map_or(0, |it| it.events),
        ..Default::default()
    }
}
