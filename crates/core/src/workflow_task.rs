//! The workflow task: started, failed, timed out (server-semantics 3). Its completion is in `completion`.

use steadfast_protocol::common::{WorkerVersionCapabilities, WorkerVersionStamp};
use steadfast_protocol::deployment::WorkerDeploymentOptions;
use steadfast_protocol::enums::{
    EventType, TimeoutType, WorkerVersioningMode, WorkflowExecutionStatus, WorkflowTaskFailedCause,
};
use steadfast_protocol::failure::Failure;
use steadfast_protocol::history::history_event::Attributes;
use steadfast_protocol::history::{
    HistoryEvent, WorkflowExecutionTerminatedEventAttributes, WorkflowTaskFailedEventAttributes,
    WorkflowTaskTimedOutEventAttributes,
};
use steadfast_protocol::query::WorkflowQuery;

use crate::context::Context;
use crate::execution::{Execution, StartedTask};
use crate::outcome::{Outcome, Task};
use crate::record::WorkflowTask;
use crate::refusal::Refusal;
use crate::time::{SECOND, Time};
use crate::transition::{self, SERVER_IDENTITY, Transition};
use crate::{attributes, failure, limits};

/// A poller that was offered a workflow task.
pub struct TaskPoll {
    /// The queue it polled; a worker's own, or the normal one.
    pub queue: String,
    /// The poller.
    pub identity: String,
    /// Names the poll, so that a repeated start is recognised.
    pub request_id: String,
    /// The build of the poller, where it says so.
    pub worker_version: Option<WorkerVersionStamp>,
}

/// What the poller gets to know besides the history.
#[derive(Clone)]
pub struct TaskStart {
    /// Whether it has the run in its cache: then it gets only the events after `previous_started_event_id`.
    pub partial: bool,
    /// Started event of the last completed workflow task.
    pub previous_started_event_id: i64,
    /// The pending workflow task.
    pub task: WorkflowTask,
    /// Its started attempt.
    pub started: StartedTask,
    /// Queries to be answered with the completion, by id.
    pub queries: Vec<(String, std::sync::Arc<WorkflowQuery>)>,
}

/// Names a started workflow task; what a task token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskRef {
    /// Its Scheduled event.
    pub scheduled_event_id: i64,
    /// Its Started event.
    pub started_event_id: i64,
    /// When it started. Two starts of one attempt differ in it.
    pub started_time: Time,
    /// From 1.
    pub attempt: i32,
}

/// The build that the tasks a worker starts are marked with. A version of a worker deployment is no such mark.
pub fn worker_version(
    capabilities: Option<&WorkerVersionCapabilities>,
    deployment: Option<&WorkerDeploymentOptions>,
) -> Option<WorkerVersionStamp> {
    let capabilities = capabilities?;
    let deployed = deployment.is_some_and(|options| {
        options.worker_versioning_mode() == WorkerVersioningMode::Versioned
            && !options.deployment_name.is_empty()
    }) || capabilities.use_versioning
        && !capabilities.deployment_series_name.is_empty();
    (!deployed && !capabilities.build_id.is_empty()).then(|| WorkerVersionStamp {
        build_id: capabilities.build_id.clone(),
        use_versioning: capabilities.use_versioning,
    })
}

/// Starts the pending workflow task for a poller. In memory only: nothing has to be stored (ARCHITECTURE.md).
///
/// `None`: the offered task is obsolete, the poller goes on waiting.
pub fn start(
    run: &mut Execution,
    cx: &Context<'_>,
    offered: &Task,
    poll: &TaskPoll,
) -> Option<TaskStart> {
    if !run.is_open() {
        return None;
    }
    let task = run.head.workflow_task.as_ref()?;
    if Time(task.scheduled_time) != offered.scheduled_time || task.queue != offered.queue {
        return None;
    }
    if let Some(started) = &run.started_task {
        return (started.request_id == poll.request_id).then(|| task_start(run, poll))?;
    }
    Some(start_pending(run, cx, poll)).flatten()
}

/// As [`start`], for the worker that just completed the task before.
pub(crate) fn start_pending(
    run: &mut Execution,
    cx: &Context<'_>,
    poll: &TaskPoll,
) -> Option<TaskStart> {
    let next_event_id = run.head.next_event_id;
    let history_size = run.head.history_size;
    let task = run.head.workflow_task.as_mut()?;
    if !task.written {
        // Events came between the scheduling of a repeated attempt and its start: it is a first attempt again.
        if task.scheduled_event_id != next_event_id {
            task.scheduled_event_id = next_event_id;
            task.attempt = 1;
        }
    }
    let started_event_id = if task.written {
        next_event_id
    } else {
        next_event_id + 1
    };
    let deadline = cx.now.plus(task.start_to_close);
    // The worker that had the run in its cache did not come for it.
    if run
        .head
        .sticky
        .as_ref()
        .is_some_and(|sticky| sticky.queue != poll.queue)
    {
        run.head.sticky = None;
    }
    run.sticky_deadline = None;
    run.started_task = Some(StartedTask {
        started_event_id,
        started_time: cx.now,
        identity: poll.identity.clone(),
        request_id: poll.request_id.clone(),
        worker_version: poll.worker_version.clone(),
        history_size,
        suggest_continue_as_new: next_event_id > cx.limits.history_count_suggest
            || history_size > cx.limits.history_size_suggest,
        deadline,
    });
    for query in run.queries.iter_mut() {
        query.delivered = true;
    }
    task_start(run, poll)
}

fn task_start(run: &Execution, poll: &TaskPoll) -> Option<TaskStart> {
    let sticky = run.head.sticky.as_ref();
    Some(TaskStart {
        partial: sticky.is_some_and(|sticky| sticky.queue == poll.queue),
        previous_started_event_id: run.head.previous_started_event_id,
        task: run.head.workflow_task.clone()?,
        started: run.started_task.clone()?,
        queries: (run.queries.iter())
            .map(|query| (query.id.clone(), query.query.clone()))
            .collect(),
    })
}

/// The events of the pending workflow task that readers see though they are not written: the Started event of a first
/// attempt, and both events of a repeated one, which only workers are shown.
pub fn unwritten_events(run: &Execution, for_people: bool) -> Vec<HistoryEvent> {
    let Some(task) = &run.head.workflow_task else {
        return Vec::new();
    };
    if for_people && task.attempt > 1 {
        return Vec::new();
    }
    let event = |id, time: Time, kind: EventType, attributes| HistoryEvent {
        event_id: id,
        event_time: Some(time.to_proto()),
        event_type: kind as i32,
        task_id: run.head.events_before + id,
        attributes: Some(attributes),
        ..Default::default()
    };
    let mut events = Vec::with_capacity(1 + usize::from(!task.written));
    if !task.written {
        events.push(event(
            task.scheduled_event_id,
            Time(task.scheduled_time),
            EventType::WorkflowTaskScheduled,
            transition::scheduled_event(run, task),
        ));
    }
    if let Some(started) = &run.started_task {
        events.push(event(
            started.started_event_id,
            started.started_time,
            EventType::WorkflowTaskStarted,
            Attributes::WorkflowTaskStartedEventAttributes(transition::started_event(
                task, started,
            )),
        ));
    }
    events
}

/// Whether `token` names the started workflow task.
///
/// # Errors
/// NOT_FOUND: the run is closed, or the task timed out, failed, or was lost in a crash.
pub fn check(run: &Execution, token: &TaskRef) -> Result<(), Refusal> {
    match (&run.head.workflow_task, &run.started_task) {
        (Some(task), Some(started))
            if task.attempt == token.attempt
                && task.scheduled_event_id == token.scheduled_event_id
                && started.started_event_id == token.started_event_id
                && started.started_time == token.started_time =>
        {
            Ok(())
        }
        _ => Err(Refusal::workflow_task_not_found()),
    }
}

/// The worker could not do the task.
///
/// # Errors
/// As [`check`].
pub fn fail(
    run: &mut Execution,
    cx: &Context<'_>,
    token: &TaskRef,
    cause: WorkflowTaskFailedCause,
    failure: Option<Failure>,
    identity: &str,
    binary_checksum: &str,
) -> Result<Outcome, Refusal> {
    check(run, token)?;
    let mut tx = Transition::new(run, cx);
    if cause == WorkflowTaskFailedCause::GrpcMessageTooLarge {
        tx.force_task_closed();
        terminate(&mut tx, "GrpcMessageTooLarge");
        return Ok(tx.finish());
    }
    let restart = matches!(
        cause,
        WorkflowTaskFailedCause::ResetWorkflow | WorkflowTaskFailedCause::FailoverCloseCommand
    );
    end_unsuccessfully(&mut tx, restart, Problem::Failed(cause), |task, started| {
        let failed = WorkflowTaskFailedEventAttributes {
            scheduled_event_id: task.scheduled_event_id,
            started_event_id: started.started_event_id,
            cause: cause as i32,
            failure: failure.map(failure::shallow),
            identity: identity.to_owned(),
            binary_checksum: binary_checksum.to_owned(),
            ..Default::default()
        };
        Attributes::WorkflowTaskFailedEventAttributes(failed.into())
    });
    Ok(tx.finish())
}

/// What is due of the workflow task: start-to-close once started, schedule-to-start on a worker's own queue.
///
/// `None` if nothing is due.
pub fn time_out(run: &mut Execution, cx: &Context<'_>) -> Option<Outcome> {
    if !is_due(run, cx.now) {
        return None;
    }
    let mut tx = Transition::new(run, cx);
    time_out_due(&mut tx);
    Some(tx.finish())
}

/// Whether something of the workflow task is due.
pub(crate) fn is_due(run: &Execution, now: Time) -> bool {
    match &run.started_task {
        Some(started) => started.deadline <= now,
        None => run.sticky_deadline.is_some_and(|due| due <= now),
    }
}

/// Does what is due of the workflow task.
pub(crate) fn time_out_due(tx: &mut Transition<'_>) {
    assert!(is_due(tx.run, tx.cx.now), "asked before");
    if tx.run.is_task_started() {
        time_out_started(tx);
        return;
    }
    let (task, _) = tx
        .drop_workflow_task()
        .expect("a sticky deadline is of a pending task");
    tx.event(Attributes::WorkflowTaskTimedOutEventAttributes(
        WorkflowTaskTimedOutEventAttributes {
            scheduled_event_id: task.scheduled_event_id,
            timeout_type: TimeoutType::ScheduleToStart as i32,
            ..Default::default()
        },
    ));
    tx.run.head.sticky = None;
    tx.schedule_workflow_task(1, None);
}

pub(crate) fn time_out_started(tx: &mut Transition<'_>) {
    end_unsuccessfully(tx, false, Problem::TimedOut, |task, started| {
        Attributes::WorkflowTaskTimedOutEventAttributes(WorkflowTaskTimedOutEventAttributes {
            scheduled_event_id: task.scheduled_event_id,
            started_event_id: started.started_event_id,
            timeout_type: TimeoutType::StartToClose as i32,
        })
    });
}

/// How a workflow task went wrong.
pub(crate) enum Problem {
    /// The worker, or the server in its place, gave this cause.
    Failed(WorkflowTaskFailedCause),
    /// The worker did not answer in time.
    TimedOut,
}

impl Problem {
    /// How list filters find it (server-semantics 3.3).
    fn words(&self) -> [String; 2] {
        match self {
            Self::Failed(cause) => [
                "category=WorkflowTaskFailed".to_owned(),
                format!("cause=WorkflowTaskFailedCause{cause:?}"),
            ],
            Self::TimedOut => [
                "category=WorkflowTaskTimedOut".to_owned(),
                format!(
                    "cause=WorkflowTaskTimedOutCause{:?}",
                    TimeoutType::StartToClose
                ),
            ],
        }
    }
}

/// Ends the started task without success and schedules the next attempt. Only a first attempt leaves an event.
///
/// The attempts start again at 1 where it was not the workflow's fault: `restart`, or the worker that had it in its
/// cache did not answer.
pub(crate) fn end_unsuccessfully(
    tx: &mut Transition<'_>,
    restart: bool,
    problem: Problem,
    event: impl FnOnce(&WorkflowTask, &StartedTask) -> Attributes,
) {
    let attempt = (tx.run.head.workflow_task.as_ref()).map_or(1, |task| task.attempt);
    if attempt > 1 {
        tx.drop_workflow_task();
    } else if let Some((task, started)) = tx.take_started_task() {
        tx.event(event(&task, &started));
        // Workers say nothing of repeated attempts: those time out, for the reason that the first one had.
        tx.run.head.problem = problem.words().into();
    }
    for query in tx.run.queries.iter_mut() {
        query.delivered = false;
    }
    let was_sticky = tx.run.head.sticky.take().is_some();
    let next = if was_sticky || restart {
        1
    } else {
        tx.run.head.failed_workflow_tasks += 1;
        attempt + 1
    };
    let reported_from = tx.cx.limits.problems_reported_from;
    if reported_from > 0 && tx.run.head.failed_workflow_tasks >= reported_from {
        tx.out.visible |= attributes::report_problem(tx.run);
    }
    tx.schedule_workflow_task(next, None);
}

/// The server itself terminates the run, after [`Transition::force_task_closed`].
pub(crate) fn terminate(tx: &mut Transition<'_>, reason: &str) {
    tx.close(
        WorkflowExecutionStatus::Terminated,
        Attributes::WorkflowExecutionTerminatedEventAttributes(
            WorkflowExecutionTerminatedEventAttributes {
                reason: reason.to_owned(),
                identity: SERVER_IDENTITY.to_owned(),
                ..Default::default()
            },
        ),
    );
    crate::close::after_close(tx);
}

/// Forgets which worker has the run in its cache. A task that waits for that worker stays where it is; its queue
/// hands it over when nobody polls there.
///
/// # Errors
/// NOT_FOUND for a closed run.
pub fn reset_sticky(run: &mut Execution, cx: &Context<'_>) -> Result<Outcome, Refusal> {
    if !run.is_open() {
        return Err(Refusal::already_completed());
    }
    let tx = Transition::new(run, cx);
    tx.run.head.sticky = None;
    Ok(tx.finish())
}

/// Timeout of an attempt once started, ns. From the fourth on it grows: that is what throttles a failing workflow
/// (server-semantics 3.2).
pub(crate) fn start_to_close(run: &Execution, attempt: i32) -> i64 {
    let timeout =
        crate::time::duration_or_zero(run.start_attributes().workflow_task_timeout.as_ref());
    let timeout = if timeout == 0 {
        limits::WORKFLOW_TASK_TIMEOUT_DEFAULT
    } else {
        timeout
    };
    let beyond = attempt - limits::WORKFLOW_TASK_BACKOFF_ATTEMPT;
    if beyond <= 0 {
        return timeout;
    }
    let growth = (5 * SECOND).saturating_mul(1 << (beyond - 1).min(20));
    timeout
        .saturating_add(growth)
        .min(limits::WORKFLOW_TASK_BACKOFF_MAX)
        .max(timeout)
}
