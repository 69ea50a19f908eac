//! Activity tasks: polled, prolonged, answered.

use std::sync::Arc;

use steadfast_core::Refusal;
use steadfast_core::activity::{self, ActivityRef, Answerer, Target};
use steadfast_core::execution::RunKey;
use steadfast_core::outcome::TaskKind;
use steadfast_core::record::Activity;
use steadfast_core::time::{Time, to_duration};
use steadfast_matching::PollerInfo;
use steadfast_protocol::common::{
    ActivityType, WorkerVersionStamp, WorkflowExecution, WorkflowType,
};
use steadfast_protocol::history::history_event::Attributes;
use steadfast_protocol::workflowservice::{
    PollActivityTaskQueueRequest, PollActivityTaskQueueResponse,
    RecordActivityTaskHeartbeatByIdRequest, RecordActivityTaskHeartbeatByIdResponse,
    RecordActivityTaskHeartbeatRequest, RecordActivityTaskHeartbeatResponse,
    RespondActivityTaskCanceledByIdRequest, RespondActivityTaskCanceledByIdResponse,
    RespondActivityTaskCanceledRequest, RespondActivityTaskCanceledResponse,
    RespondActivityTaskCompletedByIdRequest, RespondActivityTaskCompletedByIdResponse,
    RespondActivityTaskCompletedRequest, RespondActivityTaskCompletedResponse,
    RespondActivityTaskFailedByIdRequest, RespondActivityTaskFailedByIdResponse,
    RespondActivityTaskFailedRequest, RespondActivityTaskFailedResponse,
};

use super::workflow_task::{execution, scaling};
use super::{Call, token};
use crate::Engine;
use crate::node::Node;
use crate::poll::Poller;
use crate::queues::{QueueKey, Queued, StoredTask};
use crate::shard::{Departures, RunChange, Shard, store_refusal};
use crate::token::{TaskToken, TokenKind};
use crate::view::View;

impl Engine {
    /// Waits for an activity task; an empty response when there is none in time.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED where too many polls wait on the queue.
    pub async fn poll_activity_task_queue(
        &self,
        call: Call,
        request: PollActivityTaskQueueRequest,
    ) -> Result<PollActivityTaskQueueResponse, Refusal> {
        let node = self.node();
        let queue = request.task_queue.unwrap_or_default();
        let key = QueueKey {
            namespace_id: call.namespace.id.as_str().into(),
            kind: TaskKind::Activity,
            name: queue.name.as_str().into(),
        };
        let metadata = request.task_queue_metadata.as_ref();
        let info = PollerInfo {
            identity: request.identity.as_str().into(),
            max_tasks_per_second: metadata.and_then(|metadata| metadata.max_tasks_per_second),
            deployment_options: request.deployment_options,
            worker_version_capabilities: request.worker_version_capabilities,
        };
        let until = call.poll_until(self.limits().task_poll);
        let worker = request.worker_instance_key.into();
        let Some(mut poller) = Poller::begin(node.clone(), key, info, worker)? else {
            return Ok(PollActivityTaskQueueResponse::default());
        };
        while let Some(polled) = poller.next(until).await {
            let started = match &polled.task {
                Queued::Stored(task) => start(node, &call, task, &poller).await,
                Queued::Query(_) => Ok(None),
            };
            let started = match started {
                Ok(started) => started,
                Err(refusal) => {
                    poller.give_back(polled);
                    return Err(refusal);
                }
            };
            let Some(mut response) = started else {
                poller.resume(polled);
                continue;
            };
            response.poller_scaling_decision = polled.poller_scaling.map(scaling);
            return Ok(response);
        }
        Ok(PollActivityTaskQueueResponse::default())
    }

    /// The activity attempt lives.
    ///
    /// # Errors
    /// NOT_FOUND for an attempt that is gone.
    pub async fn record_activity_task_heartbeat(
        &self,
        call: Call,
        request: RecordActivityTaskHeartbeatRequest,
    ) -> Result<RecordActivityTaskHeartbeatResponse, Refusal> {
        let (token, target) = target(&request.task_token)?;
        self.change_by_token(&call, &token, Refusal::activity_not_found, |run, cx| {
            activity::heartbeat(run, cx, &target, request.details, &request.identity)
        })
        .await
    }

    /// The same, by ids.
    ///
    /// # Errors
    /// NOT_FOUND for an attempt that is gone.
    pub async fn record_activity_task_heartbeat_by_id(
        &self,
        call: Call,
        request: RecordActivityTaskHeartbeatByIdRequest,
    ) -> Result<RecordActivityTaskHeartbeatByIdResponse, Refusal> {
        let execution = by_id(request.workflow_id, request.run_id);
        let target = Target::Id(request.activity_id);
        let (_, answer) = self
            .change_run(&call, Some(&execution), |run, cx| {
                activity::heartbeat(run, cx, &target, request.details, &request.identity)
            })
            .await?;
        Ok(RecordActivityTaskHeartbeatByIdResponse {
            cancel_requested: answer.cancel_requested,
            activity_paused: answer.activity_paused,
            activity_reset: answer.activity_reset,
        })
    }

    /// The activity has a result.
    ///
    /// # Errors
    /// NOT_FOUND for an attempt that is gone.
    pub async fn respond_activity_task_completed(
        &self,
        call: Call,
        request: RespondActivityTaskCompletedRequest,
    ) -> Result<RespondActivityTaskCompletedResponse, Refusal> {
        let (token, target) = target(&request.task_token)?;
        self.change_by_token(&call, &token, Refusal::activity_not_found, |run, cx| {
            let by = answerer(&request.identity, request.worker_version.as_ref());
            let outcome = activity::complete(run, cx, &target, request.result, by)?;
            Ok((Some(outcome), ()))
        })
        .await?;
        Ok(RespondActivityTaskCompletedResponse {})
    }

    /// The same, by ids.
    ///
    /// # Errors
    /// NOT_FOUND for an activity that is not pending.
    pub async fn respond_activity_task_completed_by_id(
        &self,
        call: Call,
        request: RespondActivityTaskCompletedByIdRequest,
    ) -> Result<RespondActivityTaskCompletedByIdResponse, Refusal> {
        let execution = by_id(request.workflow_id, request.run_id);
        let target = Target::Id(request.activity_id);
        self.change_run(&call, Some(&execution), |run, cx| {
            let by = answerer(&request.identity, None);
            let outcome = activity::complete(run, cx, &target, request.result, by)?;
            Ok((Some(outcome), ()))
        })
        .await?;
        Ok(RespondActivityTaskCompletedByIdResponse {})
    }

    /// The activity attempt failed.
    ///
    /// # Errors
    /// NOT_FOUND for an attempt that is gone; INVALID_ARGUMENT for a failure of the wrong kind.
    pub async fn respond_activity_task_failed(
        &self,
        call: Call,
        request: RespondActivityTaskFailedRequest,
    ) -> Result<RespondActivityTaskFailedResponse, Refusal> {
        let (token, target) = target(&request.task_token)?;
        let failures = self
            .change_by_token(&call, &token, Refusal::activity_not_found, |run, cx| {
                let details = request.last_heartbeat_details;
                let failure = request.failure;
                let by = answerer(&request.identity, request.worker_version.as_ref());
                activity::fail(run, cx, &target, failure, details, by)
                    .map(|(outcome, failures)| (Some(outcome), failures))
            })
            .await?;
        Ok(RespondActivityTaskFailedResponse { failures })
    }

    /// The same, by ids.
    ///
    /// # Errors
    /// NOT_FOUND for an activity that is not started.
    pub async fn respond_activity_task_failed_by_id(
        &self,
        call: Call,
        request: RespondActivityTaskFailedByIdRequest,
    ) -> Result<RespondActivityTaskFailedByIdResponse, Refusal> {
        let execution = by_id(request.workflow_id, request.run_id);
        let target = Target::Id(request.activity_id);
        let (_, failures) = self
            .change_run(&call, Some(&execution), |run, cx| {
                let details = request.last_heartbeat_details;
                let failure = request.failure;
                let by = answerer(&request.identity, None);
                activity::fail(run, cx, &target, failure, details, by)
                    .map(|(outcome, failures)| (Some(outcome), failures))
            })
            .await?;
        Ok(RespondActivityTaskFailedByIdResponse { failures })
    }

    /// The activity gave way to its cancellation.
    ///
    /// # Errors
    /// NOT_FOUND for an attempt that is gone; INVALID_ARGUMENT if nobody asked it to.
    pub async fn respond_activity_task_canceled(
        &self,
        call: Call,
        request: RespondActivityTaskCanceledRequest,
    ) -> Result<RespondActivityTaskCanceledResponse, Refusal> {
        let (token, target) = target(&request.task_token)?;
        self.change_by_token(&call, &token, Refusal::activity_not_found, |run, cx| {
            let outcome = activity::cancel(run, cx, &target, request.details, &request.identity)?;
            Ok((Some(outcome), ()))
        })
        .await?;
        Ok(RespondActivityTaskCanceledResponse {})
    }

    /// The same, by ids.
    ///
    /// # Errors
    /// NOT_FOUND for an activity that is not started; INVALID_ARGUMENT if nobody asked it to.
    pub async fn respond_activity_task_canceled_by_id(
        &self,
        call: Call,
        request: RespondActivityTaskCanceledByIdRequest,
    ) -> Result<RespondActivityTaskCanceledByIdResponse, Refusal> {
        let execution = by_id(request.workflow_id, request.run_id);
        let target = Target::Id(request.activity_id);
        self.change_run(&call, Some(&execution), |run, cx| {
            let outcome = activity::cancel(run, cx, &target, request.details, &request.identity)?;
            Ok((Some(outcome), ()))
        })
        .await?;
        Ok(RespondActivityTaskCanceledByIdResponse {})
    }
}

fn answerer<'a>(identity: &'a str, version: Option<&'a WorkerVersionStamp>) -> Answerer<'a> {
    Answerer { identity, version }
}

fn by_id(workflow_id: String, run_id: String) -> WorkflowExecution {
    WorkflowExecution {
        workflow_id,
        run_id,
    }
}

fn target(bytes: &[u8]) -> Result<(TaskToken, Target), Refusal> {
    let token = token(bytes, TokenKind::Activity)?;
    let target = Target::Token(ActivityRef {
        scheduled_event_id: token.scheduled_event_id,
        attempt: token.attempt,
        started_time: Time(token.started_time),
    });
    Ok((token, target))
}

/// Starts an offered attempt; it is handed out once that is durable. `None`: it is obsolete.
async fn start(
    node: &Arc<Node>,
    call: &Call,
    task: &StoredTask,
    poller: &Poller,
) -> Result<Option<PollActivityTaskQueueResponse>, Refusal> {
    let (durability, response) = {
        let mut shard = node.lock_of(&task.run.namespace_id, &task.run.workflow_id);
        let loaded = shard.load(&task.run);
        if !loaded.map_err(|error| store_refusal(&error))? {
            return Ok(None);
        }
        let view = View::new(node, &call.namespace);
        let cx = view.context(node, node.now());
        let run = shard.run_mut(&task.run);
        let (identity, request_id) = (poller.identity(), poller.request_id());
        let started = activity::start(run, &cx, &task.task, identity, request_id);
        let Some((outcome, activity)) = started else {
            return Ok(None);
        };
        let durability = match outcome {
            // Started for this poll by the commit that scheduled it.
            None => shard.durability(&task.run),
            Some(outcome) => {
                let ended = outcome.beyond_limit.is_some();
                let change = RunChange {
                    key: task.run.clone(),
                    outcome,
                };
                let durability = shard.commit(node, vec![change], Departures::default(), None);
                if ended {
                    return Ok(None);
                }
                durability
            }
        };
        let response = response(&mut shard, call, &task.run, &activity);
        (durability, response)
    };
    durability.reached().await?;
    response.map(Some)
}

/// The poll response for a started activity.
pub(super) fn response(
    shard: &mut Shard,
    call: &Call,
    key: &Arc<RunKey>,
    activity: &Activity,
) -> Result<PollActivityTaskQueueResponse, Refusal> {
    let event = shard
        .event(key, activity.scheduled_event_id)
        .map_err(|error| store_refusal(&error))?;
    let (input, header) = match event.attributes {
        Some(Attributes::ActivityTaskScheduledEventAttributes(attributes)) => {
            (attributes.input, attributes.header)
        }
        _ => (None, None),
    };
    let token = TaskToken {
        kind: TokenKind::Activity as i32,
        namespace_id: key.namespace_id.clone(),
        workflow_id: key.workflow_id.clone(),
        run_id: key.run_id.clone(),
        scheduled_event_id: activity.scheduled_event_id,
        attempt: activity.attempt,
        started_time: activity.started_time,
        ..TaskToken::default()
    };
    let run = shard.run(key);
    Ok(PollActivityTaskQueueResponse {
        task_token: token.seal(),
        workflow_namespace: call.namespace.name.clone(),
        workflow_type: Some(WorkflowType {
            name: run.workflow_type().to_owned(),
        }),
        workflow_execution: Some(execution(key)),
        activity_type: Some(ActivityType {
            name: activity.activity_type.clone(),
        }),
        activity_id: activity.activity_id.clone(),
        header,
        input,
        heartbeat_details: activity.heartbeat_details.clone(),
        scheduled_time: Some(Time(activity.first_scheduled_time).to_proto()),
        current_attempt_scheduled_time: Some(Time(activity.scheduled_time).to_proto()),
        started_time: Some(Time(activity.started_time).to_proto()),
        attempt: activity.attempt,
        schedule_to_close_timeout: Some(to_duration(activity.schedule_to_close)),
        start_to_close_timeout: Some(to_duration(activity.start_to_close)),
        heartbeat_timeout: Some(to_duration(activity.heartbeat_timeout)),
        retry_policy: activity.retry_policy.clone(),
        priority: activity.priority.clone(),
        ..Default::default()
    })
}
