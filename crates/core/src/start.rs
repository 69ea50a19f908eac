//! A run begins: a plain start, a child, or the next run of a chain (server-semantics 2.4-2.8, 6.2-6.4).

use std::sync::Arc;

use prost::Message;
use steadfast_protocol::common::{Memo, Payload, WorkflowExecution};
use steadfast_protocol::enums::{
    ContinueAsNewInitiator, EventType, TaskQueueKind, WorkflowExecutionStatus,
};
use steadfast_protocol::history::history_event::Attributes;
use steadfast_protocol::history::{HistoryEvent, WorkflowExecutionStartedEventAttributes};
use steadfast_protocol::taskqueue::TaskQueue;
use steadfast_protocol::workflow::{ResetPointInfo, ResetPoints};
use steadfast_protocol::workflowservice::StartWorkflowExecutionRequest;

use crate::context::Context;
use crate::execution::{Execution, RunKey};
use crate::outcome::Outcome;
use crate::record::{Head, RequestId};
use crate::refusal::Refusal;
use crate::signal::{self, Signal};
use crate::time::{MILLISECOND, Time, duration_or_zero, to_duration, to_duration_opt};
use crate::transition::Transition;
use crate::workflow_task::{self, TaskPoll, TaskStart};
use crate::{backoff, cron, limits};

/// What a run begins with.
#[derive(Clone, Debug, Default)]
pub struct StartParams {
    /// Validated and defaulted; its request id is set.
    pub request: StartWorkflowExecutionRequest,
    /// UUID of the new run.
    pub run_id: String,
    /// The parent, of a child.
    pub parent: Option<Parent>,
    /// The topmost ancestor, of a child.
    pub root: Option<WorkflowExecution>,
    /// The run it follows in a chain.
    pub continued: Option<Continued>,
    /// When the first workflow task is scheduled.
    pub first_task: FirstTask,
    /// A signal that the first workflow task sees.
    pub signal: Option<Signal>,
    /// Whether the first workflow task may be started at once, for the caller, if the request wants that.
    pub allow_eager: bool,
}

/// The parent of a child.
#[derive(Clone, Debug, Default)]
pub struct Parent {
    /// Name of its namespace.
    pub namespace: String,
    /// UUID of its namespace.
    pub namespace_id: String,
    /// Its workflow id.
    pub workflow_id: String,
    /// Its run.
    pub run_id: String,
    /// Its Initiated event.
    pub initiated_event_id: i64,
    /// Version of that event.
    pub initiated_event_version: i64,
}

/// What a run of a chain has from the one before.
#[derive(Clone, Debug, Default)]
pub struct Continued {
    /// The run before.
    pub run_id: String,
    /// The first run of the chain.
    pub first_execution_run_id: String,
    /// `enums::ContinueAsNewInitiator`.
    pub initiator: i32,
    /// Counts the retries, from 1.
    pub attempt: i32,
    /// When the chain times out, ns; 0 for never.
    pub execution_expiration: i64,
    /// Reset points of the runs before.
    pub reset_points: Vec<ResetPointInfo>,
}

/// When the first workflow task is scheduled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FirstTask {
    /// After the delay or at the cron tick that the request names, or at once.
    #[default]
    AtOnce,
    /// After this many nanoseconds.
    AfterBackoff(i64),
    /// As `AtOnce`, but not before [`release`]: the parent has to record the start of its child first.
    WhenReleased,
}

/// A new run.
pub struct Started {
    /// It.
    pub run: Execution,
    /// What has to be made durable.
    pub outcome: Outcome,
    /// The first workflow task, started for the caller.
    pub eager_task: Option<TaskStart>,
}

/// Begins a run.
///
/// # Errors
/// INVALID_ARGUMENT if input, memo or signal are too large.
pub fn start(cx: &Context<'_>, params: StartParams) -> Result<Started, Refusal> {
    let request = &params.request;
    if request.input.as_ref().map_or(0, Message::encoded_len) > limits::BLOB_SIZE_MAX {
        return Err(Refusal::invalid("Blob data size exceeds limit."));
    }
    if request.memo.as_ref().map_or(0, Message::encoded_len) > limits::MEMO_SIZE_MAX {
        return Err(Refusal::invalid("Memo size exceeds limit."));
    }
    if let Some(signal) = &params.signal {
        signal::check_size(signal)?;
    }
    Ok(begin(cx, params))
}

/// As [`start`], where nothing can be refused any more.
pub(crate) fn begin(cx: &Context<'_>, params: StartParams) -> Started {
    let request = &params.request;
    assert!(!params.run_id.is_empty() && !request.request_id.is_empty());
    let backoff = match params.first_task {
        FirstTask::AfterBackoff(nanos) => nanos,
        FirstTask::AtOnce | FirstTask::WhenReleased => own_backoff(request, cx.now),
    };
    let waits = backoff > 0 || params.first_task == FirstTask::WhenReleased;
    let eager = params.allow_eager && request.request_eager_execution && !waits;
    let attributes = started_attributes(cx, &params, backoff, eager);
    let head = head(cx, &params, &attributes, backoff);
    let event = HistoryEvent {
        event_id: 1,
        task_id: 1,
        event_time: Some(cx.now.to_proto()),
        event_type: EventType::WorkflowExecutionStarted as i32,
        user_metadata: params.request.user_metadata,
        links: params.request.links,
        attributes: Some(Attributes::WorkflowExecutionStartedEventAttributes(
            attributes,
        )),
        ..Default::default()
    };
    let key = RunKey {
        namespace_id: cx.namespace.id().to_owned(),
        workflow_id: params.request.workflow_id,
        run_id: params.run_id,
    };
    let mut run = Execution::new(Arc::new(key), Arc::new(event), head);
    let mut tx = Transition::new(&mut run, cx);
    let started = HistoryEvent::clone(&tx.run.started);
    tx.event_with(started.attributes.expect("set above"), |event| {
        event.user_metadata = started.user_metadata;
        event.links = started.links;
    });
    if let Some(signal) = params.signal {
        signal::write(&mut tx, signal);
    }
    if !waits {
        tx.want_workflow_task();
    }
    let mut outcome = tx.finish();
    assert_eq!(outcome.blocks[0][0].event_id, 1);
    let eager_task = eager.then(|| start_eagerly(&mut run, cx, &params.request.identity));
    if eager_task.is_some() {
        outcome.tasks_added.clear();
    }
    Started {
        run,
        outcome,
        eager_task,
    }
}

/// Schedules the first workflow task of a child whose parent has recorded its start, or arms its backoff. `None`: that
/// was done before.
pub fn release(run: &mut Execution, cx: &Context<'_>) -> Option<Outcome> {
    if !run.is_open() || !run.head.awaits_release {
        return None;
    }
    let mut tx = Transition::new(run, cx);
    tx.run.head.awaits_release = false;
    if Time(tx.run.head.execution_time) > cx.now {
        tx.run.arm_run_deadlines();
    } else if !tx.run.head.first_task_scheduled {
        tx.want_workflow_task();
    }
    Some(tx.finish())
}

/// The eagerly started task once more, for a repeated start whose first answer was lost. `None` if it is over.
pub fn eager_task_again(run: &Execution) -> Option<TaskStart> {
    let task = run.head.workflow_task.as_ref()?;
    let started = run.started_task.as_ref()?;
    let same = run.start_attributes().eager_execution_accepted
        && task.attempt == 1
        && started.request_id == run.head.create_request_id;
    same.then(|| TaskStart {
        partial: false,
        previous_started_event_id: run.head.previous_started_event_id,
        task: task.clone(),
        started: started.clone(),
        queries: Vec::new(),
    })
}

/// The timeouts of execution, run and workflow task as they take effect, nanoseconds; 0 for none.
pub fn effective_timeouts(execution: i64, run: i64, task: i64) -> (i64, i64, i64) {
    let run = match (run, execution) {
        (0, execution) => execution,
        (run, 0) => run,
        (run, execution) => run.min(execution),
    };
    let task = match task {
        0 => limits::WORKFLOW_TASK_TIMEOUT_DEFAULT,
        given => given.min(limits::WORKFLOW_TASK_TIMEOUT_MAX),
    };
    let task = if run > 0 { task.min(run) } else { task };
    (execution, run, task)
}

/// Wait before the first workflow task that the request itself asks for, nanoseconds.
fn own_backoff(request: &StartWorkflowExecutionRequest, now: Time) -> i64 {
    if request.cron_schedule.is_empty() {
        return duration_or_zero(request.workflow_start_delay.as_ref());
    }
    cron::backoff(&request.cron_schedule, now, now).unwrap_or_default()
}

fn started_attributes(
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
        None if execution_timeout > 0 => {
            let exact = cx.now.plus(execution_timeout).0;
            Time(exact - exact.rem_euclid(MILLISECOND))
        }
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
        task_queue: request.task_queue.as_ref().map(|queue| TaskQueue {
            name: queue.name.clone(),
            kind: TaskQueueKind::Normal as i32,
            normal_name: String::new(),
        }),
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
        memo: request.memo.as_ref().and_then(kept_memo),
        search_attributes: search_attributes
            .map(|attributes| cx.namespace.kept_search_attributes(attributes))
            .filter(|kept| !kept.indexed_fields.is_empty()),
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

/// The memo without the entries that say "unset"; `None` if nothing is left.
fn kept_memo(memo: &Memo) -> Option<Memo> {
    let kept = memo.fields.iter().filter(|(_, value)| !is_null(value));
    let fields: std::collections::BTreeMap<_, _> = kept
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    (!fields.is_empty()).then_some(Memo { fields })
}

/// Whether a payload stands for no value: an absent message, or the encoding for null.
fn is_null(payload: &Payload) -> bool {
    match payload.metadata.get("encoding") {
        Some(encoding) => encoding.as_ref() == b"binary/null",
        None => payload.metadata.is_empty() && payload.data.is_empty(),
    }
}

fn head(
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
        (timeout, expiration) => execution_time.plus(timeout).0.min(expiration),
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
        ..Default::default()
    }
}

fn start_eagerly(run: &mut Execution, cx: &Context<'_>, identity: &str) -> TaskStart {
    let poll = TaskPoll {
        queue: run.task_queue().to_owned(),
        identity: identity.to_owned(),
        request_id: run.head.create_request_id.clone(),
    };
    workflow_task::start_pending(run, cx, &poll).expect("the first workflow task is pending")
}
