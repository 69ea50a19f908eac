//! A run begins: a plain start, a child, or the next run of a chain (server-semantics 2.4-2.8, 6.2-6.4).

mod state;

use std::sync::Arc;

use prost::Message;
use steadfast_protocol::common::WorkflowExecution;
use steadfast_protocol::enums::EventType;
use steadfast_protocol::history::HistoryEvent;
use steadfast_protocol::history::history_event::Attributes;
use steadfast_protocol::workflow::ResetPointInfo;
use steadfast_protocol::workflowservice::StartWorkflowExecutionRequest;

use crate::context::Context;
use crate::execution::{Execution, RunKey};
use crate::outcome::Outcome;
use crate::refusal::Refusal;
use crate::signal::{self, Signal};
use crate::time::{Time, duration_or_zero};
use crate::transition::Transition;
use crate::workflow_task::{self, TaskPoll, TaskStart};
use crate::{cron, failure, limits};

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
    /// Events of the runs before.
    pub events: i64,
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
pub fn start(cx: &Context<'_>, mut params: StartParams) -> Result<Started, Refusal> {
    let request = &mut params.request;
    request.continued_failure = request.continued_failure.take().map(failure::shallow);
    if request.input.as_ref().map_or(0, Message::encoded_len) > cx.limits.blob_size {
        return Err(Refusal::invalid("Blob data size exceeds limit."));
    }
    if request.memo.as_ref().map_or(0, Message::encoded_len) > cx.limits.memo_size {
        return Err(Refusal::invalid("Memo size exceeds limit."));
    }
    if let Some(signal) = &params.signal {
        signal::check_size(cx, signal)?;
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
    let attributes = state::started_attributes(cx, &params, backoff, eager);
    let head = state::head(cx, &params, &attributes, backoff);
    let event = HistoryEvent {
        event_id: 1,
        task_id: head.events_before + 1,
        event_time: Some(cx.now.to_proto()),
        event_type: EventType::WorkflowExecutionStarted as i32,
        user_metadata: params.request.user_metadata,
        links: params.request.links,
        attributes: Some(Attributes::WorkflowExecutionStartedEventAttributes(
            Box::new(attributes),
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

fn start_eagerly(run: &mut Execution, cx: &Context<'_>, identity: &str) -> TaskStart {
    let poll = TaskPoll {
        queue: run.task_queue().to_owned(),
        identity: identity.to_owned(),
        request_id: run.head.create_request_id.clone(),
        worker_version: None,
    };
    workflow_task::start_pending(run, cx, &poll).expect("the first workflow task is pending")
}
