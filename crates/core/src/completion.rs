//! A workflow task is completed: its commands are applied, or all of it is undone (server-semantics 3.6).

use std::collections::BTreeMap;

use steadfast_protocol::deployment::{WorkerDeploymentOptions, WorkerDeploymentVersion};
use steadfast_protocol::enums::{WorkerVersioningMode, WorkflowTaskFailedCause};
use steadfast_protocol::history::history_event::Attributes;
use steadfast_protocol::history::{
    WorkflowTaskCompletedEventAttributes, WorkflowTaskFailedEventAttributes,
};
use steadfast_protocol::query::WorkflowQueryResult;
use steadfast_protocol::workflow::ResetPointInfo;
use steadfast_protocol::workflowservice::RespondWorkflowTaskCompletedRequest;

use crate::attributes;
use crate::command::{self, CommandError, Scope};
use crate::context::Context;
use crate::execution::Execution;
use crate::failure;
use crate::limits;
use crate::outcome::Outcome;
use crate::record::Sticky;
use crate::refusal::Refusal;
use crate::time::{Time, duration_or_zero};
use crate::transition::Transition;
use crate::workflow_task::{self, Problem, TaskPoll, TaskRef, TaskStart};

/// Request id of a workflow task that is started for the worker that completed the one before.
const INLINE_REQUEST_ID: &str = "request-from-RespondWorkflowTaskCompleted";

/// What became of a completion. The run may have changed even where the caller gets an error: a bad command fails the
/// workflow task.
pub struct Completion {
    /// What has to be made durable, if anything changed.
    pub outcome: Option<Outcome>,
    /// What the caller gets, after that.
    pub reply: Result<Completed, Refusal>,
}

/// An accepted completion.
#[derive(Default)]
pub struct Completed {
    /// The next workflow task, started for the same worker.
    pub next_task: Option<TaskStart>,
    /// Activities (by Scheduled event) started for the same worker.
    pub eager_activities: Vec<i64>,
    /// Answers to queries, by id.
    pub answers: BTreeMap<String, WorkflowQueryResult>,
}

impl Completion {
    fn refused(refusal: Refusal) -> Self {
        Self {
            outcome: None,
            reply: Err(refusal),
        }
    }
}

/// Completes the started workflow task that `token` names.
pub fn complete(
    run: &mut Execution,
    cx: &Context<'_>,
    token: &TaskRef,
    request: RespondWorkflowTaskCompletedRequest,
) -> Completion {
    if let Err(refusal) = workflow_task::check(run, token) {
        return Completion::refused(refusal);
    }
    if let Err(refusal) = command::check_sequence(&request.commands) {
        return Completion::refused(refusal);
    }
    let heartbeat = request.force_create_new_workflow_task
        && request.commands.is_empty()
        && request.messages.is_empty();
    if heartbeat && heartbeat_too_long(run, cx) {
        let mut tx = Transition::new(run, cx);
        workflow_task::time_out_started(&mut tx);
        return Completion {
            outcome: Some(tx.finish()),
            reply: Err(Refusal::not_found("workflow task heartbeat timeout")),
        };
    }
    let before = run.clone();
    let identity = request.identity.clone();
    match apply(run, cx, request, heartbeat) {
        Ok((outcome, completed)) => Completion {
            reply: outcome.reply(completed),
            outcome: Some(outcome),
        },
        Err(CommandError::Refused(refusal)) => {
            *run = before;
            Completion::refused(refusal)
        }
        Err(CommandError::TaskFailed {
            cause,
            message,
            terminate,
        }) => {
            *run = before;
            reject(run, cx, cause, &message, terminate, &identity)
        }
    }
}

fn heartbeat_too_long(run: &Execution, cx: &Context<'_>) -> bool {
    run.head
        .workflow_task
        .as_ref()
        .is_some_and(|task| cx.now.since(Time(task.original_scheduled_time)) > cx.limits.heartbeats)
}

fn apply(
    run: &mut Execution,
    cx: &Context<'_>,
    request: RespondWorkflowTaskCompletedRequest,
    heartbeat: bool,
) -> Result<(Outcome, Completed), CommandError> {
    let mut tx = Transition::new(run, cx);
    let (task, started) = tx
        .take_started_task()
        .ok_or_else(|| CommandError::Refused(Refusal::workflow_task_not_found()))?;
    let completed_event_id = tx.event(Attributes::WorkflowTaskCompletedEventAttributes(
        WorkflowTaskCompletedEventAttributes {
            scheduled_event_id: task.scheduled_event_id,
            started_event_id: started.started_event_id,
            identity: request.identity.clone(),
            binary_checksum: request.binary_checksum.clone(),
            worker_version: request.worker_version_stamp.clone(),
            sdk_metadata: request.sdk_metadata.clone(),
            metering_metadata: request.metering_metadata,
            worker_deployment_name: deployment_name(&request).to_owned(),
            deployment_version: deployment_version(request.deployment_options.as_ref()),
            versioning_behavior: request.versioning_behavior,
            ..Default::default()
        },
    ));
    tx.run.head.previous_started_event_id = started.started_event_id;
    tx.run.head.failed_workflow_tasks = 0;
    tx.out.visible |= attributes::forget_problem(tx.run);
    tx.run.head.sticky = request.sticky_attributes.as_ref().and_then(|attributes| {
        let queue = attributes.worker_task_queue.as_ref()?;
        let schedule_to_start = duration_or_zero(attributes.schedule_to_start_timeout.as_ref());
        (!queue.name.is_empty()).then(|| Sticky {
            queue: queue.name.clone(),
            schedule_to_start,
        })
    });
    note_worker_build(&mut tx, &request, completed_event_id);

    let mut completed = Completed {
        answers: request.query_results,
        ..Completed::default()
    };
    // Before the commands: one that closes the run hands back the queries that are left.
    take_answered(&mut tx, &mut completed.answers);
    let mut scope = Scope::new(completed_event_id, request.identity.clone());
    for command in request.commands {
        command::apply(&mut tx, &mut scope, command)?;
    }
    if tx.run.is_open() {
        tx.run.close_attempted = false;
        completed.eager_activities = scope.eager_activities;
        let had_buffered = tx.has_earlier_buffered();
        tx.flush();
        if request.force_create_new_workflow_task || had_buffered || scope.task_wanted {
            let original = heartbeat.then_some(Time(task.original_scheduled_time));
            tx.schedule_workflow_task(1, original);
        } else {
            tx.release_queries();
        }
    }
    let outcome = tx.finish();
    if request.return_new_workflow_task && run.head.workflow_task.is_some() {
        let queue = run.head.sticky.as_ref().map(|sticky| sticky.queue.clone());
        let poll = TaskPoll {
            queue: queue.unwrap_or_else(|| run.task_queue().to_owned()),
            identity: request.identity,
            request_id: INLINE_REQUEST_ID.to_owned(),
            worker_version: request
                .worker_version_stamp
                .filter(|stamp| !stamp.use_versioning),
        };
        // The worker that completed the task before knows what came before, whether or not it keeps a queue of its own.
        completed.next_task = workflow_task::start_pending(run, cx, &poll).map(|task| TaskStart {
            partial: true,
            ..task
        });
    }
    Ok((outcome, completed))
}

/// Keeps those answers that a delivered query of this run waits for. Delivered queries without an answer wait on.
fn take_answered(tx: &mut Transition<'_>, answers: &mut BTreeMap<String, WorkflowQueryResult>) {
    let queries = std::mem::take(&mut tx.run.queries);
    answers.retain(|id, _| {
        queries
            .iter()
            .any(|query| query.delivered && query.id == *id)
    });
    for mut query in queries {
        if !answers.contains_key(&query.id) {
            query.delivered = false;
            tx.run.queries.push_back(query);
        }
    }
}

/// The deployment a worker belongs to, whether it uses versioning or not.
fn deployment_name(request: &RespondWorkflowTaskCompletedRequest) -> &str {
    let options = request.deployment_options.as_ref();
    match options.map_or("", |options| options.deployment_name.as_str()) {
        "" => {
            let older = request.deployment.as_ref();
            older.map_or("", |deployment| deployment.series_name.as_str())
        }
        name => name,
    }
}

/// The version of its deployment that a worker is of, if it uses versioning.
fn deployment_version(
    options: Option<&WorkerDeploymentOptions>,
) -> Option<WorkerDeploymentVersion> {
    let options = options?;
    let versioned = options.worker_versioning_mode() == WorkerVersioningMode::Versioned;
    versioned.then(|| WorkerDeploymentVersion {
        deployment_name: options.deployment_name.clone(),
        build_id: options.build_id.clone(),
    })
}

/// The first completion by a new worker build becomes a point to reset to, and the build is noted for list filters
/// (server-semantics 8.10), with its deployment.
fn note_worker_build(
    tx: &mut Transition<'_>,
    request: &RespondWorkflowTaskCompletedRequest,
    completed_event_id: i64,
) {
    let stamp = request.worker_version_stamp.as_ref();
    let build_id = stamp.map_or("", |stamp| stamp.build_id.as_str());
    if stamp.is_some() {
        tx.run.head.worker_version = stamp.cloned();
    }
    let builds = tx.run.head.search_attributes.get("BuildIds").cloned();
    attributes::note_build_id(tx.run, build_id);
    tx.out.visible |= tx.run.head.search_attributes.get("BuildIds") != builds.as_ref();
    tx.out.visible |= attributes::note_deployment(tx.run, deployment_name(request));
    let checksum = request.binary_checksum.as_str();
    let points = &mut tx.run.head.reset_points;
    let known =
        |point: &ResetPointInfo| point.build_id == build_id && point.binary_checksum == checksum;
    if (build_id.is_empty() && checksum.is_empty()) || points.iter().any(known) {
        return;
    }
    if points.len() == limits::RESET_POINTS_MAX {
        points.remove(0);
    }
    points.push(ResetPointInfo {
        build_id: build_id.to_owned(),
        binary_checksum: checksum.to_owned(),
        run_id: tx.run.key.run_id.clone(),
        first_workflow_task_completed_id: completed_event_id,
        create_time: Some(tx.cx.now.to_proto()),
        expire_time: None,
        resettable: true,
    });
}

/// The completion is undone; the workflow task failed instead.
fn reject(
    run: &mut Execution,
    cx: &Context<'_>,
    cause: WorkflowTaskFailedCause,
    message: &str,
    terminate: bool,
    identity: &str,
) -> Completion {
    let reply = Err(Refusal::invalid(message));
    let unhandled = cause == WorkflowTaskFailedCause::UnhandledCommand;
    let attempt = run
        .head
        .workflow_task
        .as_ref()
        .map_or(1, |task| task.attempt);
    if attempt > 1 && !unhandled && !terminate {
        // A completion that was bad once is bad again: the attempt is left to time out, which throttles it.
        return Completion {
            outcome: None,
            reply,
        };
    }
    run.close_attempted |= unhandled;
    let mut tx = Transition::new(run, cx);
    let event = |scheduled_event_id, started_event_id| {
        let failed = WorkflowTaskFailedEventAttributes {
            scheduled_event_id,
            started_event_id,
            cause: cause as i32,
            failure: Some(failure::server(message, false)),
            identity: identity.to_owned(),
            ..Default::default()
        };
        Attributes::WorkflowTaskFailedEventAttributes(failed.into())
    };
    if terminate {
        if let Some((task, started)) = tx.take_started_task() {
            tx.event(event(task.scheduled_event_id, started.started_event_id));
        }
        tx.flush();
        workflow_task::terminate(&mut tx, message);
    } else {
        workflow_task::end_unsuccessfully(
            &mut tx,
            false,
            Problem::Failed(cause),
            |task, started| event(task.scheduled_event_id, started.started_event_id),
        );
    }
    Completion {
        outcome: Some(tx.finish()),
        reply,
    }
}
