//! Workflow tasks: polled, completed, failed.

use std::collections::BTreeMap;
use std::sync::Arc;

use steadfast_core::completion::{self, Completed};
use steadfast_core::execution::RunKey;
use steadfast_core::outcome::TaskKind;
use steadfast_core::workflow_task::{self, TaskPoll, TaskStart, unwritten_events};
use steadfast_core::{Refusal, time};
use steadfast_matching::PollerInfo;
use steadfast_protocol::common::{WorkflowExecution, WorkflowType};
use steadfast_protocol::enums::{TaskQueueKind, WorkflowTaskFailedCause};
use steadfast_protocol::history::History;
use steadfast_protocol::taskqueue::{PollerScalingDecision, TaskQueue};
use steadfast_protocol::workflowservice::{
    PollWorkflowTaskQueueRequest, PollWorkflowTaskQueueResponse, ResetStickyTaskQueueRequest,
    ResetStickyTaskQueueResponse, RespondWorkflowTaskCompletedRequest,
    RespondWorkflowTaskCompletedResponse, RespondWorkflowTaskFailedRequest,
    RespondWorkflowTaskFailedResponse,
};

use super::history::PAGE_EVENTS;
use super::{Call, token};
use crate::Engine;
use crate::node::Node;
use crate::poll::{Polled, Poller};
use crate::queues::{QueryTask, QueueKey, Queued, StoredTask};
use crate::shard::{Departures, Durability, QueryEnd, RunChange, Shard, store_refusal};
use crate::token::{HistoryToken, TaskToken, TokenKind};
use crate::view::View;

impl Engine {
    /// Waits for a workflow task; an empty response when there is none in time.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED where too many polls wait on the queue.
    pub async fn poll_workflow_task_queue(
        &self,
        call: Call,
        request: PollWorkflowTaskQueueRequest,
    ) -> Result<PollWorkflowTaskQueueResponse, Refusal> {
        let node = self.node();
        let queue = request.task_queue.unwrap_or_default();
        let key = QueueKey {
            namespace_id: call.namespace.id.as_str().into(),
            kind: TaskKind::Workflow,
            name: queue.name.as_str().into(),
        };
        let worker_version = workflow_task::worker_version(
            request.worker_version_capabilities.as_ref(),
            request.deployment_options.as_ref(),
        );
        let info = PollerInfo {
            identity: request.identity.as_str().into(),
            max_tasks_per_second: None,
            deployment_options: request.deployment_options,
            worker_version_capabilities: request.worker_version_capabilities,
        };
        let until = call.poll_until(self.limits().task_poll);
        let worker = request.worker_instance_key.into();
        let Some(mut poller) = Poller::begin(node.clone(), key, info, worker)? else {
            return Ok(PollWorkflowTaskQueueResponse::default());
        };
        let poll = TaskPoll {
            queue: queue.name,
            identity: request.identity,
            request_id: poller.request_id().to_owned(),
            worker_version,
        };
        while let Some(polled) = poller.next(until).await {
            let started = match &polled.task {
                Queued::Stored(task) => start(node, &call, task, &poll),
                Queued::Query(query) => direct_query(node, &call, query),
            };
            let started = match started {
                Ok(started) => started,
                Err(refusal) => {
                    poller.give_back(polled);
                    return Err(refusal);
                }
            };
            let Some((durability, mut response)) = started else {
                poller.resume(polled);
                continue;
            };
            durability.reached().await?;
            let Polled {
                backlog_count_hint,
                poller_scaling,
                ..
            } = polled;
            response.backlog_count_hint = backlog_count_hint;
            response.poller_scaling_decision = poller_scaling.map(scaling);
            return Ok(response);
        }
        Ok(PollWorkflowTaskQueueResponse::default())
    }

    /// Takes the commands of a workflow task.
    ///
    /// # Errors
    /// NOT_FOUND for a task that is gone; INVALID_ARGUMENT for a bad command, which fails the task.
    pub async fn respond_workflow_task_completed(
        &self,
        call: Call,
        request: RespondWorkflowTaskCompletedRequest,
    ) -> Result<RespondWorkflowTaskCompletedResponse, Refusal> {
        self.admit()?;
        let node = self.node();
        let token = token(&request.task_token, TokenKind::WorkflowTask)?;
        let (durability, response) = {
            let mut shard = node.lock_of(&call.namespace.id, &token.workflow_id);
            let found = shard.find(&call.namespace.id, &token.workflow_id, &token.run_id);
            let key = found
                .map_err(|error| store_refusal(&error))?
                .ok_or_else(Refusal::workflow_task_not_found)?;
            let view = View::new(node, &call.namespace);
            let cx = view.context(node, node.now());
            let run = shard.run_mut(&key);
            let completion = completion::complete(run, &cx, &token.workflow_task(), request);
            let mut departures = Departures::default();
            let response = match completion.reply {
                Ok(mut completed) => {
                    departures.answered_queries = answers(&mut shard, &mut completed);
                    Ok(completed)
                }
                Err(refusal) => Err(refusal),
            };
            let durability = match completion.outcome {
                Some(outcome) => {
                    let key = key.clone();
                    let change = RunChange { key, outcome };
                    shard.commit(node, vec![change], departures, None)
                }
                None => shard.durability(&key),
            };
            let response = match response {
                Ok(completed) => completed_response(&mut shard, &call, &key, &completed),
                Err(refusal) => Err(refusal),
            };
            (durability, response)
        };
        durability.reached().await?;
        response
    }

    /// The worker could not do a workflow task.
    ///
    /// # Errors
    /// NOT_FOUND for a task that is gone.
    pub async fn respond_workflow_task_failed(
        &self,
        call: Call,
        request: RespondWorkflowTaskFailedRequest,
    ) -> Result<RespondWorkflowTaskFailedResponse, Refusal> {
        let token = token(&request.task_token, TokenKind::WorkflowTask)?;
        let cause = WorkflowTaskFailedCause::try_from(request.cause).unwrap_or_default();
        self.change_by_token(
            &call,
            &token,
            Refusal::workflow_task_not_found,
            |run, cx| {
                let outcome = workflow_task::fail(
                    run,
                    cx,
                    &token.workflow_task(),
                    cause,
                    request.failure,
                    &request.identity,
                    &request.binary_checksum,
                )?;
                Ok((Some(outcome), ()))
            },
        )
        .await?;
        Ok(RespondWorkflowTaskFailedResponse {})
    }

    /// Forgets the worker that has the run in its cache.
    ///
    /// # Errors
    /// NOT_FOUND for a run that is closed or unknown.
    pub async fn reset_sticky_task_queue(
        &self,
        call: Call,
        request: ResetStickyTaskQueueRequest,
    ) -> Result<ResetStickyTaskQueueResponse, Refusal> {
        self.change_run(&call, request.execution.as_ref(), |run, cx| {
            Ok((Some(workflow_task::reset_sticky(run, cx)?), ()))
        })
        .await?;
        Ok(ResetStickyTaskQueueResponse {})
    }
}

/// Starts an offered task for a poller. The start itself need not be durable, but the events it shows must be.
/// `None`: it is obsolete.
fn start(
    node: &Arc<Node>,
    call: &Call,
    task: &StoredTask,
    poll: &TaskPoll,
) -> Result<Option<(Durability, PollWorkflowTaskQueueResponse)>, Refusal> {
    let mut shard = node.lock_of(&task.run.namespace_id, &task.run.workflow_id);
    let loaded = shard.load(&task.run);
    if !loaded.map_err(|error| store_refusal(&error))? {
        return Ok(None);
    }
    let view = View::new(node, &call.namespace);
    let cx = view.context(node, node.now());
    let Some(started) = workflow_task::start(shard.run_mut(&task.run), &cx, &task.task, poll)
    else {
        return Ok(None);
    };
    shard.arm(&task.run);
    let response = response(&mut shard, &task.run, &started)?;
    Ok(Some((shard.durability(&task.run), response)))
}

/// The poll response for a started workflow task.
pub(super) fn response(
    shard: &mut Shard,
    key: &Arc<RunKey>,
    started: &TaskStart,
) -> Result<PollWorkflowTaskQueueResponse, Refusal> {
    let from = if started.partial {
        started.previous_started_event_id + 1
    } else {
        1
    };
    let written = shard.run(key).head.next_event_id;
    let (mut history, reached) = shard
        .read_history(key, from, written, PAGE_EVENTS)
        .map_err(|error| store_refusal(&error))?;
    let end = started.started.started_event_id + 1;
    let run = shard.run(key);
    let next_page_token = if reached >= written {
        history.events = unwritten_events(run, false);
        bytes::Bytes::new()
    } else {
        let rest = HistoryToken {
            run_id: key.run_id.clone(),
            next_event_id: reached,
            end_event_id: end,
        };
        rest.seal()
    };
    let token = TaskToken {
        kind: TokenKind::WorkflowTask as i32,
        namespace_id: key.namespace_id.clone(),
        workflow_id: key.workflow_id.clone(),
        run_id: key.run_id.clone(),
        scheduled_event_id: started.task.scheduled_event_id,
        started_event_id: started.started.started_event_id,
        attempt: started.task.attempt,
        started_time: started.started.started_time.0,
        query_id: String::new(),
    };
    let queries: BTreeMap<_, _> = started
        .queries
        .iter()
        .map(|(id, query)| (id.clone(), (**query).clone()))
        .collect();
    Ok(PollWorkflowTaskQueueResponse {
        task_token: token.seal(),
        workflow_execution: Some(execution(key)),
        workflow_type: Some(WorkflowType {
            name: run.workflow_type().to_owned(),
        }),
        previous_started_event_id: started.previous_started_event_id,
        started_event_id: started.started.started_event_id,
        attempt: started.task.attempt,
        history: Some(history),
        next_page_token,
        workflow_execution_task_queue: Some(normal_queue(run.task_queue())),
        scheduled_time: Some(time::Time(started.task.scheduled_time).to_proto()),
        started_time: Some(started.started.started_time.to_proto()),
        queries,
        ..Default::default()
    })
}

/// The poll response for a query that goes to a worker as a task of its own. `None`: the run is gone.
fn direct_query(
    node: &Arc<Node>,
    call: &Call,
    query: &QueryTask,
) -> Result<Option<(Durability, PollWorkflowTaskQueueResponse)>, Refusal> {
    let mut shard = node.lock_of(&call.namespace.id, &query.run.workflow_id);
    let loaded = shard.load(&query.run);
    if !loaded.map_err(|error| store_refusal(&error))? {
        return Ok(None);
    }
    let key = &query.run;
    let mut history = History::default();
    let mut next_page_token = bytes::Bytes::new();
    if !query.sticky {
        let written = shard.run(key).head.next_event_id;
        let (read, reached) = shard
            .read_history(key, 1, written, PAGE_EVENTS)
            .map_err(|error| store_refusal(&error))?;
        history = read;
        if reached < written {
            let rest = HistoryToken {
                run_id: key.run_id.clone(),
                next_event_id: reached,
                end_event_id: written,
            };
            next_page_token = rest.seal();
        }
    }
    let run = shard.run(key);
    let token = TaskToken {
        kind: TokenKind::Query as i32,
        namespace_id: key.namespace_id.clone(),
        workflow_id: key.workflow_id.clone(),
        run_id: key.run_id.clone(),
        query_id: query.id.clone(),
        ..TaskToken::default()
    };
    let response = PollWorkflowTaskQueueResponse {
        task_token: token.seal(),
        workflow_execution: Some(execution(key)),
        workflow_type: Some(WorkflowType {
            name: run.workflow_type().to_owned(),
        }),
        previous_started_event_id: run.head.previous_started_event_id,
        started_event_id: 0,
        attempt: 1,
        history: Some(history),
        next_page_token,
        query: Some(Box::new((*query.query).clone())),
        workflow_execution_task_queue: Some(normal_queue(run.task_queue())),
        ..Default::default()
    };
    Ok(Some((shard.durability(key), response)))
}

fn answers(
    shard: &mut Shard,
    completed: &mut Completed,
) -> Vec<(tokio::sync::oneshot::Sender<QueryEnd>, QueryEnd)> {
    let answers = std::mem::take(&mut completed.answers).into_iter();
    answers
        .filter_map(|(id, answer)| {
            let waiting = shard.take_query(&id)?;
            Some((waiting, QueryEnd::Answer(Box::new(answer))))
        })
        .collect()
}

fn completed_response(
    shard: &mut Shard,
    call: &Call,
    key: &Arc<RunKey>,
    completed: &Completed,
) -> Result<RespondWorkflowTaskCompletedResponse, Refusal> {
    let workflow_task = match &completed.next_task {
        Some(started) => Some(response(shard, key, started)?),
        None => None,
    };
    let mut activity_tasks = Vec::with_capacity(completed.eager_activities.len());
    for id in &completed.eager_activities {
        let Some(activity) = shard.run(key).activities.get(id).cloned() else {
            continue;
        };
        activity_tasks.push(super::activity_task::response(shard, call, key, &activity)?);
    }
    Ok(RespondWorkflowTaskCompletedResponse {
        workflow_task: workflow_task.map(Box::new),
        activity_tasks,
        reset_history_event_id: 0,
    })
}

pub(super) fn execution(key: &RunKey) -> WorkflowExecution {
    WorkflowExecution {
        workflow_id: key.workflow_id.clone(),
        run_id: key.run_id.clone(),
    }
}

fn normal_queue(name: &str) -> TaskQueue {
    TaskQueue {
        name: name.to_owned(),
        kind: TaskQueueKind::Normal as i32,
        normal_name: String::new(),
    }
}

pub(super) fn scaling(poll_request_delta_suggestion: i32) -> PollerScalingDecision {
    PollerScalingDecision {
        poll_request_delta_suggestion,
    }
}
